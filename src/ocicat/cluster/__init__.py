"""The embedded cluster: a Kubernetes API server in this process, and the client that watches any API
server."""
