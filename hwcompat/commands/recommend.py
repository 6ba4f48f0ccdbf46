"""`hwcompat recommend`: the settings and the pin, in a client's format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwcompat.console import give, json_option, output_option, say
from hwcompat.errors import UsageError

if TYPE_CHECKING:
    from hwcompat.model import Recommendation, Report


@click.command()
@click.option(
    "--gpu",
    multiple=True,
    metavar="NAME",
    help="A card that is not here: name, PCI id, capability, cpu, mps; repeatable.",
)
@click.option("--driver", metavar="VERSION", help="Its driver, for example 552.22.")
@click.option("--os", "system", metavar="OS", help="linux, wsl, windows or macos.")
@click.option("--arch", metavar="ARCH", help="x86_64, aarch64 or arm64.")
@click.option(
    "--python",
    metavar="VERSION|PATH",
    help="With --gpu a version (3.11); otherwise the interpreter whose torch is meant.",
)
@click.option("--torch", metavar="VERSION", help="A wish: 2.6, 2.6.0 or 2.6.0+cu124.")
@click.option("--prefer", type=click.Choice(["speed", "memory"]), default="speed", show_default=True)
@click.option("--newest", is_flag=True, help="The newest build that serves, even if the installed one does.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Decide for the machine of this report file.",
)
@click.option(
    "--for",
    "client",
    default="yaml",
    show_default=True,
    metavar="CLIENT[@VERSION]",
    help="The file's format; see --list.",
)
@click.option("--explain", is_flag=True, help="Tell what decided each setting, what lost, and how to change it.")
@click.option("--list", "list_only", is_flag=True, help="List the formats and stop.")
@json_option
@output_option
def recommend(
    list_only: bool,
    explain: bool,
    as_json: bool,
    output: Path | None,
    client: str,
    report_file: Path | None,
    system: str | None,
    gpu: tuple[str, ...],
    **options: Any,
) -> None:
    """Write the training settings and the torch pin, with the evidence, in a client's own format."""
    from hwcompat import api, emitters

    if list_only:
        give(_formats(as_json), output)
        return
    _refuse_contradictions(bool(gpu), report_file is not None, system, options)
    name, version = ("json", "") if as_json else _client(client)
    emitters.file_name(name)  # an unknown format is refused before anything is measured or read
    report = _read_report(report_file) if report_file else None
    rec = api.recommend(report=report, gpu=list(gpu) or None, os=system, **options)
    if explain and not as_json:
        from hwcompat import explain as explaining

        give(explaining.explanation(rec), output)
        return
    version = version or rec.clients.get(name, "")
    give(api.render(rec, name, version or None), output)
    _tell(rec, emitters.notes(rec, name, version or None))


def _formats(as_json: bool) -> str:
    """Every format with the file it is for and how far it was proved."""
    from hwcompat import emitters

    found = [emitters.described(name) for name in emitters.names()]
    if as_json:
        return json.dumps([each._asdict() for each in found], indent=2)
    wide = max(len(each.file) for each in found)
    return "\n".join(f"{each.name:<12} {each.file:<{wide}}  {each.proof:<8}  {each.proved}" for each in found)


def _refuse_contradictions(described: bool, reported: bool, system: str | None, options: dict[str, Any]) -> None:
    """An option that would be ignored is an error: the answer would be for another machine than was meant."""
    facts = {"--driver": options["driver"], "--os": system, "--arch": options["arch"]}
    given = [name for name, value in facts.items() if value]
    if reported and (described or given or options["python"]):
        raise UsageError("--report names its machine already", "leave out --gpu, --driver, --os, --arch and --python")
    if given and not described:
        raise UsageError(f"{given[0]} describes a machine that is not here", "name its card with --gpu (or --gpu cpu)")


def _client(text: str) -> tuple[str, str]:
    """("ultralytics", "8.4.80") of "ultralytics@8.4.80". UsageError for a version that is none: it would be ignored."""
    name, at, version = text.partition("@")
    if at and not re.fullmatch(r"v?\d+(\.\d+)*(\.?(a|b|rc|post|dev)\d+)*", version):
        raise UsageError(f"{version!r} is not a version of {name}", f"write it as digits and dots: {name}@8.4.80")
    return name, version


def _read_report(path: Path) -> Report:
    from hwcompat import report as reports

    return reports.read_report(path)


def _tell(rec: Recommendation, notes: Iterable[str]) -> None:
    say(*[f"repair first: {sentence}" for sentence in rec.repair])
    say(*[f"warning: {warning}" for warning in rec.warnings])
    say(*[f"note: {note}" for note in notes])
    say(*[f"next: {step}" for step in rec.next_steps])
