"""`hwcompat diagnose`: why is the loss NaN, or mAP 0? What the files of a run say, before anything is run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwcompat.console import ProgressLine, give, json_option, output_option, python_option, say
from hwcompat.errors import DataError, UsageError

if TYPE_CHECKING:
    from hwcompat.diagnose import Answer, Knowledge

files = click.Path(path_type=Path)


@click.command()
@click.option("--config", "configs", multiple=True, type=files, help="A client's settings: args.yaml, hyp.yaml, ...")
@click.option("--data", "datasets", multiple=True, type=files, help="data.yaml, a COCO file, a folder of VOC files.")
@click.option("--results", multiple=True, type=files, help="Its record: results.csv, trainer_state.json or a log.")
@click.option("--command", "command_line", metavar="LINE", help="A command line that starts a training; never run.")
@click.option("--client", metavar="NAME", help="The client of --config, where it is not recognised.")
@click.option("--client-version", metavar="VERSION", help="Its release. Default: the one installed here.")
@click.option("--gpu", multiple=True, metavar="NAME", help="The card of the run, if it is not here; repeatable.")
@click.option(
    "--images",
    type=click.Choice(["full", "header", "no"]),
    default="full",
    show_default=True,
    help="With --data: read every pixel, only how files begin and end, or labels alone.",
)
@click.option("--jobs", type=click.IntRange(1, 32), help="With --data: processes. Default: one a processor.")
@click.option("--folklore", "list_folklore", is_flag=True, help="List the advice that does not help, and stop.")
@click.option("--all", "everything", is_flag=True, help="Every clue with all its places, not one screen.")
@click.option("--check", is_flag=True, help="Exit 1 if anything was found.")
@click.option("--save-capture", metavar="FILE", type=files, help="With a program: keep the operation of a finding.")
@click.option("--include-inputs", is_flag=True, help="Put its inputs into the capture without asking.")
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROGRAM ...]")
@python_option
@json_option
@output_option
def diagnose(
    program: tuple[str, ...],
    list_folklore: bool,
    as_json: bool,
    output: Path | None,
    everything: bool,
    check: bool,
    save_capture: Path | None,
    include_inputs: bool,
    **inputs: Any,
) -> int:
    """Find out why a training gives NaN or mAP 0, from its settings, its data and its record, without running it.

    With no option: looks for the files of a run in the current folder. With a program behind -- (hwcompat diagnose --
    python train.py): runs it, watches its steps and tells why one goes bad; the exit code is the program's.
    """
    if program:
        others = [name for name, value in inputs.items() if value and name != "images"]
        return _watched(program, as_json, output, check, others, save_capture, include_inputs)
    if save_capture or include_inputs:
        raise UsageError("a capture comes from a run", "hwcompat diagnose --save-capture bad.capture -- python ...")
    from hwcompat import diagnose as diagnosing
    from hwcompat.diagnose import folklore, tell

    named = bool(inputs["gpu"])
    known = _knowledge(inputs.pop("gpu"), inputs.pop("python"))
    if list_folklore:
        tales = [tale._asdict() for tale in known.tales]
        give(json.dumps(tales, indent=1) if as_json else "\n".join(folklore.listing(known.tales)), output)
        return 0
    answer = diagnosing.together(_parts(known, named, **inputs))
    answer = replace(answer, next_steps=diagnosing.next_steps(answer))
    lines = tell.lines(answer, everything)
    give(json.dumps(diagnosing.as_json(answer), indent=1) if as_json else "\n".join(lines), output)
    if as_json or output:
        say(*lines[:1])
    return 1 if check and answer.findings else 0


def _watched(
    program: tuple[str, ...],
    as_json: bool,
    output: Path | None,
    check: bool,
    others: list[str],
    save_capture: Path | None,
    include_inputs: bool,
) -> int:
    """Runs the program; what it prints stays its own, so what we say goes to stderr and to a file."""
    from hwcompat.diagnose import launch

    if others or (as_json and output is None):
        what = f"--{others[0].rstrip('s').replace('_', '-')} reads files" if others else "--json needs -o FILE here"
        raise UsageError(
            f"{what}: stdout belongs to the program", "hwcompat diagnose --json -o found.json -- python ..."
        )
    asked = (lambda _size: True) if include_inputs else _may_include
    launched = launch.run(program, save_capture, asked)
    told = launch.lines(launched)
    if output:
        texts = [str(finding["text"]) for finding in launched.findings]
        give(json.dumps(launch.as_json(launched, program), indent=1) if as_json else "\n".join(texts or told), output)
    say(*told, *launched.notes)
    return launched.exit_code or int(check and bool(launched.findings))


def _may_include(size: int) -> bool:
    """Asks the person at a terminal; nobody there means no."""
    if not sys.stdin.isatty():
        return False
    return click.confirm(f"include the inputs of the operation ({size >> 10} KiB of your data) in it?", err=True)


def _knowledge(gpu: tuple[str, ...], python: str | None) -> Knowledge:
    """The tables, and the machine that is asked for when a check first needs it."""
    from hwcompat import api, tables
    from hwcompat.diagnose import Knowledge

    if gpu and python:
        raise UsageError("--gpu describes a machine that is not here", "leave out --python")
    machine = (lambda: api.recommend(gpu=list(gpu))) if gpu else (lambda: api.recommend(python=python))
    return Knowledge(tables.data_folders(), machine)


def _parts(
    known: Knowledge,
    card_named: bool,
    configs: tuple[Path, ...],
    datasets: tuple[Path, ...],
    results: tuple[Path, ...],
    command_line: str | None,
    client: str | None,
    client_version: str | None,
    images: str,
    jobs: int | None,
) -> Iterator[Answer]:
    """One answer an input; without any the files that lie here, or what is known of the card that was named."""
    from hwcompat import diagnose as diagnosing

    if not (configs or datasets or results or command_line):
        configs, results, datasets = _here(required=not card_named)
    if card_named and not (configs or results):
        yield diagnosing.card(known)
    if client and not configs:
        raise UsageError("--client names the client of --config", "name the file too")
    for path in configs:
        yield diagnosing.settings(path, known, client, client_version)
    for path in results:
        yield diagnosing.results(path, known)
    if command_line:
        yield diagnosing.command(command_line, known)
    for path in datasets:
        with ProgressLine("checking") as progress:
            yield diagnosing.data(path, images, jobs, progress)


def _here(required: bool) -> tuple[tuple[Path, ...], tuple[Path, ...], tuple[Path, ...]]:
    from hwcompat.diagnose import nearby

    found = nearby.look(Path())
    if required and not any(found):
        raise DataError(
            "nothing of a training lies in this folder",
            "name the files: --config args.yaml, --results results.csv, --data data.yaml, or --command LINE",
        )
    if any(found):
        say("found here: " + ", ".join(str(file) for some in found for file in some))
    return found
