"""The facade that ties the pillars together; every function of the public Python API lives here.

Facts are read here (this machine, its local reports, the tables) and handed to the pure functions below.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import emitters, matrix, tables, target
from .errors import HwcompatError, MachineError, UsageError
from .model import Environment, Pin, Recommendation, Report, Result, Row

if TYPE_CHECKING:
    import pandas

    from .contribute import Contribution

Progress = Callable[[int, int, str], None]
_RECENT = 32  # local reports looked at, newest first: enough for every card of a machine on several builds


# --- measuring --------------------------------------------------------------------------------------------------------


def detect(python: str | None = None) -> Environment:
    """Everything known of this machine and of the interpreter whose torch is meant; never raises for a missing fact.

    `python` is the path of that interpreter; None: this one if it has torch, else the active environment's.
    """
    from . import environment

    return environment.detect(python)


def probe(
    device: str | None = None,
    level: str = "standard",
    only: Sequence[str] = (),
    seed: int = 0,
    isolate: bool = True,
    python: str | None = None,
    timeout: float | None = None,
    progress: Progress | None = None,
    simulate: str | None = None,
    minutes: float | None = None,
) -> Report:
    """Measure this machine and return the Report; nothing is recorded (see `record`).

    device    None: what torch should use, one card of each model; else cuda:0, all, cpu, mps, xpu
    level     quick, standard or full
    only      probe ids or families ("conv") instead of a level's selection
    seed      of the inputs; exact digests are kept for seed 0 only
    isolate   False: everything in this process and thread, under whatever dispatch mode the caller has entered
    python    path of the interpreter whose torch is tested
    timeout   seconds per group of probes
    progress  callable(done, total, label)
    simulate  name of a fault model: what a sick card would look like; such a report is never evidence
    minutes   of the load test of level full (default 1), all dtypes together
    """
    from . import measure

    load_seconds = measure.load_seconds(measure.select_probes(level, only), minutes)
    if not isolate and python is not None:
        raise UsageError("isolate=False runs in this very interpreter", "leave out python=, or isolate")
    if not isolate and timeout is not None:
        raise UsageError("a hang in this very process cannot be ended: timeout needs isolate", "leave out one of them")
    if isolate:
        env, execute = _isolated(python, level, seed, timeout, progress, simulate, load_seconds)
    else:
        env, execute = _in_process(level, seed, progress, simulate, load_seconds)
    return measure.run(env, device, level, only, seed, simulate, execute, _new_id, _utc_now)


def _isolated(
    python: str | None,
    level: str,
    seed: int,
    timeout: float | None,
    progress: Progress | None,
    simulate: str | None,
    load_seconds: float | None,
) -> tuple[Environment, Callable[[Sequence[Any], str], Iterable[Result]]]:
    from . import environment, runner

    env = environment.detect(python)

    def execute(tasks: Sequence[Any], device: str) -> Iterator[Result]:
        return runner.run(
            tasks, python=env.executable or "", device=device, level=level, seed=seed,
            simulate=simulate, timeout=timeout, progress=progress, load_seconds=load_seconds,
        )  # fmt: skip

    return env, execute


def _in_process(
    level: str, seed: int, progress: Progress | None, simulate: str | None, load_seconds: float | None
) -> tuple[Environment, Callable[[Sequence[Any], str], Iterable[Result]]]:
    from . import environment, runner
    from .probes import facts

    try:
        import torch
    except ImportError as error:
        raise MachineError("this interpreter has no torch", "python -m pip install torch, or isolate") from error
    env = environment.detect(None, read_torch=lambda _python: facts.read(torch))

    def execute(tasks: Sequence[Any], device: str) -> Iterator[Result]:
        return runner.run_here(
            torch,
            tasks,
            device=device,
            level=level,
            seed=seed,
            simulate=simulate,
            progress=progress,
            load_seconds=load_seconds,
        )

    return env, execute


def _new_id() -> str:
    from . import report

    return report.new_id()


def _utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


# --- remembering ------------------------------------------------------------------------------------------------------


def record(report: Report, matrix_folder: Path | None = None) -> tuple[Path, ...]:
    """Write the report (and one row a device) to this user's data folder, and the rows to `matrix_folder` as well.

    Returns the row files written. A simulated report is refused; an interrupted one is kept as a report without a row.
    """
    from . import report as reports
    from . import store

    if any(one.simulated for one in (report, *report.others)):
        raise UsageError("a simulated report is never recorded", "probe without --simulate")
    for one in (report, *report.others):
        store.save_report(one.id, reports.to_json(one), _sidecar(one))
    if report.interrupted:
        return ()
    folders = [store.home() / "matrix"] + ([matrix_folder] if matrix_folder else [])
    return tuple(_append(folder, row) for folder in folders for row in reports.rows(report))


def _append(folder: Path, row: Row) -> Path:
    path = matrix.row_path(folder, row)
    matrix.append_row(path, row, fold=True)
    return path


def _sidecar(report: Report) -> Mapping[str, Any]:
    from . import store

    return store.sidecar(report.gpu.pci_bus_id if report.gpu else None, report.environment.executable)


def recorded_run(report_id: str | None = None) -> Report:
    """A run recorded on this machine, with all its devices: the last one, or the one that `report_id` belongs to.

    MachineError where nothing was recorded here, UsageError for an id that nobody recorded, DataError for a report
    that cannot be read.
    """
    from . import report as reports
    from . import store

    saved = store.saved_reports()
    if report_id is None:
        path = next((one for one in saved if _recorded_here(one)), None)
        if path is None:
            raise MachineError("no run is recorded on this machine", "hwcompat probe")
    else:
        path = store.report_path(report_id)
        if path not in saved:
            raise UsageError(f"no report {report_id} is recorded here", "name one of those in " + str(path.parent))
    return _whole_run(reports.read_report(path), saved)


def _recorded_here(path: Path) -> bool:
    """A home folder may be shared: another host's report is not this machine's."""
    import platform

    from . import store

    return store.read_sidecar(path.stem).get("host") in (platform.node(), None)


def _whole_run(found: Report, saved: Sequence[Path]) -> Report:
    """Every device of a run has a file; only the first one's file holds the others."""
    from . import report as reports

    for path in saved[:_RECENT]:
        with suppress(HwcompatError):
            run = reports.read_report(path)
            if any(other.id == found.id for other in run.others):
                return run
    return found


def contribution(run: Report, contributor: str = "") -> Contribution:
    """What may be published of a run: its rows, without anything that names this machine, its user or one card.

    UsageError for a simulated, interrupted or unmeasured run, for one that a rule of the matrix rejects, and for a
    contributor that is no GitHub name.
    """
    from . import contribute, lint, redaction, store
    from .probes import catalogue

    data = tables.load_tables()
    known = {word for card in data.cards for word in (card.name, card.chip, card.compute_capability)}
    known |= {word for build in data.builds for word in (build.tag, build.arch)} | {"cpu", "mps", "xpu"}
    known |= {word for one in catalogue.listing() for word in (one.id, *one.dtypes)}
    host = str(store.read_sidecar(run.id).get("host") or "")  # of another machine, where home folders are shared
    names = {*redaction.machine_names(), *(name for name in (host, host.partition(".")[0]) if len(name) > 1)}
    rules = lint.Rules(lint.read_facts(_utc_now()[:10], data))
    return contribute.contribution(run, contributor, sorted(names), known, rules)


def matrix_rows() -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Every row of the packaged matrix, the extra folders and this user's own, and what was wrong with the others."""
    from . import store

    folders = [*tables.data_folders(), store.home() / "matrix"]
    return matrix.load_rows(tuple(dict.fromkeys(folders)))


def load_matrix() -> pandas.DataFrame:
    """Every row (packaged, extra and local) as a pandas DataFrame, one column a matrix column."""
    from .export import frame

    return frame(matrix_rows()[0])


# --- deciding ---------------------------------------------------------------------------------------------------------


def resolve(
    gpu: str | Sequence[str] | None = None,
    driver: str | None = None,
    os: str | None = None,
    arch: str | None = None,
    python: str | None = None,
    torch: str | None = None,
    newest: bool = False,
) -> Pin:
    """The torch build for a machine that need not be here; what is left out is taken from this machine.

    gpu: a name as NVML reports it, a PCI id, a capability, cpu, mps, gfx1100, or a list of these; None: the cards,
    driver and torch that are here. python: a version, "3.11". Raises NoBuildError.
    """
    data = tables.load_tables()
    if gpu is None:
        return target.pin(_altered(detect(), driver, os, arch, python), torch, newest, data)
    return target.pin(_described(gpu, driver, os, arch, python, data), torch, newest, data)


def recommend(
    report: Report | None = None,
    gpu: str | Sequence[str] | None = None,
    driver: str | None = None,
    os: str | None = None,
    arch: str | None = None,
    python: str | None = None,
    torch: str | None = None,
    prefer: str = "speed",
    newest: bool = False,
) -> Recommendation:
    """Settings and pins for this machine, for the machine of `report`, or for the machine described by `gpu` and so on.

    prefer: "speed", or "memory" (a correct but slower 16-bit dtype may win).
    """
    if prefer not in ("speed", "memory"):
        raise UsageError(f"prefer is speed or memory, not {prefer!r}", "leave it out for speed")
    data = tables.load_tables()
    if report is not None:
        aim = target.of_environment(report.environment, (r for r in (report, *report.others) if not r.simulated))
    elif gpu is not None:
        aim = _described(gpu, driver, os, arch, python, data)
    else:
        env = detect(python)
        aim = target.of_environment(env, local_reports(env))
    rows = matrix_rows()[0]
    return target.decide(aim, rows, torch=torch, prefer=prefer, newest=newest, date=_utc_now()[:10], tables=data)


def advise(report: Report) -> Recommendation:
    """What `report` alone leads to on its machine, a simulated one included: for showing it, not for acting on it."""
    gpus = (report.gpu,) if report.gpu else ()
    aim = target.of_environment(replace(report.environment, gpus=gpus), (report,))
    data = tables.load_tables()
    return target.decide(aim, (), torch=None, prefer="speed", newest=False, date=_utc_now()[:10], tables=data)


def render(rec: Recommendation, name: str, version: str | None = None) -> str:
    """The recommendation in a client's native format; `version` is the client's, None: what every version accepts."""
    return emitters.render(rec, name, version)


# --- reading the edges ------------------------------------------------------------------------------------------------


def _described(
    gpu: str | Sequence[str],
    driver: str | None,
    os: str | None,
    arch: str | None,
    python: str | None,
    data: tables.Tables,
) -> target.Target:
    """A machine in words; the system, architecture and Python of this one where they are left out."""
    names = [gpu] if isinstance(gpu, str) else list(gpu)
    system, processor = _this_system() if os is None or arch is None else (os, arch)
    return target.of_words(
        names,
        driver=driver,
        os=os or system,
        arch=arch or _usual_arch(os, system, processor),
        python=python or ".".join(map(str, sys.version_info[:2])),
        wsl=False,
        tables=data,
    )


def _altered(
    env: Environment, driver: str | None, os: str | None, arch: str | None, python: str | None
) -> target.Target:
    """The machine of `env` with other words for what is given; the torch installed there speaks for it as it is."""
    here = target.of_environment(env, ())
    own = here.machine
    moved = any(word is not None for word in (os, arch, python))
    machine = replace(
        own,
        os=os or own.os,
        arch=arch or _usual_arch(os, own.os, own.arch),
        python=python or own.python,
        driver=driver or own.driver,
        wsl=own.wsl and os is None,
        torch=None if moved else own.torch,
    )
    return here._replace(machine=machine, described=driver is not None)


def _usual_arch(os: str | None, here: str, processor: str) -> str:
    """`processor` for the system `here`; on another one what most machines have: Apple's have been arm64 since 2020."""
    if os is None or os.lower() == here:
        return processor
    return "arm64" if os.lower() == "macos" else "x86_64"


def _this_system() -> tuple[str, str]:
    import platform

    from . import system

    here = system.normal_os(sys.platform)
    return here, system.normal_arch(platform.machine(), here)


def local_reports(env: Environment) -> tuple[Report, ...]:
    """The recent reports of this machine's cards, newest first.

    Left out: another host's (a home folder may be shared), those of a card that is no longer in its slot, simulated and
    unreadable ones. A report file names no slot; its private sidecar does.
    """
    import platform

    from . import report as reports
    from . import store

    host, slots = platform.node(), {gpu.pci_bus_id for gpu in env.gpus}
    found = []
    for path in store.saved_reports()[:_RECENT]:
        private = store.read_sidecar(path.stem)
        slot = private.get("pci_bus_id")
        if private.get("host") == host and (slot is None or slot in slots):
            with suppress(HwcompatError):
                found.append(_in_slot(reports.read_report(path), slot))
    return tuple(report for report in found if not report.simulated)


def _in_slot(report: Report, slot: str | None) -> Report:
    return replace(report, gpu=replace(report.gpu, pci_bus_id=slot)) if report.gpu and slot else report
