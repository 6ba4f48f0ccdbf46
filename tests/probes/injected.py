"""Runs a probe in this process with a fault behind torch's operators."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch

from hwcompat.probes import catalogue, execute
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
