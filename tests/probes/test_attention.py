"""Attention probes: silent on a healthy machine, loud for the faults they hunt, honest about refused backends."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import family, first_failure, mutation, outcome, runs

from hwcompat.probes import attention, attention_codes, context, execute
from hwcompat.probes.simulate import _dispatch

PROBES = family("attention")
RUNS = runs(PROBES)
FUSED = "_scaled_dot_product_flash_attention_for_cpu"
NAN = float("nan")


@pytest.mark.parametrize(("probe", "dtype"), RUNS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert result["status"] == "pass", result["detail"]
    assert not result["skipped_cases"]
    assert not result["features"]


def test_the_enlarged_shapes_have_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those for accelerators are prepared, not run: their preconditions hold."""
    exact = execute.load(next(p for p in PROBES if p.id == "attention.exact"))
    ctx = context.Context(torch, "cpu", "bfloat16", "attention.exact")
    for case in exact._LARGE[:1]:
        operands, _, terms = attention_codes.prepared(ctx, case, 0)
        assert (attention_codes.limits(ctx, case, operands, terms).o == 0).all()


# --- faults -----------------------------------------------------------------------------------------------------------
def broken(name: str, change: Any, when: Any = lambda args, kwargs: True) -> Any:
    """After operator `name`, where `when(args, kwargs)`: its first output becomes change(args, kwargs, output)."""

    def alter(called: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        if called != name or not when(args, kwargs):
            return out
        if isinstance(out, tuple):
            return (change(args, kwargs, out[0]), *out[1:])
        return change(args, kwargs, out)

    return _dispatch.after_each(torch, alter)


def last_nan(args: Any, kwargs: Any, out: Any) -> Any:
    out = out.clone()
    out[(-1,) * out.dim()] = NAN
    return out


def last_row_zero(args: Any, kwargs: Any, out: Any) -> Any:
    out = out.clone()
    out[..., -1, :] = 0
    return out


CONDITIONS = {
    "length leaves 64": lambda args, kwargs: args[0].shape[-2] % 128 == 64 and kwargs.get("attn_mask") is not None,
    "odd length": lambda args, kwargs: args[0].shape[-2] % 2 == 1,
    "head not a multiple of 16": lambda args, kwargs: args[0].shape[-1] % 16 != 0,
    "head of 128": lambda args, kwargs: args[0].shape[-1] >= 128,
    "twelve heads": lambda args, kwargs: args[0].shape[1] == 12,
    "batch of 8": lambda args, kwargs: args[0].shape[0] >= 8,
    "batch of 65536": lambda args, kwargs: args[0].shape[0] >= 65536,
    "one query": lambda args, kwargs: args[0].shape[-2] == 1 and args[1].shape[-2] > 64,
    "long keys": lambda args, kwargs: args[1].shape[-2] > 1024,
    "long queries": lambda args, kwargs: args[0].shape[-2] >= 768,
    "strided": lambda args, kwargs: not args[0].is_contiguous(),
    "contiguous": lambda args, kwargs: args[0].is_contiguous(),
    "shared heads": lambda args, kwargs: args[0].shape[1] != args[1].shape[1],
    "causal": lambda args, kwargs: len(args) > 4 and args[4] is True,
    "more queries than keys": lambda args, kwargs: args[0].shape[-2] > args[1].shape[-2] and args[1].shape[-2] > 1,
    "mask of heads": lambda args, kwargs: kwargs.get("attn_mask") is not None and kwargs["attn_mask"].shape[1] > 1,
    "mask of all rows": lambda args, kwargs: kwargs.get("attn_mask") is not None and kwargs["attn_mask"].shape[2] == 1,
    "negative scores": lambda args, kwargs: (
        bool(((args[0] @ args[1].mT) / args[0].shape[-1] ** 0.5).max() < -88.7)
        if args[0].shape[1] == args[1].shape[1]
        else False
    ),
}


@pytest.fixture
def default_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only torch's own choice of a backend, which is where these faults are put."""
    monkeypatch.setattr(attention, "backends", lambda *args: ["default"])


@pytest.mark.usefixtures("default_only")
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_fault_of_the_fused_kernel_is_caught_under_any_condition(condition: str) -> None:
    probe = "attention.bound" if condition == "mask of heads" else "attention.exact"  # a bias of its own for each head
    assert outcome(probe, "bfloat16", broken(FUSED, last_nan, CONDITIONS[condition]))["status"] == "fail"


@pytest.mark.usefixtures("default_only")
@pytest.mark.parametrize("condition", ["odd length", "one query", "long keys"])
def test_a_row_of_zeros_is_caught_under_any_condition(condition: str) -> None:
    fault = broken(FUSED, last_row_zero, CONDITIONS[condition])
    assert outcome("attention.exact", "bfloat16", fault)["status"] == "fail"


@pytest.mark.usefixtures("default_only")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("condition", ["length leaves 64", "negative scores", "causal", "shared heads", "strided"])
def test_random_data_finds_it_too(condition: str, dtype: str) -> None:
    assert outcome("attention.bound", dtype, broken(FUSED, last_nan, CONDITIONS[condition]))["status"] == "fail"


def masked_gradient(args: Any, kwargs: Any) -> bool:
    """The condition of the known fault: a mask, a length that leaves 64, scores below the range of float32's exp."""
    return kwargs.get("attn_mask") is not None and args[1].shape[-2] % 128 == 64 and bool((args[5] < -88.7).any())


@pytest.mark.usefixtures("default_only")
@pytest.mark.parametrize("probe", ["attention.exact", "attention.bound"])
def test_the_gradient_of_q_that_is_nan_for_some_lengths_is_caught(probe: str) -> None:
    result = outcome(probe, "bfloat16", broken(FUSED + "_backward", last_nan, masked_gradient))
    assert result["status"] == "fail"
    assert all("x 64" in case or "x 192" in case for case in result["failed_cases"])


def gradient(which: int, change: Any) -> Any:
    def alter(called: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        if called != FUSED + "_backward":
            return out
        changed = list(out)
        changed[which] = change(out[which])
        return tuple(changed)

    return _dispatch.after_each(torch, alter)


@pytest.mark.usefixtures("default_only")
@pytest.mark.parametrize("probe", ["attention.exact", "attention.bound"])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["q", "k", "v"])
@pytest.mark.parametrize(
    "change",
    [lambda g: g * 0, lambda g: -g, lambda g: g.roll(1, -2), lambda g: g * 1.25],
    ids=["zero", "sign", "shifted", "scaled"],
)
def test_a_wrong_gradient_is_caught(probe: str, which: int, change: Any) -> None:
    assert outcome(probe, "float16", gradient(which, change))["status"] == "fail"


def formula(args: Any, kwargs: Any, out: Any, **wrong: Any) -> Any:
    """Attention in float32 with something wrong."""
    q, k, v = (x.float() for x in args[:3])
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
    scores = q @ k.mT * (kwargs.get("scale") or q.shape[-1] ** -0.5) * wrong.get("scale", 1.0)
    rows, columns = scores.shape[-2:]
    if len(args) > 4 and args[4]:
        scores = scores.masked_fill(~torch.ones(rows, columns, dtype=torch.bool).tril(wrong.get("diagonal", 0)), -1e9)
    if kwargs.get("attn_mask") is not None and not wrong.get("unmasked"):
        scores = scores + kwargs["attn_mask"].float()
    weights = torch.softmax(scores, -1) if not wrong.get("unshifted") else scores.exp() / scores.exp().sum(-1, True)
    return (weights @ v).to(out.dtype)


@pytest.mark.usefixtures("default_only")
@pytest.mark.parametrize("probe", ["attention.exact", "attention.bound"])
@pytest.mark.parametrize("wrong", [{"diagonal": 1}, {"diagonal": -1}, {"unmasked": True}, {"unshifted": True}], ids=str)
def test_a_wrong_formula_is_caught(probe: str, wrong: dict[str, Any]) -> None:
    def change(args: Any, kwargs: Any, out: Any) -> Any:
        return formula(args, kwargs, out, **wrong)

    assert outcome(probe, "bfloat16", broken(FUSED, change))["status"] == "fail"


@pytest.mark.usefixtures("default_only")
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_slightly_wrong_scale_is_caught(dtype: str) -> None:
    def change(args: Any, kwargs: Any, out: Any) -> Any:
        return formula(args, kwargs, out, scale=0.9)

    assert outcome("attention.bound", dtype, broken(FUSED, change))["status"] == "fail"


@pytest.mark.usefixtures("default_only")
def test_an_output_left_over_from_before_is_caught() -> None:
    kept: dict[Any, Any] = {}

    def change(args: Any, kwargs: Any, out: Any) -> Any:
        before = kept.get(out.shape, out)
        kept[out.shape] = out
        return before

    result = outcome("attention.exact", "float32", broken(FUSED, change))
    assert result["status"] == "fail"
    assert any("again" in case for case in result["failed_cases"])


@pytest.mark.parametrize("name", ["bmm", "_softmax", "baddbmm", "_softmax_backward_data", "masked_fill"])
def test_faults_of_composed_attention_are_caught(name: str) -> None:
    assert outcome("attention.composed", "float16", broken(name, last_nan))["status"] == "fail"


@pytest.mark.parametrize(
    "name",
    ["_native_multi_head_attention", "_transformer_encoder_layer_fwd", "addmm", "bmm", "_softmax", FUSED],
)
def test_faults_of_the_modules_are_caught(name: str) -> None:
    assert outcome("attention.module", "bfloat16", broken(name, last_nan))["status"] == "fail"


@pytest.mark.parametrize("change", [lambda out: -out, lambda out: out * 0], ids=["sign", "zero"])
def test_a_wrong_rotation_is_caught(change: Any) -> None:
    fault = broken("neg", lambda args, kwargs, out: change(out))
    assert outcome("attention.rotary", "float16", fault)["status"] == "fail"


def test_rows_without_keys_may_be_nan_but_not_anything_else() -> None:
    def closed(args: Any, kwargs: Any) -> Any:
        return (kwargs["attn_mask"].amax(-1) == float("-inf"))[..., None]

    def fill(value: float) -> Any:
        return broken(FUSED, lambda args, kwargs, out: out.masked_fill(closed(args, kwargs), value))

    assert outcome("attention.masked", "float32", fill(1.0))["status"] == "fail"
    result = outcome("attention.masked", "float32", fill(NAN))
    assert result["status"] == "pass"
    assert result["data"]["closed_rows_default"] == "nan"
    assert outcome("attention.masked", "float32", broken(FUSED, last_row_zero))["status"] == "fail"


# --- backends and preconditions ---------------------------------------------------------------------------------------
def test_a_backend_that_refuses_is_skipped() -> None:
    """No CPU has the memory-efficient kernel, and the switches are put back."""
    ctx = context.Context(torch, "cpu", "float32", "attention.exact")
    case = attention_codes.Case(1, 1, 1, 8, 8, 8, 2, "none", "plain", 0, 0.25)
    operands, want, terms = attention_codes.prepared(ctx, case, 0)
    bound = attention_codes.limits(ctx, case, operands, terms)
    assert attention.judged(ctx, operands, "none", "plain", "efficient", want, bound).status == "skipped"
    assert attention.judged(ctx, operands, "none", "plain", "math", want, bound).status == "pass"
    assert torch.backends.cuda.mem_efficient_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()


@settings(max_examples=30, deadline=None)
@given(
    queries=st.integers(1, 40),
    groups=st.integers(8, 30),
    group=st.sampled_from([1, 2, 4]),
    mask=st.sampled_from(["none", "causal", "every", "bool", "finite"]),
    seed=st.integers(0, 2**20),
    constant=st.sampled_from([-128, 0, 128]),
)
def test_coded_operands_have_weights_of_powers_of_two(
    queries: int, groups: int, group: int, mask: str, seed: int, constant: int
) -> None:
    """`prepared` asserts its preconditions for every shape and seed."""
    ctx = context.Context(torch, "cpu", "bfloat16", "attention.exact", seed=seed)
    case = attention_codes.Case(1, 2, 1, queries, groups * group, 16, group, mask, "plain", constant, 0.25)
    _, want, _ = attention_codes.prepared(ctx, case, 0)
    assert torch.isfinite(want.o).all()


def test_the_bound_holds_for_attention_that_rounds_weights_to_the_dtype() -> None:
    """And is below the size of a typical output, so that it says something."""
    ctx = context.Context(torch, "cpu", "float16", "attention.bound")
    q, k, v, g = (ctx.rounded(ctx.normal((1, 2, 65, 32), name)) for name in "qkvg")
    operands = attention.Operands(q, k, v, g, None, None, 32**-0.5)
    found = attention.inside(torch, operands)
    want = attention.answer(torch, operands, found)
    bound = attention.bounds(ctx, operands, found, want, "default")
    narrow = ctx.rounded(found.weights) @ v
    assert ((narrow - want.o).abs() <= bound.o).all()
    assert float((bound.o / want.o.abs().mean()).max()) < 0.1


def test_a_softmax_that_keeps_few_bits_is_caught() -> None:
    label, _ = first_failure("attention.bound", "float32", mutation("_safe_softmax", "coarse"))
    assert label


@pytest.mark.parametrize("operator", ["_transformer_encoder_layer_fwd", "native_layer_norm_backward"])
def test_an_encoder_layer_of_few_bits_is_caught(operator: str) -> None:
    label, _ = first_failure("attention.module", "float32", mutation(operator, "coarse"))
    assert label.startswith("TransformerEncoderLayer")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("change", ["half", "other block"])
def test_a_wrong_gradient_of_an_encoder_layer_is_caught(change: str, dtype: str) -> None:
    """Halved; or without what the second block gives."""

    def alter(name: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        if name == "native_layer_norm_backward" and change == "half":
            return (out[0] / 2, *out[1:])
        return out * 0 if name == "threshold_backward" and change == "other block" else out

    label, judgement = first_failure("attention.module", dtype, _dispatch.after_each(torch, alter))
    assert label.startswith("TransformerEncoderLayer in training")
    assert "gradient" in judgement.detail
