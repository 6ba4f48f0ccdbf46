"""Time, memory and weight of the site at size, and how long its first page takes in a real Chromium, read from disk.

    python scripts/bench_site.py [--rows 10000] [--repeat 3] [--loads 9] [--keep FOLDER]

Makes a file of synthetic rows over all cards (the generator of bench_matrix.py) and has `hwcompat matrix site` build
the site from it, each time in a process of its own and into an empty folder. Then Chromium opens the first page, each
time with an empty profile, and says what it asked for: that is what the page weighs, raw and by gzip -9 a file.
Reported: the least seconds and the greatest memory of a build, pages by kind, and the median of the loads. Load times
are those of navigation timing: to DOMContentLoaded, to the end of the load event, to the first contentful paint;
"ready" is when the script has marked the page. Needs what the tests need (the extra "test") and a Chromium. Exit 1: a
limit is exceeded.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts"), str(ROOT / "tests")]

BUILD_SECONDS, LOAD_SECONDS, FIRST_PAGE_BYTES = 60.0, 1.0, 1_000_000
"""Limits for 10,000 rows: a build, the first page's load event from disk, and its weight compressed."""
MIB = 2**20


# --- building ---------------------------------------------------------------------------------------------------------


def build(rows: Path, out: Path) -> None:
    """In a process of its own: print seconds and peak bytes."""
    import resource  # Windows lacks it

    from hwcompat import cli

    start = time.perf_counter()
    try:
        cli.run(("matrix", "site", str(out), str(rows)))
    except SystemExit as end:
        if end.code:
            raise
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "peak": peak}))


def built(rows: Path, out: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--build", str(rows), str(out)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the build ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- weighing ---------------------------------------------------------------------------------------------------------


def weights(paths: Iterable[Path]) -> tuple[int, int]:
    """Bytes of the files, raw and each by gzip -9."""
    contents = [path.read_bytes() for path in paths]
    return sum(map(len, contents)), sum(len(gzip.compress(text, 9)) for text in contents)


def kinds(out: Path) -> dict[str, list[int]]:
    """Sizes of files by folder and suffix, the greatest last."""
    found: dict[str, list[int]] = {}
    for path in sorted(out.rglob("*")):
        if path.is_file():
            folder = path.relative_to(out).parent.as_posix()
            found.setdefault(f"{folder}/*{path.suffix}".removeprefix("./"), []).append(path.stat().st_size)
    return {kind: sorted(sizes) for kind, sizes in found.items()}


# --- loading ----------------------------------------------------------------------------------------------------------

TIMES = """() => {
    const [page] = performance.getEntriesByType('navigation');
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    return {'DOM ready': page.domContentLoadedEventEnd, load: page.loadEventEnd, paint: paint?.startTime ?? null,
        ready: window.testReady ?? null};
}"""
MARK_READY = """new MutationObserver((_, observer) => {
    if (document.body?.dataset.script !== 'on') return;
    window.testReady = performance.now();
    observer.disconnect();
}).observe(document, {subtree: true, childList: true, attributes: true});"""


def loads(page: Path, times: int) -> tuple[dict[str, float], set[Path], int]:
    """Median milliseconds by milestone, the files that Chromium asked for, its script's heap in bytes."""
    import browsing
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = browsing.find_chromium(playwright.chromium.executable_path)
        if program is None:
            raise SystemExit("no Chromium here")
        browser = playwright.chromium.launch(executable_path=program, args=browsing.FLAGS)
        runs = [_load(browser, page) for _ in range(times)]
        browser.close()
    names = [name for name in runs[0][0] if all(run[0][name] is not None for run in runs)]
    median = {name: statistics.median(run[0][name] for run in runs) for name in names}
    return median, set().union(*(run[1] for run in runs)), max(run[2] for run in runs)


def _load(browser: Any, page: Path) -> tuple[dict[str, float], set[Path], int]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(MARK_READY)
    asked: set[Path] = set()
    context.on("request", lambda request: asked.add(_path(request.url)))
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.wait_for_timeout(200)
    found = tab.evaluate(TIMES)
    heap = tab.evaluate("() => performance.memory.usedJSHeapSize")
    context.close()
    return found, asked, heap


def _path(url: str) -> Path:
    return Path(url2pathname(unquote(urlsplit(url).path)))


# --- telling ----------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--loads", type=int, default=9)
    parser.add_argument("--keep", type=Path, help="make the rows and the site in this folder and leave them there")
    parser.add_argument("--build", nargs=2, type=Path, metavar=("ROWS", "OUT"), help="build once and print its numbers")
    options = parser.parse_args()
    if options.build:
        build(*options.build)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        sys.exit(report(folder, options.rows, options.repeat, options.loads))


def report(folder: Path, count: int, repeat: int, times: int) -> int:
    """Print what was measured; 1 if a limit is exceeded."""
    rows = folder / f"rows{count}.csv"
    maker = [sys.executable, str(ROOT / "scripts" / "bench_matrix.py"), "--make", str(rows), "--rows", str(count)]
    subprocess.run(maker, check=True)  # in a process of its own: a child's peak memory begins with its parent's
    runs = [built(rows, folder / f"site{number}") for number in range(repeat)]
    out = folder / "site0"
    seconds, peak = min(run["seconds"] for run in runs), max(run["peak"] for run in runs)
    print(f"{count} rows, {os.cpu_count()} CPUs, load {_busy()}, Python {platform.python_version()}")
    print(
        f"build     {seconds:.1f} s at best of {[round(run['seconds'], 1) for run in runs]}, {peak // MIB} MiB at most"
    )
    print(f"          {min(run['cpu'] for run in runs):.1f} s of CPU")
    _tell_files(out)
    over = [] if seconds <= BUILD_SECONDS else ["build"]
    for page in ("index.html", _greatest(out, "gpu")):
        median, asked, heap = loads(out / page, times)
        raw, packed = weights(path for path in asked if path.is_file())
        print(f"{page}: {len(asked)} files, {raw:,} bytes, gzip -9 {packed:,}; script's heap {heap / MIB:.1f} MiB")
        print("   median ms of", times, "loads:", ", ".join(f"{name} {value:.0f}" for name, value in median.items()))
        if page == "index.html":
            over += ["load"] * (median["load"] > 1000 * LOAD_SECONDS) + ["weight"] * (packed > FIRST_PAGE_BYTES)
    print("over its limit:", ", ".join(over) or "nothing")
    return 1 if over else 0


def _tell_files(out: Path) -> None:
    print(f"{'files':26}{'number':>8}{'median':>12}{'greatest':>12}{'all':>14}")
    for kind, sizes in kinds(out).items():
        print(f"{kind:26}{len(sizes):8}{sizes[len(sizes) // 2]:12,}{sizes[-1]:12,}{sum(sizes):14,}")


def _greatest(out: Path, folder: str) -> str:
    pages = (out / folder).glob("*.html")
    return max(pages, key=lambda path: path.stat().st_size).relative_to(out).as_posix()


def _busy() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"


if __name__ == "__main__":
    main()
