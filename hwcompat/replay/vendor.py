"""The step again without the vendor's library, where an operator has no form that could be judged alone.

A fused kernel (an LSTM of oneDNN or cuDNN) runs in one type on one device. Without the library the same layer is made
of operators that have a float64 shadow: the two referees are that step in its own type and in float64, and the largest
number in it is the certificate.
"""

import warnings
from dataclasses import dataclass

import torch

from . import referee

AGREE = 0.05
"""Share by which the losses of the two referees may differ: a float16 loss has three digits, and sums of them fewer."""


@dataclass(frozen=True)
class Without:
    """A step without a library, sane in its own type and in float64: the two losses, and the largest number in it."""

    library: str
    loss: float
    wide_loss: float
    largest: float


def without(replayer, saved, root_type, limit, seconds):
    """The Without of a step, or None where it is bad too, cannot be judged, or comes near the end of its type."""
    name, flags = _library(root_type)
    if flags is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the switch speaks of TF32 on devices that are not here
        with flags():
            run = replayer.recorded(saved, seconds=seconds, measure=True)
    wide = replayer.wide_loss(run)
    if run.bad or run.error is not None or wide is None or run.value is None:
        return None
    if abs(run.value - wide) > AGREE * max(abs(wide), 1e-3) or not run.recorder.largest < limit / referee.MARGIN:
        return None
    return Without(name, run.value, wide, run.recorder.largest)


def _library(kind):
    if kind == "cuda":
        return "cuDNN", lambda: torch.backends.cudnn.flags(enabled=False)
    if kind == "cpu" and torch.backends.mkldnn.is_available():
        return "oneDNN", lambda: torch.backends.mkldnn.flags(enabled=False)
    return "", None


SWITCH = {"cuDNN": "torch.backends.cudnn.enabled = False", "oneDNN": "torch.backends.mkldnn.enabled = False"}
