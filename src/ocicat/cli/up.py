"""`ocicat up`, `down`, `status`, `logs`, `reset`: the embedded cluster."""

import asyncio
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ocicat.base.errors import OcicatError
from ocicat.cli.extras import need
from ocicat.cli.main import EXIT_FINDINGS

if TYPE_CHECKING:
    from ocicat.app.up.cluster import UpSettings
    from ocicat.app.up.places import Places

HOME: Final = "~/.local/state/ocicat"
NEEDED: Final = (
    "aiohttp",
    "cronsim",
    "cryptography",
    "dnslib",
    "duckdb",
    "google.protobuf",
    "grpc",
    "httpx2",
    "jsonpatch",
    "lightkube",
    "mysql_mimic",
    "prometheus_client",
    "pymysql",
    "sqlglot",
    "structlog",
)
_name = click.option("--name", default="default", show_default=True, help="The name of the cluster.")
_home = click.option(
    "--home",
    default=HOME,
    envvar="OCICAT_HOME",
    show_default=True,
    metavar="FOLDER",
    help="The state folder.",
)


class BadNameError(OcicatError):
    """A cluster cannot have this name."""


@click.command()
@click.option("--nodes", default=1, show_default=True, help="How many nodes.")
@_name
@click.option("--port", type=int, help="The API server's port on the loopback; else 6443 or a free one.")
@click.option(
    "--console-port", default=8081, show_default=True, help="The console's port on the loopback; 0: any."
)
@click.option("--demo", is_flag=True, help="Put the catfacts application into it.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="warning")
@_home
def up(
    nodes: int, name: str, port: int | None, console_port: int, demo: bool, log_level: str, home: str
) -> None:
    """Run a Kubernetes cluster on this machine, until it is stopped, with no containers' daemon.

    \b
    ocicat up
    ocicat up --demo
    ocicat up --nodes 3 --name lab --console-port 8082

    Its API is Kubernetes', its pods are processes in namespaces of their own, ocicat's agent enforces
    policy on every node, and its hub shows the flows in the console. State is kept, and found again by the
    next `ocicat up`.

    Exit codes: 0 stopped as asked, 2 wrong usage, 3 it cannot start.
    """
    need("cluster", NEEDED)
    from ocicat.app.logs import log_to_stderr
    from ocicat.app.up.cluster import Cluster, UpSettings

    log_to_stderr(log_level, component="up", cluster=name)
    settings = UpSettings(
        home=_places(home, name).folder.parent,
        name=name,
        nodes=nodes,
        port=port,
        console_port=console_port,
        demo=demo,
    )

    async def life() -> None:
        cluster = Cluster(settings, lambda line: click.echo(line, err=True))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, cluster.stop)
        ready = asyncio.Event()
        running = asyncio.create_task(cluster.run(ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if ready.is_set():
            _say_what_next(settings, cluster.console.port, cluster.flows.port)
        await running
        click.echo("stopped")

    asyncio.run(life())


def _say_what_next(settings: "UpSettings", console: int, flows: int) -> None:
    places = settings.places
    click.echo(f"The cluster {places.folder.name} is up.\n")
    click.echo(f"    console     http://localhost:{console}")
    click.echo(f"    flow API    127.0.0.1:{flows}")
    click.echo(f"    kubeconfig  {places.kubeconfig}\n")
    click.echo("In another terminal:\n")
    click.echo(f"    export KUBECONFIG={places.kubeconfig}")
    if settings.demo:
        click.echo("    kubectl get pods -n catfacts\n")
    else:
        click.echo("    kubectl get pods -A\n")
    click.echo("Ctrl-C stops it; what it knows is kept for the next time.")


@click.command()
@_name
@_home
def down(name: str, home: str) -> None:
    """Stop a cluster, and all that runs in it. Its state is kept.

    Exit codes: 0 it is down, 3 it does not end.
    """
    ended = _places(home, name).end()
    click.echo(f"{name} is down" if ended else f"{name} was not running")


@click.command()
@_name
@_home
def status(name: str, home: str) -> None:
    """Show whether a cluster runs, its nodes and pods.

    Exit codes: 0 all is well, 1 something is not, 3 it does not answer.
    """
    need("cluster", NEEDED)
    from ocicat.app.up.standing import standing

    found = asyncio.run(standing(_places(home, name)))
    for line in found.lines:
        click.echo(line)
    if not found.well:
        sys.exit(EXIT_FINDINGS)


@click.command()
@click.argument("part", default="")
@_name
@_home
def logs(part: str, name: str, home: str) -> None:
    """Show what a part of the cluster has written: a node (`node-1`), its agent (`agent-node-1`).

    Without PART: which parts there are.
    """
    folder = _places(home, name).logs
    known = sorted(path.stem for path in folder.glob("*.log"))
    if not part:
        for one in known:
            click.echo(one)
        return
    if part not in known:
        raise click.UsageError(f"there is no part {part}; there are: {', '.join(known) or 'none'}")
    click.echo((folder / f"{part}.log").read_text(errors="replace"), nl=False)


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@_name
@_home
def reset(yes: bool, name: str, home: str) -> None:
    """Stop a cluster and forget everything that it knows."""
    places = _places(home, name)
    if not places.folder.exists():
        click.echo(f"there is no cluster {name}")
        return
    if not yes:
        click.confirm(f"Delete everything in {places.folder}?", abort=True)
    places.end()
    shutil.rmtree(places.folder)
    click.echo(f"{name} is gone")


def _places(home: str, name: str) -> "Places":
    from ocicat.app.up.places import Places

    if not name.replace("-", "").isalnum() or not name.isascii() or not name.islower() or len(name) > 40:
        raise BadNameError(f"{name!r} is no name of a cluster: up to 40 small letters, digits and hyphens")
    return Places(Path(home).expanduser().resolve() / name)
