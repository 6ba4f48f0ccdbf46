"""Resizing probes: silent on a healthy machine; wrong neighbours, weights, borders, flags and gradients are seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import family, outcome, runs
from probes.nasty import broken

from hwcompat.probes import context, resampling

FAMILY = family("upsample")
RUNS = runs(FAMILY)


@pytest.mark.parametrize(("probe", "dtype"), RUNS)
@pytest.mark.parametrize("seed", [0, 7])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"], result["features"]) == ("pass", "", [])
    assert all("antialias" in case for case in result["skipped_cases"]), "the CPU has no 16-bit antialiasing"


@pytest.mark.parametrize("probe", [p.id for p in FAMILY])
def test_the_enlarged_shapes_pass_too(probe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context.Context, "large", True)
    assert outcome(probe, "float32")["status"] == "pass"


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 12),
    size=st.integers(1, 20),
    mode=st.sampled_from(["nearest", "nearest-exact", "linear", "cubic"]),
    align=st.booleans(),
)
def test_the_matrices_are_those_of_float64_interpolation(count: int, size: int, mode: str, align: bool) -> None:
    align = align and "nearest" not in mode
    axis = resampling.Axis(size, mode, align, None)
    weights, errors = resampling.matrices(torch, (count,), (axis,))[0]
    line = torch.eye(count, dtype=torch.float64)
    name = "bicubic" if mode == "cubic" else mode
    x = line.reshape(1, count, count, 1) if mode == "cubic" else line.reshape(1, count, count)
    options = {} if "nearest" in mode else {"align_corners": align}
    got = torch.nn.functional.interpolate(x, size=(size, 1) if mode == "cubic" else size, mode=name, **options)
    difference = (got.reshape(count, size).t() - weights).abs()
    assert bool((difference <= errors + 1e-12).all())
    assert bool((weights.sum(1) - 1).abs().max() < 1e-12)


# --- faults -----------------------------------------------------------------------------------------------------------
OPERATORS = [
    ("upsample.nearest", "upsample_nearest1d"),
    ("upsample.nearest", "upsample_nearest2d"),
    ("upsample.nearest", "upsample_nearest2d_backward"),
    ("upsample.nearest", "upsample_nearest3d"),
    ("upsample.nearest", "_upsample_nearest_exact2d"),
    ("upsample.nearest", "_upsample_nearest_exact2d_backward"),
    ("upsample.linear", "upsample_linear1d"),
    ("upsample.linear", "upsample_bilinear2d"),
    ("upsample.linear", "upsample_bilinear2d_backward"),
    ("upsample.linear", "upsample_trilinear3d"),
    ("upsample.linear", "upsample_trilinear3d_backward"),
    ("upsample.cubic", "upsample_bicubic2d"),
    ("upsample.cubic", "upsample_bicubic2d_backward"),
    ("upsample.grid", "grid_sampler_2d"),
    ("upsample.grid", "grid_sampler_2d_backward"),
]


@pytest.mark.parametrize(("probe", "operator"), OPERATORS)
@pytest.mark.parametrize("change", ["last element", "off by one", "second call", "odd length"])
def test_a_fault_of_an_operator_is_seen(probe: str, operator: str, change: str) -> None:
    if change == "odd length" and operator == "upsample_trilinear3d_backward":
        change = "first element"
    dtype = "float32" if probe == "upsample.cubic" else "bfloat16"
    assert outcome(probe, dtype, broken(operator, change))["status"] == "fail"


@pytest.mark.parametrize("operator", ["upsample_nearest2d", "upsample_bilinear2d", "upsample_nearest2d_backward"])
def test_a_fault_of_one_layout_is_seen(operator: str) -> None:
    probe = "upsample.nearest" if "nearest" in operator else "upsample.linear"
    assert outcome(probe, "float16", broken(operator, "channels_last"))["status"] == "fail"


def swapped_corners(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """align_corners read the wrong way round."""
    x, size, align, *_ = operands[0]
    return torch.ops.aten.upsample_bilinear2d(x, size, not align, None, None)


def test_align_corners_the_wrong_way_round_is_seen() -> None:
    assert outcome("upsample.linear", "float16", broken("upsample_bilinear2d", swapped_corners))["status"] == "fail"


def ignores_the_scale(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """The ratio of sizes instead of the scale factor that was given: differs for 1.5 only."""
    x, size, align, *_ = operands[0]
    return torch.ops.aten.upsample_bilinear2d(x, size, align, None, None)


def test_an_ignored_scale_factor_is_seen() -> None:
    result = outcome("upsample.linear", "float32", broken("upsample_bilinear2d", ignores_the_scale))
    assert result["status"] == "fail"
    assert all("1.5" in case for case in result["failed_cases"])


def one_unit(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """Every value one unit in the last place further from zero."""
    return torch.nextafter(out, out * 2)


def test_one_last_bit_of_a_bicubic_image_is_seen_in_float32() -> None:
    assert outcome("upsample.cubic", "float32", broken("upsample_bicubic2d", one_unit))["status"] == "fail"


def index_in_bfloat16(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """The last row is empty, as when source coordinates are computed in bfloat16."""
    spoilt = out.clone()
    spoilt[..., -1, :] = 0
    return spoilt


def test_an_empty_last_row_is_seen() -> None:
    """https://github.com/pytorch/pytorch/pull/83847."""
    assert outcome("upsample.linear", "bfloat16", broken("upsample_bilinear2d", index_in_bfloat16))["status"] == "fail"


def test_a_border_for_zeros_is_seen() -> None:
    def border(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        x, grid, mode, padding, align = operands[0]
        return torch.ops.aten.grid_sampler_2d(x, grid, mode, 1, align) if padding == 0 else out

    assert outcome("upsample.grid", "float16", broken("grid_sampler_2d", border))["status"] == "fail"
