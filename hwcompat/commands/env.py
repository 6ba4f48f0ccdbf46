"""`hwcompat env`: what is known of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from hwcompat.console import give, json_option, output_option, python_option


@click.command()
@python_option
@json_option
@output_option
def env(python: str | None, as_json: bool, output: Path | None) -> None:
    """Show what is known of this machine, its GPUs and the torch meant."""
    from hwcompat import api, present, report

    found = api.detect(python)
    give(report.environment_json(found) if as_json else "\n".join(present.env_lines(found)), output)
