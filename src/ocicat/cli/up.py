"""`ocicat up`, `down`, `status`, `kubeconfig`, `logs`, `reset`: the embedded cluster."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ocicat.app.settings import Settings, SettingsError, settled
from ocicat.cli.extras import need
from ocicat.cli.main import EXIT_FINDINGS

if TYPE_CHECKING:
    from ocicat.app.up.places import Places

NEEDED: Final = (
    "aiohttp",
    "cel_expr_python",
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
name_option = click.option("--name", metavar="NAME", help="The name of the cluster; else `default`.")
home_option = click.option("--home", metavar="FOLDER", help="The state folder.")


@click.command()
@click.option("--nodes", metavar="N", help="How many nodes; else 1.")
@name_option
@click.option("--port", metavar="PORT", help="The API server's port; else the last one, 6443 or a free one.")
@click.option("--console-port", metavar="PORT", help="The console's port; else 8081. 0 for a free one.")
@click.option("--demo", is_flag=True, default=None, help="Put the catfacts application into it.")
@click.option("--internet", is_flag=True, default=None, help="Let pods reach the real Internet.")
@click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The settings file.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="warning")
@home_option
def up(file: Path | None, log_level: str, home: str | None, **flags: Any) -> None:
    """Run a Kubernetes cluster on this machine, until it is stopped, with no containers' daemon.

    \b
    ocicat up
    ocicat up --demo
    ocicat up --nodes 3 --name lab --console-port 8082

    Its API is Kubernetes', its pods are processes in namespaces of their own, ocicat's agent enforces
    policy on every node, and its hub shows the flows in the console. State is kept, and found again by the
    next `ocicat up`. Every option is also a setting: see `--config`, and OCICAT_UP_NODES and the like.

    Exit codes: 0 stopped as asked, 2 wrong usage, 3 it cannot start.
    """
    need("cluster", NEEDED)
    from ocicat.app.logs import log_to_stderr

    settings = _settings(flags, home, file)
    log_to_stderr(log_level, component="up", cluster=settings.up.name)
    asyncio.run(_life(settings))


async def _life(settings: Settings) -> None:
    from ocicat.app.up.cluster import Cluster

    cluster = Cluster(_home_of(settings), settings.up, lambda line: click.echo(line, err=True))
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


def _say_what_next(settings: Settings, console: int, flows: int) -> None:
    kubeconfig = _places(settings).kubeconfig
    look = "get pods -n catfacts" if settings.up.demo else "get pods -A"
    click.echo(
        f"The cluster {settings.up.name} is up.\n\n"
        f"    console     http://localhost:{console}\n"
        f"    flow API    127.0.0.1:{flows}\n"
        f"    kubeconfig  {kubeconfig}\n\n"
        "In another terminal:\n\n"
        f"    export KUBECONFIG={kubeconfig}\n"
        f"    kubectl {look}\n\n"
        "Ctrl-C stops it; what it knows is kept for the next time."
    )


@click.command()
@name_option
@home_option
def down(name: str | None, home: str | None) -> None:
    """Stop a cluster, and all that runs in it. Its state is kept.

    Exit codes: 0 it is down, 3 it does not end.
    """
    places = cluster_places(name, home)
    ended = places.end()
    click.echo(f"{places.name} is down" if ended else f"{places.name} was not running")


@click.command()
@name_option
@home_option
def status(name: str | None, home: str | None) -> None:
    """Show whether a cluster runs, its nodes and pods.

    Exit codes: 0 all is well, 1 something is not, 3 it does not answer.
    """
    need("cluster", NEEDED)
    from ocicat.app.up.standing import standing

    found = asyncio.run(standing(cluster_places(name, home)))
    for line in found.lines:
        click.echo(line)
    if not found.well:
        sys.exit(EXIT_FINDINGS)


@click.command()
@click.option("--merge", "merges", is_flag=True, help="Put it into yours, and make it the current one.")
@name_option
@home_option
def kubeconfig(merges: bool, name: str | None, home: str | None) -> None:
    """Print where a cluster's kubeconfig is, or merge it into yours.

    \b
    export KUBECONFIG=$(ocicat kubeconfig)
    ocicat kubeconfig --merge

    Yours is the first file of $KUBECONFIG, else ~/.kube/config.

    Exit codes: 0 done, 3 a file cannot be read or written; nothing is changed then.
    """
    from ocicat.app.up.merging import merge, users_file

    source = cluster_places(name, home).kubeconfig
    if not merges:
        click.echo(source)
        return
    goal = users_file(os.environ)
    context = merge(source, goal)
    click.echo(f"{goal} has the context {context}, which is the current one")


@click.command()
@click.argument("part", default="")
@name_option
@home_option
def logs(part: str, name: str | None, home: str | None) -> None:
    """Show what a part of the cluster has written: `node-1`, its agent `agent-node-1`, the `outside`.

    The hub is a pod: kubectl logs -n calico-system deployment/goldmane

    Without PART: which parts there are.
    """
    folder = cluster_places(name, home).logs
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
@name_option
@home_option
def reset(yes: bool, name: str | None, home: str | None) -> None:
    """Stop a cluster and forget everything that it knows."""
    places = cluster_places(name, home)
    if not places.folder.exists():
        click.echo(f"there is no cluster {places.name}")
        return
    if not yes:
        click.confirm(f"Delete everything in {places.folder}?", abort=True)
    places.end()
    shutil.rmtree(places.folder)
    click.echo(f"{places.name} is gone")


def _settings(flags: Mapping[str, Any], home: str | None, file: Path | None = None) -> Settings:
    given = {f"up.{name}": value for name, value in flags.items()} | {"home": home}
    try:
        return settled(given, os.environ, file).settings
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def _home_of(settings: Settings) -> Path:
    return settings.folder.resolve()


def cluster_places(name: str | None, home: str | None) -> "Places":
    """Return the files of the cluster that a command's options name. Raises click.UsageError."""
    return _places(_settings({"name": name}, home))


def _places(settings: Settings) -> "Places":
    from ocicat.app.up.places import Places

    return Places(_home_of(settings) / settings.up.name)
