"""`hwcompat fleet probe`."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwcompat.console import ProgressLine, python_option, say
from hwcompat.errors import INTERRUPTED

if TYPE_CHECKING:
    from hwcompat.fleet.engine import Tally


@click.command()
@click.option("--address", default="auto", show_default=True, help="The Ray cluster: auto, or HOST:PORT of its head.")
@click.option("--level", type=click.Choice(["quick", "standard", "full"]), default="quick", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the inputs.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="With --level full: of the load test.")
@click.option("--run", "run_id", metavar="ID", help="Name of this run; the same one again resumes it.")
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the results; default: fleet-ID. A folder that holds a run resumes it.",
)
@click.option("--timeout", type=click.FloatRange(min=1), default=1800.0, show_default=True, help="Seconds a GPU.")
@click.option("--wait", type=click.FloatRange(min=1), default=600.0, show_default=True, help="Seconds for a busy GPU.")
@click.option("--attempts", type=click.IntRange(1, 10), default=2, show_default=True, help="Tries a GPU.")
@click.option("--in-flight", type=click.IntRange(min=1), default=1000, show_default=True, help="Tasks at once.")
@click.option("--processors", is_flag=True, help="Test each node's processor once, instead of its GPUs.")
@click.option("--node", "only", multiple=True, metavar="NAME", help="Only this node; repeatable.")
@click.option("--skip-mixed", is_flag=True, help="Leave out nodes with another version of hwcompat.")
@python_option
def probe(run_id: str | None, folder: Path | None, **options: Any) -> int:
    """Probe every GPU of a Ray cluster once; each result is a file in the folder as soon as it is there.

    Killed and started again with the same folder, it goes on where it was. Needs the extra `fleet`.
    """
    from hwcompat.fleet import driving, stopping

    run_id, folder = _place(run_id, folder)
    parting = Parting(folder)
    with stopping.prompt_end(parting) as stopped:
        try:
            with ProgressLine() as progress:
                tally = driving.probe_fleet(run_id, folder, progress, stopped=stopped, **options)
        except BaseException:  # of an interrupt: Ray turns SIGTERM into a SystemExit, and may fail on its way out
            if not stopped():
                raise
            parting()
            return INTERRUPTED
    say(*_told(tally))
    _judge(folder)
    say(f"results in {folder}; again, or with other reports: hwcompat fleet merge {folder}")
    return 0


class Parting:
    """How an interrupted run goes on; said once, by whoever comes to it first."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._said = folder, False

    def __call__(self) -> None:
        from hwcompat.fleet import shards

        if self._said:
            return
        self._said = True
        begun = (self._folder / shards.RUN_FILE).exists()
        goes_on = f"what is finished is kept; the same command with --out {self._folder} goes on with the rest"
        say(f"interrupted: {goes_on if begun else 'nothing was begun'}")


def _judge(folder: Path) -> None:
    """What `fleet merge` prints."""
    from hwcompat.fleet import gathering, outliers, telling

    fleet = gathering.gather(folder, None, mixed=False)
    click.echo(telling.text(telling.Told(fleet, outliers.judge(fleet.cards), False)).rstrip("\n"))


def _place(run_id: str | None, folder: Path | None) -> tuple[str, Path]:
    from hwcompat.fleet import shards

    if folder is not None and run_id is None:
        begun = shards.read_run(folder)
        run_id = begun.id if begun else None
    run_id = run_id or f"{time.strftime('%Y%m%d-%H%M', time.gmtime())}-{secrets.token_hex(2)}"
    return run_id, folder or Path(f"fleet-{run_id}")


def _told(tally: Tally) -> list[str]:
    failed = ", ".join(f"{count} {outcome}" for outcome, count in sorted(tally.failed.items()))
    lines = [
        f"{tally.measured} measured now, {tally.skipped} finished before, of {tally.total}"
        + (f"; attempts that failed: {failed}" if failed else "")
    ]
    if tally.delivered:
        lines.append(f"{tally.delivered} of them had been kept on their nodes since an earlier start")
    if tally.overheads:
        middle = sorted(tally.overheads)[len(tally.overheads) // 2]
        lines.append(f"beside the probe itself a GPU took {middle:.1f} s (median, with its wait for a free one)")
    return lines
