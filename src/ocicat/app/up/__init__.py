"""`ocicat up`: the embedded cluster, composed — API server, controllers, nodes, agents, the outside."""
