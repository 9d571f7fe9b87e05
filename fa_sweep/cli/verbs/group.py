"""Run a verb of the command line, and turn every error into one line and an exit status."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from fa_sweep.cli.verbs import VERBS
from fa_sweep.errors import CannotWrite, ConfigError, TrackingError, Unreadable
from fa_sweep.process.notices import begin_command
from fa_sweep.process.secrets import redacted_output, remember_secrets_of_the_process

PROGRAM = "python -m fa_sweep"
COMPLETE_VARIABLE = "_FA_SWEEP_COMPLETE"


class Verbs(click.Group):
    """All verbs. Each one's module is imported when the verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb's command, or None if there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"fa_sweep.cli.verbs.{VERBS[cmd_name][0]}").command
        command.name = cmd_name
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a verb, or an override as Hydra would complete it."""
        from fa_sweep.cli.own_conf import completed

        verbs = [] if ctx.protected_args or ctx.args else [CompletionItem(v) for v in VERBS if v.startswith(incomplete)]
        return [*verbs, *(CompletionItem(text) for text in completed(incomplete))]


verbs = Verbs("fa_sweep", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})


def main(words: Sequence[str]) -> int:
    """Carry out a verb.

    Args:
        words: The words of the command line after the program's name, beginning with the verb.

    Returns:
        The exit status: 0 for success, 2 for words that cannot be used, 1 for anything else that fails.
    """
    begin_command()
    remember_secrets_of_the_process()
    with redacted_output():
        try:
            status: Any = verbs.main(args=list(words), prog_name=PROGRAM, standalone_mode=False)
            return status if isinstance(status, int) else 0
        except click.Abort:
            return _said("nothing was changed", 1)
        except click.ClickException as error:
            return _said(f"{words[0]}: {_one_line(error)}; {PROGRAM} {words[0]} --help lists the options", 2)
        except (ConfigError, Unreadable) as error:
            return _said(str(error), 2)
        except CannotWrite as error:
            return _said(str(error.strerror), 1)
        except TrackingError as error:
            return _said(str(error), 1)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return _said(f"{where}{error.strerror or error}", 1)


def complete() -> bool:
    """Answer a shell that asks how to complete a word. Returns whether one has asked."""
    asked = os.environ.get(COMPLETE_VARIABLE)
    if not asked:
        return False
    from click.shell_completion import shell_complete

    shell_complete(verbs, {}, "fa-sweep", COMPLETE_VARIABLE, asked)
    return True


def _one_line(error: click.ClickException) -> str:
    return " ".join(error.format_message().split()).rstrip(".")


def _said(text: str, status: int) -> int:
    print(f"fa_sweep: {text}", file=sys.stderr)
    return status
