"""Measured speeds as bars: least, median and greatest, by precision, one chart a system. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hwcompat.model import Row

from .values import SYSTEM_WORDS, Bar, Chart

_KINDS = (
    ("Matrix products", "TFLOP/s", ("fp32_tflops", "tf32_tflops", "fp16_tflops", "bf16_tflops"), None),
    ("Training step against fp32", "times", ("amp_fp16_speedup", "amp_bf16_speedup"), 1.0),
    ("Memory", "GB/s", ("bandwidth_gbs",), None),
)


def charts(rows: Sequence[Row]) -> Iterator[Chart]:
    """Charts of the measured rows, system by system: a speed says nothing of another system."""
    measured = [row for row in rows if row.source == "measured"]
    for os in sorted({row.os for row in measured}):
        here = [row for row in measured if row.os == os]
        for title, unit, names, line in _KINDS:
            bars = tuple(bar for name in names if (bar := _bar(name, here)) is not None)
            if bars:
                yield Chart(f"{title}, {SYSTEM_WORDS.get(os, os) or 'unknown system'}", unit, bars, line)


def _bar(name: str, rows: Sequence[Row]) -> Bar | None:
    found = sorted(number for row in rows if (number := _number(getattr(row, name))) is not None)
    if not found:
        return None
    middle = len(found) // 2
    median = found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2
    label = name.removesuffix("_tflops").removesuffix("_speedup").removesuffix("_gbs")
    return Bar(label, found[0], median, found[-1], len(found))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None
