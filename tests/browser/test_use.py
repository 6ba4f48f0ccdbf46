"""Using a page: copying, permalinks, the theme."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import browsing
import pytest

from hwcompat import api, emitters, tables, target

if TYPE_CHECKING:
    from conftest import Profile, Site
    from playwright.sync_api import Page

CARD = "gpu/nvidia-geforce-gtx-1660.html"
CLIPBOARD = ["clipboard-read", "clipboard-write"]


def on_clipboard(page: Page) -> str:
    return str(page.evaluate("() => navigator.clipboard.readText()")).replace("\r\n", "\n")


# --- copying ----------------------------------------------------------------------------------------------------------


def test_every_button_copies_the_very_text_and_says_so(profile: Callable[..., Profile], site: Site):
    page = profile(permissions=CLIPBOARD).open(site.page(CARD))
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true; })")
    buttons = page.locator("button[data-copy]")
    assert buttons.count() > 20
    for button in buttons.all():
        page.evaluate("() => navigator.clipboard.writeText('before')")
        button.click()
        page.wait_for_function("() => document.querySelector('#copy-status').textContent.trim()")
        wanted = page.locator(f"[id='{button.get_attribute('data-copy')}']").text_content()
        assert on_clipboard(page) == wanted


@pytest.mark.parametrize("os", ["linux", "windows"])
def test_what_is_copied_is_what_the_command_writes(profile: Callable[..., Profile], site: Site, os: str):
    """Through the functions below the command, with the rows and the day of the site."""
    known = tables.load_tables()
    aim = target.of_words(
        ["NVIDIA GeForce GTX 1660"], driver=None, os=os, arch="x86_64", python="3.12", wsl=False, tables=known
    )
    rows = site.rows
    rec = target.decide(aim, rows, torch=None, prefer="speed", newest=False, date=site.day, tables=known)
    page = profile(permissions=CLIPBOARD).open(site.page(CARD))
    compared = 0
    for client in emitters.names():
        box = page.locator(f"details#config-{os}-x8664-{client}")
        if box.locator("button[data-copy]").count() == 0:
            with pytest.raises(api.HwcompatError):
                emitters.render(rec, client)
            continue
        box.locator("summary").click()
        box.locator("button[data-copy]").click()
        page.wait_for_timeout(50)
        assert on_clipboard(page) == emitters.render(rec, client)
        compared += 1
    assert compared > 10


NO_CLIPBOARD = "Object.defineProperty(Navigator.prototype, 'clipboard', {get: () => undefined});"
REFUSED = """if (navigator.clipboard)
    navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'));"""


@pytest.mark.parametrize("script", [NO_CLIPBOARD, REFUSED])
def test_where_the_clipboard_is_closed_the_text_is_selected_or_copied_another_way(
    profile: Callable[..., Profile], site: Site, script: str
):
    made = profile(permissions=CLIPBOARD)
    made.context.add_init_script(script)
    page = made.open(site.page(CARD))
    button = page.locator("button[data-copy]:visible").first
    button.click()
    page.wait_for_function("() => document.querySelector('#copy-status').textContent.trim()")
    wanted = page.locator(f"[id='{button.get_attribute('data-copy')}']").text_content().strip()
    selected = page.evaluate("() => getSelection().toString()").strip()
    assert wanted in (selected, _pasted(page))


def _pasted(page: Page) -> str:
    """What a person would get by pasting."""
    box = page.evaluate_handle("() => document.body.appendChild(document.createElement('textarea'))")
    box.as_element().focus()
    page.keyboard.press("Control+V")
    return str(box.evaluate("box => box.value")).strip()


def test_a_button_copies_by_keys_and_keeps_the_focus(profile: Callable[..., Profile], site: Site):
    page = profile(permissions=CLIPBOARD).open(site.page(CARD))
    button = page.locator("button[data-copy]:visible").first
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#copy-status').textContent.trim()")
    assert on_clipboard(page) == page.locator(f"[id='{button.get_attribute('data-copy')}']").text_content()
    assert page.evaluate("() => document.activeElement.hasAttribute('data-copy')")


# --- permalinks -------------------------------------------------------------------------------------------------------

LANDED = """() => {
    const target = document.querySelector(':target');
    if (!target) return null;
    const box = target.getBoundingClientRect();
    return {id: target.id, shown: target.checkVisibility(), inside: box.top < innerHeight && box.bottom > 0};
}"""


LOOKS = """row => [row, ...row.cells].map(element => getComputedStyle(element))
    .map(style => style.backgroundColor + style.outline + style.boxShadow).join()"""


def _lands(page: Page, name: str) -> None:
    browsing.still(page)
    landed = page.evaluate(LANDED)
    assert landed is not None, name
    assert landed["id"] == name
    assert landed["shown"], name
    assert landed["inside"], name


@pytest.mark.parametrize("name", ["verdicts", "grid", "speed", "evidence", "configuration", "badge", "contribute"])
def test_a_permalink_lands_on_its_section(laptop: Profile, site: Site, name: str):
    _lands(laptop.open(site.page(CARD), f"#{name}"), name)


def test_a_permalink_to_a_row_lands_on_it_and_shows_which(laptop: Profile, site: Site):
    page = laptop.open(site.page(CARD))
    row = page.locator("#evidence tr[id^=row-]").nth(5)
    name = str(row.get_attribute("id"))
    plain = row.evaluate(LOOKS)
    row.locator("a.anchor").click()
    _lands(page, name)
    assert page.url.endswith(f"#{name}")
    assert row.evaluate(LOOKS) != plain
    page.keyboard.press("Tab")
    assert row.evaluate("row => row.compareDocumentPosition(document.activeElement) & (4 | 16)"), "goes on from the row"


def test_a_permalink_to_a_configuration_opens_it(laptop: Profile, site: Site):
    page = laptop.open(site.page(CARD), "#config-linux-x8664-ultralytics")
    _lands(page, "config-linux-x8664-ultralytics")
    assert page.locator("details#config-linux-x8664-ultralytics pre").is_visible()


NOWHERE = ("#no-such-place", "#%", "#<img src=x onerror=window.ran=1>", "#row-1:not(*)", "#1")


@pytest.mark.parametrize("fragment", NOWHERE)
def test_a_permalink_to_nowhere_shows_the_page(laptop: Profile, site: Site, fragment: str):
    page = laptop.open(site.page(CARD), fragment)
    browsing.still(page)
    assert page.locator("h1").is_visible()
    assert page.evaluate("() => window.ran") is None


# --- theme ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_button_goes_through_system_light_and_dark(profile: Callable[..., Profile], site: Site, system: str):
    page = profile(color_scheme=system).open(site.page(CARD))
    assert browsing.dark(page) == (system == "dark")
    seen = {}
    for _ in range(3):
        page.locator("#theme").click()
        seen[page.locator("#theme").inner_text()] = browsing.dark(page)
    said = {name.lower(): is_dark for name, is_dark in seen.items()}
    assert len(said) == 3
    assert [is_dark for name, is_dark in said.items() if "light" in name] == [False]
    assert [is_dark for name, is_dark in said.items() if "dark" in name] == [True]
    assert [is_dark for name, is_dark in said.items() if "system" in name] == [system == "dark"]


def _make_dark(page: Page) -> None:
    for _ in range(3):
        if "dark" in page.locator("#theme").inner_text().lower():
            return
        page.locator("#theme").click()
    raise AssertionError("the button never says dark")


def test_the_theme_is_kept_over_a_reload_and_on_other_pages(laptop: Profile, site: Site):
    page = laptop.open(site.page(CARD))
    _make_dark(page)
    page.reload()
    assert browsing.dark(page)
    assert "dark" in page.locator("#theme").inner_text().lower()
    assert browsing.dark(laptop.open(site.page("index.html")))


BLOCKED = """Object.defineProperty(window, 'localStorage',
    {get() { throw new DOMException('Access is denied for this document.', 'SecurityError'); }});"""
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"
NONSENSE = """if (location.protocol === 'file:')
    localStorage.setItem('hwcompat-theme', '<img src=x onerror=window.ran=1>');"""


@pytest.mark.parametrize("script", [BLOCKED, FULL, NONSENSE])
def test_the_theme_works_where_storage_is_closed_full_or_holds_nonsense(laptop: Profile, site: Site, script: str):
    laptop.context.add_init_script(script)
    page = laptop.open(site.page("index.html"))
    assert not browsing.dark(page)
    _make_dark(page)
    assert browsing.dark(page)
    page.locator("#search").fill("1660 ti")
    browsing.still(page)
    assert page.locator("#results tbody tr[data-card]:visible").count() == 2


def test_the_system_changes_while_the_page_is_open(laptop: Profile, site: Site):
    page = laptop.open(site.page("index.html"))
    page.emulate_media(color_scheme="dark")
    assert browsing.dark(page)


def test_the_badge_is_drawn(laptop: Profile, site: Site):
    page = laptop.open(site.page(CARD))
    assert page.locator("img.badge").first.evaluate("image => image.complete && image.naturalWidth > 40")
