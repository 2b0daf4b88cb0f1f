"""The generated pages of docs/reference: one module for each, with a function `page() -> str`."""
