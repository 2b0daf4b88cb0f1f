"""Codes `EN00xx`: what a node's kernel does not enforce as it is written."""

from typing import Final

from ocicat.base.problem import Severity
from ocicat.model.codes.code import Code

ENFORCING: Final = (
    Code(
        "EN0001",
        "HTTP criteria are not enforced",
        "A rule with `http` matches by addresses, protocol and ports alone: the kernel sees packets, not "
        "requests. The rule allows more than it says.",
        "allow by ports and peers only, or check requests in a proxy",
        Severity.WARNING,
    ),
    Code(
        "EN0002",
        "policy of host endpoints is not enforced",
        "This version enforces policy at pods. Traffic of the node itself, and what host endpoint policy "
        "would say to forwarded traffic, is not policed.",
        "protect the node by other means, or name pods",
        Severity.WARNING,
    ),
    Code(
        "EN0003",
        "the kernel refused the policy",
        "nftables did not take what this policy compiles to. All other policies are enforced as written; "
        "in place of this one everything in its directions is denied to the pods that it selects.",
        "report it with the message, and change or remove the policy until then",
    ),
    Code(
        "EN0004",
        "connections are decided, but not explained",
        "The kernel tells a decision with its reasons by one of 65,534 numbers for each direction on a node, "
        "and all are in use, by rules or by connections. Policy is enforced as written; flows whose reasons "
        "found no number are recorded without them. Numbers are given back when the last connection that "
        "carries them has ended, and are then given anew.",
        "let fewer rules decide on this node: join those that do the same, or spread the pods",
        Severity.WARNING,
    ),
)
