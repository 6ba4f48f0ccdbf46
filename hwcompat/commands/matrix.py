"""`hwcompat matrix ...`: look at rows, check and compare them; each subcommand is in its own `matrix_<name>.py`."""

from __future__ import annotations

import click

from ._lazy import Commands


@click.group(cls=Commands, prefix="matrix_")
def matrix() -> None:
    """Look at the matrix of measured and reported rows."""
