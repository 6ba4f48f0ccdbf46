"""`hwcompat matrix merge`: several files or folders of rows as one, nothing lost."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwcompat.console import give, say
from hwcompat.errors import DataError, UsageError

if TYPE_CHECKING:
    from hwcompat.model import Row

HARMLESS = "column is missing, taken as empty"
SHOWN = 20
"""Findings told one by one."""


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File (.csv) or matrix folder to merge into, with its rows."
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if merging would change -o (default: the first).")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change in -o (default: the first).")
def merge(sources: tuple[Path, ...], output: Path | None, check: bool, diff: bool) -> int:
    """Merge the rows of SOURCES (files, or folders of them) into one collection, sorted, without doubles.

    A run sent in again becomes one more id in its row, never a new row; retracted and superseded rows are kept. The
    order of SOURCES does not matter. Without -o the result is printed as CSV. With a folder, each row goes to the file
    of its chip. Where any line of any source cannot be read, nothing is written.
    """
    from hwcompat import matrix as matrices
    from hwcompat import merging

    target = output or (sources[0] if check or diff else None)
    if target is None:
        read = _read(sources)
        give(matrices.to_text(merging.merge(read)), None)
        _tell(read)
        return 0
    if check or diff:
        return _compare(_plan(sources, target), check, diff)
    _write(sources, target)
    return 0


# --- reading ----------------------------------------------------------------------------------------------------------


def _read(sources: Sequence[Path]) -> list[Row]:
    """Every row of every source. DataError, with each finding told, where any line would be lost."""
    from hwcompat import matrix as matrices

    rows: list[Row] = []
    findings: list[str] = []
    for file in dict.fromkeys(file for source in sources for file in _files(source)):
        found, warnings = matrices.read_rows(file)
        rows += found
        findings += [text for text in warnings if not text.endswith(HARMLESS)]
    if findings:
        say(*findings[1 : SHOWN + 1])
        hint = "correct these lines (hwcompat matrix validate lists them all), then merge again"
        raise DataError(f"{findings[0]}; {len(findings)} finding(s) in all, nothing was written", hint)
    return rows


def _files(source: Path) -> list[Path]:
    """The row files of a folder (of its `results/`, where it has one), or the file itself."""
    if not source.is_dir():
        return [source]
    files = sorted(_home(source).glob("*.csv"))
    if not files:
        raise DataError(f"{source} holds no row file", "name a matrix folder, or a folder of CSV files of rows")
    return files


def _home(folder: Path) -> Path:
    """Where the row files of a folder are, or would be."""
    flat = not (folder / "results").is_dir() and any(folder.glob("*.csv"))
    return folder if flat or folder.name == "results" else folder / "results"


# --- what would change ------------------------------------------------------------------------------------------------


def _plan(sources: Sequence[Path], target: Path) -> dict[Path, tuple[Row, ...]]:
    """The rows of every file of `target` after merging; files that would only be what they are included."""
    from hwcompat import matrix as matrices
    from hwcompat import merging

    present = _files(target) if target.is_file() or _has_files(target) else []
    rows = merging.merge(_read([*sources, *present]))
    if not _is_folder(target):
        return {target: rows}
    home = _home(target)
    plan: dict[Path, list[Row]] = {path: [] for path in present}
    for row in rows:
        plan.setdefault(home / matrices.row_path(target, row).name, []).append(row)
    return {path: tuple(found) for path, found in plan.items()}


def _is_folder(target: Path) -> bool:
    return target.is_dir() or (not target.exists() and target.suffix.lower() != ".csv")


def _has_files(target: Path) -> bool:
    return target.is_dir() and any(_home(target).glob("*.csv"))


def _changes(plan: Mapping[Path, Sequence[Row]]) -> Iterator[tuple[Path, bytes, bytes]]:
    """(file, content now, content after) of every file that would change."""
    from hwcompat import matrix as matrices
    from hwcompat import store

    for path in sorted(plan):
        old = store.read_bytes(path) if path.exists() else b""
        new = matrices.to_text(plan[path]).encode("utf-8")
        if old != new:
            yield path, old, new


def _compare(plan: Mapping[Path, Sequence[Row]], check: bool, diff: bool) -> int:
    changes = list(_changes(plan))
    for path, old, new in changes if diff else []:
        before, after = (content.decode("utf-8", "replace").splitlines() for content in (old, new))
        click.echo(
            "\n".join(difflib.unified_diff(before, after, f"{path} (now)", f"{path} (merged)", lineterm="", n=0))
        )
    say(*(f"would change: {path}" for path, _, _ in changes))
    say(*([] if changes else ["nothing would change"]))
    return 1 if check and changes else 0


# --- writing ----------------------------------------------------------------------------------------------------------


def _write(sources: Sequence[Path], target: Path) -> None:
    """Each file is replaced at once, under its lock. A row that moves to another file is there before it leaves the
    old one, so that a kill at any moment leaves a double and never a gap."""
    from hwcompat import store

    if target.exists() and not target.is_file() and not target.is_dir():
        raise UsageError(f"{target} is neither a file nor a folder", "name a .csv file or a folder")
    expected = set(_plan(sources, target))
    with ExitStack() as held:
        for path in sorted(expected):
            held.enter_context(store.lock(path))
            store.sweep_temporaries(path)
        plan = _plan(sources, target)  # again: others may have written before the locks were ours
        if not set(plan) <= expected:
            raise DataError(f"{target} changed while it was read", "run the command again")
        changed = [path for path, _, _ in _changes(plan)]
        for path in changed if _is_folder(target) else []:
            _replace(path, _with_leaving(path, plan[path]))
        for path in changed:
            _replace(path, plan[path])
    say(*([f"wrote {path}" for path in changed] or [f"{target} held everything already"]))
    _tell([row for rows in plan.values() for row in rows])


def _with_leaving(path: Path, rows: Sequence[Row]) -> tuple[Row, ...]:
    """`rows` and those of the file's own that belong into another file."""
    from hwcompat import matrix as matrices

    old = matrices.read_rows(path)[0] if path.exists() else ()
    return (*rows, *(row for row in old if matrices.row_path(path.parent, row).name != path.name))


def _replace(path: Path, rows: Iterable[Row]) -> None:
    from hwcompat import matrix as matrices
    from hwcompat import store

    new = matrices.to_text(rows).encode("utf-8")
    if not path.exists() or store.read_bytes(path) != new:
        store.write_bytes_atomic(path, new)


def _tell(rows: Sequence[Row]) -> None:
    from hwcompat import merging

    merged = merging.merge(rows)
    observations = len({one for row in merged for one in merging.report_ids(row)})
    withdrawn = len(merged) - len(merging.standing(merged))
    say(f"{len(merged)} rows of {observations} reports; {withdrawn} of the rows are retracted or superseded")
