"""The shape sweeps: silent on a healthy CPU, every element covered, and a fault is named with its place."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import fault, outcome

from hwcompat.probes import context, freivalds, networks, pools, spatial, sweeping
from hwcompat.probes.suite import sweep_convolution, sweep_matmul

DTYPES = ("float32", "float16", "bfloat16")
PROBES = ("sweep.convolution", "sweep.matmul")
EVERY = (torch.float32, torch.float16, torch.bfloat16)


def ctx_of(dtype: str = "bfloat16", seed: int = 0, **options: Any) -> context.Context:
    return context.Context(torch, "cpu", dtype, "sweep", seed=seed, **options)


@pytest.mark.parametrize(("probe", "dtype"), list(product(PROBES, DTYPES)))
@pytest.mark.parametrize("seed", [0, 17])
def test_a_healthy_cpu_is_silent(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"]) == ("pass", "")
    assert not result["skipped_cases"]
    assert not result["features"]
    assert result["checked"] > 10**6


# --- the table and the choice -----------------------------------------------------------------------------------------
def test_the_table_holds_sizes_that_exist() -> None:
    for row in networks.CONVOLUTIONS + networks.DEPTHWISE:
        assert row.stride in (1, row.kernel, 2)
        assert min(row[1:]) >= 1
        assert row.size >= row.kernel
    assert len(networks.CONVOLUTIONS) > 100
    assert {row.rows for row in networks.LINEARS} >= {1, 2, 8, 197, 1024}
    assert {row.outputs for row in networks.LINEARS} >= {50257, 30522, 32000}
    assert all(row.cin == row.cout for row in networks.DEPTHWISE)


def test_a_cover_holds_every_pair_where_the_budget_allows() -> None:
    rows = [(a, b, c) for a in range(3) for b in range(4) for c in range(2)]
    taken = networks.covering(rows, lambda row: row, lambda row: 1.0, 100.0)
    assert {p for row in taken for p in networks._pairs(row)} == {p for row in rows for p in networks._pairs(row)}
    assert len(taken) <= 14
    assert len(networks.covering(rows, lambda row: row, lambda row: 1.0, 3.5)) == 3


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_cpu_runs_small_and_large_of_everything(dtype: str) -> None:
    rows = sweep_convolution.chosen(ctx_of(dtype))
    assert {(row.kernel, row.stride) for row, *_ in rows} >= {(1, 1), (3, 1), (3, 2)}
    assert {batch for _, batch, *_ in rows} >= {1, 2, 7, 8, 16, 32}
    assert {(layout, bias) for *_, layout, bias in rows} >= {("plain", True), ("last", False)}
    assert max(row.size for row, *_ in rows) >= 160
    linears = sweep_matmul.chosen(ctx_of(dtype))
    assert {row.rows for row, *_ in linears} >= {1, 2, 8}
    assert max(row.outputs for row, *_ in linears) >= 30522


def test_an_accelerator_and_the_full_level_run_every_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context.Context, "large", True)
    shapes = {tuple(row[1:]) for row in networks.CONVOLUTIONS}
    for level in ("standard", "full"):
        ctx = ctx_of(level=level)
        assert {tuple(row[1:]) for row, *_ in sweep_convolution.chosen(ctx)} == shapes
        for row, batch, *_ in sweep_convolution.chosen(ctx):
            fits = sweep_convolution.fitting(ctx, row, batch)
            assert fits
            assert sweep_convolution.measure(row, fits)[0] <= 2**34
        assert len({row[1:] for row, *_ in sweep_matmul.chosen(ctx)}) >= 45


def test_a_batch_without_room_is_shrunk_and_said() -> None:
    ctx = ctx_of("float16", memory_limit=64 * 2**20, level="full")
    reasons = [function() for label, function in sweep_convolution.cases(ctx) if label.endswith(" batch 2")]
    assert reasons
    assert all(judgement.status == "skipped" and "no room" in judgement.detail for judgement in reasons)
    row = max(networks.LINEARS, key=lambda r: r.inputs * r.outputs)
    assert sweep_matmul.check(ctx, row, 1, False).status == "skipped"


# --- the checksums ----------------------------------------------------------------------------------------------------
LAYERS = (
    spatial.layer("3x3", 2, 6, (7, 7), 9, 3, padding=1),
    spatial.layer("3x3 stride 2", 3, 5, (9, 9), 4, 3, stride=2, padding=1),
    spatial.layer("1x1 stride 2", 2, 8, (6, 6), 7, 1, stride=2),
    spatial.layer("4x4 patches", 1, 3, (8, 8), 5, 4, stride=4),
)


def results(sweep: sweeping.Sweep) -> Any:
    """The exact results of a sweep's operands, by the reference that the other probes use."""
    values = [sweep.pools[k].doubles(0, sweep.shapes[k]).long() for k in ("x", "w", "dy")]
    operands = spatial.Operands(values[0], values[1], sweep.b, values[2], sweep.largest)
    return operands, spatial.expected(torch, sweep.lay, operands)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(DTYPES), st.sampled_from(LAYERS), st.data())
def test_any_single_wrong_element_of_a_convolution_is_seen(seed: int, dtype: str, lay: Any, data: Any) -> None:
    sweep = sweeping.Sweep(ctx_of(dtype, seed), lay)
    operands, (y, dx, dw, _) = results(sweep)
    sums = spatial.expected(torch, lay, spatial.absolute(operands))
    assert max(float(s.max()) for s in sums) <= 2**sweep.ctx.precision
    for name, values in (("output", y), ("input gradient", dx), ("weight gradient", dw)):
        got = sweep.ctx.tensor(values.long())
        verify = sweep._filters if name == "weight gradient" else lambda g, n=name: sweep._images(n, g, True)
        assert verify(got).status == "pass"
        place = data.draw(st.integers(0, got.numel() - 1))
        spoilt = got.clone()
        spoilt.view(-1)[place] = data.draw(
            st.sampled_from([float("nan"), float("inf"), float(got.view(-1)[place]) + 1])
        )
        judgement = verify(spoilt)
        assert judgement.status == "fail"
        assert judgement.detail.startswith(name)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(DTYPES),
    st.tuples(st.integers(1, 40), st.integers(1, 300), st.integers(1, 40)),
    st.data(),
)
def test_any_single_wrong_element_of_a_layer_is_seen(seed: int, dtype: str, sizes: Any, data: Any) -> None:
    layer = freivalds.Layer(ctx_of(dtype, seed), *sizes, True)
    x, w, g = (layer.pools[k].doubles(0, layer.shapes[k]) for k in "xwg")
    assert max(float(v.max()) for v in (x.abs() @ w.abs().t(), g.abs() @ w.abs(), g.abs().t() @ x.abs())) <= (
        2**layer.ctx.precision
    )
    checks = (
        ("output", x @ w.t() + layer.b, layer._checksum("x", layer.checks["out"], layer.b), layer.r["out"]),
        ("input gradient", g @ w, layer._checksum("g", layer.checks["in"]), layer.r["in"]),
        ("weight gradient", g.t() @ x, layer._weight_checksum(), layer.r["in"]),
    )
    for name, values, want, r in checks:
        got = layer.ctx.tensor(values.long())
        assert layer._verified(name, got, want, r).status == "pass"
        place = data.draw(st.integers(0, got.numel() - 1))
        spoilt = got.clone()
        spoilt.view(-1)[place] -= 1
        judgement = layer._verified(name, spoilt, want, r)
        assert judgement.status == "fail"
        row, column = divmod(place, got.shape[1])
        assert f"first row {row}" in judgement.detail
        assert f"at [{row}, {column}]" in judgement.detail


def test_a_pool_repeats_with_a_prime_period() -> None:
    pool = pools.Pool(ctx_of("float16"), 3, 0.5, "x")
    tensor = pool.tensor((3, 70000))
    assert torch.equal(tensor.double(), pool.doubles(0, (3, 70000)))
    assert torch.equal(tensor.view(-1)[pools.LENGTH :].double(), pool.doubles(pools.LENGTH, (210000 - pools.LENGTH,)))
    assert all(pools.LENGTH % n for n in range(2, 257))


# --- faults of one shape ----------------------------------------------------------------------------------------------
def one_wrong(condition: Any, index: int | None = None) -> Any:
    def change(args: Any, out: Any) -> Any:
        target = out if index is None else out[index]
        if target is not None and condition(args, target):
            target[-1, -1].view(-1)[-1] += 1
        return out

    return change


CONVOLUTION_FAULTS = {
    "batch 32": ("convolution", one_wrong(lambda args, y: y.shape[0] == 32), "output: image 31"),
    "a large image": ("convolution", one_wrong(lambda args, y: y.shape[-1] >= 160), "output: image"),
    "960 channels": ("convolution", one_wrong(lambda args, y: args[0].shape[1] == 960), "output: image"),
    "80 channels out": ("convolution", one_wrong(lambda args, y: y.shape[1] == 80), "channel 79"),
    "dx, odd channels": (
        "convolution_backward",
        one_wrong(lambda args, dx: dx.shape[1] in (24, 192, 512), 0),
        "input gradient: image",
    ),
    "dw, kernel 4": ("convolution_backward", one_wrong(lambda args, dw: dw.shape[-1] == 4, 1), "weight gradient: 1 of"),
}


@pytest.mark.parametrize("name", CONVOLUTION_FAULTS)
def test_a_convolution_fault_of_one_shape_is_seen_and_placed(name: str) -> None:
    operator, change, words = CONVOLUTION_FAULTS[name]
    result = outcome("sweep.convolution", "bfloat16", fault(operator, change, EVERY))
    assert result["status"] == "fail"
    assert words in result["detail"]
    assert len(result["failed_cases"]) < result["cases"] / 2


def test_half_the_channels_nan_are_counted() -> None:
    def change(args: Any, out: Any) -> Any:
        if out.shape[1] == 256:
            out[:, ::2] = float("nan")
        return out

    result = outcome("sweep.convolution", "float16", fault("convolution", change, EVERY))
    assert "128 of 256 channels wrong there" in result["detail"]
    assert "got nan" in result["detail"]


def test_a_fault_of_float16_backward_kernels_is_seen_on_fewer_pixels() -> None:
    change = one_wrong(lambda args, dx: dx.shape[1] == 3, 0)
    assert outcome("sweep.convolution", "float16", fault("convolution_backward", change, EVERY))["status"] == "fail"


@pytest.mark.parametrize(
    ("operator", "condition"),
    [
        ("mm", lambda out: max(out.shape) > 30000),
        ("mm", lambda out: out.shape[0] == 1),
        ("addmm", lambda out: out.shape[1] >= 1024),
    ],
    ids=["vocabulary", "one row", "wide with bias"],
)
def test_a_matmul_fault_of_one_shape_is_seen(operator: str, condition: Any) -> None:
    def change(args: Any, out: Any) -> Any:
        if condition(out):
            out = out.clone()
            out[-1, -1] += 1
        return out

    result = outcome("sweep.matmul", "bfloat16", fault(operator, change, EVERY))
    assert result["status"] == "fail"
    assert 0 < len(result["failed_cases"]) < result["cases"]


@pytest.mark.parametrize(("probe", "operator"), [("sweep.convolution", "convolution"), ("sweep.matmul", "mm")])
@pytest.mark.parametrize("change", [lambda a, out: out[..., :-1], lambda a, out: out.double()], ids=["shape", "dtype"])
def test_an_output_of_another_kind_is_a_failure(probe: str, operator: str, change: Any) -> None:
    assert outcome(probe, "bfloat16", fault(operator, change, EVERY))["status"] == "fail"


def test_a_transform_algorithm_is_a_feature_and_a_gross_one_a_fault() -> None:
    lay = spatial.layer("3x3", 2, 16, (8, 8), 16, 3, padding=1)
    for scale, status in ((1.0, "feature"), (2.0**22, "fail")):

        def noisy(args: Any, out: Any, scale: float = scale) -> Any:
            return out + scale * (torch.arange(out.numel()).reshape(out.shape) % 5 - 2).to(out.dtype)

        with fault("convolution", noisy, EVERY):
            assert sweeping.Sweep(ctx_of("float32"), lay).judged("plain", True).status == status


def test_depthwise_layers_of_a_full_run_are_compared_element_by_element() -> None:
    row = networks.Convolution("small", 6, 6, 9, 3, 2)
    with fault("convolution", one_wrong(lambda args, y: y.shape[0] == 3), EVERY):
        statuses = [run().status for _, run in sweep_convolution.depthwise(ctx_of("bfloat16"), row)]
    assert statuses == ["pass", "fail"]
