"""Codes `NP02xx` to `NP04xx`: Calico policies, staged policies, tiers."""

from typing import Final

from ocicat.base.problem import Severity
from ocicat.model.codes.code import Code

_POLICIES: Final = (
    Code(
        "NP0201",
        "unknown policy type",
        "A policy governs `Ingress`, `Egress`, or both.",
        "write Ingress or Egress",
    ),
    Code(
        "NP0202", "policy type listed twice", "Each type stands in `types` once.", "remove the repeated type"
    ),
    Code(
        "NP0203",
        "not the name of a tier",
        "No tier can have this name, so the policy could belong to none.",
        "write the name of a tier",
        tag="name",
    ),
    Code(
        "NP0204",
        "too many rules",
        "A policy or profile has at most 1,024 rules in each direction.",
        "split the policy into several, with their orders side by side",
    ),
    Code(
        "NP0205",
        "unknown performance hint",
        "The only hint is `AssumeNeededOnEveryNode`. Hints never change a verdict.",
        "write AssumeNeededOnEveryNode, or remove the hint",
    ),
    Code(
        "NP0206",
        "performance hint listed twice",
        "Each hint stands in the list once.",
        "remove one of the two",
    ),
    Code(
        "NP0207",
        "preDNAT and doNotTrack at once",
        "A policy applies before connection tracking (doNotTrack) or before destination NAT (preDNAT), not "
        "both.",
        "remove one of the two, or write two policies",
    ),
    Code(
        "NP0208",
        "preDNAT with egress rules",
        "Destination NAT is undone for what comes in, so a preDNAT policy has only ingress rules.",
        "remove the egress rules, or preDNAT",
    ),
    Code(
        "NP0209",
        "preDNAT with type Egress",
        "Destination NAT is undone for what comes in, so a preDNAT policy governs only ingress.",
        "write types: [Ingress], or remove preDNAT",
    ),
    Code(
        "NP0210",
        "applyOnForward missing",
        "preDNAT and doNotTrack policies see forwarded traffic whether or not one wants to, so it must be "
        "said.",
        "add applyOnForward: true",
    ),
    Code(
        "NP0211",
        "services as source of an egress rule",
        "The source of an egress rule is the pod that the policy applies to.",
        "move services to destination, or use the policy's selector",
    ),
    Code(
        "NP0212",
        "services as destination of an ingress rule",
        "The destination of an ingress rule is the pod that the policy applies to.",
        "move services to source, or use the policy's selector",
    ),
    Code(
        "NP0213",
        "HTTP match in an egress rule",
        "Requests are looked at where they arrive, so only ingress rules can match them.",
        "move the rule to ingress of the policy that applies to the server",
    ),
    Code(
        "NP0214",
        "Service without namespace in a global policy",
        "A global policy has no namespace of its own in which the Service could be looked for.",
        "add services.namespace",
    ),
    Code(
        "NP0215",
        "tier does not exist",
        "No file holds this tier. A cluster refuses to create a policy in a tier that does not exist; one "
        "whose tier has gone is enforced after all other tiers, and denies what it does not allow.",
        "add the Tier, or correct spec.tier",
        Severity.WARNING,
    ),
)
_STAGED: Final = (
    Code(
        "NP0301",
        "unknown staged action",
        "A staged policy's action is Set, Delete, Learn or Ignore.",
        "write Set or Delete, or remove stagedAction (which means Set)",
    ),
    Code(
        "NP0302",
        "staged deletion with a spec",
        "A staged policy with the action Delete stands for the removal of a policy and says nothing else; "
        "only the tier may be named.",
        "remove all of spec but stagedAction and tier, or write stagedAction: Set",
    ),
    Code(
        "NP0303",
        "staged deletion of a Kubernetes policy with a spec",
        "A staged policy with the action Delete stands for the removal of a policy and says nothing else.",
        "remove all of spec but stagedAction, or write stagedAction: Set",
    ),
    Code(
        "NP0304",
        "staged Kubernetes policy cannot be converted",
        "A port or the podSelector has no meaning, so nothing could be previewed.",
        "correct the field",
    ),
    Code(
        "NP0305",
        "Kubernetes would refuse the enforced policy",
        "The staged policy is accepted, but the NetworkPolicy that it previews could not be created like "
        "this.",
        "correct it now, before it is to be enforced",
        Severity.WARNING,
    ),
)
_TIERS: Final = (
    Code(
        "NP0401",
        "default action of a built-in tier changed",
        "The built-in tiers have fixed default actions: Deny for `default`, Pass for the others.",
        "write the fixed action",
    ),
    Code(
        "NP0402",
        "order of a built-in tier changed",
        "The built-in tiers have fixed orders: 1000, 1000000 (`default`) and 10000000.",
        "write the fixed order",
    ),
    Code(
        "NP0403",
        "unknown default action",
        "A tier's default action is Pass or Deny, in exactly these letters.",
        "write Pass or Deny",
    ),
)
POLICIES: Final = (*_POLICIES, *_STAGED, *_TIERS)
