"""Every kind of page from the disk: silent, reachable by everybody, on a phone, on paper, without a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import browsing
import pytest

if TYPE_CHECKING:
    from conftest import Profile, Site


def _greatest(site: Site, folder: str) -> Path:
    return max((site.folder / folder).glob("*.html"), key=lambda path: path.stat().st_size)


def _least(site: Site, folder: str) -> Path:
    return min((site.folder / folder).glob("*.html"), key=lambda path: path.stat().st_size)


KINDS: dict[str, Callable[[Site], Path]] = {
    "index": lambda site: site.page("index.html"),
    "card": lambda site: site.page("gpu/nvidia-geforce-gtx-1660.html"),
    "card with least": lambda site: _least(site, "gpu"),
    "chip": lambda site: site.page("chip/tu116.html"),
    "fault": lambda site: _greatest(site, "fault"),
    "faults": lambda site: site.page("faults.html"),
    "wanted": lambda site: site.page("wanted.html"),
    "other": lambda site: site.page("other.html"),
    "trust": lambda site: site.page("trust.html"),
    "probes": lambda site: site.page("probes.html"),
    "data": lambda site: site.page("data.html"),
}

OPEN_ALL = "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"


SHARED = ("index", "card", "fault", "trust")
"""Kinds that stand for all where the frame that every page has is what is looked at."""


@pytest.fixture(params=SHARED)
def sample(request: pytest.FixtureRequest, site: Site) -> Path:
    return KINDS[request.param](site)


@pytest.fixture(params=sorted(KINDS))
def path(request: pytest.FixtureRequest, site: Site) -> Path:
    return KINDS[request.param](site)


def test_every_kind_of_page_is_looked_at(site: Site):
    top = set(site.folder.glob("*.html"))
    folders = {path.parent.name for path in site.folder.glob("*/*.html")}
    looked = {kind(site) for kind in KINDS.values()}
    assert top <= looked
    assert folders == {path.parent.name for path in looked if path.parent != site.folder}


# --- what everybody meets ---------------------------------------------------------------------------------------------


def test_a_page_is_silent_and_asks_for_nothing_elsewhere(laptop: Profile, path: Path):
    page = laptop.open(path)
    page.mouse.wheel(0, 100_000)
    page.wait_for_timeout(200)
    assert page.locator("body[data-script=on]").count() == 1, "the script ran"
    assert len(laptop.watch.requests) > 1, "the watch sees requests: the style and the script at least"
    assert page.locator("link[rel~=preconnect], link[rel~=dns-prefetch], base, iframe, object, embed").count() == 0


def test_nothing_foreign_runs_even_if_it_got_into_the_page(laptop: Profile, sample: Path):
    """The policy of the page itself: no inline script, no handler, no eval, no request, no frame, no form elsewhere."""
    page = laptop.open(sample)
    assert laptop.watch() == []
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.ran = 1';
            const other = document.createElement('script');
            other.src = 'https://example.org/a.js';
            const box = document.createElement('div');
            box.innerHTML = '<img src="https://example.org/a.png" onerror="window.ran = 2">' +
                '<iframe src="https://example.org/"></iframe><button onclick="window.ran = 3">x</button>';
            document.body.append(script, other, box);
            box.querySelector('button').click();
            fetch('https://example.org/').catch(() => {});
        }"""
    )
    directives = ("script-src-elem", "script-src-attr", "img-src", "connect-src", "frame-src")
    for _ in range(100):  # what the page tried is told when it was stopped, which takes a while on a busy machine
        page.wait_for_timeout(100)
        refused = "\n".join(laptop.watch.said)
        if all(f"policy {directive} blocked" in refused for directive in directives):
            break
    assert page.evaluate("() => window.ran") is None
    tried = [url for url in laptop.watch.requests if not browsing.stays(url)]
    assert [url for url in tried if f"failed: {url} csp" not in refused] == [], refused
    for directive in directives:
        assert f"policy {directive} blocked" in refused
    laptop.watch.clear()


def test_axe_finds_nothing(profile: Callable[..., Profile], path: Path):
    page = profile(color_scheme="light").open(path)
    assert not browsing.dark(page)
    page.evaluate(OPEN_ALL)
    assert browsing.axe(page) == []


def test_axe_finds_nothing_in_the_dark(profile: Callable[..., Profile], sample: Path):
    page = profile(color_scheme="dark").open(sample)
    assert browsing.dark(page)
    page.evaluate(OPEN_ALL)
    assert browsing.axe(page) == []


# --- little room ------------------------------------------------------------------------------------------------------


def test_a_phone_never_scrolls_sideways(profile: Callable[..., Profile], path: Path):
    """Nor does a window of 320 pixels: WCAG 2.2, 1.4.10 (reflow)."""
    page = profile(viewport=browsing.PHONE, has_touch=True, is_mobile=True).open(path)
    page.evaluate(OPEN_ALL)
    for width in (browsing.PHONE["width"], 320):
        page.set_viewport_size({**browsing.PHONE, "width": width})
        assert page.evaluate("() => innerWidth") == width, "the page takes the width that there is"
        assert browsing.too_wide(page) == []
        assert browsing.cut_off(page) == []


@pytest.mark.parametrize("name", ["index.html", "gpu/nvidia-geforce-gtx-1660.html"])
def test_axe_finds_nothing_on_a_phone(profile: Callable[..., Profile], site: Site, name: str):
    page = profile(viewport=browsing.PHONE, has_touch=True, is_mobile=True).open(site.page(name))
    assert browsing.axe(page) == []


def test_text_of_twice_the_size_stays_whole(laptop: Profile, sample: Path):
    """WCAG 2.2, 1.4.4."""
    page = laptop.open(sample)
    before = page.evaluate("() => parseFloat(getComputedStyle(document.querySelector('p, li, td')).fontSize)")
    page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    after = page.evaluate("() => parseFloat(getComputedStyle(document.querySelector('p, li, td')).fontSize)")
    assert after == pytest.approx(2 * before)
    assert browsing.too_wide(page) == []
    assert browsing.cut_off(page) == []


# --- without a mouse, with little motion, on paper, without a script --------------------------------------------------


def test_a_keyboard_is_enough(laptop: Profile, path: Path):
    page = laptop.open(path, "?q=gtx+1660" if path.name == "index.html" else "")
    browsing.thin(page)
    assert browsing.keyboard(page) == []


def test_the_first_stop_leads_past_the_head(laptop: Profile, sample: Path):
    page = laptop.open(sample)
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    box = page.locator("a.skip").bounding_box()
    assert box is not None
    assert box["y"] >= 0
    assert box["height"] > 10
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.closest('main') !== null")


def test_nothing_moves_for_who_asks_for_less_motion(profile: Callable[..., Profile], sample: Path):
    page = profile(reduced_motion="reduce").open(sample)
    assert browsing.moving(page) == []


def test_on_paper_a_page_is_dark_on_light_and_whole(profile: Callable[..., Profile], sample: Path):
    page = profile(color_scheme="dark", viewport={"width": 700, "height": 1000}).open(sample)
    page.emulate_media(media="print", color_scheme="dark")
    assert not browsing.dark(page)
    assert page.locator("h1").is_visible()
    assert not page.locator("#theme").is_visible()
    page.evaluate(OPEN_ALL)
    assert browsing.scrolls(page) == []
    assert page.pdf().startswith(b"%PDF")


def test_without_a_script_everything_can_be_read(profile: Callable[..., Profile], sample: Path):
    page = profile(java_script_enabled=False).open(sample)
    assert page.locator("h1").is_visible()
    assert len(page.locator("main").inner_text()) > 200
    useless = page.locator("#theme, #search, [data-copy], #clear-filters, [id^=filter-]")
    assert [one.get_attribute("id") for one in useless.all() if one.is_visible()] == []


def test_without_a_script_the_list_holds_every_card(profile: Callable[..., Profile], site: Site):
    page = profile(java_script_enabled=False).open(site.page("index.html"))
    links = page.locator("#results tbody tr:visible a[href^='gpu/']")
    assert links.count() == len(list((site.folder / "gpu").glob("*.html")))
    links.first.click()
    assert page.locator("h1").is_visible()
