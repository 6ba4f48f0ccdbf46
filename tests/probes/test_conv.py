"""The convolution probes are silent on a healthy CPU and see faults of one direction, layout, shape or algorithm."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
import torch
from probes.injected import LOW, fault, outcome

from hwcompat.probes import context, convolution, transform
from hwcompat.probes.suite import conv_algorithms, conv_interval, conv_shapes

DTYPES = ("float32", "float16", "bfloat16")
DIRECTIONS = ("forward", "dgrad", "wgrad")
PROBES = ("conv.forward", "conv.dgrad", "conv.wgrad", "conv.shapes", "conv.interval", "conv.algorithms")
GEOMETRY = {g.name: g for g in convolution.GEOMETRIES}


def forward(change, dtypes=LOW):
    """A fault of forward kernels; `change(x, w, stride, y)` alters y in place."""

    def alter(args, out):
        change(args[0], args[1], args[3], out)
        return out

    return fault("convolution", alter, dtypes)


def backward(change, dtypes=LOW):
    """A fault of backward kernels; `change(dy, dx, dw)` alters dx or dw in place, where they exist."""

    def alter(args, out):
        change(args[0], out[0], out[1])
        return out

    return fault("convolution_backward", alter, dtypes)


def half_nan(x, w, stride, y):
    y[:, ::2] = float("nan")


def nan_wgrad(dy, dx, dw):
    if dw is not None:
        dw.fill_(float("nan"))


def zero_dgrad(dy, dx, dw):
    if dx is not None:
        dx.zero_()


# --- healthy ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("probe", "dtype"), list(product(PROBES, DTYPES)))
@pytest.mark.parametrize("seed", [0, 17])
def test_a_healthy_cpu_is_silent(probe, dtype, seed):
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"]) == ("pass", "")
    assert not result["skipped_cases"]
    assert not result["features"]
    assert result["checked"] > 10_000


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_reference_agrees_with_torch_in_float64(direction):
    """The tap-wise reference shares no code with the convolution of torch that checks it here."""
    for geometry in convolution.GEOMETRIES:
        ctx = context.Context(torch, "cpu", "float32", "reference")
        operands = convolution.integer_operands(ctx, geometry, direction)
        want = convolution.reference(torch, geometry, direction, operands)
        doubles = operands._replace(**{k: getattr(operands, k).double() for k in ("first", "second", "bias")})
        got = _torch_float64(geometry, direction, doubles)
        assert all(torch.equal(g, w) for g, w in zip(got, want, strict=True)), geometry.name


def _torch_float64(geometry, direction, operands):
    options = geometry.stride, geometry.padding, geometry.dilation, geometry.groups
    x_shape, w_shape, _ = convolution.shapes(geometry)
    if direction == "forward":
        return [torch.nn.functional.conv2d(operands.first, operands.second, operands.bias, *options)]
    if direction == "dgrad":
        x = torch.zeros(x_shape, dtype=torch.float64, requires_grad=True)
        torch.nn.functional.conv2d(x, operands.second, None, *options).backward(operands.first)
        return [x.grad]
    w = torch.zeros(w_shape, dtype=torch.float64, requires_grad=True)
    b = operands.bias.clone().requires_grad_()
    torch.nn.functional.conv2d(operands.first, w, b, *options).backward(operands.second)
    return [w.grad, b.grad]


@pytest.mark.parametrize(("dtype", "direction"), list(product(DTYPES, DIRECTIONS)))
def test_absolute_products_never_outgrow_the_significand(dtype, direction):
    """The precondition that makes every accumulator exact, recomputed from the operands themselves."""
    for seed, geometry in product(range(3), convolution.GEOMETRIES):
        ctx = context.Context(torch, "cpu", dtype, "precondition", seed=seed)
        operands = convolution.integer_operands(ctx, geometry, direction)
        positive = operands._replace(**{k: getattr(operands, k).abs() for k in ("first", "second", "bias")})
        sums = convolution.reference(torch, geometry, direction, positive)
        assert max(float(s.max()) for s in sums) <= 2**ctx.precision
        assert float(sums[0].max()) > 2**ctx.precision / 40, "operands waste the range: " + geometry.name


def test_a_broken_precondition_is_our_error_and_no_verdict(monkeypatch):
    monkeypatch.setattr(convolution, "terms", lambda geometry, direction: 1)
    result = outcome("conv.forward", "bfloat16")
    assert result["status"] == "error"
    assert "PreconditionError" in result["detail"]


# --- faults of one kind -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("probe", ["conv.forward", "conv.shapes", "conv.interval"])
def test_half_the_channels_nan_is_seen(probe, dtype):
    result = outcome(probe, dtype, forward(half_nan))
    assert result["status"] == "fail"
    assert "non-finite" in result["detail"]


def bias_only(x, w, stride, y):
    y[:, 1::2] = y[:, 1::2, :1, :1].clone()


def only_channels_last(x, w, stride, y):
    if x.stride(1) == 1 and x.shape[1] > 1 and x.shape[2] * x.shape[3] > 1:
        y[..., 0] += 1


def only_odd_channels(x, w, stride, y):
    if x.shape[1] % 8:
        y[0, 0] = 0


def only_stride_2(x, w, stride, y):
    if list(stride) == [2, 2]:
        y[:, :, -1] = 0


def only_groups(x, w, stride, y):
    if x.shape[1] != w.shape[1]:
        y[:, -1] = y[:, 0].clone()


def only_1x1(x, w, stride, y):
    if w.shape[-1] == 1:
        y.neg_()


def one_element(x, w, stride, y):
    y.view(-1)[y.numel() // 3] += 1


FORWARD_FAULTS = {
    "planes that hold one value": (bias_only, ("conv.forward", "conv.shapes", "conv.interval")),
    "only channels_last": (only_channels_last, ("conv.forward", "conv.shapes")),
    "only channels that are no multiple of 8": (only_odd_channels, ("conv.forward", "conv.shapes")),
    "only stride 2": (only_stride_2, ("conv.forward", "conv.shapes", "conv.interval")),
    "only groups": (only_groups, ("conv.forward",)),
    "only 1x1": (only_1x1, ("conv.forward", "conv.shapes", "conv.interval")),
}


@pytest.mark.parametrize("name", FORWARD_FAULTS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_forward_fault_is_seen(name, dtype):
    change, probes = FORWARD_FAULTS[name]
    for probe in probes:
        assert outcome(probe, dtype, forward(change))["status"] == "fail", probe


def test_one_wrong_element_is_seen_and_named():
    result = outcome("conv.forward", "float16", forward(one_element))
    assert result["status"] == "fail"
    assert "1 of" in result["detail"]
    assert len(result["failed_cases"]) == 2 * len(convolution.GEOMETRIES)


def test_faults_of_one_direction_stay_in_their_probe():
    """A forward-only check calls a card healthy whose weight gradients are all NaN: three probes tell them apart."""
    for change, culprit in ((nan_wgrad, "conv.wgrad"), (zero_dgrad, "conv.dgrad")):
        for direction in DIRECTIONS:
            probe = "conv." + direction
            status = outcome(probe, "float16", backward(change))["status"]
            assert status == ("fail" if probe == culprit else "pass"), (culprit, probe)
        for probe in ("conv.shapes", "conv.interval", "conv.algorithms"):
            assert outcome(probe, "float16", backward(change))["status"] == "fail", (culprit, probe)


@pytest.mark.parametrize("least", [7, 16])
def test_only_large_batches_wrong_is_seen_by_its_batch(least):
    def wrong(x, w, stride, y):
        if x.shape[0] >= least:
            y[-1] = 0

    result = outcome("conv.shapes", "float16", forward(wrong))
    assert result["status"] == "fail"
    assert {label.split("batch ")[1].split()[0] for label in result["failed_cases"]} == {
        str(n) for n in (1, 2, 4, 6, 7, 8, 16) if n >= least
    }


def test_fp32_faults_are_seen_too():
    for probe in ("conv.forward", "conv.shapes", "conv.interval"):
        assert outcome(probe, "float32", forward(half_nan, (torch.float32,)))["status"] == "fail"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_an_output_rounded_toward_zero_is_outside_the_interval(dtype):
    def chop(args, out):
        x, w, b = (t if t is None else t.double() for t in args[:3])
        true = torch.ops.aten.convolution(x, w, b, *args[3:])
        return torch.where(out.double().abs() > true.abs(), torch.nextafter(out, torch.zeros_like(out)), out)

    assert outcome("conv.interval", dtype, fault("convolution", chop))["status"] == "fail"


def test_fp32_operands_cut_to_11_bits_are_outside_the_interval():
    """What TF32 would do to a convolution that promises float32."""

    def cut(args, out):
        x, w = ((t.view(torch.int32) & ~0x1FFF).view(torch.float32) for t in args[:2])
        return torch.ops.aten.convolution(x, w, *args[2:])

    assert outcome("conv.interval", "float32", fault("convolution", cut, (torch.float32,)))["status"] == "fail"


# --- transform algorithms ---------------------------------------------------------------------------------------------
def winograd_matrices(outputs, taps):
    """Toom-Cook matrices A (outputs x n), G (n x taps), B (n x n) on 0, 1, -1, 2, -2, 1/2, -1/2, infinity."""
    points = [Fraction(p) for p in (0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2))][: outputs + taps - 2]
    size = len(points) + 1
    a = [[p**i for p in points] + [Fraction(i == outputs - 1)] for i in range(outputs)]
    g, b = [], []
    for p in points:
        others = [q for q in points if q != p]
        scale = Fraction(1)
        for q in others:
            scale *= p - q
        g.append([p**j / scale for j in range(taps)])
        b.append(_polynomial(others, size))
    g.append([Fraction(j == taps - 1) for j in range(taps)])
    b.append(_polynomial(points, size))
    return a, g, b


def _polynomial(roots, size):
    """Coefficients of the product of (t - root), lowest first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [s - root * c for s, c in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return coefficients + [Fraction(0)] * (size - len(coefficients))


@pytest.mark.parametrize(
    ("taps", "row"), [(k, row) for k, rows in transform.FACTORS.items() for row in rows], ids=lambda v: str(v)
)
def test_the_norm_factors_are_those_of_the_toom_cook_matrices(taps, row):
    outputs, front, back = row
    a, g, b = winograd_matrices(outputs, taps)
    points = range(outputs + taps - 1)
    rows_g = [sum(map(abs, g[k])) for k in points]
    rows_b = [sum(map(abs, b[k])) for k in points]
    columns_a = [sum(abs(a[i][k]) for i in range(outputs)) for k in points]
    forward_factor = max(sum(abs(a[i][k]) * rows_g[k] * rows_b[k] for k in points) for i in range(outputs))
    weight_factor = max(sum(abs(g[k][j]) * columns_a[k] * rows_b[k] for k in points) for j in range(taps))
    assert forward_factor <= front < forward_factor + 1
    assert weight_factor <= back < weight_factor + 1


def winograd(x, w, padding, outputs=4):
    """A 3x3 convolution by F(outputs x outputs, 3 x 3) with fp32 intermediates, in the dtype of x."""
    a, g, b = (torch.tensor([[float(v) for v in row] for row in m]) for m in winograd_matrices(outputs, 3))
    height, width = (s + 2 * padding[0] - 2 for s in x.shape[2:])
    right, below = -width % outputs + padding[0], -height % outputs + padding[0]
    padded = torch.nn.functional.pad(x.float(), (padding[0], right, padding[0], below))
    tiles = padded.unfold(2, outputs + 2, outputs).unfold(3, outputs + 2, outputs)
    transformed = torch.einsum("ki,nchwij,lj->nchwkl", b, tiles, b)
    weights = torch.einsum("ki,ocij,lj->ockl", g, w.float(), g)
    products = torch.einsum("nchwkl,ockl->nohwkl", transformed, weights)
    y = torch.einsum("ik,nohwkl,jl->nohiwj", a, products, a)
    return y.flatten(4, 5).flatten(2, 3)[:, :, :height, :width].to(x.dtype)


def fourier(x, w, padding):
    """A stride-1 convolution by the FFT in complex64."""
    height, width = (s + 2 * padding[0] - w.shape[2] + 1 for s in x.shape[2:])
    wide = torch.nn.functional.pad(x.float(), (padding[0],) * 4)
    spectrum = torch.einsum("nchw,ochw->nohw", torch.fft.rfft2(wide), torch.fft.rfft2(w.float(), wide.shape[2:]).conj())
    return torch.fft.irfft2(spectrum, wide.shape[2:])[:, :, :height, :width].to(x.dtype)


def by_transform(algorithm, dtypes, spoil=lambda y: y):
    """Replaces every convolution that `algorithm` can serve; `spoil` adds a fault on top."""

    def alter(args, out):
        x, w, b, stride, padding, dilation = args[:6]
        kernel = w.shape[2]
        served = list(stride) == list(dilation) == [1, 1] and x.shape[1] == w.shape[1]
        if not served or kernel == 1 or (algorithm is winograd and kernel != 3):
            return out
        y = algorithm(x, w, padding)
        return spoil((y if b is None else (y.float() + b.float()[:, None, None]).to(y.dtype)).contiguous())

    return fault("convolution", alter, dtypes)


def pretend_cuda(monkeypatch):
    monkeypatch.setattr(context.Context, "kind", "cuda")
    monkeypatch.setattr(context.Context, "large", False)


@pytest.mark.parametrize("algorithm", [winograd, fourier])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_transform_algorithm_is_a_feature_where_libraries_have_one(algorithm, dtype, monkeypatch):
    pretend_cuda(monkeypatch)
    for seed in range(3):
        injected = by_transform(algorithm, (getattr(torch, dtype),))
        result = outcome("conv.forward", dtype, injected, seed=seed)
        assert result["status"] == "pass"
        assert any("3x3 64-64" in line for line in result["features"])
        assert result["data"]["conv_alg"] == "transform"
        assert outcome("conv.interval", dtype, injected, seed=seed)["status"] == "pass"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_transform_in_a_data_gradient_is_a_feature(dtype, monkeypatch):
    pretend_cuda(monkeypatch)

    def change(dy, dx, dw):
        if dx is not None and dy.shape[2:] == dx.shape[2:] == (9, 9) and dy.shape[1] == dx.shape[1] == 64:
            dx.copy_(winograd(dy, weights["w"].flip(2, 3).transpose(0, 1), (1, 1)))

    weights = {}

    def alter(args, out):
        weights["w"] = args[2]
        change(args[0], out[0], out[1])
        return out

    result = outcome("conv.dgrad", dtype, fault("convolution_backward", alter, (getattr(torch, dtype),)))
    assert result["status"] == "pass"
    assert {line.split(":")[0] for line in result["features"]} == {"dgrad 3x3 64-64 nchw", "dgrad 3x3 64-64 nhwc"}


@pytest.mark.usefixtures("smaller_large")
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_transform_in_known_shapes_and_batches_is_a_feature(dtype, monkeypatch):
    monkeypatch.setattr(context.Context, "kind", "cuda")
    monkeypatch.setattr(context.Context, "fits", lambda self, nbytes: True)
    result = outcome("conv.shapes", dtype, by_transform(winograd, (getattr(torch, dtype),)))
    assert (result["status"], result["detail"]) == ("pass", "")
    assert any("checksum" in line for line in result["features"])
    assert dtype != "float32" or any("stack" in line for line in result["features"])


def test_a_transform_is_no_excuse_on_a_16_bit_cpu():
    """The CPU's 16-bit kernels are direct, so that a wrong last bit is a fault there."""
    assert outcome("conv.forward", "float16", by_transform(winograd, LOW))["status"] == "fail"


SPOILT = {
    "NaN in a plane": lambda y: y.index_fill(1, torch.tensor([1]), float("nan")),
    "half the planes zero": lambda y: y * (torch.arange(y.shape[1]) % 2)[:, None, None],
    "all zero": lambda y: y * 0,
    "everything doubled": lambda y: y * 2,
}


@pytest.mark.parametrize("name", SPOILT)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_fault_behind_a_transform_is_still_a_fault(name, dtype, monkeypatch):
    pretend_cuda(monkeypatch)
    injected = by_transform(winograd, (getattr(torch, dtype),), SPOILT[name])
    assert outcome("conv.forward", dtype, injected)["status"] == "fail"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_fault_of_half_the_channels_of_a_direct_kernel_is_no_transform(dtype, monkeypatch):
    pretend_cuda(monkeypatch)

    def off_by_one(x, w, stride, y):
        y[:, ::2] += 1

    assert outcome("conv.forward", dtype, forward(off_by_one, (getattr(torch, dtype),)))["status"] == "fail"


# --- large shapes, judged by checksums --------------------------------------------------------------------------------
def enlarge(monkeypatch):
    monkeypatch.setattr(context.Context, "large", True)


@pytest.fixture
def smaller_large(monkeypatch):
    """The code of the large shapes, on few pixels."""
    enlarge(monkeypatch)
    shrink = [g._replace(images=2, height=6, width=7) for g in convolution.LARGE]
    monkeypatch.setattr(convolution, "LARGE", tuple(shrink))
    family = [g._replace(height=8, width=8) for g in conv_shapes._FAMILY]
    monkeypatch.setattr(conv_shapes, "_FAMILY", tuple(family))
    monkeypatch.setattr(conv_shapes, "_WIDE", conv_shapes._WIDE._replace(height=3, width=4))


@pytest.mark.usefixtures("smaller_large")
@pytest.mark.parametrize(("probe", "dtype"), list(product(("conv.forward", "conv.dgrad", "conv.wgrad"), DTYPES)))
def test_checksums_are_silent_on_a_healthy_machine(probe, dtype):
    result = outcome(probe, dtype, level="full")
    assert (result["status"], result["detail"], result["skipped_cases"]) == ("pass", "", [])
    assert result["cases"] == 2 * len(convolution.GEOMETRIES) + len(convolution.LARGE)


@pytest.mark.usefixtures("smaller_large")
@pytest.mark.parametrize("dtype", DTYPES)
def test_checksums_of_a_joint_pass_are_silent_on_a_healthy_machine(dtype):
    result = outcome("conv.shapes", dtype)
    assert (result["status"], result["detail"], result["skipped_cases"]) == ("pass", "", [])


def test_the_full_sizes_run_as_they_are(monkeypatch):
    """640 to 640 channels on 2x640x64x64 and the three convolutions of the family, in float32, forward and backward."""
    enlarge(monkeypatch)
    result = outcome("conv.shapes", "float32")
    assert (result["status"], result["detail"], result["skipped_cases"]) == ("pass", "", [])
    assert result["checked"] > 2 * 640 * 64 * 64 * 2


@pytest.mark.usefixtures("smaller_large")
def test_checksums_see_a_single_wrong_element_in_each_direction():
    def only_large(condition, spoil):
        def change(dy, dx, dw):
            if dy.shape[1] == 640 and condition(dx, dw):
                spoil(dx, dw)

        return backward(change)

    def wrong_y(x, w, stride, y):
        if y.shape[1] == 640:
            y.view(-1)[77] += 1

    def wrong_dx(dx, dw):
        dx.view(-1)[5] += 1

    def wrong_dw(dx, dw):
        dw.view(-1)[-1] += 1

    def always(dx, dw):
        return True

    faults = {
        "forward": forward(wrong_y),
        "dgrad": only_large(always, wrong_dx),
        "wgrad": only_large(always, wrong_dw),
    }
    for direction, injected in faults.items():
        result = outcome("conv.shapes", "bfloat16", injected)
        assert result["failed_cases"] == ["forward and backward 640-640 on 2x640x64x64"], direction
        assert result["detail"].startswith(direction)


@pytest.mark.usefixtures("smaller_large")
def test_what_does_not_fit_is_said_to_be_skipped():
    result = outcome("conv.shapes", "float16", memory_limit=1)
    assert result["status"] == "pass"
    assert any("not enough free memory" in line for line in result["skipped_cases"])


# --- algorithms -------------------------------------------------------------------------------------------------------
def test_the_way_that_still_works_is_named():
    """A fault of the heuristic's kernels alone leaves two ways out, and the switches are put back."""

    def heuristic_only(x, w, stride, y):
        if torch.backends.cudnn.enabled and not torch.backends.cudnn.benchmark:
            half_nan(x, w, stride, y)

    before = torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark
    result = outcome("conv.algorithms", "float16", forward(heuristic_only))
    assert result["status"] == "fail"
    assert "right with: benchmark, cudnn off" in result["detail"]
    assert result["data"]["wrong with heuristic"] > 0
    assert result["data"]["wrong with benchmark"] == result["data"]["wrong with cudnn off"] == 0
    assert (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark) == before


def test_a_way_that_raises_is_wrong_and_the_others_go_on():
    def raising(x, w, stride, y):
        if not torch.backends.cudnn.enabled:
            raise RuntimeError("CUDNN_STATUS_INTERNAL_ERROR")

    result = outcome("conv.algorithms", "float16", forward(raising))
    assert result["status"] == "fail"
    assert "right with: heuristic, benchmark" in result["detail"]


def test_what_no_way_supports_is_skipped_and_not_passed():
    def unsupported(x, w, stride, y):
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'")

    result = outcome("conv.algorithms", "float16", forward(unsupported))
    assert result["status"] == "skipped"
    assert "not implemented" in result["detail"]


def test_no_way_out_is_said():
    assert "right with: none" in outcome("conv.algorithms", "float16", forward(half_nan))["detail"]


def test_algorithms_runs_on_cuda_only():
    assert conv_algorithms.DEVICES == ("cuda",)


def test_reduced_partial_sums_of_a_weight_gradient_are_a_feature_on_an_accelerator(monkeypatch):
    """Sums kept in 16 bits are allowed to a library there, and are a fault of a CPU, which documents no such thing."""

    def coarse(dy, dx, dw):
        if dw is not None:
            dw.add_(dw.abs().amax() * 2.0**-9)

    injected = backward(coarse, (torch.float16,))
    assert outcome("conv.interval", "float16", injected)["status"] == "fail"
    enlarge(monkeypatch)
    result = outcome("conv.interval", "float16", injected)
    assert result["status"] == "pass"
    assert result["data"]["acc_reduced"] == "conv wgrad"
    assert len(result["features"]) >= len(conv_interval._GEOMETRIES) - 1
