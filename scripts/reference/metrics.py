"""docs/reference/metrics.md: every metric for Prometheus, as an agent that has done nothing shows it."""

from typing import Any

import msgspec
from msgspec import inspect as types

from ocicat.app.agent.metrics import Metrics
from ocicat.app.agent.status import AgentStatus
from reference.text import GENERATED

INTRODUCTION = """\
# Metrics

What the agent tells Prometheus, on the loopback at the port of the setting
[`agent.metrics_port`](settings.md#agentmetrics_port). The names are stable.
"""


def page() -> str:
    """Return the page."""
    lines = [GENERATED, "", INTRODUCTION.rstrip()]
    idle = msgspec.convert(_zero(types.type_info(AgentStatus)), AgentStatus)
    for family in sorted(Metrics(lambda: idle).registry.collect(), key=lambda family: family.name):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        lines += ["", f"## {name}", "", f"{family.documentation} ({family.type})"]
    return "\n".join(lines) + "\n"


def _zero(kind: types.Type) -> Any:
    """Return the emptiest value of a type, as plain data."""
    match kind:
        case types.StructType(fields=fields):
            return {field.encode_name: _zero(field.type) for field in fields}
        case types.UnionType(includes_none=True):
            return None
        case types.EnumType(cls=cls):
            return next(iter(cls)).value
        case types.BoolType():
            return False
        case types.IntType() | types.FloatType():
            return 0
        case types.StrType():
            return ""
        case types.VarTupleType() | types.ListType():
            return []
        case types.DictType():
            return {}
        case _:
            raise TypeError(f"no empty value of {kind}")
