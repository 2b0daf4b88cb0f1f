"""docs/reference/problems.md: every code that a Problem can carry."""

from ocicat.model.codes import CODES
from reference.text import GENERATED, anchor, cell

INTRODUCTION = """\
# Problems

A Problem is one mistake in what you wrote: a code, the place, the fact, and the edit that makes it go away.
An `error` makes its object count as absent; a `warning` and a `hint` do not. Codes are stable: none is used
for a second meaning or renumbered.
"""


def page() -> str:
    """Return the page."""
    codes = list(CODES.values())
    lines = [GENERATED, "", INTRODUCTION, "| code | severity | |", "| --- | --- | --- |"]
    for code in codes:
        link = anchor(f"{code.code} {code.title}")
        lines.append(f"| [{code.code}](#{link}) | {code.severity} | {cell(code.title)} |")
    for code in codes:
        lines += ["", f"## {code.code} {code.title}", "", f"Severity: {code.severity}.", "", code.explanation]
        lines += ["", f"Fix: {code.fix}."]
    return "\n".join(lines) + "\n"
