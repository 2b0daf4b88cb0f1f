"""What every layer shares: the `Problem` a user is told of, and the root of our exceptions."""
