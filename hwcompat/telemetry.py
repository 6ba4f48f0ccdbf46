"""What the card did while it was under test: temperature, clock and power by the second, and what held the clock back.

A thread asks NVML; a question that is not answered (GeForce, WSL, another vendor) leaves its quantity out. Nothing here
raises, and a run without NVML is a run without telemetry.
"""

from __future__ import annotations

import contextlib
import importlib
import statistics
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import nvml
from .model import Gpu, Measurement

PAUSE_SECONDS = 1.0
SLOWED = ("hardware slowdown", "software thermal slowdown", "hardware thermal slowdown", "hardware power brake")
"""Reasons after which a speed says nothing of the card: heat, or a power supply that does not keep up. A power cap is
not among them: most cards run into it under full load, and it is how fast they are."""

_UNITS = {"temperature": "C", "sm_clock": "MHz", "power": "W"}


@dataclass
class Samples:
    """What was seen so far; read it after the run."""

    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _UNITS})
    reasons: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def add(self, seen: Mapping[str, float | None], reasons: tuple[str, ...]) -> None:
        self.count += 1
        for name, value in seen.items():
            if value is not None:
                self.values[name].append(value)
        for reason in reasons:
            self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def measured(self) -> dict[str, Measurement]:
        """Median, least and largest of every quantity that was answered; `note` of the clock: what held it back."""
        found = {
            name: Measurement(statistics.median(values), _UNITS[name], min(values), max(values), len(values))
            for name, values in self.values.items()
            if values
        }
        held = ", ".join(f"{reason} in {100 * n // self.count} %" for reason, n in sorted(self.reasons.items()))
        if held and "sm_clock" in found:
            clock = found["sm_clock"]
            found["sm_clock"] = Measurement(clock.value, clock.unit, clock.low, clock.high, clock.count, held)
        return found

    @property
    def slowed(self) -> bool:
        """True if heat or the power supply held the card back at any time."""
        return any(reason in self.reasons for reason in SLOWED)


@contextlib.contextmanager
def watching(gpu: Gpu | None, library: Any = None, pause: float = PAUSE_SECONDS) -> Iterator[Samples]:
    """Samples of `gpu` (found by its PCI bus id) as long as the context lasts; empty where nobody answers."""
    samples = Samples()
    look = _opened(gpu, library)
    if look is None:
        yield samples
        return
    over = threading.Event()
    thread = threading.Thread(target=_sample, args=(look, samples, over, pause), daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join(10 * pause)
        nvml.ask(_library(library), "nvmlShutdown")


def _sample(look: Callable[[Samples], None], samples: Samples, over: threading.Event, pause: float) -> None:
    while True:
        look(samples)
        if over.wait(pause):
            return


def _library(library: Any) -> Any:
    return library or importlib.import_module("pynvml")


def _opened(gpu: Gpu | None, library: Any) -> Callable[[Samples], None] | None:
    """A function that takes one sample of the card; None where NVML or the card cannot be reached."""
    if gpu is None or gpu.pci_bus_id is None:
        return None
    try:
        library = _library(library)
        library.nvmlInit()
        handle = library.nvmlDeviceGetHandleByPciBusId(gpu.pci_bus_id.encode("ascii"))
    except Exception:  # a missing package, a missing driver, a card of another vendor
        return None
    return lambda samples: samples.add(*nvml.conditions(library, handle))
