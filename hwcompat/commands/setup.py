"""`hwcompat setup DIR`: from a bare machine to an environment with the right torch, proved by a probe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwcompat.commands._wheels import wheel_options
from hwcompat.console import ProgressLine, give, json_option, output_option, say
from hwcompat.errors import INTERRUPTED

if TYPE_CHECKING:
    from hwcompat.model import Report
    from hwcompat.sweep.planning import Candidate


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--torch", metavar="VERSION", help="A wish: 2.6, 2.6.0 or 2.6.0+cu124. Default: the best for this machine."
)
@click.option("--python", metavar="VERSION|PATH", help="What it is made of. Default: the Python that probe would take.")
@click.option("--device", metavar="NAME", help="As for probe. cpu: a build for the processor, although there is a GPU.")
@click.option("--no-companions", is_flag=True, help="Leave out torchvision and torchaudio.")
@wheel_options
@click.option("--check", is_flag=True, help="Exit 1 if the probe found anything wrong.")
@json_option
@output_option
def setup(folder: Path, as_json: bool, output: Path | None, check: bool, **options: Any) -> int:
    """Make an environment in DIR with the torch build that suits this machine, and prove it with a quick probe.

    DIR must be new or empty. If anything fails, nothing is left there.
    """
    from hwcompat.sweep import setting_up
    from hwcompat.sweep.installer import orderly_end

    folder = folder.absolute()
    setting_up.check_folder(folder)
    with orderly_end(), setting_up.cleared(folder):
        candidate, report = _made(folder, options)
        if report.interrupted:
            say(f"interrupted: nothing stays in {folder}")
            return INTERRUPTED
        setting_up.finished(folder)
    _tell(folder, candidate, report, as_json, output)
    return 1 if check and not report.ok else 0


def _made(folder: Path, options: dict[str, Any]) -> tuple[Candidate, Report]:
    """The build and what the quick probe found; MachineError where it could not be made or cannot run here."""
    from hwcompat import api, tables
    from hwcompat.sweep import asking, setting_up
    from hwcompat.sweep.installer import Uv, find_uv
    from hwcompat.sweep.sources import sources

    uv = Uv(find_uv(), offline=options["offline"])
    here = asking.here([options["python"]] if options["python"] else [], options["device"])
    data = tables.load_tables()
    candidate, because = setting_up.build_for(here, options["torch"], api.local_reports(here.env), data)
    say(f"torch {candidate.build} on Python {candidate.python.version}: {because[0]}", *because[1:])
    places = sources(
        candidate,
        index_base=tables.index_base(),
        wheels=asking.wheels(options["find_links"]),
        offline=options["offline"],
        companions=() if options["no_companions"] else setting_up.companions(candidate, data),
    )
    python = setting_up.make(folder, candidate, places, uv, say)
    with ProgressLine() as progress:
        report = api.probe(options["device"], "quick", python=str(python), progress=progress)
    if not report.interrupted:
        api.record(report)
    return candidate, report


def _tell(folder: Path, candidate: Candidate, report: Report, as_json: bool, output: Path | None) -> None:
    """The verdict and how to use the environment; as JSON for programs."""
    from hwcompat import api, present
    from hwcompat.sweep import setting_up
    from hwcompat.sweep.installer import python_in

    python = setting_up.quoted(str(python_in(folder)))
    lines = [line for one in (report, *report.others) for line in present.probe_lines(one, api.advise(one), ())]
    lines += [f"environment: {folder}", *setting_up.activation(folder)]
    following = f"hwcompat probe --python {python}"
    facts = {
        "schema": 1,
        "torch": candidate.build,
        "python": str(python_in(folder)),
        "ok": report.ok,
        "verdicts": {name: verdict.value for name, verdict in report.capabilities.items()},
        "report": report.id,
        "activate": setting_up.activation(folder),
        "next": following,
    }
    give(json.dumps(facts, indent=1) if as_json else "\n".join(lines), output)
    say(*(lines if as_json or output else []))
    say(f"next: {following}", f"then: hwcompat recommend --python {python} -o cfg.yaml")
