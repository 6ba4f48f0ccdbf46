"""The optimizer probes are silent on a healthy CPU and see faults of one kernel, tensor, element, step or layout."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.injected import PROBES, caught, outcome

from hwcompat.probes import context, optimizers, rounding, roundoff, tensorlists, updates
from hwcompat.probes.simulate import _dispatch

IDS = sorted(name for name in PROBES if name.startswith("optimizer."))
RUNS = [(name, dtype) for name in IDS for dtype in PROBES[name].dtypes]
FP32 = roundoff.arithmetic(context.Context(torch, "cpu", "float32"))


def spoiled(
    name: str, change: Callable[[Any], None], first: int = 1, applies: Callable[[Any], bool] | None = None
) -> Any:
    """After each call of operator `name`, from the `first` on where `applies(args)`: `change(args)`."""
    calls = []

    def alter(called: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        if called == name and (applies is None or applies(args)):
            calls.append(1)
            if len(calls) >= first:
                change(args)
        return out

    return _dispatch.after_each(torch, alter)


# --- healthy ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("probe", "dtype"), RUNS)
def test_a_healthy_cpu_is_silent(probe: str, dtype: str) -> None:
    for seed in (0, 7) if probe != "optimizer.adam" else (3,):
        result = outcome(probe, dtype, seed=seed)
        assert (result["status"], result["detail"], result["skipped_cases"]) == ("pass", "", [])
        assert bool(result["features"]) == ((probe, dtype) == ("optimizer.epsilon", "float16"))


def test_dyadic_data_leaves_no_room() -> None:
    """Where the probes claim that nothing rounds, the bound is zero in every element."""
    ctx = context.Context(torch, "cpu", "float32")
    for one in (
        updates.sgd({"lr": 0.25, "momentum": 0.5, "nesterov": True, "weight_decay": 0.5}),
        updates.adam("AdamW", {"lr": 0.5, "betas": (0.5, 0.0), "eps": 1.0, "weight_decay": 0.5}),
        updates.adam("Adamax", {"lr": 0.5, "betas": (0.5, 0.5), "eps": 1.0}),
        updates.adaptive("Adagrad", {"lr": 0.5, "eps": 1.0}),
        updates.adaptive("Rprop", {"lr": 0.5, "etas": (0.5, 2.0), "step_sizes": (0.25, 2.0)}),
    ):
        p, g = optimizers.parameter_values(ctx, "dyadic", (500,)), optimizers.gradient_values(ctx, "dyadic", (500,))
        state = {key: roundoff.Number(FP32, p * 0 + value) for key, value in one.keys.items()}
        new, states = one.update(roundoff.Number(FP32, p), roundoff.Number(FP32, g), state, 1)
        assert not any(bool(number.before.any()) for number in [new, *states.values()]), one.name


# --- running error bounds ---------------------------------------------------------------------------------------------
NUMBERS = st.lists(st.floats(-1e4, 1e4, width=32).filter(lambda x: x == 0 or abs(x) > 1e-6), min_size=3, max_size=3)


@given(NUMBERS, st.sampled_from(["float32", "float16", "bfloat16"]))
def test_representable_numbers_are_those_that_rounding_leaves_alone(values: list[float], dtype: str) -> None:
    of = roundoff.arithmetic(context.Context(torch, "cpu", dtype))
    held = torch.tensor(values, dtype=torch.float64)
    same = rounding.rn(torch, held, of.format) == held
    normal = (held == 0) | (held.abs() >= 2.0**of.format.emin)
    found = roundoff.representable(of, held)
    assert torch.equal(found & normal, found)
    assert torch.equal(found, same & normal & (held.abs() <= 2.0**of.format.emax * 1.5))


@given(NUMBERS, st.sampled_from(["float32", "float16", "bfloat16"]))
@settings(deadline=None)
def test_every_way_of_evaluating_stays_inside_the_bound(values: list[float], dtype: str) -> None:
    """A product of three over a root, by torch's kernels of the dtype, in three orders."""
    ctx = context.Context(torch, "cpu", dtype)
    of = roundoff.arithmetic(ctx)
    held = ctx.rounded(torch.tensor(values, dtype=torch.float64).clamp(-100, 100))
    a, b, c = (roundoff.Number(of, v) for v in held)
    low = [ctx.tensor(v) for v in held]
    bottom = (b * b + 1.0).sqrt()
    want = roundoff.scaled_quotient(a, bottom, c) + b
    root = (low[1] * low[1] + 1).sqrt()
    for got in (low[0] / root * low[2], low[0] * low[2] / root, low[2] / root * low[0]):
        assert ctx.interval(got + low[1], want.value, want.before).status == "pass"
    mixed = a.mix(b, 0.9)
    for got in (torch.lerp(low[0], low[1], 0.1), low[0] * 0.9 + low[1] * 0.1, torch.lerp(low[1], low[0], 0.9)):
        assert ctx.interval(got, mixed.value, mixed.before).status == "pass"


def test_a_bound_is_a_few_units_and_no_more() -> None:
    one = roundoff.Number(FP32, torch.tensor([1.1, -3.3], dtype=torch.float64))
    assert float(((one * 1.3).before / one.value.abs()).max()) < 2 * 2.0**-24
    long = one * 1.3 + one
    assert float((long.error / long.value.abs()).max()) < 4 * 2.0**-24


# --- faults of the loop -----------------------------------------------------------------------------------------------
def ulp(tensor: torch.Tensor, place: int = -1) -> None:
    flat = tensor.detach().reshape(-1) if tensor.is_contiguous() else tensor.detach().flatten()
    flat[place] = torch.nextafter(flat[place], torch.tensor(float("inf"), dtype=flat.dtype))


def bump(tensor: torch.Tensor, place: int = -1) -> None:
    """One element of a float tensor is off by a hundredth; any layout."""
    index = tuple(s - 1 if place == -1 else 0 for s in tensor.shape)
    tensor.detach()[index] += 0.01 + tensor.detach()[index].abs() / 64


def odd(args: Any) -> bool:
    return bool(args[0].dim() and args[0].shape[-1] % 2)


LOOP = {
    "loop: last element of the parameter": ("optimizer.sgd", "add_", lambda a: bump(a[0])),
    "loop: momentum not decayed": ("optimizer.sgd", "mul_", lambda a: a[0].mul_(2)),
    "Adam: first moment one way": ("optimizer.adam", "lerp_", lambda a: bump(a[0])),
    "Adam: second moment": ("optimizer.adam", "addcmul_", lambda a: bump(a[0], 0)),
    "Adam: quotient": ("optimizer.adam", "addcdiv_", lambda a: bump(a[0])),
    "Adadelta: root": ("optimizer.adaptive", "sqrt_", lambda a: bump(a[0])),
    "Rprop: step sizes not kept": ("optimizer.adaptive", "clamp_", lambda a: a[0].clamp_(max=0.125)),
    "Rprop: previous gradient": ("optimizer.adaptive", "copy_", lambda a: bump(a[0])),
    "sign of the momentum: Lion": ("optimizer.adaptive", "sign_", lambda a: a[0].neg_()),
}


@pytest.mark.parametrize("name", LOOP)
def test_a_fault_of_one_operator_is_seen(name: str) -> None:
    probe, operator, change = LOOP[name]
    floats = lambda args: args[0].is_floating_point() and args[0].numel() > 1 and args[0].dtype != torch.float64  # noqa: E731
    assert caught(probe, "float32", spoiled(operator, change, applies=floats), only=name.split(":")[0])


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        ("channels_last", lambda a: a[0].dim() == 4),
        ("strided", lambda a: a[0].dim() == 2 and not a[0].is_contiguous()),
        ("odd sizes", odd),
        ("1024 and more", lambda a: a[0].numel() >= 1024),
        ("no dimension", lambda a: a[0].dim() == 0),
    ],
)
def test_a_fault_under_a_condition_is_seen(condition: str, applies: Callable[[Any], bool]) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        fault = spoiled("add_", lambda a: bump(a[0]), applies=lambda a, d=dtype: a[0].dtype == d and applies(a))
        assert caught("optimizer.sgd", str(dtype)[6:], fault, only="loop")


def test_a_single_bit_in_the_second_step_is_seen() -> None:
    """The loop's second update of the largest parameter is one unit in the last place off."""
    fault = spoiled("add_", lambda a: ulp(a[0]), first=2, applies=lambda a: a[0].numel() == 1025)
    assert "step 2" in caught("optimizer.sgd", "float32", fault, only="plain, loop")


# --- faults of lists and fused kernels --------------------------------------------------------------------------------
def last_of_many(args: Any) -> bool:
    return len(args[0]) > 100


def second_chunk(args: Any) -> bool:
    return any(t.numel() > 65536 for t in args[0])


def in_chunk(args: Any) -> None:
    for tensor in args[0]:
        if tensor.numel() > 65536:
            tensor.detach()[65536] += 0.5


LISTS = {
    "foreach, leaves out the last of many": ("optimizer.sgd", "_foreach_add_", lambda a: bump(a[0][-1]), last_of_many),
    "foreach, second chunk": ("optimizer.sgd", "_foreach_add_", in_chunk, second_chunk),
    "fused SGD, second chunk": ("optimizer.sgd", "_fused_sgd_", in_chunk, second_chunk),
    "fused SGD, momentum": ("optimizer.sgd", "_fused_sgd_", lambda a: bump(a[2][3]), lambda a: bool(a[2])),
    "fused Adam, one tail": ("optimizer.adam", "_fused_adam_", lambda a: bump(a[0][-3]), None),
    "fused Adam, first moment": ("optimizer.adam", "_fused_adam_", lambda a: bump(a[2][4]), None),
    "fused AdamW, second moment": ("optimizer.adam", "_fused_adamw_", lambda a: a[3][6].mul_(1.001), None),
    "fused Adam, maximum": ("optimizer.adam", "_fused_adam_", lambda a: bump(a[4][-4]), lambda a: bool(a[4])),
    "fused AdamW, step": ("optimizer.adam", "_fused_adamw_", lambda a: a[5][2].add_(1), None),
    "fused Adagrad": ("optimizer.adaptive", "_fused_adagrad_", lambda a: bump(a[2][-3]), None),
    "foreach root": ("optimizer.adam", "_foreach_sqrt", None, None),
    "foreach maximum": ("optimizer.adam", "_foreach_maximum_", lambda a: a[0][3].mul_(0.5), None),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_fault_of_a_list_kernel_is_seen(name: str) -> None:
    probe, operator, change, applies = LISTS[name]
    if change is None:

        def alter(called: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
            if called == operator:
                out[-3].mul_(1 + 2.0**-18)
            return out

        fault = _dispatch.after_each(torch, alter)
    else:
        fault = spoiled(operator, change, applies=applies)
    assert caught(probe, "float32", fault, only=name.split()[0].strip(","))


def test_sixteen_bit_moments_inside_a_fused_kernel_are_seen() -> None:
    def shorten(args: Any) -> None:
        for tensor in args[2]:
            tensor.copy_(tensor.bfloat16())

    assert caught("optimizer.adam", "float32", spoiled("_fused_adamw_", shorten), only="AdamW betas 0.9")


def test_the_fused_sgd_of_cpus_is_not_run_in_16_bits() -> None:
    """pytorch#191763: it leaves full vectors as they were, a fault of the software that must not convict a machine."""
    seen = set()

    def look(called: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        if called == "_fused_sgd_":
            seen.add(args[0][0].dtype)
        return out

    for dtype in ("float32", "float16", "bfloat16"):
        assert not caught("optimizer.sgd", dtype, _dispatch.after_each(torch, look), only="plain")
    assert seen == {torch.float32}


# --- what else the harness promises -----------------------------------------------------------------------------------
def test_an_idle_parameter_that_moves_is_seen() -> None:
    real = optimizers.make

    def nosy(ctx: Any, parameters: Any, one: Any, how: Any) -> Any:
        optimizer = real(ctx, parameters, one, how)
        step = optimizer.step

        def moved() -> None:
            step()
            parameters[0].data.add_(1)

        optimizer.step = moved
        return optimizer

    ctx = context.Context(torch, "cpu", "float32")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizers, "make", nosy)
        found = optimizers.run(ctx, updates.sgd({"lr": 0.5}), optimizers.LOOP)
    assert (found.status, found.detail) == ("fail", "a parameter without gradient was changed")


def test_a_release_without_fused_kernels_is_unsupported() -> None:
    class Refusing:
        def __init__(self, parameters: Any, **options: Any) -> None:
            if options.get("fused"):
                raise RuntimeError("`fused=True` requires all the params to be on supported devices")

    ctx = context.Context(torch, "cpu", "float32")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "SGD", Refusing)
        with pytest.raises(RuntimeError, match="is not available"):
            optimizers.make(ctx, [], updates.sgd({"lr": 0.5}), optimizers.FUSED)


@pytest.mark.parametrize(("shape", "dtype"), list(product([(3,), (2, 3, 4, 5), (5, 7), ()], ["float32", "bfloat16"])))
def test_lists_are_cut_and_joined_without_a_cast(shape: tuple[int, ...], dtype: str) -> None:
    ctx = context.Context(torch, "cpu", dtype)
    values = ctx.integers((tensorlists.size(shape),), -9, 9).double()
    (tensor,) = tensorlists.cut(ctx, values, (shape,))
    assert tuple(tensor.shape) == shape
    assert torch.equal(tensor.double().reshape(-1), values)
    assert torch.equal(tensorlists.joined(ctx, [tensor])[1], values)
    assert tensor.is_contiguous() == (len(shape) < 4 and shape != (5, 7))


def test_rprop_may_lose_a_sign_to_underflow():
    """With this seed a product of two float16 gradients is zero, and with it the growth of one step size."""
    result = outcome("optimizer.adaptive", "float16", seed=1042)
    assert result["status"] == "pass", result["detail"]
