"""The gradient probes are silent on a healthy CPU and see lost tensors, tails, accumulation, clipping and averages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from probes.injected import PROBES, caught, first_failure, mutation, outcome

from hwcompat.probes import context, execute
from hwcompat.probes.simulate import _dispatch

IDS = sorted(name for name in PROBES if name.startswith("gradient."))
RUNS = [(name, dtype) for name in IDS for dtype in PROBES[name].dtypes]


def after(name: str, change: Callable[[Any, Any], Any], first: int = 1) -> Any:
    """From call number `first` of operator `name` on: its result is `change(args, out)` (None: changed in place)."""
    calls = []

    def alter(called: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        if called != name:
            return out
        calls.append(1)
        new = change(args, out) if len(calls) >= first else None
        return out if new is None else new

    return _dispatch.after_each(torch, alter)


def quietly(changed: Any) -> None:
    """For a change in place: no new result."""


def bump(tensor: torch.Tensor, place: int = -1) -> None:
    flat = tensor.detach().reshape(-1)
    index = tuple(s - 1 if place == -1 else 0 for s in tensor.shape)
    tensor.detach()[index] += flat[place].abs() / 32 + 0.25


# --- healthy ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("probe", "dtype"), RUNS)
def test_a_healthy_cpu_is_silent(probe: str, dtype: str) -> None:
    for seed in (0, 7):
        result = outcome(probe, dtype, seed=seed)
        assert (result["status"], result["detail"], result["skipped_cases"]) == ("pass", "", [])
        assert not result["features"]


# --- clipping ---------------------------------------------------------------------------------------------------------
CLIPPING = {
    "norm misses a tail": (
        "linalg_vector_norm",
        lambda a, out: torch.linalg.norm(a[0].flatten()[: a[0].numel() // 4 * 4]) if a[0].numel() > 50 else None,
        "norm 2, loop",
    ),
    "coefficient not applied to the last": (
        "_foreach_mul_",
        lambda a, out: quietly(a[0][-1].mul_(8)),
        "norm 2, foreach",
    ),
    "one norm of the list is zero": ("_foreach_norm", lambda a, out: quietly(out[2].zero_()), "norm 2, foreach"),
    "NaN swallowed by the norm": ("_foreach_norm", lambda a, out: [torch.nan_to_num(t) for t in out], "with nan"),
    "upper clamp missing": ("_foreach_clamp_max_", lambda a, out: quietly(a[0][6].add_(1)), "by value 0.5, foreach"),
    "norm off by its last bits": ("linalg_vector_norm", lambda a, out: out * 1.004, "norm 2, loop"),
    "coefficient too large": ("clamp", lambda a, out: out * 1.05, "spread gradients, loop"),
}


@pytest.mark.parametrize("name", CLIPPING)
def test_a_fault_of_clipping_is_seen(name: str) -> None:
    operator, change, only = CLIPPING[name]

    def low(args: Any, out: Any) -> Any:
        tensor = args[0][0] if isinstance(args[0], (list, tuple)) else args[0]
        return change(args, out) if tensor.dtype in (torch.float32, torch.bfloat16) else None

    # The rounding of the total to 8 bits hides one entry in a hundred of one tensor.
    for dtype in ("float32",) if "tail" in name else ("float32", "bfloat16"):
        assert caught("gradient.clip", dtype, after(operator, low), only), dtype


# --- list operators ---------------------------------------------------------------------------------------------------
def test_every_list_operator_is_judged_in_place_and_out_of_place() -> None:
    """One element of the last tensor of the list is off: each of the operators that the probe names notices."""
    module = execute.load(PROBES["gradient.foreach"])
    ctx = context.Context(torch, "cpu", "float32", "gradient.foreach")
    for call in module.calls(ctx, [1, 2], 1.0):
        for suffix in ("", "_"):
            name = f"_foreach_{call.name}{suffix}"
            if not hasattr(torch, name):
                continue

            def change(args: Any, out: Any, inplace: str = suffix) -> None:
                bump((args[0] if inplace else out)[-1])

            only = (call.name + " " + call.label).strip()
            assert caught("gradient.foreach", "float32", after(name, change), only), (name, call.label)


def test_a_fault_beyond_one_chunk_and_one_of_many_tensors_is_seen() -> None:
    def chunk(args: Any, out: Any) -> None:
        for tensor in args[0]:
            if tensor.numel() > 65536:
                tensor[65536] += 1

    def many(args: Any, out: Any) -> None:
        if len(args[0]) > 110:
            bump(args[0][110])

    for dtype in ("float32", "float16", "bfloat16"):
        assert caught("gradient.foreach", dtype, after("_foreach_lerp_", chunk), "65,537")
        assert caught("gradient.foreach", dtype, after("_foreach_lerp_", many), "lerp")


# --- accumulation -----------------------------------------------------------------------------------------------------
def overwriting() -> Any:
    """An accumulation that keeps the new gradient alone; autograd adds in place, or out of place under a mode."""

    def alter(called: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        if called in ("add", "add_") and all(isinstance(a, torch.Tensor) and a.dim() == 2 for a in args[:2]):
            out.copy_(args[1])
        return out

    return _dispatch.after_each(torch, alter)


def test_an_accumulation_that_overwrites_is_seen() -> None:
    for dtype in ("float32", "float16", "bfloat16"):
        assert caught("gradient.accumulate", dtype, overwriting(), "micro-batches")


ACCUMULATION: dict[str, tuple[str, Callable[[Any, Any], Any], str]] = {
    "a stale second backward": ("mm", lambda a, out: out * 0, "backward twice through one graph, linear"),
    "convolution gradient": (
        "convolution_backward",
        lambda a, out: (out[0], out[1] * 2, out[2]),
        "batches, convolution",
    ),
    "recomputation": ("threshold_backward", lambda a, out: out * 2, "checkpoint not reentrant, linear"),
    "one of two uses": (
        "add",
        lambda a, out: a[0] if a[0].dim() == 2 else None,
        "backward twice through one graph, shared",
    ),
    "zero_grad leaves the last": ("zero_", lambda a, out: bump(a[0]), "set_to_none False"),
    "gradient of a gradient": ("pow", lambda a, out: out + 1, "gradient of a gradient"),
    "packing": ("cat", lambda a, out: out.roll(1) if out.dtype == torch.bfloat16 else None, "vector"),
    "weight norm": ("_weight_norm_interface", lambda a, out: (out[0] * 2, out[1]), "weight norm"),
}


@pytest.mark.parametrize("name", ACCUMULATION)
def test_a_fault_behind_a_backward_pass_is_seen(name: str) -> None:
    operator, change, only = ACCUMULATION[name]

    def low(args: Any, out: Any) -> Any:
        tensor = next(t for t in _dispatch.tensors(torch, args))
        return change(args, out) if tensor.dtype == torch.bfloat16 else None

    assert caught("gradient.accumulate", "bfloat16", after(operator, low), only)


# --- averages ---------------------------------------------------------------------------------------------------------
AVERAGES: dict[str, tuple[str, Callable[[Any, Any], Any], str]] = {
    "lerp takes the weights the other way": ("lerp_", lambda a, out: a[0].copy_(a[1]), "EMA by lerp"),
    "list lerp skips a tensor": ("_foreach_lerp_", lambda a, out: bump(a[0][5]), "list lerp"),
    "decay lost": ("mul_", lambda a, out: a[0].mul_(2), "multiply and add, decay 0.9998"),
    "buffers averaged": (
        "copy_",
        lambda a, out: bump(a[0]) if a[0].dim() and a[0].dtype != torch.int64 else None,
        "running",
    ),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_a_fault_of_an_average_is_seen(name: str) -> None:
    operator, change, only = AVERAGES[name]

    def low(args: Any, out: Any) -> None:
        tensor = next(t for t in _dispatch.tensors(torch, args))
        if tensor.dtype == torch.float32:
            change(args, out)

    assert caught("gradient.average", "float32", after(operator, low), only)


def test_a_stale_average_is_seen_from_the_second_step_on() -> None:
    def stale(args: Any, out: Any) -> None:
        if args[0].dtype == torch.float32 and args[0].numel() == 1025:
            args[0].zero_()

    assert "after step" in caught("gradient.average", "float32", after("add_", stale, first=2), "multiply and add")


@pytest.mark.parametrize("change", ["coarse", "ulp"])
@pytest.mark.parametrize("operator", ["_foreach_norm", "_foreach_sub", "_foreach_add", "_foreach_lerp", "_foreach_mul"])
def test_a_list_operator_that_loses_bits_is_seen(operator: str, change: str) -> None:
    label, _ = first_failure("gradient.foreach", "float32", mutation(operator, change))
    assert label
