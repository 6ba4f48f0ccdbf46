"""Probes of functions, arithmetic and selection: silent on a healthy machine, loud for a wrong lane, layout or call."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from probes import conditional
from probes.conditional import broken
from probes.injected import first_failure, outcome

from hwcompat.probes.simulate import _dispatch

PROBES = ("functions", "steps", "arithmetic", "selection", "broadcast", "nonfinite")
DTYPES = ("float32", "float16", "bfloat16")
OPERATORS = {
    **dict.fromkeys(
        ("sin", "cos", "atan", "exp", "exp_", "exp2", "expm1", "log", "log1p", "log2", "log10"), "functions"
    ),
    **dict.fromkeys(("sqrt", "sqrt_", "rsqrt", "reciprocal", "pow.Tensor_Scalar", "pow.Scalar"), "functions"),
    **dict.fromkeys(("abs", "neg", "sign", "floor", "ceil", "round", "trunc", "frac", "clamp", "clamp_"), "steps"),
    **dict.fromkeys(("clamp_min", "clamp_max", "abs.out", "clamp.out"), "steps"),
    **dict.fromkeys(
        ("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "add_.Tensor", "div_.Tensor"), "arithmetic"
    ),
    **dict.fromkeys(("mul.out", "div.out", "rsub"), "arithmetic"),
    **dict.fromkeys(("maximum", "minimum", "fmax", "where.self", "masked_fill.Scalar", "copysign.Tensor"), "selection"),
    **dict.fromkeys(("fmod.Tensor", "remainder.Tensor", "lerp.Tensor", "lerp_.Tensor", "lerp.Scalar"), "selection"),
    **dict.fromkeys(("addcmul", "addcmul_", "addcdiv", "addcdiv_", "atan2", "pow.Tensor_Tensor"), "selection"),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome("elementwise." + probe, dtype, seed=seed)
    assert result["status"] == "pass", result["detail"]
    assert not result["skipped_cases"]
    assert not result["features"]


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_a_broken_operator_is_caught_even_if_only_sometimes_broken(operator: str) -> None:
    at = sorted(OPERATORS).index(operator)
    change = conditional.CHANGES[at % len(conditional.CHANGES)]
    when = conditional.CONDITIONS[at % len(conditional.CONDITIONS)]
    if when is conditional.strided and "out" in operator:
        when = conditional.odd
    for one, condition in ((change, conditional.always), (conditional.last_has_the_other_sign, when)):
        fault = broken(operator, one, condition)
        judgement = first_failure("elementwise." + OPERATORS[operator], DTYPES[at % 3], fault)[1]
        assert judgement is not None, (one, condition)


def replaced(name: str, change: Any) -> Any:
    """The result of operator `name` on 32 bits or fewer becomes `change(args, kwargs, out)`."""

    def alter(called: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        small = isinstance(out, torch.Tensor) and out.dtype != torch.float64
        return change(args, kwargs, out) if called == name and small else out

    return _dispatch.after_each(torch, alter)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_alpha_that_is_ignored_is_caught(dtype: str) -> None:
    def without_alpha(args: Any, kwargs: Any, out: Any) -> Any:
        return args[0] + args[1] if kwargs.get("alpha", 1) != 1 else out

    assert "alpha" in first_failure("elementwise.arithmetic", dtype, replaced("add", without_alpha))[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_halves_are_rounded_to_even_and_remainders_have_the_divisors_sign(dtype: str) -> None:
    def away(args: Any, kwargs: Any, out: Any) -> Any:
        return torch.where((args[0] - args[0].trunc()).abs() == 0.5, args[0] + 0.5 * args[0].sign(), out)

    def truncated(args: Any, kwargs: Any, out: Any) -> Any:
        return torch.fmod(args[0], args[1])

    assert first_failure("elementwise.steps", dtype, replaced("round", away))[0] == "round"
    assert first_failure("elementwise.selection", dtype, replaced("remainder", truncated))[0] == "remainder"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["maximum", "add", "mul", "clamp", "sqrt", "nan_to_num", "where"])
def test_special_values_are_judged(name: str, dtype: str) -> None:
    def swallowed(args: Any, kwargs: Any, out: Any) -> Any:
        return torch.where(torch.isfinite(out), out, torch.full_like(out, 7.0))

    def kept(args: Any, kwargs: Any, out: Any) -> Any:
        return args[0]

    fault = replaced(name, kept if name == "nan_to_num" else swallowed)
    assert first_failure("elementwise.nonfinite", dtype, fault)[1] is not None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("condition", [conditional.always, conditional.odd], ids=lambda f: f.__name__)
def test_a_reduced_gradient_that_misses_its_last_place_is_caught(dtype: str, condition: Any) -> None:
    fault = broken("sum.dim_IntList", conditional.last_has_the_other_sign, condition)
    assert first_failure("elementwise.broadcast", dtype, fault)[1] is not None


def test_a_mixed_pair_computed_in_the_narrower_dtype_is_caught() -> None:
    def narrowed(args: Any, kwargs: Any, out: Any) -> Any:
        mixed = len({x.dtype for x in args if isinstance(x, torch.Tensor)}) > 1
        return out.half().float() if mixed and out.dtype == torch.float32 else out

    assert first_failure("elementwise.broadcast", "float16", replaced("add", narrowed))[0] == "with float32 tensors"


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_enlarged_sizes_pass_too(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from hwcompat.probes import context, functions, operations
    from hwcompat.probes.suite import elementwise_arithmetic

    monkeypatch.setattr(context.Context, "large", True)
    ctx = context.Context(torch, "cpu", dtype, "elementwise.arithmetic")
    operation = next(iter(elementwise_arithmetic.tensors(torch)))
    assert operations.forward(ctx, operation).status == "pass"
    assert functions.size_of(ctx, True, 5) > 2**22
