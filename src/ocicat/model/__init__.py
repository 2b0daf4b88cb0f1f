"""What users write: resources, selectors, addresses and ports; how it is read, and what is wrong with it."""
