"""`hwcompat matrix validate`."""

from __future__ import annotations

from pathlib import Path

import click

from hwcompat.console import say

from ._rows import named_rows


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> int:
    """Check row FILES; exit 1 if any line is unusable."""
    rows, warnings = named_rows(files)
    for warning in warnings:
        click.echo(warning)
    say(f"{len(rows)} rows usable, {len(warnings)} findings")
    return 1 if warnings else 0
