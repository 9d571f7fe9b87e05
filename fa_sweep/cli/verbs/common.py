"""What several verbs share: the argument for sweeps, `--json`, and short texts for a terminal."""

import json
import math
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from fa_sweep.sweeping.catalogue import Catalogue
from fa_sweep.sweeping.folder import OUTPUTS

WIDTH = 80
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def sweeps_argument(name: str = "sweeps", *, required: bool = False, several: bool = True) -> Callable[..., Any]:
    """Return an argument that takes one or several sweeps: parts of ids, names, folders, or "newest"."""
    metavar = "SWEEP" + "..." * several
    return click.argument(
        name,
        nargs=-1 if several else 1,
        required=required,
        metavar=metavar if required else f"[{metavar}]",
        shell_complete=_ids,
    )


def _ids(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the ids of the sweeps that contain a text, newest first."""
    entries = sorted(Catalogue(OUTPUTS).entries.items(), key=lambda item: item[1].created_at_ms, reverse=True)
    ids = [folder.rpartition("/")[2] for folder, _ in entries]
    return [CompletionItem(name) for name in ids if name.startswith(incomplete)]


def design_command(design: str, text: str) -> click.Command:
    """Return the command of a verb that conducts a sweep of a design. Its words are the overrides of the sweep.

    Args:
        design: The value of the setting `design`.
        text: The help.
    """

    @click.command(
        help=text,
        context_settings={"ignore_unknown_options": True},
        options_metavar="",
    )
    @click.argument("overrides", nargs=-1, type=click.UNPROCESSED, metavar="OVERRIDES...", shell_complete=_overrides)
    def command(overrides: tuple[str, ...]) -> int:
        from fa_sweep.cli.arguments import with_design
        from fa_sweep.cli.entry import main

        return main(["-m", *with_design(design, [word for word in overrides if word not in ("-m", "--multirun")])])

    return command


def _overrides(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from fa_sweep.cli.own_conf import completed

    return [CompletionItem(text) for text in completed(incomplete)]


def print_json(value: Any) -> None:
    """Print a value as JSON. Undefined and infinite numbers are null, because JSON has none."""
    click.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list | tuple) else value


def number(value: Any) -> str:
    """Return a value for a table: a number with at most four significant digits, and "-" for nothing or NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def counted(count: int, noun: str) -> str:
    """Return a number and a noun: "1 run", "2 runs"."""
    return f"{count:,} {noun}" + "s" * (count != 1)


def shortened(text: str, length: int) -> str:
    """Return a text in one line that is at most so long; its end is cut off."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 3]}..."


def table(rows: list[dict[str, str]]) -> str:
    """Return rows as a table with aligned columns, or "" if there are none."""
    if not rows:
        return ""
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    lines = [{name: name for name in names}, *rows]
    return "\n".join("  ".join(line[name].ljust(widths[name]) for name in names).rstrip() for line in lines)
