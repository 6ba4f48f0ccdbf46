"""`hwcompat probe`: test this machine and record the row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwcompat.console import ProgressLine, give, json_option, output_option, python_option, say
from hwcompat.errors import INTERRUPTED, DataError, MachineError
from hwcompat.probes import catalogue

if TYPE_CHECKING:
    from hwcompat.model import Report


@click.command()
@click.option("--device", metavar="NAME", help="cuda:0, all, cpu, mps, xpu. Default: what torch should use.")
@click.option("--level", type=click.Choice(["quick", "standard", "full"]), default="standard", show_default=True)
@click.option("--only", multiple=True, metavar="PROBE", help="A probe id or family (conv); repeatable.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the inputs.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds per group of probes.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="With --level full: how long the load test lasts, all dtypes together. Default 1.",
)
@click.option(
    "--simulate", metavar="FAULT", help="Show what a sick card looks like; never recorded. FAULT list: all of them."
)
@click.option(
    "--matrix",
    "matrix_folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also append the row to this checkout's matrix folder.",
)
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the report (JSON) to this file.",
)
@click.option("--no-record", is_flag=True, help="Leave this user's local matrix alone.")
@click.option("--check", is_flag=True, help="Exit 1 if anything failed.")
@click.option(
    "--capture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Replay the operation of a capture file from a training, on this machine; runs no other probe.",
)
@click.option("--list", "list_only", is_flag=True, help="List the probes and stop.")
@python_option
@json_option
@output_option
def probe(list_only: bool, as_json: bool, output: Path | None, check: bool, **options: Any) -> int:
    """Test this machine's precisions exactly and record a row in the matrix."""
    if list_only:
        give(_listing(options["level"], options["only"], as_json), output)
        return 0
    if options["simulate"] == "list":
        give(_faults(as_json), output)
        return 0
    capture = options.pop("capture")
    if capture is not None:
        return _replay(capture, as_json, output, check, options)
    from hwcompat import api
    from hwcompat import report as reports

    matrix_folder = _existing(options.pop("matrix_folder"))
    report_file, no_record = options.pop("report_file"), options.pop("no_record")
    with ProgressLine() as progress:
        found = api.probe(progress=progress, **options)
    # The verdict comes first: a file that cannot be written must not cost it.
    _show_probe(found, None if as_json else output, to_stderr=as_json)
    if as_json:
        give(reports.to_json(found), output)
    if report_file:
        give(reports.to_json(found), report_file)
    if not found.measured and not found.interrupted:
        return MachineError.exit_code
    recorded = () if no_record or found.simulated else api.record(found, matrix_folder)
    say(*[f"recorded in {path}" for path in recorded])
    if recorded and not found.partial:
        say("to share this: hwcompat contribute (shows every cell first, sends nothing by itself)")
    if found.interrupted:
        return INTERRUPTED
    return 1 if check and not found.ok else 0


def _replay(capture: Path, as_json: bool, output: Path | None, check: bool, options: dict[str, Any]) -> int:
    """The capture on this machine, with the verdict of a probe; nothing is recorded."""
    from hwcompat import recapture

    found = recapture.replay(capture, options["device"], options["python"], options["timeout"])
    told = recapture.lines(found)
    give(json.dumps(recapture.as_json(found), indent=2) if as_json else "\n".join(told), output)
    if as_json or output:
        say(*told[:2])
    return 1 if check and not found.ok else 0


def _faults(as_json: bool) -> str:
    """Every fault that --simulate knows, with its description and source."""
    from hwcompat import runner

    known = runner.faults()
    if as_json:
        return json.dumps(dict(known), indent=2)
    width = max(len(name) for name in known)
    return "\n".join(f"{name:{width}}  {line}" for name, line in known.items())


def _existing(folder: Path | None) -> Path | None:
    if folder is not None and not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "name the matrix/ folder of a checkout")
    return folder


def _show_probe(report: Report, output: Path | None, to_stderr: bool) -> None:
    from hwcompat import api, present

    lines: list[str] = []
    for one in (report, *report.others):
        rec = None if one.interrupted else api.advise(one)
        lines += present.probe_lines(one, rec, ())
    if to_stderr or output:
        say(*lines)
    if not to_stderr:
        give("\n".join(lines), output)
    say("next: " + ("hwcompat probe" if report.interrupted or report.simulated else "hwcompat recommend -o cfg.yaml"))


def _listing(level: str, only: Sequence[str], as_json: bool) -> str:
    from hwcompat import measure

    probes = measure.select_probes(level if only else "full", only)
    if as_json:
        return json.dumps([_probe_json(probe) for probe in probes], indent=2)
    if len(probes) == 1 and probes[0].id in only:
        return _full_text(probes[0])
    width = max(len(p.id) for p in probes)
    return "\n".join(f"{p.id:{width}}  {p.level:8}  {p.rule:8}  {catalogue.described(p).summary}" for p in probes)


def _probe_json(probe: catalogue.Probe) -> dict[str, Any]:
    facts = {name: value for name, value in probe._asdict().items() if name not in ("path", "doc")}
    return {**facts, **catalogue.described(probe)._asdict()}


def _full_text(probe: catalogue.Probe) -> str:
    """One probe with its attributes and its whole docstring: the fault it hunts, the bound and its derivation."""
    role = "core: its failure makes the precision faulty" if probe.core else "its failure is a caution"
    facts = f"level {probe.level}, {', '.join(probe.dtypes)}, on {', '.join(probe.devices)}; {role}"
    return f"{probe.id}  {facts}\n\n{probe.doc}"
