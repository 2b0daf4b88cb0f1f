"""What many addresses mean to a Program, by columns: `Program.signature` for a whole table of addresses.

Each distinct address criterion is judged once for all addresses; a Program's signatures are then the distinct
columns of the matrix (rules x addresses).
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ocicat.engine.plan import NO_ENDPOINTS, Plan
from ocicat.engine.policy import Direction, Side
from ocicat.engine.program import BoundRule, Ports, Program, Signature, ports_of_peer
from ocicat.model.net import WIDTH, Address, Prefix

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_HALF: Final = (1 << 64) - 1


class PeerTable:
    """Addresses by position, with what is needed to judge a criterion for all of them at once."""

    def __init__(self, plan: Plan, addresses: Sequence[Address]) -> None:
        """Look up once which entities each address belongs to."""
        self.plan = plan
        self.addresses = addresses
        self._position = {address: position for position, address in enumerate(addresses)}
        self._family = np.array([address.family for address in addresses], dtype=np.int64)
        self._high = np.array([address.bits >> 64 for address in addresses], dtype=np.uint64)
        self._low = np.array([address.bits & _HALF for address in addresses], dtype=np.uint64)
        rows, numbers = [], []
        for position, address in enumerate(addresses):
            for number in plan.covering_numbers(address):
                rows.append(position)
                numbers.append(number)
        self._rows = np.array(rows, dtype=np.int64)
        self._numbers = np.array(numbers, dtype=np.int64)
        self._size = max(plan.entities, default=-1) + 1
        self._members: dict[int, Bools] = {}
        self._criteria: dict[tuple[object, ...], Bools] = {}
        self._asks_local: dict[str, bool] = {}

    def signatures(self, program: Program, peers: npt.NDArray[Any]) -> tuple[list[Signature], Ints]:
        """Return the distinct signatures of `peers` (positions), and for each peer which one is its own."""
        present = np.zeros(len(self.addresses), dtype=np.bool_)
        present[peers] = True
        used = np.flatnonzero(present)
        columns, own_ports = self._columns(program, used)
        rows = np.ascontiguousarray(columns)
        width = rows.shape[1]
        _, first, own = np.unique(
            rows.view(np.dtype((np.void, width))).ravel(), return_index=True, return_inverse=True
        )
        rule_bytes = (len(program.rules) + 7) // 8
        signatures = [
            Signature(int.from_bytes(rows[row, :rule_bytes].tobytes(), "little"), own_ports.get(row, ()))
            for row in first.tolist()
        ]
        of_address = np.full(len(self.addresses), -1, dtype=np.int64)
        of_address[used] = own
        return signatures, of_address[peers]

    def _columns(
        self, program: Program, used: Ints
    ) -> tuple[npt.NDArray[np.uint8], dict[int, tuple[tuple[int, Ports], ...]]]:
        """Return for each used address a row of bytes that tells signatures apart.

        And, by row, the ports that rules take from the peer, for those peers that some rule asks.
        """
        direction = program.policies.direction
        matrix = np.zeros((len(program.rules), len(used)), dtype=np.bool_)
        peer_ports: dict[int, list[tuple[int, Ports]]] = {}
        for position, bound in enumerate(program.rules):
            matrix[position] = self._criterion(bound.remote, direction)[used]
            if bound.peer_ports:
                for column in np.flatnonzero(matrix[position]).tolist():
                    ports = self._ports_of(bound, direction, int(used[column]))
                    peer_ports.setdefault(column, []).append((position, ports))
        own_ports = {column: tuple(ports) for column, ports in peer_ports.items()}
        numbering: dict[tuple[tuple[int, Ports], ...], int] = {}
        ids = np.zeros(len(used), dtype="<u4")
        for column, found in own_ports.items():
            ids[column] = numbering.setdefault(found, len(numbering)) + 1
        bits = np.packbits(matrix, axis=0, bitorder="little").T
        return np.hstack([bits, ids.view(np.uint8).reshape(len(used), 4)]), own_ports

    def _ports_of(self, bound: BoundRule, direction: Direction, position: int) -> Ports:
        return ports_of_peer(self.plan, bound, direction, self.addresses[position])

    def asks_local_address(self, class_id: str) -> bool:
        """Tell whether a rule of the class asks of its own endpoint more than the ports that it declares."""
        known = self._asks_local.get(class_id)
        if known is None:
            known = self._asks_local[class_id] = _asks_local(self.plan, class_id)
        return known

    # --- criteria -------------------------------------------------------------------------------------------

    def _criterion(self, side: Side, direction: Direction) -> Bools:
        """Return which addresses satisfy what a remote side asks of the address. shape (addresses,)."""
        key = (
            side.nets,
            side.not_nets,
            side.selector,
            side.not_selector,
            side.nodes,
            side.service,
            direction if side.service else None,
        )
        found = self._criteria.get(key)
        if found is None:
            found = self._criteria[key] = self._judged(side, direction)
        return found

    def _judged(self, side: Side, direction: Direction) -> Bools:
        result = np.ones(len(self.addresses), dtype=np.bool_)
        if side.nets:
            result &= self._in_any(side.nets)
        if side.not_nets:
            result &= ~self._in_any(side.not_nets)
        if side.selector is not None:
            result &= self._member(self.plan.members(side.selector))
        if side.not_selector is not None:
            result &= ~self._member(self.plan.members(side.not_selector))
        if side.nodes is not None:
            result &= self._member(self.plan.node_members(side.nodes))
        if side.service is not None:
            result &= self._of_service(side.service, direction)
        return result

    def _in_any(self, nets: tuple[Prefix, ...]) -> Bools:
        result = np.zeros(len(self.addresses), dtype=np.bool_)
        for net in nets:
            host = WIDTH[net.family] - net.length
            inside = self._family == net.family
            if host < 64:
                inside &= self._high == np.uint64(net.bits >> 64)
                inside &= self._low >> np.uint64(host) == np.uint64((net.bits & _HALF) >> host)
            elif host < 128:
                inside &= self._high >> np.uint64(host - 64) == np.uint64(net.bits >> host)
            result |= inside
        return result

    def _member(self, bits: int) -> Bools:
        """Return which addresses belong to one of the entities whose bits are set."""
        found = self._members.get(bits)
        if found is None:
            size = (self._size + 7) // 8
            flags = np.unpackbits(
                np.frombuffer(bits.to_bytes(size, "little"), dtype=np.uint8), bitorder="little"
            )
            found = np.zeros(len(self.addresses), dtype=np.bool_)
            found[self._rows[flags[self._numbers].astype(np.bool_)]] = True
            self._members[bits] = found
        return found

    def _of_service(self, service: tuple[str, str], direction: Direction) -> Bools:
        endpoints = self.plan.services.get(service, NO_ENDPOINTS)
        wanted = (
            endpoints.addresses
            if direction is Direction.INGRESS
            else {address for address, _, _ in endpoints.ports}
        )
        result = np.zeros(len(self.addresses), dtype=np.bool_)
        result[[self._position[address] for address in wanted if address in self._position]] = True
        return result


def _asks_local(plan: Plan, class_id: str) -> bool:
    policies = plan.classes[class_id]
    direction = policies.direction
    rules = [
        rule
        for part in policies.tiers
        for key in part.policies
        for rule in plan.policies[key].rules(direction) or ()
    ]
    for name in policies.profiles:
        if (profile := plan.profiles.get(name)) is not None:
            rules += profile.rules(direction)
    near = (rule.destination if direction is Direction.INGRESS else rule.source for rule in rules)
    return any(
        side.nets or side.not_nets or side.selector or side.not_selector or side.nodes or side.service
        for side in near
    )
