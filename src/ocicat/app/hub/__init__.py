"""The hub, composed: settings → store, hub, servers, the cluster that it follows."""
