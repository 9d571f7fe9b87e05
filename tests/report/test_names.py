"""Short names of groups: distinct, and what they leave out is said once."""

import pytest

from fa_sweep.report.cells import Table
from fa_sweep.report.latex import PAGE, column_widths, latex
from fa_sweep.report.names import ELLIPSIS, LONGEST, fold, names_of, shortened

FOLDER = "/home/somebody/projects/feedback-alignment/data/raw/2026-11-export/"


@pytest.mark.parametrize(
    ("levels", "short"),
    [
        (["0.1", "1.0"], {}),
        ([f"{FOLDER}{x}.csv" for x in "ab"], {f"{FOLDER}{x}.csv": f"{ELLIPSIS}{x}.csv" for x in "ab"}),
        (
            [f"{FOLDER}measurements_of_the_batch_{x}_cleaned.csv" for x in "AB"],
            {f"{FOLDER}measurements_of_the_batch_{x}_cleaned.csv": f"{ELLIPSIS}{x}_cleaned.csv" for x in "AB"},
        ),
        (
            [f"{x}/measured/in/november/and/cleaned/by/hand.csv" for x in ("one", "other")],
            {f"{x}/measured/in/november/and/cleaned/by/hand.csv": f"{x}{ELLIPSIS}" for x in ("one", "other")},
        ),
    ],
)
def test_what_levels_share_is_left_out(levels, short):
    found, said = shortened(levels)
    assert found == short
    assert len(said) == (1 if short else 0)


def test_levels_that_share_nothing_are_cut_in_the_middle_or_stay():
    levels = ["a" * 100 + "1", "b" * 100 + "2"]
    found, said = shortened(levels)
    assert all(len(short) <= 2 * LONGEST for short in found.values())
    assert len(set(found.values())) == 2
    assert "middle" in said[0]
    alike = ["x" * 60 + c + "y" * 60 + d for c, d in (("1", "-"), ("2", "-"))]  # cut in the middle, both would be the same
    found, _ = shortened(alike)
    assert len({found.get(level, level) for level in alike}) == 2


def test_a_sweep_s_names_and_sentences(settings):
    from support.simulated import simulate

    levels = {f"random, task.path={FOLDER}{x}.csv": {"feedback": "random", "task.path": f"{FOLDER}{x}.csv"} for x in "ab"}
    names = names_of(simulate(settings, {group: [100] for group in levels}, factors=levels))
    first, second = levels
    assert names.labels[first] == f"random, task.path={ELLIPSIS}a.csv"
    assert names.notes == [f'In the names of groups, "{ELLIPSIS}" stands for "{FOLDER}" at the beginning of task.path.']
    assert (
        names.shorten(f"{first} is not {second}.")
        == f"random, task.path={ELLIPSIS}a.csv is not random, task.path={ELLIPSIS}b.csv."
    )
    assert names.pair(first, second) == (f"task.path={ELLIPSIS}a.csv", f"task.path={ELLIPSIS}b.csv", "random")


def test_folding_keeps_every_character_and_no_line_is_too_long():
    for text in ("random, init.scale=0.3, model.activation=relu", "-0.15 (-0.21 to -0.09)", "x" * 90, "a/b_c-d.e=f" * 9, ""):
        for width in (5, 12, 24):
            lines = fold(text, width).split("\n")
            assert max(map(len, lines)) <= width
            assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert fold("-0.15 (-0.21 to -0.09)", 17) == "-0.15\n(-0.21 to -0.09)"


def test_latex_tables_fit_a_page_of_two_columns():
    import pandas as pd

    wide = pd.DataFrame([{"group": "random, init.scale=0.3, model.activation=relu", "n": "50"}])
    for place in range(9):
        wide[f"quantity number {place}"] = "-0.150 (-0.212 to -0.091)"
    source = latex(
        Table("Groups", wide, ["group", "n", "quantity number 8"], ["group"]), "Groups of the sweep s", "tab:s:groups"
    )
    tables = source.split(r"\begin{table*}")[1:]
    assert len(tables) > 1
    headers = [[cell.strip() for cell in t.split(r"\toprule")[1].split(r" \\")[0].split("&")] for t in tables]
    assert [header[0] for header in headers] == ["group"] * len(tables)
    shown = [" ".join(header) for header in headers]
    assert "8" in shown[0]  # the main columns come first
    assert sum(len(header) - 1 for header in headers) == wide.shape[1] - 1  # no column is left out
    widths = column_widths(wide, 1)
    for number, one in enumerate(tables, 1):
        assert f"(table {number} of {len(tables)})" in one
        assert (r"\label{tab:s:groups}" if number == 1 else rf"\label{{tab:s:groups-{number}}}") in one
        used = [name for name in wide if fold(name, 17).split("\n")[-1] in one.split(r"\midrule")[0]]
        assert sum(widths[name] for name in used) <= PAGE
