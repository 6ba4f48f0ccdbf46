"""One probe run from start to Report: choose the devices, run the suite on each, judge, assemble.

Nothing is written here; a GPU that is present but unusable stops the run instead of being replaced by the CPU.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import __version__, digests, environment, repair, tables, telemetry, verdicts
from .errors import MachineError, UsageError
from .model import Environment, Gpu, Measurement, Report, Result
from .probes import catalogue

Task = tuple[catalogue.Probe, str]

SUITE_VERSION = "1"
"""Raised when the set of probes changes in a way that makes runs incomparable; each probe also has its own version."""


# --- what to run ------------------------------------------------------------------------------------------------------


def select_probes(level: str, only: Sequence[str]) -> tuple[catalogue.Probe, ...]:
    """The probes of `level`, or those named by `only`; an unknown name is a UsageError with the nearest ids."""
    if level not in catalogue.LEVELS:
        raise UsageError(f"there is no level {level!r}", f"levels: {', '.join(catalogue.LEVELS)}")
    probes = catalogue.listing()
    for word in only:
        if not catalogue.select(probes, level, (word,)):
            raise UsageError(f"no probe is called {word!r}", f"nearest: {', '.join(_nearest(word, probes))}")
    chosen: tuple[catalogue.Probe, ...] = catalogue.select(probes, level, tuple(only))
    return chosen


def _nearest(word: str, probes: Sequence[catalogue.Probe]) -> list[str]:
    import difflib

    ids = [p.id for p in probes]
    groups = sorted({p.id.split(".")[0] for p in probes})
    return difflib.get_close_matches(word, ids + groups, n=3, cutoff=0.0)


LOAD_GROUP = "burn"
"""The probes that repeat exact work under load for as long as the user asks."""


def load_seconds(probes: Sequence[catalogue.Probe], minutes: float | None) -> float | None:
    """Seconds of load in each dtype, so that all together take `minutes`; UsageError where no such probe will run."""
    if minutes is None:
        return None
    shares = sum(len(probe.dtypes) for probe in probes if probe.group == LOAD_GROUP)
    if not shares:
        raise UsageError("--minutes is for the load test, which is not among these probes", "add --level full")
    if not minutes > 0:
        raise UsageError(f"{minutes} minutes are no time", "give a number above 0")
    return minutes * 60 / shares


def tasks_for(probes: Sequence[catalogue.Probe], kind: str) -> tuple[Task, ...]:
    """(probe, dtype) for every probe that runs on this `kind` of device (cpu cuda mps xpu)."""
    return tuple((probe, dtype) for probe in probes if kind in probe.devices for dtype in probe.dtypes)


# --- where to run -----------------------------------------------------------------------------------------------------


def choose_devices(env: Environment, wish: str | None) -> tuple[tuple[str, Gpu | None], ...]:
    """(device, its Gpu) pairs that `wish` means here; MachineError where this machine cannot serve it."""
    if env.python is None:
        why = next((note for note in env.notes if note.startswith("torch could not be read")), "it did not answer")
        raise MachineError(f"the chosen Python cannot be used: {why}", "name another one with --python")
    if env.torch is None:
        why = next((note for note in env.notes if note.startswith("torch could not be imported")), "")
        raise MachineError(
            "there is no usable torch in the chosen Python" + (f": {why}" if why else ""), repair.line_here(env)
        )
    if wish == "cpu":
        return (("cpu", None),)
    seen = visible_devices(env)
    blocked = environment.unusable_gpu(env)
    if wish is None:
        if blocked:
            raise MachineError(blocked, repair.line_here(env))
        return _one_of_each_model(seen) if seen else (("cpu", None),)
    if wish == "all" and seen:
        return seen
    names = {"cuda": "cuda:0", "xpu": "xpu:0"}
    chosen = tuple(pair for pair in seen if pair[0] in (wish, names.get(wish)))
    if not chosen:
        _refuse_device(env, wish, seen, blocked)
    return chosen


def _refuse_device(env: Environment, wish: str, seen: Sequence[tuple[str, Gpu | None]], blocked: str | None) -> None:
    known = wish == "all" or wish.partition(":")[0] in ("cpu", "cuda", "mps", "xpu")
    available = "devices here: " + ", ".join(["cpu", *(name for name, _ in seen)])
    if not known or (":" in wish and not wish.partition(":")[2].isdigit()):
        raise UsageError(f"{wish!r} is not a device", f"{available}; or all")
    if blocked:
        raise MachineError(blocked, repair.line_here(env))
    raise MachineError(f"this machine has no device {wish!r}", available + _cluster_hint())


def _cluster_hint() -> str:
    """On a login node or in a container without GPUs, the line that gets one."""
    if shutil.which("srun"):
        return "; on a login node: srun --gres=gpu:1 hwcompat probe"
    if Path("/.dockerenv").exists():
        return "; in a container: start it with docker run --gpus all"
    return ""


def visible_devices(env: Environment) -> tuple[tuple[str, Gpu | None], ...]:
    """(device, Gpu) for every accelerator that torch sees, by torch's own index."""
    if env.torch is None:
        return ()
    word = {"cuda": "cuda", "rocm": "cuda", "xpu": "xpu", "mps": "mps"}.get(env.torch.build)
    if word is None:
        return ()
    gpus = sorted((g for g in env.gpus if g.torch_index is not None), key=lambda g: g.torch_index or 0)
    if word == "mps":
        return (("mps", gpus[0]),) if gpus else ()
    return tuple((f"{word}:{gpu.torch_index}", gpu) for gpu in gpus)


def _one_of_each_model(seen: Sequence[tuple[str, Gpu | None]]) -> tuple[tuple[str, Gpu | None], ...]:
    """The first card of every model: another card of the same model is `--device all`."""
    first: dict[Any, tuple[str, Gpu | None]] = {}
    for device, gpu in seen:
        first.setdefault((gpu.name, gpu.pci_id, gpu.vram_bytes, gpu.mig_profile) if gpu else device, (device, gpu))
    return tuple(first.values())


# --- running and assembling -------------------------------------------------------------------------------------------


def run(
    env: Environment,
    device: str | None,
    level: str,
    only: Sequence[str],
    seed: int,
    simulate: str | None,
    execute: Callable[[Sequence[Task], str], Iterable[Result]],
    identify: Callable[[], str],
    now: Callable[[], str],
    watch: Callable[[Gpu | None], AbstractContextManager[telemetry.Samples]] = telemetry.watching,
) -> Report:
    """Probe every device that `device` means and give one Report, the first device's, with the `others` inside.

    `execute(tasks, device)` yields Results while `watch(gpu)` samples the card; `identify()` makes a report id; `now()`
    the UTC time. A KeyboardInterrupt keeps what was finished and marks the report `interrupted`.
    """
    probes = select_probes(level, only)
    known_digests = tables.load_tables().exact_digests  # now: a broken table must not cost a finished measurement
    reports: list[Report] = []
    for name, gpu in choose_devices(env, device):
        tasks = tasks_for(probes, name.partition(":")[0])
        with watch(gpu) as samples:
            results, interrupted = _collect(execute(tasks, name))
        blank = Report(
            id=identify(), date=now(), hwcompat=__version__, suite=SUITE_VERSION, level=level, seed=seed, device=name,
            environment=env, gpu=gpu, simulated=simulate, interrupted=interrupted,
            partial=bool(only) or lacks_core(results, probes), notes=_notes(only),
        )  # fmt: skip
        reports.append(assemble(blank, results, probes, known_digests, samples))
        if interrupted:
            break
    return replace(reports[0], others=tuple(reports[1:]))


def _notes(only: Sequence[str]) -> tuple[str, ...]:
    return (f"only these probes were run: {', '.join(only)}",) if only else ()


def lacks_core(results: Sequence[Result], probes: Sequence[catalogue.Probe]) -> bool:
    """True if a core probe was skipped as a whole (its group's time was up, say): such a run clears nothing."""
    core = {probe.id for probe in probes if probe.core}
    return any(result.probe in core and result.status == "skipped" for result in results)


def _collect(results: Iterable[Result]) -> tuple[tuple[Result, ...], bool]:
    """The results, and True if Ctrl-C ended them early; what was finished by then is kept."""
    kept: list[Result] = []
    try:
        for result in results:
            kept.append(result)
    except KeyboardInterrupt:
        return tuple(kept), True
    return tuple(kept), False


def assemble(
    blank: Report,
    results: Sequence[Result],
    probes: Sequence[catalogue.Probe],
    known_digests: Mapping[str, str] = MappingProxyType({}),
    samples: telemetry.Samples | None = None,
) -> Report:
    """The Report of `results`: speed, verdicts, cautions and digests filled in. Pure.

    known_digests  what the exact digests must be: tables.Tables.exact_digests
    samples        what the card did meanwhile
    """
    samples = samples or telemetry.Samples()
    by_id = {probe.id: probe for probe in probes}
    speed = throttled(speed_of(results)) if samples.slowed else speed_of(results)
    capability = blank.gpu.compute_capability if blank.gpu else None
    capabilities, cautions = verdicts.judge(
        results,
        speed,
        compute_capability=capability,
        bf16_native=catalogue.simulated_bf16(blank.simulated),
        probes=by_id,
    )
    order = {name: n for n, name in enumerate(by_id)}
    found = digests_of(results, blank, by_id)
    return replace(
        blank,
        results=tuple(sorted(results, key=lambda r: order.get(r.probe, len(order)))),
        capabilities=capabilities,
        cautions=(*cautions, *digests.cautions(found, known_digests)),
        speed=speed,
        digests=found,
        telemetry=samples.measured(),
    )


def speed_of(results: Sequence[Result]) -> Mapping[str, Measurement]:
    """Every fact of the results that carries a unit, as a Measurement."""
    return {
        key: Measurement(fact["value"], fact["unit"], fact["low"], fact["high"], fact["count"], fact.get("note", ""))
        for result in results
        for key, fact in result.data.items()
        if isinstance(fact, Mapping) and "unit" in fact
    }


def throttled(speed: Mapping[str, Measurement]) -> Mapping[str, Measurement]:
    """The same with a note that heat or the power supply held the card back: then a speed decides nothing."""
    return {key: replace(m, note="; ".join(filter(None, (m.note, "throttled")))) for key, m in speed.items()}


def digests_of(results: Sequence[Result], blank: Report, probes: Mapping[str, catalogue.Probe]) -> Mapping[str, str]:
    """The digests of a run with the common seed, 0; other seeds have other inputs, and a simulation proves nothing."""
    if blank.seed != 0 or blank.simulated:
        return {}
    return digests.named(results, probes, blank.level, large=blank.device != "cpu")
