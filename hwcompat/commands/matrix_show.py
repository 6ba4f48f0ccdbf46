"""`hwcompat matrix show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwcompat.console import give, json_option, output_option

from ._rows import chosen_rows

if TYPE_CHECKING:
    from hwcompat.model import Row


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--gpu", help="Part of the card's name, its chip or PCI id.")
@click.option("--source", type=click.Choice(["measured", "reported"]))
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@output_option
def show(
    files: tuple[Path, ...], gpu: str | None, source: str | None, as_csv: bool, as_json: bool, output: Path | None
) -> None:
    """Show rows: of FILES, or of the packaged, extra and local matrix."""
    from hwcompat import matrix as matrices

    chosen = [row for row in chosen_rows(files) if _matches(row, gpu, source)]
    if as_json:
        give(json.dumps([matrices.cells(row) for row in chosen], indent=2), output)
    elif as_csv:
        give(matrices.to_text(chosen), output)
    else:
        give("\n".join(_row_line(row) for row in chosen) or "no row", output)


def _matches(row: Row, gpu: str | None, source: str | None) -> bool:
    words = (row.gpu.lower(), row.chip.lower(), row.pci_id.lower())
    return (gpu is None or any(gpu.lower() in word for word in words)) and source in (None, row.source)


def _row_line(row: Row) -> str:
    from hwcompat.model import CAPABILITIES

    verdicts = " ".join(f"{name}={getattr(row, name)}" for name in CAPABILITIES if getattr(row, name))
    place = " ".join(part for part in (row.os, row.torch, row.cuda) if part)
    return (
        f"{row.date or '----------'}  {row.source:8}  {row.gpu} [{row.chip}]  {place}  {verdicts}  {row.url}".rstrip()
    )
