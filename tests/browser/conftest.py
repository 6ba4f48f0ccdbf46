"""One Chromium a worker, driven by Playwright; a fresh profile for every test; one site for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import browsing
import pytest
from filelock import FileLock

from hwcompat import query
from hwcompat.matrix import read_rows
from hwcompat.model import Row

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))

from bench_matrix import synthetic_rows

REPOSITORY = Path(__file__).resolve().parents[2]
NO_BROWSER = "no Chromium here: install Chromium, Chrome or Edge, or run `python -m playwright install chromium`"
SITE_DAY = "2026-12-01"
MEASURED_CHIPS = frozenset(["TU116", "TU117", "GA102", "AD102", "GH100"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


# --- the browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = browsing.find_chromium(playwright.chromium.executable_path)
        if program is None:
            pytest.skip(NO_BROWSER)
        browser = playwright.chromium.launch(executable_path=program, args=browsing.FLAGS)
        yield browser
        browser.close()


class Profile:
    """A fresh profile in which pages are opened; what they do besides showing themselves is in `watch`."""

    def __init__(self, browser: Browser, **options: Any):
        self.context = browser.new_context(**{"viewport": browsing.LAPTOP, **options})
        self.watch = browsing.watch(self.context)

    def open(self, path: Path, address: str = "") -> Page:
        """The page at `path`; `address` is what follows it: "?q=t4", "#grid"."""
        page = self.context.new_page()
        page.goto(path.as_uri() + address)
        return page


@pytest.fixture
def profile(chromium: Browser) -> Iterator[Callable[..., Profile]]:
    """Makes a profile: `profile(color_scheme="dark")`. Whatever its pages did wrong fails the test in the end."""
    made: list[Profile] = []

    def make(**options: Any) -> Profile:
        made.append(Profile(chromium, **options))
        return made[-1]

    yield make
    wrong = [line for one in made for line in one.watch()]
    for one in made:
        one.context.close()
    assert wrong == []


@pytest.fixture
def laptop(profile: Callable[..., Profile]) -> Profile:
    """A fresh profile of a laptop, light."""
    return profile(color_scheme="light")


# --- the site ---------------------------------------------------------------------------------------------------------


class Site:
    """A site on the disk and the rows that it was made of."""

    def __init__(self, folder: Path, rows: tuple[Row, ...], day: str):
        self.folder, self.rows, self.day = folder, rows, day

    def page(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site of the packaged rows and some hundred synthetic ones, built once for all workers by the command."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if os.environ.get("PYTEST_XDIST_WORKER") else shared
    rows, out = shared / "site_rows.csv", shared / "site"
    with FileLock(shared / "site.lock"):
        if not (out / "done").exists():
            out.mkdir()
            rows.write_text(query.csv_text(sorted(_rows())), encoding="utf-8")
            command = [
                sys.executable,
                "-m",
                "hwcompat",
                "matrix",
                "site",
                str(out / "pages"),
                str(rows),
                "--date",
                SITE_DAY,
            ]
            env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "HWCOMPAT_HOME": str(shared / "site_home")}
            done = subprocess.run(command, env=env, capture_output=True, text=True, encoding="utf-8")
            assert done.returncode == 0, done.stderr
            (out / "done").touch()
    return Site(out / "pages", read_rows(rows)[0], SITE_DAY)


def _rows() -> list[Row]:
    packaged, _ = read_rows(REPOSITORY / "matrix" / "results" / "reported.csv")
    return [*packaged, *(row for row in synthetic_rows(4000, seed=5) if row.chip in MEASURED_CHIPS)]
