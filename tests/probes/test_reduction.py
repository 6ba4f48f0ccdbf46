"""The reduction probes are silent on a healthy CPU and see lost elements, narrow accumulators, wrong formulas."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import PROBES, fault, first_failure, mutation, outcome

from hwcompat.probes import context, rounding
from hwcompat.probes.simulate import _dispatch
from hwcompat.probes.suite import reduction_norms, reduction_products

MINE = sorted(name for name in PROBES if name.startswith("reduction."))
DTYPES = ("float32", "float16", "bfloat16")
EVERY = (torch.float32, torch.float16, torch.bfloat16)
unhurried = settings(deadline=None, max_examples=40)


def caught(probe: str, dtype: str, name: str, change: Any) -> str:
    """The label of the first case that fails, "" if none does."""
    return first_failure(probe, dtype, fault(name, change, EVERY))[0]


# --- healthy ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("probe", "dtype", "seed"), [(p, d, s) for p, d in product(MINE, DTYPES) for s in (0, 7)])
def test_a_healthy_cpu_is_silent(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"], result["skipped_cases"], result["features"]) == ("pass", "", [], [])


@unhurried
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 9), width=st.integers(3, 70))
def test_vectors_have_integer_lengths(seed: int, rows: int, width: int) -> None:
    ctx = context.Context(torch, "cpu", "float16", "reduction.norms", seed=seed)
    x, lengths = reduction_norms.vectors(ctx, rows, width)
    assert torch.equal((x**2).sum(1).double(), lengths**2)
    assert bool((lengths >= 1).all())


@unhurried
@given(seed=st.integers(0, 2**32), size=st.integers(1, 300))
def test_partial_products_stay_in_range(seed: int, size: int) -> None:
    ctx = context.Context(torch, "cpu", "float16", "reduction.products", seed=seed)
    powers = reduction_products.balanced(ctx, size)
    assert float(powers.abs().sum(1).max()) <= 12


# --- faults -----------------------------------------------------------------------------------------------------------
def without_last(function: Any) -> Any:
    """The reduction of all but the last element of the dimension that is reduced, where that is odd and long."""

    def change(args: Any, out: Any) -> Any:
        x, dims = args[0], args[1] if len(args) > 1 and args[1] else None
        dim = dims[0] if isinstance(dims, (list, tuple)) else dims
        if not isinstance(dim, int) or x.dim() == 0 or x.shape[dim] % 2 == 0 or x.shape[dim] < 255:
            return out
        return function(x.narrow(dim, 0, x.shape[dim] - 1), *args[1:]).to(out.dtype).reshape(out.shape)

    return change


LOST = {
    "sum": ("reduction.sum", torch.sum),
    "amax": ("reduction.extremes", torch.amax),
    "amin": ("reduction.extremes", torch.amin),
    "mean": ("reduction.sum", torch.mean),
}


@pytest.mark.parametrize(("name", "dtype"), list(product(LOST, DTYPES)))
def test_a_lost_last_element_of_odd_rows_is_caught(name: str, dtype: str) -> None:
    probe, function = LOST[name]
    assert caught(probe, dtype, name, without_last(function))


def narrow_sum(args: Any, out: Any) -> Any:
    """Sums that stop where adding one rounds back: 2048 in fp16, 256 in bfloat16."""
    limit = 2.0 ** rounding.FORMATS[str(args[0].dtype).replace("torch.", "")].precision
    return torch.clamp(out, -limit, limit)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_16_bit_accumulator_is_caught(dtype: str) -> None:
    assert caught("reduction.sum", dtype, "sum", narrow_sum) == "sum and mean of 32768 ones"


def test_a_mean_that_overflows_on_the_way_is_caught() -> None:
    def change(args: Any, out: Any) -> Any:
        total = args[0].double().sum(*args[1:]) if len(args) > 1 else args[0].double().sum()
        return torch.where(total > 65504, torch.full_like(out, float("inf")), out)

    assert caught("reduction.sum", "float16", "mean", change) == "mean of 4096 large numbers"


def one_bit(args: Any, out: Any) -> Any:
    """One bit of one number that is neither zero nor special."""
    if not out.is_floating_point():
        return out
    integer = torch.int32 if out.dtype == torch.float32 else torch.int16
    bits = out.clone().contiguous().view(integer)
    where = torch.nonzero(torch.isfinite(out.reshape(-1)) & (out.reshape(-1) != 0)).flatten()
    if len(where):
        bits.view(-1)[where[len(where) // 2]] ^= 1
    return bits.view(out.dtype)


ONE_BIT = {
    "sum": "reduction.sum",
    "nansum": "reduction.sum",
    "amax": "reduction.extremes",
    "amin": "reduction.extremes",
    "linalg_vector_norm": "reduction.norms",
    "prod": "reduction.products",
    "dot": "reduction.products",
    "trace": "reduction.products",
    "mse_loss": "reduction.products",
}


@pytest.mark.parametrize(("name", "dtype"), list(product(ONE_BIT, DTYPES)))
def test_one_wrong_bit_of_a_reduction_is_caught(name: str, dtype: str) -> None:
    if name == "trace" and dtype != "float32":
        return  # the diagonal is summed
    assert caught(ONE_BIT[name], dtype, name, one_bit)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_wrong_gradient_of_the_mean_is_caught(dtype: str) -> None:
    assert caught("reduction.sum", dtype, "div", lambda args, out: args[0]) == "gradient of sum and mean"


@pytest.mark.parametrize(("name", "dtype"), list(product(["var", "std", "var_mean", "std_mean"], DTYPES)))
def test_the_biased_variance_in_place_of_the_unbiased_is_caught(name: str, dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        biased = getattr(torch, name)(args[0], args[1], correction=0, keepdim=True)
        return tuple(biased) if isinstance(out, tuple) else biased

    assert caught("reduction.moments", dtype, name, change)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_passed_over_by_a_maximum_is_caught(dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        return torch.nan_to_num(out, nan=1.0) if isinstance(out, torch.Tensor) else out

    assert "nan" in caught("reduction.extremes", dtype, "amax", change)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gradient_to_one_of_several_equals_is_caught(dtype: str) -> None:
    """amax's gradient is masked by equality and divided by a count; here the division is lost."""
    assert caught("reduction.extremes", dtype, "div", lambda args, out: args[0]) == "gradients among equals"


@pytest.mark.parametrize("name", ["max", "min"])
def test_a_place_off_by_one_is_caught(name: str) -> None:
    def change(args: Any, out: Any) -> Any:
        if not isinstance(out, tuple) or args[0].shape[args[1]] < 64:
            return out
        return out[0], (out[1] + 1) % args[0].shape[args[1]]

    assert caught("reduction.extremes", "float16", name, change)


@pytest.mark.parametrize("name", ["any", "all", "count_nonzero"])
def test_truth_of_all_but_the_last_element_is_caught(name: str) -> None:
    def change(args: Any, out: Any) -> Any:
        if len(args) < 2 or not isinstance(args[1], int) or args[0].shape[args[1]] < 32:
            return out
        return getattr(torch, name)(args[0].narrow(args[1], 0, args[0].shape[args[1]] - 1), *args[1:])

    def counted(args: Any, out: Any) -> Any:
        return out - (args[0].select(args[1][0], -1) != 0).long() if len(args) > 1 and len(args[1]) == 1 else out

    altered = counted if name == "count_nonzero" else change
    assert first_failure("reduction.logic", "float32", fault(name, altered, (*EVERY, torch.bool)))[0]


def test_a_reduction_wrong_only_on_strided_input_is_caught() -> None:
    def change(args: Any, out: Any) -> Any:
        return out if args[0].is_contiguous() else torch.roll(out, 1, -1) if out.dim() else out

    for name, probe in (("sum", "reduction.sum"), ("amax", "reduction.extremes")):
        assert caught(probe, "float32", name, change)


def test_a_sum_wrong_only_on_large_input_is_caught() -> None:
    for dtype, limit in product(DTYPES, (65537, 2**20)):
        change = lambda args, out: out + 1 if args[0].numel() > limit else out  # noqa: B023, E731
        assert caught("reduction.sum", dtype, "sum", change)


@pytest.mark.parametrize("change", ["coarse", "ulp"])
def test_a_product_that_loses_bits_is_caught(change: str) -> None:
    assert first_failure("reduction.products", "float32", mutation("prod", change))[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_factor_too_few_in_a_long_product_is_caught(dtype: str) -> None:
    def alter(name: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        hit = name == "prod" and args[0].dtype in EVERY and args[0].numel() > 600
        return out / 3 if hit and bool((out % 15 == 0).all()) else out

    label, _ = first_failure("reduction.products", dtype, _dispatch.after_each(torch, alter))
    assert label == "products of many bits"
