"""The normalisation probes are silent on a healthy CPU and see wrong statistics, affine terms, layouts, gradients."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from probes.injected import fault, outcome

from hwcompat.probes import context, normalisation

PROBES = ("norm.layer", "norm.batch", "norm.group")
DTYPES = ("float32", "float16", "bfloat16")
FORWARD = {"norm.layer": "native_layer_norm", "norm.batch": "native_batch_norm", "norm.group": "native_group_norm"}
BACKWARD = {probe: name + "_backward" for probe, name in FORWARD.items()}


def broken(probe, change, backward=False):
    """The probe's operator with its result altered: `change(args, out)`."""
    return fault((BACKWARD if backward else FORWARD)[probe], change)


def changed(out, value):
    return (value, *out[1:])


# --- healthy ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("probe", "dtype"), list(product(PROBES, DTYPES)))
@pytest.mark.parametrize("seed", [0, 5, 11])
def test_a_healthy_cpu_is_silent(probe, dtype, seed):
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"], result["skipped_cases"]) == ("pass", "", [])


def test_the_enlarged_case_runs(monkeypatch):
    monkeypatch.setattr(context.Context, "large", True)
    assert outcome("norm.layer", "float32")["status"] == "pass"


def test_inputs_have_the_statistics_they_promise():
    ctx = context.Context(torch, "cpu", "float16", "norm")
    signs = normalisation.balanced_signs(ctx, 7, 64, "x").double()
    assert torch.equal(signs.sum(1), torch.zeros(7, dtype=torch.float64))
    assert torch.equal(signs.abs(), torch.ones(7, 64, dtype=torch.float64))
    gamma, beta = normalisation.affine(ctx, 500)
    assert not bool((gamma.abs() == beta.abs()).any())


def test_the_bound_leaves_one_half_precision_value_for_most_outputs():
    """Otherwise the interval would be no sharper than a tolerance."""
    ctx = context.Context(torch, "cpu", "float16", "norm")
    x = normalisation.balanced_signs(ctx, 64, 64, "x") + normalisation.offsets(ctx, (64, 1), "x")
    gamma, beta = normalisation.affine(ctx, 64)
    expected = normalisation.forward(normalisation.statistics(ctx, x, (1,)), gamma, beta)
    low, high = ctx.rounded(expected.value - expected.bound), ctx.rounded(expected.value + expected.bound)
    assert float((low == high).double().mean()) > 0.9


# --- faults -----------------------------------------------------------------------------------------------------------
def sixteen_bit_variance(args, out):
    """Sums of squares that stop growing at 2**p, as an accumulator of 16 bits does: the output scales up."""
    dtype = args[0].dtype
    largest = 2048.0 if dtype == torch.float16 else 256.0
    count = args[0].numel() // max(1, out[1].numel())  # evaluation computes no statistics
    return changed(out, out[0] * (count / largest) ** 0.5) if largest < count < args[0].numel() else out


def overflowing_variance(args, out):
    """x**2 in fp16 is infinite from 256 on, so that every output becomes beta."""
    return changed(out, out[0] * 0) if float(args[0].float().abs().max()) >= 256 else out


def one_row_nan(args, out):
    spoilt = out[0].clone()
    spoilt[0, 0] = float("nan")
    return changed(out, spoilt)


def one_ulp(args, out):
    spoilt = out[0].clone()
    spoilt[0, :2] = torch.nextafter(spoilt[0, :2], spoilt[0, :2] * 4)
    return changed(out, spoilt)


def no_offset(args, out):
    """The mean is left in: y grows by one in rows whose mean is one."""
    mean = args[0].float().mean(1, keepdim=True)
    return changed(out, (out[0].float() + mean).to(out[0].dtype))


FORWARD_FAULTS = {
    "variance summed in 16 bits": (sixteen_bit_variance, PROBES),
    "squares overflow": (overflowing_variance, PROBES),
    "one row NaN": (one_row_nan, PROBES),
    "mean not removed": (no_offset, ("norm.layer",)),
}


@pytest.mark.parametrize("name", FORWARD_FAULTS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_forward_fault_is_seen(name, dtype):
    change, probes = FORWARD_FAULTS[name]
    for probe in probes:
        result = outcome(probe, dtype, broken(probe, change))
        assert result["status"] == "fail", probe
        assert "in output" in result["detail"]


def test_two_last_bits_are_seen_in_half_precision():
    result = outcome("norm.layer", "float16", broken("norm.layer", one_ulp))
    assert result["status"] == "fail"


@pytest.mark.parametrize("probe", ["norm.batch", "norm.group"])
def test_a_fault_in_channels_last_only_is_seen(probe):
    def change(args, out):
        if args[0].is_contiguous():
            return out
        spoilt = out[0].clone()
        spoilt[-1] = float("nan")
        return changed(out, spoilt)

    result = outcome(probe, "float16", broken(probe, change))
    assert result["status"] == "fail"
    assert all("channels_last" in label or "swapped" in label or "strided" in label for label in result["failed_cases"])


@pytest.mark.parametrize(("place", "name"), [(0, "input gradient"), (1, "weight gradient"), (2, "bias gradient")])
@pytest.mark.parametrize("probe", PROBES)
def test_a_backward_fault_is_seen_and_named(probe, place, name):
    def change(args, out):
        gradients = list(out)
        gradients[place] = gradients[place] * 1.25
        return tuple(gradients)

    result = outcome(probe, "float16", broken(probe, change, backward=True))
    assert result["status"] == "fail"
    assert "in " + name in result["detail"]


def test_a_lost_term_of_the_input_gradient_is_seen():
    """dx without its mean terms is gamma * dy * r: right in shape and size, wrong all the same."""

    def change(args, out):
        gamma = args[5].float()
        return (args[0].float() * gamma).to(out[0].dtype), *out[1:]

    assert outcome("norm.layer", "bfloat16", broken("norm.layer", change, backward=True))["status"] == "fail"


def test_running_statistics_that_never_move_are_seen():
    def freeze(args, out):
        for running in args[3:5]:
            if isinstance(running, torch.Tensor):
                running.fill_(1.0)
        return out

    result = outcome("norm.batch", "float16", broken("norm.batch", freeze))
    assert result["status"] == "fail"
    assert "running" in result["detail"]
