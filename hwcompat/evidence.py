"""What is believed of one card, capability by capability, and why: this machine's reports, then rows of the matrix,
then known faults, then sourced defaults. Pure; `policy` turns beliefs into settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .circumstances import CardFacts, Machine, applying_reports, driver_note, is_complete, label
from .consensus import Consensus, consensus, failing_probes, row_speed, voices_in
from .knownfaults import affected_clients
from .model import BAD_STATUSES, CAPABILITIES, VERDICTS, Caution, Fault, PrecisionDefault, Report, Result, Row
from .nearness import Near, Place, near_rows
from .verdicts import KERNELS_OF, amp_ratio, is_emulated

DTYPE_OF = {
    "fp32": "float32",
    "tf32": "float32",
    "fp16": "float16",
    "bf16": "bfloat16",
    "amp_fp16": "float16",
    "amp_bf16": "bfloat16",
}


class Belief(NamedTuple):
    """`verdict` is never `slow`: whether it pays is `faster` (None: nobody knows)."""

    verdict: str = "unknown"
    faster: bool | None = None
    because: tuple[str, ...] = ()
    measured_here: bool = False
    doubted: bool = False  # something bad was seen, though not enough for `faulty`

    @property
    def word(self) -> str:
        """The verdict as the matrix spells it."""
        return "slow" if self.verdict == "ok" and self.faster is False else self.verdict

    def lowered(self, verdict: str, because: str) -> Belief:
        """At best `verdict`; the reason that lowers it comes first."""
        worse = VERDICTS.index(verdict) >= VERDICTS.index(self.verdict)
        value = verdict if worse else self.verdict
        sentences = (because, *self.because) if worse else (*self.because, because)
        return self._replace(verdict=value, because=sentences, doubted=True)


class Knowledge(NamedTuple):
    """Everything believed of one card."""

    card: CardFacts
    beliefs: Mapping[str, Belief]
    reports: tuple[Report, ...] = ()  # those of this machine that apply, newest first
    evidence: tuple[str, ...] = ()  # a sentence a source, strongest first
    cautions: tuple[Caution, ...] = ()
    notes: tuple[str, ...] = ()  # why a report was left out, or counts in part
    same_driver: bool = True

    @property
    def complete(self) -> Report | None:
        """The newest run that covers enough to count as a pass."""
        return next((report for report in self.reports if is_complete(report)), None)

    @property
    def unstable(self) -> bool:
        return any(result.status == "flaky" for report in self.reports for result in report.results)


def know(
    card: CardFacts, machine: Machine, reports: Sequence[Report], rows: Sequence[Row], torch: str, tag: str
) -> Knowledge:
    """Beliefs about `card`.

    reports   of this machine, newest first; those that do not apply are left out with a note
    rows      of the matrix, in any order
    torch     version of the build that will be used ("2.13.0"), and its CUDA tag; "" where there is none
    """
    applying, notes = applying_reports(card, machine, reports)
    near = near_rows(rows, Place(card.gpu, machine.row_os, torch, tag, machine.cpu))
    same_driver = all(report.environment.driver == machine.driver for report in applying)
    case = _Case(card, machine, applying, near, same_driver)
    beliefs = _coupled({name: case.belief(name) for name in CAPABILITIES})
    return Knowledge(
        card=card,
        beliefs=beliefs,
        reports=applying,
        evidence=tuple(_evidence(card, applying, near)),
        cautions=tuple(_cautions(case, applying, beliefs)),
        notes=(*notes, *driver_note(applying, machine, same_driver)),
        same_driver=same_driver,
    )


# --- one capability ---------------------------------------------------------------------------------------------------


class _Case(NamedTuple):
    """The evidence on one card, ready to be asked about each capability."""

    card: CardFacts
    machine: Machine
    reports: tuple[Report, ...]
    near: tuple[Near, ...] = ()
    same_driver: bool = True

    def belief(self, name: str) -> Belief:
        votes = consensus(self.near, name)
        prior = _with_rows(_default(self.card, name), votes, name)
        complete = next((r for r in self.reports if is_complete(r) and _passed(r, name)), None)
        if complete is None:
            believed = _with_faults(prior, self.card.faults, name)
        else:
            believed = self._measured(complete, prior, votes, name)
        return self._with_failures(believed, name)

    def _measured(self, report: Report, prior: Belief, votes: Consensus, name: str) -> Belief:
        """What a complete pass of this machine says; what it did not clear still stands."""
        verdict = report.capabilities[name]
        ratio = amp_ratio(name, report.speed) if self.same_driver else None
        decided = ratio is not None and (ratio.faster or ratio.slower)
        faster = (ratio is not None and ratio.faster) if decided else prior.faster
        if verdict.value == "slow" and self.same_driver:
            faster = False
        sentence = f"{label(report)}: {'; '.join(verdict.because) or 'passed'}"
        believed = Belief("emulated" if verdict.value == "emulated" else "ok", faster, (sentence,), True)
        standing = [f for f in self.card.faults if not self.clears(report, f, name)]
        believed = _with_faults(believed, standing, name)
        uncleared = votes.outcome in ("suspected", "faulty") and not _ran(report, failing_probes(votes.failing), name)
        return _lowered_by_rows(believed, votes) if uncleared else believed

    def clears(self, report: Report, fault: Fault, name: str) -> bool:
        """True if the very probes that detect the fault ran unshrunk and passed, and speed was measured as well."""
        ratio = amp_ratio(name, report.speed) if self.same_driver else None
        if ratio is None or not ratio.clean:
            return False
        if fault.verdicts.get(name) == "slow":
            return ratio.faster or ratio.slower
        return bool(fault.detected_by) and _ran(report, _with_backward(fault.detected_by), name)

    def _with_failures(self, believed: Belief, name: str) -> Belief:
        for report in self.reports:
            verdict = report.capabilities.get(name)
            if verdict is None:
                continue
            sentence = f"{label(report)}: {'; '.join(verdict.because) or verdict.value}"
            if verdict.value in ("faulty", "unsupported") or (verdict.value == "unknown" and _trouble(report, name)):
                believed = believed.lowered(verdict.value, sentence)._replace(measured_here=True)
        return believed


def _default(card: CardFacts, name: str) -> Belief:
    """The sourced assumption before anyone measured."""
    default = card.default
    verdict, faster = _assumed(card, default, name)
    if name == "tf32" and verdict != "unknown":
        return Belief(verdict, faster, ("TF32 exists on CUDA from capability 8.0 on",))
    if verdict == "emulated":
        return Belief(verdict, faster, ("this chip has no bf16 arithmetic",))
    if default is None:
        return Belief(verdict, faster, ("no measurement and no sourced default for this device",))
    if name in ("fp8", "memory"):
        return Belief(verdict, faster, ("nobody has measured it on this device",))
    if name == "fp32":
        return Belief(verdict, faster, ("taken to be right until a measurement says otherwise",))
    return Belief(verdict, faster, (f"default for {default.match} {default.value}: {default.because}",))


def _assumed(card: CardFacts, default: PrecisionDefault | None, name: str) -> tuple[str, bool | None]:
    if name == "tf32":
        return _assumed_tf32(card), None
    if name in ("bf16", "amp_bf16"):
        return _assumed_bf16(card, default)
    if default is None or name in ("fp8", "memory"):
        return "unknown", None
    if name == "fp32":
        return "ok", None
    if default.fp16_gemm == "unknown" or (name == "amp_fp16" and default.default_amp == "unknown"):
        return "unknown", None
    pays = default.fp16_gemm == "native" and (name == "fp16" or default.default_amp != "off")
    return "ok", pays


def _assumed_tf32(card: CardFacts) -> str:
    """TF32 exists on CUDA from 8.0 (https://docs.nvidia.com/cuda/cuda-c-programming-guide/#compute-capabilities)."""
    capability = card.gpu.compute_capability if card.gpu and card.gpu.vendor == "nvidia" else None
    if card.gpu is not None and card.gpu.vendor == "nvidia" and capability is None:
        return "unknown"
    major = (capability or "0").split(".")[0]
    return "ok" if major.isdigit() and int(major) >= 8 else "unsupported"


def _assumed_bf16(card: CardFacts, default: PrecisionDefault | None) -> tuple[str, bool | None]:
    said = default.bf16 if default else "unknown"
    if said == "unsupported":
        return "unsupported", None
    if card.gpu is not None and (said == "emulated" or is_emulated(card.gpu.compute_capability, card.bf16_native)):
        return "emulated", False
    if default is None or said != "native":
        return "unknown", None
    pays = {"bfloat16": True, "off": False}.get(default.default_amp)
    return "ok", pays


def _with_rows(prior: Belief, votes: Consensus, name: str) -> Belief:
    """Passing rows decide speed whatever fails, so that a failing row cannot bring back a faster default."""
    measured = row_speed(votes.passing, name)
    prior = prior if measured is None else prior._replace(faster=measured)
    if votes.outcome != "ok":
        return _lowered_by_rows(prior, votes)
    nearest = votes.passing[0]
    emulated = "emulated" in (prior.verdict, votes.verdict)
    runs = f"{votes.observations} run(s){_period(votes)}"
    sentence = f"passed on {voices_in(votes.passing)} card(s) like this one in {runs}, nearest {nearest}"
    outvoted = (f"outvoted: {votes.failing[0]}",) if votes.failing else ()
    return Belief("emulated" if emulated else "ok", prior.faster, (sentence, *outvoted), doubted=bool(votes.failing))


def _lowered_by_rows(believed: Belief, votes: Consensus) -> Belief:
    if votes.outcome == "faulty":
        rows = f"{voices_in(votes.failing)} independent rows{_period(votes)}"
        return believed.lowered("faulty", f"failed in {rows}, {votes.failing[0]}{_explained(votes)}")
    if votes.outcome == "suspected":
        return believed.lowered("unknown", f"suspected, not proven: failed in {votes.failing[0]}{_explained(votes)}")
    return believed


def _period(votes: Consensus) -> str:
    """When they were made: a verdict never goes without its age."""
    if not votes.newest:
        return ", undated"
    return f" of {votes.newest}" if votes.newest == votes.oldest else f" from {votes.oldest} to {votes.newest}"


def _explained(votes: Consensus) -> str:
    """What sets the failing rows apart from those that passed, if anything recorded does."""
    first = next(iter(votes.explanations), None)
    return f"; those that passed had {first.column} {' '.join(first.passing[:3])}" if first else ""


def _with_faults(believed: Belief, faults: Iterable[Fault], name: str) -> Belief:
    for fault in faults:
        verdict = fault.verdicts.get(name)
        sentence = f"known fault {fault.id}: {fault.title} ({', '.join(fault.citations[:1])})"
        if verdict == "slow":
            believed = believed._replace(faster=False, because=(*believed.because, sentence))
        elif verdict:
            believed = believed.lowered(verdict, sentence)
    return believed


def _passed(report: Report, name: str) -> bool:
    verdict = report.capabilities.get(name)
    return verdict is not None and verdict.value in ("ok", "slow", "emulated")


def _ran(report: Report, detectors: Sequence[str], name: str) -> bool:
    """True if every one of these probes ran in this capability's dtype, passed, and left no case out."""
    dtype = DTYPE_OF.get(name)
    for probe in detectors:
        results = [r for r in report.results if r.probe == probe]
        relevant = [r for r in results if r.dtype == dtype] or results
        if not relevant or not all(r.status in ("pass", "feature") and not r.skipped_cases for r in relevant):
            return False
    return True


def _with_backward(detectors: Sequence[str]) -> tuple[str, ...]:
    """A pass forward says nothing of the two backward kernels, which are chosen apart from it."""
    families = [probe.removesuffix(".forward") for probe in detectors if probe.endswith(".forward")]
    backward = [f"{family}.{kernel}" for family in families if family == "conv" for kernel in ("dgrad", "wgrad")]
    return tuple(dict.fromkeys([*detectors, *backward]))


def _trouble(report: Report, name: str) -> bool:
    """True if this capability is unknown because something happened, not because nothing was run."""
    dtype = DTYPE_OF.get(name)
    return any(_bad(result) and dtype in (None, result.dtype) for result in report.results)


def _bad(result: Result) -> bool:
    return result.status in BAD_STATUSES or result.status == "oom"


def _coupled(beliefs: Mapping[str, Belief]) -> Mapping[str, Belief]:
    """Autocast is no better than what is known against the kernels it runs."""
    coupled = dict(beliefs)
    for name, kernels in KERNELS_OF.items():
        for kernel in kernels:
            below = beliefs[kernel]
            known_bad = below.verdict in ("faulty", "unsupported") or (below.verdict == "unknown" and below.doubted)
            if known_bad and VERDICTS.index(below.verdict) > VERDICTS.index(coupled[name].verdict):
                coupled[name] = coupled[name].lowered(below.verdict, f"autocast runs {kernel} kernels: {_first(below)}")
    return coupled


def _first(belief: Belief) -> str:
    return belief.because[0] if belief.because else belief.verdict


# --- what is told -----------------------------------------------------------------------------------------------------


def _evidence(card: CardFacts, reports: Sequence[Report], near: Sequence[Near]) -> Iterable[str]:
    yield from (label(report) + f" (report {report.id})" for report in reports)
    if near:
        best = near[0]
        rows = {n.row for n in near}
        measured = sum(row.source == "measured" for row in rows)
        counts = f"{measured} measured and {len(rows) - measured} reported"
        yield f"{counts} rows of the matrix, by {voices_in(near)} voice(s), nearest {best}"
    for fault in card.faults:
        if fault.verdicts:
            yield f"known fault {fault.id}: {fault.title} ({', '.join(fault.citations[:1])})"
    if card.default:
        yield f"default for {card.default.match} {card.default.value}: {card.default.because} ({card.default.source})"


def _cautions(case: _Case, reports: Sequence[Report], beliefs: Mapping[str, Belief]) -> Iterable[Caution]:
    for report in reports:
        yield from report.cautions
    complete = next((r for r in reports if is_complete(r)), None)
    for fault in case.card.faults:
        harmless = bool(fault.uses) and all(beliefs[name].verdict == "ok" for name in fault.uses)
        if not harmless and not (complete and _cleared(case, complete, fault)):
            title = f"{fault.title}{_installed(fault, case.machine)}"
            yield Caution(title, fault.symptom, fault.workaround, (*fault.citations, fault.id)[0])


def _cleared(case: _Case, complete: Report, fault: Fault) -> bool:
    """A fault without verdicts is told until every probe that detects it passed here, in every dtype and unshrunk."""
    if fault.verdicts:
        return all(case.clears(complete, fault, name) for name in fault.verdicts)
    found = {probe: [r for r in complete.results if r.probe == probe] for probe in _with_backward(fault.detected_by)}
    return bool(found) and all(results and all(map(_clean, results)) for results in found.values())


def _clean(result: Result) -> bool:
    return result.status == "pass" and not result.skipped_cases


def _installed(fault: Fault, machine: Machine) -> str:
    found = affected_clients(fault, machine.torch.clients if machine.torch else {})
    return f" ({', '.join(f'{name} {version}' for name, version in found.items())} is installed)" if found else ""
