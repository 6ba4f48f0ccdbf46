"""Index probes: silent on a healthy machine; lost duplicates, wrong rows, padding and reductions are seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from probes.injected import family, outcome, runs
from probes.nasty import broken, spoilt

FAMILY = family("index")
RUNS = runs(FAMILY)


@pytest.mark.parametrize(("probe", "dtype"), RUNS)
@pytest.mark.parametrize("seed", [0, 7])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"], result["features"]) == ("pass", "", [])
    assert result["skipped_cases"] == []


# --- faults -----------------------------------------------------------------------------------------------------------
OPERATORS = [
    ("index.embedding", "embedding"),
    ("index.embedding", "embedding_dense_backward"),
    ("index.embedding", "_embedding_bag"),
    ("index.read", "gather"),
    ("index.read", "index_select"),
    ("index.read", "index"),
    ("index.read", "take"),
    ("index.read", "masked_select"),
    ("index.read", "nonzero"),
    ("index.write", "scatter"),
    ("index.write", "scatter_add"),
    ("index.write", "scatter_reduce"),
    ("index.write", "index_add"),
    ("index.write", "index_copy"),
    ("index.write", "index_fill"),
    ("index.write", "index_put"),
    ("index.write", "masked_scatter"),
]


@pytest.mark.parametrize(("probe", "operator"), OPERATORS)
@pytest.mark.parametrize("change", ["last element", "second call"])
def test_a_fault_of_an_operator_is_seen(probe: str, operator: str, change: str) -> None:
    assert outcome(probe, "bfloat16", broken(operator, change, part=0))["status"] == "fail"


@pytest.mark.parametrize("operator", ["gather", "index_select", "index"])
def test_a_fault_of_sources_that_are_not_contiguous_is_seen(operator: str) -> None:
    assert outcome("index.read", "float16", broken(operator, "not contiguous"))["status"] == "fail"


def overwrites(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """index_add in which of several rows for one place only the last arrives."""
    x, dim, index, source = operands[0][:4]
    return x.index_copy(dim, index, x.index_select(dim, index) + source)


def test_lost_duplicates_of_index_add_are_seen() -> None:
    assert outcome("index.write", "float32", broken("index_add", overwrites))["status"] == "fail"


def once(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """scatter_add as scatter."""
    x, dim, index, source = operands[0]
    return x.scatter(dim, index, source)


def test_a_scatter_that_does_not_add_is_seen() -> None:
    assert outcome("index.write", "float16", broken("scatter_add", once))["status"] == "fail"


def padded(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
    """The padding row gets a gradient all the same."""
    grad, index, rows, _, by_frequency = operands[0]
    return torch.ops.aten.embedding_dense_backward(grad, index, rows, -1, by_frequency)


def test_a_gradient_for_the_padding_row_is_seen() -> None:
    assert outcome("index.embedding", "float32", broken("embedding_dense_backward", padded))["status"] == "fail"


def test_a_wrong_row_of_a_large_table_is_seen() -> None:
    def beyond(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        table = operands[0][0]
        return spoilt(out, 0) if table.shape[0] > 50000 else out

    result = outcome("index.embedding", "float32", broken("embedding", beyond))
    assert result["status"] == "fail"
    assert all("50257" in case or "70001" in case for case in result["failed_cases"])


def test_a_sum_kept_in_bfloat16_is_seen_in_float32() -> None:
    def coarse(operands: Any, out: torch.Tensor, call: int) -> torch.Tensor:
        return out.bfloat16().float()

    assert outcome("index.write", "float32", broken("index_add", coarse))["status"] == "fail"
