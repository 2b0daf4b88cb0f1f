"""Flow stores: on DuckDB files, and in memory. Both fulfil `ocicat.ports.flowstore.FlowStore`."""
