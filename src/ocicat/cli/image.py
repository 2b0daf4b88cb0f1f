"""`ocicat image add`, `list`, `remove`: what the containers of a cluster can run."""

import sys
from pathlib import Path

import click

from ocicat.cli.extras import need
from ocicat.cli.main import EXIT_FINDINGS
from ocicat.cli.up import NEEDED, cluster_places, home_option, name_option


@click.group()
def image() -> None:
    """Add images to a cluster, beside those that it has.

    A cluster knows some images by name, made of this machine's own programs. An image is used by the next
    container that is started with its name; one of the same name as a built-in one is used in its place.
    """


@image.command()
@click.argument("image_name", metavar="NAME")
@click.argument("source", metavar="[PATH]", required=False, type=click.Path(exists=True, path_type=Path))
@name_option
@home_option
def add(image_name: str, source: Path | None, name: str | None, home: str | None) -> None:
    """Add an image from PATH, or from podman, nerdctl, docker or ctr, where one of them knows it.

    \b
    ocicat image add debian /srv/debian-root        a root file system; it stays where it is
    ocicat image add redis redis.tar                of: podman save --format oci-archive
    ocicat image add redis layout/                  of: skopeo copy docker://redis oci:layout
    ocicat image add docker.io/library/redis:7      what podman has pulled

    Exit codes: 0 added, 2 wrong usage, 3 it is no image that can run here.
    """
    need("cluster", NEEDED)
    from ocicat.cluster.pods.images.adding import add as added

    made = added(cluster_places(name, home).images, image_name, source)
    command = " ".join((*made.command, *made.arguments)) or "nothing by itself"
    click.echo(f"{made.name} is there; it runs {command}")


@image.command(name="list")
@name_option
@home_option
def list_(name: str | None, home: str | None) -> None:
    """List the images of a cluster."""
    need("cluster", NEEDED)
    from ocicat.cluster.pods.images.adding import added
    from ocicat.cluster.pods.images.known import BUILT_IN

    own = added(cluster_places(name, home).images)
    for known in sorted({*BUILT_IN, *own}):
        click.echo(f"{known:40}{own[known].folder if known in own else 'built in'}")


@image.command()
@click.argument("image_name", metavar="NAME")
@name_option
@home_option
def remove(image_name: str, name: str | None, home: str | None) -> None:
    """Take away an image that was added. What runs goes on.

    Exit codes: 0 it is gone, 1 there was none.
    """
    need("cluster", NEEDED)
    from ocicat.cluster.pods.images.adding import remove as removed

    if not removed(cluster_places(name, home).images, image_name):
        click.echo(f"no image {image_name} was added")
        sys.exit(EXIT_FINDINGS)
    click.echo(f"{image_name} is gone")
