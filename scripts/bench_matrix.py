"""Time and memory of the matrix at size: load, filter, validate, merge and SQL, beside DuckDB scanning the same file.

    python scripts/bench_matrix.py [--rows 100000] [--repeat 3] [--keep FOLDER]

Makes a file of synthetic rows (cards, builds and systems from the tables; speeds, digests, dates and ids as various as
real ones) and runs each step in a process of its own, the steps by turns, so that a busy machine slows all alike.
Reported: the least seconds of each step, its peak memory, and how many times DuckDB's scan of the file it takes. The
scan is `select count(*) from read_csv(FILE, all_varchar = true) where chip = ... and fp16 = 'faulty'` on two threads.
Needs the extra "query". Prints one JSON object; exit 1 if a limit for a million rows is exceeded (LIMITS, MOST_MIB).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hwcompat import matrix, merging, query, sql, tables
from hwcompat.model import Build, Card, Row

CHIP, VERDICT = "TU116", "faulty"
WANTED = query.Filter(chip=CHIP, verdict=(f"fp16={VERDICT}",))
WHERE = f"chip = '{CHIP}' and fp16 = '{VERDICT}'"
CONTRIBUTORS = 5000
LIMITS = {"filter_loaded": 2.0, "filter_by_name": 2.0, "show": 2.0, "show_by_name": 2.0, "validate": 60.0}
"""Seconds for a million rows."""
MOST_MIB = 4096
SECOND_OS = {"linux": ("linux", "linux", "linux", "wsl"), "windows": ("windows",), "macos": ("macos",)}


# --- rows -------------------------------------------------------------------------------------------------------------


def synthetic_rows(count: int, seed: int = 0) -> Iterator[Row]:
    """`count` rows, the same for the same seed, in no order; `matrix validate` finds nothing wrong in any of them."""
    some, known = random.Random(seed), tables.load_tables()
    cards = [card for card in known.cards if card.pci_ids]
    builds = [build for build in known.builds if build.tag.startswith("cu") and build.archs]
    digests = [f"{some.getrandbits(64):016x}" for _ in range(3000)]
    released = {build: datetime.date.fromisoformat(f"{build.release_date}-28"[:10]) for build in builds}
    last = max(released.values())
    for _ in range(count):
        build = some.choice(builds)
        day = released[build] + datetime.timedelta(some.randint(0, (last - released[build]).days))
        yield _row(some, some.choice(cards), build, digests)._replace(date=day.isoformat())


def _row(some: random.Random, card: Card, build: Build, digests: list[str]) -> Row:
    capable = ["ok"] * 8 + ["slow", "emulated", "unknown", "faulty"]
    fp16 = some.choice(capable)
    faulty = fp16 == "faulty"
    tflops = 1 + 0.2 * some.random()
    return Row(
        gpu=card.name,
        pci_id=card.pci_ids[0][:9],
        chip=card.chip,
        compute_capability=card.compute_capability,
        vram_gb=f"{card.vram_gb[0]:g}" if card.vram_gb and card.vram_gb[0] < 100 else "",
        driver=f"{some.choice((535, 550, 552, 560, 570, 580))}.{some.randrange(10, 200)}",
        os=some.choice(SECOND_OS[build.os]),
        arch=build.arch,
        python=f"{build.python_max}.{some.randrange(12)}",
        torch=f"{build.torch}+{build.tag}",
        cuda=build.tag,
        cudnn=build.cudnn,
        fp32="ok",
        fp16=fp16,
        amp_fp16=fp16,
        bf16=some.choice(("ok", "slow", "") if card.bf16_native else ("emulated", "unsupported", "")),
        memory="ok",
        fp32_tflops=f"{tflops:.4g}",
        fp16_tflops=f"{tflops * (0.2 + some.random()):.4g}",
        amp_fp16_speedup=f"{0.3 + some.random():.4g}",
        bandwidth_gbs=f"{20 + 20 * some.random():.4g}",
        failures="conv.forward:float16:fail conv.wgrad:float16:fail" if faulty else "",
        exact_digest=some.choice(digests),
        fingerprint_digest=some.choice(digests),
        source="measured",
        contributor=f"user{some.randrange(CONTRIBUTORS)}" if some.random() < 0.7 else "",
        hwcompat="0.1.0",
        suite="1",
        level=some.choice(("quick", "standard", "full")),
        report_id=f"{some.getrandbits(64):016x}",
        note=some.choice(("",) * 18 + ('laptop, "quiet" mode', "Gehäuse offen")),
    )


# --- steps, each in a process of its own ------------------------------------------------------------------------------


def _loaded(path: Path) -> tuple[Row, ...]:
    rows, warnings = matrix.read_rows(path)
    if warnings:
        raise SystemExit(f"{len(warnings)} findings: {warnings[0]}")
    return rows


def load(path: Path) -> tuple[float, object]:
    return _timed(lambda: len(_loaded(path)))


def filter_loaded(path: Path) -> tuple[float, object]:
    rows = _loaded(path)
    return _timed(lambda: len(query.select(rows, WANTED)))


def filter_by_name(path: Path) -> tuple[float, object]:
    rows = _loaded(path)
    wide = query.Filter(gpu="gtx 1660", torch=">=2.0", cuda=">=11.8", verdict=("faulty",), since="2025")
    return _timed(lambda: len(query.select(rows, wide)))


def show_by_name(path: Path) -> tuple[float, object]:
    """From the file to the lines, as a person asks."""
    filters = ("--gpu", "gtx 1660", "--torch", ">=2.0", "--cuda", ">=11.8", "--verdict", "faulty", "--since", "2025")
    return _timed(lambda: _command("matrix", "show", str(path), *filters))


def merge(path: Path) -> tuple[float, object]:
    """The first two thirds with the last two thirds: a third stands in both."""
    rows = _loaded(path)
    third = len(rows) // 3
    return _timed(lambda: len(merging.merge(rows[: 2 * third], rows[third:])))


def show(path: Path) -> tuple[float, object]:
    """From the file to the rows: what DuckDB's scan does."""
    return _timed(
        lambda: _command("matrix", "show", str(path), "--chip", CHIP, "--verdict", f"fp16={VERDICT}", "--csv")
    )


def validate(path: Path) -> tuple[float, object]:
    return _timed(lambda: _command("matrix", "validate", str(path)))


def sql_loaded(path: Path) -> tuple[float, object]:
    """With the copy of the rows into the database."""
    rows = _loaded(path)
    return _timed(lambda: sql.ask(f"select count(*) from rows where {WHERE}", rows, {}, 10).rows[0][0])


def duckdb_scan(path: Path) -> tuple[float, object]:
    import duckdb

    statement = f"select count(*) from read_csv(?, header = true, all_varchar = true) where {WHERE}"
    connection = duckdb.connect(config={"threads": "2"})
    return _timed(lambda: connection.execute(statement, [str(path)]).fetchall()[0][0])


STEPS = (duckdb_scan, load, filter_loaded, filter_by_name, show, show_by_name, validate, merge, sql_loaded)


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def _command(*arguments: str) -> str:
    """The lines of output and the exit code of a command in this process."""
    from hwcompat import cli

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            cli.run(arguments)
        except SystemExit as end:
            code = end.code
    return f"{len(out.getvalue().splitlines())} lines, exit {code}"


def run_step(name: str, path: Path) -> None:
    import resource  # Windows lacks it

    seconds, found = next(step for step in STEPS if step.__name__ == name)(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": round(seconds, 3), "peak_bytes": peak, "answer": found}))


def measured(name: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--step", name, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="make the file in this folder and leave it there")
    parser.add_argument("--make", type=Path, metavar="FILE", help="only make the file")
    parser.add_argument("--step", nargs=2, metavar=("NAME", "FILE"), help="run one step and print its numbers")
    options = parser.parse_args()
    if options.step:
        run_step(options.step[0], Path(options.step[1]))
        return
    if options.make:
        make(options.make, options.rows)
        return
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(options.keep or scratch, f"rows{options.rows}.csv")
        if not path.exists():  # in a process of its own: a child's peak memory begins with its parent's
            subprocess.run([sys.executable, __file__, "--make", str(path), "--rows", str(options.rows)], check=True)
        sys.exit(report(path, options.rows, options.repeat))


def make(path: Path, count: int) -> None:
    path.write_text(query.csv_text(sorted(synthetic_rows(count))), encoding="utf-8")


def report(path: Path, count: int, repeat: int) -> int:
    """Print what was measured; 1 if a limit is exceeded, which are for a million rows."""
    runs = [{step.__name__: measured(step.__name__, path) for step in STEPS} for _ in range(repeat)]
    best = {name: min((run[name] for run in runs), key=lambda one: one["seconds"]) for name in runs[0]}
    base = best["duckdb_scan"]["seconds"]
    for one in best.values():
        one["times_duckdb_scan"] = round(one["seconds"] / base, 2)
        one["peak_mib"] = one.pop("peak_bytes") // 2**20
    facts = {"rows": count, "file_mib": path.stat().st_size // 2**20, "cpus": os.cpu_count(), "repeat": repeat}
    over = [name for name, seconds in LIMITS.items() if best[name]["seconds"] > seconds]
    over += [f"{name}: memory" for name, one in best.items() if one["peak_mib"] > MOST_MIB]
    print(json.dumps({**facts, "python": platform.python_version(), "steps": best, "over": over}, indent=1))
    return 1 if over else 0


if __name__ == "__main__":
    main()
