"""The `hwcompat` command: parse, call the API, print. stdout carries only the artefact; everything else is stderr.

Exit codes: 0 an answer was given (a faulty card included); 1 a finding (`--check`, `matrix validate`); 2 usage, or a
value that cannot exist; 3 this machine or the tables cannot serve it; 4 a data file that the user named is unusable;
5 our own bug; 130 Ctrl-C.
"""

from __future__ import annotations

import gc
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .errors import DataError, HwcompatError, MachineError, UsageError

if TYPE_CHECKING:
    from .model import Recommendation, Report, Row

BUG = 5
INTERRUPTED = 130

_python = click.option("--python", metavar="PATH", help="The interpreter whose torch is meant.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_output = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file (UTF-8) instead of stdout.",
)


def run(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the documented code; a traceback only with --debug."""
    # Thousands of table rows live to the end of the process: collecting garbage among them finds nothing.
    gc.set_threshold(100_000)
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        code = main(args=[a for a in arguments if a != "--debug"], prog_name="hwcompat", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        code = INTERRUPTED
    except BrokenPipeError:
        code = _leave_quietly()
    except HwcompatError as error:
        _complain(error.message, error.hint)
        _trace(debug)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Exception as error:
        _trace(debug)
        _complain(
            f"hwcompat itself failed: {type(error).__name__}: {error}",
            "this is a bug: run again with --debug and report the traceback",
        )
        code = BUG
    gc.freeze()  # the interpreter's own collections on the way out find nothing either
    sys.exit(code if isinstance(code, int) else 0)


def _trace(debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()


def _leave_quietly() -> int:
    """The reader of our stdout has gone (`| head`): nothing more can be said there."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _say(*lines: str) -> None:
    from .wording import ascii_line

    for line in lines:
        click.echo(ascii_line(line), err=True)


def _complain(message: str, hint: str) -> None:
    _say(f"error: {message}", *([f"what to do: {hint}"] if hint else []))


def _give(text: str, output: Path | None) -> None:
    """The artefact: to `output` (atomically), else to stdout."""
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    from . import store

    store.write_atomic(output, text if text.endswith("\n") else text + "\n")
    _say(f"wrote {output}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hwcompat")
def main() -> None:
    """Is this GPU's arithmetic right, is it fast, and which configuration follows from that."""


# --- env --------------------------------------------------------------------------------------------------------------


@main.command()
@_python
@_json
@_output
def env(python: str | None, as_json: bool, output: Path | None) -> None:
    """Show what is known of this machine, its GPUs and the torch meant."""
    from . import api, present, report

    found = api.detect(python)
    _give(report.environment_json(found) if as_json else "\n".join(present.env_lines(found)), output)


# --- probe ------------------------------------------------------------------------------------------------------------


@main.command()
@click.option("--device", metavar="NAME", help="cuda:0, all, cpu, mps, xpu. Default: what torch should use.")
@click.option("--level", type=click.Choice(["quick", "standard", "full"]), default="standard", show_default=True)
@click.option("--only", multiple=True, metavar="PROBE", help="A probe id or family (conv); repeatable.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the inputs.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds per group of probes.")
@click.option("--simulate", metavar="FAULT", help="Show what a sick card looks like; never recorded.")
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
@click.option("--list", "list_only", is_flag=True, help="List the probes and stop.")
@_python
@_json
@_output
def probe(list_only: bool, as_json: bool, output: Path | None, check: bool, **options: Any) -> int:
    """Test this machine's precisions exactly and record a row in the matrix."""
    if list_only:
        _give(_listing(options["level"], options["only"], as_json), output)
        return 0
    from . import api
    from . import report as reports

    matrix_folder = _existing(options.pop("matrix_folder"))
    report_file, no_record = options.pop("report_file"), options.pop("no_record")
    with ProgressLine() as progress:
        found = api.probe(progress=progress, **options)
    # The verdict comes first: a file that cannot be written must not cost it.
    _show_probe(found, None if as_json else output, to_stderr=as_json)
    if as_json:
        _give(reports.to_json(found), output)
    if report_file:
        _give(reports.to_json(found), report_file)
    if not found.measured and not found.interrupted:
        return MachineError.exit_code
    recorded = () if no_record or found.simulated else api.record(found, matrix_folder)
    _say(*[f"recorded in {path}" for path in recorded])
    if found.interrupted:
        return INTERRUPTED
    return 1 if check and not found.ok else 0


def _existing(folder: Path | None) -> Path | None:
    if folder is not None and not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "name the matrix/ folder of a checkout")
    return folder


def _show_probe(report: Report, output: Path | None, to_stderr: bool) -> None:
    from . import api, present

    lines: list[str] = []
    for one in (report, *report.others):
        rec = None if one.interrupted else api.advise(one)
        lines += present.probe_lines(one, rec, ())
    if to_stderr or output:
        _say(*lines)
    if not to_stderr:
        _give("\n".join(lines), output)
    _say("next: " + ("hwcompat probe" if report.interrupted or report.simulated else "hwcompat recommend -o cfg.yaml"))


def _listing(level: str, only: Sequence[str], as_json: bool) -> str:
    from . import measure

    probes = measure.select_probes(level if only else "full", only)
    if as_json:
        return json.dumps([{k: v for k, v in p._asdict().items() if k != "path"} for p in probes], indent=2)
    width = max(len(p.id) for p in probes)
    return "\n".join(
        f"{p.id:{width}}  {p.level:8}  {p.rule:8}  {p.doc.splitlines()[0] if p.doc else ''}" for p in probes
    )


class ProgressLine:
    """A bar on a terminal, one plain line a family elsewhere; always stderr."""

    def __enter__(self) -> Callable[[int, int, str], None]:
        if not sys.stderr.isatty():
            self._bar, self._family = None, ""
            return self._plain
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("probing"),
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
        self._bar.update(self._task, completed=done, total=total, description=label)

    def _plain(self, done: int, total: int, label: str) -> None:
        family = label.split(" ")[0].split(".")[0]
        if family != self._family:
            self._family = family
            _say(f"probing {family} ({done} of {total} done)")


# --- recommend --------------------------------------------------------------------------------------------------------


@main.command()
@click.option(
    "--gpu",
    multiple=True,
    metavar="NAME",
    help="A card that is not here: name, PCI id, capability, cpu, mps; repeatable.",
)
@click.option("--driver", metavar="VERSION", help="Its driver, for example 552.22.")
@click.option("--os", "system", metavar="OS", help="linux, windows or macos.")
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
@click.option("--list", "list_only", is_flag=True, help="List the formats and stop.")
@_json
@_output
def recommend(
    list_only: bool,
    as_json: bool,
    output: Path | None,
    client: str,
    report_file: Path | None,
    system: str | None,
    gpu: tuple[str, ...],
    **options: Any,
) -> None:
    """Write the training settings and the torch pin, with the evidence, in a client's own format."""
    from . import api, emitters

    if list_only:
        _give("\n".join(emitters.names()), output)
        return
    _refuse_contradictions(bool(gpu), report_file is not None, system, options)
    name, version = ("json", "") if as_json else _client(client)
    emitters.file_name(name)  # an unknown format is refused before anything is measured or read
    report = _read_report(report_file) if report_file else None
    rec = api.recommend(report=report, gpu=list(gpu) or None, os=system, **options)
    _give(api.render(rec, name, version or rec.clients.get(name)), output)
    _tell(rec)


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
    from . import report as reports

    return reports.read_report(path)


def _tell(rec: Recommendation) -> None:
    _say(*[f"warning: {warning}" for warning in rec.warnings])
    _say(*[f"next: {step}" for step in rec.next_steps])


# --- matrix -----------------------------------------------------------------------------------------------------------


@main.group()
def matrix() -> None:
    """Look at the matrix of measured and reported rows."""


@matrix.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--gpu", help="Part of the card's name, its chip or PCI id.")
@click.option("--source", type=click.Choice(["measured", "reported"]))
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@_json
@_output
def show(
    files: tuple[Path, ...], gpu: str | None, source: str | None, as_csv: bool, as_json: bool, output: Path | None
) -> None:
    """Show rows: of FILES, or of the packaged, extra and local matrix."""
    from . import api
    from . import matrix as matrices

    rows, warnings = _named_rows(files) if files else api.matrix_rows()
    _say(*[f"warning: {warning}" for warning in warnings])
    chosen = [row for row in rows if _matches(row, gpu, source)]
    if as_json:
        _give(json.dumps([matrices.cells(row) for row in chosen], indent=2), output)
    elif as_csv:
        _give(matrices.to_text(chosen), output)
    else:
        _give("\n".join(_row_line(row) for row in chosen) or "no row", output)


@matrix.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> int:
    """Check row FILES; exit 1 if any line is unusable."""
    rows, warnings = _named_rows(files)
    for warning in warnings:
        click.echo(warning)
    _say(f"{len(rows)} rows usable, {len(warnings)} findings")
    return 1 if warnings else 0


def _named_rows(files: Iterable[Path]) -> tuple[list[Row], list[str]]:
    from . import matrix as matrices

    rows: list[Row] = []
    warnings: list[str] = []
    for path in files:
        found, wrong = matrices.read_rows(path)
        if wrong and not found:
            raise DataError(f"{path} holds no usable row: {wrong[0]}", "compare its header with matrix/README.md")
        rows += found
        warnings += wrong
    return rows, warnings


def _matches(row: Row, gpu: str | None, source: str | None) -> bool:
    words = (row.gpu.lower(), row.chip.lower(), row.pci_id.lower())
    return (gpu is None or any(gpu.lower() in word for word in words)) and source in (None, row.source)


def _row_line(row: Row) -> str:
    from .model import CAPABILITIES

    verdicts = " ".join(f"{name}={getattr(row, name)}" for name in CAPABILITIES if getattr(row, name))
    place = " ".join(part for part in (row.os, row.torch, row.cuda) if part)
    return (
        f"{row.date or '----------'}  {row.source:8}  {row.gpu} [{row.chip}]  {place}  {verdicts}  {row.url}".rstrip()
    )
