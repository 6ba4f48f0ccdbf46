"""Runs a probe in this process with a fault behind torch's operators."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch

from hwcompat.probes import catalogue, context, execute, torch_state
from hwcompat.probes.simulate import _dispatch

PROBES = {probe.id: probe for probe in catalogue.listing()}
LOW = (torch.float16, torch.bfloat16)

Alter = Callable[[tuple[Any, ...], Any], Any]


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
