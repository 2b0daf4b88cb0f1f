"""The real Internet for pods, without root: `pasta` carries what leaves the cluster over the host's sockets.

It joins the network between the nodes with an interface of its own, and opens an ordinary socket of this user
for each connection; nothing can come in. The host's own loopback stays out of reach. Source: pasta(1).
"""

import os
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from ocicat.app.up.parts import Beside
from ocicat.base.errors import OcicatError
from ocicat.cluster.pods import network
from ocicat.cluster.pods.holding import Holding
from ocicat.cluster.pods.images.making import ImageNotMadeError, fetch

RESOLVER: Final = "192.0.2.53"
"""Questions to this address go to the host's own name server."""
_ADDRESS: Final = ("--address", "192.0.2.2", "--netmask", "24", "--gateway", "192.0.2.1")
"""For documentation (RFC 5737): so it is no network of the host's, nor of the cluster's."""
_INTERFACE: Final = "internet"
_PACKAGE: Final = "passt"
_RULES: Final = f"""
table ip ocicat-internet {{
    chain postrouting {{
        type nat hook postrouting priority srcnat
        oifname "{_INTERFACE}" masquerade
    }}
}}
"""


class NoInternetError(OcicatError):
    """The Internet cannot be reached from here; the message says what is missing."""


def program(debian: Path) -> str:
    """Return the program, fetched where it is not installed. Blocks. Raises NoInternetError."""
    if installed := shutil.which("pasta"):
        return installed
    unpacked = debian / _PACKAGE / "usr/bin/pasta"
    if not unpacked.exists():
        try:
            fetch(_PACKAGE, debian)
        except ImageNotMadeError as error:
            raise NoInternetError(
                f"--internet needs pasta: on Debian, sudo apt-get install passt ({error})"
            ) from error
    return str(unpacked)


async def opened(holding: Holding, pasta: str, environment: dict[str, str], stack: AsyncExitStack) -> Beside:
    """Prepare the way out, and return what starts it. Raises NoInternetError, HolderError.

    What it needs is kept until `stack` is left.
    """
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise NoInternetError("--internet needs /dev/net/tun, which this user may not open here")
    descriptors = await holding.namespaces(network.WORLD)
    for descriptor in descriptors:
        stack.callback(os.close, descriptor)
    user, net = (f"/proc/self/fd/{descriptor}" for descriptor in descriptors)
    await holding.run(network.WORLD, "nft", "-f", "-", stdin=_RULES)
    command = [pasta, "--foreground", "--quiet", "--config-net", "--ipv4-only", "--no-map-gw"]
    command += ["--netns", net, "--userns", user, "--ns-ifname", _INTERFACE, *_ADDRESS]
    command += ["--dns-forward", RESOLVER]
    for option in ("--tcp-ports", "--udp-ports", "--tcp-ns", "--udp-ns"):
        command += [option, "none"]
    if os.geteuid() == 0:
        command += ["--runas", "0"]  # it would be nobody else, who may not join the namespaces
    return Beside(command, environment, descriptors)
