"""MLflow's own pages in a real browser: the sweeps on the first page, the curves of the groups, the single runs."""

from pathlib import Path

import pytest
from support.browser import browser
from support.commands import short
from support.services import mlflow_server
from support.store import parents

from fa_sweep.sweeping.folder import all_sweeps
from fa_sweep.tracking.groups import FRACTION, MEDIANS

pytestmark = pytest.mark.service("chromium", "mlflow")

TEXT = "document.body.innerText"
# The names of the lines of each chart.
LINES = "[...document.querySelectorAll('.js-plotly-plot')].map(p => [...new Set(p.data.map(line => line.name))].sort().join())"
CHARTS = [*MEDIANS.values(), FRACTION]


def follow(page, text):
    """Open the link with this text once it is there. A click would open it in another tab."""
    page.open(page.wait_for(f"[...document.links].find(link => link.innerText == '{text}')?.href"))


def test_from_the_first_page_to_the_curves_and_the_runs(fa_sweep):
    """Three sweeps of more runs than MLflow loads at once, one of them with reused runs."""
    for seeds in ("range(60)", "range(60,120)", "range(20,80)"):
        assert fa_sweep(*short("feedback=symmetric,random", f"seed={seeds}")) == 0
    ids = [sweep.id for sweep in all_sweeps()]
    with mlflow_server(f"sqlite:///{Path('outputs/mlflow.db').absolute()}", Path()) as url, browser() as page:
        page.call("Emulation.setDeviceMetricsOverride", width=2000, height=1200, deviceScaleFactor=1, mobile=False)
        page.open(f"{url}/#/experiments/1/runs?workflowType=machine_learning")
        page.wait_for("document.querySelectorAll('.ag-center-cols-container [role=row]').length >= 3")
        titles = page.run("[...document.links].filter(link => link.href.includes('/runs/')).map(link => link.innerText)")
        assert titles == ids[::-1]

        page.open(f"{url}/#/experiments/1/runs/{parents()[-1]}?workflowType=machine_learning")
        page.wait_for(f"{TEXT}.includes('120 runs in 2 groups, of which earlier sweeps had trained 120.')")
        assert "python -m fa_sweep -m" in page.run(TEXT)
        follow(page, "Curves of the groups")
        page.wait_for(f"{LINES}.length == {len(CHARTS)} && {LINES}.every(lines => lines == 'random,symmetric')")
        assert all(name in page.run(TEXT) for name in CHARTS)

        page.open(f"{url}/#/experiments/1/runs/{parents()[0]}?workflowType=machine_learning")
        follow(page, "Single runs")
        page.wait_for(f"{TEXT}.includes('random-s000') && {TEXT}.includes('100 matching runs')")
