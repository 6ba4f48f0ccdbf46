"""Convolutions of every dimension and kind are silent on a healthy CPU and see the fault that needs their condition."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import fault, outcome

from hwcompat.probes import context, spatial, transform
from hwcompat.probes.spatial import Way, layer
from hwcompat.probes.suite import conv_kernels

DTYPES = ("float32", "float16", "bfloat16")
PROBES = ("conv.layer", "conv.kernels", "conv.depthwise", "conv.transposed", "conv.1d", "conv.3d")
EVERY = (torch.float32, torch.float16, torch.bfloat16)


def forward(change):
    """`change(x, w, b, y, transposed)` alters the output in place."""

    def alter(args, out):
        change(args[0], args[1], args[2], out, args[6])
        return out

    return fault("convolution", alter, EVERY)


def backward(change):
    """`change(x, w, dx, dw, db)` alters gradients in place."""

    def alter(args, out):
        change(args[1], args[2], *out)
        return out

    return fault("convolution_backward", alter, EVERY)


# --- healthy ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("probe", "dtype"), list(product(PROBES, DTYPES)))
@pytest.mark.parametrize("seed", [0, 17])
def test_a_healthy_cpu_is_silent(probe, dtype, seed):
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"]) == ("pass", "")
    assert not result["skipped_cases"]
    assert not result["features"]
    assert result["digest"]


LAYERS = (
    layer("one", 2, 6, (11,), 4, 5, stride=2, padding=2, groups=2),
    layer("two", 2, 3, (7, 8), 5, (3, 2), stride=(1, 2), padding=(2, 0), dilation=(1, 2)),
    layer("three", 1, 2, (4, 5, 6), 3, 3, padding=1),
    layer("up one", 2, 4, (5,), 6, 4, stride=2, padding=1, transposed=True),
    layer("up two", 2, 6, (4, 5), 4, 3, stride=2, padding=1, extra=1, groups=2, transposed=True),
    layer("up three", 1, 2, (2, 3, 3), 3, 2, stride=2, dilation=1, transposed=True),
)


@pytest.mark.parametrize("lay", LAYERS, ids=lambda lay: lay.name)
def test_the_reference_agrees_with_torch_in_float64(lay):
    """The tap-wise reference shares no code with the convolution of torch that checks it here."""
    ctx = context.Context(torch, "cpu", "float32", "reference")
    operands, want = spatial.integer_operands(ctx, lay)
    x, w, b = (v.double().requires_grad_() for v in (operands.x, operands.w, operands.b))
    y = spatial.apply(torch, lay, x, w, b)
    y.backward(operands.dy.double())
    assert all(torch.equal(g, v) for g, v in zip((y.detach(), x.grad, w.grad, b.grad), want, strict=True))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(DTYPES),
    st.integers(1, 9),
    st.integers(1, 20),
    st.integers(1, 3),
    st.integers(1, 2),
    st.booleans(),
    st.integers(1, 3),
)
def test_absolute_products_never_outgrow_the_significand(seed, dtype, images, cin, kernel, stride, transposed, dims):
    ctx = context.Context(torch, "cpu", dtype, "precondition", seed=seed)
    options = {"stride": stride, "padding": kernel // 2, "transposed": transposed}
    lay = layer("any", images, cin, (6,) * dims, 5, kernel, **options)
    operands, want = spatial.integer_operands(ctx, lay)
    assert max(float(s.max()) for s in spatial.expected(torch, lay, spatial.absolute(operands))) <= 2**ctx.precision
    assert float(want[0].abs().max()) > 0


def test_the_padding_tables_are_those_of_torch():
    values = torch.arange(56.0).reshape(1, 1, 8, 7)
    for mode, sides in conv_kernels._PADDED:
        rows, columns = conv_kernels.sources(mode, 8, *sides[2:]), conv_kernels.sources(mode, 7, *sides[:2])
        assert torch.equal(
            conv_kernels.spread(torch, values, rows, columns), torch.nn.functional.pad(values, sides, mode=mode)
        )


# --- faults of one condition ------------------------------------------------------------------------------------------
def only_without_bias(x, w, b, y, transposed):
    if b is None:
        y.view(-1)[-1] += 1


def only_with_bias(x, w, b, y, transposed):
    if b is not None:
        y.view(-1)[-1] -= 1


def only_slices(x, w, b, y, transposed):
    if x.storage_offset():
        y.view(-1)[0] += 1


def only_swapped(x, w, b, y, transposed):
    if x.dim() > 3 and x.stride(-1) != 1 and x.stride(1) != 1:
        y.view(-1)[0] += 1


def only_last_row(x, w, b, y, transposed):
    if y.shape[-1] >= 64 or y.shape[-2] >= 64:
        y[-1, -1, ..., -1:] = 0


def only_many_images(x, w, b, y, transposed):
    if x.shape[0] >= 16:
        y[-1] = y[0].clone()


def only_tall_kernels(x, w, b, y, transposed):
    if w.dim() == 4 and w.shape[2] > w.shape[3]:
        y.neg_()


def only_dilated_last(x, w, b, y, transposed):
    if x.dim() == 4 and x.stride(1) == 1 and w.shape[-1] == 3 and y.shape[-1] == x.shape[-1] and x.shape[1] == 12:
        y[0, 0, 1, 2] += 1


FORWARD = {
    "without bias": (only_without_bias, ("conv.layer", "conv.kernels", "conv.1d")),
    "with bias": (only_with_bias, ("conv.depthwise", "conv.transposed", "conv.3d")),
    "slices of channels": (only_slices, ("conv.layer", "conv.transposed", "conv.1d", "conv.3d")),
    "transposed operands": (only_swapped, ("conv.layer", "conv.depthwise", "conv.3d")),
    "the end of a long side": (only_last_row, ("conv.layer", "conv.transposed", "conv.1d")),
    "16 images and more": (only_many_images, ("conv.layer", "conv.depthwise", "conv.transposed")),
    "tall kernels": (only_tall_kernels, ("conv.kernels",)),
    "dilation in channels_last": (only_dilated_last, ("conv.kernels",)),
}


@pytest.mark.parametrize(("name", "probe"), [(name, probe) for name in FORWARD for probe in FORWARD[name][1]])
def test_a_forward_fault_of_one_condition_is_seen(name, probe):
    result = outcome(probe, "bfloat16", forward(FORWARD[name][0]))
    assert result["status"] == "fail"
    assert "(output)" in result["detail"]


def dx_of_odd_channels(x, w, dx, dw, db):
    if dx is not None and x.shape[1] % 8:
        dx.view(-1)[-1] += 1


def dw_of_several_images(x, w, dx, dw, db):
    if dw is not None and x.shape[0] > 1:
        dw.mul_(0)


def dw_of_the_last_tap(x, w, dx, dw, db):
    if dw is not None and w[0, 0].numel() > 1:
        dw[(slice(None), slice(None)) + (-1,) * (w.dim() - 2)] = 0


def missing_bias_gradient(x, w, dx, dw, db):
    if db is not None:
        db[-1] = 0


BACKWARD = {
    "dx of odd channels": (dx_of_odd_channels, "(input gradient)"),
    "dw of several images": (dw_of_several_images, "(weight gradient)"),
    "dw of the last tap": (dw_of_the_last_tap, "(weight gradient)"),
    "the last bias": (missing_bias_gradient, "(bias gradient)"),
}


@pytest.mark.parametrize(("n", "probe"), list(enumerate(PROBES)))
def test_backward_faults_of_one_condition_are_seen(n, probe):
    names = list(BACKWARD)
    for name in (names[n % 4], names[(n + 1) % 4]):
        change, culprit = BACKWARD[name]
        result = outcome(probe, "bfloat16", backward(change))
        assert result["status"] == "fail", name
        assert culprit in result["detail"], name


@pytest.mark.parametrize(("which", "probe"), [(1 + n % 2, probe) for n, probe in enumerate(PROBES)])
def test_a_backward_pass_that_is_wrong_the_second_time_is_seen(probe, which):
    """As Theano's issue 6435: the same shapes again, and the data gradient (or the weight's) is another."""
    seen: set[object] = set()

    def alter(args, out):
        key = (tuple(args[0].shape), tuple(args[2].shape))
        if out[which - 1] is not None and key in seen:
            out[which - 1].view(-1)[0] += 1
        seen.add(key)
        return out

    result = outcome(probe, "bfloat16", fault("convolution_backward", alter, EVERY))
    assert result["status"] == "fail"
    if probe != "conv.kernels":
        assert any("two steps" in label for label in result["failed_cases"])


@pytest.mark.parametrize("probe", PROBES)
def test_a_gradient_that_overwrites_instead_of_adding_up_is_seen(probe):
    """autograd adds the second gradient in place: the sum is the fault's."""

    def alter(args, out):
        return args[0].copy_(args[1]) if args[0].shape == args[1].shape else out

    result = outcome(probe, "bfloat16", fault("add_", alter, EVERY))
    assert result["status"] == "fail"
    assert "in the second step" in result["detail"]


@pytest.mark.parametrize("probe", PROBES)
def test_a_stale_output_is_seen(probe):
    kept: dict[object, object] = {}

    def alter(args, out):
        old, kept[tuple(out.shape)] = kept.get(tuple(out.shape)), out.clone()
        return out if old is None else old

    assert outcome(probe, "bfloat16", fault("convolution", alter, EVERY))["status"] == "fail"


@pytest.mark.parametrize(
    "change",
    [lambda args, out: out[..., :-1], lambda args, out: out.double(), lambda args, out: out * float("nan")],
    ids=["shape", "dtype", "nan"],
)
@pytest.mark.parametrize("probe", ["conv.layer", "conv.kernels"])
def test_an_output_of_another_kind_is_a_failure_and_no_crash(probe, change):
    assert outcome(probe, "float16", fault("convolution", change, EVERY))["status"] == "fail"


def test_a_wrong_border_is_seen_under_every_padding_mode():
    for name, mode in (("reflection_pad2d", "reflect"), ("replication_pad2d", "replicate")):
        result = outcome("conv.kernels", "float16", fault(name, lambda args, out: out.roll(1, -1), EVERY))
        assert all(f"padded {mode}" in label for label in result["failed_cases"])
        assert result["failed_cases"]


# --- transform algorithms ---------------------------------------------------------------------------------------------
def noise(scale):
    """What a transform algorithm leaves in the outputs it serves; `scale` in units of the output."""

    def alter(args, out):
        w, stride, dilation = args[1], args[3], args[5]
        if max(w.shape[2:]) > 1 and set(stride) | set(dilation) == {1} and not args[6]:
            return out + scale * (torch.arange(out.numel()).reshape(out.shape) % 3 - 1).to(out.dtype)
        return out

    return fault("convolution", alter, EVERY)


def test_a_transform_algorithm_of_any_dimension_is_a_feature():
    for probe in ("conv.1d", "conv.3d", "conv.layer", "conv.depthwise"):
        result = outcome(probe, "float32", noise(1.0))
        assert (result["status"], result["data"]) == ("pass", {"conv_alg": "transform"}), probe
        assert result["features"]
        assert result["digest"] == ""


def test_noise_beyond_the_transform_bound_is_a_fault():
    assert outcome("conv.3d", "float32", noise(2.0**20))["status"] == "fail"


def test_padded_images_are_never_judged_as_transforms():
    for options in ({"stride": 2}, {"dilation": 2}):
        lay = layer("padded", 2, 6, (9, 9), 7, 3, **options)
        ctx = context.Context(torch, "cpu", "float32", "conv.kernels")
        assert not transform.possible(ctx, lay)


def test_a_broken_precondition_is_our_error_and_no_verdict(monkeypatch):
    monkeypatch.setattr(spatial, "terms", lambda lay: (1, 1))
    monkeypatch.setattr(spatial, "_ATTEMPTS", 1)
    result = outcome("conv.3d", "bfloat16")
    assert result["status"] == "error"
    assert "PreconditionError" in result["detail"]


# --- algorithms -------------------------------------------------------------------------------------------------------
FAMILIES = ("depthwise and grouped", "dilated and rectangular", "transposed", "one-dimensional", "three-dimensional")


def test_every_family_runs_in_three_ways():
    """A fault of the heuristic's kernels of one family: that family's cases fail and name the two ways out."""

    def of_family(x, w, b, y, transposed):
        if transposed and torch.backends.cudnn.enabled and not torch.backends.cudnn.benchmark and x.dim() == 4:
            y.zero_()

    result = outcome("conv.algorithms", "float16", forward(of_family))
    assert result["failed_cases"] == ["transposed, with bias", "transposed, no bias, channels last"]
    assert "right with: benchmark, cudnn off" in result["detail"]
    assert result["data"] == {"wrong with heuristic": 3, "wrong with benchmark": 0, "wrong with cudnn off": 0}
    labels: list[str] = []
    outcome("conv.algorithms", "float32", on_case=labels.append)
    assert {label.split(",")[0] for label in labels[6:]} == set(FAMILIES)


def test_a_backward_fault_of_one_way_is_named():
    def benchmark_only(x, w, dx, dw, db):
        if torch.backends.cudnn.benchmark and dw is not None and w.dim() == 5:
            dw.view(-1)[0] += 1

    result = outcome("conv.algorithms", "bfloat16", backward(benchmark_only))
    assert {label.split(",")[0] for label in result["failed_cases"]} == {"three-dimensional"}
    assert result["data"]["wrong with benchmark"] == 4
    assert result["data"]["wrong with heuristic"] == 0


def test_a_way_that_supports_nothing_is_not_called_right():
    def unsupported(x, w, b, y, transposed):
        if not torch.backends.cudnn.enabled:
            raise RuntimeError("\"slow_conv\" not implemented for 'Half'")

    result = outcome("conv.algorithms", "float16", forward(unsupported))
    assert result["status"] == "pass"
    assert result["data"] == {"wrong with heuristic": 0, "wrong with benchmark": 0}


@pytest.mark.parametrize("way", [Way(), Way(bias=False, layout="last", view="chunk", twice=True, ones=True)])
def test_a_way_has_a_name(way):
    assert spatial.described(way) in (
        "with bias",
        "no bias, channels last, slices of channels, two steps, gradient of ones",
    )
