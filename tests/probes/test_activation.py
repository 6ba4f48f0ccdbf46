"""Activation probes: silent on a healthy machine, loud for a wrong value, slope, lane, layout or call."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes import conditional
from probes.conditional import broken
from probes.injected import first_failure, mutation, outcome

from hwcompat.probes import context, pointwise

PROBES = ("activation.common", "activation.gated", "activation.nonfinite", "activation.rare")
DTYPES = ("float32", "float16", "bfloat16")
# operator -> the probe that must notice it
OPERATORS = {
    "relu": "common",
    "threshold_backward": "common",
    "leaky_relu": "common",
    "leaky_relu_backward": "common",
    "sigmoid": "common",
    "sigmoid_backward": "common",
    "tanh": "common",
    "tanh_backward": "common",
    "silu": "common",
    "silu_": "common",
    "silu_backward": "common",
    "gelu": "common",
    "gelu_backward": "common",
    "hardtanh": "rare",
    "hardtanh_backward": "rare",
    "hardswish": "rare",
    "hardswish_backward": "rare",
    "hardsigmoid_backward": "rare",
    "elu": "rare",
    "elu_backward": "rare",
    "softplus": "rare",
    "softplus_backward": "rare",
    "mish": "rare",
    "mish_backward": "rare",
    "log_sigmoid_forward": "rare",
    "log_sigmoid_backward": "rare",
    "glu": "gated",
    "glu_backward": "gated",
    "_prelu_kernel": "gated",
    "_prelu_kernel_backward": "gated",
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert result["status"] == "pass", result["detail"]
    assert not result["skipped_cases"]
    assert not result["features"]


def pairs(operator: str) -> list[Any]:
    """Each operator with one change and one condition, in turns, so that every combination occurs for some operator."""
    at = sorted(OPERATORS).index(operator)
    change = conditional.CHANGES[at % len(conditional.CHANGES)]
    condition = conditional.CONDITIONS[at % len(conditional.CONDITIONS)]
    return [(change, conditional.always), (conditional.last_has_the_other_sign, condition)]


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_a_broken_operator_is_caught_even_if_only_sometimes_broken(operator: str) -> None:
    dtype = DTYPES[len(operator) % 3]
    for change, when in pairs(operator):
        label, judgement = first_failure("activation." + OPERATORS[operator], dtype, broken(operator, change, when))
        assert judgement is not None, (change, when)
        assert "shape" not in judgement.detail, label


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants_and_slopes_of_other_functions_are_caught(dtype: str) -> None:
    """Twice the slope, and gelu by tanh where it was not asked for."""

    def steeper(out: Any) -> None:
        out.copy_(torch.where(out < 0, out * 2, out))

    assert "leaky_relu" in first_failure("activation.common", dtype, broken("leaky_relu", steeper))[0]
    fast = functools.partial(torch.nn.functional.gelu, approximate="tanh")
    from hwcompat.probes.simulate import _dispatch

    def alter(name: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        return fast(args[0]) if name == "gelu" and not kwargs and args[0].dtype != torch.float64 else out

    if dtype != "bfloat16":  # the two agree within an eighth of a bfloat16 unit almost everywhere
        assert first_failure("activation.common", dtype, _dispatch.after_each(torch, alter))[0] == "gelu"


def test_one_unit_off_everywhere_is_a_feature_and_in_one_place_a_fault() -> None:
    """A coarse table answers alike wherever a number lies; a faulty lane does not."""

    def next_number(out: Any) -> None:
        bits = out.contiguous().view(torch.int16)
        ordinary = torch.isfinite(out) & (out.abs() > 2.0**-10) & (out.abs() < 1)
        out.copy_(torch.where(ordinary, bits + 1, bits).view(out.dtype))

    def last_only(out: Any) -> None:
        bits = out.contiguous().view(torch.int16).clone()
        bits.view(-1)[-1] += 1
        out.copy_(bits.view(out.dtype))

    with broken("tanh_", next_number):
        found = outcome("activation.common", "float16", broken("tanh", next_number))
    assert any(feature.startswith("tanh: off by more than the documented error") for feature in found["features"])
    assert "tanh" not in found["failed_cases"]
    assert "tanh" in outcome("activation.common", "float16", broken("tanh", last_only))["failed_cases"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["relu", "hardtanh", "sigmoid", "silu", "hardswish"])
def test_a_swallowed_nan_is_caught(name: str, dtype: str) -> None:
    def swallowing(out: Any) -> None:
        out.copy_(torch.where(torch.isnan(out), torch.zeros_like(out), out))

    assert outcome("activation.nonfinite", dtype, broken(name, swallowing))["failed_cases"]


@pytest.mark.parametrize("channels", [5, 64])
def test_a_weight_gradient_that_misses_a_sample_is_caught(channels: int) -> None:
    """The weights' gradient comes out of a sum over samples and places."""
    label, judgement = first_failure("activation.gated", "float32", broken("sum.dim_IntList", conditional.last_is_zero))
    assert "PReLU" in label or "GLU" in label
    assert judgement is not None


# --- pools ------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 300), st.sampled_from(DTYPES))
def test_every_arrangement_shows_numbers_of_the_pool_where_it_says(seed: int, count: int, dtype: str) -> None:
    """Identity is judged right in every arrangement, also in place and into an output; the pool stays as it was."""
    ctx = context.Context(torch, "cpu", dtype, "pool", seed=seed)
    x = ctx.rounded(ctx.normal((count,), "x"))
    pool = pointwise.Pool(ctx, [x], "x")
    legal = pointwise.interval(ctx, pointwise.Want(x, None))
    doubled = pointwise.interval(ctx, pointwise.Want(2 * x, None))
    kinds = [pool.everything(), pool.vectors(), pool.layouts(), pool.large(5 * count + 1)]
    arrangements = [a for kind in kinds for a in kind]
    assert pool.judged(pool.forward(lambda t: t, arrangements), legal).status == "pass"
    assert pool.judged(pool.in_place(lambda t: t.mul_(2)), doubled).status == "pass"
    assert pool.judged(pool.into(lambda t, out: torch.add(t, t, out=out)), doubled).status == "pass"
    assert pool.judged(pool.forward(lambda t: t + 0, arrangements), doubled).status == (
        "pass" if not x.any() else "fail"
    )
    assert torch.equal(x, pool.operands[0])


def test_a_shape_a_dtype_or_an_untouched_element_that_is_wrong_fails() -> None:
    ctx = context.Context(torch, "cpu", "float16", "pool")
    x = ctx.rounded(ctx.normal((99,), "x"))
    pool = pointwise.Pool(ctx, [x], "x")
    legal = pointwise.interval(ctx, pointwise.Want(x, None))
    every = list(pool.everything())
    assert "shape" in pool.judged(pool.forward(lambda t: t[1:], every), legal).detail
    assert "torch.float32" in pool.judged(pool.forward(lambda t: t.float(), every), legal).detail

    def whole_storage(view: Any) -> None:
        view.as_strided((view.untyped_storage().nbytes() // 2,), (1,), 0).mul_(2)

    doubled = pointwise.interval(ctx, pointwise.Want(2 * x, None))
    assert "untouched" in pool.judged(pool.in_place(whole_storage), doubled).detail


@pytest.mark.parametrize("change", ["coarse", "ulp"])
@pytest.mark.parametrize(
    ("operator", "result"), [("_prelu_kernel", 0), ("_prelu_kernel_backward", 0), ("_prelu_kernel_backward", 1)]
)
def test_a_prelu_that_loses_bits_is_caught(operator: str, result: int, change: str) -> None:
    label, judgement = first_failure("activation.gated", "float32", mutation(operator, change, result))
    assert label.startswith("PReLU")
    assert judgement.status == "fail"
