"""Network sets, namespaced and global. Source: spec/policy-semantics §3.8."""

from typing import Final

from ocicat.model.calico import GlobalNetworkSet, NetworkSet
from ocicat.model.net import NetError, Prefix
from ocicat.model.validate.finding import Finding, Findings, repeated

NAMESPACE_LABEL: Final = "projectcalico.org/namespace"
"""Calico itself puts it on the members of namespaced sets, where rules look for it."""


def network_set(resource: NetworkSet | GlobalNetworkSet) -> Findings:
    """Find what is wrong with the nets of a set, and whether it claims a namespace by label."""
    path = ("spec", "nets")
    for index, net in enumerate(resource.spec.nets):
        try:
            Prefix.parse(net, strict=False)
        except NetError as error:
            yield Finding(
                "NP0501", (*path, index), _without_value(error, net), _fix(net), f"Nets[{index}]", net
            )
    yield from repeated("NP0502", path, resource.spec.nets)
    if NAMESPACE_LABEL in resource.metadata.labels:
        what = f"{NAMESPACE_LABEL} is not a valid label name"
        place = ("metadata", "labels", NAMESPACE_LABEL)
        yield Finding("NP0503", place, what, "", "Metadata.Labels (label)", NAMESPACE_LABEL)


def _without_value(error: NetError, net: str) -> str:
    """The Problem shows the value beside the message."""
    return str(error).removeprefix(f"{net!r} ")


def _fix(net: str) -> str:
    stripped = net.strip()
    if "," in stripped or " " in stripped:
        return 'write one item for each: begin each with "- "'
    if stripped != net:
        return f"write {stripped}"
    return ""
