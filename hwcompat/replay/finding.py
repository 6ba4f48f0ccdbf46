"""What the watch says about a bad step: a frozen value."""

from dataclasses import dataclass
from typing import Optional, Tuple

CAUSES = (
    "hardware",
    "library",
    "compiler",
    "fp16-overflow",
    "fp16-accumulation",
    "underflow",
    "gradient-underflow",
    "division-by-zero",
    "learning-rate",
    "exploding-gradients",
    "initialisation",
    "bad-data",
    "bad-labels",
    "input-scale",
    "zero-grad",
    "optimizer-eps",
    "scaler-misuse",
    "batch-statistics",
    "singular-gradient",
    "masked-softmax",
    "weight-decay",
    "unknown",
)
CERTAINTIES = ("proved", "by counterfactual", "suspected", "unknown")
PHASES = ("data", "forward", "loss", "backward", "optimizer")
LOSS, OPTIMIZER, DATA = "<loss>", "<optimizer>", "<data>"


@dataclass(frozen=True)
class Finding:
    """Why a step went bad.

    `step`: the first bad step, from 0. `module`: a name of named_modules(), or <loss>, <optimizer>, <data>. `op`: the
    operator as torch calls it. `dtype`, `shapes`: of its output and inputs. `source`: file:line of the user's own code.
    `sample`: index in the batch, where one sample did it. `kind`: for hardware: persistent, transient or silent.
    `evidence`: lines to print. `remedy`: the one change to make. `checked`, `not_checked`: what was looked at.
    """

    cause: str
    certainty: str
    step: int
    phase: str = ""
    module: str = ""
    op: str = ""
    dtype: str = ""
    evidence: Tuple[str, ...] = ()
    remedy: str = ""
    kind: str = ""
    shapes: Tuple[Tuple[int, ...], ...] = ()
    source: str = ""
    sample: Optional[int] = None
    checked: Tuple[str, ...] = ()
    not_checked: Tuple[str, ...] = ()

    def __post_init__(self):
        if self.cause not in CAUSES or self.certainty not in CERTAINTIES or self.phase not in ("",) + PHASES:
            raise ValueError("no such cause, certainty or phase: %r" % ((self.cause, self.certainty, self.phase),))

    def __str__(self):
        """The finding as a person reads it; the first line says what and where."""
        place = " at %s" % self.module if self.module else ""
        op = " (%s)" % self.op if self.op else ""
        kind = ", %s" % self.kind if self.kind else ""
        lines = ["step %d: %s%s, %s%s%s" % (self.step, self.cause, kind, self.certainty, place, op)]
        lines += ["  " + line for line in self.evidence]
        if self.source:
            lines.append("  at " + self.source)
        if self.remedy:
            lines.append("  do: " + self.remedy)
        lines += ["  not checked: " + line for line in self.not_checked]
        return "\n".join(lines)
