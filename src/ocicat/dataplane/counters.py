"""The counter sets of the ruleset: what the renderer declares and updates, and the accounts read.

One table of both sides, so that they cannot drift apart. Every set is dynamic, has a time-out that each
update renews, and counts packets and bytes for each key. `conns…` count the first packet of each connection
that policy allowed, `denied…` each packet that it refused. Keys have five fields at most, because nft 1.0.6
aborts when it lists wider ones (design/dataplane §3); so an attempt that came through a Service is counted in
a set of its protocol, where the address that was dialled stands instead of the protocol.
"""

from typing import Final

import msgspec

from ocicat.ports.accounting import COUNTER_TIMEOUT_S

SET_SIZE: Final = 65535
"""Elements that one set may hold; further keys are not counted, and traffic is not touched."""
SET_TIMEOUT_S: Final = COUNTER_TIMEOUT_S

PROTOCOLS_WITH_PORTS: Final = {"tcp": 6, "udp": 17, "sctp": 132}
_UNCONFIRMED: Final = "ct status and confirmed == 0"
_TYPES: Final = {
    "ct mark": "mark",
    "ip saddr": "ipv4_addr",
    "ip daddr": "ipv4_addr",
    "ct original ip daddr": "ipv4_addr",
    "ip6 saddr": "ipv6_addr",
    "ip6 daddr": "ipv6_addr",
    "ct original ip6 daddr": "ipv6_addr",
    "meta l4proto": "inet_proto",
    "th dport": "inet_service",
    "icmp type": "icmp_type",
    "icmp code": "icmp_code",
    "icmpv6 type": "icmpv6_type",
    "icmpv6 code": "icmpv6_code",
}


class CounterSet(msgspec.Struct, frozen=True):
    """One set, as nft spells it and as a reader understands it."""

    name: str
    family: int
    """4 or 6."""
    denied: bool
    """Whether it counts refused packets; otherwise first packets of allowed connections."""
    matches: tuple[str, ...]
    """What a packet must be to be counted, as nft statements: one of these. No packet meets those of two sets
    of one family and kind."""
    key: tuple[str, ...]
    """The fields of the key, as nft expressions."""
    protocol: int = 0
    """The IP protocol of all its elements; 0 where the key tells it."""

    @property
    def type(self) -> str:
        """The set's `type`, as nft declares it."""
        return " . ".join(_TYPES[field] for field in self.key)

    @property
    def updates(self) -> tuple[str, ...]:
        """The rules that count. Where the set is full a rule ends there, as if it did not match."""
        counting = f"update @{self.name} {{ {' . '.join(self.key)} counter }}"
        return tuple(f"{match} {counting}" for match in self.matches)


def _sets_of(family: int) -> tuple[CounterSet, ...]:
    ip, icmp, icmp_number = ("ip", "icmp", 1) if family == 4 else ("ip6", "icmpv6", 58)
    of_family = f"meta nfproto {'ipv4' if family == 4 else 'ipv6'}"
    ends = ("ct mark", f"{ip} saddr", f"{ip} daddr")
    with_ports = (*ends, "meta l4proto", "th dport")
    icmp_key = (*ends, f"{icmp} type", f"{icmp} code")
    others = f"{of_family} meta l4proto != {{ tcp, udp, sctp, icmp, ipv6-icmp }}"
    # A rule for each protocol: two comparisons cost less than one look-up.
    ports = tuple(f"{of_family} meta l4proto {protocol}" for protocol in PROTOCOLS_WITH_PORTS)
    allowed = (
        CounterSet(
            f"conns{family}", family, False, tuple(f"{of} {_UNCONFIRMED}" for of in ports), with_ports
        ),
        CounterSet(
            f"conns_icmp{family}",
            family,
            False,
            (f"{of_family} meta l4proto {icmp_number} {_UNCONFIRMED}",),
            icmp_key,
            icmp_number,
        ),
        CounterSet(
            f"conns_other{family}", family, False, (f"{others} {_UNCONFIRMED}",), (*ends, "meta l4proto")
        ),
    )
    denied = (
        CounterSet(
            f"denied{family}",
            family,
            True,
            tuple(f"{of} ct status and dnat == 0" for of in ports),
            with_ports,
        ),
        CounterSet(
            f"denied_icmp{family}",
            family,
            True,
            (f"{of_family} meta l4proto {icmp_number}",),
            icmp_key,
            icmp_number,
        ),
        CounterSet(f"denied_other{family}", family, True, (others,), (*ends, "meta l4proto")),
    )
    dialled = tuple(
        CounterSet(
            f"denied_{protocol}{family}",
            family,
            True,
            (f"{of_family} meta l4proto {protocol} ct status dnat",),
            (*ends, "th dport", f"ct original {ip} daddr"),
            number,
        )
        for protocol, number in PROTOCOLS_WITH_PORTS.items()
    )
    return allowed + denied + dialled


COUNTER_SETS: Final = _sets_of(4) + _sets_of(6)
"""All of them. `account_allow` updates those with `denied` False, `account_deny` the others."""
