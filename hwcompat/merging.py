"""Rows of several sources as one collection, and which of them count. Pure: rows in, rows out, no file, no table.

A *re-submission* is a measured row that differs from another only in its run: same machine, same software, same
contributor, same verdicts, failures and digests, another report id. It is no new row. The row that stands for both
lists the ids of both in `report_id`, sorted and separated by spaces, and has the date and the speeds of the newest run:
the number of ids is the number of observations, and merging the same rows again adds none. The older runs stay in
their reports.

Nothing else is folded, so that nobody's word disappears: the contributor is part of what must be equal (several voices
outweigh one), the version of the probes is, and so is `retracted`: a withdrawn row stands beside the valid ones.
Users' reports are never folded, each thread is its own witness; nor are rows without a report id.

`merge` is idempotent, commutative and associative because every cell is either part of the key of a fold or joined by
an operation that is: union for ids, the greatest for a run, and within one run the greatest for each edited cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

from .model import Row

MAX_CELL = 2048
"""Characters of a cell of ids, as in the schema: 120 reports of 16 hex digits. The shortest ids stay, of equally long
ones the first in the alphabet; from then on a row says "at least 120 observations". Shortest first keeps `merge`
associative: what is left out would not have fitted after anything that is kept."""

_SPEEDS = tuple(name for name in Row._fields if name.endswith(("_tflops", "_speedup", "_gbs")))
EDITED = ("url", "supersedes", "note")
"""What people add to a row afterwards without changing what it says or who says it."""
_RUN = ("date", *_SPEEDS)
"""What a further run of the same card measures anew."""

_fold_key = attrgetter(*(name for name in Row._fields if name not in {"report_id", *_RUN, *EDITED}))
_copy_key = attrgetter(*(name for name in Row._fields if name not in {"report_id", *EDITED}))
_run_of = attrgetter(*_RUN)


# --- ids --------------------------------------------------------------------------------------------------------------


def report_ids(row: Row) -> tuple[str, ...]:
    """The reports that `row` stands for, sorted; none for a row that names no report."""
    return _split(row.report_id)


def superseded_ids(row: Row) -> tuple[str, ...]:
    """The reports that `row` replaces. A row does not replace itself; one that stands for several reports may replace
    some of them: it was folded from a row and the one that replaced it."""
    named = _split(row.supersedes) if row.supersedes else ()
    own = _split(row.report_id)
    return tuple(each for each in named if each not in own) if len(own) == 1 else named


def _split(cell: str) -> tuple[str, ...]:
    return (cell,) if cell.isalnum() else tuple(sorted(set(cell.split())))  # most cells are one id, or empty


def joined(*cells: str) -> str:
    """One cell with the ids of all `cells`."""
    return _cell(one for cell in cells for one in _split(cell))


def _cell(ids: Iterable[str]) -> str:
    """The shortest of `ids` that fit in a cell, at least one, sorted by the alphabet."""
    kept: list[str] = []
    length = -1
    for one in sorted(set(ids), key=lambda text: (len(text), text)):
        length += len(one) + 1
        if kept and length > MAX_CELL:
            break
        kept.append(one)
    return " ".join(sorted(kept))


# --- merging ----------------------------------------------------------------------------------------------------------


def merge(*many: Iterable[Row]) -> tuple[Row, ...]:
    """The union of rows in the order of a written file, re-submissions folded: idempotent, commutative, associative.

    Rows that share a report id and disagree on a verdict, a digest or a machine all stay: dropping one could hide a
    failure.
    """
    alone: set[Row] = set()
    groups: dict[tuple[object, ...], list[Row]] = {}
    for rows in many:
        for row in rows:
            if key := _key(row):
                groups.setdefault(key, []).append(row)
            else:
                alone.add(row)
    return tuple(sorted([*alone, *map(_folded, groups.values())]))


def same(row: Row) -> tuple[object, ...]:
    """Equal for two rows exactly where `merge` makes one row of them."""
    return _key(row) or row


def thread(row: Row) -> str:
    """Where a user told it: of such a row the URL is the voice, so rows of two threads are never joined."""
    return row.url if row.source == "reported" else ""


def _key(row: Row) -> tuple[object, ...]:
    """Rows with the same key are one row; () for a row that is only the same as its equals."""
    ids = report_ids(row)
    if not ids:
        return ()
    return ("measured", *_fold_key(row)) if row.source == "measured" else (ids, thread(row), *_copy_key(row))


def _folded(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return _normal(rows[0])
    newest = max(map(_run_of, rows))
    copies = [row for row in rows if _run_of(row) == newest]
    return copies[0]._replace(
        report_id=joined(*(row.report_id for row in rows)),
        supersedes=joined(*(_others(row) for row in rows)),
        url=max(row.url for row in copies),
        note=max(row.note for row in copies),
    )


def _normal(row: Row) -> Row:
    """`row` with its lists of ids sorted and bounded, as a fold leaves them."""
    if row.report_id.isalnum() and (
        not row.supersedes or (row.supersedes.isalnum() and row.supersedes != row.report_id)
    ):
        return row
    return row._replace(report_id=joined(row.report_id), supersedes=joined(_others(row)))


def _others(row: Row) -> str:
    """What `row` supersedes, without the naming of itself that means nothing."""
    return " ".join(superseded_ids(row))


# --- what counts ------------------------------------------------------------------------------------------------------


def withdrawn_ids(rows: Iterable[Row]) -> frozenset[str]:
    """The reports that count no more: of a retracted row, or superseded by any row.

    A retraction wins over every copy of the same report that does not know of it, whichever came first. What a row
    replaced stays replaced when that row is retracted itself: so one more retraction only ever takes evidence away.
    """
    found: set[str] = set()
    for row in rows:
        if row.retracted:
            found.update(report_ids(row))
        if row.supersedes:
            found.update(superseded_ids(row))
    return frozenset(found)


def standing(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows that count as evidence, in the order given: neither retracted nor superseded.

    Of a row that stands for several reports, those withdrawn are taken off its list, and its speeds with them: they
    may be of a withdrawn run. Give all rows at once: a row can be withdrawn by a row about another card.
    """
    listed = tuple(rows)
    gone = withdrawn_ids(listed)
    if not gone:
        return tuple(row for row in listed if not row.retracted) if any(row.retracted for row in listed) else listed
    return tuple(left for row in listed if (left := _left(row, gone)) is not None)


def _left(row: Row, gone: frozenset[str]) -> Row | None:
    if row.retracted:
        return None
    ids = report_ids(row)
    kept = [each for each in ids if each not in gone]
    if len(kept) == len(ids):
        return row
    return row._replace(report_id=" ".join(kept), **dict.fromkeys(_SPEEDS, "")) if kept else None
