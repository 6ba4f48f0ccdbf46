"""A real headless Chromium for tests, and the checks that a page must pass. Each check returns what it found wrong."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

FLAGS = (
    "--no-sandbox",  # a container's root has no user namespace to put a sandbox in
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing leaves, whatever a page tries
)
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "msedge",
    "microsoft-edge",
    "chrome",
)
PLACES = {
    "win32": (r"Google\Chrome\Application\chrome.exe", r"Microsoft\Edge\Application\msedge.exe"),
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
}
"""Where the installers of browsers put them on systems that do not add them to PATH."""

LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}


def find_chromium(own: str) -> str | None:
    """The Chromium to drive: HWCOMPAT_TEST_CHROMIUM, Playwright's `own` if it was installed, else the system's."""
    if asked := os.environ.get("HWCOMPAT_TEST_CHROMIUM"):
        return asked
    if Path(own).exists():
        return own
    return next(filter(None, map(shutil.which, NAMES)), None) or _installed()


def _installed() -> str | None:
    roots = [os.environ.get(name, "") for name in ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData")]
    folders = [Path(root) for root in roots if root] if sys.platform == "win32" else [Path("/")]
    found = (folder / place for place in PLACES.get(sys.platform, ()) for folder in folders)
    return next((str(path) for path in found if path.exists()), None)


# --- what a page does besides showing itself --------------------------------------------------------------------------


@dataclass
class Watch:
    """Everything that pages of one context said, asked for or tried, from the first byte on."""

    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __call__(self) -> list[str]:
        """What must not happen: a request that leaves the disk, a console line, an error, a dialog, a broken policy."""
        return [f"asked for {url}" for url in self.requests if not stays(url)] + self.said

    def clear(self) -> None:
        """Forget what was seen."""
        self.requests.clear()
        self.said.clear()


def stays(url: str) -> bool:
    """Whether asking for `url` stays on the disk or in the page; file://name/ is another machine to Windows."""
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or (parts.scheme == "file" and not parts.netloc)


REPORT_VIOLATIONS = """document.addEventListener('securitypolicyviolation', event =>
    console.error(`policy ${event.effectiveDirective} blocked ${event.blockedURI || event.sample}`));"""


def watch(context: BrowserContext) -> Watch:
    """Watch every page of `context`, those that are opened later too. Dialogs are dismissed."""
    seen = Watch()

    def dialog(one: Any) -> None:
        seen.said.append(f"dialog: {one.message}")
        one.dismiss()

    context.add_init_script(REPORT_VIOLATIONS)
    context.on("request", lambda request: seen.requests.append(request.url))
    context.on("requestfailed", lambda request: seen.said.append(f"failed: {request.url} {request.failure}"))
    context.on("console", lambda line: seen.said.append(f"console {line.type}: {line.text}"))
    context.on("weberror", lambda error: seen.said.append(f"page error: {error.error}"))
    context.on("dialog", dialog)
    return seen


# --- accessibility ----------------------------------------------------------------------------------------------------

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


# Of elements that repeat, two of each kind stay: what they are made of tells kinds apart. Contrast takes most of axe's
# time, so that a long table takes minutes whole.
THIN = """() => {
    const seen = new Map();
    const facts = element => `${element.tagName} ${element.className} ${element.getAttribute('role')}`;
    for (const element of document.querySelectorAll('tbody tr, li, details, option, article, dd')) {
        const kind = [...new Set([...element.querySelectorAll('*')].map(facts))].sort().join() + facts(element) +
            facts(element.parentElement) + element.closest('[id]')?.id.replace(/\\d+/g, '');
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
        if (seen.get(kind) > 2) element.dataset.testExtra = '';
    }
    document.querySelectorAll('[data-test-extra]').forEach(element => element.remove());
}"""
SLOW = ("color-contrast", "target-size", "link-in-text-block")


def axe(page: Page, rules: tuple[str, ...] = RULES) -> list[str]:
    """What axe-core finds wrong on the page: one line a rule and element. Leaves the page thinned out."""
    page.evaluate(_axe_source())
    found = _axe(page, {"rules": {name: {"enabled": False} for name in SLOW}}, rules)
    thin(page)
    return found + _axe(page, {"runOnly": {"type": "rule", "values": list(SLOW)}}, rules)


def thin(page: Page) -> None:
    """Take out what repeats on the page."""
    page.evaluate(THIN)


def _axe(page: Page, options: dict[str, Any], rules: tuple[str, ...]) -> list[str]:
    asked = {
        "resultTypes": ["violations"],
        "preload": False,
        "runOnly": {"type": "tag", "values": list(rules)},
        **options,
    }
    found = page.evaluate("options => axe.run(document, options)", asked)
    return [
        f"{one['id']} ({one['impact']}): {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def _axe_source() -> str:
    """The script that axe-playwright-python carries, read as UTF-8 (its own reader takes the system's encoding)."""
    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


# --- room -------------------------------------------------------------------------------------------------------------

# An element sticks out if it begins or ends outside the window and nothing around it scrolls or hides what is too wide.
TOO_WIDE = """() => {
    const width = document.documentElement.clientWidth;
    const contained = element => {
        for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
            if (getComputedStyle(at).overflowX !== 'visible') return true;
        return getComputedStyle(element).position === 'fixed';
    };
    const wrong = [...document.body.querySelectorAll('*')]
        .filter(element => element.getClientRects().length && !contained(element))
        .filter(element => element.getBoundingClientRect().right > width + 1)
        .map(element => `${element.tagName.toLowerCase()}.${element.className} ends at ` +
            `${Math.round(element.getBoundingClientRect().right)} of ${width}: ` +
            element.textContent.trim().slice(0, 50));
    const page = document.scrollingElement.scrollWidth;
    return page > width ? [`the page is ${page} wide, the window ${width}`, ...wrong] : [];
}"""

CUT_OFF = """() => [...document.body.querySelectorAll('*')]
    .filter(element => element.checkVisibility({visibilityProperty: true, opacityProperty: true}))
    .filter(element => {
        const style = getComputedStyle(element), box = element.getBoundingClientRect();
        const hides = axis => ['hidden', 'clip'].includes(axis);
        if (box.width <= 2 || box.height <= 2 || !element.textContent.trim()) return false;  // for screen readers only
        return (hides(style.overflowX) && element.scrollWidth > element.clientWidth + 1) ||
            (hides(style.overflowY) && element.scrollHeight > element.clientHeight + 1);
    })
    .map(element => `${element.tagName.toLowerCase()}.${element.className}: ${element.textContent.trim().slice(0, 60)}`)
"""


SCROLLS = """() => [...document.body.querySelectorAll('*')]
    .filter(element => element.checkVisibility())
    .filter(element => {
        const style = getComputedStyle(element), moves = axis => ['auto', 'scroll'].includes(axis);
        return (moves(style.overflowX) && element.scrollWidth > element.clientWidth + 1) ||
            (moves(style.overflowY) && element.scrollHeight > element.clientHeight + 1);
    })
    .map(element => `${element.tagName.toLowerCase()}.${element.className}: ${element.textContent.trim().slice(0, 60)}`)
"""


def scrolls(page: Page) -> list[str]:
    """Boxes that show a part of what they hold: nobody can scroll them on paper."""
    return list(page.evaluate(SCROLLS))


def too_wide(page: Page) -> list[str]:
    """What makes the page scroll sideways."""
    return list(page.evaluate(TOO_WIDE))


def cut_off(page: Page) -> list[str]:
    """Elements that hide a part of their own text."""
    return list(page.evaluate(CUT_OFF))


# --- keyboard ---------------------------------------------------------------------------------------------------------

FOCUSABLE = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
    .filter(element => !element.disabled && element.tabIndex >= 0)
    .filter(element => element.checkVisibility({visibilityProperty: true}))
    .filter(element => !(element.type === 'radio' && element.name && !element.checked &&
        document.querySelector(`input[type=radio][name="${element.name}"]:checked`)))
    .map((element, place) => { element.dataset.testPlace = place; return place; }).length"""

FOCUSED = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 &&
        !/^(rgba.*, 0\\)|transparent)$/.test(style.outlineColor);
    const within = (low, high, end) => (Math.max(low, 0) + Math.min(high, end)) / 2;  // of the part in the window
    const middle = [within(box.left, box.right, innerWidth), within(box.top, box.bottom, innerHeight)];
    const top = document.elementFromPoint(...middle);
    const own = top && (element.contains(top) || top.contains(element) || top.closest('label')?.control === element);
    return {
        place: Number(element.dataset.testPlace ?? -1), ring: ring || style.boxShadow !== 'none',
        name: `${element.tagName.toLowerCase()} ${(element.getAttribute('aria-label') || element.textContent ||
            element.id).trim().slice(0, 40)}`,
        seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
        covered: !own,
    };
}"""


@dataclass(frozen=True)
class Stop:
    """An element that Tab stopped at."""

    name: str
    place: int
    ring: bool
    seen: bool
    covered: bool


JUMPS = "() => [...document.querySelectorAll('[tabindex]')].some(element => element.tabIndex > 0)"

# A blur alone leaves the place where Tab goes on.
FROM_THE_TOP = """() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
    scrollTo(0, 0);
}"""


def tab_stops(page: Page, most: int = 400) -> list[Stop]:
    """What Tab stops at, from the top of the page until it leaves it; at most `most` stops."""
    page.evaluate(FOCUSABLE)
    page.evaluate(FROM_THE_TOP)
    stops: list[Stop] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if found is None or (stops and found["place"] == stops[0].place):
            break
        stops.append(Stop(**found))
    return stops


def keyboard(page: Page) -> list[str]:
    """What is wrong for whoever has no mouse: order, traps, what Tab misses, where it is not seen."""
    expected = page.evaluate(FOCUSABLE)
    stops = tab_stops(page, expected + 5)
    missed = sorted(set(range(expected)) - {stop.place for stop in stops})
    places = [stop.place for stop in stops]
    return [
        *(f"{stop.name}: the focus is not seen" for stop in stops if not stop.ring),
        *(f"{stop.name}: focused outside the window" for stop in stops if not stop.seen),
        *(f"{stop.name}: focused under something else" for stop in stops if stop.covered),
        *(f"Tab never stops at element {place}" for place in missed),
        *(["Tab does not follow the order of the page"] if places != sorted(places) or page.evaluate(JUMPS) else []),
        *(["Tab stops twice at an element"] if len(places) != len(set(places)) else []),
    ]


# --- motion, paper, script --------------------------------------------------------------------------------------------

MOVES = """() => {
    const long = list => list.split(',').some(one => parseFloat(one) > 0.01);
    const styled = [...document.querySelectorAll('*')].filter(element => {
        const style = getComputedStyle(element);
        return long(style.transitionDuration) || (style.animationName !== 'none' && long(style.animationDuration)) ||
            style.scrollBehavior === 'smooth';
    });
    return styled.map(element => element.tagName.toLowerCase() + '.' + element.className);
}"""


def moving(page: Page) -> list[str]:
    """Elements that still move although the user asked for less motion. The page must be in that mode."""
    return list(page.evaluate(MOVES))


LIGHTNESS = """element => {
    const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
        .getContext('2d', {willReadFrequently: true});
    const lightness = color => {
        canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((sum, part) => sum + part, 0);
    };
    const ground = () => {
        for (let at = element; at; at = at.parentElement)
            if (!/^(rgba.*, 0\\)|transparent)$/.test(getComputedStyle(at).backgroundColor))
                return getComputedStyle(at).backgroundColor;
        return 'white';
    };
    return [lightness(getComputedStyle(element).color), lightness(ground())];
}"""


def dark(page: Page) -> bool:
    """Whether the page is light text on a dark ground."""
    text, ground = page.evaluate(f"() => ({LIGHTNESS})(document.body)")
    return bool(text > ground)


def still(page: Page) -> None:
    """Wait until the page has answered what was done to it: timers that it set before, and its scrolling."""
    page.evaluate("""async () => {
        await new Promise(done => setTimeout(done, 150));
        for (let same = 0, last = scrollY; same < 5; last = scrollY) {
            await new Promise(requestAnimationFrame);
            same = scrollY === last ? same + 1 : 0;
        }
    }""")
