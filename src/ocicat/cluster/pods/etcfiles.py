"""The files in /etc that a pod gets from its cluster: hosts and resolv.conf. Pure.

Source: the Kubernetes API reference of v1.32, PodSpec (hostAliases, dnsPolicy, dnsConfig); spec/workshop.
"""

from collections.abc import Mapping
from typing import Any, Final

from ocicat.cluster.pods.network import DNS_ADDRESS

Thing = Mapping[str, Any]
DOMAIN: Final = "cluster.local"


def hosts_file(pod: Thing, addresses: tuple[str, ...]) -> str:
    """Return a pod's /etc/hosts."""
    spec = pod["spec"]
    name = spec.get("hostname") or pod["metadata"]["name"]
    if spec.get("subdomain"):
        full = f"{name}.{spec['subdomain']}.{pod['metadata']['namespace']}.svc.{DOMAIN}"
        name = f"{full}\t{name}"
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
        *(f"{address}\t{name}" for address in addresses),
    ]
    aliases = spec.get("hostAliases") or ()
    if aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join((alias["ip"], *(alias.get("hostnames") or ()))) for alias in aliases]
    return "\n".join(lines) + "\n"


def resolver_file(pod: Thing, outside: str) -> str:
    """Return a pod's /etc/resolv.conf; `outside` is the name server beyond the cluster."""
    policy, config = pod["spec"].get("dnsPolicy", "ClusterFirst"), pod["spec"].get("dnsConfig") or {}
    servers, searches, options = [outside], list[str](), list[str]()
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet"):
        space = pod["metadata"]["namespace"]
        servers, options = [DNS_ADDRESS], ["ndots:5"]
        searches = [f"{space}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN]
    elif policy == "None":
        servers = []
    servers += config.get("nameservers") or ()
    searches += config.get("searches") or ()
    for option in config.get("options") or ():
        options.append(f"{option['name']}:{option['value']}" if option.get("value") else option["name"])
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {server}" for server in servers]
    if options:
        lines.append(f"options {' '.join(options)}")
    return "\n".join(lines) + "\n"
