"""From a report to what may be published of it: the rows, a commit message, a pull request, an issue link. Pure.

Three barriers stand one behind the other: `report.redact` (what its schema does not name is not there), `_published`
(no cell holds a word that names this machine, its user or a part of the card), and the eyes of the user, who is shown
every cell before anything is written. Texts of a report are data: nothing of them reaches a shell line unfiltered, and
Markdown shows them as code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

from . import lint, markdown, matrix, redaction, report
from .errors import UsageError
from .model import CAPABILITIES, Report, Row

REPOSITORY = "hwcompat/hwcompat"
"""Where issues and pull requests go: owner/name on GitHub. The only place that says so."""

MAX_URL = 8000
"""Characters of an issue link. GitHub answers longer addresses than 8191 bytes with "414 URI Too Long"
(https://github.com/github/docs/issues/5136)."""

_LOGIN = "https://github.com/login?return_to="
"""Who is not signed in is sent here first, with the whole link percent-encoded once more: that has to fit as well."""

_HANDLE = re.compile(r"(?!.*--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?")
_ID = re.compile(r"[0-9a-f]{16}")
_WRONG = "hwcompat probe again; if it stays, tell it in an issue"


class Contribution(NamedTuple):
    """What would be published.

    left_out   a sentence for every device of the run that gives no row
    new_cards  what the tables do not know yet of a card, and the line that they propose
    """

    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()
    new_cards: tuple[str, ...] = ()


# --- rows -------------------------------------------------------------------------------------------------------------


def contribution(
    run: Report,
    contributor: str = "",
    names: Sequence[str] = (),
    known: Collection[str] = (),
    rules: lint.Rules | None = None,
) -> Contribution:
    """The rows of a run, one a device that was measured.

    names  words that would give this machine or its user away (`redaction.machine_names()`)
    known  words of the tables and the catalogue (cards, chips, probes): they stay even if somebody is called so
    rules  those of the matrix; None: only the form of the cells is checked

    UsageError where no device gives a row, and for a row that the matrix would not take; both say why.
    """
    handle = checked_handle(contributor)
    devices = [(one, _refusal(one)) for one in (run, *run.others)]
    if all(reason for _, reason in devices):
        raise UsageError(f"nothing to contribute: {devices[0][1]}", _advice(run))
    published = (_published(report.to_row(one), names, frozenset(known)) for one, reason in devices if not reason)
    rows = tuple(row._replace(contributor=handle) for row in published)
    wrong, new_cards = findings(rows, rules)
    if wrong:
        raise UsageError(f"the matrix would not take this row: {'; '.join(wrong)}", _WRONG)
    return Contribution(rows, tuple(f"{one.device}: {reason}" for one, reason in devices if reason), new_cards)


def _refusal(one: Report) -> str:
    """Why one device's report is no row; empty if it is."""
    if one.simulated:
        return "the fault in this report was simulated"
    if one.interrupted:
        return "the run was interrupted"
    if not any(result.status not in ("skipped", "unsupported") for result in one.results):
        return "nothing was measured"
    if one.device != "cpu" and one.gpu is None:
        return f"nothing is known of the card behind {one.device}"
    return "" if _ID.fullmatch(one.id) else "its id is not one"


def _advice(run: Report) -> str:
    if run.simulated:
        return "hwcompat probe, without --simulate"
    return "let hwcompat probe run to its end, or name another report with --id or --report"


def checked_handle(name: str) -> str:
    """`name` if it is empty or could be a GitHub login (1 to 39 letters, digits, single hyphens); else UsageError."""
    if name and (not _HANDLE.fullmatch(name) or matrix.clean(name) != name):
        raise UsageError(
            f"{name!r} cannot be a contributor", "1 to 39 letters, digits and single hyphens; or leave it out"
        )
    return name


def findings(rows: Sequence[Row], rules: lint.Rules | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What speaks against the rows, and which cards are new. The matrix's rules are asked here and nowhere else."""
    if rules is None:
        cells = ((c, cell) for row in rows for c, cell in zip(matrix.COLUMNS, matrix.sort_key(row), strict=True))
        return tuple(f"{c.name}: {why}" for c, cell in cells if cell and (why := matrix.problem(c, cell))), ()
    found = lint.check_rows(rows, rules)
    wrong = tuple(f"{one.column}: {one.problem} ({one.rule})" for one in found if one.kind != lint.NEW)
    return wrong, tuple(f"{one.column}: {one.problem}; {one.advice}" for one in found if one.kind == lint.NEW)


# --- what could name somebody -----------------------------------------------------------------------------------------

_JOINTS = "._+-"
_JOINT = re.compile(f"[{_JOINTS}]")


def _published(row: Row, names: Sequence[str], known: frozenset[str]) -> Row:
    """The row without any cell that could name a person or a machine. A failure stays a failure."""
    cells = {}
    for column, cell in zip(matrix.COLUMNS, matrix.sort_key(row), strict=True):
        if column.kind == "text" and column.name != "report_id":
            cells[column.name] = _published_cell(column.name, cell, names, known)
    failures = " ".join(sorted({_published_failure(word, names, known) for word in row.failures.split()}))
    return matrix.clean_row(row._replace(**cells, failures=failures))


def _published_cell(name: str, cell: str, names: Sequence[str], known: frozenset[str]) -> str:
    if cell in known or cell.partition(" MIG ")[0] in known or _impersonal(cell, names):
        return cell
    if name == "gpu":
        scrubbed = (redaction.scrub(form, names) for form in _forms(cell))
        return next((text for text in scrubbed if _impersonal(text, names)), "")
    release = cell.partition("+")[0]  # of torch "2.13.0+built.by.ann"
    return release if name == "torch" and _impersonal(release, names) else ""


def _published_failure(word: str, names: Sequence[str], known: frozenset[str]) -> str:
    if word.count(":") != 2:  # "...", or what `findings` refuses
        return word
    probe, dtype, status = word.split(":")
    parts = (part if part in known or _impersonal(part, names) else "unknown" for part in (probe, dtype))
    return ":".join((*parts, status))


def _impersonal(text: str, names: Sequence[str]) -> bool:
    """Nothing in it is to be taken out, however its words are told apart."""
    return all(redaction.scrub(form, names) == form for form in _forms(text))


def _forms(text: str) -> tuple[str, ...]:
    """`text`, and what it reads like where points, signs or underscores stand between words."""
    return (text, *(text.replace(sign, " ") for sign in _JOINTS), _JOINT.sub(" ", text))


def shown(rows: Iterable[Row]) -> Iterator[str]:
    """Every cell that leaves the machine, a line a column, and the names of the columns that stay empty."""
    for row in rows:
        cells = matrix.cells(row)
        width = max(map(len, cells))
        yield from (f"  {name:{width}}  {cell}" for name, cell in cells.items() if cell)
        yield f"  empty: {' '.join(name for name, cell in cells.items() if not cell) or 'none'}"


# --- a checkout -------------------------------------------------------------------------------------------------------

_PROJECT = re.compile(r"""^name\s*=\s*["']hwcompat["']\s*$""", re.MULTILINE)


def is_checkout(folder: Path) -> bool:
    """True if `folder` is the top of a source tree of hwcompat."""
    try:
        project = (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return bool(_PROJECT.search(project)) and (folder / "matrix" / "results").is_dir()


class Edit(NamedTuple):
    """What writing one row to its file would do: nothing, if the row is `there` already."""

    path: Path
    row: Row
    there: bool


_facts = attrgetter(*(n for n in Row._fields if n not in ("url", "contributor", "supersedes", "retracted", "note")))
"""What a run measured, without what people add, change or withdraw afterwards."""


def edits(folder: Path, rows: Iterable[Row]) -> tuple[Edit, ...]:
    """What `write` would do to a matrix folder; reads it and changes nothing.

    A run counts once: its row is there even if it was withdrawn since, or is told in another name.
    """
    return tuple(_edit(matrix.row_path(folder, row), row) for row in rows)


def _edit(path: Path, row: Row) -> Edit:
    held = matrix.read_rows(path)[0] if path.exists() else ()
    return Edit(path, row, any(_same_run(one, row) for one in held))


def _same_run(held: Row, row: Row) -> bool:
    ids = held.report_id.split()  # a row can stand for several runs with the same outcome
    return row.report_id in ids and (len(ids) > 1 or _facts(held) == _facts(row))


def write(planned: Iterable[Edit]) -> None:
    """Merge the rows into their files: atomic, under the lock; lines that cannot be read stay. MachineError."""
    for edit in planned:
        if not edit.there:
            matrix.append_row(edit.path, edit.row, fold=True)


# --- words ------------------------------------------------------------------------------------------------------------

_UNSAFE = re.compile(r"[^A-Za-z0-9 .,:+()/_-]")
"""Signs that a POSIX shell, cmd or PowerShell could take for more than text between double quotes."""
_SUBJECT = 100


@dataclass(frozen=True)
class Words:
    """The texts around the rows: `subject` and `details` of the commit, the body of the pull request."""

    subject: str
    details: tuple[str, ...]
    body: str

    @property
    def commit_message(self) -> str:
        return "\n".join((self.subject, "", *self.details))


def words(rows: Sequence[Row], new_cards: Sequence[str] = ()) -> Words:
    """What a commit or a pull request of these rows says."""
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    subject = _plain(f"Add a row of {_card(rows[0])}", _SUBJECT - len(more)) + more
    details = tuple(_plain(_sentence(row), 300) for row in rows)
    return Words(subject, details, _body(rows, new_cards))


def _plain(text: str, limit: int) -> str:
    return _UNSAFE.sub("_", text)[:limit].rstrip()


def _card(row: Row) -> str:
    chip = f" ({row.chip})" if row.chip and row.chip != "cpu" else ""
    build = f", torch {row.torch}" if row.torch else ""
    return f"{row.gpu or row.pci_id or 'an unnamed card'}{chip}{build}, {row.os or 'unknown OS'}"


def _sentence(row: Row) -> str:
    told = [f"{name} {cell}" for name in CAPABILITIES if (cell := getattr(row, name)) and cell != "unknown"]
    return f"{_card(row)}: {', '.join(told) or 'no verdict'}. Report {row.report_id}, hwcompat {row.hwcompat}."


def _body(rows: Sequence[Row], new_cards: Sequence[str]) -> str:
    blocks = ["Measured with `hwcompat probe` and prepared by `hwcompat contribute`."]
    for row in rows:
        lines = ["| column | value |", "|---|---|"]
        lines += [f"| {name} | {markdown.code(cell)} |" for name, cell in matrix.cells(row).items() if cell]
        blocks.append("\n".join(lines))
    blocks += [f"A new card: {markdown.code(text)}" for text in new_cards]
    blocks.append("Rows are published under CC0-1.0.")
    return "\n\n".join(blocks)


def git_lines(planned: Sequence[Edit], texts: Words, folder: Path) -> tuple[str, ...]:
    """Commands to copy, the same in every shell: only plain signs stand between the quotes."""
    files = sorted({edit.path.relative_to(folder).as_posix() for edit in planned})
    messages = " ".join(f'-m "{text}"' for text in (texts.subject, *texts.details))
    branch = f"row-{planned[0].row.report_id}"
    return (
        f"git switch -c {branch}",
        f"git add {' '.join(files)}",
        f"git commit {messages}",
        f"git push -u origin {branch}",
    )


# --- a link -----------------------------------------------------------------------------------------------------------


class Link(NamedTuple):
    """A pre-filled issue; `filled` is False where the rows are too long for a link and have to be pasted."""

    url: str
    filled: bool


def issue_link(rows: Sequence[Row], repository: str = REPOSITORY) -> Link:
    """The address of the form `.github/ISSUE_TEMPLATE/row.yml`, its fields filled by their ids."""
    fields = {"template": "row.yml", "title": words(rows).subject}
    whole = _issue_url(repository, {**fields, "row": matrix.to_text(rows)})
    if _longest_form(whole) <= MAX_URL:
        return Link(whole, True)
    return Link(_issue_url(repository, fields), False)


def _issue_url(repository: str, fields: dict[str, str]) -> str:
    return f"https://github.com/{repository}/issues/new?{urlencode(fields, quote_via=quote, safe='')}"


def _longest_form(url: str) -> int:
    return len(_LOGIN + quote(url, safe=""))
