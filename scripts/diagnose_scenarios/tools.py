"""The tools that are compared: each watches one training and gives a Verdict.

What a tool does not state stays None. The other tools get every help that leaves them as they are: modules carry their
names into Python's tracebacks, so that a line number of detect_anomaly can be read as a place.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from .scenario import LOSS, Scenario

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Verdict:
    """What a tool said; `detected` is False for silence. `error`: the tool itself failed, or the training raised."""

    detected: bool = False
    cause: str | None = None
    certainty: str | None = None
    step: int | None = None
    phase: str | None = None
    module: str | None = None
    error: str = ""
    told: list[str] = field(default_factory=list)


def hwcompat_watch(scenario: Scenario) -> Verdict:
    """hwcompat.watch, as its documentation says to use it."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    import hwcompat

    extra = {"extra_state": scenario.extra_state} if scenario.extra_state else {}
    watch = hwcompat.watch(
        scenario.model, optimizer=scenario.optimizer, scaler=scenario.scaler, on_finding="stop", **extra
    )
    error = ""
    with scenario.device():
        for batch in scenario.batches:
            try:
                watch.step(scenario.train_step, batch)
            except Exception as problem:
                error = f"{type(problem).__name__}: {problem}"
                break
            if watch.finding:
                break
    found = watch.finding
    if not found:
        return Verdict(error=error)
    return Verdict(
        True, found.cause, found.certainty, found.step, found.phase, found.module, error, [*map(str, found.evidence)]
    )


def anomaly(scenario: Scenario) -> Verdict:
    """torch.autograd.detect_anomaly: raises where a backward function returns NaN, and warns with its forward trace."""
    name_frames(scenario.model)
    with warnings.catch_warnings(record=True) as caught, scenario.device():
        warnings.simplefilter("always")
        with torch.autograd.detect_anomaly():
            step, problem = first_error(scenario, RuntimeError)
    if problem is None or "returned nan values" not in str(problem):
        return Verdict(error=str(problem or ""))
    trace = "".join(str(each.message) for each in caught if "Traceback of forward call" in str(each.message))
    modules = re.findall(r'File "<module ([^>]*)>"', trace)
    return Verdict(True, step=step, phase="backward", module=modules[-1] if modules else LOSS, told=[str(problem)])


def debug_underflow_overflow(scenario: Scenario) -> Verdict:
    """transformers' DebugUnderflowOverflow: forward hooks that raise at the first module with NaN or infinity."""
    from transformers.debug_utils import DebugUnderflowOverflow

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), scenario.device():
        DebugUnderflowOverflow(scenario.model, max_frames_to_save=1)
        step, problem = first_error(scenario, ValueError)
    if problem is None or "inf/nan detected" not in str(problem):
        return Verdict(error=str(problem or ""))
    return Verdict(True, step=step, phase="forward", module=last_frame(printed.getvalue()))


def last_frame(printed: str) -> str | None:
    """The module whose frame was printed last: a line of blanks, its name and its class, above its numbers."""
    titles = re.findall(r"^ {17,}(\S*) ([A-Z]\w*)$", printed, flags=re.M)
    return titles[-1][0] if titles else None


TOOLS: dict[str, Callable[[Scenario], Verdict]] = {
    "hwcompat": hwcompat_watch,
    "detect_anomaly": anomaly,
    "DebugUnderflowOverflow": debug_underflow_overflow,
}


def available(tool: str) -> bool:
    """Whether what the tool needs is installed here."""
    return tool != "DebugUnderflowOverflow" or importlib.util.find_spec("transformers") is not None


def first_error(scenario: Scenario, kind: type[Exception]) -> tuple[int, Exception | None]:
    """The step that raised and what it raised."""
    for step, batch in enumerate(scenario.batches):
        try:
            scenario.train_step(batch)
        except (kind, RuntimeError, ValueError) as problem:
            return step, problem
    return scenario.steps, None


def name_frames(model: Any) -> None:
    """Let each module's forward run in a frame whose file name says which module it is; compiled models are left."""
    if hasattr(model, "_orig_mod"):
        return
    for name, module in model.named_modules():
        if name:
            space = {"inner": module.forward}
            code = "def forward(*args, **kwargs):\n    return inner(*args, **kwargs)\n"
            exec(compile(code, f"<module {name}>", "exec"), space)
            module.forward = space["forward"]
