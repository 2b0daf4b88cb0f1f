"""What the kernel holds, as `nft -j` lists it, in a form that can be compared with what was rendered. Pure.

Elements of sets and maps read back as the text that rendered them. Rules do not: nft prints them in its own
way, and each version a little differently. So a chain is compared with how the same nft lists the chain
that it should be (`driver` loads that into a table which is asleep), and both are kept as JSON.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from ocicat.dataplane.nft.kinds import Segment
from ocicat.dataplane.nft.peers import range_text
from ocicat.dataplane.nft.ruleset import Chain, Container, Ruleset
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.policy import Direction
from ocicat.engine.program import Outcome
from ocicat.engine.walk import Walked
from ocicat.model.flow import Action, Hit, HitError, Trace
from ocicat.model.net import Address, Prefix

_UNLIKE: Final = ("handle", "table", "index")
"""What may differ between two equal things."""
_HOOK: Final = re.compile(r"type (\w+) hook (\w+) priority (?:([a-z]+) ?)?([+-]? ?[0-9]+)?; policy (\w+);")
_PRIORITIES: Final = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
"""NF_IP_PRI_… of linux/netfilter_ipv4.h, as nft names them."""
_WAYS: Final = {"from": Direction.EGRESS, "to": Direction.INGRESS}


def parse_listing(table: str, text: bytes | str) -> Ruleset:
    """Return a table as listed; the rules of its chains are JSON. Raises msgspec.DecodeError."""
    containers: dict[str, Container] = {}
    rules: dict[str, list[str]] = {}
    hooks: dict[str, str] = {}
    for item in msgspec.json.decode(text)["nftables"]:
        (kind, body), *_ = item.items()
        match kind:
            case "chain":
                rules.setdefault(body["name"], [])
                hook = {key: body[key] for key in ("type", "hook", "prio", "policy") if key in body}
                hooks[body["name"]] = _json(hook) if hook else ""
            case "rule":
                alike = {
                    key: value for key, value in body.items() if key not in (*_UNLIKE, "chain", "family")
                }
                rules.setdefault(body["chain"], []).append(_json(alike))
            case "set" | "map":
                containers[body["name"]] = _container(kind, body)
            case _:
                pass  # the table itself, and what nft says of its version
    chains = {name: Chain(name, tuple(found), hooks.get(name, "")) for name, found in rules.items()}
    return Ruleset(table, containers, chains)


def listed_hook(declared: str) -> str:
    """Return how a chain's hook is listed; empty for none. Raises ValueError for what is no hook of ours."""
    if not declared:
        return ""
    found = _HOOK.fullmatch(declared)
    if found is None:
        raise ValueError(f"no hook: {declared}")
    kind, hook, name, offset, policy = found.groups()
    priority = _PRIORITIES[name] if name else 0
    return _json(
        {
            "type": kind,
            "hook": hook,
            "prio": priority + int((offset or "0").replace(" ", "")),
            "policy": policy,
        }
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _container(kind: str, body: Mapping[str, Any]) -> Container:
    types = [body["type"]] if isinstance(body["type"], str) else body["type"]
    key = " . ".join(types)
    dynamic = "timeout" in body.get("flags", ())
    elements = {} if dynamic else dict(_element(types, item) for item in body.get("elem", ()))
    return Container(
        body["name"], f"{key} : verdict" if kind == "map" else key, elements=elements, dynamic=dynamic
    )


def _element(types: list[str], item: Any) -> tuple[str, str]:
    """Return an element's key and verdict, as the renderer writes them."""
    key, verdict = item if isinstance(item, list) else (item, None)
    parts = key["concat"] if isinstance(key, dict) and "concat" in key else [key]
    text = " . ".join(_value(kind, part) for kind, part in zip(types, parts, strict=True))
    if verdict is None:
        return text, ""
    (action, body), *_ = verdict.items()
    return text, f"{action} {body['target']}" if body else action


def _value(kind: str, part: Any) -> str:
    if kind == "ifname":
        return f'"{part}"'
    if not isinstance(part, dict):
        return str(Address.parse(part)) if kind.endswith("_addr") else str(part)
    if "prefix" in part:
        net = Prefix.parse(f"{part['prefix']['addr']}/{part['prefix']['len']}")
        return range_text(net.family, Segment(net.bits, net.last))
    first, last = (Address.parse(end) for end in part["range"])
    return range_text(first.family, Segment(first.bits, last.bits))


# --- comparing ----------------------------------------------------------------------------------------------


def as_rendered(found: Ruleset, rendered: Ruleset, listed: Ruleset) -> Ruleset:
    """Return what the kernel holds, in the renderer's words wherever it holds what was rendered.

    Args:
        found: What the kernel lists.
        rendered: What it should hold.
        listed: How nft lists the chains of `rendered`.

    A chain that differs keeps its JSON, so that it is equal to nothing rendered.
    """
    chains = {
        name: rendered.chains[name]
        if name in rendered.chains and listed.chains.get(name) == chain
        else Chain(name, chain.rules, rendered.chains[name].hook if name in rendered.chains else "")
        for name, chain in found.chains.items()
    }
    containers = {
        name: msgspec.structs.replace(rendered.containers[name], elements=container.elements)
        if name in rendered.containers and rendered.containers[name].type == container.type
        else container
        for name, container in found.containers.items()
    }
    return Ruleset(rendered.table, containers, chains)


def deviations(found: Ruleset | None, wanted: Ruleset) -> Iterator[str]:
    """Yield, a line each, where the kernel (`as_rendered`) differs from what it should hold."""
    if found is None:
        yield f"table {wanted.table} is missing"
        return
    for name in sorted(found.chains.keys() | wanted.chains.keys()):
        if name not in found.chains:
            yield f"chain {name} is missing"
        elif name not in wanted.chains:
            yield f"chain {name} is foreign"
        elif found.chains[name] != wanted.chains[name]:
            yield f"chain {name} was edited"
    for name in sorted(found.containers.keys() | wanted.containers.keys()):
        yield from _container_deviations(name, found.containers.get(name), wanted.containers.get(name))


def _container_deviations(name: str, found: Container | None, wanted: Container | None) -> Iterator[str]:
    if found is None or wanted is None:
        yield f"{'missing' if found is None else 'foreign'} set or map {name}"
        return
    if found.declaration != wanted.declaration:
        yield f"{wanted.kind} {name} was declared otherwise"
    if wanted.dynamic:
        return
    for key in sorted(found.elements.keys() | wanted.elements.keys()):
        if found.elements.get(key) != wanted.elements.get(key):
            is_, should = found.elements.get(key, "absent"), wanted.elements.get(key, "absent")
            yield f"{wanted.kind} {name}: {key} is {is_ or 'present'}, should be {should or 'present'}"


# --- the numbers of traces ----------------------------------------------------------------------------------


def restored_traces(listed: Ruleset) -> TraceBook:
    """Return the numbers that the kernel's own trace chains explain, for an agent that starts anew."""
    book = TraceBook()
    found: dict[Direction, dict[int, Outcome]] = {direction: {} for direction in Direction}
    for name, chain in listed.chains.items():
        way, _, number = name.partition("_t")
        if way in _WAYS and number.isdecimal() and (outcome := _outcome(chain)) is not None:
            found[_WAYS[way]][int(number)] = outcome
    for direction, outcomes in found.items():
        book.restore(direction, outcomes)
    return book


def _outcome(chain: Chain) -> Outcome | None:
    """Return what the comments of a trace chain say, None where somebody has made them unreadable."""
    texts: list[str] = []
    for rule in chain.rules:
        comment = msgspec.json.decode(rule).get("comment", "")
        if comment.startswith("+") and texts:
            texts[-1] += comment[1:]
        elif comment:
            texts.append(comment)
    traces: dict[str, list[Hit]] = {"enforced": [], "pending": []}
    try:
        for text in texts:
            label, _, hit = text.partition(" ")
            traces[label].append(Hit.parse(hit))
    except (HitError, KeyError):
        return None
    if not traces["enforced"]:
        return None
    return Outcome(_walked(tuple(traces["enforced"])), _walked(tuple(traces["pending"])))


def _walked(trace: Trace) -> Walked:
    """Return where a walk ended: whatever does not allow, denies (§12.3)."""
    allows = bool(trace) and trace[-1].action is Action.ALLOW
    return Walked(Action.ALLOW if allows else Action.DENY, trace)
