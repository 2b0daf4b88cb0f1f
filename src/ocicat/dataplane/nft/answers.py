"""The chains that answer: one for each signature, one for each trace.

A signature chain maps protocol and port to a trace chain; a trace chain writes the number of its trace into
its half of the connection mark, and accepts, drops, or returns for the judgement of the other end.
Signature chains are named by a hash of what is in them: equal answers of different endpoints are one chain,
and a chain never changes, it is only replaced.

Source: design/dataplane §1, §2.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ocicat.dataplane.nft.ports import Answer, Dispatch, IcmpTable, PortTable, ProtocolTable, dispatch_of
from ocicat.dataplane.nft.ruleset import Chain, digest
from ocicat.dataplane.nft.settings import RulesetSettings
from ocicat.dataplane.traces import UNKNOWN, TraceBook
from ocicat.engine.match import ICMP_OF_FAMILY
from ocicat.engine.plan import Plan, numbers_of
from ocicat.engine.policy import Direction
from ocicat.engine.program import BoundRule, Outcome, Program, Signature, Transport
from ocicat.model.flow import Action, Trace

SHORT: Final = {Direction.EGRESS: "from", Direction.INGRESS: "to"}
"""What names of chains begin with: traffic from or to a pod."""
_COMMENT_BYTES: Final = 128
"""NFTNL_UDATA_COMMENT_MAXLEN: what a rule's comment can hold."""
_LOG_PREFIX_CHARACTERS: Final = 127
"""NF_LOG_PREFIXLEN, without the end."""
_SPELLED_OUT: Final = 8
"""Port ranges up to this size are written port by port, into the hash that holds single ports."""


class Answers:
    """Collects the chains that answer, for one direction."""

    def __init__(self, plan: Plan, direction: Direction, book: TraceBook, settings: RulesetSettings) -> None:
        """Start with no chain."""
        self.plan = plan
        self.settings = settings
        self.direction = direction
        self.chains: dict[str, Chain] = {}
        self.used: set[int] = set()
        """The trace numbers that some chain leads to."""
        self._book = book
        self._of_outcome: dict[Outcome, Answer] = {}

    def signature_chain(self, program: Program, signature: Signature) -> str:
        """Return the name of the chain that answers for peers of a signature."""
        rules = [(position, program.rules[position]) for position in numbers_of(signature.bits)]
        answers: dict[int, Answer] = {}

        def ask(transport: Transport) -> Answer:
            bits = 0
            for position, bound in rules:
                if bound.transport_matches(program.family, transport):
                    bits |= 1 << position
            live = program.live_bits(signature, transport, bits)
            if live not in answers:
                answer = self._trace(program.outcome(self.plan, live))
                answers[live] = self._logged(program, live, answer)
            return answers[live]

        dispatch = dispatch_of(program, signature, ask)
        return self._add("s", tuple(self._dispatch_rules(dispatch, ICMP_OF_FAMILY[program.family])))

    def _logged(self, program: Program, live: int, answer: Answer) -> Answer:
        """Return a chain that logs what the Log rules on the way ask for, and then gives the answer."""
        passed = program.logged(self.plan, live)
        if not passed:
            return answer
        prefixes = (log_prefix(self.plan, program, bound, self.settings.log_prefix) for bound in passed)
        limit = ""
        if self.settings.log_rate_per_s:
            limit = f"limit rate {self.settings.log_rate_per_s}/second burst 5 packets "
        rules = (f'{limit}log prefix "{prefix}"' for prefix in prefixes)
        return self._add("l", (*rules, f"goto {answer}"))

    def _trace(self, outcome: Outcome) -> Answer:
        """Return the trace chain of an outcome."""
        answer = self._of_outcome.get(outcome)
        if answer is None:
            number = self._book.id_of(self.direction, outcome)
            self.used.add(number)
            chain = trace_chain(self.direction, number, outcome)
            self.chains[chain.name] = chain
            answer = self._of_outcome[outcome] = chain.name
        return answer

    def _add(self, kind: str, rules: tuple[str, ...]) -> str:
        """Add a chain under the name of its content, and return the name."""
        name = f"{SHORT[self.direction]}_{kind}_{digest(rules)}"
        self.chains[name] = Chain(name, rules)
        return name

    # --- writing a dispatch down ----------------------------------------------------------------------------

    def _dispatch_rules(self, dispatch: Dispatch, icmp_number: int) -> Iterator[str]:
        """Yield the rules: source ports, single ports, port ranges, ICMP, protocols, the default."""
        for protocol, table in dispatch.protocols:
            if table.sources:
                yield self._source_rule(protocol, table)
        singles = [
            (f"{protocol} . {port}", answer)
            for protocol, table in dispatch.protocols
            for port, answer in _singles(table.ports)
        ]
        if singles:
            yield f"meta l4proto . th dport {_vmap(singles)}"
        for protocol, table in dispatch.protocols:
            if ranges := _ranges(table.ports):
                yield f"meta l4proto {protocol} th dport {_vmap(ranges)}"
        if dispatch.icmp is not None:
            yield from _icmp_rules(dispatch.icmp, icmp_number)
        defaults = [(protocol, table.ports.default) for protocol, table in dispatch.protocols]
        if dispatch.icmp is not None:
            defaults.append((icmp_number, dispatch.icmp.default))
        defaults += dispatch.numbers
        own = [(str(number), answer) for number, answer in sorted(defaults) if answer != dispatch.default]
        if own:
            yield f"meta l4proto {_vmap(own)}"
        yield f"goto {dispatch.default}"

    def _source_rule(self, protocol: int, table: ProtocolTable) -> str:
        """Return the rule that sends source ports to chains which look at the destination port."""
        chosen = [
            (_interval(first, last), self._add("p", tuple(_port_rules(protocol, ports))))
            for first, last, ports in table.sources
        ]
        return f"meta l4proto {protocol} th sport {_vmap(chosen)}"


def log_prefix(plan: Plan, program: Program, bound: BoundRule, pattern: str) -> str:
    """Return what the kernel log shows for a Log rule (§7.3, notes), within the kernel's bound.

    The names of objects hold nothing that could end nft's string; what the pattern holds of that is left out.
    """
    if bound.tier < 0:
        tier, kind, namespace, name = "__PROFILE__", "pro", "", program.policies.profiles[bound.owner]
    else:
        part = program.policies.tiers[bound.tier]
        key = part.policies[bound.owner]
        tier, kind, namespace, name = part.tier, key.kind.short, key.namespace, plan.names[key]
    words = {"%t": tier, "%k": kind, "%n": name, "%p": f"{namespace}/{name}" if namespace else name}
    text = re.sub("%[tknp]", lambda found: words[found[0]], pattern)
    return re.sub(r'["\\\n]', "", text)[:_LOG_PREFIX_CHARACTERS]


def _port_rules(protocol: int, table: PortTable) -> Iterator[str]:
    """Yield the rules of a chain that only packets of one protocol reach."""
    choices = [(_interval(first, last), answer) for first, last, answer in table.ranges]
    if choices:
        yield f"meta l4proto {protocol} th dport {_vmap(choices)}"
    yield f"goto {table.default}"


def _singles(table: PortTable) -> Iterator[tuple[int, Answer]]:
    for first, last, answer in table.ranges:
        if last - first < _SPELLED_OUT:
            for port in range(first, last + 1):
                yield port, answer


def _ranges(table: PortTable) -> list[tuple[str, Answer]]:
    return [
        (_interval(first, last), answer)
        for first, last, answer in table.ranges
        if last - first >= _SPELLED_OUT
    ]


def _icmp_rules(table: IcmpTable, number: int) -> Iterator[str]:
    name = {1: "icmp", 58: "icmpv6"}[number]
    if table.pairs:
        pairs = [(f"{kind} . {code}", answer) for kind, code, answer in table.pairs]
        yield f"{name} type . {name} code {_vmap(pairs)}"
    if table.types:
        yield f"{name} type {_vmap([(str(kind), answer) for kind, answer in table.types])}"


def _interval(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _vmap(choices: Sequence[tuple[str, Answer]]) -> str:
    return f"vmap {{ {', '.join(f'{key} : goto {answer}' for key, answer in choices)} }}"


# --- traces -------------------------------------------------------------------------------------------------


def trace_chain(direction: Direction, number: int, outcome: Outcome) -> Chain:
    """Return the chain that gives an outcome: it writes the number, and what follows says what it means.

    The rules behind the last verdict are never reached and cost nothing. Their comments hold the traces, a
    hit each, so that the kernel explains itself, and an agent that starts anew knows the numbers in use.
    """
    allows = outcome.enforced.action is Action.ALLOW
    half = (
        f"0xffff0000 | {number:#010x}"
        if direction is Direction.EGRESS
        else f"0x0000ffff | {number << 16:#010x}"
    )
    if not allows:
        verdict = "goto account_deny"
    elif direction is Direction.EGRESS:
        verdict = "return"
    else:
        verdict = "goto account_allow"
    name = f"{SHORT[direction]}_t{number}"
    if number == UNKNOWN:
        return Chain(f"{name}_{'allow' if allows else 'deny'}", (f"ct mark set ct mark & {half}", verdict))
    return Chain(name, (f"ct mark set ct mark & {half}", verdict, *_explained(outcome)))


def _explained(outcome: Outcome) -> Iterator[str]:
    """Yield rules without effect, whose comments are the traces."""
    for label, trace in (("enforced", outcome.enforced.trace), ("pending", outcome.pending.trace)):
        yield from (f'continue comment "{text}"' for text in _comments(label, trace))


def _comments(label: str, trace: Trace) -> Iterator[str]:
    """Yield the texts of the hits; one that is too long for a comment goes on in the next, behind `+`."""
    for hit in trace:
        text = f"{label} {hit.text()}"
        while len(text.encode()) >= _COMMENT_BYTES:
            cut = _COMMENT_BYTES - 1
            yield text[:cut]
            text = f"+{text[cut:]}"
        yield text
