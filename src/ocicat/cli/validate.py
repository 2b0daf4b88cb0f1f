"""`ocicat validate`: every problem of every manifest, with its place and its fix."""

import sys

import click

from ocicat.app.load import load
from ocicat.base.problem import Severity
from ocicat.cli.main import EXIT_FINDINGS
from ocicat.cli.output import files_option, output_option, summary, write_json, write_problems


@click.command()
@files_option()
@click.option("--strict", is_flag=True, help="Count warnings as findings too.")
@output_option("text", "json")
def validate(paths: tuple[str, ...], strict: bool, output: str) -> None:
    """Check manifests as the API server and Calico would, all at once.

    \b
    ocicat validate -f manifests/
    kubectl get networkpolicies -A -o yaml | ocicat validate -f -

    An object with an error counts as absent: a cluster would not enforce it. Objects of kinds that have
    nothing to do with policy are passed over.

    Exit codes: 0 no errors, 1 errors (with --strict, warnings too).
    """
    world = load(paths)
    findings = [
        problem
        for problem in world.problems
        if problem.severity is Severity.ERROR or (strict and problem.severity is Severity.WARNING)
    ]
    if output == "json":
        write_json({"problems": world.problems, "objects": len(world.resources)})
    else:
        write_problems(world.problems)
        objects = f"{len(world.resources)} object{'' if len(world.resources) == 1 else 's'}"
        click.echo(f"{objects} valid, {summary(world.problems)}")
    if findings:
        sys.exit(EXIT_FINDINGS)
