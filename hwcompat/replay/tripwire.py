"""The part that always runs: a few norms a step, one synchronisation, and what they mean. No state of the training."""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

import torch

from . import trees

HISTORY = 512
STUCK = 6
CREEPING = 16
BEYOND = 2.0**60
"""No gradient is so small that it needs such a scale: float16 begins at 2**-24, and float32 ends at 2**128."""

TESTED_STREAKS = frozenset((1, 2, 4, 8, 16, 32, 64))
"""A skipped step is looked into when this many came in a row: the warm-up of a loss scale skips for good reason."""


@dataclass(frozen=True)
class Reading:
    """One step in numbers; NaN and infinity mean what they say, None that there was nothing to measure."""

    loss: Optional[float]
    gradient: Optional[float]
    weights: Optional[float]
    scale: Optional[float]
    skipped: bool = False

    @property
    def bad(self):
        return any(value is not None and not is_finite(value) for value in (self.loss, self.gradient, self.weights))


def is_finite(value):
    return value == value and abs(value) != float("inf")


def norms(tensors):
    """One float32 scalar tensor for each device and type: the 2-norm of all of them."""
    groups: Dict[Any, List[Any]] = {}
    for tensor in tensors:
        tensor = tensor.detach()
        if tensor.layout != torch.strided:
            tensor = tensor._values() if tensor.layout == torch.sparse_coo else tensor.values()
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor)
        if tensor.numel() and tensor.is_floating_point() and tensor.device.type != "meta":
            groups.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    return [_norm(group) for group in groups.values()]


SMALL = 1 << 20
"""Elements up to which one norm over a copy is quicker than a norm for each tensor."""


def _norm(group):
    if group[0].device.type == "cpu" and sum(t.numel() for t in group) <= SMALL:
        whole = torch.cat([t.flatten() for t in group])
        wide = whole.dtype == torch.float64  # may not be narrowed on the way
        return torch.linalg.vector_norm(whole, dtype=None if wide else torch.float32).float()
    if hasattr(torch, "_foreach_norm"):
        parts = torch.stack(torch._foreach_norm(group))
    else:
        parts = torch.stack([torch.linalg.vector_norm(t) for t in group])
    return torch.linalg.vector_norm(parts.float())


def together(parts):
    """sqrt of the sum of squares of scalars on any device; None for none of them."""
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    return torch.linalg.vector_norm(torch.stack([part.to(parts[0].device) for part in parts]))


def gradient_norm(parameters):
    """The 2-norm of all gradients that are there now; None without any."""
    with torch.no_grad():
        whole = together(norms([p.grad for p in parameters if p.grad is not None]))
    return None if whole is None else float(whole)


def read(loss, gradients, parameters, scale_before, scale_after, weights=True):
    """The reading of a step; all scalars cross from the device at once.

    `weights`: whether to look at the parameters although nothing else is bad. Finite gradients rarely spoil them, and
    the next step tells: its diagnosis then goes back to this one.
    """
    with torch.no_grad():
        loss = trees.first_loss(loss)
        scalars = {
            "loss": None if loss is None else _scalar(loss),
            "gradient": together(norms(gradients)),
            "weights": together(norms(parameters)) if weights else None,
            "scale": scale_after,
            "before": scale_before,
        }
        values = _fetch(scalars)
        if not weights and not all(is_finite(v) for v in (values["loss"], values["gradient"]) if v is not None):
            values["weights"] = _fetch({"weights": together(norms(parameters))})["weights"]
    skipped = _was_skipped(values)
    return Reading(values["loss"], values["gradient"], values["weights"], values["scale"], skipped)


def _was_skipped(values):
    """The scale fell, or the gradients were bad and the weights are not: an optimizer would have spread them."""
    if values["scale"] is None:
        return False
    if values["before"] is not None and values["scale"] < values["before"]:
        return True
    bad = values["gradient"] is not None and not is_finite(values["gradient"])
    return bad and values["weights"] is not None and is_finite(values["weights"])


def _scalar(loss):
    loss = loss.detach()
    loss = loss.abs() if loss.is_complex() else loss
    return loss.float().sum() if loss.numel() > 1 else loss.float().reshape(())


def _fetch(scalars):
    there = {key: value for key, value in scalars.items() if value is not None}
    devices = {value.device for value in there.values()}
    if devices <= {torch.device("cpu")}:
        values = {key: float(value) for key, value in there.items()}
    else:
        target = next(d for d in devices if d.type != "cpu")
        numbers = torch.stack([v.to(target).float().reshape(()) for v in there.values()]).tolist()
        values = dict(zip(there, numbers))
    return {key: values.get(key) for key in scalars}


class History:
    """The readings so far, and how many steps in a row the scaler skipped."""

    def __init__(self):
        self.losses, self.gradients, self.weights, self.scales = [], [], [], []
        self.streak, self.clean = 0, 0

    def add(self, reading):
        for values, value in (
            (self.losses, reading.loss),
            (self.gradients, reading.gradient),
            (self.weights, reading.weights),
            (self.scales, reading.scale),
        ):
            values.append(value)
            if len(values) > HISTORY:
                del values[1]  # the first one stays: growth is measured against it
        self.streak = self.streak + 1 if reading.skipped else 0
        self.clean += not reading.skipped

    def stuck(self):
        """Whether the last STUCK steps were all skipped and the scale, where it is known, is where it was; or, of
        CREEPING skipped steps, hardly below (a usual scale halves at each), or above BEYOND still."""
        if self.streak < STUCK or len(self.scales) < STUCK:
            return False
        if self.scales[-1] == self.scales[-STUCK]:
            return True
        if self.streak < CREEPING or len(self.scales) < CREEPING or self.scales[-1] is None:
            return False
        return self.scales[-1] > min(0.5 * self.scales[-CREEPING], BEYOND)


LARGE = 1e38


def finite(tensors):
    """Whether every element is finite, exactly."""
    dense = [t.detach() if t.layout == torch.strided else t.detach()._values() for t in tensors]
    return all(bool(torch.isfinite(t).all()) for t in dense)


def hard_trip(reading, history):
    """Why the step just read must be looked into, or an empty string."""
    if reading.loss is not None and not is_finite(reading.loss):
        return "loss" if not reading.skipped or history.streak in TESTED_STREAKS else ""
    if reading.weights is not None and not is_finite(reading.weights):
        return "weights"
    if reading.gradient is not None and not is_finite(reading.gradient):
        if not reading.skipped:
            return "gradient"
        if reading.scale is None:  # the scale at which the step would be sane is not known
            due = history.streak == STUCK or history.streak in TESTED_STREAKS
            return "skipped" if due and history.stuck() else ""
        return "skipped" if history.streak in TESTED_STREAKS or history.stuck() else ""
    if reading.skipped and (history.stuck() or (reading.scale is not None and reading.scale < 1.0)):
        return "skipped"
    return ""


GROWTH = 1e5
LEVEL, PERIOD = 10.0, 10
ABATED = 0.1
"""A loss that has come down so far from where it had jumped to is on its way back."""


def diverges(history):
    """Whether finite losses run away: by GROWTH and still growing, or PERIOD steps far above the first, unabated, or by
    leaps while the weights grow."""
    if _leaps(history):
        return True
    recent, first = history.losses[-PERIOD:], began(history.losses)
    if len(recent) < 4 or first is None or any(v is None or not is_finite(v) for v in recent):
        return False
    losses = recent
    last = [abs(v) for v in losses[-4:]]  # a loss without a lower end runs away below 0
    if last[-1] > GROWTH * first and all(a < b for a, b in zip(last, last[1:])):
        return True
    if len(history.losses) <= PERIOD or min(recent) < LEVEL * first:
        return False
    return losses[-1] >= max(sorted(recent)[PERIOD // 2], ABATED * max(recent))


LEAST = 1e-2
"""What a first loss counts for at least when later ones are measured against it."""


def began(losses):
    """What later losses are measured against; None where the first one is no number."""
    if not losses or losses[0] is None or not is_finite(losses[0]):
        return None
    return max(abs(losses[0]), LEAST)


def exploded(losses):
    """Whether the loss is GROWTH times the first one, so that the other wires will have it."""
    first = began(losses)
    return first is not None and losses[-1] is not None and losses[-1] > GROWTH * first


LEAPS, WINDOW = 4, 32


def _leaps(history):
    """Whether the loss is above LEVEL times the first again and again, and the weights are LEVEL times as large."""
    first = began(history.losses)
    if len(history.losses) < WINDOW or first is None:
        return False
    level = LEVEL * first
    leaps = sum(v is not None and is_finite(v) and v > level for v in history.losses[-WINDOW:])
    if leaps < LEAPS:  # asked first: it is what a sound training answers with no, and it is the cheaper question
        return False
    weights = [v for v in history.weights if v is not None]
    return len(weights) > 1 and weights[-1] >= LEVEL * weights[0]


SHRUNK = 0.3


def shrinks(history):
    """Whether the norm of the weights falls, reading by reading, to a third of what it was."""
    norms = [v for v in history.weights if v is not None]
    return len(norms) > 2 and norms[-1] < SHRUNK * norms[0] and all(a > b for a, b in zip(norms, norms[1:]))


FLAT, DULL = 0.9, 0.8


def flat(losses, share=FLAT):
    """Whether the loss is above this share of where it began: the medians of the first and of the last steps."""
    known = [v for v in losses if v is not None and is_finite(v)]
    few = min(8, len(known) // 2)
    if few < 4 or not min(known) > 0.0:
        return False
    return sorted(known[-few:])[few // 2] > share * sorted(known[:few])[few // 2]


def learns(losses):
    """Whether the loss has come down: the median of the last three is well below the first one."""
    known = [v for v in losses if v is not None]
    return len(known) > 4 and sorted(known[-3:])[1] < 0.7 * known[0]
