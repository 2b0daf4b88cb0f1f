"""The API server: HTTPS, authentication, admission and streams around the decisions of
`cluster.resources`."""
