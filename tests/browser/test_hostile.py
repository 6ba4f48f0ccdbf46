"""Rows whose every cell is an attack: the pages show the text, run nothing, ask for nothing, and lead nowhere bad."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import browsing
import pytest

from hwcompat import site as sites
from hwcompat import tables
from hwcompat.model import Row

if TYPE_CHECKING:
    from conftest import Profile
    from playwright.sync_api import Browser

ATTACKS = (
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 2">',
    "' onmouseover='window.ran = 3' x='",
    "</script><script>window.ran = 4</script>",
    "</style></title></textarea><svg/onload=window.ran=5>",
    "javascript:window.ran=6",
    'https://example.org/"onclick="window.ran=7',
    "data:text/html,<script>window.ran=8</script>",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}${window.ran=9}",
    "<form id=main><input name=attributes><a id=search>",
    "]]><!--<script>--!>",
    "\u202eevil\u2066 \u0000\u001b[31m\u2028",
    "../../../index",
    "W" * 8000,
)
STATE = "() => [window.ran ?? null, document.querySelectorAll('script').length, document.forms.length]"
BAD_LINKS = """() => [...document.querySelectorAll('[href], [src], [action], [formaction]')]
    .flatMap(element => ['href', 'src', 'action', 'formaction'].map(name => element.getAttribute(name)))
    .filter(value => value !== null && !/^(https:\\/\\/|http:\\/\\/|#|\\?|[\\w./-]+(#|$))/.test(value))"""
HANDLERS = """() => [...document.querySelectorAll('*')]
    .flatMap(element => [...element.attributes].map(one => one.name)).filter(name => name.startsWith('on'))"""


def _few_cards(folder: Path) -> Path:
    """The tables with the cards of one chip only: a small site."""
    shutil.copytree(Path(__file__).resolve().parents[2] / "matrix", folder)
    for name, kept in (("gpus.csv", ",TU116,"), ("other_gpus.csv", "nothing")):
        lines = (folder / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / name).write_text("".join([lines[0], *(line for line in lines[1:] if kept in line)]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of rows that no reader would let through: built below the checks that refuse most of them."""
    few = tables.load_tables(_few_cards(tmp_path_factory.mktemp("matrix") / "matrix"))
    everywhere = [Row(**dict.fromkeys(Row._fields, attack)) for attack in ATTACKS]
    cards = [
        row._replace(gpu="NVIDIA GeForce GTX 1660", chip="TU116", pci_id="", retracted="", supersedes="")
        for row in everywhere
    ]
    out = tmp_path_factory.mktemp("hostile")
    sites.build(out, [*everywhere, *cards], few, "2026-12-01")
    return out


def test_hostile_rows_are_text_and_nothing_else(profile: Callable[..., Profile], hostile: Path):
    pages = sorted(hostile.rglob("*.html"))
    assert len(pages) > len(ATTACKS)
    made = profile(viewport=browsing.PHONE)
    page = made.context.new_page()
    for path in pages:
        page.goto(path.as_uri())
        ran, scripts, forms = page.evaluate(STATE)
        index = path.name == "index.html"
        assert (ran, scripts, forms) == (None, 2 if index else 1, 1 if index else 0), path.name
        assert page.evaluate(BAD_LINKS) == [], path.name
        assert page.evaluate(HANDLERS) == [], path.name


def test_the_attacks_can_be_read_as_they_are(profile: Callable[..., Profile], hostile: Path):
    page = profile().open(hostile / "gpu" / "nvidia-geforce-gtx-1660.html")
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true; })")
    text = page.locator("#evidence").inner_text()
    assert [attack for attack in ATTACKS[:9] if attack not in text] == []
    assert "\\u202e" in text, "what turns the direction of writing is spelled out"


def test_hostile_rows_do_not_break_the_layout_of_a_phone(profile: Callable[..., Profile], hostile: Path):
    page = profile(viewport=browsing.PHONE).open(hostile / "gpu" / "nvidia-geforce-gtx-1660.html")
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert browsing.too_wide(page) == []


def test_the_search_of_hostile_cards_works(profile: Callable[..., Profile], hostile: Path):
    page = profile().open(hostile / "index.html")
    page.locator("#search").fill("<script>window.ran")
    browsing.still(page)
    page.locator("#search").fill("1660 ti")
    browsing.still(page)
    assert page.evaluate("() => window.ran ?? null") is None
    assert page.locator("#results tbody tr[data-card]:visible").count() >= 1


def test_the_same_checks_fail_on_pages_that_were_not_escaped(chromium: Browser, hostile: Path):
    """The page with its entities undone and without its policy: what the other tests would see then."""
    text = (hostile / "gpu" / "nvidia-geforce-gtx-1660.html").read_text(encoding="utf-8")
    broken = hostile / "gpu" / "unescaped.html"
    linked = re.sub("<meta http-equiv[^>]*>", "", text) + '<a href="javascript:window.ran=6">a row&apos;s address</a>'
    broken.write_text(html.unescape(linked), encoding="utf-8")
    context = chromium.new_context()
    seen = browsing.watch(context)
    page = context.new_page()
    page.goto(broken.as_uri())
    page.wait_for_timeout(300)
    ran, scripts, _ = page.evaluate(STATE)
    told = (ran is not None, scripts > 1, bool(page.evaluate(HANDLERS)), bool(page.evaluate(BAD_LINKS)), bool(seen()))
    context.close()
    broken.unlink()
    assert told == (True, True, True, True, True)
