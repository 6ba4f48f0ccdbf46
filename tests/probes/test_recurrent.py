"""Recurrent probes: silent on a healthy machine, loud for the faults they hunt."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import family, first_failure, mutation, outcome, runs

from hwcompat.probes import context, recurrent
from hwcompat.probes.running import Running
from hwcompat.probes.simulate import _dispatch

PROBES = family("recurrent")
RUNS = runs(PROBES)
LOW = (torch.float32, torch.float16, torch.bfloat16)
NAN = float("nan")


@pytest.mark.parametrize(("probe", "dtype"), RUNS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert result["status"] == "pass", result["detail"]
    assert not result["skipped_cases"]


def altered(name: str, change: Any) -> Any:
    """After operator `name` with a floating output of at most 32 bits: its first output goes through `change`."""

    def alter(called: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        first = out[0] if isinstance(out, (tuple, list)) else out
        if called != name or not isinstance(first, torch.Tensor) or first.dtype not in LOW:
            return out
        if name.endswith("_"):
            return out.copy_(change(out.clone(), args))
        changed = change(first.clone(), args)
        return (changed, *out[1:]) if isinstance(out, tuple) else changed

    return _dispatch.after_each(torch, alter)


def last_nan(out: Any, args: Any) -> Any:
    out[(-1,) * out.dim()] = NAN
    return out


STEPS = ["addmm", "sigmoid_", "tanh_", "tanh", "relu", "tanh_backward", "sigmoid_backward", "cat"]


@pytest.mark.parametrize("name", STEPS)
def test_nan_in_any_operator_of_a_step_is_caught(name: str) -> None:
    assert outcome("recurrent.exact", "float16", altered(name, last_nan))["status"] == "fail"


@pytest.mark.parametrize("name", ["mkldnn_rnn_layer", "mkldnn_rnn_layer_backward"])
@pytest.mark.parametrize(
    "change",
    [lambda out, args: out * 0, lambda out, args: out.roll(1, -1)],
    ids=["zero", "shifted"],
)
@pytest.mark.parametrize("probe", ["recurrent.exact", "recurrent.bound"])
def test_faults_of_a_fused_layer_are_caught(probe: str, name: str, change: Any) -> None:
    """One kernel runs all steps in float32 and bfloat16."""
    assert outcome(probe, "bfloat16", altered(name, change))["status"] == "fail"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_fused_layer_wrong_for_one_direction_only_is_caught(dtype: str) -> None:
    def change(out: Any, args: Any) -> Any:
        return out * 0 if args[7] else out  # `reverse`

    assert outcome("recurrent.exact", dtype, altered("mkldnn_rnn_layer", change))["status"] == "fail"


@pytest.mark.parametrize("name", ["sigmoid_", "tanh_", "tanh", "sigmoid_backward", "tanh_backward"])
def test_coarse_functions_are_caught_by_random_data(name: str) -> None:
    """Four bits fewer than float32 has room for; saturated gates cannot see it."""

    def change(out: Any, args: Any) -> Any:
        return out * (1 + 2.0**-9)

    assert outcome("recurrent.bound", "float32", altered(name, change))["status"] == "fail"


def test_gates_in_the_wrong_order_are_caught() -> None:
    def alter(called: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        return [out[1], out[0], *out[2:]] if called == "unsafe_split" else out

    for probe in ("recurrent.exact", "recurrent.bound"):
        assert outcome(probe, "float16", _dispatch.after_each(torch, alter))["status"] == "fail"


def test_a_second_call_that_repeats_the_first_is_caught() -> None:
    kept: dict[Any, Any] = {}

    def change(out: Any, args: Any) -> Any:
        before = kept.get(out.shape, out)
        kept[out.shape] = out
        return before

    assert outcome("recurrent.exact", "float32", altered("mkldnn_rnn_layer", change))["status"] == "fail"


# --- operands, reference and bounds -----------------------------------------------------------------------------------
LAYERS = st.builds(
    recurrent.Layer,
    mode=st.sampled_from(["lstm", "gru", "tanh"]),
    inputs=st.integers(3, 8),
    hidden=st.integers(6, 12),
    layers=st.integers(1, 2),
    both=st.booleans(),
    bias=st.just(True),
    batch_first=st.booleans(),
    projected=st.just(0),
    state=st.just(True),
    lengths=st.just(()),
    steps=st.integers(1, 7),
    batch=st.integers(1, 4),
)


@settings(max_examples=25, deadline=None)
@given(layer=LAYERS, seed=st.integers(0, 2**20))
def test_states_and_gradients_are_numbers_of_every_dtype(layer: Any, seed: int) -> None:
    ctx = context.Context(torch, "cpu", "bfloat16", "recurrent.exact", seed=seed)
    held = recurrent.operands(ctx, layer, "test")
    outs, grads, terms = recurrent.reference(torch, layer, held)
    for values in outs + grads[: -len(terms)]:
        assert float((ctx.rounded(values) - values).abs().max()) < 2.0**-100
    assert any(float(g.abs().max()) > 0 for g in grads)


@pytest.mark.parametrize("mode", ["lstm", "gru", "tanh"])
def test_the_reference_is_what_torch_computes_in_float64(mode: str) -> None:
    """The formulas are this package's own; here they meet torch's on random numbers."""
    layer = recurrent.Layer(mode, 4, 6, 2, True, True, False, 0, True, (), 5, 3)
    module = recurrent_module(layer)
    x = torch.randn(5, 3, 4, dtype=torch.float64, requires_grad=True)
    states = [torch.randn(4, 3, 6, dtype=torch.float64) for _ in range(2 if mode == "lstm" else 1)]
    out, final = module(x, tuple(states) if mode == "lstm" else states[0])
    finals = list(final) if mode == "lstm" else [final]
    grads = [torch.randn_like(t) for t in [out, *finals]]
    torch.autograd.backward([out, *finals], grads)
    weights = {name: p.detach() for name, p in module.named_parameters()}
    held = recurrent.Operands(x.detach(), states, weights, grads)
    outs, slopes, _ = recurrent.reference(torch, layer, held)
    for got, want in zip(outs, [out, *finals], strict=True):
        torch.testing.assert_close(got, want.detach())
    torch.testing.assert_close(slopes[0], x.grad)
    for slope, parameter in zip(slopes[-len(weights) :], module.parameters(), strict=True):
        torch.testing.assert_close(slope, parameter.grad)


def recurrent_module(layer: Any) -> Any:
    kind: Any = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(layer.mode, torch.nn.RNN)
    return kind(layer.inputs, layer.hidden, layer.layers, bidirectional=layer.both, dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**20), dtype=st.sampled_from(["float16", "bfloat16", "float32"]))
def test_running_bounds_hold_for_arithmetic_in_the_dtype(seed: int, dtype: str) -> None:
    ctx = context.Context(torch, "cpu", dtype, "recurrent.bound", seed=seed)
    a, b = (ctx.rounded(ctx.normal((5, 7), name)) for name in "ab")
    low_a, low_b = ctx.tensor(a), ctx.tensor(b)
    one, two = Running(ctx, a), Running(ctx, b)
    want = ((one * two + one).sigmoid() * (1.0 - two.tanh())).matmul(two.t())
    got = (torch.sigmoid(low_a * low_b + low_a) * (1 - torch.tanh(low_b))) @ low_b.t()
    assert ((ctx.values(got) - want.value).abs() <= want.error).all()


@pytest.mark.parametrize("result", range(7))
def test_a_fused_gradient_that_keeps_few_bits_is_caught(result: int) -> None:
    label, _ = first_failure("recurrent.bound", "float32", mutation("mkldnn_rnn_layer_backward", "coarse", result))
    assert label.startswith("lstm")
