"""`ocicat hub`: run the hub."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ocicat.app.settings import SettingsError, settled
from ocicat.cli.extras import need

if TYPE_CHECKING:
    from ocicat.app.hub.compose import Serving

NEEDED: Final = (
    "aiohttp",
    "duckdb",
    "google.protobuf",
    "grpc",
    "httpx2",
    "lightkube",
    "prometheus_client",
    "structlog",
)

OTEL_NEEDED: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Where console and REST answer.")
@click.option("--grpc", metavar="HOST:PORT", help="Where the flow API answers.")
@click.option("--kubeconfig", metavar="FILE", help="The cluster whose policies explain the flows.")
@click.option("--context", metavar="NAME", help="The context of the kubeconfig.")
@click.option("--from-goldmane", metavar="HOST:PORT", help="A Goldmane to follow.")
@click.option("--goldmane-ca", metavar="FILE", help="Certificates that sign the Goldmane's.")
@click.option("--goldmane-certificate", metavar="FILE", help="The certificate that it is shown.")
@click.option("--goldmane-key", metavar="FILE", help="The key of that certificate.")
@click.option("--goldmane-server-name", metavar="NAME", help="The name in the Goldmane's certificate.")
@click.option("--allow-host", "allow_hosts", metavar="NAMES", help="Names by which browsers may call it.")
@click.option("--token-file", metavar="FILE", help="The bearer token that requests need.")
@click.option(
    "--auth",
    type=click.Choice(["token", "kubernetes"]),
    help="Whose tokens are taken: the one of --token-file, or the cluster's.",
)
@click.option("--tls-ca", metavar="FILE", help="Certificates that sign those of senders and readers.")
@click.option("--tls-certificate", metavar="FILE", help="The hub's certificate.")
@click.option("--tls-key", metavar="FILE", help="The key of the hub's certificate.")
@click.option("--store", metavar="FOLDER", help="Where flows are kept.")
@click.option("--keep-hours", metavar="HOURS", help="How long flows are kept.")
@click.option("--otlp", metavar="URL", help="An OpenTelemetry collector that gets every flow as a log.")
@click.option("--home", metavar="FOLDER", help="The state folder.")
@click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The settings file.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def hub(file: Path | None, log_level: str, home: str | None, **flags: Any) -> None:
    """Take flows, remember them, and show them in the console. Runs until it is stopped.

    \b
    ocicat hub
    ocicat hub --kubeconfig ~/.kube/config
    ocicat hub --listen 0.0.0.0:8081 --token-file hub.token
    ocicat hub --listen 0.0.0.0:8081 --kubeconfig ~/.kube/config --auth kubernetes

    Console and REST answer on http://127.0.0.1:8081, the flow API on 127.0.0.1:7443. Every option is also a
    setting: see `--config`, and OCICAT_HUB_LISTEN and the like.

    Exit codes: 0 stopped as asked, 2 wrong usage, 3 the hub cannot start.
    """
    need("hub", NEEDED)
    from ocicat.app.hub.compose import run
    from ocicat.app.logs import log_to_stderr

    given = {f"hub.{name}": value for name, value in flags.items()} | {"home": home}
    try:
        settings = settled(given, os.environ, file).settings
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    if settings.hub.otlp:
        need("otel", OTEL_NEEDED)
    log_to_stderr(log_level, component="hub")
    run(settings, _tell)


def _tell(serving: "Serving") -> None:
    for url in serving.http:
        what = "console" if serving.console else "REST, without a console built in"
        click.echo(f"{what}: {url}")
    if serving.instead_of:
        click.echo(f"{serving.instead_of} is taken; the flow API uses another port:")
    for address in serving.grpc:
        click.echo(f"flow API: {address}")
