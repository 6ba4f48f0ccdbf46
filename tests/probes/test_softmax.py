"""Softmax, logarithm and cross-entropy probes: silent on a healthy machine, loud for the faults they hunt."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from probes.injected import fault, outcome, runs

from hwcompat.probes import catalogue, context, rounding

FAMILIES = ("softmax", "log", "loss")
PROBES = [probe for probe in catalogue.listing() if probe.id.split(".")[0] in FAMILIES]
ELSEWHERE = ("loss.boxes", "loss.cross_entropy", "loss.cross_entropy_bound", "loss.regression")
"""Their silence is asked for, more strictly, in test_loss.py."""
RUNS = runs(probe for probe in PROBES if probe.id not in ELSEWHERE)
HALVES = ["float16", "bfloat16"]
EVERY = (torch.float16, torch.bfloat16, torch.float32)


@pytest.mark.parametrize(("probe", "dtype"), RUNS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert result["status"] == "pass", result["detail"]
    assert not result["skipped_cases"]


@pytest.mark.parametrize("probe", [p.id for p in PROBES])
def test_the_enlarged_shapes_pass_too(probe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context.Context, "large", True)
    assert outcome(probe, "float32")["status"] == "pass"


# --- faults -----------------------------------------------------------------------------------------------------------


def encoded(values: Any, dtype: torch.dtype) -> Any:
    fmt = rounding.FORMATS[str(dtype).replace("torch.", "")]
    return rounding.from_codes(torch, rounding.encode(torch, values, fmt), fmt)


def unshifted(args: Any, out: Any) -> Any:
    """Softmax that does not subtract the largest score, in float32."""
    powers = torch.exp(args[0].float())
    return encoded((powers / powers.sum(args[1], keepdim=True)).double(), out.dtype)


def coarse_exp(args: Any, out: Any) -> Any:
    """Softmax whose exponentials carry eight bits."""
    powers = torch.softmax(args[0].double(), args[1]).bfloat16().double()
    return encoded(powers / powers.sum(args[1], keepdim=True), out.dtype)


def uncentred(args: Any, out: Any) -> Any:
    """y * g without the subtraction of sum(g y)."""
    grad, y = args[0], args[1]
    return grad * y


def one_nan_row(args: Any, out: Any) -> Any:
    out = out.clone()
    out.view(out.shape[0], -1)[-1] = float("nan")
    return out


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize(
    ("probe", "change"),
    [
        ("softmax.exact", unshifted),
        ("softmax.bound", unshifted),
        ("softmax.exact", one_nan_row),
        ("softmax.bound", one_nan_row),
        ("softmax.bound", lambda args, out: out * 0),
        ("log.underflow", one_nan_row),
    ],
)
def test_a_wrong_softmax_is_caught(probe: str, change: Any, dtype: str) -> None:
    assert outcome(probe, dtype, fault("_softmax", change, EVERY))["status"] == "fail"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_exponentials_of_too_few_bits_are_caught(dtype: str) -> None:
    assert outcome("softmax.bound", dtype, fault("_softmax", coarse_exp, EVERY))["status"] == "fail"


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_huge_equal_scores_find_the_missing_subtraction_where_small_ones_do_not(dtype: str) -> None:
    failed = outcome("softmax.exact", dtype, fault("_softmax", unshifted, EVERY))["failed_cases"]
    assert "equal scores of 30000, 64x1024 over dim 1" in failed
    assert "equal scores 64x1024 over dim 1" not in failed


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize("probe", ["softmax.exact", "softmax.bound"])
@pytest.mark.parametrize("change", [uncentred, one_nan_row, lambda args, out: -out], ids=["uncentred", "nan", "sign"])
def test_a_wrong_gradient_is_caught(probe: str, change: Any, dtype: str) -> None:
    assert outcome(probe, dtype, fault("_softmax_backward_data", change, EVERY))["status"] == "fail"


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_log_softmax_made_as_log_of_softmax_is_caught(dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        return torch.log(torch.softmax(args[0], args[1]))

    failed = outcome("log.underflow", dtype, fault("_log_softmax", change, EVERY))["failed_cases"]
    assert [case.split(",")[0] for case in failed] == [
        "log_softmax and its gradient",
        "KL divergence to a one-hot target",
    ]


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_nan_in_a_divergence_whose_target_has_zeros_is_caught(dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        return args[0] * torch.log(args[1])  # 0 * -inf

    failed = outcome("log.underflow", dtype, fault("xlogy", change, EVERY))["failed_cases"]
    assert [case.split(",")[0] for case in failed] == ["KL divergence to a one-hot target"]


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize(
    ("name", "case"), [("exp", "exp beyond the range"), ("log", "log at the edges")], ids=["exp", "log"]
)
def test_saturation_where_infinity_belongs_is_caught(name: str, case: str, dtype: str) -> None:
    def change(args: Any, out: Any) -> Any:
        return torch.clamp(out, torch.finfo(out.dtype).min, torch.finfo(out.dtype).max)

    assert case in outcome("log.underflow", dtype, fault(name, change, EVERY))["failed_cases"]


def unshifted_log(args: Any, out: Any) -> Any:
    """log_softmax that does not subtract the largest score, in float32."""
    x = args[0].float()
    return encoded((x - torch.log(torch.exp(x).sum(args[1], keepdim=True))).double(), out.dtype)


def one_above_dropped(args: Any, out: Any) -> Any:
    """Every maximum comes out one unit below zero."""
    return torch.where(out == 0, torch.full_like(out, -torch.finfo(out.dtype).eps), out)


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize(
    "change",
    [unshifted_log, one_above_dropped, lambda args, out: out * 1.01, one_nan_row],
    ids=["unshifted", "zero", "scaled", "nan"],
)
def test_a_wrong_log_softmax_of_large_scores_is_caught(change: Any, dtype: str) -> None:
    failed = outcome("softmax.log", dtype, fault("_log_softmax", change, EVERY))["failed_cases"]
    assert "log_softmax of scores of 128 and -128, 66x64" in failed


@pytest.mark.parametrize("dtype", HALVES)
def test_16_bit_log_softmax_is_judged_on_accelerators(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A correctly rounded one passes; one whose sum is kept in 16 bits, as the CPU kernel's, does not."""

    def correct(args: Any, out: Any) -> Any:
        return encoded(torch.log_softmax(args[0].double(), args[1]), out.dtype)

    def narrow(args: Any, out: Any) -> Any:
        x = args[0].double()
        distance = x - x.max(args[1], keepdim=True)[0]
        total = encoded(torch.exp(distance).sum(args[1], keepdim=True), out.dtype).double()
        logarithm = encoded(torch.log(total), out.dtype).double()
        return encoded(distance - logarithm, out.dtype)

    monkeypatch.setattr(context.Context, "kind", "cuda")
    probe = importlib.import_module("hwcompat.probes.suite.softmax_log")
    ctx = context.Context(torch, "cpu", dtype, "softmax.log")
    with fault("_log_softmax", correct):
        assert probe.random(ctx, (64, 1000), 1).status == "pass"
    with fault("_log_softmax", narrow):
        assert probe.random(ctx, (64, 1000), 1).status == "fail"


# --- cross entropy ----------------------------------------------------------------------------------------------------


def naive(args: Any, out: Any) -> Any:
    """-(t log s + (1 - t) log(1 - s)) in the dtype: infinite or NaN once s rounds to 0 or 1."""
    x, t = args[0], args[1]
    s = torch.sigmoid(x)
    loss = -(t * torch.log(s) + (1 - t) * torch.log(1 - s))
    return loss if out.dim() else loss.mean()


def one_nan(args: Any, out: Any) -> Any:
    out = out.clone()
    out.view(-1)[-1] = float("nan")
    return out


def mean_of_narrow_sum(args: Any, out: Any) -> Any:
    x, t = args[0].double(), args[1].double()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    return encoded(loss.sum(), out.dtype) / loss.numel() if out.dim() == 0 else out


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize("change", [naive, lambda args, out: out * 1.25, one_nan], ids=["naive", "scaled", "nan"])
def test_a_wrong_cross_entropy_is_caught(change: Any, dtype: str) -> None:
    result = outcome("loss.bce", dtype, fault("binary_cross_entropy_with_logits", change, EVERY))
    assert result["status"] == "fail"


def test_a_mean_whose_sum_overflows_is_caught() -> None:
    result = outcome("loss.bce", "float16", fault("binary_cross_entropy_with_logits", mean_of_narrow_sum))
    assert result["failed_cases"] == ["mean of 8192"]


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_a_wrong_gradient_of_cross_entropy_is_caught(dtype: str) -> None:
    result = outcome("loss.bce", dtype, fault("sigmoid", lambda args, out: 1 - out, EVERY))
    assert "(gradient)" in result["detail"]
