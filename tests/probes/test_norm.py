"""The normalisation probes are silent on a healthy CPU and see wrong statistics, affine terms, layouts, gradients."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import fault, first_failure, mutation, outcome

from hwcompat.probes import context, normalisation

PROBES = ("norm.layer", "norm.batch", "norm.group")
MINE = (*PROBES, "norm.instance", "norm.rms", "norm.running", "norm.vector")
DTYPES = ("float32", "float16", "bfloat16")
FORWARD = {"norm.layer": "native_layer_norm", "norm.batch": "native_batch_norm", "norm.group": "native_group_norm"}
BACKWARD = {probe: name + "_backward" for probe, name in FORWARD.items()}


def broken(probe, change, backward=False):
    """The probe's operator with its result altered: `change(args, out)`."""
    return fault((BACKWARD if backward else FORWARD)[probe], change)


def changed(out, value):
    return (value, *out[1:])


# --- healthy ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("probe", "dtype"), list(product(MINE, DTYPES)))
@pytest.mark.parametrize("seed", [0, 11])
def test_a_healthy_cpu_is_silent(probe, dtype, seed):
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"], result["skipped_cases"], result["features"]) == ("pass", "", [], [])


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
        label, judgement = first_failure(probe, dtype, broken(probe, change))
        assert label, probe
        assert "in output" in judgement.detail


def test_two_last_bits_are_seen_in_half_precision():
    assert first_failure("norm.layer", "float16", broken("norm.layer", one_ulp))[0]


@pytest.mark.parametrize("probe", ["norm.batch", "norm.group"])
def test_a_fault_in_channels_last_only_is_seen(probe):
    def change(args, out):
        if args[0].is_contiguous():
            return out
        spoilt = out[0].clone()
        spoilt[-1] = float("nan")
        return changed(out, spoilt)

    label, _ = first_failure(probe, "float16", broken(probe, change))
    assert "channels_last" in label


@pytest.mark.parametrize(("place", "name"), [(0, "input gradient"), (1, "weight gradient"), (2, "bias gradient")])
@pytest.mark.parametrize("probe", PROBES)
def test_a_backward_fault_is_seen_and_named(probe, place, name):
    def change(args, out):
        gradients = list(out)
        gradients[place] = gradients[place] * 1.25
        return tuple(gradients)

    label, judgement = first_failure(probe, "float16", broken(probe, change, backward=True))
    assert label
    assert "in " + name in judgement.detail


def test_a_lost_term_of_the_input_gradient_is_seen():
    """dx without its mean terms is gamma * dy * r: right in shape and size, wrong all the same."""

    def change(args, out):
        gamma = args[5].float()
        return (args[0].float() * gamma).to(out[0].dtype), *out[1:]

    assert first_failure("norm.layer", "bfloat16", broken("norm.layer", change, backward=True))[0]


def test_running_statistics_that_never_move_are_seen():
    def freeze(args, out):
        for running in args[3:5]:
            if isinstance(running, torch.Tensor):
                running.fill_(1.0)
        return out

    label, judgement = first_failure("norm.batch", "float16", broken("norm.batch", freeze))
    assert label
    assert "running" in judgement.detail


# --- faults that need their condition ---------------------------------------------------------------------------------
EVERY = (torch.float32, torch.float16, torch.bfloat16)


def scaled(out, place=0, factor=1.0625):
    """One output of several (or the only one) a little too large."""
    if isinstance(out, torch.Tensor):
        return out * factor
    return tuple(part * factor if number == place else part for number, part in enumerate(out))


CONDITIONS = {
    "odd last dimension": lambda x: x.dim() > 1 and x.shape[-1] % 2 == 1 and x.shape[-1] > 15,
    "more than 1024 elements a row": lambda x: x.shape[-1] > 1024,
    "two rows": lambda x: x.shape[0] == 2,
    "values above 10000": lambda x: float(x.abs().max()) > 10000,
    "tiny values": lambda x: 0 < float(x.abs().max()) < 0.03,
    "not contiguous": lambda x: not x.is_contiguous(),
}


@pytest.mark.parametrize(("condition", "dtype"), list(product(CONDITIONS, ("float32", "bfloat16"))))
def test_a_layer_norm_wrong_under_one_condition_is_caught(condition, dtype):
    def change(args, out):
        return scaled(out) if CONDITIONS[condition](args[0]) else out

    assert first_failure("norm.layer", dtype, fault("native_layer_norm", change, EVERY))[0]


@pytest.mark.parametrize("odd", [3, 17, 65, 257, 1024])
def test_a_batch_norm_wrong_for_one_channel_count_is_caught(odd):
    def change(args, out):
        return scaled(out) if args[0].dim() > 1 and args[0].shape[1] == odd else out

    assert first_failure("norm.batch", "float32", fault("native_batch_norm", change, EVERY))[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_forgotten_eps_is_caught(dtype):
    """Visible where the variance is of the size of eps."""

    def change(args, out):
        x = args[0].double()
        dims = (0, *range(2, x.dim()))
        mean, variance = x.mean(dims, keepdim=True), x.var(dims, unbiased=False, keepdim=True)
        shape = [-1 if dim == 1 else 1 for dim in range(x.dim())]
        y = (x - mean) / variance.sqrt()
        y = y if args[1] is None else y * args[1].double().reshape(shape)
        y = y if args[2] is None else y + args[2].double().reshape(shape)
        return (y.to(out[0].dtype), *out[1:]) if args[5] else out

    assert first_failure("norm.batch", dtype, fault("native_batch_norm", change, EVERY))[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_biased_running_variance_is_caught(dtype):
    def change(args, out):
        if args[4] is not None and args[5]:
            count = args[0].numel() // args[0].shape[1]
            args[4].mul_(1 - args[6] / count)
        return out

    assert first_failure("norm.batch", dtype, fault("native_batch_norm", change, EVERY))[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_running_mean_that_is_replaced_instead_of_blended_is_caught(dtype):
    def change(args, out):
        if args[3] is not None and args[5]:
            args[3].copy_(args[0].float().mean([0, *range(2, args[0].dim())]).to(args[3].dtype))
        return out

    assert first_failure("norm.running", dtype, fault("native_batch_norm", change, EVERY))[0]


@pytest.mark.parametrize(
    ("probe", "name"),
    [
        ("norm.rms", "rsqrt"),
        ("norm.rms", "mean"),
        ("norm.rms", "pow"),
        ("norm.vector", "linalg_vector_norm"),
        ("norm.vector", "div"),
        ("norm.vector", "_weight_norm_interface"),
        ("norm.vector", "_weight_norm_interface_backward"),
        ("norm.instance", "native_batch_norm"),
        ("norm.instance", "native_batch_norm_backward"),
        ("norm.running", "native_batch_norm"),
    ],
)
def test_a_fault_in_what_a_norm_is_made_of_is_caught(probe, name):
    for dtype in ("float32", "bfloat16"):
        assert first_failure(probe, dtype, fault(name, lambda args, out: scaled(out), EVERY))[0]


# --- inputs -----------------------------------------------------------------------------------------------------------
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 5), size=st.integers(1, 400))
def test_rows_of_the_ladder_have_mean_0_and_variance_1(seed, rows, size):
    ctx = context.Context(torch, "cpu", "float16", "norm", seed=seed)
    x = normalisation.ladder(ctx, rows, size)
    assert torch.equal(x.sum(1), torch.zeros(rows, dtype=torch.int64))
    assert torch.equal((x**2).sum(1), torch.full((rows,), size - size % 2))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), rows=st.integers(1, 40), size=st.integers(1, 80))
def test_preconditions_hold_for_any_seed_and_shape(seed, rows, size):
    for dtype in ("float16", "bfloat16"):
        ctx = context.Context(torch, "cpu", dtype, "norm.layer", seed=seed)
        x = normalisation.sample(ctx, (rows, size), (1,), "ladder", 1, 1)
        normalisation.problem(ctx, x, (1,), (1, size))


@pytest.mark.parametrize("result", [0, 1], ids=["weights", "lengths"])
def test_a_weight_norm_that_keeps_few_bits_is_caught(result):
    assert first_failure("norm.vector", "float32", mutation("_weight_norm_interface", "coarse", result))[0]
