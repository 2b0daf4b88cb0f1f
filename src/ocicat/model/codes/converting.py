"""Codes `CV00xx`: what the engine can make nothing of."""

from typing import Final

from ocicat.base.problem import Severity
from ocicat.model.codes.code import Code

CONVERTING: Final = (
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
