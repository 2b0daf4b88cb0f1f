"""Every code a Problem can carry, once: its meaning, its usual fix, and how much it weighs.

docs/reference/problems.md is made from this table, so a code without an explanation cannot exist. `OC00xx`
are about reading and decoding what users write; `NP….` about what a policy says; `CV….` about what the
engine can make of it. A code is never used for a second meaning and never renumbered: people put them into
CI rules.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from ocicat.base.problem import Problem, Severity, Where


class Code(msgspec.Struct, frozen=True):
    """One kind of mistake."""

    code: str
    """Stable, for example `OC0004`."""
    title: str
    """A few words, as a heading."""
    explanation: str
    """What it means and why it matters, for the reference page."""
    fix: str
    """The edit that usually mends it; used where the Problem has no better one."""
    severity: Severity = Severity.ERROR


def _table(codes: Iterable[Code]) -> dict[str, Code]:
    table: dict[str, Code] = {}
    for code in codes:
        if code.code in table:
            raise ValueError(f"problem code {code.code} is defined twice")
        table[code.code] = code
    return table


_READING: Final = (
    Code(
        "OC0001",
        "path cannot be read",
        "A path that was named does not exist, matches nothing, or the system refuses to open it.",
        "name a file, a folder, a glob that matches, or - for standard input",
    ),
    Code(
        "OC0002",
        "source too large",
        "A file or standard input is larger than the bound. The bound protects against reading a whole disk "
        "into memory by mistake.",
        "split it into smaller files",
    ),
    Code(
        "OC0003",
        "not text",
        "Manifests are text in UTF-8 (or UTF-16 with a byte order mark). These bytes are not.",
        "save the file as UTF-8",
    ),
    Code(
        "OC0004",
        "broken YAML",
        "The text is not YAML at this place. Other documents of the same file are still read.",
        "correct the YAML at this place",
    ),
    Code(
        "OC0005",
        "broken JSON",
        "The text is not JSON at this place. Nothing of the same file is read past it.",
        "correct the JSON at this place",
    ),
    Code(
        "OC0006",
        "nested too deeply",
        "Lists and maps stand inside each other deeper than any manifest does. The bound keeps a hostile "
        "file from exhausting the stack.",
        "flatten the value",
    ),
    Code(
        "OC0007",
        "too much data",
        "The text holds, or its YAML aliases unfold to, more values than the bound. A few lines of aliases "
        "can stand for billions of values.",
        "write the values out without aliases, or split the file",
    ),
    Code(
        "OC0008",
        "line too long",
        "A line of YAML is longer than the bound; no person and no tool writes such a line.",
        "break the line, or write the document as JSON",
    ),
    Code(
        "OC0009",
        "duplicate key",
        "A map has the same key twice. Readers differ in which one counts, so neither is believed.",
        "keep one of the two",
    ),
    Code(
        "OC0010",
        "key is not a string",
        "A key of a map must be text. YAML reads this key as something else.",
        "put the key into quotes",
    ),
    Code(
        "OC0011",
        "unknown tag",
        "A YAML tag asks for a type that Kubernetes does not have.",
        "remove the tag",
    ),
    Code(
        "OC0012",
        "bad alias",
        "A YAML alias names an anchor that does not exist before it, or that contains the alias itself.",
        "define the anchor (&name) above, outside of the value that uses it",
    ),
    Code(
        "OC0013",
        "bad merge key",
        "The merge key << takes a map, or a list of maps.",
        "write <<: *name, or <<: [*first, *second]",
    ),
    Code(
        "OC0014",
        "number out of range",
        "The number is infinite, not a number, or too large to be stored.",
        "write a number that fits",
    ),
    Code(
        "OC0015",
        "not an object",
        "A document, or an item of a List, must be a map with apiVersion, kind and metadata.",
        "write an object with apiVersion, kind and metadata",
    ),
    Code(
        "OC0016",
        "too many mistakes",
        "So much of the document is wrong that listing the rest would not help.",
        "correct the mistakes that are listed, then look again",
    ),
)

_DECODING: Final = (
    Code(
        "OC0020",
        "apiVersion or kind missing",
        "Without apiVersion and kind nobody knows what the object is.",
        "add apiVersion and kind",
    ),
    Code(
        "OC0021",
        "name missing",
        "An object is known by metadata.name.",
        "add metadata.name",
    ),
    Code(
        "OC0022",
        "apiVersion not read",
        "The kind is known, but not in this version or group of the API. The object would have no effect.",
        "write the apiVersion that is read",
    ),
    Code(
        "OC0023",
        "kind does not exist",
        "The group of the API is known, but has no such kind. The object would have no effect.",
        "correct the kind",
    ),
    Code(
        "OC0024",
        "kind not known",
        "The group of the API is known, but ocicat has never heard of this kind; the object is skipped.",
        "check the spelling of kind; remove the object if it is not needed",
        Severity.WARNING,
    ),
    Code(
        "OC0025",
        "wrong type",
        "The value has another type than the API asks for. The API server would refuse the object.",
        "write a value of the right type",
    ),
    Code(
        "OC0026",
        "unknown field",
        "The API has no such field, so its value has no effect. The API server drops it too.",
        "correct the name of the field, or remove it",
        Severity.WARNING,
    ),
    Code(
        "OC0027",
        "namespace on a cluster-wide object",
        "Objects of this kind belong to no namespace; the given one is ignored.",
        "remove metadata.namespace",
        Severity.WARNING,
    ),
)

_CONVERTING: Final = (
    Code(
        "CV0001",
        "policy without meaning",
        "A part of the object has no meaning for the engine, and a policy is never applied in part: the "
        "object is treated as absent.",
        "correct the field",
    ),
    Code(
        "CV0002",
        "rule allows nothing",
        "A rule of a Kubernetes NetworkPolicy has no meaning, so it allows nothing. The rest of the policy "
        "holds.",
        "correct the rule",
        Severity.WARNING,
    ),
    Code(
        "CV0003",
        "rule fails closed",
        "A rule of a cluster-wide policy has no meaning. If it denies or passes, everything in its direction "
        "is denied instead; if it accepts, it is dropped. The rest of the policy holds.",
        "correct the rule",
        Severity.WARNING,
    ),
    Code(
        "CV0004",
        "domain names are not supported",
        "A rule of a cluster-wide policy names domains. Packets carry addresses, and ocicat does not follow "
        "DNS, so the whole rule fails closed: it is dropped if it accepts, and denies everything in its "
        "direction if not.",
        "name the destinations by networks",
        Severity.WARNING,
    ),
)

CODES: Final[dict[str, Code]] = _table((*_READING, *_DECODING, *_CONVERTING))
"""Every code by its name, in the order of the reference page."""


def problem(
    code: str, where: Where, what: str, *, fix: str = "", field: str = "", value: str = ""
) -> Problem:
    """Return a Problem with the severity of its code, and the code's usual fix where `fix` is empty.

    Raises KeyError for a code that the table does not have: that is a bug of ours, not a mistake of a user.
    """
    known = CODES[code]
    return Problem(code, known.severity, where, what, fix or known.fix, field, value)
