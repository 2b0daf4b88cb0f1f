"""Label selectors of Kubernetes, judged as kube-apiserver does.

Source: spec/policy-semantics §3.12, §10.2.
"""

from typing import Final

from ocicat.model.meta import LabelSelector, LabelSelectorRequirement
from ocicat.model.positions import Path
from ocicat.model.validate import formats
from ocicat.model.validate.finding import Finding, Findings, schema_field
from ocicat.model.validate.spelling import alternatives, as_label_value, meant

WITH_VALUES: Final = ("In", "NotIn")
WITHOUT_VALUES: Final = ("Exists", "DoesNotExist")
OPERATORS: Final = (*WITH_VALUES, *WITHOUT_VALUES)


def label_selector(selector: LabelSelector | None, path: Path) -> Findings:
    """Find what is wrong with a label selector; an absent one has nothing wrong."""
    if selector is None:
        return
    for key, value in selector.match_labels.items():
        yield from _key(key, (*path, "matchLabels", key))
        yield from _value(value, (*path, "matchLabels", key))
    for index, requirement in enumerate(selector.match_expressions):
        yield from _requirement(requirement, (*path, "matchExpressions", index))


def _requirement(written: LabelSelectorRequirement, path: Path) -> Findings:
    yield from _key(written.key, (*path, "key"))
    place = (*path, "values")
    if written.operator in WITH_VALUES and not written.values:
        what = "must be specified when `operator` is 'In' or 'NotIn'"
        yield Finding("NP0815", place, what, "", schema_field(place))
    elif written.operator in WITHOUT_VALUES and written.values:
        what = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        yield Finding("NP0816", place, what, "", schema_field(place))
    elif written.operator not in OPERATORS:
        place = (*path, "operator")
        fix = f"write {meant(written.operator, OPERATORS) or alternatives(OPERATORS)}"
        what = "not a valid selector operator"
        yield Finding("NP0814", place, what, fix, schema_field(place), written.operator)
    for index, value in enumerate(written.values):
        yield from _value(value, (*path, "values", index))


def _key(key: str, path: Path) -> Findings:
    for what in formats.qualified_name(key):
        yield Finding("NP0812", path, what, "", schema_field(path), key)


def _value(value: str, path: Path) -> Findings:
    for what in formats.label_value(value):
        guess = as_label_value(value)
        fix = f"write {guess}" if guess else ""
        yield Finding("NP0813", path, what, fix, schema_field(path), value)
