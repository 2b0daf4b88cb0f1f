"""Flow accounting: from what the kernel counted to the records that a node reports."""
