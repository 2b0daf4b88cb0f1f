"""What the readers of YAML and JSON share: their bounds, what they find, and what they find wrong.

Every text may be hostile or broken. A reader therefore never raises for a text: it returns the values that
it could read, each with its span and with its faults.
"""

from typing import Any, Final

import msgspec

from ocicat.base.problem import Problem, Where
from ocicat.model.codes import problem
from ocicat.model.positions import Path, Place, path_text

SHOWN: Final = 60
"""Characters of a user's value that a message repeats; the rest would push the message off the screen."""
SHOWN_STEPS: Final = 8
"""Steps of a path that a message about depth repeats."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what is read. The defaults let every real cluster pass and stop what only an attack needs."""

    bytes: int = 256 * 2**20
    """Of one file or of standard input; 256 MiB is `kubectl get pods -A -o json` of some 25,000 pods."""
    depth: int = 100
    """Maps and lists inside each other; a pod has about 12, the API server itself refuses past 10,000."""
    nodes: int = 20_000_000
    """Values (keys count too) of one source: more than fit into `bytes` in any sensible layout."""
    unfolded: int = 1_000_000
    """Values of one YAML document that aliases stand for. Written by hand they are a few thousand at most."""
    documents: int = 200_000
    """Documents of one source, each of which costs a parser of its own."""
    line: int = 16 * 2**20
    """Characters in a line of YAML. Kubernetes keeps no object larger than 1.5 MiB."""
    faults: int = 100
    """Mistakes told of one object; after that the rest is not looked at."""


class Fault(msgspec.Struct, frozen=True):
    """A mistake in a text, before it is known which object it belongs to."""

    code: str
    what: str
    place: Place
    path: Path = ()
    """Inside the document."""
    fix: str = ""
    value: str = ""

    def problem(self, file: str, subject: str = "", within: Path = ()) -> Problem:
        """Return the Problem of an object `subject` that is found at the path `within` of the document."""
        path = path_text(self.path[len(within) :])
        where = Where(subject, path, file, self.place.line, self.place.column)
        return problem(self.code, where, self.what, fix=self.fix, value=self.value)


class Span(msgspec.Struct, frozen=True, gc=False):
    """Where in a text a value stands: characters `start` to `end` (excluded), and the place of `start`."""

    start: int
    end: int
    place: Place


class Composed(msgspec.Struct, frozen=True):
    """One document of a text, as plain Python values."""

    value: Any
    span: Span
    items: tuple[Span, ...] = ()
    """The spans of the values of the top-level list `items`, where the document has one."""
    faults: tuple[Fault, ...] = ()
    """What is wrong, and by `Fault.path` which part of the document cannot be trusted."""
    shared: bool = False
    """Whether aliases share parts of the document: then a broken part may stand in several places."""


def shown(text: str) -> str:
    """Return `text` on one line and cut to `SHOWN` characters, for a message."""
    line = " ".join(text[: 4 * SHOWN].split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


class StoppedError(Exception):
    """Reading cannot go on past `fault`. Stays inside the readers."""

    def __init__(self, fault: Fault) -> None:
        """Keep the fault."""
        super().__init__(fault.what)
        self.fault = fault
