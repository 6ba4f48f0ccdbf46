"""A finite result that is nowhere near float64: a kernel's fault where the same device gets it right by another way.

Then no bound on rounding is needed: the other way works in the same type on the same inputs, so whatever rounding can
do it does there too. Where there is no other way, an operator of one step for each element, or a sum, is judged by a
bound: |out - f(x)| <= n u (|f(|x|)| + |f(x)|) and what underflows, with a factor of 64 for the function itself (Higham
2002, sections 2.1 and 4.2). Matrix products and convolutions have a bound of their own (module `audit`).
"""

import time
from dataclasses import dataclass

import torch
from torch.utils._pytree import tree_flatten

from . import opfacts, opreplay, referee

FAR, NEAR = 0.5, 0.05
"""Relative distances from float64, in the 2-norm: wrong by half of it, or right within a twentieth."""

OFF = 0.1
"""What is less wrong than this is not looked at: a training bears it."""


@dataclass(frozen=True)
class Crooked:
    """Where it is, and how far its result and that of the other way are from float64; `way`: '' where there is none."""

    module: str
    phase: str
    source: str
    op: str
    way: str
    far: float
    near: float


def look(func, name, args, kwargs, out, spot, device, until=float("inf")):
    """A Crooked for an operator just run, or None. `args` as they were before it ran. `until`: a time.monotonic() from
    which on nothing is looked at: float64 on a processor takes its time."""
    if time.monotonic() > until:
        return None
    if name in opfacts.LINEAR or name in opfacts.UNFILLED | opfacts.OVERWRITING or opfacts.is_random(func):
        return None
    if out is None or not _comparable(out):
        return None
    true = referee.truth(func, name, args, kwargs)
    far = _distance(out, true)
    if far is None or not far > OFF:
        return None
    operator = opreplay.Operator(func, name, args, kwargs, device)
    for way, other in opreplay.other_ways(operator) if far > FAR else ():
        near = _distance(other, true)
        if near is not None and near < NEAR:
            again = _distance(operator.run(), true)  # wrong still: else it was the moment that differed, not the way
            return Crooked(spot[0], spot[1], spot[2], name, way, far, near) if (again or 0.0) > FAR else None
    if name.rstrip("_") in opfacts.ELEMENTWISE and _beyond_rounding(func, name, args, kwargs, out, true):
        again = operator.run()
        if (_distance(again, true) or 0.0) > OFF:
            return Crooked(spot[0], spot[1], spot[2], name, "", far, 0.0)
    return None


FUNCTION = 64.0
"""Units in the last place that the approximation of a function may cost."""


def _beyond_rounding(func, name, args, kwargs, out, true):
    """Whether two referees agree on the true result, and no rounding of sane code explains what came out."""
    [given], [right] = referee.flat(out)[:1], referee.flat(true)[:1]
    second, _largest = referee.second(func, name, list(args), kwargs, given.dtype)
    if not referee.finite(true) or second is None or not referee.agree([right], second):
        return False
    sizes = referee.truth(func, name, *opfacts.magnitudes(*referee.arguments(name, args, kwargs)))
    if not referee.finite(sizes) or referee.flat(sizes)[0].shape != right.shape:
        return False
    limits = torch.finfo(given.dtype)
    terms = FUNCTION + max([t.numel() // max(1, right.numel()) for t in referee.flat(args)] or [1])
    allowed = terms * limits.eps * (referee.flat(sizes)[0].abs() + right.abs()) + terms * limits.tiny
    return bool(((given.detach().cpu().double() - right).abs() > allowed).any())


def _comparable(out):
    floats = [t for t in tree_flatten(out)[0] if isinstance(t, torch.Tensor) and t.dtype in referee.FLOATS]
    return bool(floats) and all(t.numel() and bool(torch.isfinite(t).all()) for t in floats)


def _distance(out, true):
    """The largest |out - true| / |true| of any output in the 2-norm; None where they cannot be compared."""
    if true is None or out is None:
        return None
    pairs = list(zip(referee.flat(out), referee.flat(true)))
    if not pairs or any(a.shape != b.shape for a, b in pairs):
        return None
    sizes = [(float((a.detach().cpu().double() - b).norm()), float(b.norm())) for a, b in pairs]
    return max([gap / size for gap, size in sizes if size > 0.0] or [0.0])
