"""The machine that an answer is for, and which of its earlier reports still speak of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .consensus import COMPLETE_LEVELS
from .model import Fault, Gpu, PrecisionDefault, Report, TorchFacts


@dataclass(frozen=True)
class CardFacts:
    """One device and what the tables say of it with the build in question. `gpu` None: the CPU."""

    gpu: Gpu | None = None
    faults: tuple[Fault, ...] = ()
    default: PrecisionDefault | None = None
    bf16_native: bool | None = None

    @property
    def name(self) -> str:
        if self.gpu is None:
            return "this CPU"
        return f"{self.gpu.name} ({self.gpu.chip})" if self.gpu.chip else self.gpu.name


@dataclass(frozen=True)
class Machine:
    """The machine that the answer is for; `torch` is the build installed there, None if unknown."""

    os: str
    arch: str = ""
    python: str = ""
    driver: str | None = None
    wsl: bool = False
    torch: TorchFacts | None = None
    cpu: str | None = None

    @property
    def row_os(self) -> str:
        return "wsl" if self.wsl else self.os


def is_complete(report: Report) -> bool:
    """Long enough, to its end, and without leaving anything out: only then a pass counts."""
    return report.level in COMPLETE_LEVELS and not report.interrupted and not report.partial


def applying_reports(
    card: CardFacts, machine: Machine, reports: Sequence[Report]
) -> tuple[tuple[Report, ...], tuple[str, ...]]:
    """The reports that speak of this model as it is now, each card's down to its newest complete one.

    A complete report outdates older ones of the same card only: two cards of one model share everything but their slot,
    and one of them may be sick.
    """
    chosen: list[Report] = []
    notes: list[str] = []
    settled: set[str] = set()
    for report in reports:
        if _kind(report) != _expected_kind(card) or _slot(report) in settled:
            continue
        differences = _differences(report, card, machine)
        if differences:
            notes.append(f"the report of {report.date[:10]} does not apply: {', '.join(differences)}")
        else:
            chosen.append(report)
            if is_complete(report):
                settled.add(_slot(report))
    return tuple(chosen), tuple(notes)


def _slot(report: Report) -> str:
    """Which of several equal cards: by bus id where it is known (on this machine), else by torch's name for it."""
    return (report.gpu.pci_bus_id if report.gpu else None) or report.device


def _kind(report: Report) -> str:
    return report.device.split(":")[0]


def _expected_kind(card: CardFacts) -> str:
    if card.gpu is None:
        return "cpu"
    return {"apple": "mps", "intel": "xpu"}.get(card.gpu.vendor, "cuda")


def _differences(report: Report, card: CardFacts, machine: Machine) -> list[str]:
    """What was otherwise when the report was made; the driver is apart, since values survive it."""
    then, now = report.environment, machine.torch
    pairs = [("operating system", then.row_os, machine.row_os), *_gpu_pairs(report.gpu, card.gpu)]
    if now is not None:
        was = then.torch
        facts = (("torch", "version"), ("CUDA", "cuda"), ("cuDNN", "cudnn"))
        pairs += [(label, getattr(was, name, None), getattr(now, name)) for label, name in facts]
    return [f"{label} was {old}, is {new}" for label, old, new in pairs if old != new]


def _gpu_pairs(then: Gpu | None, now: Gpu | None) -> list[tuple[str, object, object]]:
    if then is None or now is None:
        return []
    names = ("pci_id", "pci_subsystem", "compute_capability", "mig_profile")
    pairs: list[tuple[str, object, object]] = [
        (name.replace("_", " "), getattr(then, name), getattr(now, name)) for name in names
    ]
    return [*pairs, ("memory in GiB", _gib(then), _gib(now))]


def _gib(gpu: Gpu) -> int | None:
    """Whole GiB: drivers keep back a little, and not always the same."""
    return None if gpu.vram_bytes is None else round(gpu.vram_bytes / 2**30)


def driver_note(applying: Sequence[Report], machine: Machine, same_driver: bool) -> tuple[str, ...]:
    if same_driver:
        return ()
    was = applying[0].environment.driver
    return (f"measured with driver {was}, now {machine.driver}: correctness is kept, speed is not",)


def label(report: Report) -> str:
    """Names the measurement: the build it was made on, and when."""
    torch = report.environment.torch.version if report.environment.torch else "an unknown build"
    kind = f"simulated {report.simulated}" if report.simulated else "measured here"
    return f"{kind} on torch {torch}, {report.date[:10]}, level {report.level}"
