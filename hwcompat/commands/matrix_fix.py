"""`hwcompat matrix fix`."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwcompat.console import give, output_option, say
from hwcompat.errors import DataError

if TYPE_CHECKING:
    from hwcompat.lint import Facts

DIFF_LINES = 5000  # comparing takes time by the square of the lines


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if a file would change.")
@click.option("--diff", "as_diff", is_flag=True, help="Change nothing; print what would change.")
@output_option
def fix(files: tuple[Path, ...], check: bool, as_diff: bool, output: Path | None) -> int:
    """Sort row FILES and spell their cells as the tables do; lines and cells not understood stay as they are."""
    from hwcompat import lint, store

    facts = lint.read_facts(datetime.now(timezone.utc).date().isoformat())
    changed, diffs = 0, []
    for path in files:
        if check or as_diff:
            old, new = _fixed(path, facts)
            diffs += _difference(path, old, new) if as_diff else []
        else:
            _expect_file(path)
            with store.lock(path):
                old, new = _fixed(path, facts)
                if new != old:
                    store.write_bytes_atomic(path, new)
        changed += new != old
        word = "would change" if check or as_diff else "changed"
        say(f"{path}: {word if new != old else 'is as it should be'}")
    if diffs:
        give("\n".join(diffs), output)
    return 1 if check and changed else 0


def _expect_file(path: Path) -> None:
    """Before the lock, which would make the folder."""
    if not path.is_file():
        raise DataError(f"{path} cannot be read: no such file", "name a row file")


def _fixed(path: Path, facts: Facts) -> tuple[bytes, bytes]:
    from hwcompat import store
    from hwcompat.lint import fixing

    try:
        if path.stat().st_size > fixing.MAX_FIX:
            raise DataError(f"{path} is larger than {fixing.MAX_FIX} bytes", "split it, one file a chip")
        old = store.read_bytes(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}", "name a row file"
        ) from None
    found = fixing.fixed(old, facts, str(path))
    for number in found.unread[:20]:
        say(f"{path}:{number}: kept as it is, at the end of the file: hwcompat matrix validate says what is wrong")
    if len(found.unread) > 20:
        say(f"{path}: {len(found.unread) - 20} more lines are kept as they are")
    return old, found.content


def _difference(path: Path, old: bytes, new: bytes) -> list[str]:
    import difflib

    from hwcompat.wording import ascii_line

    before, after = (text.decode("utf-8", "replace").split("\n") for text in (old, new))
    if max(len(before), len(after)) > DIFF_LINES:
        gone = len(set(before) - set(after))
        return [f"--- {path}: {gone} of {len(before)} lines change; more than {DIFF_LINES} lines are not compared"]
    lines = difflib.unified_diff(before, after, str(path), f"{path} (fixed)", lineterm="", n=0)
    return [ascii_line(line) for line in lines]
