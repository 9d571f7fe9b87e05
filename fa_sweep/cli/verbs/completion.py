"""`completion`: the script that makes a shell complete verbs, sweeps, settings and options of the command `fa-sweep`."""

import click
from click.shell_completion import get_completion_class

from fa_sweep.cli.verbs.group import COMPLETE_VARIABLE, verbs

WHERE = {
    "bash": 'eval "$(fa-sweep completion bash)"    in ~/.bashrc',
    "zsh": 'eval "$(fa-sweep completion zsh)"    in ~/.zshrc',
    "fish": "fa-sweep completion fish > ~/.config/fish/completions/fa-sweep.fish",
}


@click.command(
    help="Print the script that makes a shell complete verbs, sweeps, settings and options of fa-sweep.\n\n\b\n"
    + "\n".join(f"{line}" for line in WHERE.values())
)
@click.argument("shell", type=click.Choice(list(WHERE)))
def command(shell: str) -> None:
    """Print the script."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(verbs, {}, "fa-sweep", COMPLETE_VARIABLE).source())
