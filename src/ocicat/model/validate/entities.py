"""The `source` and `destination` of a rule. Source: spec/policy-semantics §3.5."""

from typing import Final

from ocicat.model.calico import EntityRule, ServiceMatch
from ocicat.model.positions import Path
from ocicat.model.validate import formats
from ocicat.model.validate.finding import Finding, Findings, repeated, schema_field, too_long
from ocicat.model.validate.ports import ports
from ocicat.model.validate.selectors import global_alone, no_global, selector

NOTHING: Final = EntityRule()
"""A side without criteria: most sides of most rules."""


def entity(side: EntityRule, path: Path) -> Findings:
    """Find what is wrong with one side of a rule; its nets are the rule's matter."""
    if side == NOTHING:
        return
    yield from selector(side.selector, (*path, "selector"), "Selector")
    yield from no_global(side.selector, (*path, "selector"), "Selector field")
    yield from selector(side.not_selector, (*path, "notSelector"), "NotSelector")
    yield from selector(side.namespace_selector, (*path, "namespaceSelector"), "NamespaceSelector")
    yield from global_alone(side.namespace_selector, (*path, "namespaceSelector"), "NamespaceSelector field")
    yield from ports(side.ports, (*path, "ports"))
    yield from ports(side.not_ports, (*path, "notPorts"))
    if side.service_accounts is not None:
        accounts, place = side.service_accounts, (*path, "serviceAccounts")
        yield from repeated("NP0142", (*place, "names"), accounts.names)
        yield from selector(accounts.selector, (*place, "selector"), "Selector", limit=None)
    if side.services is not None:
        yield from _service(side.services, (*path, "services"))
        yield from _service_alone(side, path)


def _service(service: ServiceMatch, path: Path) -> Findings:
    if not service.name:
        yield Finding("NP0137", path, "services must specify a service name", "", schema_field(path[:-1]))
    for name, written in (("name", service.name), ("namespace", service.namespace)):
        yield from too_long("NP0141", (*path, name), written, formats.SUBDOMAIN_BYTES)
        if written and not formats.is_subdomain(written):
            what = "no Service can have this name" if name == "name" else "no namespace can have this name"
            yield Finding("NP0141", (*path, name), what, "", name.capitalize(), written)


def _service_alone(side: EntityRule, path: Path) -> Findings:
    """A Service names addresses and ports by itself, so nothing else may."""
    field = schema_field(path)
    place = (*path, "services")
    if side.namespace_selector:
        what = "cannot specify NamespaceSelector and Services on the same rule"
        yield Finding("NP0135", place, what, "", field)
    if side.service_accounts is not None:
        what = "cannot specify ServiceAccounts and Services on the same rule"
        yield Finding("NP0136", place, what, "", field)
    if side.selector or side.not_selector:
        what = "cannot specify Selector/NotSelector and Services on the same rule"
        yield Finding("NP0138", place, what, "", field)
    if side.nets or side.not_nets:
        what = "cannot specify Nets/NotNets and Services on the same rule"
        yield Finding("NP0139", place, what, "", field)
