"""The node's half of the embedded cluster: pods as processes in namespaces of their own, and images by
name."""
