"""The site of the documentation: it builds without a warning, needs no network, and lists every setting."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from support.browser import browser
from support.places import ROOT
from support.waiting import PATIENCE

import fa_sweep
from docs.hooks.formulas import on_page_content
from docs.hooks.pages import relinked
from docs.hooks.reference import home
from docs.hooks.settings import sections
from fa_sweep.cli.configuration import conf_dir

FROM_NETWORK = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)="((?:https?:)?//[^"]+)')


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of every value in nested settings."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def settings_in_conf() -> set[str]:
    """Return the name of every setting that a file in conf/ gives a value."""
    found: set[str] = set()
    for path in Path(conf_dir()).glob("*/*.yaml"):
        if path.parent.name not in ("experiment", "hydra"):
            found |= set(leaves(OmegaConf.to_container(OmegaConf.load(path), resolve=False), f"{path.parent.name}."))
    top = OmegaConf.to_container(OmegaConf.load(Path(conf_dir()) / "config.yaml"), resolve=False)
    found |= set(leaves({key: value for key, value in top.items() if key != "hydra"}))
    return {name for name in found if not name.endswith("defaults")}


def test_every_setting_is_listed_with_its_meaning():
    listed = {setting.name: setting for section in sections() for setting in section.settings}
    assert settings_in_conf() - set(listed) == set()
    assert [name for name, setting in listed.items() if not setting.meaning] == []
    assert listed["train.lr"].kind == "number"
    assert listed["train.lr"].allowed == "positive and finite"
    assert listed["train.lr"].default == "`0.01`"
    assert listed["train.loss"].default == "that of `task.loss`"
    assert listed["train.loss"].allowed == "one of absolute, squared, cross_entropy"
    assert listed["feedback.angle_deg"].allowed == "at least 0 and at most 180"
    assert listed["feedback.seed"].kind == "whole number or null"


def test_ranges_are_ranges():
    """A refusal that is not about the range, such as that of a file, must not be shown as one."""
    allowed = {setting.allowed for section in sections() for setting in section.settings}
    assert [text for text in allowed if "task.path" in text or "cannot be read" in text] == []


def test_links_lead_to_pages_of_the_site():
    assert relinked("[a](docs/statistics.md#x) [b](https://x.org/y) [c](#d)", "index.md") == (
        "[a](statistics.md#x) [b](https://x.org/y) [c](#d)"
    )
    assert relinked("[a](../../analysis/findings/digits.md)", "concepts/report.md") == "[a](../findings/digits.md)"
    assert relinked("[a](digits.csv)", "findings/digits.md") == "[a](digits.csv)"
    assert (
        relinked("[a](../README.md)\n```\n[b](../README.md)\n```\n", "statistics.md")
        == "[a](index.md)\n```\n[b](../README.md)\n```\n"
    )


def test_formulas_become_mathml():
    html = on_page_content('<p><span class="arithmatex">\\(a &lt; b\\)</span></p>')
    assert re.search(r"<math [^>]*display=\"inline\".*<mi>a</mi>.*<mi>b</mi>", html)
    assert "arithmatex" not in html


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: any warning, such as a link to nothing, is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "--quiet", "build", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_pages_take_nothing_from_the_network(site):
    pages = list(site.rglob("*.html"))
    assert site / "reference/settings.html" in pages
    assert site / "findings/digits.html" in pages
    assert [(page.name, url) for page in pages for url in FROM_NETWORK.findall(page.read_text(encoding="utf-8"))] == []
    text = (site / "reference/python.html").read_text(encoding="utf-8")
    assert [name for name in fa_sweep.__all__ if f'id="{home(name)}.{name}"' not in text] == []


@pytest.mark.slow
@pytest.mark.service("chromium")
def test_pages_fit_a_phone(site):
    names = ["index", "concepts/feedback-alignment", "concepts/learning-rules", "reference/settings", "reference/contracts",
             "tutorial/xor", "findings/index", "statistics"]  # fmt: skip
    with browser() as page:
        page.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        for name in names:
            page.open((site / f"{name}.html").as_uri())
            assert page.run("document.documentElement.scrollWidth") <= 390, name
            assert [url for url in page.requests() if not url.startswith("file:")] == []
            images = page.run("[...document.images].map(i => i.complete && i.naturalWidth > 0)")
            assert all(images), name
        page.open((site / "concepts/feedback-alignment.html").as_uri())
        assert page.run("document.querySelectorAll('math[display=block]').length") >= 4
