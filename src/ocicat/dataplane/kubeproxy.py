"""Is a kube-proxy at work on this node? Two who translate the addresses of Services would both do half of it.

Looked for in all three forms of kube-proxy: nftables (a table of its own), iptables (chains named KUBE-…, by
nft's iptables or by the old kind, whose chains only its own program shows), and IPVS (an interface).
"""

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ocicat.dataplane.nft.driver import NftUnavailableError

_TIMEOUT_S: Final = 30.0
_LEGACY: Final = Path("/proc/self/net/ip_tables_names")
"""The tables that the old iptables has in this network namespace."""
_IPVS_INTERFACE: Final = "kube-ipvs0"


def sign_of_kube_proxy(nft: Sequence[str] = ("nft",)) -> str:
    """Return what tells of a kube-proxy in this network namespace; empty where nothing does.

    Raises NftUnavailableError where nft does not say: that is no sign of anything.
    """
    if any(name == _IPVS_INTERFACE for _, name in socket.if_nameindex()):
        return f"interface {_IPVS_INTERFACE}"
    listed = _output([*nft, "list", "tables"])
    for family in ("ip", "ip6"):
        if f"table {family} kube-proxy" in listed:
            return f"table {family} kube-proxy"
        if f"table {family} nat" in listed and "chain KUBE-" in _output(
            [*nft, "list", "table", family, "nat"]
        ):
            return f"chains KUBE-… in table {family} nat"
    try:
        legacy = _LEGACY.read_text().split()
    except OSError:
        return ""
    return "table nat of the old iptables" if "nat" in legacy else ""


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise NftUnavailableError(f"cannot look for a kube-proxy: {error}") from error
    return done.stdout
