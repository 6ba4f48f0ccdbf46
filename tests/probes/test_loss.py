"""Loss probes: silent on a healthy machine, loud for a wrong option, row, reduction or gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from probes import conditional
from probes.conditional import broken
from probes.injected import first_failure, mutation, outcome

from hwcompat.probes.simulate import _dispatch

PROBES = ("loss.cross_entropy", "loss.cross_entropy_bound", "loss.regression", "loss.boxes")
DTYPES = ("float32", "float16", "bfloat16")
OPERATORS = {
    "_log_softmax": "cross_entropy",
    "_log_softmax_backward_data": "cross_entropy",
    "nll_loss_forward": "cross_entropy",
    "nll_loss_backward": "cross_entropy",
    "nll_loss2d_forward": "cross_entropy",
    "nll_loss2d_backward": "cross_entropy",
    "mse_loss": "regression",
    "mse_loss_backward": "regression",
    "smooth_l1_loss": "regression",
    "smooth_l1_loss_backward": "regression",
    "huber_loss": "regression",
    "huber_loss_backward": "regression",
    "binary_cross_entropy": "regression",
    "binary_cross_entropy_backward": "regression",
    "binary_cross_entropy_with_logits": "regression",
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert result["status"] == "pass", result["detail"]
    assert not result["skipped_cases"]
    assert not result["features"]


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_a_broken_operator_is_caught_even_if_only_sometimes_broken(operator: str) -> None:
    at = sorted(OPERATORS).index(operator)
    for when in (conditional.always, (conditional.second, conditional.every_third)[at % 2]):
        judgement = first_failure("loss." + OPERATORS[operator], DTYPES[at % 3], broken(operator, when=when))[1]
        assert judgement is not None, when


def called(name: str, change: Any) -> Any:
    """`change(args)` gives other arguments to operator `name` on 32 bits or fewer, or None."""

    def alter(operator: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        if operator != name or args[0].dtype == torch.float64:
            return out
        other = change(list(args))
        return out if other is None else func(*other, **kwargs)

    return _dispatch.after_each(torch, alter)


@pytest.mark.parametrize("dtype", DTYPES)
def test_options_that_are_ignored_are_caught(dtype: str) -> None:
    def without(position: int, value: Any) -> Any:
        def change(args: list[Any]) -> Any:
            args[position] = value
            return args

        return change

    assert "class" in first_failure("loss.cross_entropy", dtype, called("nll_loss_forward", without(2, None)))[0]
    for name in ("smooth_l1_loss", "huber_loss"):

        def doubled(args: list[Any]) -> Any:
            return [*args[:3], args[3] * 2] if len(args) > 3 else None

        assert name in first_failure("loss.regression", dtype, called(name, doubled))[0]
    assert "pos_weight" in first_failure("loss.regression", dtype, without_weights(3))[0]
    assert "pos_weight" in first_failure("loss.regression", dtype, without_weights(2))[0]


def without_weights(position: int) -> Any:
    def change(args: list[Any]) -> Any:
        if len(args) <= position or args[position] is None:
            return None
        args[position] = None
        return args

    return called("binary_cross_entropy_with_logits", change)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_target_off_by_one_or_an_ignored_row_that_counts_is_caught(dtype: str) -> None:
    def next_class(args: list[Any]) -> Any:
        args[1] = torch.where(args[1] >= 0, (args[1] + 1) % args[0].shape[1], args[1])
        return args

    def first_class(args: list[Any]) -> Any:
        args[1] = torch.where(args[1] >= 0, args[1], 0)
        return args

    for change in (next_class, first_class):
        assert first_failure("loss.cross_entropy", dtype, called("nll_loss_forward", change))[1] is not None


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mean_over_all_rows_instead_of_those_that_count_is_caught(dtype: str) -> None:
    def alter(name: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        if name != "nll_loss_forward" or args[0].dtype == torch.float64 or args[3] != 1:
            return out
        return out[0] * out[1] / args[0].shape[0], out[1]

    assert first_failure("loss.cross_entropy", dtype, _dispatch.after_each(torch, alter))[1] is not None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["minimum", "maximum", "atan", "clamp", "div"])
def test_a_wrong_step_of_a_box_loss_is_caught(name: str, dtype: str) -> None:
    def alter(operator: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        hit = (
            operator == name
            and isinstance(out, torch.Tensor)
            and out.dtype in (torch.float32, torch.float16, torch.bfloat16)
        )
        return (args[0] if name == "clamp" else out * 1.125) if hit else out

    assert first_failure("loss.boxes", dtype, _dispatch.after_each(torch, alter))[1] is not None


def test_a_wrong_gradient_of_a_box_or_an_alignment_is_caught() -> None:
    def halved(out: Any) -> None:
        out.mul_(0.5)

    assert "gradient" in first_failure("loss.boxes", "float32", broken("where.self", halved))[0]
    assert first_failure("loss.boxes", "float32", broken("_ctc_loss_backward", halved))[0] == "CTC"


@pytest.mark.parametrize("change", ["coarse", "ulp"])
@pytest.mark.parametrize("operator", ["smooth_l1_loss", "huber_loss", "mse_loss"])
@pytest.mark.parametrize("backward", ["", "_backward"])
def test_a_loss_that_loses_bits_is_caught(operator: str, backward: str, change: str) -> None:
    label, _ = first_failure("loss.regression", "float32", mutation(operator + backward, change))
    assert label.startswith(operator)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_wrong_logarithm_of_probabilities_is_caught(dtype: str) -> None:
    def alter(name: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        return out * 1.05 if name == "xlogy" else out

    label, _ = first_failure("loss.regression", dtype, _dispatch.after_each(torch, alter))
    assert label == "KL divergence of probabilities"
    label, _ = first_failure("loss.regression", "float32", mutation("xlogy", "coarse"))
    assert label == "KL divergence of probabilities"
