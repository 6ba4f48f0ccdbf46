"""Pooling probes: silent on a healthy machine; wrong windows, divisors, indices, layouts and gradients are seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import family, outcome, runs
from probes.nasty import broken

from hwcompat.probes import context, movement

FAMILY = family("pool")
RUNS = runs(FAMILY)


@pytest.mark.parametrize(("probe", "dtype"), RUNS)
@pytest.mark.parametrize("seed", [0, 7])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"], result["features"]) == ("pass", "", [])
    assert all("avg_pool3d" in case for case in result["skipped_cases"]), "the CPU has no 16-bit avg_pool3d"


@pytest.mark.parametrize("probe", [p.id for p in FAMILY])
def test_the_enlarged_shapes_pass_too(probe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context.Context, "large", True)
    assert outcome(probe, "float32")["status"] == "pass"


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    spatial=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    dtype=st.sampled_from(["float32", "float16", "bfloat16"]),
)
def test_values_are_distinct_inside_every_window(seed: int, spatial: list[int], dtype: str) -> None:
    ctx = context.Context(torch, "cpu", dtype, "pool", seed=seed)
    x = movement.distinct(ctx, (2, 3, *spatial), "any")
    assert torch.equal(ctx.rounded(x), x)
    side = 16 if len(spatial) < 3 else 8
    window = x[(slice(None), slice(None), *(slice(0, side) for _ in spatial))].flatten(2)
    assert all(len(set(plane.tolist())) == plane.numel() for plane in window.flatten(0, 1))


# --- faults -----------------------------------------------------------------------------------------------------------
OPERATORS = [
    ("pool.max", "max_pool2d_with_indices"),
    ("pool.max", "max_pool2d_with_indices_backward"),
    ("pool.max", "max_pool3d_with_indices"),
    ("pool.max", "max_pool3d_with_indices_backward"),
    ("pool.max", "max_unpool2d"),
    ("pool.average", "avg_pool2d"),
    ("pool.average", "avg_pool2d_backward"),
    ("pool.adaptive", "_adaptive_avg_pool2d"),
    ("pool.adaptive", "_adaptive_avg_pool2d_backward"),
    ("pool.adaptive", "adaptive_max_pool2d"),
    ("pool.adaptive", "adaptive_max_pool2d_backward"),
    ("pool.adaptive", "mean"),
]


@pytest.mark.parametrize(("probe", "operator"), OPERATORS)
@pytest.mark.parametrize("change", ["last element", "off by one", "second call", "odd length"])
def test_a_fault_of_an_operator_is_seen(probe: str, operator: str, change: str) -> None:
    assert outcome(probe, "float16", broken(operator, change))["status"] == "fail"


@pytest.mark.parametrize(("probe", "operator"), [pair for pair in OPERATORS if pair[1].endswith(("2d", "indices"))][:6])
def test_a_fault_of_one_layout_is_seen(probe: str, operator: str) -> None:
    if "unpool" not in operator and "3d" not in operator:
        assert outcome(probe, "bfloat16", broken(operator, "channels_last"))["status"] == "fail"


def test_wrong_indices_behind_right_values_are_seen() -> None:
    assert outcome("pool.max", "float32", broken("max_pool2d_with_indices", "last element", part=1))["status"] == "fail"


def shifted_gradient(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """As if avg_pool2d's backward took no padding into account in channels_last: all is shifted by it."""
    (_, x, _, _, padding, *_), _ = operands
    return out if x.is_contiguous() or not any(padding) else out.roll(1, 2)


def test_a_gradient_shifted_by_the_padding_is_seen() -> None:
    """https://github.com/pytorch/pytorch/issues/188344."""
    result = outcome("pool.average", "float32", broken("avg_pool2d_backward", shifted_gradient))
    assert result["status"] == "fail"
    assert all("channels_last" in case or "transposed" in case or "shifted" in case for case in result["failed_cases"])


def counts_padding(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """An average that always counts the padding: torch's own with the flag forced on."""
    args = operands[0]
    if len(args) < 6 or args[5]:
        return out
    return torch.ops.aten.avg_pool2d(*args[:5], True, *args[6:])


def test_a_divisor_that_counts_padding_is_seen() -> None:
    assert outcome("pool.average", "float16", broken("avg_pool2d", counts_padding))["status"] == "fail"


def swallows_nan(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    return torch.where(torch.isnan(out), torch.zeros_like(out), out) if out.is_floating_point() else out


def test_a_swallowed_nan_is_seen() -> None:
    result = outcome("pool.max", "bfloat16", broken("max_pool2d_with_indices", swallows_nan))
    assert result["status"] == "fail"
    assert result["case"].startswith("NaN")


def at_least_zero(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """Padding taken as zero instead of -inf."""
    return out.clamp(min=0) if out.is_floating_point() and any(operands[0][3:4] and operands[0][3]) else out


def test_padding_with_zero_is_seen() -> None:
    assert outcome("pool.max", "float16", broken("max_pool2d_with_indices", at_least_zero))["status"] == "fail"
