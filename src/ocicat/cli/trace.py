"""`ocicat trace`: may this connection be made, and who says so."""

import sys

import click

from ocicat.app.load import load
from ocicat.base.problem import Severity
from ocicat.cli.main import EXIT_FINDINGS
from ocicat.cli.output import files_option, output_option, write_json, write_problems
from ocicat.engine.decision import Decision, Report
from ocicat.engine.explain import PolicyStep, TierStep, counted, direction_of, reason, sentence, tier_steps
from ocicat.engine.packet import PacketError
from ocicat.engine.world import World
from ocicat.model.flow import Action, HitKind, Trace
from ocicat.model.net import PROTOCOLS_WITH_PORTS, flow_protocol

_COLOURS = {Action.ALLOW: "green", Action.DENY: "red", Action.PASS: "yellow", None: None}


@click.command()
@files_option()
@click.option("--from", "source", required=True, metavar="REF", help="Who connects.")
@click.option("--to", "destination", required=True, metavar="REF", help="To whom.")
@click.option("--protocol", default="TCP", show_default=True, help="TCP, UDP, SCTP, ICMP or a number.")
@click.option(
    "--port", default="0", metavar="PORT", help="The destination's port, or a name that it declares."
)
@click.option("--source-port", type=click.IntRange(0, 65535), default=0, help="For rules on source ports.")
@click.option("--icmp-type", type=click.IntRange(0, 255), help="For rules on ICMP types.")
@click.option("--icmp-code", type=click.IntRange(0, 255), help="For rules on ICMP codes.")
@output_option("text", "json")
def trace(
    paths: tuple[str, ...],
    source: str,
    destination: str,
    protocol: str,
    port: str,
    source_port: int,
    icmp_type: int | None,
    icmp_code: int | None,
    output: str,
) -> None:
    """Walk a connection through the tiers, at both ends, and name the rule that decides.

    \b
    ocicat trace -f manifests/ --from catfacts/deploy/worker --to catfacts/deploy/facts --port 80
    ocicat trace -f manifests/ --from 203.0.113.9 --to shop/web-0 --protocol UDP --port dns -o json

    REF is namespace/pod, namespace/kind/name with the kind of a workload (deploy, sts, ds, rs, job, cronjob),
    a bare pod of namespace default, or an IP address. Policy sees backends: name a pod, not a Service.

    Problems of the manifests go to standard error; objects with errors count as absent.

    Exit codes: 0 allowed, 1 denied, 2 wrong usage, 3 an end is unknown.
    """
    world = load(paths)
    write_problems(
        [problem for problem in world.problems if problem.severity is Severity.ERROR], to_stderr=True
    )
    try:
        decision = world.evaluate(
            source,
            destination,
            protocol,
            port,
            source_port=source_port,
            icmp_type=icmp_type,
            icmp_code=icmp_code,
        )
    except PacketError as error:
        raise click.UsageError(str(error)) from error
    if output == "json":
        write_json({**decision.document(), "sentence": sentence(decision)})
    else:
        _write(world, decision, source, destination)
    if not decision.allowed:
        sys.exit(EXIT_FINDINGS)


def _write(world: World, decision: Decision, source: str, destination: str) -> None:
    packet = decision.packet
    port = f" port {packet.destination_port}" if packet.protocol in PROTOCOLS_WITH_PORTS else ""
    click.echo(
        f"{source} ({packet.source}) → {destination} ({packet.destination}), "
        f"{flow_protocol(packet.protocol).upper()}{port}"
    )
    for report in (decision.src, decision.dst):
        if report is not None:
            _write_report(world, decision, report)
    for step in decision.hosts:
        said = "failsafe port" if step.failsafe else reason(step.trace)
        click.echo(f"\nhost endpoint {step.endpoint.name}, {step.list} {step.direction}: {said}")
    click.echo()
    click.secho(sentence(decision), fg="green" if decision.allowed else "red", bold=True)


def _write_report(world: World, decision: Decision, report: Report) -> None:
    click.echo(f"\n{direction_of(report)} of {report.endpoint.namespace}/{report.endpoint.name}")
    for tier in tier_steps(world.plan, decision.packet, report):
        click.echo(f"  tier {tier.tier} (order {tier.order:g}, at its end {tier.default_action})")
        for step in tier.policies:
            _write_policy(world, report, step)
        _write_end(tier)
    for hit in report.enforced:
        if hit.kind is HitKind.PROFILE:
            click.echo(f"  profiles: {click.style(reason((hit,)), fg=_COLOURS[hit.action])}")
    if (report.pending_action, _decider(report.pending)) != (report.action, _decider(report.enforced)):
        click.secho(f"  with staged policies enforced: {reason(report.pending)}", fg="cyan")


def _decider(trace: Trace) -> object:
    """Return what tells traces apart for a reader; two may name different triggers for one reason (§12)."""
    return [(hit.tier, hit.kind, hit.action, hit.rule_index) for hit in trace]


def _write_policy(world: World, report: Report, step: PolicyStep) -> None:
    staged = " (staged, not enforced)" if step.key.kind.staged else ""
    name = f"{step.key.kind} {step.name}{staged}"
    if step.rule is None:
        click.secho(f"    {name}: no rule matches", dim=True)
        return
    where = world.where(step.key, direction_of(report), step.rule)
    place = f"   {where.position()}" if where else ""
    click.secho(f"    {name}: {counted(step.rule)}: {step.says}", fg=_COLOURS[step.action], nl=False)
    click.secho(place, dim=True)


def _write_end(tier: TierStep) -> None:
    if tier.hit is not None and tier.hit.kind is HitKind.END_OF_TIER:
        action = tier.hit.action
        click.secho(f"    end of tier: {action}", fg=_COLOURS[action])
