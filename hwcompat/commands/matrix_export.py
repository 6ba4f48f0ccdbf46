"""`hwcompat matrix export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hwcompat.console import say

from ._filters import chosen_filter, filter_options
from ._rows import chosen_rows


@click.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@filter_options
def export(out: Path, files: tuple[Path, ...], **filters: Any) -> None:
    """Write rows to OUT.parquet, OUT.sqlite, OUT.csv or OUT.json: of FILES, or of the packaged and local matrix.

    The numbers are numbers in Parquet and SQLite, and what is unknown is null. Parquet needs the extra "query".
    """
    from hwcompat import export as exporting
    from hwcompat import query
    from hwcompat.errors import UsageError

    if out.suffix.lower() not in exporting.FORMATS:
        raise UsageError(f"{out.name}: the ending names no format", f"choose of {' '.join(exporting.FORMATS)}")
    wanted = chosen_filter(filters)
    rows = query.select(chosen_rows(files, query.conditions(wanted)), wanted)
    count = exporting.export(rows, out)
    say(f"wrote {count} rows to {out}")
