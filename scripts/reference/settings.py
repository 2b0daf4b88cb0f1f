"""docs/reference/settings.md: every setting with its names, default and meaning."""

from enum import Enum
from typing import Any

from ocicat.app.settings import FILE_NAME, Settings, Settled
from reference.text import GENERATED

INTRODUCTION = f"""\
# Settings

A value comes from the flag, else from the environment variable, else from the file, else it is the default.
The file is `{FILE_NAME}` in the state folder (the setting `home`). In it the names before the dots are the
keys above: `agent.metrics_port` is `metrics_port` below `agent`.
"""


def page() -> str:
    """Return the page."""
    lines = [GENERATED, "", INTRODUCTION.rstrip()]
    for setting in Settled(Settings(), {}).explained():
        if not setting.meaning:
            raise ValueError(f"the setting {setting.path} has no docstring")
        lines += ["", f"## {setting.path}", "", setting.meaning, ""]
        lines += [f"- Environment: `{setting.variable}`", f"- Default: {_default(setting.default)}"]
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    shown = value.value if isinstance(value, Enum) else value
    match shown:
        case "":
            return "empty"
        case bool():
            return f"`{str(shown).lower()}`"
        case _:
            return f"`{shown}`"
