"""What ocicat offers and speaks over the network: the flow API, server and client."""
