"""Services in a table of their own: fronts to backends by destination NAT, before policy sees the packet.
Pure.

For nodes without a kube-proxy. No packet mark is read or written; a kube-proxy's are its own. NAT is at
`dstnat` (-100) and policy at `filter` (0), so policy sees the backend's address and port, as §9.4 asks; what
has no backend is refused just before that.

Source: design/dataplane §6; spec/policy-semantics §9.4.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from ocicat.dataplane.nft.frame import ADDRESS_TYPE, FAMILIES, HEADER
from ocicat.dataplane.nft.ruleset import Chain, Container, Ruleset, digest
from ocicat.engine.convert.entities import TRANSPORTS, addresses_of
from ocicat.engine.convert.services import service_ports
from ocicat.model.kubernetes import EndpointSlice, Service, SliceEndpoint
from ocicat.model.net import Address, Prefix

ServiceWithSlices = tuple[Service, tuple[EndpointSlice, ...]]

_REFUSED: Final = ("meta l4proto tcp reject with tcp reset", "reject with icmpx port-unreachable")
_HOOKS: Final = {
    "prerouting": "type nat hook prerouting priority dstnat; policy accept;",
    "output": "type nat hook output priority -100; policy accept;",
    "postrouting": "type nat hook postrouting priority srcnat; policy accept;",
}


class ServiceSettings(msgspec.Struct, frozen=True):
    """How Services are reached from a node."""

    table: str = "ocicat-services"
    """The name of the table, in family inet."""
    interface_prefix: str = "cali"
    """What the names of pods' interfaces begin with."""
    pod_nets: tuple[Prefix, ...] = ()
    """Where pods have their addresses. What a pod sends elsewhere takes the node's address on its way out;
    without any net it keeps its own."""


DEFAULT_SERVICE_SETTINGS: Final = ServiceSettings()


class Backend(msgspec.Struct, frozen=True, order=True):
    """Where a connection to a Service can end."""

    address: Address
    protocol: int
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.family == 6 else str(self.address)
        return f"{host}:{self.port}"


class Front(msgspec.Struct, frozen=True, order=True):
    """What clients dial."""

    family: int
    address: Address | None
    """None for a node port: any address of the node."""
    protocol: int
    port: int

    def __str__(self) -> str:
        at = f"{self.address} . " if self.address is not None else ""
        return f"{at}{self.protocol} . {self.port}"


def render_services(
    services: Iterable[ServiceWithSlices], settings: ServiceSettings = DEFAULT_SERVICE_SETTINGS
) -> Ruleset:
    """Return the table that makes Services reach their backends."""
    fronts: dict[Front, tuple[Backend, ...]] = {}
    for service, slices in services:
        fronts.update(fronts_of(service, slices))
    parts: list[Chain | Container] = []
    verdicts: dict[Front, str] = {}
    for front, backends in fronts.items():
        if backends:
            chains = list(_backend_chains(front.family, backends))
            parts += chains
            verdicts[front] = f"goto {chains[-1].name}"
    empty = {front for front, backends in fronts.items() if not backends}
    parts += _choices(verdicts)
    parts += _refusals(empty)
    parts += _outwards(settings, {backend.address for found in fronts.values() for backend in found})
    return Ruleset.of(settings.table, *parts)


# --- who answers where --------------------------------------------------------------------------------------


def fronts_of(service: Service, slices: Sequence[EndpointSlice]) -> Mapping[Front, tuple[Backend, ...]]:
    """Return what clients of a Service dial, with the backends in order."""
    found: dict[Front, tuple[Backend, ...]] = {}
    told = service_ports(service)
    for port in told.ports:
        for family in FAMILIES:
            backends = _backends(slices, port.name, port.protocol, family)
            for address in told.addresses:
                if address.family == family:
                    found[Front(family, address, port.protocol, port.port)] = backends
            if port.node_port and any(address.family == family for address in told.addresses):
                found[Front(family, None, port.protocol, port.node_port)] = backends
    return found


def _backends(
    slices: Iterable[EndpointSlice], port_name: str, protocol: int, family: int
) -> tuple[Backend, ...]:
    """Return the backends of a port: those that are ready, or if none is, those that still serve."""
    ready, serving = set(), set()
    for item in slices:
        numbers = [
            port.port
            for port in item.ports
            if port.name == port_name and TRANSPORTS.get(port.protocol) == protocol and port.port
        ]
        for endpoint in item.endpoints:
            backends = {
                Backend(address, protocol, number)
                for address in addresses_of(endpoint.addresses)
                if address.family == family
                for number in numbers
            }
            if endpoint.conditions.ready is not False:
                ready |= backends
            elif _still_serves(endpoint):
                serving |= backends
    return tuple(sorted(ready or serving))


def _still_serves(endpoint: SliceEndpoint) -> bool:
    return bool(endpoint.conditions.serving and endpoint.conditions.terminating)


# --- chains -------------------------------------------------------------------------------------------------


def _backend_chains(family: int, backends: Sequence[Backend]) -> Iterator[Chain]:
    """Yield a chain for each backend, and last the one that chooses. All are named by their content."""
    names = []
    for backend in backends:
        rule = f"meta l4proto {backend.protocol} dnat {HEADER[family]} to {backend}"
        chain = Chain(f"backend_{digest((rule,))}", (rule,))
        names.append(chain.name)
        yield chain
    if len(names) > 1:
        choices = ", ".join(f"{number} : goto {name}" for number, name in enumerate(names))
        rule = f"numgen random mod {len(names)} vmap {{ {choices} }}"
        yield Chain(f"choose_{digest((rule,))}", (rule,))


def _choices(verdicts: Mapping[Front, str]) -> Iterator[Chain | Container]:
    """Yield the maps from front to backends, and the hooks that ask them."""
    rules = []
    for family in FAMILIES:
        by_address = {str(f): v for f, v in verdicts.items() if f.family == family and f.address is not None}
        by_node = {str(f): v for f, v in verdicts.items() if f.family == family and f.address is None}
        key = f"{ADDRESS_TYPE[family]} . inet_proto . inet_service : verdict"
        yield Container(f"fronts{family}", key, elements=by_address)
        yield Container(f"node_ports{family}", "inet_proto . inet_service : verdict", elements=by_node)
        rules += [
            f"{HEADER[family]} daddr . meta l4proto . th dport vmap @fronts{family}",
            f"meta nfproto ipv{family} fib daddr type local meta l4proto . th dport vmap @node_ports{family}",
        ]
    for hook in ("prerouting", "output"):
        yield Chain(hook, tuple(rules), _HOOKS[hook])


def _refusals(empty: Iterable[Front]) -> Iterator[Chain | Container]:
    """Yield what refuses connections to Services without backends."""
    rules = []
    fronts = sorted(empty, key=str)
    for family in FAMILIES:
        by_address = {str(f): "" for f in fronts if f.family == family and f.address is not None}
        by_node = {str(f): "" for f in fronts if f.family == family and f.address is None}
        key = f"{ADDRESS_TYPE[family]} . inet_proto . inet_service"
        yield Container(f"empty_fronts{family}", key, elements=by_address)
        yield Container(f"empty_node_ports{family}", "inet_proto . inet_service", elements=by_node)
        rules += [
            f"{HEADER[family]} daddr . meta l4proto . th dport @empty_fronts{family} goto refuse",
            (
                f"meta nfproto ipv{family} fib daddr type local "
                f"meta l4proto . th dport @empty_node_ports{family} goto refuse"
            ),
        ]
    yield Chain("refuse", _REFUSED)
    yield Chain("refusals", tuple(rules))
    for hook in ("input", "forward", "output"):
        priority = f"type filter hook {hook} priority -10; policy accept;"
        yield Chain(f"filter_{hook}", ("ct state new jump refusals",), priority)


def _outwards(settings: ServiceSettings, backends: Iterable[Address]) -> Iterator[Chain | Container]:
    """Yield what hides addresses: of a pod that reaches itself, and of whoever leaves for where replies would
    not come back this way."""
    rules = []
    pods = f'oifname "{settings.interface_prefix}*"'
    away = f'oifname != "{settings.interface_prefix}*"'
    own = sorted(backends)
    for family in FAMILIES:
        ip, kind = HEADER[family], ADDRESS_TYPE[family]
        selves = {f"{address} . {address}": "" for address in own if address.family == family}
        yield Container(f"selves{family}", f"{kind} . {kind}", elements=selves)
        rules.append(f"ct status dnat {pods} {ip} saddr . {ip} daddr @selves{family} masquerade")
        nets = [str(net) for net in settings.pod_nets if net.family == family]
        if nets:
            inside = f"{{ {', '.join(nets)} }}"
            rules.append(f"{away} {ip} saddr {inside} {ip} daddr != {inside} masquerade")
            # Others' connections to a node port or external address, on to a backend of another node.
            rules.append(f"ct status dnat {away} {ip} saddr != {inside} masquerade")
    yield Chain("postrouting", tuple(rules), _HOOKS["postrouting"])
