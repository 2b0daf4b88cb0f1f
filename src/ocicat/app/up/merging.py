"""Putting a cluster's kubeconfig into the user's own."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ocicat.base.errors import OcicatError

_LISTS: Final = ("clusters", "users", "contexts")


class NotMergedError(OcicatError):
    """A kubeconfig cannot be read, or is none; nothing was changed."""


def users_file(environment: Mapping[str, str]) -> Path:
    """Return the user's kubeconfig: the first of `KUBECONFIG`, else `~/.kube/config`."""
    named = [path for path in environment.get("KUBECONFIG", "").split(os.pathsep) if path]
    return Path(named[0] if named else "~/.kube/config").expanduser()


def merged(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return a kubeconfig with ours in it and current; what has the same name is replaced. Pure."""
    result: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", **theirs}
    for key in _LISTS:
        names = {row["name"] for row in ours[key]}
        kept = [row for row in theirs.get(key) or () if row.get("name") not in names]
        result[key] = [*kept, *ours[key]]
    result["current-context"] = ours["current-context"]
    return result


def merge(source: Path, goal: Path) -> str:
    """Merge the kubeconfig `source` into the file `goal`, which need not exist; return the context's name.

    Raises NotMergedError, with `goal` as it was.
    """
    ours = _read(source)
    goal = goal.resolve()
    theirs = _read(goal) if goal.exists() else {}
    text = yaml.safe_dump(merged(theirs, ours), sort_keys=False)
    try:
        goal.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(goal, text)
    except OSError as error:
        raise NotMergedError(f"{goal}: {error.strerror}") from error
    return str(ours["current-context"])


def _replace(goal: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone, as mkstemp makes it. Raises OSError."""
    with tempfile.NamedTemporaryFile("w", dir=goal.parent, prefix=f".{goal.name}.", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.replace(file.name, goal)
        except BaseException:
            os.unlink(file.name)  # it holds keys
            raise


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise NotMergedError(f"{path} does not exist: has this cluster ever been up?") from error
    except OSError as error:
        raise NotMergedError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NotMergedError(f"{path} is not YAML: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(_is_list_of_maps(found.get(key)) for key in _LISTS):
        raise NotMergedError(f"{path} is no kubeconfig")
    return found


def _is_list_of_maps(rows: object) -> bool:
    return rows is None or (isinstance(rows, list) and all(isinstance(row, dict) for row in rows))
