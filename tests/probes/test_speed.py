"""Timing is paired, honest about spread, and says which precision is faster. No test here depends on real speed."""

from __future__ import annotations

import statistics
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from probes import virtual

from hwcompat.probes import catalogue, context, crowding, execute, timing
from hwcompat.probes.simulate import _dispatch, slow_fp16
from hwcompat.probes.suite import speed_bandwidth, speed_conv_step, speed_skinny

CPU = SimpleNamespace(kind="cpu", synchronize=lambda: None, fits=lambda nbytes: nbytes < 1000)


# --- timing.py --------------------------------------------------------------------------------------------------------


def drifting(clock, base):
    """A call of `base` seconds on a machine that gets slower by a tenth of a per cent a second of use, forever."""

    def call():
        clock.now += base * (1 + 10 * clock.now)

    return call


def test_a_slowing_machine_does_not_bias_the_ratio(monkeypatch):
    """Timed one after the other the two would look 1.5 times too different; interleaved the median is right."""
    clock = virtual.install(monkeypatch)
    pair = timing.interleaved(CPU, {"a": drifting(clock, 0.002), "b": drifting(clock, 0.004)}, 0.1, 9.0)
    ratio = timing.ratio(pair["b"], pair["a"])
    assert ratio["low"] <= 2.0 <= ratio["high"]
    assert abs(ratio["value"] - 2.0) < 0.1
    clock.now = 0.0
    one_by_one = [timing.interleaved(CPU, {"x": drifting(clock, base)}, 0.1, 9.0)["x"] for base in (0.002, 0.004)]
    assert timing.ratio(one_by_one[1], one_by_one[0])["value"] > 2.5


@pytest.mark.parametrize(
    ("call_seconds", "rounds"), [(0.002, timing.ROUNDS), (0.5, timing.FEWEST_ROUNDS), (5.0, timing.FEWEST_ROUNDS)]
)
def test_rounds_follow_the_budget(monkeypatch, call_seconds, rounds):
    """Quick calls get enough rounds for honest quartiles, slow ones the fewest that have any."""
    clock = virtual.install(monkeypatch)

    def call():
        clock.now += call_seconds

    samples = timing.interleaved(CPU, {"a": call, "b": call}, 0.01, 2.0)
    assert {name: len(values) for name, values in samples.items()} == {"a": rounds, "b": rounds}
    assert all(value == pytest.approx(call_seconds) for values in samples.values() for value in values)


@pytest.mark.parametrize("seconds", [1e-7, 3e-5, 9e-4, 0.3])
def test_a_sample_is_long_enough_for_the_clock(monkeypatch, seconds):
    """Short calls are repeated until a sample lasts a millisecond, long ones are not repeated."""
    clock = virtual.install(monkeypatch)

    def call():
        clock.now += seconds

    count = timing.calls_per_sample(CPU, call)
    assert count * seconds >= timing.SHORTEST_SAMPLE["cpu"]
    assert count * seconds < 10 * timing.SHORTEST_SAMPLE["cpu"] or count == 1


def test_cuda_is_timed_by_its_own_events():
    """On CUDA the host's clock is not asked: the events' milliseconds over the number of calls."""
    queue = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            self.place = len(queue)

        def synchronize(self):
            queue.append("synchronize")

        def elapsed_time(self, end):
            return 2.0 * (end.place - self.place)

    cuda = SimpleNamespace(Event=Event, device=lambda device: timing.contextlib.nullcontext())
    ctx = SimpleNamespace(kind="cuda", device="cuda:0", torch=SimpleNamespace(cuda=cuda))
    assert timing.sample(ctx, lambda: queue.append("call"), 8) == pytest.approx(2e-3)
    assert queue == ["call"] * 8 + ["synchronize"]


@pytest.mark.parametrize(
    ("overhead", "per_unit", "fits_until", "expected"),
    [
        (0.0, 1e-4, 900, (2, "saturated")),
        (0.01, 1e-4, 900, (16, "largest")),
        (0.05, 5e-2, 900, (4, "time")),
        (0.01, 1e-4, 4, (4, "memory")),
    ],
    ids=["saturated", "largest", "time", "memory"],
)
def test_shapes_grow_until_something_is_the_limit(monkeypatch, overhead, per_unit, fits_until, expected):
    """A device that is the limit stops the growth; so do memory, the longest call allowed and the end of the list."""
    clock = virtual.install(monkeypatch)
    ctx = SimpleNamespace(kind="cpu", synchronize=lambda: None, fits=lambda nbytes: nbytes <= fits_until)

    def make(size):
        def call():
            clock.now += overhead + per_unit * size

        return {"only": call}

    assert timing.saturate(ctx, (1, 2, 4, 8, 16), make, work=lambda n: n, nbytes=lambda n: n, ceiling=0.35) == expected


@given(st.lists(st.floats(1e-9, 1e9), min_size=2, max_size=30))
def test_quartiles_are_the_textbook_ones(values):
    """The interpolated quartiles of Python's own statistics module."""
    expected = statistics.quantiles(values, n=4, method="inclusive")
    assert timing.quartiles(values) == pytest.approx(tuple(expected))


def test_a_wide_spread_is_noted_as_noisy():
    """Quartiles 30 % of the median apart make a figure noisy; a note of the caller is kept beside it."""
    assert timing.measurement([1.0, 1.01, 1.02], "x", "here")["note"] == "here"
    assert timing.measurement([1.0, 1.5, 2.0], "x", "here")["note"] == "noisy; here"


@pytest.mark.parametrize(("kind", "note"), [("cpu", "busy"), ("mps", "")], ids=["processor", "accelerator"])
def test_a_processor_shared_with_others_is_noted_as_busy(monkeypatch, kind, note):
    """Where threads had to wait, equal figures mean nothing; rates and ratios say so. An accelerator does not wait."""
    clock = virtual.install(monkeypatch)
    monkeypatch.setattr(crowding, "crowded_since", lambda state: True)
    ctx = SimpleNamespace(kind=kind, synchronize=lambda: None)

    def call():
        clock.now += 0.02

    samples = timing.interleaved(ctx, {"a": call, "b": call}, 0.01, 9.0)
    assert timing.ratio(samples["a"], samples["b"])["note"] == note
    assert timing.rate(samples["a"], 1.0, "TFLOP/s")["note"] == note


@pytest.mark.parametrize(
    ("delays", "running", "policy", "expected"),
    [
        ({1: 0.06, 2: 0.02, 3: 0.5}, 0.6, "PASSIVE", False),
        ({1: 0.06, 2: 0.5, 3: 0.5}, 1.0, "", True),
        ({}, 1.0, "", False),
        ({}, 0.55, "", True),
        ({}, 0.55, "passive", False),
    ],
    ids=["idle", "another program", "idle, spinning", "another program, spinning", "cannot tell"],
)
def test_a_crowded_processor_is_told_from_threads_that_sleep(monkeypatch, delays, running, policy, expected):
    """Waiting for a core counts (thread 3 had waited its half second before); sleeping at a barrier does not."""
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    monkeypatch.setattr(crowding, "perf_counter", lambda: 1.0)
    monkeypatch.setattr(crowding, "thread_time", lambda: running)
    monkeypatch.setattr(crowding, "run_delays", lambda: delays)
    assert crowding.crowded_since((0.0, 0.0, {3: 0.5} if delays else {})) is expected


def test_waiting_for_a_core_is_read_from_the_kernel():
    """Every thread of this process has a count that never falls; systems without one give nothing."""
    before = crowding.run_delays()
    sum(range(10**5))
    after = crowding.run_delays()
    assert bool(after) == Path("/proc/self/schedstat").exists()
    assert all(after[thread] >= delay for thread, delay in before.items() if thread in after)


@given(st.lists(st.tuples(st.floats(1e-6, 1.0), st.floats(1e-6, 1.0)), min_size=1, max_size=20))
def test_ratios_stay_between_the_extremes_of_their_rounds(pairs):
    """Median and quartiles of the paired ratios lie in order and inside their range (five digits kept)."""
    fact = timing.ratio([a for a, _ in pairs], [b for _, b in pairs])
    ratios = [a / b for a, b in pairs]
    assert min(ratios) * (1 - 1e-4) <= fact["low"] <= fact["value"] <= fact["high"] <= max(ratios) * (1 + 1e-4)


def test_only_missing_support_leaves_a_variant_out():
    """An unsupported dtype is a reason; a device fault is not hidden."""

    def failing(text):
        def call():
            raise RuntimeError(text)

        return call

    assert "Half" in timing.why_not(CPU, failing("\"addmm_impl_cpu_\" not implemented for 'Half'"))
    with pytest.raises(RuntimeError, match="illegal"):
        timing.why_not(CPU, failing("CUDA error: an illegal memory access was encountered"))


# --- the probes, on a card with a clock of its own --------------------------------------------------------------------


def run(probe_id, **options):
    result = execute.run(torch, catalogue.find(probe_id), "float32", **options)
    assert result["status"] == "pass", result
    return result


@pytest.fixture
def clock(monkeypatch):
    """Virtual time, three rounds and small batches: many tests in little real time."""
    monkeypatch.setattr(speed_conv_step, "_batches", lambda ctx: (1, 2))
    return virtual.install(monkeypatch, rounds=3)


def test_gemm_finds_the_rates_of_the_card(clock):
    """TFLOP/s and ratios are those of the virtual card; the launches cost it less than a tenth."""
    with virtual.card(clock):
        data = run("speed.gemm", level="quick")["data"]
    found = {name: fact["value"] for name, fact in data.items()}
    expected = {
        "fp32_tflops": 1e-3,
        "fp16_tflops": 2e-3,
        "bf16_tflops": 4e-3,
        "fp16_over_fp32_gemm": 2,
        "bf16_over_fp32_gemm": 4,
    }
    assert found == pytest.approx(expected, rel=0.1)
    assert all(set(fact) == {"value", "unit", "low", "high", "count", "note"} for fact in data.values())


def test_gemm_says_that_slow_fp16_is_slow(clock):
    """With the slowness of a TU116 the fp16 ratio is below 1/5 and bf16 keeps its own."""
    with virtual.card(clock), slow_fp16.mode(torch):
        data = run("speed.gemm", level="quick")["data"]
    assert data["fp16_over_fp32_gemm"]["high"] < 1 / slow_fp16.TIMES
    assert data["bf16_over_fp32_gemm"]["value"] == pytest.approx(4, rel=0.1)


def test_skinny_products_show_the_cliff_between_one_row_and_two(clock):
    """Slow fp16 leaves one row alone, as reported, and is seen at two and eight."""
    with virtual.card(clock), slow_fp16.mode(torch):
        data = run("speed.skinny")["data"]
    values = {name: fact["value"] for name, fact in data.items()}
    assert values["fp16_over_fp32_skinny_m1"] == pytest.approx(2, rel=0.1)
    assert values["fp16_over_fp32_skinny_m2"] < 1 / slow_fp16.TIMES
    assert values["fp16_over_fp32_skinny_m8"] < 1 / slow_fp16.TIMES
    assert [values[f"bf16_over_fp32_skinny_m{rows}"] for rows in (1, 2, 8)] == pytest.approx([4] * 3, rel=0.1)


def test_a_product_as_quick_as_its_launch_is_noted():
    """Where one row costs no more than adding a number, the launch was measured, and the note says so."""
    seconds = {"floor": [1e-5] * 3, ("fp32", 1): [1.5e-5] * 3, ("fp16", 1): [1.1e-5] * 3}
    assert speed_skinny._figures(seconds)["fp16_over_fp32_skinny_m1"]["note"] == "launch"
    seconds["floor"] = [1e-7] * 3
    assert speed_skinny._figures(seconds)["fp16_over_fp32_skinny_m1"]["note"] == ""


@pytest.mark.parametrize("slow", [False, True], ids=["healthy", "slow fp16"])
def test_the_training_step_says_whether_amp_pays(clock, slow):
    """AMP is faster on the healthy card, and slower where fp16 is; bf16 is faster on both."""
    fault = slow_fp16.mode(torch) if slow else timing.contextlib.nullcontext()
    with virtual.card(clock), fault:
        data = run("speed.conv_step")["data"]
    assert (data["amp_fp16_speedup"]["high"] < 1) == slow
    assert (data["amp_fp16_speedup"]["low"] > 1) == (not slow)
    assert data["amp_bf16_speedup"]["low"] > 1
    for name in ("fp32", "amp_fp16", "amp_bf16"):  # this card does not care about the layout
        assert data[name + "_channels_last_speedup"]["value"] == pytest.approx(1, rel=0.1)
    assert not any(name.endswith("peak_mb") for name in data)  # torch keeps no such count on a CPU


def test_bandwidth_counts_every_byte_once(clock):
    """Copy moves two vectors and triad three, 10**9 bytes a GB."""
    with virtual.card(clock):
        data = run("speed.bandwidth", memory_limit=2**26)["data"]
    assert data["bandwidth_gbs"]["value"] == pytest.approx(virtual.BYTES_A_SECOND * 1e-9, rel=0.01)
    assert data["copy_gbs"]["value"] == pytest.approx(virtual.BYTES_A_SECOND * 1e-9, rel=0.01)


def test_bandwidth_vectors_fit_the_memory():
    """Three vectors stay within 80 % of what is free, and are as large as that allows."""
    ctx = context.Context(torch, "cpu", "float32", memory_limit=2**28)
    assert speed_bandwidth.vector_bytes(ctx) == 2**26


def refusing(dtype):
    """A torch that has no kernels for `dtype`."""

    def refuse(name, func, args, kwargs, out):
        if name in ("mm", "convolution") and args[0].dtype == dtype:
            raise RuntimeError(f"'{name}_impl_cpu_' not implemented for 'Half'")
        return out

    return _dispatch.after_each(torch, refuse)


@pytest.mark.parametrize("probe_id", ["speed.gemm", "speed.skinny", "speed.conv_step"])
def test_a_dtype_without_kernels_is_left_out_and_named(clock, probe_id):
    """No figure of it is invented; the reason stands among the skipped cases and the other dtypes are measured."""
    with virtual.card(clock), refusing(torch.float16):
        result = run(probe_id, level="quick")
    assert not any("fp16" in name for name in result["data"])
    assert any("bf16" in name for name in result["data"])
    assert any("fp16" in text and "Half" in text for text in result["skipped_cases"])


def test_an_autocast_that_does_nothing_is_not_measured(clock, monkeypatch):
    """Older releases leave autocast off for a dtype they lack; fp32 against fp32 would read as 1."""
    monkeypatch.setattr(speed_conv_step, "autocast", lambda ctx, dtype_name: timing.contextlib.nullcontext())
    with virtual.card(clock):
        result = run("speed.conv_step")
    assert not any("speedup" in name and "amp" in name for name in result["data"])
    assert len(result["skipped_cases"]) == 2


def test_peak_memory_is_that_of_one_step_alone(monkeypatch):
    """What other tensors held before does not count, the step's own model does."""
    held = {"now": 7_000_000, "peak": 0}
    cuda = SimpleNamespace(
        memory_allocated=lambda device: held["now"],
        reset_peak_memory_stats=lambda device: held.update(peak=held["now"]),
        max_memory_allocated=lambda device: held["peak"],
    )
    ctx = SimpleNamespace(kind="cuda", device="cuda:0", torch=SimpleNamespace(cuda=cuda), synchronize=lambda: None)

    def make(ctx, name, batch):
        held["now"] += 1_000_000
        return lambda: held.update(peak=held["now"] + 4_000_000)

    monkeypatch.setattr(speed_conv_step, "training_step", make)
    (fact,) = speed_conv_step._peaks(ctx, ["fp32"], 8).values()
    assert (fact["value"], fact["unit"], fact["note"]) == (5.0, "MB", "batch 8")


def test_the_estimate_of_a_step_covers_what_its_layers_keep():
    """The feature maps counted from the real net agree with the formula that limits the batch."""
    ctx = context.Context(torch, "cpu", "float32")
    kept = 0
    features = speed_conv_step._images(ctx, 1)
    for layer in speed_conv_step._model(ctx)[:15]:
        features = layer(features)
        kept += 4 * features.numel()
    assert kept <= speed_conv_step.step_bytes(ctx, 2) - speed_conv_step.step_bytes(ctx, 1) <= 4 * kept


def test_the_shapes_of_an_accelerator_run_as_well(clock, monkeypatch):
    """The branch for accelerators, on a net small enough for a CPU: same figures."""
    monkeypatch.setattr(context.Context, "large", property(lambda self: True))
    monkeypatch.setattr(speed_conv_step, "_width", lambda ctx: 8)
    monkeypatch.setattr(speed_conv_step, "_side", lambda ctx: 32)
    with virtual.card(clock):
        assert "fp16_tflops" in run("speed.gemm")["data"]
        assert "amp_fp16_speedup" in run("speed.conv_step")["data"]
        assert run("speed.bandwidth", memory_limit=2**26)["data"]["bandwidth_gbs"]["note"] == "16 MiB a vector"


def test_speed_probes_stay_out_of_the_verdicts():
    """They are listed as SPEED, feed no capability and are no core operation."""
    probes = catalogue.select(catalogue.listing(), only=("speed",))
    assert [p.id for p in probes] == ["speed.bandwidth", "speed.conv_step", "speed.gemm", "speed.skinny"]
    assert {(p.rule, p.feeds, p.core, p.group) for p in probes} == {("SPEED", "", False, "speed")}


@pytest.mark.gpu
@pytest.mark.parametrize("probe_id", ["speed.bandwidth", "speed.conv_step", "speed.gemm", "speed.skinny"])
def test_speed_probes_run_on_a_gpu(probe_id):
    """Real clocks and real kernels; peak memory is known there."""
    data = run(probe_id, device="cuda")["data"]
    assert all(fact["low"] <= fact["value"] <= fact["high"] for fact in data.values())
    assert ("fp32_peak_mb" in data) == (probe_id == "speed.conv_step")
