"""Reads the row out of an issue that was opened with the row form, checks it, and prints or keeps it.

    gh issue view 12 --json body,author > issue.json
    python scripts/row_from_issue.py issue.json [--matrix matrix]

The file holds that JSON, or the issue's text as it stands. The text is data: nothing of it runs. Prints CSV; --matrix
merges the rows into that folder's results/ instead. Exit code 4: the issue holds no row that the matrix takes, with the
reason.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hwcompat import contribute, lint, matrix
from hwcompat.errors import DataError, HwcompatError
from hwcompat.model import Row
from hwcompat.wording import ascii_line

MAX_BYTES = 2**20
"""An issue holds at most 65,536 characters; as JSON each can take six bytes."""
_AGAIN = "ask for the output of hwcompat contribute in the form's field"
_SECTION = re.compile(r"^### Row[ \t]*\n(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^(`{3,})[^`\n]*\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_REPORT_ID = re.compile(r"[0-9a-f]{16}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("issue", type=Path)
    parser.add_argument("--matrix", type=Path)
    options = parser.parse_args(arguments)
    try:
        rules = lint.Rules(lint.read_facts(datetime.now(timezone.utc).date().isoformat()))
        rows = rows_of_issue(*read_issue(options.issue), rules)
        if options.matrix is None:
            print(matrix.to_text(rows), end="")
        else:
            _keep(options.matrix, rows)
    except HwcompatError as error:
        print(f"error: {ascii_line(error.message)}\n  {ascii_line(error.hint)}", file=sys.stderr)
        return error.exit_code
    return 0


def _keep(folder: Path, rows: Sequence[Row]) -> None:
    if not folder.joinpath("results").is_dir():
        raise DataError(f"{folder} is no matrix folder", "name the matrix/ of a checkout")
    for edit in contribute.edits(folder, rows):
        contribute.write([edit])
        print(f"{edit.path.name}: {'has this row already' if edit.there else 'got a row'}")


def read_issue(path: Path) -> tuple[str, str]:
    """The issue's text and its author's login ("" if the file does not say). DataError for anything else."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES} bytes", "an issue is shorter than that")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}", "name a file with the issue's text or JSON") from error
    if not text.lstrip().startswith("{"):
        return text, ""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}", "gh issue view NUMBER --json body,author") from error
    body, author = document.get("body"), document.get("author")
    login = author.get("login") if isinstance(author, dict) else ""
    if not isinstance(body, str) or not isinstance(login, str):
        raise DataError(f"{path}: holds no body", "gh issue view NUMBER --json body,author")
    return body, login


def rows_of_issue(body: str, author: str = "", rules: lint.Rules | None = None) -> tuple[Row, ...]:
    """The rows in the form's field, each one valid, measured and spoken in nobody else's name. DataError otherwise."""
    rows, warnings = _parsed(_field(body))
    wrong = [text for text in warnings if not text.endswith("column is missing, taken as empty")]
    wrong += contribute.findings(rows, rules)[0]
    for number, row in enumerate(rows, 1):
        wrong += [f"row {number}: {reason}" for reason in _objections(row, author)]
    if wrong or not rows:
        raise DataError("; ".join(wrong[:10]) or "the field holds no row", _AGAIN)
    return rows


def _field(body: str) -> str:
    """What was written into the form's field "Row": GitHub puts it into a block of code under a heading."""
    section = _SECTION.search(body.replace("\r\n", "\n"))
    if section is None:
        raise DataError('the issue has no section "### Row"', _AGAIN)
    block = _FENCED.search(section[1])
    return (block[2] if block else section[1]).strip() + "\n"


def _parsed(text: str) -> tuple[tuple[Row, ...], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "issue.csv"
        file.write_text(text, encoding="utf-8", errors="replace", newline="\n")
        rows, warnings = matrix.read_rows(file)
    return rows, [text.removeprefix(f"{folder}").lstrip("/\\") for text in warnings]


def _objections(row: Row, author: str) -> list[str]:
    found = []
    if row.source != "measured":
        found.append("source: the form is for measured rows")
    if not _REPORT_ID.fullmatch(row.report_id):
        found.append("report_id: not 16 hexadecimal digits")
    if row.contributor and author and row.contributor.lower() != author.lower():
        found.append(f"contributor: {row.contributor} did not open this issue")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
