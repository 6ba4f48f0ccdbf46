"""Elementwise, cast and reduction probes: silent on a healthy machine, loud for the faults they hunt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from probes.injected import fault, outcome, runs

from hwcompat.probes import catalogue, context, rounding

FAMILIES = ("elementwise", "cast", "reduction")
POOLED = ("functions", "steps", "arithmetic", "selection", "broadcast", "nonfinite", "layout", "double")  # own tests
PROBES = [
    probe
    for probe in catalogue.listing()
    if probe.id.split(".")[0] in FAMILIES and probe.id.split(".")[1] not in POOLED
]
RUNS = runs(PROBES)
HALVES = ["float16", "bfloat16"]
EVERY = (torch.float16, torch.bfloat16, torch.float32)

Change = Callable[[Any, Any], Any]


@pytest.mark.parametrize(("probe", "dtype"), RUNS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert result["status"] == "pass", result["detail"]
    assert not result["skipped_cases"]


@pytest.mark.parametrize("probe", [p.id for p in PROBES if p.id != "elementwise.unary"])
def test_the_enlarged_shapes_pass_too(probe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context.Context, "large", True)
    assert outcome(probe, "bfloat16")["status"] == "pass"


def test_erf_is_judged_on_accelerators_and_the_cpu_kernel_shows_why_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """An erf that is correctly rounded passes; one without relative accuracy near zero does not."""
    monkeypatch.setattr(context.Context, "large", True)

    def correct(args: Any, out: Any) -> Any:
        return encoded(args[0].double().erf(), out.dtype)

    def vanishing(args: Any, out: Any) -> Any:
        return torch.where(args[0].abs() < 1e-6, torch.zeros_like(out), correct(args, out))

    assert outcome("elementwise.unary", "bfloat16", fault("erf", correct))["status"] == "pass"
    assert outcome("elementwise.unary", "bfloat16", fault("erf", vanishing))["failed_cases"] == ["erf of all numbers"]


# --- faults -----------------------------------------------------------------------------------------------------------


def format_of(dtype: torch.dtype) -> Any:
    return rounding.FORMATS[str(dtype).replace("torch.", "")]


def encoded(values: Any, dtype: torch.dtype) -> Any:
    """float64 `values` correctly rounded to `dtype`."""
    fmt = format_of(dtype)
    return rounding.from_codes(torch, rounding.encode(torch, values, fmt), fmt)


def cut_off(values: Any, dtype: torch.dtype) -> Any:
    """float64 `values` rounded toward zero to `dtype`."""
    fmt = format_of(dtype)
    codes = rounding.encode(torch, values, fmt)
    too_far = rounding.decode(torch, codes, fmt).abs() > values.abs()
    return rounding.from_codes(torch, codes - too_far.to(torch.int64), fmt)


def one_bit(args: Any, out: Any) -> Any:
    integer = torch.int32 if out.dtype == torch.float32 else torch.int16
    bits = out.clone().contiguous().view(integer)
    where = torch.nonzero(torch.isfinite(out.reshape(-1)) & (out.reshape(-1) != 0)).flatten()
    bits.view(-1)[where[len(where) // 2]] ^= 1
    return bits.view(out.dtype)


def truncating(name: str) -> Change:
    return lambda args, out: cut_off(getattr(torch, name)(args[0].double(), args[1].double()), out.dtype)


def reciprocal_division(args: Any, out: Any) -> Any:
    return args[0] * (1 / args[1])


def nan_swallowed(args: Any, out: Any) -> Any:
    return torch.where(torch.isnan(out), torch.zeros_like(out), out)


def flushed(x: Any) -> Any:
    return torch.where(x.abs() < torch.finfo(x.dtype).smallest_normal, x * 0, x)


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        *[pytest.param(name, truncating(name), id=f"{name}-truncates") for name in ("add", "sub", "mul", "div")],
        *[pytest.param(name, one_bit, id=f"{name}-flips") for name in ("add", "div", "neg", "abs", "relu")],
        pytest.param("div", reciprocal_division, id="div-by-reciprocal"),
        pytest.param("add", nan_swallowed, id="add-swallows-nan"),
        pytest.param("sqrt", nan_swallowed, id="sqrt-swallows-nan"),
        pytest.param("threshold_backward", lambda args, out: args[0], id="relu-gradient-passes-everything"),
    ],
)
def test_a_wrong_operator_is_caught(name: str, change: Change, dtype: str) -> None:
    assert outcome("elementwise.binary", dtype, fault(name, change, EVERY))["status"] == "fail"


@pytest.mark.parametrize("dtype", HALVES)
def test_a_square_root_one_unit_off_is_a_fault_in_16_bits(dtype: str) -> None:
    assert outcome("elementwise.binary", dtype, fault("sqrt", one_bit))["failed_cases"] == ["sqrt of all codes"]


def test_a_square_root_one_unit_off_is_a_feature_in_float32_and_two_are_a_fault() -> None:
    def off_by(units: int) -> Change:
        def change(args: Any, out: Any) -> Any:
            root = args[0].double().sqrt().float()
            moved = (root.view(torch.int32) + units).view(torch.float32)
            return torch.where(torch.isfinite(root) & (root > 0), moved, root)

        return change

    one = outcome("elementwise.binary", "float32", fault("sqrt", off_by(1), EVERY))
    assert one["status"] == "pass"
    assert one["data"] == {"sqrt_rounded_correctly": False}
    assert outcome("elementwise.binary", "float32", fault("sqrt", off_by(2), EVERY))["status"] == "fail"


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize("name", ["add", "mul", "div"])
def test_flushed_subnormal_numbers_are_a_feature_and_wrong_ones_a_fault(name: str, dtype: str) -> None:
    def flushing(args: Any, out: Any) -> Any:
        return flushed(getattr(torch, name)(flushed(args[0]), flushed(args[1])))

    def wrong(args: Any, out: Any) -> Any:
        small = (out != 0) & (out.abs() < torch.finfo(out.dtype).smallest_normal)
        return torch.where(small, -out, out)

    result = outcome("elementwise.binary", dtype, fault(name, flushing, EVERY))
    assert result["status"] == "pass"
    assert result["data"]["subnormals_flushed"] is True
    result = outcome("elementwise.binary", dtype, fault(name, wrong, EVERY))
    assert result["failed_cases"] == [f"{name} with subnormal numbers"]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid", "rsqrt", "silu"])
def test_functions_may_be_a_unit_off_but_not_four(name: str, dtype: str) -> None:
    def off_by(units: int) -> Change:
        def change(args: Any, out: Any) -> Any:
            bits = out.view(torch.int16)
            ordinary = torch.isfinite(out) & (out.abs() > torch.finfo(out.dtype).smallest_normal * 16)
            ordinary &= out.abs() < torch.finfo(out.dtype).max / 16
            return torch.where(ordinary, bits + units, bits).view(out.dtype)

        return change

    near = outcome("elementwise.unary", dtype, fault(name, off_by(1)))
    assert near["status"] == "pass"
    assert near["data"]["approximate_functions"] is True
    assert outcome("elementwise.unary", dtype, fault(name, off_by(4)))["failed_cases"] == [f"{name} of all numbers"]


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_infinity_where_exp_still_has_numbers_is_caught(dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        return torch.where(out > torch.finfo(out.dtype).max / 2, out * float("inf"), out)

    assert outcome("elementwise.unary", dtype, fault("exp", change, EVERY))["status"] == "fail"


GRADIENTS = {"exp": "mul", **{name: name + "_backward" for name in ("gelu", "sigmoid", "silu", "tanh")}}


def halved(args: Any, out: Any) -> Any:
    return out * 0.5


def one_nan(args: Any, out: Any) -> Any:
    out = out.clone()
    out.view(-1)[-1] = float("nan")
    return out


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize("change", [halved, one_nan], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", sorted(GRADIENTS))
def test_a_wrong_gradient_of_a_function_is_caught(name: str, change: Change, dtype: str) -> None:
    result = outcome("elementwise.unary", dtype, fault(GRADIENTS[name], change, EVERY))
    assert f"gradient of {name}" in result["failed_cases"]


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize("change", [halved, one_nan], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ["exp", "gelu", "log", "rsqrt", "sigmoid", "silu", "tanh"])
def test_a_wrong_function_is_caught(name: str, change: Change, dtype: str) -> None:
    failed = outcome("elementwise.unary", dtype, fault(name, change, EVERY))["failed_cases"]
    assert f"{name} of all numbers" in failed


def test_a_healthy_gradient_needs_no_more_than_its_bound() -> None:
    for dtype in ("float32", *HALVES):
        assert "approximate_functions" not in outcome("elementwise.unary", dtype)["data"]


# --- casts: `_to_copy` sees the float32 source ------------------------------------------------------------------------


def narrowing(convert: Callable[[Any, torch.dtype], Any]) -> Any:
    """A fault in conversions of float32 to a 16-bit format and in no other."""

    def change(args: Any, out: Any) -> Any:
        low = out.dtype in (torch.float16, torch.bfloat16)
        return convert(args[0].double(), out.dtype).view(out.shape) if low else out

    return fault("_to_copy", change, (torch.float32,))


def ties_away(values: Any, dtype: torch.dtype) -> Any:
    return encoded(values * (1 + 2.0**-40), dtype)


def saturating(values: Any, dtype: torch.dtype) -> Any:
    largest = torch.finfo(dtype).max
    return encoded(torch.clamp(values, -largest, largest), dtype)


def flushing(values: Any, dtype: torch.dtype) -> Any:
    small = values.abs() < torch.finfo(dtype).smallest_normal
    return encoded(torch.where(small, values * 0.0, values), dtype)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("convert", [cut_off, ties_away], ids=lambda f: f.__name__)
def test_a_wrong_rounding_is_caught_forward_and_backward(convert: Any, dtype: str) -> None:
    result = outcome("cast.ties", dtype, narrowing(convert))
    assert f"float32 to {dtype}, ties and their neighbours" in result["failed_cases"]
    assert "gradient of a cast to float32" in result["failed_cases"]


def test_saturation_and_flushing_to_zero_are_caught() -> None:
    for convert in (saturating, flushing, cut_off):
        assert outcome("cast.overflow", "float16", narrowing(convert))["status"] == "fail"
    assert outcome("cast.overflow", "bfloat16", narrowing(saturating))["status"] == "fail"
    assert outcome("cast.ties", "float16", narrowing(flushing))["status"] == "fail"


def test_float32_subnormal_numbers_taken_as_zero_are_a_feature() -> None:
    result = outcome("cast.ties", "bfloat16", narrowing(flushing))
    assert result["status"] == "pass"
    assert result["data"] == {"subnormals_flushed": True}


@pytest.mark.parametrize("dtype", HALVES)
def test_a_wrong_widening_is_caught(dtype: str) -> None:
    assert outcome("cast.widen", dtype, fault("_to_copy", one_bit_of_float))["status"] == "fail"
    assert outcome("cast.widen", dtype, fault("_to_copy", nan_to_zero))["status"] == "fail"
    assert outcome("cast.widen", dtype, fault("_to_copy", rounding_to_integers))["failed_cases"] == [
        f"{dtype} to int32"
    ]


def one_bit_of_float(args: Any, out: Any) -> Any:
    return one_bit(args, out) if out.dtype == torch.float32 else out


def nan_to_zero(args: Any, out: Any) -> Any:
    return nan_swallowed(args, out) if out.is_floating_point() else out


def rounding_to_integers(args: Any, out: Any) -> Any:
    return torch.round(args[0].float()).to(torch.int32) if out.dtype == torch.int32 else out


def copying(source: torch.dtype, convert: Callable[[Any], Any]) -> Any:
    """A fault in copy_ from `source` to another dtype; the destination itself is overwritten, as copy_ would."""

    def change(args: Any, out: Any) -> Any:
        if args[1].dtype == source and source != out.dtype != torch.float64:
            out.copy_(convert(out))
        return out

    return fault("copy_", change, (*EVERY, torch.int32))


@pytest.mark.parametrize("dtype", HALVES)
def test_a_copy_between_dtypes_is_judged_like_a_cast(dtype: str) -> None:
    def next_number(out: Any) -> Any:
        return one_bit((), out) if out.is_floating_point() else out + 1

    own = getattr(torch, dtype)
    for probe, source in (("cast.ties", torch.float32), ("cast.overflow", torch.float32), ("cast.widen", own)):
        result = outcome(probe, dtype, copying(source, next_number))
        assert result["status"] == "fail"
        assert "copy" in result["detail"]
    assert len(outcome("cast.widen", dtype, copying(own, next_number))["failed_cases"]) == 3


@pytest.mark.parametrize("source", [torch.int32, torch.int64, torch.bool], ids=str)
def test_a_copy_of_integers_is_judged_like_a_cast(source: torch.dtype) -> None:
    result = outcome("cast.overflow", "float32", copying(source, lambda out: out * 2))
    assert result["failed_cases"] == [f"{str(source).replace('torch.', '')} to float32"]


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize("source", [torch.int32, torch.int64, torch.bool], ids=str)
def test_wrong_conversions_of_integers_are_caught(source: torch.dtype, dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        if not out.is_floating_point() or out.dtype == torch.float64:
            return out
        return out * 2 if source == torch.bool else cut_off(args[0].double(), out.dtype)

    result = outcome("cast.overflow", dtype, fault("_to_copy", change, (source,)))
    assert result["failed_cases"] == [f"{str(source).replace('torch.', '')} to {dtype}"]
