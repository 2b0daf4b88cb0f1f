"""The nft program as a subprocess, and elements by netlink. The only I/O of this package.

In-process libnftables is not used: an assertion in it takes the agent down (design/dataplane §4). Whoever
is root of a user namespace only cannot enlarge a socket's send buffer beyond the system's default, and nft
gives up on input that does not fit (about 200 kB of netlink messages). Such a phase is cut, and done piece
by piece.
"""

import ctypes
import errno
import platform
import re
import subprocess
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.dataplane.nft.difference import Phase, Transaction, difference
from ocicat.dataplane.nft.elements import element_batch
from ocicat.dataplane.nft.listing import listed_hook, parse_listing
from ocicat.dataplane.nft.ruleset import FAMILY, Chain, Ruleset
from ocicat.dataplane.socket import NetlinkError, NetlinkSocket

_TIMEOUT_S: Final = 120.0
"""After which nft is taken for stuck; loading a million elements takes some ten seconds."""
_SHOWN: Final = 2000
"""Characters of nft's complaint that an error keeps: it repeats the whole line, which may hold 500
elements."""
_PIECE: Final = 75_000
"""Characters of input that mostly fit into the smallest send buffer, for the first try to cut."""
_TOO_LONG: Final = "Message too long"
_MEMBARRIER: Final = {"x86_64": 324, "aarch64": 283}
"""__NR_membarrier."""
_MEMBARRIER_GLOBAL: Final = 1
"""MEMBARRIER_CMD_GLOBAL of linux/membarrier.h."""
_WAIT_S: Final = 0.05
_ABSENT: Final = "No such file or directory"


class KernelRefusedError(OcicatError):
    """nft or the kernel refused a transaction. `line` is the one it complains of."""

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
        self._is_confined = False
        """Whether input has been too long before: then it is cut beforehand."""

    def apply(self, transaction: Transaction) -> None:
        """Make a change, phase by phase.

        Raises:
            KernelRefusedError: What was in force still is. Something new may have been created, out of reach.
            NftUnavailableError: nft could not be run.
        """
        for number, phase in enumerate(transaction.phases):
            if number:
                wait_for_packets()
            if not phase.elements or not self._applied_elements(transaction.table, phase):
                self._apply_commands(phase)

    def _apply_commands(self, phase: Phase) -> None:
        pieces = phase.pieces(_PIECE) if self._is_confined else [phase]
        for piece in pieces:
            try:
                self._input(str(piece))
            except KernelRefusedError as error:
                if _TOO_LONG not in error.complaint or len(piece.steps) < 2:
                    raise
                self._is_confined = True
                for part in piece.pieces(min(_PIECE, len(str(piece)) // 2)):
                    self._apply_commands(part)

    def _applied_elements(self, table: str, phase: Phase) -> bool:
        """Commit a phase of elements by netlink; return False where that is for nft to do."""
        if self._socket is None:
            return False
        try:
            self._socket.ask(element_batch(table, phase.elements), "change elements")
        except NetlinkError as error:
            if error.errno == errno.EMSGSIZE:
                return False
            raise KernelRefusedError(str(error), phase.steps[0]) from error
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
        """Return how nft lists the chains of a ruleset, by way of a table without hooks: no packet meets it.

        A table of which the kernel knows that it is dormant is no way: nft 1.0.6 breaks off its JSON at the
        flag, now and then.
        """
        asleep = f"{ruleset.table}-asleep"
        empty = {
            name: msgspec.structs.replace(container, elements={})
            for name, container in ruleset.containers.items()
        }
        chains = {name: Chain(name, chain.rules) for name, chain in ruleset.chains.items()}
        self._apply_commands(difference(None, Ruleset(asleep, empty, chains)).create)
        try:
            found = self.read(asleep) or Ruleset(asleep)
        finally:
            self._input(f"delete table {FAMILY} {asleep}\n")
        hooked = {
            name: msgspec.structs.replace(chain, hook=listed_hook(ruleset.chains[name].hook))
            for name, chain in found.chains.items()
        }
        return msgspec.structs.replace(found, chains=hooked)

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


def wait_for_packets() -> None:
    """Return when every packet that is on its way through the kernel now has come to its end. Takes some 8
    ms.

    The system call `membarrier` waits for an RCU grace period, and packets are handled inside one. It needs
    no privilege; where there is none of it (filtered, or CPUs without ticks), time must do.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_MEMBARRIER.get(platform.machine(), -1), _MEMBARRIER_GLOBAL, 0, 0) != 0:
        time.sleep(_WAIT_S)
