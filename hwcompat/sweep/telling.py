"""The table of a sweep, its plan and its answer, as text and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hwcompat.wording import ascii_line

from .choice import Choice, fastest, milliseconds
from .ledger import Outcome, Step, to_json
from .planning import Candidate, Plan

PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "fp8", "amp_fp16", "amp_bf16", "memory")
SHOWN_REFUSALS = 12
_STEPS = ("fp32", "amp_fp16", "amp_bf16")


def table(outcomes: Sequence[Outcome], best: Outcome | None) -> list[str]:
    """One line a build, as it was measured; `>` marks the one to use."""
    shown = [name for name in PRECISIONS if any(_is_known(each, name) for each in outcomes)]
    head = ["", "build", "python", *shown, *[f"{name} step" for name in _STEPS], "size", "time"]
    rows = [[">" if each is best else "", *_cells(each, shown)] for each in outcomes]
    widths = [
        max(len(row[n]) for row in [head, *rows] if n < len(row) - 1 or len(row) == len(head)) for n in range(len(head))
    ]
    return [
        ascii_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)))
        for row in [head, *rows]
    ]


def _is_known(outcome: Outcome, name: str) -> bool:
    return outcome.verdicts.get(name, "unknown") != "unknown"


def _cells(outcome: Outcome, shown: Sequence[str]) -> list[str]:
    build = outcome.build + (" (installed)" if outcome.installed else "")
    if outcome.outcome != "measured":
        return [build, outcome.python, f"{_WORDS[outcome.outcome]}: {outcome.detail}"]
    verdicts = [outcome.verdicts.get(name, "unknown") for name in shown]
    return [build, outcome.python, *verdicts, *_step_cells(outcome), _size(outcome.bytes), f"{outcome.seconds:.0f} s"]


_WORDS = {
    "broken": "broken",
    "other": "not this build",
    "failed": "not measured",
    "unreachable": "not fetched",
    "no room": "left out",
}


def _step_cells(outcome: Outcome) -> list[str]:
    """The faster layout of each precision; AMP with its gain over fp32 in the same layout."""
    return [_step_cell(outcome.steps, name) for name in _STEPS]


def _step_cell(steps: Mapping[str, Step], name: str) -> str:
    layouts = [key for key in steps if key.split(" ")[0] == name]
    if not layouts:
        return "-"
    key = min(layouts, key=lambda each: steps[each].seconds)
    base = steps.get(key.replace(name, "fp32"))
    gain = f" {base.seconds / steps[key].seconds:.2f}x" if base and name != "fp32" else ""
    return milliseconds(steps[key]) + gain + ("?" if steps[key].note else "")


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB" if size else "-"


def remarks(outcomes: Sequence[Outcome]) -> list[str]:
    """What the reader of the table should know of its figures."""
    steps = [step for each in outcomes for step in each.steps.values()]
    batches = sorted({each.batch for each in outcomes if each.batch})
    told = (
        [f"step: one training step of a small convolution net, batch {batches[0]}, the faster layout"]
        if batches
        else []
    )
    notes = sorted({word for step in steps for word in step.note.split("; ") if word})
    return told + ([f"?: {', '.join(notes)}: such a time decides little or nothing"] if notes else [])


def answer(choice: Choice) -> str:
    """The recommendation in one line."""
    if choice.best is None:
        return f"no build to recommend: {choice.because}"
    here = " (the one installed)" if choice.best.installed else ""
    return f"use torch {choice.best.build} on Python {choice.best.python}{here}: {choice.because}"


# --- before anything is installed -------------------------------------------------------------------------------------


def plan_lines(plan: Plan, left_out: int, known: Mapping[str, str], sizes: Mapping[str, int]) -> list[str]:
    """What would be done, in order. known: {build and Python: its outcome} of what is done already; sizes: in bytes."""
    lines = [_planned(number, each, known, sizes) for number, each in enumerate(plan.candidates, 1)]
    if left_out:
        lines.append(f"{left_out} more could run: --most {len(plan.candidates) + left_out}, or name them with --torch")
    lines += [f"cannot run: {each.build}: {each.reason}" for each in plan.refused[:SHOWN_REFUSALS]]
    more = len(plan.refused) - SHOWN_REFUSALS
    return [ascii_line(line) for line in [*lines, *([f"cannot run: {more} more (--json)"] if more > 0 else [])]]


def _planned(number: int, candidate: Candidate, known: Mapping[str, str], sizes: Mapping[str, int]) -> str:
    size = sizes.get(candidate.build)
    facts = [
        "installed" if candidate.installed else f"about {_size(size)}" if size else "",
        f"{known[_name(candidate)]} before, kept" if _name(candidate) in known else "",
        *candidate.notes,
    ]
    told = "; ".join(fact for fact in facts if fact)
    return f"{number:3}. {candidate.build} on Python {candidate.python.version}" + (f"  ({told})" if told else "")


def _name(candidate: Candidate) -> str:
    return f"{candidate.build} {candidate.python.version} {candidate.installed}"


def name_of(outcome: Outcome) -> str:
    """The key of `known` in plan_lines."""
    return f"{outcome.build} {outcome.python} {outcome.installed}"


# --- JSON -------------------------------------------------------------------------------------------------------------


def plan_json(plan: Plan, left_out: int) -> dict[str, Any]:
    return {
        "candidates": [
            {"build": e.build, "python": e.python.version, "installed": e.installed, "notes": list(e.notes)}
            for e in plan.candidates
        ],
        "refused": [each._asdict() for each in plan.refused],
        "left_out": left_out,
    }


def as_json(outcomes: Sequence[Outcome], choice: Choice, plan: Plan, left_out: int, facts: Mapping[str, Any]) -> Any:
    """The whole sweep for programs. `facts`: what is to be said of it besides."""
    best = choice.best
    return {
        "schema": 1,
        **facts,
        "best": {"build": best.build, "python": best.python, "installed": best.installed} if best else None,
        "because": choice.because,
        "fastest": {each.build: time.name for each in outcomes if (time := fastest(each))},
        "outcomes": [{k: v for k, v in to_json(each).items() if k != "schema"} for each in outcomes],
        **{name: value for name, value in plan_json(plan, left_out).items() if name != "candidates"},
    }
