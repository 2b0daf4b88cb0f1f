"""What the core asks of the world outside, as Protocols. No code but types."""
