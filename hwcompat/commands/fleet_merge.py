"""`hwcompat fleet merge`: the reports of many machines as rows, a summary, and the cards that differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwcompat.console import ProgressLine, json_option, say
from hwcompat.errors import DataError

if TYPE_CHECKING:
    from hwcompat.fleet.gathering import Fleet


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--inventory",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The nodes there should be: node[,gpus] a line, or what `sinfo -N` or `kubectl get nodes` prints.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the rows to this CSV file."
)
@click.option(
    "--matrix", "matrix_folder", type=click.Path(file_okay=False, path_type=Path), help="Add the rows to this matrix."
)
@json_option
@click.option("--public", is_flag=True, help="Leave out every name of a node, slot and file.")
@click.option("--mixed", is_flag=True, help="Accept several versions of hwcompat; each is judged by itself.")
@click.option("--check", is_flag=True, help="Exit 1 if there are outliers, missing cards or unusable files.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that read. Default: one a processor.")
def merge(
    folder: Path,
    inventory: Path | None,
    output: Path | None,
    matrix_folder: Path | None,
    as_json: bool,
    public: bool,
    mixed: bool,
    check: bool,
    jobs: int | None,
) -> int:
    """Judge the reports in DIR (or DIR/shards) together.

    Prints a summary of every model and build, the cards that differ from the others of their kind (with the reason and
    what to do), and those that gave no report. A file that cannot be used is named and the others are judged. The
    output names nodes: keep it inside the fleet, or add --public. The rows are anonymous.
    """
    from hwcompat.fleet import gathering, outliers, telling
    from hwcompat.fleet import inventory as inventories

    if matrix_folder is not None and not matrix_folder.is_dir():
        raise DataError(f"there is no folder {matrix_folder}", "name the matrix/ folder of a checkout")
    nodes = inventories.read(inventory) if inventory else None
    with ProgressLine("reading") as progress:
        fleet = gathering.gather(folder, nodes, mixed, jobs, progress)
    told = telling.Told(fleet, outliers.judge(fleet.cards), public)
    # The answer comes first: a file that cannot be written must not cost it.
    click.echo(json.dumps(telling.document(told), indent=1) if as_json else telling.text(told).rstrip("\n"))
    _write_rows(fleet, output, matrix_folder)
    return 1 if check and (told.judgement.outliers or fleet.missing or fleet.problems) else 0


def _write_rows(fleet: Fleet, output: Path | None, matrix_folder: Path | None) -> None:
    from hwcompat.fleet import rows

    found = [card.row for card in fleet.cards if card.measured]
    if output:
        say(f"wrote {rows.write_file(output, found)} rows to {output}")
    if matrix_folder:
        say(*(f"wrote {path}" for path in rows.add_to_matrix(matrix_folder, found)))
