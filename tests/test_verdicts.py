"""Results of probes become verdicts and cautions; each test states one line of that table."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcompat.model import CAPABILITIES, STATUSES, VERDICTS, Measurement, Result
from hwcompat.verdicts import judge


class FakeProbe(NamedTuple):
    feeds: str = "dtype"
    core: bool = True
    workaround: str = ""


PROBES = {
    "conv.forward": FakeProbe(),
    "matmul.integer": FakeProbe(),
    "softmax.rows": FakeProbe(core=False),
    "attention.rows": FakeProbe(core=False, workaround="use another backend"),
    "conv.algorithms": FakeProbe(core=False),
    "amp.step": FakeProbe("amp"),
    "speed.gemm": FakeProbe("", core=False),
    "matmul.tf32": FakeProbe("tf32", core=False),
    "memory.pattern": FakeProbe("memory", core=False),
    "fp8.matmul": FakeProbe(),
    "fp8.cast": FakeProbe(core=False),
}


def passing(dtype="float16", probe="conv.forward", status="pass", **facts):
    return Result(probe=probe, dtype=dtype, status=status, **facts)


def times(low, high, note=""):
    return Measurement((low + high) / 2, "x", low, high, 9, note)


def verdicts(*results, speed=None, capability="8.6", bf16_native=None):
    return judge(results, speed or {}, compute_capability=capability, bf16_native=bf16_native, probes=PROBES)


def test_nothing_measured_is_unknown_everywhere():
    found, cautions = verdicts()
    assert {name: v.value for name, v in found.items()} == dict.fromkeys(CAPABILITIES, "unknown")
    assert not cautions
    assert all(v.because for v in found.values())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pass", "ok"),
        ("feature", "ok"),
        ("fail", "faulty"),
        ("crash", "faulty"),
        ("flaky", "unknown"),
        ("hang", "unknown"),
        ("oom", "unknown"),
        ("error", "unknown"),
        ("unsupported", "unsupported"),
        ("skipped", "unknown"),
    ],
)
def test_a_core_probe_decides_its_dtype(status, expected):
    found, _ = verdicts(passing(status=status))
    assert found["fp16"].value == expected
    assert found["fp16"].because


def test_one_unsupported_core_operation_among_passing_ones_is_unknown_and_named():
    found, _ = verdicts(passing(), passing(probe="matmul.integer", status="unsupported"))
    assert found["fp16"].value == "unknown"
    assert "matmul.integer" in found["fp16"].because[0]


@pytest.mark.parametrize(
    ("product", "cast", "expected"),
    [
        ("pass", "pass", "ok"),
        ("unsupported", "pass", "unsupported"),
        ("unsupported", "fail", "unsupported"),
        ("pass", "fail", "faulty"),
        ("fail", "pass", "faulty"),
    ],
)
def test_fp8_needs_its_products_and_right_casts(product, cast, expected):
    """A card that converts to fp8 but cannot multiply it does not have fp8."""
    results = (passing("float8_e5m2", "fp8.matmul", product), passing("float8_e5m2", "fp8.cast", cast))
    assert verdicts(*results)[0]["fp8"].value == expected


def test_the_sentence_names_operation_shape_and_number():
    bad = passing(status="fail", case="3x3 64->128 on 1x32x64x64", detail="4096 of 8192 nonfinite")
    sentence = verdicts(bad, passing(probe="matmul.integer"))[0]["fp16"].because
    assert sentence == (
        "conv.forward in float16 gives wrong results at 3x3 64->128 on 1x32x64x64: 4096 of 8192 nonfinite",
    )


def test_a_failure_outside_the_core_is_a_caution_and_the_dtype_stays():
    found, cautions = verdicts(passing(), passing(probe="softmax.rows", status="fail", detail="off by 3"))
    assert found["fp16"].value == "ok"
    assert [c.operation for c in cautions] == ["softmax.rows (float16)"]
    assert "off by 3" in cautions[0].detail
    assert cautions[0].workaround


@pytest.mark.parametrize(
    ("probe", "dtype", "advice"),
    [
        ("softmax.rows", "bfloat16", "run it in float32"),
        ("softmax.rows", "float32", "run it on the CPU"),
        ("attention.rows", "float32", "use another backend"),
    ],
)
def test_a_caution_says_what_to_do_instead(probe, dtype, advice):
    (caution,) = verdicts(passing(dtype), passing(dtype, probe, "fail"))[1]
    assert advice in caution.workaround


def test_only_probes_outside_the_core_do_not_make_a_dtype_ok():
    assert verdicts(passing(probe="softmax.rows"))[0]["fp16"].value == "unknown"


def test_flaky_is_unknown_even_outside_the_core_and_no_dtype_is_the_cure():
    found, cautions = verdicts(passing(), passing(probe="softmax.rows", status="flaky"))
    assert found["fp16"].value == "unknown"
    assert "unstable" in found["fp16"].because[0]
    assert "heat" in cautions[0].workaround
    assert "no other dtype is a cure" in cautions[0].workaround


@pytest.mark.parametrize(("kernel", "dtype"), [("fp16", "float16"), ("fp32", "float32")])
def test_autocast_is_faulty_where_the_kernels_it_runs_are(kernel, dtype):
    found, _ = verdicts(passing(dtype=dtype, status="fail"), passing(probe="amp.step"))
    assert found[kernel].value == "faulty"
    assert found["amp_fp16"].value == "faulty"
    assert kernel in found["amp_fp16"].because[0]


def test_autocast_is_not_pulled_down_by_kernels_that_nobody_measured():
    assert verdicts(passing(probe="amp.step"))[0]["amp_fp16"].value == "ok"


def test_faulty_fp16_leaves_bf16_alone():
    found, _ = verdicts(passing(status="fail"), passing("bfloat16"), passing("bfloat16", "amp.step"))
    assert (found["bf16"].value, found["amp_bf16"].value) == ("ok", "ok")


@pytest.mark.parametrize("probe", ["memory.pattern", "matmul.tf32"])
def test_memory_and_tf32_are_decided_by_any_of_their_probes(probe):
    name = PROBES[probe].feeds
    dtype = "int32" if name == "memory" else "float32"
    assert verdicts(passing(dtype, probe))[0][name].value == "ok"
    found, cautions = verdicts(passing(dtype, probe, "fail"))
    assert found[name].value == "faulty"
    assert not cautions


# --- speed ------------------------------------------------------------------------------------------------------------

AMP = passing(probe="amp.step")


@pytest.mark.parametrize(
    ("measured", "expected", "says"),
    [
        (times(0.2, 0.3), "slow", "0.25x the speed of fp32"),
        (times(1.5, 2.5), "ok", "2.00x the speed of fp32"),
        (times(0.9, 1.1), "ok", "speed unknown"),
        (times(0.2, 0.3, "noisy"), "ok", "speed unknown"),
        (times(0.2, 0.3, "GPU throttled: power"), "ok", "speed unknown"),
    ],
    ids=["slower", "faster", "across 1", "noisy", "throttled"],
)
def test_slow_only_where_the_whole_interval_is_below_one(measured, expected, says):
    verdict = verdicts(AMP, speed={"amp_fp16_speedup": measured})[0]["amp_fp16"]
    assert verdict.value == expected
    assert any(says in text for text in verdict.because)


def test_plain_fp16_is_graded_by_matmul_rates():
    rates = {"fp16_tflops": times(0.6, 0.62), "fp32_tflops": times(5.1, 5.3)}
    assert verdicts(passing(), speed=rates)[0]["fp16"].value == "slow"


def test_speed_is_never_a_reason_where_the_values_are_wrong():
    fast = {"amp_fp16_speedup": times(2, 3)}
    found, _ = verdicts(passing(probe="amp.step", status="fail"), speed=fast)
    assert found["amp_fp16"].value == "faulty"


@pytest.mark.parametrize(
    ("capability", "native", "expected"),
    [
        ("7.5", None, "emulated"),
        ("7.5", True, "emulated"),
        ("8.0", None, "ok"),
        ("12.1", None, "ok"),
        ("gfx1030", False, "emulated"),
        (None, None, "ok"),  # a CPU
        (None, False, "emulated"),  # a CPU that plays a card without bf16
    ],
)
def test_bf16_without_hardware_for_it_is_emulated_never_ok(capability, native, expected):
    results = (passing("bfloat16"), passing("bfloat16", "amp.step"))
    found, _ = verdicts(*results, capability=capability, bf16_native=native)
    assert (found["bf16"].value, found["amp_bf16"].value) == (expected, expected)


# --- the convolution algorithms' own data -----------------------------------------------------------------------------


WAYS = ("wrong with heuristic", "wrong with benchmark", "wrong with cudnn off")


@pytest.mark.parametrize(
    ("wrong", "workaround"),
    [
        ((2, 0, 0), "cudnn.benchmark = True"),
        ((2, 1, 0), "cudnn.enabled = False"),
        ((0, 1, 0), "cudnn.benchmark = False"),
        ((4, 4, 1), "do not use float16"),
    ],
    ids=["benchmark", "no cuDNN", "heuristic", "none"],
)
def test_the_caution_names_the_algorithm_choice_that_is_right(wrong, workaround):
    data = dict(zip(WAYS, wrong, strict=True))
    _, cautions = verdicts(passing(probe="conv.algorithms", status="fail", data=data))
    assert len(cautions) == 1
    assert workaround in cautions[0].workaround


def test_no_caution_where_every_algorithm_choice_is_right():
    assert not verdicts(passing(probe="conv.algorithms", data=dict.fromkeys(WAYS, 0)))[1]


# --- laws -------------------------------------------------------------------------------------------------------------

result_lists = st.lists(
    st.builds(
        Result,
        probe=st.sampled_from([*PROBES, "not.listed"]),
        dtype=st.sampled_from(["float32", "float16", "bfloat16", "int32"]),
        status=st.sampled_from(STATUSES),
    ),
    max_size=8,
)


@given(result_lists, result_lists.filter(bool))
def test_one_more_failing_result_never_raises_a_verdict(results, more):
    failing = [Result(r.probe, r.dtype, "fail") for r in more]
    before, after = verdicts(*results)[0], verdicts(*results, *failing)[0]
    for name in ("fp32", "fp16", "bf16", "amp_fp16", "amp_bf16", "tf32", "memory"):
        assert VERDICTS.index(after[name].value) >= VERDICTS.index(before[name].value)


@given(result_lists, st.randoms())
def test_the_order_of_results_is_irrelevant_to_the_verdicts(results, random):
    shuffled = list(results)
    random.shuffle(shuffled)
    values = [{k: v.value for k, v in verdicts(*r)[0].items()} for r in (results, shuffled)]
    assert values[0] == values[1]
