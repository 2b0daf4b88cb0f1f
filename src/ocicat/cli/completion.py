"""`ocicat completion`: the script that makes a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from ocicat.cli.main import cli


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Write the completion script for SHELL to standard output.

    \b
    bash:  source <(ocicat completion bash)
    zsh:   source <(ocicat completion zsh)
    fish:  ocicat completion fish > ~/.config/fish/completions/ocicat.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"no completion for {shell}")
    click.echo(found(cli, {}, "ocicat", "_OCICAT_COMPLETE").source())
