"""The checks themselves: each finds the fault that is put into a page, and nothing in the same page without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import browsing
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width">{head}<style>
:root {{ color-scheme: light dark }}
a, button, input {{ display: inline-block; min-width: 24px; min-height: 24px }}
</style></head><body><header><a href="#rest">To the text</a></header><main id="rest" tabindex="-1"><h1>A page</h1>
<p>Words enough to fill a line or two on a telephone, and a <a href="#rest">link</a>.</p>
<label>Search <input type="search"></label> <button type="button">Copy</button>{body}</main></body></html>"""


@pytest.fixture
def shown(chromium: Browser, tmp_path: Path):
    """The seeded page, opened and watched outside the fixture that demands silence."""
    contexts = []

    def show(head: str = "", body: str = "", **options: object) -> tuple[Page, browsing.Watch]:
        context = chromium.new_context(**options)
        contexts.append(context)
        seen = browsing.watch(context)
        path = tmp_path / "page.html"
        path.write_text(PAGE.format(head=head, body=body), encoding="utf-8")
        page = context.new_page()
        page.goto(path.as_uri())
        page.wait_for_timeout(100)
        return page, seen

    yield show
    for context in contexts:
        context.close()


PHONE = {"viewport": browsing.PHONE}


def test_a_sound_page_passes_every_check(shown):
    page, seen = shown()
    assert [*browsing.axe(page), *browsing.keyboard(page), *browsing.moving(page), *browsing.cut_off(page)] == []
    assert seen() == []
    page, _ = shown(**PHONE)
    assert browsing.too_wide(page) == []


POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""


@pytest.mark.parametrize(
    ("head", "body", "told"),
    [
        ("", '<img src="https://example.org/a.png" alt="">', "asked for https://example.org/a.png"),
        ("", "<script>fetch('//example.org')</script>", "file://example.org/"),
        ("", "<script src='//example.org/a.js'></script>", "asked for file://example.org/a.js"),
        ("", "<script>new WebSocket('ws://example.org')</script>", "console error: WebSocket"),
        ('<link rel="stylesheet" href="lost.css">', "", "failed: file://"),
        ("", "<script>console.warn('old')</script>", "console warning: old"),
        ("", "<script>console.log('here')</script>", "console log: here"),
        ("", "<script>nothing()</script>", "page error: nothing is not defined"),
        ("", "<script>Promise.reject(new Error('lost'))</script>", "page error: lost"),
        ("", "<script>alert('hello')</script>", "dialog: hello"),
        (POLICY, "<script>window.ran = 1</script>", "policy script-src-elem blocked inline"),
    ],
)
def test_whatever_a_page_does_besides_showing_itself_is_told(shown, head: str, body: str, told: str):
    _, seen = shown(head, body)
    assert [line for line in seen() if told in line], seen()


SMALL = '<button style="width: 12px; height: 12px; padding: 0; min-width: 0; min-height: 0">1</button>'


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "image-alt"),
        ('<p style="color: #999; background: #fff">Pale</p>', "color-contrast"),
        ("<input>", "label"),
        ("<h4>Too deep</h4>", "heading-order"),
        ('<div role="tab">Tab</div>', "aria-required-parent"),
        (f"<div>{SMALL * 3}</div>", "target-size"),
        ("<ul><p>No item</p></ul>", "list"),
    ],
)
def test_axe_finds_what_keeps_people_out(shown, body: str, rule: str):
    page, _ = shown(body=body)
    assert rule in {line.split()[0] for line in browsing.axe(page)}


@pytest.mark.parametrize(
    "body", ['<div style="width: 500px">wide</div>', f"<p>{'x' * 90}</p>", f"<pre>{'long ' * 30}</pre>"]
)
def test_what_makes_a_phone_scroll_sideways_is_found(shown, body: str):
    page, _ = shown(body=body, **PHONE)
    assert browsing.too_wide(page)


def test_a_box_that_scrolls_by_itself_is_not_too_wide(shown):
    page, _ = shown(body='<div style="overflow-x: auto"><div style="width: 900px">wide</div></div>', **PHONE)
    assert browsing.too_wide(page) == []


def test_what_paper_would_lose_is_found(shown):
    page, _ = shown(body='<div style="overflow-x: auto"><div style="width: 3000px">wide</div></div>')
    assert browsing.scrolls(page)


def test_text_that_is_cut_off_is_found(shown):
    page, _ = shown(body='<p style="height: 12px; overflow: hidden">Two lines<br>of text</p>')
    assert browsing.cut_off(page)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<style>:focus { outline: none }</style>", "the focus is not seen"),
        ("<style>:focus { outline: 2px solid transparent }</style>", "the focus is not seen"),
        ('<button style="position: fixed; left: -900px">Away</button>', "focused outside the window"),
        ('<div style="position: fixed; inset: 0; background: #888"></div>', "focused under something else"),
        ('<button tabindex="3">First</button>', "does not follow the order"),
        ('<input onkeydown="event.preventDefault()"><button>Behind</button>', "Tab never stops"),
    ],
)
def test_what_shuts_a_keyboard_out_is_found(shown, body: str, told: str):
    page, _ = shown(body=body)
    assert [line for line in browsing.keyboard(page) if told in line], browsing.keyboard(page)


def test_what_still_moves_is_found(shown):
    page, _ = shown(body='<p style="transition: color .3s">Slow</p>', reduced_motion="reduce")
    assert browsing.moving(page) == ["p."]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_is_told_from_light(shown, scheme: str):
    page, _ = shown("<style>body { color: canvastext; background: canvas }</style>", color_scheme=scheme)
    assert browsing.dark(page) == (scheme == "dark")
