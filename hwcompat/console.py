"""What the commands share: lines to a person (stderr, ASCII), the artefact (stdout or a file), common options."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

python_option = click.option("--python", metavar="PATH", help="The interpreter whose torch is meant.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file (UTF-8) instead of stdout.",
)


def say(*lines: str) -> None:
    """Each line to stderr, in ASCII."""
    from .wording import ascii_line

    for line in lines:
        click.echo(ascii_line(line), err=True)


def give(text: str, output: Path | None) -> None:
    """The artefact: to `output` (atomically), else to stdout."""
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    from . import store

    store.write_atomic(output, text if text.endswith("\n") else text + "\n")
    say(f"wrote {output}")


class ProgressLine:
    """A bar on a terminal, one plain line a family elsewhere; always stderr. A total of 0 is unknown."""

    def __init__(self, doing: str = "probing") -> None:
        self._doing = doing

    def __enter__(self) -> Callable[[int, int, str], None]:
        if not sys.stderr.isatty():
            self._bar, self._family = None, ""
            return self._plain
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn(self._doing),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task("", total=None)
        return self._draw

    def __exit__(self, *_exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, done: int, total: int, label: str) -> None:
        assert self._bar is not None
        self._bar.update(self._task, completed=done, total=total or None, description=label)

    def _plain(self, done: int, total: int, label: str) -> None:
        family = label.split(" ")[0].split(".")[0]
        if family != self._family:
            self._family = family
            say(f"{self._doing} {family} ({done} of {total or '?'} done)")
