"""Groups whose commands are files of this folder; only the file of the command that was asked for is imported."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click


class Commands(click.Group):
    """The commands are the files `<prefix><name>.py` of this folder; no name of a command holds an underscore."""

    def __init__(self, *arguments: Any, prefix: str = "", **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        stems = (path.stem for path in Path(__file__).parent.glob("*.py"))
        names = (stem.removeprefix(self.prefix) for stem in stems if stem.startswith(self.prefix))
        return sorted(name for name in names if name and "_" not in name)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        found: click.Command = getattr(import_module(f".{self.prefix}{name}", __package__), name)
        return found
