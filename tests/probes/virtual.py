"""A clock that advances by the work torch does and not by the time it takes, so that speed tests are exact."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch

from hwcompat.probes import timing
from hwcompat.probes.simulate import _dispatch

RATES = {torch.float32: 1e9, torch.float16: 2e9, torch.bfloat16: 4e9}
"""Operations a second of a card whose 16-bit formats are 2 and 4 times as fast as fp32.

So slow that one call is a sample: then the tests do little real work."""

BYTES_A_SECOND = 1e10
LAUNCH = 1e-5
"""Seconds every operator costs, however small."""


class Clock:
    """Callable like time.perf_counter; `now` in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def install(monkeypatch: pytest.MonkeyPatch, rounds: int = timing.ROUNDS) -> Clock:
    """Make timing.py read a new Clock, and stop after `rounds` rounds."""
    clock = Clock()
    monkeypatch.setattr(timing, "perf_counter", clock)
    monkeypatch.setattr(timing.crowding, "crowded_since", lambda state: False)
    monkeypatch.setattr(timing, "ROUNDS", min(rounds, timing.ROUNDS))
    monkeypatch.setattr(timing, "MOST_ROUNDS", rounds)
    return clock


@contextlib.contextmanager
def card(clock: Clock, rates: Mapping[torch.dtype, float] = RATES) -> Iterator[None]:
    """Every operator inside moves `clock` on by what it would cost on a card of these rates."""

    def charge(name: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        clock.now += LAUNCH + _seconds(name, args, out, rates)
        return out

    with _dispatch.after_each(torch, charge):
        yield


def _seconds(name: str, args: tuple[Any, ...], out: Any, rates: Mapping[torch.dtype, float]) -> float:
    if name == "mm":
        return 2 * args[0].numel() * args[1].shape[1] / rates[args[0].dtype]
    if name == "convolution":
        return 2 * out.numel() * args[1][0].numel() / rates[args[0].dtype]
    if name == "convolution_backward":
        return 4 * args[0].numel() * args[2][0].numel() / rates[args[0].dtype]
    if name in ("copy_", "add") and out.numel() > 2**20:
        vectors = 2 if name == "copy_" else 3
        return vectors * out.numel() * out.element_size() / BYTES_A_SECOND
    return 0.0
