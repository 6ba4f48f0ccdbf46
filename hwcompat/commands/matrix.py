"""`hwcompat matrix ...`: look at rows and check them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwcompat.console import give, json_option, output_option, say
from hwcompat.errors import DataError

if TYPE_CHECKING:
    from hwcompat.model import Row


@click.group()
def matrix() -> None:
    """Look at the matrix of measured and reported rows."""


@matrix.command()
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
    from hwcompat import api
    from hwcompat import matrix as matrices

    rows, warnings = _named_rows(files) if files else api.matrix_rows()
    say(*[f"warning: {warning}" for warning in warnings])
    chosen = [row for row in rows if _matches(row, gpu, source)]
    if as_json:
        give(json.dumps([matrices.cells(row) for row in chosen], indent=2), output)
    elif as_csv:
        give(matrices.to_text(chosen), output)
    else:
        give("\n".join(_row_line(row) for row in chosen) or "no row", output)


@matrix.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> int:
    """Check row FILES; exit 1 if any line is unusable."""
    rows, warnings = _named_rows(files)
    for warning in warnings:
        click.echo(warning)
    say(f"{len(rows)} rows usable, {len(warnings)} findings")
    return 1 if warnings else 0


def _named_rows(files: Iterable[Path]) -> tuple[list[Row], list[str]]:
    from hwcompat import matrix as matrices

    rows: list[Row] = []
    warnings: list[str] = []
    for path in files:
        found, wrong = matrices.read_rows(path)
        if wrong and not found:
            raise DataError(f"{path} holds no usable row: {wrong[0]}", "compare its header with matrix/README.md")
        rows += found
        warnings += wrong
    return rows, warnings


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
