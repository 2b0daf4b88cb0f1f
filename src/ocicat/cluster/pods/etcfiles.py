"""The files in /etc that a pod gets from its cluster: hosts and resolv.conf. Pure.

Source: the Kubernetes API reference of v1.32, PodSpec (hostAliases, dnsPolicy, dnsConfig); spec/workshop.
"""

from collections.abc import Mapping
from typing import Any, Final

from ocicat.cluster.pods.network import DNS_ADDRESS

Thing = Mapping[str, Any]
DOMAIN: Final = "cluster.local"


def hosts_file(pod: Thing, addresses: tuple[str, ...], name: str) -> str:
    """Return the /etc/hosts of a pod whose host name is `name`."""
    spec = pod["spec"]
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
    """Return a pod's /etc/resolv.conf; `outside` is the name server beyond the cluster.

    What `dnsConfig` says is added; an option of it takes the place of one of that name.
    """
    spec = pod["spec"]
    policy, config = spec.get("dnsPolicy", "ClusterFirst"), spec.get("dnsConfig") or {}
    servers, searches, options = [outside], list[str](), dict[str, str]()
    if policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.get("hostNetwork")):
        space = pod["metadata"]["namespace"]
        servers, options = [DNS_ADDRESS], {"ndots": "5"}
        searches = [f"{space}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN]
    elif policy == "None":
        servers = []
    servers = list(dict.fromkeys((*servers, *(config.get("nameservers") or ()))))
    searches = list(dict.fromkeys((*searches, *(config.get("searches") or ()))))
    options |= {row["name"]: row.get("value") or "" for row in config.get("options") or ()}
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {server}" for server in servers]
    if options:
        words = (f"{name}:{value}" if value else name for name, value in options.items())
        lines.append(f"options {' '.join(words)}")
    return "\n".join(lines) + "\n"
