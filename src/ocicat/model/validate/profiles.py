"""Profiles: their rules obey what holds for each rule, and nothing of what policies obey besides.

Source: spec/policy-semantics §3.2, §3.10.
"""

from ocicat.model.calico import Profile
from ocicat.model.validate import formats
from ocicat.model.validate.finding import Finding, Findings
from ocicat.model.validate.rules import rules
from ocicat.model.validate.spelling import as_label_value


def profile(resource: Profile) -> Findings:
    """Find what is wrong with the spec of a profile."""
    spec = resource.spec
    yield from rules(spec.ingress, ("spec", "ingress"))
    yield from rules(spec.egress, ("spec", "egress"))
    for key, value in spec.labels_to_apply.items():
        path = ("spec", "labelsToApply", key)
        for what in formats.qualified_name(key):
            yield Finding("NP0701", path, what, "", "LabelsToApply", key)
        for what in formats.label_value(value):
            guess = as_label_value(value)
            fix = f"write {guess}" if guess else ""
            yield Finding("NP0701", path, what, fix, "LabelsToApply", value)
