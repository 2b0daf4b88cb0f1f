"""Write deploy/kinds/calico.yaml, the CustomResourceDefinitions of policy, or say that it is stale.

    python scripts/kinds.py           writes it
    python scripts/kinds.py --check   writes nothing; exits with 1 when it is not what the code says

They are for clusters without Calico, and made from the structs by which ocicat reads the same objects, so
that a cluster keeps each field that ocicat knows.
"""

import difflib
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ocicat.cluster.apiserver.schemas import load_schemas
from ocicat.cluster.resources import builtin
from ocicat.cluster.resources.kinds import Kind
from ocicat.cluster.resources.schema import Schemas
from ocicat.model import calico
from ocicat.model.kinds import KINDS

FILE: Final = Path(__file__).resolve().parent.parent / "deploy" / "kinds" / "calico.yaml"
HEAD: Final = "# Made from the code by `make docs`. Do not edit.\n"
COLUMNS: Final = (
    ("Tier", "string", "tier"),
    ("Order", "number", "order"),
    ("Default action", "string", "defaultAction"),
)
"""What `kubectl get` shows beside name and age, of fields that a kind's spec has."""
KEPT: Final = ("description", "type", "format", "required")
"""What of a definition goes into a structural schema as it is."""


def text() -> str:
    """Return the file as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        schemas = load_schemas(Path(folder))
    served = {(kind.group, kind.kind): kind for kind in builtin.BUILTIN.kinds}
    kinds = [served[kind.group, kind.kind] for kind in KINDS if kind.group == calico.GROUP]
    documents = [definition(kind, schemas) for kind in sorted(kinds, key=lambda kind: kind.plural)]
    return HEAD + yaml.safe_dump_all(documents, sort_keys=False, width=110)


def definition(kind: Kind, schemas: Schemas) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    root = schemas.root(kind.schema)
    # The API server knows metadata by itself, and refuses schemas that say more of it.
    properties = {name: node for name, node in root["properties"].items() if name != "metadata"}
    schema = structural({**root, "properties": properties}, schemas)
    schema["properties"]["metadata"] = {"type": "object"}
    names: dict[str, Any] = {"kind": kind.kind, "plural": kind.plural, "singular": kind.singular}
    names |= {"listKind": f"{kind.kind}List", "shortNames": list(kind.short_names)}
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": columns(schema["properties"].get("spec", {})),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
    }


def columns(spec: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the columns that `kubectl get` shows."""
    fields = spec.get("properties", {})
    shown = [
        {"name": name, "type": kind, "jsonPath": f".spec.{field}"}
        for name, kind, field in COLUMNS
        if field in fields
    ]
    return [*shown, {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]


def structural(node: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    """Return a definition as a structural schema: without references, numbers or texts marked as such."""
    described = {"description": node["description"]} if node.get("description") else {}
    node = {**schemas.resolved(node), **described}
    found = {name: node[name] for name in KEPT if node.get(name)}
    if node.get("x-kubernetes-int-or-string"):
        return {**described, "x-kubernetes-int-or-string": True}
    if node.get("x-kubernetes-preserve-unknown-fields"):
        found["x-kubernetes-preserve-unknown-fields"] = True
    if "properties" in node:
        found["properties"] = {name: structural(inner, schemas) for name, inner in node["properties"].items()}
    if "items" in node:
        found["items"] = structural(node["items"], schemas)
    if isinstance(inner := node.get("additionalProperties"), Mapping):
        found["additionalProperties"] = structural(inner, schemas)
    return found


def main(arguments: list[str]) -> int:
    """Write the file, or with `--check` compare it. Return the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: kinds.py [--check]", file=sys.stderr)
        return 2
    wanted = text()
    if not arguments:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(wanted, encoding="utf-8")
        print("deploy/kinds/calico.yaml written")
        return 0
    found = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    if found == wanted:
        print("deploy/kinds/calico.yaml is fresh")
        return 0
    for line in difflib.unified_diff(found.splitlines(), wanted.splitlines(), lineterm=""):
        print(line)
    print("deploy/kinds/calico.yaml is stale: run `make docs`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
