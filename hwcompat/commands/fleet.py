"""`hwcompat fleet ...`: probe many machines, judge them together; each subcommand is in its own `fleet_<name>.py`."""

from __future__ import annotations

import click

from ._lazy import Commands


@click.group(cls=Commands, prefix="fleet_")
def fleet() -> None:
    """Probe a fleet of GPUs, and name those that differ from the others."""
