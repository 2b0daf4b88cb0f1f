"""A kernel that exists in memory: it fulfils `ocicat.ports.accounting.Accounts`, and knows the truth."""

from collections.abc import Callable, Collection

import msgspec
import numpy as np

from ocicat.engine.policy import Direction
from ocicat.engine.program import Outcome
from ocicat.engine.walk import Walked
from ocicat.flows.tuples import FlowTuple
from ocicat.model.flow import Action, Hit, HitKind
from ocicat.model.net import Address
from ocicat.ports.accounting import (
    CONNECTION,
    COUNTED,
    COUNTER_TIMEOUT_S,
    AccountsError,
    Closed,
    Table,
    empty,
)

CLIENT, SERVER = Address.parse("10.65.0.1"), Address.parse("10.65.0.2")
ALLOWED_OUT, REFUSED_OUT, ALLOWED_IN, REFUSED_IN = 1, 2, 1, 2


def outcome(action: Action, name: str) -> Outcome:
    """Return an outcome that one policy decided."""
    hit = Hit(HitKind.CALICO_NETWORK_POLICY, "a", name, "default", action, 0, 0)
    return Outcome(Walked(action, (hit,)), Walked(action, (hit,)))


class FakeTraces:
    """Fulfils `Traces`: id 1 allows and id 2 refuses, in both directions."""

    def __init__(self) -> None:
        self.known = {
            (direction, number): outcome(action, f"{direction}-{action}".lower())
            for direction in Direction
            for number, action in ((1, Action.ALLOW), (2, Action.DENY))
        }

    def outcome(self, direction: Direction, number: int, /) -> Outcome | None:
        return self.known.get((direction, number))


def flow(
    egress: int = ALLOWED_OUT, ingress: int = ALLOWED_IN, port: int = 80, **changes: object
) -> FlowTuple:
    """Return a flow from client to server."""
    plain = FlowTuple(egress | ingress << 16, 4, 6, CLIENT, SERVER, port, SERVER, port, denied=False)
    return msgspec.structs.replace(plain, **changes)


def connection(of: FlowTuple, number: int = 1, *counts: int, source_port: int = 40000, **marks: int) -> Table:
    """Return a CONNECTION row: packets, bytes, packets and bytes of replies."""
    row = np.zeros(1, CONNECTION)
    row["tuple"], row["id"], row["source_port"] = of.row(), number, source_port
    for name, value in zip(("packets", "bytes", "reply_packets", "reply_bytes"), counts, strict=False):
        row[name] = value
    for name, value in marks.items():
        row[name] = value
    return row


def element(of: FlowTuple, packets: int, octets: int, expires_ms: int = 60_000) -> Table:
    """Return a COUNTED row."""
    row = np.zeros(1, COUNTED)
    row["tuple"], row["packets"], row["bytes"], row["expires_ms"] = of.row(), packets, octets, expires_ms
    return row


class _Element(msgspec.Struct):
    packets: int
    octets: int
    due_ms: int


class FakeKernel:
    """Connections, events and counter sets, moved by a test."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._live: dict[int, Table] = {}
        self._events: list[Table] = []
        self._elements: dict[FlowTuple, _Element] = {}
        self._numbers = 0
        self.failing = False
        self.lists = 0
        """How many lists of all connections were asked for."""
        self.lose_events = False
        self.lost = 0
        self.unread = 0

    # --- what happens ---------------------------------------------------------------------------------------

    @property
    def open(self) -> list[int]:
        """The connections that exist."""
        return list(self._live)

    def connect(self, of: FlowTuple, octets: int = 60) -> int:
        """Let a first packet pass; return the number of the new connection."""
        self._numbers += 1
        self._live[self._numbers] = connection(
            of, self._numbers, 1, octets, source_port=self._numbers % 50000
        )
        self._count(msgspec.structs.replace(of, dialled=of.destination, dialled_port=of.port), octets)
        return self._numbers

    def exchange(self, number: int, *counts: int) -> None:
        """Let packets of both directions pass."""
        for name, value in zip(("packets", "bytes", "reply_packets", "reply_bytes"), counts, strict=True):
            self._live[number][name] += np.uint64(value)

    def say_goodbye(self, number: int) -> None:
        """Both ends close; the kernel remembers the connection a while longer."""
        self._live[number]["over"] = 1

    def end(self, number: int) -> None:
        """Forget a connection, and tell of it."""
        row = self._live.pop(number)
        if self.lose_events:
            self.lost += 1
        else:
            self._events.append(row)

    def refuse(self, of: FlowTuple, octets: int = 40) -> None:
        """Refuse a packet."""
        self._count(msgspec.structs.replace(of, denied=True), octets)

    def _count(self, of: FlowTuple, octets: int) -> None:
        self._expire()
        held = self._elements.setdefault(of, _Element(0, 0, 0))
        held.packets += 1
        held.octets += octets
        held.due_ms = self._now_ms() + 1000 * COUNTER_TIMEOUT_S

    def _expire(self) -> None:
        now = self._now_ms()
        self._elements = {of: held for of, held in self._elements.items() if held.due_ms > now}

    # --- what is asked --------------------------------------------------------------------------------------

    def live(self, marks: Collection[int] = ()) -> Table:
        self._answer()
        self.lists += not marks
        rows = [row for row in self._live.values() if not marks or int(row["tuple"]["mark"][0]) in marks]
        return np.concatenate(rows) if rows else empty(CONNECTION)

    def closed(self) -> Closed:
        events, self._events = self._events, []
        lost, self.lost = self.lost, 0
        return Closed(np.concatenate(events) if events else empty(CONNECTION), lost)

    def counted(self) -> Table:
        self._answer()
        self._expire()
        rows = [
            element(of, held.packets, held.octets, held.due_ms - self._now_ms())
            for of, held in self._elements.items()
        ]
        return np.concatenate(rows) if rows else empty(COUNTED)

    def malformed(self) -> int:
        return self.unread

    def _answer(self) -> None:
        if self.failing:
            raise AccountsError("the kernel does not answer")
