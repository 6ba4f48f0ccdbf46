"""Options of the commands that install torch: where its wheels come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def wheel_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--find-links, repeatable, and --offline."""
    links = click.option(
        "--find-links",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="A folder of wheels, asked before any index; repeatable.",
    )
    offline = click.option("--offline", is_flag=True, help="Ask no network: --find-links and uv's cache must do.")
    return links(offline(command))
