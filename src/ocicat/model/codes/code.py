"""`Code`: what is known of one kind of mistake, whoever makes it."""

import msgspec

from ocicat.base.problem import Severity


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
    tag: str = ""
    """The name of Calico's field check, where Calico's error text says no more than that (§3.1)."""
