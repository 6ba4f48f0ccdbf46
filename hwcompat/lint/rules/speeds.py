"""Speeds against what the fastest card of the chip, or of its capability, can do (matrix/speed_limits.csv).

The limits are arithmetic rates at the rated clocks; cards run above them. Rated boost clocks are exceeded by up to 36 %
(a GeForce RTX 2080 Ti is rated 1545 MHz and clocks to 2100), overclocked memory by less than 20 %.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.lint.cards import limit_of, number
from hwcompat.lint.findings import Complaint, Facts, row_rule

CLOCK, MEMORY_CLOCK = 1.4, 1.2
SLOW_FP32 = 2.0
"""How much of a ratio may come from an fp32 measurement below what the card can do: half of it, as small cards under
Windows and large ones with old cuBLAS reach."""

_WHO = ("chip", "compute_capability")
_RATES = ("fp32_tflops", "tf32_tflops", "fp16_tflops", "bf16_tflops")
_SPEEDUPS = ("amp_fp16_speedup", "amp_bf16_speedup")
_ADVICE = (
    "measure again with hwcompat probe; if the card is faster than speed_limits.csv says, correct that with a source"
)


@row_rule(*_WHO, *_RATES, remembered=False)
def rates_are_below_the_limit_of_the_card(facts: Facts, chip: str, capability: str, *rates: str) -> Iterator[Complaint]:
    """No rate is above what the fastest card of that chip or capability can compute."""
    limit = limit_of(facts, chip, capability) if any(rates) else None
    if limit is None:
        return
    for name, text in zip(_RATES, rates, strict=True):
        rate, most = number(text), limit.fp32_tflops if name == "fp32_tflops" else limit.fp16_tflops
        if rate is not None and rate > most * CLOCK:
            yield Complaint(name, text, f"{limit.value} computes at most {most:g} TFLOP/s at rated clocks", _ADVICE)


@row_rule(*_WHO, "bandwidth_gbs", remembered=False)
def the_bandwidth_is_below_the_limit_of_the_card(
    facts: Facts, chip: str, capability: str, bandwidth: str
) -> Iterator[Complaint]:
    """No bandwidth is above that of the fastest memory on that chip or capability."""
    limit, found = limit_of(facts, chip, capability) if bandwidth else None, number(bandwidth)
    if limit and found is not None and found > limit.bandwidth_gbs * MEMORY_CLOCK:
        problem = f"{limit.value} moves at most {limit.bandwidth_gbs:g} GB/s at rated clocks"
        yield Complaint("bandwidth_gbs", bandwidth, problem, _ADVICE)


@row_rule(*_WHO, *_RATES, remembered=False)
def sixteen_bits_are_not_faster_than_the_units(
    facts: Facts, chip: str, capability: str, fp32: str, *others: str
) -> Iterator[Complaint]:
    """Over its own fp32, no precision gains more than the card's units allow."""
    base = number(fp32)
    limit = limit_of(facts, chip, capability) if base and any(others) else None
    if limit is None or not base:
        return
    for name, text in zip(_RATES[1:], others, strict=True):
        rate, gain = number(text), limit.fp16_tflops / limit.fp32_tflops
        if rate is not None and rate / base > gain * SLOW_FP32:
            problem = f"{rate / base:.3g} times fp32; the units of {limit.value} gain {gain:.3g}"
            yield Complaint(name, text, problem, _ADVICE)


@row_rule(*_WHO, *_SPEEDUPS, remembered=False)
def speedups_are_not_above_the_units(facts: Facts, chip: str, capability: str, *speedups: str) -> Iterator[Complaint]:
    """A training step gains no more than its products do, or than halved memory traffic does."""
    limit = limit_of(facts, chip, capability) if any(speedups) else None
    if limit is None:
        return
    for name, text in zip(_SPEEDUPS, speedups, strict=True):
        found, gain = number(text), max(2.0, limit.fp16_tflops / limit.fp32_tflops)
        if found is not None and found > gain * SLOW_FP32:
            yield Complaint(name, text, f"the units of {limit.value} gain {gain:.3g} at the most", _ADVICE)
