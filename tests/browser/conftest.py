"""One Chromium a worker, driven by Playwright; a fresh profile for every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import browsing
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NO_BROWSER = "no Chromium here: install Chromium, Chrome or Edge, or run `python -m playwright install chromium`"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


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


class Opener:
    """Opens pages in one profile and watches all they do; `wrong()` is what must be empty in the end."""

    def __init__(self, browser: Browser, **options: Any):
        self.context = browser.new_context(**{"viewport": _size(browsing.LAPTOP), **options})
        self.watch = browsing.watch(self.context)

    def __call__(self, path: Path, fragment: str = "") -> Page:
        page = self.context.new_page()
        page.goto(path.as_uri() + fragment)
        return page

    def wrong(self) -> list[str]:
        return self.watch()


def _size(size: tuple[int, int]) -> dict[str, int]:
    return {"width": size[0], "height": size[1]}


@pytest.fixture
def profile(chromium: Browser) -> Iterator[Callable[..., Opener]]:
    """A fresh profile: `profile(color_scheme="dark")`. Whatever its pages did wrong fails the test in the end."""
    made: list[Opener] = []

    def make(**options: Any) -> Opener:
        if "size" in options:
            options["viewport"] = _size(options.pop("size"))
        made.append(Opener(chromium, **options))
        return made[-1]

    yield make
    wrong = [line for opener in made for line in opener.wrong()]
    for opener in made:
        opener.context.close()
    assert wrong == []


@pytest.fixture
def open_page(profile: Callable[..., Opener]) -> Opener:
    """Opens a page in a fresh profile of a laptop."""
    return profile()
