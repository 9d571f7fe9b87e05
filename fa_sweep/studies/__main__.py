"""The command `python -m fa_sweep.studies`: write one findings page per study from its newest sweep, and an index."""

from fa_sweep.process import signals

if __name__ == "__main__":
    signals.take_over("fa_sweep.studies")  # before the slow imports, so that an early interrupt is handled too
    signals.meanwhile("the same command writes the findings anew")

import argparse
import math
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from fa_sweep.checks import one_of
from fa_sweep.decisions.designs import is_first_stage
from fa_sweep.errors import ConfigError
from fa_sweep.process.surroundings import final_status, settle
from fa_sweep.report.description import described
from fa_sweep.report.figures.style import METADATA, house_style
from fa_sweep.report.frames import Frames, from_sweep
from fa_sweep.report.report import markdown_cell
from fa_sweep.studies import STUDIES, study_of
from fa_sweep.studies.base import EVENTS, Study
from fa_sweep.studies.claims import Claim, shown
from fa_sweep.sweeping.folder import OUTPUTS, Sweep, all_sweeps

OUT = OUTPUTS / "findings"
SHOWN = ("fa_sweep", "numerics", "python", "numpy", "blas", "simd")


def main(argv: list[str] | None = None) -> int:
    """Write the findings pages of the studies that the command line names, or of all studies if it names none.

    The index is written only if all studies are chosen.

    Returns:
        The exit status: 0, or 2 if a name is unknown, or if the newest sweep of a study is missing or incomplete.
    """
    parser = argparse.ArgumentParser(
        "python -m fa_sweep.studies", description="Write the findings from tracked sweeps of presets."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets (default: all)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help="where to write (default: %(default)s)")
    options = parser.parse_args(argv)
    try:
        for name in options.names:
            one_of("NAME", name, [study.name for study in STUDIES])
        chosen = [study for study in STUDIES if not options.names or study.name in options.names]
        sweeps = {study.name: _newest(study.name) for study in chosen}
        options.out.mkdir(parents=True, exist_ok=True)
        claims = {study.name: _write(study, sweeps[study.name], options.out) for study in chosen}
    except ConfigError as error:
        print(f"fa_sweep.studies: {error}", file=sys.stderr)
        return 2
    if len(chosen) == len(STUDIES):
        index = _template("findings.md.j2").render(studies=STUDIES, claims=claims, counts=_counts(claims))
        (options.out / "README.md").write_text(index, encoding="utf-8")
    return 0


def _newest(name: str) -> Sweep:
    """Return the newest sweep of a study's preset. Raises ConfigError if there is none, or if it is incomplete."""
    for sweep in reversed(all_sweeps()):
        study = study_of(sweep.record.preset_as_it_stands)
        if study is not None and study.name == name and not is_first_stage(sweep.record.design):
            records = sweep.records()
            missing = sum(job.run_id not in records for job in sweep.jobs)
            if missing:
                raise ConfigError(f"{sweep.id} of {name} lacks {missing} runs; run python -m fa_sweep +experiment={name} again")
            return sweep
    raise ConfigError(f"no sweep of {name} under {OUTPUTS}; run python -m fa_sweep +experiment={name} first")


def _write(study: Study, sweep: Sweep, out: Path) -> list[Claim]:
    frames = from_sweep(sweep)
    table = study.numbers(frames)
    claims = list(study.judge(frames, table))
    with house_style():
        drawn = study.draw(frames, table)
        drawn.figure.savefig(out / f"{study.name}.png", metadata=METADATA["png"])
    table.to_csv(out / f"{study.name}.csv", index=False, float_format="%.6g")
    page = _template("study.md.j2").render(
        study=study,
        setting=described(frames.jobs),
        remarks=study.remarks(frames, table),
        claims=claims,
        drawn=drawn,
        table=readable(table),
        ranges="interval" in table and (table["interval"] == "range").any(),
        runs=len(frames.runs),
        environments=_environments(frames),
        sweep_hash=frames.about.hash,
    )
    (out / f"{study.name}.md").write_text(page, encoding="utf-8")
    return claims


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a study's table as text: one row per group, one column per quantity, intervals in parentheses.

    Args:
        table: The result of `base.summarise` or of `base.outcomes`.
    """
    return _quantities(table) if "quantity" in table else _events(table)


def _quantities(table: pd.DataFrame) -> pd.DataFrame:
    text = table.apply(lambda r: "undefined" if r["n"] == 0 else _interval(r["median"], r["low"], r["high"]), axis=1)
    wide = table.assign(text=text).pivot(index="group", columns="quantity", values="text")
    order = list(dict.fromkeys(table["group"])), list(dict.fromkeys(table["quantity"]))
    # The number of runs of each group: "20", or "10, 20" if its quantities have different numbers of runs.
    counts = table[table["n"] > 0].groupby("group")["n"].agg(lambda n: ", ".join(str(count) for count in dict.fromkeys(n)))
    wide = wide.loc[order[0], order[1]].reset_index()
    wide.insert(1, "n", wide["group"].map(counts).fillna("0"))
    return wide


def _events(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for _, row in table.iterrows():
        texts = {"group": row["group"], "n": str(row["n"])}
        for name, title in EVENTS.items():
            low, high = (shown(row[f"{name}_{end}"], "percent").removesuffix(" %") for end in ("low", "high"))
            texts[title] = f"{row[name]}, {shown(row[f'{name}_fraction'], 'percent')} ({low} to {high})"
        for name, form, title in (
            ("steps", "steps", "median step of convergence"),
            ("angle_deg", "plain", "gradient angle at the end, degrees"),
        ):
            middle, low, high = (row[f"{name}_{column}"] for column in ("median", "low", "high"))
            texts[title] = _interval(middle, low, high, form)
        texts["angle undefined"] = f"{row['angle_deg_undefined']} runs"
        rows.append(texts)
    return pd.DataFrame(rows)


def _interval(middle: float, low: float, high: float, form: str = "plain") -> str:
    """Write a value with its interval, or alone if both ends of the interval are infinite or one of them is undefined."""
    if math.isnan(low) or math.isnan(high) or (math.isinf(low) and math.isinf(high)):
        return shown(middle, form)
    return f"{shown(middle, form)} ({shown(low, form)} to {shown(high, form)})"


def _environments(frames: Frames) -> list[str]:
    return [
        ", ".join(f"{name} {made_with[name]}" for name in SHOWN if name in made_with)
        for made_with, _ in frames.about.environments
    ]


def _counts(claims: dict[str, list[Claim]]) -> dict[str, str]:
    counted = {name: Counter(c.verdict for c in found) for name, found in claims.items()}
    return {name: ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()) for name, counts in counted.items()}


def _template(name: str) -> Template:
    loader = PackageLoader("fa_sweep.report")
    # The templates are Markdown, so Jinja must not escape HTML. They escape text with the filter `cell`.
    templates = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    templates.filters["cell"] = markdown_cell
    return templates.get_template(name)


if __name__ == "__main__":
    settle()
    sys.exit(signals.finished(final_status(main(), "fa_sweep.studies")))
