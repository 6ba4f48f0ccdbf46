"""`hwcompat matrix ...`: look at rows, check and compare them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwcompat.console import give, json_option, output_option, say
from hwcompat.errors import DataError

if TYPE_CHECKING:
    from hwcompat.digests import Disagreement
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
    from hwcompat import matrix as matrices

    chosen = [row for row in _chosen_rows(files) if _matches(row, gpu, source)]
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


@matrix.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@json_option
@output_option
def digests(files: tuple[Path, ...], as_json: bool, output: Path | None) -> int:
    """Tell which rows of one key (card, driver, build ...) hold different digests; exit 1 if any do."""
    from hwcompat import digests as rules
    from hwcompat import matrix as matrices

    rows = _chosen_rows(files)
    found = rules.disagreements(rows)
    if as_json:
        give(json.dumps([_disagreement_json(one, matrices.cells) for one in found], indent=2), output)
    else:
        give("\n".join(line for one in found for line in _disagreement_lines(one)) or "no disagreement", output)
    holding = sum(bool(row.exact_digest or row.fingerprint_digest) for row in rows)
    say(f"{holding} rows hold digests, {len(found)} keys disagree")
    return 1 if found else 0


def _disagreement_json(one: Disagreement, cells: Callable[[Row], dict[str, str]]) -> dict[str, Any]:
    rows = {"rows": [cells(row) for row in one.rows], "suspects": [row.report_id for row in one.suspects]}
    return {"kind": one.kind, "key": dict(one.key), "golden": one.golden, **rows}


def _disagreement_lines(one: Disagreement) -> list[str]:
    key = " ".join(value for value in one.key.values() if value)
    golden = f"most agree on {one.golden}" if one.golden else "no majority: more rows of this key are needed"
    lines = [f"{one.kind} digests of {key} differ; {golden}"]
    for row in one.rows:
        mark = "suspect" if one.golden and row in one.suspects else "       "
        digest = getattr(row, f"{one.kind}_digest")
        lines.append(f"  {mark}  {digest}  {row.date}  {row.contributor or 'anonymous'}  {row.report_id}")
    if one.golden:
        lines.append("  next, on the suspect: hwcompat probe --level full")
    return lines


def _chosen_rows(files: tuple[Path, ...]) -> Sequence[Row]:
    """The rows of FILES, or of the packaged, extra and local matrix; warnings go to stderr."""
    from hwcompat import api

    rows, warnings = _named_rows(files) if files else api.matrix_rows()
    say(*[f"warning: {warning}" for warning in warnings])
    return rows


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
