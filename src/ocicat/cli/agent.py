"""`ocicat agent`: run the node agent, and ask a running one how it stands."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ocicat.app.settings import Settings, SettingsError, settled
from ocicat.cli.extras import need
from ocicat.cli.main import EXIT_FINDINGS
from ocicat.cli.output import output_option, write_json

if TYPE_CHECKING:
    from ocicat.app.agent.status import AgentStatus

EXTRA: Final = "agent"
NEEDED: Final = ("google.protobuf", "grpc", "httpx2", "lightkube", "prometheus_client", "structlog")


@click.group(invoke_without_command=True)
@click.option("--kubeconfig", metavar="FILE", help="The kubeconfig of the cluster.")
@click.option("--context", metavar="NAME", help="The context of the kubeconfig.")
@click.option("--node", metavar="NAME", help="The node that the agent runs on.")
@click.option("--hub", metavar="HOST:PORT", help="Where flows go; by default the cluster's goldmane.")
@click.option("--tls-ca", metavar="FILE", help="Certificates that sign the hub's.")
@click.option("--tls-certificate", metavar="FILE", help="The agent's certificate.")
@click.option("--tls-key", metavar="FILE", help="The key of the agent's certificate.")
@click.option("--tls-server-name", metavar="NAME", help="The name in the hub's certificate.")
@click.option("--interface-prefix", metavar="TEXT", help="What the names of pods' interfaces begin with.")
@click.option("--denial", metavar="drop|reject", help="What happens to denied packets.")
@click.option("--cut-refused", is_flag=True, default=None, help="End connections that policy refuses now.")
@click.option("--services", metavar="auto|on|off", help="Whether the agent translates Services.")
@click.option("--pod-nets", metavar="NETWORKS", help="Networks of pods, separated by commas.")
@click.option("--metrics-port", metavar="PORT", help="Port on the loopback for Prometheus; 0 for none.")
@click.option("--home", metavar="FOLDER", help="The state folder.")
@click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The settings file.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.pass_context
def agent(ctx: click.Context, /, file: Path | None, log_level: str, home: str | None, **flags: Any) -> None:
    """Enforce policy on this node, and report its flows. Runs until it is stopped.

    \b
    ocicat agent --kubeconfig ~/.kube/config --node worker-1 --hub hub.example:7443
    ocicat agent --node worker-1 status

    It needs to be in the node's network namespace and may change its nftables. When it stops, the kernel goes
    on enforcing; the next agent takes over what is there. Every option is also a setting: see `--config`, and
    OCICAT_AGENT_NODE and the like.

    Exit codes: 0 stopped as asked, 2 wrong usage, 3 the agent cannot start.
    """
    given = {f"agent.{name}": value for name, value in flags.items()} | {"home": home}
    try:
        settings = settled(given, os.environ, file).settings
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    if not settings.agent.node:
        raise click.UsageError("name the node: --node NAME, or OCICAT_AGENT_NODE")
    ctx.obj = settings
    if ctx.invoked_subcommand is None:
        _run(settings, log_level)


def _run(settings: Settings, log_level: str) -> None:
    need(EXTRA, NEEDED)
    from ocicat.app.agent.compose import run
    from ocicat.app.logs import log_to_stderr

    log_to_stderr(log_level, component="agent", node=settings.agent.node)
    run(settings)


# --- asking a running agent ---------------------------------------------------------------------------------


@agent.command()
@output_option("table", "json")
@click.pass_obj
def status(settings: Settings, output: str) -> None:
    """Show what the agent enforces, and what it cannot.

    Exit codes: 0 all is enforced, 1 something is not, 3 no agent answers.
    """
    need(EXTRA, NEEDED)
    from ocicat.app.agent.status import ask_status, socket_path

    found = ask_status(socket_path(settings.folder, settings.agent.node))
    if output == "json":
        write_json(found)
    else:
        for line in status_lines(found):
            click.echo(line)
    if not found.ok:
        sys.exit(EXIT_FINDINGS)


@agent.command()
@click.option("--heal", is_flag=True, help="Put right what differs.")
@output_option("text", "json")
@click.pass_obj
def verify(settings: Settings, heal: bool, output: str) -> None:
    """Compare the kernel's ruleset with what the agent has programmed.

    Exit codes: 0 they agree, 1 they differ, 3 no agent answers.
    """
    need(EXTRA, NEEDED)
    from ocicat.app.agent.status import ask_verify, socket_path

    found = ask_verify(socket_path(settings.folder, settings.agent.node), heal=heal)
    if output == "json":
        write_json(found)
    else:
        for line in found.deviations:
            click.echo(line)
        click.echo(f"{len(found.deviations)} differences{', put right' if found.healed else ''}")
    if found.deviations:
        sys.exit(EXIT_FINDINGS)


def status_lines(found: "AgentStatus") -> list[str]:
    """Return the status as a person reads it."""
    kernel, flows, accounting = found.enforcement, found.flows, found.accounting
    started = datetime.fromtimestamp(found.started_ns // 1_000_000_000, UTC)
    changes = (
        f"{kernel.last_apply_s * 1000:.0f} ms, generation {kernel.generation}, "
        f"{kernel.failures} refused, {kernel.deviations} foreign edits put right"
    )
    counts = (
        f"{accounting.records} records, {flows.sent} acknowledged, {flows.queued} waiting, "
        f"{flows.lost} lost{_losses(found)}"
    )
    lines = [
        f"node         {found.node} (ocicat {found.version}, since {started:%Y-%m-%d %H:%M:%S} UTC)",
        f"cluster      {_cluster(found)}",
        f"kernel       {_kernel(found)}",
        f"last change  {changes}",
        f"hub          {_hub(found)}",
        f"flows        {counts}",
    ]
    if found.services:
        lines.append(f"services     {found.services}")
    if found.cut.judged or found.cut.ended or found.cut.error:
        failed = f"; FAILED: {found.cut.error}" if found.cut.error else ""
        lines.append(f"cut          {found.cut.ended} connections that policy refuses{failed}")
    for heading, items in (("NOT ENFORCED", found.lacking), ("WARNINGS", found.warnings)):
        if items:
            lines.append(f"{heading} ({len(items)})")
            lines += [f"  {item.ref}: {item.reason}" for item in items]
    return lines


def _losses(found: "AgentStatus") -> str:
    """Return what could not be counted, as `; 3 events, 1 missed`; empty where all was."""
    losses = (
        (name, getattr(found.accounting.losses, name)) for name in found.accounting.losses.__struct_fields__
    )
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in losses if count)
    return f"; not counted: {told}" if told else ""


def _cluster(found: "AgentStatus") -> str:
    objects = sum(reflector.objects for reflector in found.reflectors)
    troubled = [reflector for reflector in found.reflectors if reflector.error]
    known = f"{objects} objects of {sum(bool(r.source) for r in found.reflectors)} kinds"
    if not found.synced:
        unknown = [reflector.kind for reflector in found.reflectors if not reflector.synced]
        known = f"NOT SYNCED, waiting for {', '.join(unknown)}"
    if troubled:
        return f"{known}; {troubled[0].kind}: {troubled[0].error}"
    return known


def _kernel(found: "AgentStatus") -> str:
    kernel = found.enforcement
    state = f"{kernel.endpoints} pods, {kernel.policies} policies"
    return f"{state}; REFUSED: {kernel.error}" if kernel.error else state


def _hub(found: "AgentStatus") -> str:
    flows = found.flows
    if flows.connected:
        return f"{flows.server}, by {flows.method}"
    return f"{flows.server or 'none'}: {flows.error or 'not reached yet'}"
