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

import msgspec

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
_CHOICES_A_RULE: Final = 1000
"""Elements of one map in a rule: some 100 kB of netlink messages, half of what whoever is root of a user
namespace only can send at once."""
_SPELLED_OUT: Final = 8
"""Port ranges up to this size are written port by port, into the hash that holds single ports."""


class Answering(msgspec.Struct, frozen=True):
    """What answers for peers of one signature."""

    name: str
    """The chain to go to."""
    chains: tuple[Chain, ...]
    """That chain, and all it leads to but numbered traces."""
    numbers: frozenset[int]
    """The numbers of the traces it leads to."""


class Answers:
    """Makes the chains that answer, for one direction."""

    def __init__(self, plan: Plan, direction: Direction, book: TraceBook, settings: RulesetSettings) -> None:
        """Take what answers depend on; `book` gives outcomes their numbers."""
        self.plan = plan
        self.direction = direction
        self.settings = settings
        self._book = book
        self._numbers: dict[Outcome, int] = {}

    def answering(self, program: Program, signature: Signature) -> Answering:
        """Return what answers for peers of a signature."""
        return _Scribe(self, program, signature).answering()

    def number(self, outcome: Outcome) -> int:
        """Return the number of an outcome."""
        found = self._numbers.get(outcome)
        if found is None:
            found = self._numbers[outcome] = self._book.id_of(self.direction, outcome)
        return found


class _Scribe:
    """Writes down the answers of one signature."""

    def __init__(self, answers: Answers, program: Program, signature: Signature) -> None:
        self._answers = answers
        self._program = program
        self._signature = signature
        self._rules = [(position, program.rules[position]) for position in numbers_of(signature.bits)]
        self._by_protocol: dict[int, list[tuple[int, BoundRule]]] = {}
        self._by_live: dict[int, Answer] = {}
        self._chains: dict[str, Chain] = {}
        self._numbers: set[int] = set()

    def answering(self) -> Answering:
        dispatch = dispatch_of(self._program, self._signature, self._ask)
        icmp_number = ICMP_OF_FAMILY[self._program.family]
        name = self._add("s", tuple(self._dispatch_rules(dispatch, icmp_number)))
        return Answering(name, tuple(self._chains.values()), frozenset(self._numbers))

    def _ask(self, transport: Transport) -> Answer:
        bits = 0
        for position, bound in self._rules_for(transport[0]):
            if bound.transport_matches(self._program.family, transport):
                bits |= 1 << position
        live = self._program.live_bits(self._signature, transport, bits)
        answer = self._by_live.get(live)
        if answer is None:
            answer = self._by_live[live] = self._logged(live, self._trace(live))
        return answer

    def _rules_for(self, protocol: int) -> list[tuple[int, BoundRule]]:
        """Return the rules that can match a protocol: most name one, and many ports are asked about."""
        found = self._by_protocol.get(protocol)
        if found is None:
            found = self._by_protocol[protocol] = [
                (position, bound)
                for position, bound in self._rules
                if bound.rule.protocol in (None, protocol) and bound.rule.not_protocol != protocol
            ]
        return found

    def _trace(self, live: int) -> Answer:
        """Return the trace chain for the rules that match. The chain of a number that all lack is ours to
        add."""
        outcome = self._program.outcome(self._answers.plan, live)
        number = self._answers.number(outcome)
        self._numbers.add(number)
        if number == UNKNOWN:
            chain = trace_chain(self._answers.direction, number, outcome)
            self._chains[chain.name] = chain
        return trace_name(self._answers.direction, number, outcome)

    def _logged(self, live: int, answer: Answer) -> Answer:
        """Return a chain that logs what the Log rules on the way ask for, and then gives the answer."""
        plan, settings = self._answers.plan, self._answers.settings
        passed = self._program.logged(plan, live)
        if not passed:
            return answer
        prefixes = (log_prefix(plan, self._program, bound, settings.log_prefix) for bound in passed)
        limit = (
            f"limit rate {settings.log_rate_per_s}/second burst 5 packets " if settings.log_rate_per_s else ""
        )
        rules = (f'{limit}log prefix "{prefix}"' for prefix in prefixes)
        return self._add("l", (*rules, f"goto {answer}"))

    def _add(self, kind: str, rules: tuple[str, ...]) -> str:
        """Add a chain under the name of its content, and return the name."""
        name = f"{SHORT[self._answers.direction]}_{kind}_{digest(rules)}"
        self._chains[name] = Chain(name, rules)
        return name

    # --- writing a dispatch down ----------------------------------------------------------------------------

    def _dispatch_rules(self, dispatch: Dispatch, icmp_number: int) -> Iterator[str]:
        """Yield the rules: source ports, single ports, port ranges, ICMP, protocols, the default."""
        for protocol, table in dispatch.protocols:
            if table.sources:
                yield from self._source_rules(protocol, table)
        singles = [
            (f"{protocol} . {port}", answer)
            for protocol, table in dispatch.protocols
            for port, answer in _singles(table.ports)
        ]
        yield from _vmaps("meta l4proto . th dport", singles)
        for protocol, table in dispatch.protocols:
            yield from _vmaps(f"meta l4proto {protocol} th dport", _ranges(table.ports))
        if dispatch.icmp is not None:
            yield from _icmp_rules(dispatch.icmp, icmp_number)
        defaults = [(protocol, table.ports.default) for protocol, table in dispatch.protocols]
        if dispatch.icmp is not None:
            defaults.append((icmp_number, dispatch.icmp.default))
        defaults += dispatch.numbers
        own = [(str(number), answer) for number, answer in sorted(defaults) if answer != dispatch.default]
        yield from _vmaps("meta l4proto", own)
        yield f"goto {dispatch.default}"

    def _source_rules(self, protocol: int, table: ProtocolTable) -> Iterator[str]:
        """Yield the rules that send source ports to chains which look at the destination port."""
        chosen = [
            (_interval(first, last), self._add("p", tuple(_port_rules(protocol, ports))))
            for first, last, ports in table.sources
        ]
        yield from _vmaps(f"meta l4proto {protocol} th sport", chosen)


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
    yield from _vmaps(f"meta l4proto {protocol} th dport", choices)
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
    pairs = [(f"{kind} . {code}", answer) for kind, code, answer in table.pairs]
    yield from _vmaps(f"{name} type . {name} code", pairs)
    yield from _vmaps(f"{name} type", [(str(kind), answer) for kind, answer in table.types])


def _interval(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _vmaps(key: str, choices: Sequence[tuple[str, Answer]]) -> Iterator[str]:
    """Yield the rules that choose by `key`. The choices exclude each other, so many may be cut into several
    rules, which the kernel can be sent one by one."""
    for start in range(0, len(choices), _CHOICES_A_RULE):
        some = choices[start : start + _CHOICES_A_RULE]
        yield f"{key} vmap {{ {', '.join(f'{value} : goto {answer}' for value, answer in some)} }}"


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
    why = () if number == UNKNOWN else _explained(outcome)
    return Chain(trace_name(direction, number, outcome), (f"ct mark set ct mark & {half}", verdict, *why))


def trace_name(direction: Direction, number: int, outcome: Outcome) -> str:
    """Return the name of the chain of an outcome; UNKNOWN has two, as it stands for many outcomes."""
    if number != UNKNOWN:
        return f"{SHORT[direction]}_t{number}"
    allows = outcome.enforced.action is Action.ALLOW
    return f"{SHORT[direction]}_t{number}_{'allow' if allows else 'deny'}"


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
