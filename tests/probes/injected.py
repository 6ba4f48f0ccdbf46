"""Runs a probe in this process with a fault behind torch's operators."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch

from hwcompat.probes import catalogue, context, execute, torch_state
from hwcompat.probes.simulate import _dispatch, _mutation

PROBES = {probe.id: probe for probe in catalogue.listing()}
LOW = (torch.float16, torch.bfloat16)

Alter = Callable[[tuple[Any, ...], Any], Any]


def runs(probes: Iterable[catalogue.Probe]) -> list[Any]:
    """(probe id, dtype) for every dtype of `probes`, as parameters of a test."""
    return [pytest.param(probe.id, dtype, id=f"{probe.id}-{dtype}") for probe in probes for dtype in probe.dtypes]


def family(*names: str) -> list[catalogue.Probe]:
    """The probes whose id begins with one of `names` and a dot."""
    return [probe for probe in PROBES.values() if probe.id.split(".")[0] in names]


def outcome(probe: str, dtype: str, fault: Any = None, **options: Any) -> dict[str, Any]:
    """The result of `probe` inside the context manager `fault` (None: a healthy machine)."""
    with fault or contextlib.nullcontext():
        return execute.run(torch, PROBES[probe], dtype, **options)


def fault(name: str, change: Alter, dtypes: tuple[torch.dtype, ...] = LOW) -> Any:
    """After every operator `name` on tensors of `dtypes`: its result becomes `change(args, result)`."""

    def alter(called: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        hit = called == name and isinstance(args[0], torch.Tensor) and args[0].dtype in dtypes
        return change(args, out) if hit else out

    return _dispatch.after_each(torch, alter)


def mutation(operator: str, change: str, result: int = 0) -> Any:
    """Result number `result` of `operator` suffers `change` of simulate/_mutation.py wherever it is float32.

    "coarse" leaves the 11 significant bits of TF32, "ulp" puts one element one unit off.
    """
    return _mutation.mode(torch, operator, "", "float32", result, change)


def first_failure(probe: str, dtype: str, fault: Any = None, seed: int = 0, level: str = "standard") -> tuple[str, Any]:
    """(label, Judgement) of the first case that fails inside `fault`, ("", None) if none does: quicker than all."""
    found = PROBES[probe]
    with torch_state.preserved(torch), fault or contextlib.nullcontext():
        torch_state.judging(torch)
        ctx = context.Context(torch, "cpu", dtype, probe, level, seed)
        for label, case in execute.load(found).cases(ctx):
            judgement = case()
            if judgement.status == "fail":
                return label, judgement
    return "", None


def caught(probe: str, dtype: str, fault: Any, only: str = "") -> str:
    """What the first case (of those whose label holds `only`) that fails under the fault says; "" if none does."""
    ctx = context.Context(torch, "cpu", dtype, probe)
    with fault:
        for label, case in execute.load(PROBES[probe]).cases(ctx):
            if only in label:
                found = case()
                if found.status != "pass":
                    assert found.status == "fail"
                    return f"{label}: {found.detail}"
    return ""
