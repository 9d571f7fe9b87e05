"""The report in a real browser: opened from disk, and inside the UI of an MLflow server."""

from pathlib import Path

import pytest
from support.browser import browser
from support.commands import short
from support.services import mlflow_server

from fa_sweep.sweep.folder import all_sweeps

pytestmark = pytest.mark.service("chromium", "mlflow")

IMAGES = "[...document.images].map(i => [i.complete && i.naturalWidth > 0 && i.getBoundingClientRect().width > 100, i.alt])"


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
        assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
        # A click on a column sorts the table upwards, a second click downwards.
        column = "[...document.querySelectorAll('table')[0].tBodies[0].rows].map(r => r.cells[0].textContent)"
        page.run("document.querySelectorAll('th')[0].click()")
        assert page.run(column) == ["random", "rerandom", "symmetric"]
        page.run("document.querySelectorAll('th')[0].click()")
        assert page.run(column) == ["symmetric", "rerandom", "random"]
        light = page.run("getComputedStyle(document.body).backgroundColor")
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        assert page.run("getComputedStyle(document.body).backgroundColor") != light


def test_inside_mlflows_artifact_view(reported):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{Path('outputs/mlflow.db').absolute()}")
    run = client.get_run(reported.tracked["run_id"])
    with mlflow_server(f"sqlite:///{Path('outputs/mlflow.db').absolute()}", Path()) as url, browser() as page:
        page.open(f"{url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")
        # A click on the link in the run's description would open it in another tab.
        page.open(page.wait_for("[...document.links].find(link => link.innerText == 'Report')?.href"))
        with page.frame() as frame:
            frame.wait_for("document.title.startsWith('Convergence report') && document.readyState == 'complete'")
            images = frame.run(IMAGES)
            assert len(images) >= 7
            assert all(visible and alt for visible, alt in images)
            assert frame.complaints() == []
            assert (
                frame.run("performance.getEntriesByType('resource').map(r => r.name).filter(n => !n.startsWith('data:'))") == []
            )
            assert frame.run("document.querySelectorAll('ul.findings li').length") >= 3
