"""`ocicat`, also found by kubectl as `kubectl ocicat`.

Commands are imported when they run: `--help` must not wait for NumPy or a YAML parser.
"""

import importlib
import os
import sys
from typing import Any, Final

import click

from ocicat.base.errors import OcicatError

COMMANDS: Final = {
    "validate": (
        "ocicat.cli.validate:validate",
        "Check manifests, and show every problem with its place and fix.",
    ),
    "trace": (
        "ocicat.cli.trace:trace",
        "Walk a connection through the tiers: who allows or denies it, and why.",
    ),
    "selector": ("ocicat.cli.selector:selector", "Check a selector, and try it on labels."),
    "up": ("ocicat.cli.up:up", "Run a Kubernetes cluster on this machine, with real pods and policy."),
    "down": ("ocicat.cli.up:down", "Stop a cluster that `up` has started."),
    "status": ("ocicat.cli.up:status", "Show how a cluster stands."),
    "kubeconfig": ("ocicat.cli.up:kubeconfig", "Print a cluster's kubeconfig, or merge it into yours."),
    "logs": ("ocicat.cli.up:logs", "Show what a part of a cluster has written."),
    "reset": ("ocicat.cli.up:reset", "Stop a cluster and forget what it knows."),
    "image": ("ocicat.cli.image:image", "Add images to a cluster, beside those that it has."),
    "agent": ("ocicat.cli.agent:agent", "Enforce policy on this node, and report its flows."),
    "hub": ("ocicat.cli.hub:hub", "Take flows, remember them, and show them in the console."),
    "flows": ("ocicat.cli.flows:flows", "List flows of a hub, or follow them."),
    "top": ("ocicat.cli.top:top", "Show who talks most, again and again."),
    "config": ("ocicat.cli.config:config", "Show which settings are in force, and what says so."),
    "completion": ("ocicat.cli.completion:completion", "Write the completion script of a shell."),
}
"""Name → where the command is, and what the overview says of it."""

EXIT_FINDINGS: Final = 1
"""Something was found, or the connection is denied."""
EXIT_USAGE: Final = 2
"""The command line is wrong."""
EXIT_UNKNOWN: Final = 3
"""What was asked for cannot be reached, or is not known."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview from the table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of ours becomes a message and the exit code for it."""
        try:
            return super().invoke(ctx)
        except OcicatError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(EXIT_UNKNOWN)
        except BrokenPipeError:
            # Who reads has seen enough (`| head`); Python must not complain again when it closes the stream.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(EXIT_FINDINGS)


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="ocicat", message="%(prog)s %(version)s")
def cli() -> None:
    """Tiered network policy for Kubernetes: prove it, enforce it, explain every denial.

    Exit codes: 0 fine, 1 findings or denied, 2 wrong usage, 3 unreachable or unknown.

    Shell completion: ocicat completion --help.
    """


def main() -> None:
    """Run the command line. `kubectl ocicat …` shows itself under that name."""
    name = "kubectl ocicat" if sys.argv[0].endswith("kubectl-ocicat") else "ocicat"
    cli(prog_name=name)
