"""`hwcompat matrix sql`."""

from __future__ import annotations

import atexit
import csv
import gc
import io
import json
from collections.abc import Sequence
from pathlib import Path

import click

from hwcompat.console import give, json_option, output_option, say

from ._rows import chosen_rows


@click.command()
@click.argument("query")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Rows at most.")
@click.option("--seconds", type=click.FloatRange(0.001, 86_400), default=60.0, show_default=True, help="Time at most.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@output_option
def sql(
    query: str,
    files: tuple[Path, ...],
    limit: int,
    seconds: float,
    as_csv: bool,
    as_json: bool,
    output: Path | None,
) -> None:
    """Answer one SELECT over the matrix with DuckDB (extra "query").

    The rows of FILES, or of the packaged, extra and local matrix, are table "rows"; the other tables (gpus,
    torch_builds, faults ...) have the names of their files. Unknown is null. Nothing else of this machine can be read,
    and nothing changed. Example: select chip, count(*) from rows where fp16 = 'faulty' group by chip
    """
    from hwcompat import columns, tables
    from hwcompat import sql as database

    atexit.register(gc.unfreeze)  # DuckDB's binding calls leaked what the interpreter's last collection does not reach
    others = database.table_files(tables.data_folders())
    others["faults"] = database.fault_table(tables.load_tables())
    answer = database.ask(query, chosen_rows(files), others, limit, seconds)
    if as_json:
        lines = [dict(zip(_distinct(answer.names), map(database.plain_value, row), strict=True)) for row in answer.rows]
        give(json.dumps(lines, indent=2), output)
    elif as_csv:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([answer.names, *([database.cell_text(value) for value in row] for row in answer.rows)])
        give(text.getvalue(), output)
    else:
        columns.give_table(answer.names, [[database.cell_text(value) for value in row] for row in answer.rows], output)
    if answer.more:
        say(f"only the first {limit} rows are shown: raise --limit for more")


def _distinct(names: Sequence[str]) -> list[str]:
    """Two columns of one name would be one key of an object."""
    return [name if name not in names[:at] else f"{name}_{at + 1}" for at, name in enumerate(names)]
