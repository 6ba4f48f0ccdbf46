"""Conversions in every layout: silent on a healthy machine, loud for a wrong one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from probes import conditional
from probes.conditional import broken
from probes.injected import first_failure, outcome

from hwcompat.probes.simulate import _dispatch

DTYPES = ("float32", "float16", "bfloat16")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("probe", ["cast.layout", "cast.double"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_machine_passes(probe: str, dtype: str, seed: int) -> None:
    result = outcome(probe, dtype, seed=seed)
    assert result["status"] == "pass", result["detail"]
    assert not result["skipped_cases"]
    assert not result["features"]
    assert result["data"].get("double_rounding", False) == (probe == "cast.double" and dtype != "float32")


@pytest.mark.parametrize("when", [conditional.always, *conditional.CONDITIONS], ids=lambda f: f.__name__)
@pytest.mark.parametrize("operator", ["_to_copy", "copy_"])
def test_a_broken_conversion_is_caught_even_if_only_sometimes_broken(operator: str, when: Any) -> None:
    for dtype in DTYPES:
        assert first_failure("cast.layout", dtype, broken(operator, when=when))[1] is not None


def converting(change: Any) -> Any:
    """Conversions (source, result) -> result."""

    def alter(name: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        return change(args[0], out) if name == "_to_copy" else out

    return _dispatch.after_each(torch, alter)


@pytest.mark.parametrize("dtype", DTYPES)
def test_integers_are_truncated_and_nan_is_true(dtype: str) -> None:
    own = getattr(torch, dtype)

    def nearest(source: Any, out: Any) -> Any:
        whole = out.dtype in (torch.int32, torch.uint8) and source.dtype == own
        return source.double().round().to(out.dtype) if whole else out

    def false(source: Any, out: Any) -> Any:
        return out & ~torch.isnan(source) if out.dtype == torch.bool and source.dtype == own else out

    assert first_failure("cast.layout", dtype, converting(nearest))[0].startswith("to ")
    assert first_failure("cast.layout", dtype, converting(false))[0] == "to bool"


def test_integers_that_saturate_are_caught() -> None:
    def saturated(source: Any, out: Any) -> Any:
        return torch.clamp(out, -65504, 65504) if out.dtype == torch.float16 and source.dtype == torch.int64 else out

    assert "int64" in first_failure("cast.layout", "float16", converting(saturated))[0]


def test_a_copy_that_shares_memory_is_caught() -> None:
    def shared(name: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        return args[0] if name == "clone" and args[0].is_contiguous() else out

    label = first_failure("cast.layout", "float32", _dispatch.after_each(torch, shared))[0]
    assert label == "copies share no memory"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_float64_may_be_rounded_twice_but_not_cut_off(dtype: str) -> None:
    def cut(source: Any, out: Any) -> Any:
        if source.dtype != torch.float64 or out.dtype != getattr(torch, dtype):
            return out
        bits = out.view(torch.int16)
        return torch.where(out.double().abs() > source.abs(), bits - 1, bits).view(out.dtype)

    assert first_failure("cast.double", dtype, converting(cut))[0].startswith("float64 to")
