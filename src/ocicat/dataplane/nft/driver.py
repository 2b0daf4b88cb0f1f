"""The nft program as a subprocess, and elements by netlink. The only I/O of this package.

In-process libnftables is not used: an assertion in it takes the agent down (design/dataplane §4). Whoever
is root of a user namespace only cannot enlarge a socket's send buffer beyond the system's default, and nft
gives up on input that does not fit (about 200 kB of netlink messages). Such a transaction is cut, and comes
into force piece by piece. The first load of a table is none the worse for it: its hooks come last. Between
the pieces of a later change new connections of pods are dropped, rather than judged by half of it.
"""

import errno
import re
import subprocess
from collections.abc import Sequence
from typing import Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.dataplane.nft.difference import Transaction, difference
from ocicat.dataplane.nft.elements import element_batch
from ocicat.dataplane.nft.listing import parse_listing
from ocicat.dataplane.nft.ruleset import FAMILY, Ruleset
from ocicat.dataplane.socket import NetlinkError, NetlinkSocket

_TIMEOUT_S: Final = 120.0
"""After which nft is taken for stuck; loading a million elements takes some ten seconds."""
_SHOWN: Final = 2000
"""Characters of nft's complaint that an error keeps: it repeats the whole line, which may hold 500
elements."""
_PIECE: Final = 150_000
"""Characters of input that fit into the smallest send buffer, for the first try to cut."""
_TOO_LONG: Final = "Message too long"
_ABSENT: Final = "No such file or directory"


class KernelRefusedError(OcicatError):
    """nft or the kernel refused a transaction, and nothing has changed. `line` is the one it complains of."""

    def __init__(self, complaint: str, line: str = "") -> None:
        """Keep what nft said, and the line of the transaction that it said it of."""
        super().__init__(f"nft: {complaint[:_SHOWN]}" + (f"\n  in: {line[:_SHOWN]}" if line else ""))
        self.complaint = complaint
        self.line = line


class NftUnavailableError(OcicatError):
    """There is no nft program, or it does not answer."""


class NftProgram:
    """Runs nft in the network namespace of this process, or wherever `command` leads."""

    def __init__(self, command: Sequence[str] = ("nft",), elements: NetlinkSocket | None = None) -> None:
        """Take the command line that runs nft, and a socket of the same network namespace.

        Without a socket, elements go through nft as everything else does.
        """
        self._command = tuple(command)
        self._socket = elements

    def apply(self, transaction: Transaction) -> None:
        """Commit a transaction.

        Raises:
            KernelRefusedError: Nothing has changed; of a transaction that had to be cut, the pieces before
            have. NftUnavailableError: nft could not be run.
        """
        if not transaction or (transaction.elements and self._applied_elements(transaction)):
            return
        try:
            self._input(str(transaction))
        except KernelRefusedError as error:
            if _TOO_LONG not in error.complaint:
                raise
            self._apply_pieces(transaction, min(_PIECE, len(str(transaction)) // 2))

    def _apply_pieces(self, transaction: Transaction, characters: int) -> None:
        for piece in transaction.pieces(characters):
            try:
                self._input(str(piece))
            except KernelRefusedError as error:
                if _TOO_LONG not in error.complaint or len(piece.steps) < 2:
                    raise
                self._apply_pieces(piece, characters // 2)

    def _applied_elements(self, transaction: Transaction) -> bool:
        """Commit a transaction of elements by netlink; return False where that is for nft to do."""
        if self._socket is None:
            return False
        try:
            self._socket.ask(element_batch(transaction.table, transaction.elements), "change elements")
        except NetlinkError as error:
            if error.errno == errno.EMSGSIZE:
                return False
            raise KernelRefusedError(str(error), transaction.steps[0]) from error
        return True

    def accepts(self, transaction: Transaction) -> bool:
        """Tell whether the kernel would take a transaction. Nothing changes."""
        try:
            self._input(str(transaction), "--check")
        except KernelRefusedError as error:
            return _TOO_LONG in error.complaint
        return True

    def read(self, table: str) -> Ruleset | None:
        """Return a table as `listing` has it, or None if there is none."""
        try:
            text = self._run("-nn", "-s", "-j", "list", "table", FAMILY, table)
        except KernelRefusedError as error:
            if _ABSENT in error.complaint:
                return None
            raise
        try:
            return parse_listing(table, text)
        except (msgspec.DecodeError, KeyError, ValueError) as error:
            raise NftUnavailableError(f"cannot understand how nft lists table {table}: {error}") from error

    def listed(self, ruleset: Ruleset) -> Ruleset:
        """Return how nft lists the chains of a ruleset, by way of a table that is asleep: no packet meets
        it."""
        asleep = f"{ruleset.table}-asleep"
        empty = {
            name: msgspec.structs.replace(container, elements={})
            for name, container in ruleset.containers.items()
        }
        copy = Ruleset(asleep, empty, ruleset.chains)
        table = f"{FAMILY} {asleep}"
        created, *steps = difference(None, copy).steps
        self.apply(Transaction(asleep, (f"{created} {{ flags dormant ; }}", *steps)))
        try:
            return self.read(asleep) or Ruleset(asleep)
        finally:
            self._input(f"delete table {table}\n")

    def delete(self, table: str) -> None:
        """Take a table away, if there is one."""
        self._input(f"add table {FAMILY} {table}\ndelete table {FAMILY} {table}\n")

    def _input(self, text: str, *options: str) -> None:
        try:
            self._run(*options, "-f", "-", stdin=text)
        except KernelRefusedError as error:
            number = re.search(r"stdin:([0-9]+):", error.complaint)
            lines = text.splitlines()
            if number is None or int(number[1]) > len(lines):
                raise
            raise KernelRefusedError(error.complaint, lines[int(number[1]) - 1]) from error

    def _run(self, *arguments: str, stdin: str = "") -> str:
        try:
            done = subprocess.run(  # noqa: S603  # the command line is ours, rules come by standard input
                [*self._command, *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NftUnavailableError(f"cannot run {self._command[0]}: {error}") from error
        if done.returncode != 0:
            raise KernelRefusedError(done.stderr.strip() or f"exit code {done.returncode}")
        return done.stdout
