"""What the core asks of the world outside, as Protocols; and the system's own clock."""
