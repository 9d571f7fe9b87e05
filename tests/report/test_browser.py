"""The report in a real browser: opened from disk, and inside the UI of an MLflow server."""

from pathlib import Path

import pytest
from support.browser import browser
from support.commands import short
from support.services import mlflow_server

from fa_sweep.sweeping.folder import all_sweeps

pytestmark = pytest.mark.service("chromium", "mlflow")

IMAGES = "[...document.querySelectorAll('figure svg')].map(i => [i.getBoundingClientRect().width > 100, i.ariaLabel])"
SIDEWAYS = "[...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth + 1).length"
NO_WIDER = "document.documentElement.scrollWidth <= window.innerWidth"


@pytest.fixture
def reported(fa_sweep):
    """A small sweep whose report is logged in MLflow."""
    arguments = [a for a in short("feedback=symmetric,random,rerandom", "seed=range(4)") if a != "report=false"]
    assert fa_sweep(*arguments) == 0
    (sweep,) = all_sweeps()
    return sweep


def test_opened_from_disk(reported):
    page_path = (Path("outputs/reports") / reported.id / "report.html").absolute()
    with browser() as page:
        page.open(page_path.as_uri())
        images = page.run(IMAGES)
        assert len(images) >= 7
        assert all(visible and alt for visible, alt in images)
        assert page.complaints() == []
        assert page.requests() == [page_path.as_uri()]
        # The page itself never scrolls sideways; wide tables do.
        assert page.run(NO_WIDER)
        # A click on a column sorts the table upwards, a second click downwards.
        column = "[...document.querySelectorAll('table')[0].tBodies[0].rows].map(r => r.cells[0].textContent)"
        page.run("document.querySelectorAll('th')[0].click()")
        assert page.run(column) == ["random", "rerandom", "symmetric"]
        page.run("document.querySelectorAll('th')[0].click()")
        assert page.run(column) == ["symmetric", "rerandom", "random"]
        # The page and the paper of its figures are dark together.
        paper = (
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('figure path')).fill]"
        )
        found = []
        for scheme in ("light", "dark"):
            page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            found.append(page.run(paper))
        assert found == [["rgb(255, 255, 255)"] * 2, ["rgb(20, 24, 31)"] * 2]


def test_wide_and_narrow_windows(reported):
    """In 1,200 pixels, every table fits, those on demand too. On a telephone, tables and figures scroll inside the page."""
    with browser() as page:
        for width in (1200, 390):
            page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
            page.open((Path("outputs/reports") / reported.id / "report.html").absolute().as_uri())
            page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert page.run(NO_WIDER)
            assert (page.run(SIDEWAYS) == 0) == (width == 1200)
            # Letters of figures are at least as high as those of small print.
            assert page.run("Math.min(...[...document.querySelectorAll('figure svg')].map(s => s.clientWidth))") >= 500


def test_inside_mlflows_artifact_view(reported):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{Path('outputs/mlflow.db').absolute()}")
    run = client.get_run(reported.tracked["run_id"])
    with mlflow_server(f"sqlite:///{Path('outputs/mlflow.db').absolute()}", Path()) as url, browser() as page:
        page.open(f"{url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")
        # A click on the link in the run's description would open it in another tab.
        page.open(page.wait_for("[...document.links].find(link => link.innerText == 'Report')?.href"))
        with page.frame() as frame:
            frame.wait_for(
                "document.title.startsWith('XOR: symmetric, random and rerandom feedback') && document.readyState == 'complete'"
            )
            images = frame.run(IMAGES)
            assert len(images) >= 7
            assert all(visible and alt for visible, alt in images)
            assert frame.complaints() == []
            assert (
                frame.run("performance.getEntriesByType('resource').map(r => r.name).filter(n => !n.startsWith('data:'))") == []
            )
            assert frame.run("document.querySelectorAll('ul.findings li').length") >= 3
