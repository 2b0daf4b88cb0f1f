"""The fixed part of the ruleset: the hooks, who may send from which interface, and the counting of flows.

Hook priorities, against those of kube-proxy: owners are checked at `raw` (-300), before connection tracking
and before anybody's NAT (-100); policy is at `filter` (0), so that it sees a Service's backend, as §9.4
asks.

Source: design/dataplane §2, §3; spec/policy-semantics §9.
"""

from collections.abc import Iterator
from typing import Final

from ocicat.dataplane.counters import COUNTER_SETS, SET_SIZE, SET_TIMEOUT_S
from ocicat.dataplane.nft.ruleset import Chain, Container
from ocicat.dataplane.nft.settings import Denial, RulesetSettings, ToHost

ADDRESS_TYPE: Final = {4: "ipv4_addr", 6: "ipv6_addr"}
HEADER: Final = {4: "ip", 6: "ip6"}
"""What nft calls the header of each family."""
FAMILIES: Final = (4, 6)


def frame(settings: RulesetSettings) -> Iterator[Chain | Container]:
    """Yield the chains and sets that are there whatever policy says."""
    yield from _hooks(settings)
    yield from _gates(settings)
    yield from _accounts(settings)


def _hooks(settings: RulesetSettings) -> Iterator[Chain]:
    pods = f'"{settings.interface_prefix}*"'
    # By bits: a comparison is done in place, where a look-up costs a call.
    established = "ct state established,related accept"
    yield Chain(
        "prerouting",
        # What has its own address first: nearly all of what pods send.
        (*_owned(), f"iifname {pods} goto strangers"),
        "type filter hook prerouting priority raw; policy accept;",
    )
    yield Chain(
        "forward",
        (
            established,
            f"iifname {pods} jump from_pod",
            f"oifname {pods} goto to_pod",
            f"iifname {pods} goto account_allow",
        ),
        "type filter hook forward priority filter; policy accept;",
    )
    yield Chain(
        "input",
        (established, f"iifname {pods} goto pod_to_host"),
        "type filter hook input priority filter; policy accept;",
    )


def _gates(settings: RulesetSettings) -> Iterator[Chain]:
    yield Chain(
        "strangers",
        (
            # Neighbour discovery and multicast listening come from link-local addresses, or from none.
            "ip6 saddr { ::, fe80::/10 } icmpv6 type { 130, 131, 132, 133, 135, 136, 143 } accept",
            "drop",
        ),
    )
    tunnels = []
    if not settings.allow_vxlan_from_pods:
        tunnels.append(f"udp dport {settings.vxlan_port} drop")
    if not settings.allow_ipip_from_pods:
        tunnels.append("meta nfproto ipv4 meta l4proto 4 drop")
    from_pod = (f"iifname . {HEADER[family]} saddr vmap @from_pods{family}" for family in FAMILIES)
    yield Chain("from_pod", ("ct state invalid drop", *tunnels, *from_pod, "drop"))
    to_pod = (f"oifname . {HEADER[family]} daddr vmap @to_pods{family}" for family in FAMILIES)
    yield Chain("to_pod", ("ct state invalid drop", *to_pod, "drop"))
    yield Chain(
        "pod_to_host",
        (
            # §9.2: neighbour discovery and multicast listening need no policy.
            "icmpv6 type { 130, 131, 132, 133, 135, 136 } accept",
            "jump from_pod",
            "goto account_allow" if settings.to_host is ToHost.ACCEPT else "drop",
        ),
    )


def _owned() -> tuple[str, ...]:
    return tuple(f"iifname . {HEADER[family]} saddr @owners{family} accept" for family in FAMILIES)


# --- accounting ---------------------------------------------------------------------------------------------


def _accounts(settings: RulesetSettings) -> Iterator[Chain | Container]:
    """Yield the sets in which flows are counted, and the chains that count and then accept or deny.

    A set that is full takes no more; the rule that adds to it then has no effect, and the last one decides.
    """
    for counted in COUNTER_SETS:
        options = (f"size {SET_SIZE}", "flags dynamic,timeout", f"timeout {SET_TIMEOUT_S}s")
        yield Container(counted.name, counted.type, options, dynamic=True)
    denials = {
        Denial.DROP: ("drop",),
        Denial.REJECT: ("meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"),
    }
    for name, verdict in (("allow", ("accept",)), ("deny", denials[settings.denial])):
        v4, v6 = (f"account_{name}{family}" for family in FAMILIES)
        yield Chain(f"account_{name}", (f"meta nfproto ipv4 goto {v4}", f"goto {v6}"))
        at_once = f" {verdict[0]}" if len(verdict) == 1 else ""
        for family in FAMILIES:
            counting = (
                update + at_once
                for counted in COUNTER_SETS
                if counted.family == family and counted.denied is (name == "deny")
                for update in counted.updates
            )
            yield Chain(f"account_{name}{family}", (*counting, *verdict))
