"""Layout probes: silent on a healthy machine; copies, joins, shuffles and padding that move the wrong bits are seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import family, first_failure, mutation, outcome, runs
from probes.nasty import broken, channels_last, spoilt

from hwcompat.probes import context, movement, rounding

FAMILY = family("layout")
RUNS = runs(FAMILY)


@pytest.mark.parametrize(("probe", "dtype"), RUNS)
@pytest.mark.parametrize("seed", [0, 7])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"], result["features"]) == ("pass", "", [])
    assert result["skipped_cases"] == []


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 6), min_size=0, max_size=5),
    layout=st.sampled_from(movement.LAYOUTS),
    dtype=st.sampled_from(["float32", "float16", "bfloat16"]),
    seed=st.integers(0, 2**31),
)
def test_an_arrangement_keeps_every_bit(shape: list[int], layout: str, dtype: str, seed: int) -> None:
    ctx = context.Context(torch, "cpu", dtype, "layout", seed=seed)
    x = ctx.from_codes(movement.pattern_codes(ctx, tuple(shape), "x"))
    moved = movement.arranged(ctx, x, layout)
    assert moved.shape == x.shape
    assert torch.equal(rounding.bits_of(torch, moved, ctx.format), rounding.bits_of(torch, x, ctx.format))


def test_the_arrangements_differ_in_memory() -> None:
    ctx = context.Context(torch, "cpu", "float32", "layout")
    x = torch.zeros(2, 3, 4, 5)
    strides = {layout: movement.arranged(ctx, x, layout).stride() for layout in movement.LAYOUTS}
    assert len({strides[layout] for layout in ("contiguous", "channels_last", "strided", "transposed")}) == 4
    assert movement.arranged(ctx, x, "shifted").storage_offset() == 1


def test_patterns_hold_every_kind_of_number() -> None:
    ctx = context.Context(torch, "cpu", "float16", "layout")
    x = movement.patterns(ctx, (400,), "x")
    assert bool(torch.isnan(x).any())
    assert bool((x == float("inf")).any())
    assert bool(((x == 0) & (torch.signbit(x))).any())
    assert bool(((x != 0) & (x.abs() < 2.0**-14)).any())


def test_sums_that_would_round_are_an_error_of_the_probe() -> None:
    ctx = context.Context(torch, "cpu", "bfloat16", "layout")
    with pytest.raises(context.PreconditionError):
        movement.check(ctx, lambda x: x.sum(), [torch.full((100,), 3.0, dtype=torch.float64)])


# --- faults -----------------------------------------------------------------------------------------------------------
OPERATORS = [
    ("layout.join", "cat"),
    ("layout.join", "stack"),
    ("layout.copy", "clone"),
    ("layout.copy", "copy_"),
    ("layout.copy", "fill_"),
    ("layout.rearrange", "flip"),
    ("layout.rearrange", "roll"),
    ("layout.rearrange", "constant_pad_nd"),
    ("layout.rearrange", "reflection_pad2d"),
    ("layout.rearrange", "reflection_pad2d_backward"),
    ("layout.rearrange", "replication_pad2d_backward"),
    ("layout.rearrange", "pixel_shuffle"),
    ("layout.rearrange", "im2col"),
    ("layout.rearrange", "col2im"),
    ("layout.rearrange", "tril"),
    ("layout.rearrange", "masked_fill"),
    ("layout.create", "linspace"),
    ("layout.create", "full"),
    ("layout.create", "eye"),
]


@pytest.mark.parametrize(("probe", "operator"), OPERATORS)
@pytest.mark.parametrize("change", ["last element", "second call"])
def test_a_fault_of_an_operator_is_seen(probe: str, operator: str, change: str) -> None:
    assert outcome(probe, "bfloat16", broken(operator, change))["status"] in ("fail", "crash")


def second_batch(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """Joined in channels_last, operands from the 129th on are lost, as the second launch of a kernel may do."""
    if len(operands[0][0]) <= 128 or not channels_last(operands):
        return out
    return torch.cat([out[:, :-3], torch.zeros_like(out[:, -3:])], 1)


def test_a_join_that_loses_its_second_batch_is_seen() -> None:
    """https://github.com/pytorch/pytorch/pull/165023."""
    result = outcome("layout.join", "float16", broken("cat", second_batch))
    assert result["status"] == "fail"
    assert result["failed_cases"] == ["cat of 140 in channels_last"]


def test_a_copy_with_a_hole_behind_2_to_the_21_is_seen() -> None:
    def hole(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        return spoilt(out) if out.numel() > 2**21 else out

    result = outcome("layout.copy", "float32", broken("copy_", hole))
    assert result["failed_cases"] == ["copy of 2**21 + 3 rows"]


def test_a_lost_sign_of_zero_is_seen() -> None:
    def unsigned(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        return torch.where(out == 0, torch.zeros_like(out), out)

    assert outcome("layout.join", "float32", broken("cat", unsigned))["status"] == "fail"


def test_flushed_subnormal_numbers_are_seen() -> None:
    def flushed(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        return torch.where(out.abs() < 2.0**-14, torch.zeros_like(out), out)

    assert outcome("layout.rearrange", "float16", broken("flip", flushed))["status"] == "fail"


def test_a_reflection_that_repeats_the_border_is_seen() -> None:
    def repeats(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        return torch.ops.aten.replication_pad2d(*operands[0])

    assert outcome("layout.rearrange", "float32", broken("reflection_pad2d", repeats))["status"] == "fail"


@pytest.mark.parametrize("change", ["coarse", "ulp"])
@pytest.mark.parametrize("operator", ["full", "fill", "new_full", "full_like", "scalar_tensor"])
def test_a_constant_that_loses_bits_is_seen(operator: str, change: str) -> None:
    label, _ = first_failure("layout.create", "float32", mutation(operator, change))
    assert label.startswith("full")
