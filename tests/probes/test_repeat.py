"""Repetition sees one wrong bit in one run of any of its operations, and faults of every n-th call."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from probes.injected import fault, first_failure, outcome

DTYPES = ("float32", "float16", "bfloat16")
EVERY = (torch.float32, torch.float16, torch.bfloat16)


@pytest.mark.parametrize(("dtype", "seed"), list(product(DTYPES, (0, 4))))
def test_a_healthy_cpu_repeats_itself(dtype: str, seed: int) -> None:
    result = outcome("repeat.bitwise", dtype, seed=seed)
    assert (result["status"], result["detail"], result["skipped_cases"]) == ("pass", "", [])


def every(period: int, place: int | None = None) -> Any:
    """One bit of the last element of every `period`-th result."""
    calls: list[int] = []

    def change(args: Any, out: Any) -> Any:
        calls.append(1)
        target = out if place is None else out[place]
        if len(calls) % period == 0 and target is not None:
            bits = target.view(torch.int32 if target.dtype == torch.float32 else torch.int16)
            bits[(-1,) * bits.dim()] ^= 1
        return out

    return change


FAULTS = {
    "native_layer_norm": 0,
    "native_layer_norm_backward": 0,
    "native_batch_norm": 0,
    "native_batch_norm_backward": 0,
    "_softmax": None,
    "_softmax_backward_data": None,
    "mm": None,
    "bmm": None,
    "sum": None,
    "relu": None,
    "convolution": None,
    "convolution_backward": 0,
}


@pytest.mark.parametrize(("name", "dtype"), list(product(FAULTS, ("float32", "bfloat16"))))
def test_one_bit_of_every_seventh_call_is_caught(name: str, dtype: str) -> None:
    assert first_failure("repeat.bitwise", dtype, fault(name, every(7, FAULTS[name]), EVERY))[0]


def test_a_fault_of_every_64th_call_is_caught() -> None:
    assert first_failure("repeat.bitwise", "float16", fault("mul", every(64), EVERY))[0]
