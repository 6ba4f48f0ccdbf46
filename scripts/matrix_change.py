"""Tells in Markdown what a change of matrix/results means: new keys, changed verdicts, contradictions.

    python scripts/matrix_change.py BASE HEAD [-o FILE]

BASE and HEAD are folders (a checkout, a matrix/ or its results/) or revisions of the git repository around the current
folder. Both are read as data and nothing of them runs; every text of theirs comes out as code, so that no cell can
mention anybody, link, form a table or speak to a workflow. Needs Python's standard library only. Exit code 4: a side
cannot be read.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hwcompat import markdown, matrix
from hwcompat.cardnames import card_of_row
from hwcompat.consensus import Consensus, Explanation, consensus_of
from hwcompat.digests import Disagreement, disagreements
from hwcompat.errors import DataError, HwcompatError
from hwcompat.merging import standing
from hwcompat.model import CAPABILITIES, Row
from hwcompat.query import Key, together
from hwcompat.tables import load_tables
from hwcompat.wording import ascii_line

MAX_FILE, MAX_FILES = 32 * 2**20, 5000
"""Bytes of one row file and number of files: far beyond the matrix, far below what exhausts a runner."""
MAX_TEXT = 60_000
"""Characters of the answer: GitHub takes comments of up to 65,536."""
MARK = "<!-- matrix change -->"
"""The first line: by it the workflow finds its own comment again."""
NOTHING = "Nothing in matrix/results changes."
"""The whole answer where that is so: the workflow then writes no comment."""
SHOWN = 20
"""Items of one list; the rest is counted."""

_ABSENT = "column is missing, taken as empty"
"""A warning that costs no line: a file of an older version lacks newer columns."""

Groups = Mapping[Key, Sequence[Row]]
_GOOD = frozenset(("ok", "slow", "emulated"))


@dataclass(frozen=True)
class Side:
    """The rows of one side, and what in its files is no row."""

    rows: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """What became of the rows; each list in canonical order."""

    new_keys: tuple[Key, ...]
    gone_keys: tuple[Key, ...]
    added: tuple[Row, ...]
    removed: tuple[Row, ...]
    edited: tuple[tuple[Row, Row], ...]
    verdicts: tuple[tuple[Key, str, Consensus, Consensus], ...]
    contradictions: tuple[tuple[Key, str, Consensus], ...]
    digests: tuple[Disagreement, ...]
    unread: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args(arguments)
    try:
        text = as_markdown(change(read_side(options.base), read_side(options.head)))
    except HwcompatError as error:
        print(f"error: {ascii_line(error.message)}\n  {ascii_line(error.hint)}", file=sys.stderr)
        return error.exit_code
    if options.output:
        options.output.write_text(text, encoding="ascii", newline="\n")
    else:
        print(text, end="")
    return 0


# --- what became of the rows ------------------------------------------------------------------------------------------


def change(before: Side, after: Side) -> Change:
    """Compares two sides; the order of their rows is irrelevant. Which names mean one card, this tree's tables say."""
    old, new = set(before.rows), set(after.rows)
    edited = _edited(old - new, new - old)
    gone, come = {one for one, _ in edited}, {one for _, one in edited}
    card_of = card_of_row(load_tables())
    then, now = together(standing(old), card_of), together(standing(new), card_of)
    touched = sorted(key for key in now if set(now[key]) != set(then.get(key, ())))
    return Change(
        new_keys=tuple(sorted(now.keys() - then.keys())),
        gone_keys=tuple(sorted(then.keys() - now.keys())),
        added=tuple(sorted(new - old - come)),
        removed=tuple(sorted(old - new - gone)),
        edited=edited,
        verdicts=tuple(_changed_verdicts(touched, then, now)),
        contradictions=tuple(_contradictions(touched, now)),
        digests=disagreements(row for key in touched for row in now[key]),
        unread=tuple(sorted(set(after.warnings) - set(before.warnings))),
    )


def _edited(old: Iterable[Row], new: Iterable[Row]) -> tuple[tuple[Row, Row], ...]:
    """Rows of one report on both sides that differ."""
    by_report = {row.report_id: row for row in sorted(old) if row.report_id}
    pairs = ((by_report[row.report_id], row) for row in sorted(new) if row.report_id in by_report)
    return tuple(pairs)


def _changed_verdicts(
    keys: Iterable[Key], then: Groups, now: Groups
) -> Iterator[tuple[Key, str, Consensus, Consensus]]:
    for key in keys:
        for name in CAPABILITIES if key in then else ():
            old, new = consensus_of(then[key], name), consensus_of(now[key], name)
            if (old.verdict, old.outcome) != (new.verdict, new.outcome):
                yield key, name, old, new


def _contradictions(keys: Iterable[Key], now: Groups) -> Iterator[tuple[Key, str, Consensus]]:
    """Rows of a key say both, also where too little of it has a vote to change the verdict."""
    for key in keys:
        for name in CAPABILITIES:
            said = consensus_of(now[key], name)
            if "faulty" in said.counts and _GOOD & set(said.counts):
                yield key, name, said


# --- in Markdown ------------------------------------------------------------------------------------------------------


def as_markdown(found: Change) -> str:
    """ASCII Markdown of bounded length; every word that stood in a row or a file's name is code."""
    if not (found.added or found.edited or found.removed or found.unread):
        return f"{MARK}\n{NOTHING}\n"
    parts = [
        f"{MARK}\n### What this change means for the matrix",
        f"{len(found.added)} rows added, {len(found.edited)} edited, {len(found.removed)} removed; "
        f"{len(found.new_keys)} new keys, {len(found.gone_keys)} keys gone.",
        *_section("Who speaks in the added rows", _voices(found.added), lambda one: one),
        *_section("Contradictions", found.contradictions, _contradiction_line),
        *_section("Digests that disagree", found.digests, _digest_line),
        *_section("Changed verdicts", found.verdicts, _verdict_line),
        *_section("New keys", found.new_keys, _key_words),
        *_section("Keys gone", found.gone_keys, _key_words),
        *_section("Rows removed", found.removed, _row_words),
        *_section("Rows edited", found.edited, _edit_line),
        *_section("Lines that are no rows", found.unread, lambda text: markdown.code(text[:300])),
    ]
    text = "\n\n".join(parts) + "\n"
    return text if len(text) <= MAX_TEXT else _shortened(text)


def _shortened(text: str) -> str:
    """Cut between two lines: a cut inside a line could open what it no longer closes."""
    return text[:MAX_TEXT].rpartition("\n")[0] + "\n\nThe rest is too long for a comment.\n"


def _section(title: str, items: Sequence[object], line: Callable[..., str]) -> list[str]:
    if not items:
        return []
    lines = [f"- {line(item)}" for item in items[:SHOWN]]
    lines += [f"- and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return [f"#### {title}", "\n".join(lines)]


def _key_words(key: Key) -> str:
    return " ".join(markdown.code(part[:120]) for part in key if part) or "a row without a card"


def _row_words(row: Row) -> str:
    words = " ".join(markdown.code(part[:120]) for part in (row.gpu or row.chip, row.os, row.torch, row.cuda) if part)
    return f"{words} {markdown.code(row.report_id[:40] or 'no report id')}"


def _contradiction_line(item: tuple[Key, str, Consensus]) -> str:
    key, name, said = item
    why = "".join(f"; {_explanation_words(one)}" for one in said.explanations)
    return f"{_key_words(key)}: {name} is {_counts(said)}, together {said.verdict}{why}"


def _voices(rows: Iterable[Row]) -> list[str]:
    """Whoever is named there should have opened the pull request, or be known to have sent the row."""
    voices = Counter(row.contributor or row.url or "anonymous" for row in rows)
    return [f"{markdown.code(voice[:80])}: {count}" for voice, count in sorted(voices.items())]


def _digest_line(one: Disagreement) -> str:
    machine = " ".join(markdown.code(value[:60]) for value in one.key.values() if value)
    suspects = ", ".join(markdown.code(row.report_id[:40] or "no report id") for row in one.suspects[:5])
    return f"{one.kind} digests of {machine}: look at {suspects}"


def _explanation_words(one: Explanation) -> str:
    passing, failing = (
        " ".join(markdown.code(value[:60]) for value in side[:3]) for side in (one.passing, one.failing)
    )
    return f"{one.column} {passing} passes, {failing} fails"


def _verdict_line(item: tuple[Key, str, Consensus, Consensus]) -> str:
    key, name, old, new = item
    return f"{_key_words(key)}: {name} was {old.verdict}, {_counts(old)}; now {new.verdict}, {_counts(new)}"


def _counts(said: Consensus) -> str:
    """The words are verdicts, checked when the row was read."""
    return " and ".join(f"{word} in {count}" for word, count in sorted(said.counts.items())) or "not said"


def _edit_line(pair: tuple[Row, Row]) -> str:
    old, new = pair
    cells = zip(Row._fields, old, new, strict=True)
    changed = (f"{name} {markdown.code(a[:60])} -> {markdown.code(b[:60])}" for name, a, b in cells if a != b)
    return f"{_row_words(new)}: {'; '.join(changed)}"


# --- reading ----------------------------------------------------------------------------------------------------------


def read_side(named: str) -> Side:
    """The rows of a folder or of a git revision. DataError where it is neither."""
    folder = Path(named)
    if folder.is_dir():
        # Plain files only: a link could lead out of the folder.
        found = sorted(_results(folder).glob("*.csv"))
        return _read([(file.name, file) for file in found if file.is_file() and not file.is_symlink()])
    with tempfile.TemporaryDirectory() as temporary:
        return _read(_exported(named, Path(temporary)))


def _results(folder: Path) -> Path:
    """A checkout, a matrix folder, or the folder of the row files itself."""
    return next((inner for part in ("matrix/results", "results") if (inner := folder / part).is_dir()), folder)


def _read(files: Sequence[tuple[str, Path]]) -> Side:
    """The rows of files, each with the name that warnings call it by."""
    _check_number(len(files))
    rows: list[Row] = []
    warnings: list[str] = []
    for name, file in files:
        _check_size(name, file.stat().st_size)
        found, wrong = matrix.read_rows(file)
        rows += found
        warnings += [name + text.removeprefix(str(file)) for text in wrong if not text.endswith(_ABSENT)]
    return Side(tuple(rows), tuple(warnings))


def _check_number(files: int) -> None:
    if files > MAX_FILES:
        raise DataError(f"{files} row files, the limit is {MAX_FILES}", "one file a chip")


def _check_size(name: str, size: int) -> None:
    if size > MAX_FILE:
        raise DataError(f"{name} has {size} bytes, the limit is {MAX_FILE}", "one file a chip")


def _exported(revision: str, folder: Path) -> list[tuple[str, Path]]:
    """The plain files of matrix/results at `revision`, under numbers: no name from a tree reaches the disk."""
    commit = _git("rev-parse", "--verify", "--end-of-options", revision + "^{commit}").decode().strip()
    entries = _git("ls-tree", "-z", "--full-tree", commit, "matrix/results/").split(b"\0")
    chosen = [entry.partition(b"\t") for entry in entries if entry.startswith(b"100") and entry.endswith(b".csv")]
    _check_number(len(chosen))
    files = []
    for number, (facts, _, path) in enumerate(chosen):
        name, blob = path.decode("utf-8", "replace").rpartition("/")[2], facts.split()[2].decode()
        _check_size(name, int(_git("cat-file", "-s", blob)))
        file = folder / f"{number:05}.csv"
        file.write_bytes(_git("cat-file", "blob", blob))
        files.append((name, file))
    return files


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=True)
    except (OSError, ValueError) as error:
        raise DataError(f"git cannot be started: {error}", "name two folders") from error
    except subprocess.CalledProcessError as error:
        words = error.stderr.decode("utf-8", "replace").strip()
        raise DataError(f"git: {words}", "name a folder, or a revision of this repository") from error
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
