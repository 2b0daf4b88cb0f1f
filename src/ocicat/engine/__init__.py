"""Questions about policy, answered by pure functions over the model."""
