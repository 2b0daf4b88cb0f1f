"""Images by name: what each is made of, and the folders that they are made in."""
