"""Order and scan probes: silent on a healthy machine; wrong order, places, ties, NaN, sums and gradients are seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import family, outcome, runs
from probes.nasty import broken, spoilt

from hwcompat.probes import context, ordering

FAMILY = family("order", "scan")
RUNS = runs(FAMILY)


@pytest.mark.parametrize(("probe", "dtype"), RUNS)
@pytest.mark.parametrize("seed", [0, 7])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"], result["features"]) == ("pass", "", [])
    assert result["skipped_cases"] == []


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 4),
    size=st.integers(1, 400),
    dtype=st.sampled_from(["float32", "float16", "bfloat16"]),
    seed=st.integers(0, 2**31),
)
def test_distinct_numbers_are_distinct_normal_and_representable(rows: int, size: int, dtype: str, seed: int) -> None:
    ctx = context.Context(torch, "cpu", dtype, "order", seed=seed)
    x = ordering.distinct(ctx, rows, size, "x")
    assert all(len(set(row)) == size for row in x.abs().tolist())
    assert torch.equal(ctx.rounded(x), x)
    assert bool((x.abs() >= 2.0**ctx.format.emin).all())


# --- faults -----------------------------------------------------------------------------------------------------------
OPERATORS = [
    ("order.sort", "sort", 0),
    ("order.sort", "sort", 1),
    ("order.select", "topk", 0),
    ("order.select", "topk", 1),
    ("order.select", "kthvalue", 0),
    ("order.select", "median", 1),
    ("order.select", "mode", 0),
    ("order.extreme", "max", 0),
    ("order.extreme", "min", 1),
    ("order.extreme", "argmax", None),
    ("order.extreme", "amin", None),
    ("order.extreme", "any", None),
    ("order.search", "searchsorted", None),
    ("order.search", "bucketize", None),
    ("order.search", "_unique2", 1),
    ("order.search", "histc", None),
    ("scan.sum", "cumsum", None),
    ("scan.sum", "cumprod", None),
    ("scan.sum", "cummax", 0),
    ("scan.sum", "cummin", 1),
]


@pytest.mark.parametrize(("probe", "operator", "part"), OPERATORS)
@pytest.mark.parametrize("change", ["last element", "second call"])
def test_a_fault_of_an_operator_is_seen(probe: str, operator: str, part: int | None, change: str) -> None:
    assert outcome(probe, "bfloat16", broken(operator, change, part))["status"] in ("fail", "crash")


def test_two_equal_elements_that_change_places_are_seen() -> None:
    """Values stay as they are; the indices of a stable sort are reversed where all elements of a row are equal."""

    def reversed_ties(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        if out.is_floating_point() or out.dim() != 2 or out.shape[1] < 64:
            return out
        x = operands[0][0].gather(1, out)
        tie = torch.nonzero(x[0, 1:] == x[0, :-1])
        swapped = out.clone()
        if len(tie):
            at = int(tie[0])
            swapped[0, [at, at + 1]] = out[0, [at + 1, at]]
        return swapped

    result = outcome("order.sort", "float32", broken("sort", reversed_ties, part=1))
    assert result["status"] == "fail"
    assert "equal neighbours changed their order" in result["detail"]


def test_a_sort_that_fails_beyond_2048_is_seen() -> None:
    def beyond(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        return spoilt(out) if out.dim() == 2 and out.shape[1] > 2048 else out

    assert outcome("order.sort", "float16", broken("sort", beyond, part=0))["status"] == "fail"


def test_a_skipped_last_element_of_argmax_is_seen() -> None:
    def skips(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        x, dim = operands[0][0], (operands[0] + (None,))[1]
        return out if dim is None or x.shape[dim] < 60000 else x.narrow(dim, 0, x.shape[dim] - 1).float().argmax(dim)

    assert outcome("order.extreme", "float16", broken("argmax", skips))["status"] == "fail"


def test_a_scan_that_starts_anew_is_seen() -> None:
    """https://github.com/pytorch/pytorch/issues/143486."""

    def anew(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        x, dim = operands[0][:2]
        if x.shape[dim] <= 1024:
            return out
        head, tail = x.narrow(dim, 0, 1024), x.narrow(dim, 1024, x.shape[dim] - 1024)
        return torch.cat([head.float().cumsum(dim), tail.float().cumsum(dim)], dim).to(x.dtype)

    assert outcome("scan.sum", "bfloat16", broken("cumsum", anew))["status"] == "fail"


def test_a_swallowed_nan_is_seen() -> None:
    def swallowed(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        return torch.nan_to_num(out, nan=0.0) if out.is_floating_point() else out

    assert outcome("order.extreme", "float16", broken("max", swallowed, part=0))["status"] == "fail"
    assert outcome("scan.sum", "float16", broken("cummax", swallowed, part=0))["status"] == "fail"


@pytest.mark.parametrize("operator", ["index", "prod", "clamp", "maximum"])
def test_a_fault_inside_the_suppression_of_boxes_is_seen(operator: str) -> None:
    assert outcome("order.boxes", "bfloat16", broken(operator, "last element"))["status"] in ("fail", "crash")


def test_a_wrong_comparison_inside_the_suppression_of_boxes_is_seen() -> None:
    """The first box against the second; the last against itself is asked by nobody."""

    def turned(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        if out.dim() == 2 and out.shape[1] > 1:
            out[0, 1] = ~out[0, 1]
        return out

    assert outcome("order.boxes", "bfloat16", broken("gt", turned))["status"] == "fail"
