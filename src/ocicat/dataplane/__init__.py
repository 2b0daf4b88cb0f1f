"""The kernel side: rulesets, netlink, network namespaces. Adapters behind `ocicat.ports`."""
