"""One candidate after the other: environment, import, probe, step time, outcome. Whatever a build does is a result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hwcompat import environment, resolver, runner
from hwcompat.errors import HwcompatError, MachineError
from hwcompat.model import CAPABILITIES, Report

from . import clock, disk
from .disk import Budget
from .installer import InstallError, Uv, python_in, remove
from .ledger import KEPT, Ledger, Outcome, Step, utc_now
from .planning import Candidate
from .sources import NOT_CACHED, Failure, Source, sources, wheel_for

Progress = Callable[[int, int, str], None]


def _silent(_done: int, _total: int, _label: str) -> None:
    return None


@dataclass(frozen=True)
class Settings:
    """What a sweep is told. `max_disk` in bytes; `wheels`: the files in the folders of --find-links."""

    level: str = "standard"
    device: str | None = None
    timeout: float | None = None
    keep: bool = False
    fresh: bool = False
    offline: bool = False
    max_disk: int | None = None
    wheels: tuple[Path, ...] = ()
    index_base: str = ""
    import_seconds: float = 120.0
    clock_seconds: float = clock.SECONDS


@dataclass(frozen=True)
class Tools:
    """How a build is measured: `probe(python, progress)`, `steps(python, device, batch, seconds)`; what to do with its
    report; `tell` says a line to the user, `progress` shows how far it is."""

    probe: Callable[[str, Progress], Report]
    record: Callable[[Report], object]
    uv: Callable[[Path | None], Uv]
    tell: Callable[[str], None]
    progress: Progress = _silent
    steps: Callable[..., tuple[dict[str, Step], int]] = clock.steps
    now: Callable[[], str] = field(default=utc_now)


def run(candidates: Sequence[Candidate], ledger: Ledger, settings: Settings, tools: Tools) -> Iterator[Outcome]:
    """Yield an outcome a candidate, in their order, each as soon as it is in the ledger.

    What is final there already is not measured again, unless `fresh`. After a KeyboardInterrupt, or whatever else ends
    it, no environment is left behind that should not stay.
    """
    with ledger.locked():
        if settings.fresh:
            ledger.forget()
        _clean(ledger, settings)
        sweep = _Sweep(ledger, settings, tools)
        try:
            for number, candidate in enumerate(candidates, 1):
                yield sweep.settle(candidate, f"[{number}/{len(candidates)}] {candidate.build}")
        finally:
            _clean(ledger, settings)


def _clean(ledger: Ledger, settings: Settings) -> None:
    """Remove what a killed sweep, or this one, left behind. Only under the lock."""
    for folder in ledger.leftovers(kept=settings.fresh and not settings.keep):
        remove(folder)


class _FailedError(Exception):
    """The candidate comes to this outcome, and why."""

    def __init__(self, outcome: str, why: str) -> None:
        super().__init__(why)
        self.outcome, self.why = outcome, why


class _Sweep:
    """A sweep at work: what its builds share."""

    def __init__(self, ledger: Ledger, settings: Settings, tools: Tools) -> None:
        self._ledger, self._settings, self._tools = ledger, settings, tools
        cache = ledger.cache if settings.max_disk is not None else None
        self._uv = tools.uv(cache)
        self._budget = Budget(settings.max_disk, ledger.folder, (ledger.folder,))
        self._silent: dict[str, Failure] = {}  # hosts that did not answer: not asked again and again

    def settle(self, candidate: Candidate, label: str) -> Outcome:
        """What the ledger knows of it, else what is found now."""
        known = self._ledger.read(candidate)
        if known and known.final:
            self._tools.tell(f"{label}: {known.outcome} on {known.date[:10]}, kept (--fresh measures again)")
            return known
        started = time.monotonic()
        blank = Outcome(candidate.build, candidate.python.version, "failed", installed=candidate.installed)
        try:
            found = self._measured(candidate, blank, label)
        except _FailedError as failed:
            found = replace(blank, outcome=failed.outcome, detail=failed.why)
        found = replace(found, date=self._tools.now(), seconds=round(time.monotonic() - started, 1))
        self._ledger.write(candidate, found)
        if found.outcome != "measured":
            self._tools.tell(f"{label}: {found.outcome}: {found.detail}")
        return found

    def _measured(self, candidate: Candidate, blank: Outcome, label: str) -> Outcome:
        if candidate.installed:
            return self._probed(candidate.path, candidate, blank, label)
        with self._installed(candidate, label) as folder:
            size = disk.occupied(folder)
            return self._probed(str(python_in(folder)), candidate, replace(blank, bytes=size), label)

    # --- installing -------------------------------------------------------------------------------------------------

    @contextmanager
    def _installed(self, candidate: Candidate, label: str) -> Iterator[Path]:
        """The folder of an environment with the build, gone afterwards unless it is to be kept."""
        folder = self._ledger.environment(candidate)
        try:
            if not (folder / KEPT).exists():
                self._install(candidate, folder, label)
            yield folder
            if self._settings.keep:
                (folder / KEPT).touch()
        finally:
            if not (folder / KEPT).exists():
                remove(folder)

    def _install(self, candidate: Candidate, folder: Path, label: str) -> None:
        self._make_room(candidate)
        self._tools.tell(f"{label}: installing for Python {candidate.python.version}")
        self._tools.progress(0, 0, f"installing {candidate.build}")
        try:
            self._uv.make(folder, candidate.python.request)
        except InstallError as error:
            raise _FailedError("unreachable" if error.why.unreachable else "failed", error.why.text) from error
        self._fill(folder, self._sources(candidate))
        full = self._budget.exceeded()
        if full:
            raise _FailedError("no room", full)

    def _sources(self, candidate: Candidate) -> tuple[Source, ...]:
        told = self._settings
        return sources(candidate, index_base=told.index_base, wheels=told.wheels, offline=told.offline)

    def _fill(self, folder: Path, places: Sequence[Source]) -> None:
        """Install from the first of `places` that has the build; _FailedError with what each of them said."""
        said = []
        for place in places:
            why = self._silent.get(place.host)
            if why is None:
                try:
                    self._uv.install(folder, place, self._budget.overdrawn)
                    return
                except InstallError as error:
                    # Offline, uv takes the versions in a folder for all that there are: what it says misleads.
                    why = NOT_CACHED if self._settings.offline and place.host else error.why
                    if why.unreachable and place.host:
                        self._silent[place.host] = why
            said.append((place, why))
        full = self._budget.exceeded()
        unreachable = any(why.unreachable for _, why in said)
        told = full or "; ".join(dict.fromkeys(f"from {place.what}: {why.text}" for place, why in said))
        raise _FailedError("no room" if full else "unreachable" if unreachable else "failed", told)

    def _make_room(self, candidate: Candidate) -> None:
        """_FailedError where the build does not fit, not even with the sweep's own cache emptied."""
        from .ledger import known_sizes

        wheel = wheel_for(candidate, "torch", candidate.torch, self._settings.wheels)
        need = disk.expected(candidate.build, known_sizes(), wheel)
        why = self._budget.why_not(need)
        if why and self._ledger.cache.exists():
            remove(self._ledger.cache)
            why = self._budget.why_not(need)
        if why:
            raise _FailedError("no room", why)

    # --- measuring --------------------------------------------------------------------------------------------------

    def _probed(self, python: str, candidate: Candidate, blank: Outcome, label: str) -> Outcome:
        self._tools.progress(0, 0, f"importing {candidate.build}")
        self._check_build(python, candidate)
        self._tools.tell(f"{label}: probing" + (" (installed here)" if candidate.installed else ""))
        try:
            report = self._tools.probe(python, self._tools.progress)
        except MachineError as error:
            raise _FailedError("failed", error.message) from error
        if report.interrupted:
            raise KeyboardInterrupt
        if not report.measured:
            raise _FailedError("failed", "no probe came to a result")
        self._tools.record(report)
        self._tools.progress(0, 0, f"timing {candidate.build}")
        steps, batch, why = self._steps(python, report)
        return replace(blank, **_facts(report), outcome="measured", steps=steps, batch=batch, detail=why)

    def _check_build(self, python: str, candidate: Candidate) -> None:
        """_FailedError where torch does not import, in time or at all, or is another build than was asked for."""
        try:
            info = runner.info(python, self._settings.import_seconds)
        except HwcompatError as error:
            raise _FailedError("broken", error.message) from error
        facts = environment.torch_facts(info)
        if facts is None:
            raise _FailedError("broken", f"torch does not import: {environment.public_line(str(info.get('error')))}")
        name = resolver.name_of(facts)
        if name != candidate.build and not candidate.installed:
            raise _FailedError("other", f"{name} came instead")

    def _steps(self, python: str, report: Report) -> tuple[dict[str, Step], int, str]:
        """The step times on the first device, the batch, and why there are none."""
        try:
            steps, batch = self._tools.steps(python, report.device, self._ledger.batch, self._settings.clock_seconds)
        except (clock.ClockError, OSError) as error:
            return {}, 0, f"no step time: {error}"
        if self._ledger.batch is None:
            self._ledger.keep_batch(batch, {"level": report.level, "device": report.device})
        throttled = any("throttled" in each.note for each in report.speed.values())
        return ({name: _throttled(step) for name, step in steps.items()} if throttled else steps), batch, ""


def _throttled(step: Step) -> Step:
    return replace(step, note="; ".join(filter(None, (step.note, "throttled"))))


def _facts(report: Report) -> dict[str, Any]:
    """What the outcome keeps of a report: over all its devices."""
    runs = (report, *report.others)
    return {
        "report": report.id,
        "verdicts": {name: report.verdict(name) for name in CAPABILITIES},
        "failures": tuple(f"{each.probe}:{each.dtype}:{each.status}" for each in report.failures[:64]),
        "cautions": sum(len(one.cautions) for one in runs),
        "checks": sum(result.cases for one in runs for result in one.results),
    }
