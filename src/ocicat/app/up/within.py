"""What runs within a cluster's network beside its pods: nodes, agents, and the simulated outside."""

import datetime
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ocicat.app.up.keys import AGENT, kubeconfig_of
from ocicat.app.up.nodeprocess import NodeFile
from ocicat.app.up.parts import Part, within
from ocicat.app.up.places import Places
from ocicat.cluster.pods import network
from ocicat.cluster.pods.holding import Holding, Start
from ocicat.cluster.pods.network import NodePlace
from ocicat.cluster.pods.programs.certificates import ensure_certificates

OUTSIDE: Final[Mapping[str, str]] = {"catfact.ninja": "203.0.113.10"}
"""The public names that there are, and their addresses, which are for documentation (RFC 5737)."""
_DNS_PORT: Final = 53
_PROGRAMS: Final = "ocicat.cluster.pods.programs"


def outside_lines() -> list[str]:
    """Return what gives the world the addresses of the simulated outside."""
    return network.outside_lines(list(OUTSIDE.values()))


def debian_folder() -> Path:
    """Return where unpacked Debian packages are kept, for all clusters of this user."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "ocicat" / "debian"


def environment() -> dict[str, str]:
    """Return the variables of our own processes."""
    found = {key: value for key, value in os.environ.items() if not key.startswith("OCICAT_")}
    found["PATH"] = f"{found.get('PATH', '')}:/usr/sbin:/sbin"
    # No proxy of the user's: what runs within reaches the API server at an address of the cluster.
    return found | {"NO_PROXY": "*", "no_proxy": "*"}


class Within:
    """Says how the parts of one cluster are run."""

    def __init__(
        self,
        holding: Holding,
        places: Places,
        nodes: Mapping[str, NodePlace],
        said: Callable[[str], None],
        resolver: str,
    ) -> None:
        """Keep what parts need.

        Args:
            holding: The holder.
            places: The cluster's files.
            nodes: Its nodes by name.
            said: Gets lines for people.
            resolver: The address of the name server beyond the cluster.
        """
        self._resolver: Final = resolver
        self._holding: Final = holding
        self._places: Final = places
        self._nodes: Final = nodes
        self._said: Final = said

    def parts(self, authority: str, now_ns: int) -> list[Part]:
        """Return all parts, their files written.

        Args:
            authority: The certificate authority of the API server, as text.
            now_ns: The time, for certificates.

        Raises:
            OSError: A file cannot be written.
        """
        now = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC)
        keys = ensure_certificates(self._places.outside, list(OUTSIDE), now)
        hosts = [word for name, address in OUTSIDE.items() for word in ("--host", f"{name}={address}")]
        outside = ["--certificate", str(keys.certificate), "--key", str(keys.key), *hosts]
        outside += ["--dns-port", str(_DNS_PORT)]
        found = [
            self._part("the outside", _python(f"{_PROGRAMS}.outside", *outside), network.WORLD, "outside")
        ]
        self._write_kubeconfig("agent", AGENT, (), now_ns)
        for name, place in self._nodes.items():
            self._write_kubeconfig(name, f"system:node:{name}", ("system:nodes",), now_ns)
            file = self._places.folder / f"{name}.json"
            file.write_bytes(msgspec.json.encode(self._node_file(name, place, authority, keys.authority)))
            node = _python("ocicat.app.up.nodeprocess", str(file))
            found.append(self._part(f"the node {name}", node, name, name))
            found.append(self._part(f"the agent of {name}", self._agent(name), name, f"agent-{name}"))
        return found

    def _part(self, name: str, argv: list[str], space: str, log_name: str) -> Part:
        what = Start(argv=argv, env=environment(), space=space)
        return Part(name, within(self._holding, what), self._places.logs / f"{log_name}.log", self._said)

    def _write_kubeconfig(self, part: str, user: str, groups: Sequence[str], now_ns: int) -> None:
        path = self._places.kubeconfig_of(part)
        path.touch(mode=0o600)
        path.write_bytes(kubeconfig_of(self._places, user, groups, now_ns))

    def _node_file(self, name: str, place: NodePlace, authority: str, lab_authority: Path) -> NodeFile:
        places = self._places
        return NodeFile(
            name=name,
            number=place.number,
            folder=str(places.nodes / name),
            socket=str(places.nodes / f"{name}.sock"),
            holder=str(places.holder),
            kubeconfig=str(places.kubeconfig_of(name)),
            images=str(places.images),
            debian=str(debian_folder()),
            authority=authority,
            lab_authority=str(lab_authority),
            resolver=self._resolver,
        )

    def _agent(self, node: str) -> list[str]:
        keys = self._places.keys
        options = {
            "--node": node,
            "--kubeconfig": str(self._places.kubeconfig_of("agent")),
            "--home": str(self._places.agents),
            "--metrics-port": "0",
            "--tls-ca": str(keys / "ca.crt"),
            "--tls-certificate": str(keys / "agent.crt"),
            "--tls-key": str(keys / "agent.key"),
        }
        return _python("ocicat", "agent", *(word for pair in options.items() for word in pair))


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
