"""The node agent: what a cluster says → this node's kernel → flow records. One process on each node."""
