"""A look at linear operators of a live step against float64, now and then: a wrong number that is finite trips no wire.

Only a part of each operator is recomputed (some rows, some samples, some channels), so that an audited step costs a few
ordinary ones; how often it happens depends on what it cost. The step itself runs once, with the bits it always has.
"""

import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from . import opfacts, referee

ROWS, SAMPLES, CHANNELS = 32, 2, 4
FLOOR = 2.0**-14
"""Below this the smallest steps of float16 are no longer small against the value."""

CONVOLUTION_SLACK = 4.0
"""Transforms (Winograd) round more often than the direct sum."""


class Auditor(TorchDispatchMode):
    """Runs every operator as it is and compares linear ones.

    `suspects` holds the first wrong one; `lone`: a normalisation was taken over groups of one value each.
    """

    def __init__(self):
        super().__init__()
        self.suspects, self.looked, self.lone = [], 0, False
        self.began, self.running = time.monotonic(), 0.0

    @property
    def cost(self):
        """Seconds since it was made that were not the step's own operators'."""
        return time.monotonic() - self.began - self.running

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        began = time.monotonic()
        out = func(*args, **(kwargs or {}))
        self.running += time.monotonic() - began
        name = opfacts.name_of(func)
        self.lone = self.lone or opfacts.lone(name, args)
        if name in opfacts.LINEAR and not self.suspects:
            self.looked += 1
            if wrong(func, name, args, kwargs or {}, out):
                self.suspects.append(name)
        return out


def wrong(func, name, args, kwargs, out):
    """Whether a part of a linear operator's output is further from float64 than rounding explains."""
    try:
        with referee.quiet(out_device(out)), referee.alone():
            return any(error > allowed(name, part.dtype) for error, part in errors(func, name, args, kwargs, out))
    except Exception:  # an unusual form of the operator is left alone
        return False


def out_device(out):
    return _first(out).device.type


def allowed(name, dtype):
    """The largest error, relative to sum |a||b|, that needs no explanation."""
    return 8.0 * unit(dtype) * (CONVOLUTION_SLACK if "convolution" in name else 1.0)


def unit(dtype):
    """Half an ulp of one; float32 counts as TF32, which is legal where it is switched on."""
    return {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8, torch.float32: 2.0**-11}.get(dtype, 2.0**-40)


def errors(func, name, args, kwargs, out):
    """(largest error relative to sum |a||b|, the part of the output) for each part that is recomputed."""
    found = []
    for part_args, part in parts(name, list(args), out):
        if part.dtype not in (torch.float16, torch.bfloat16, torch.float32) or not bool(torch.isfinite(part).all()):
            continue
        wide, options = tree_map(_wide, part_args), tree_map(_wide, kwargs)
        exact = _first(func(*wide, **options))
        sizes, factors = opfacts.magnitudes(wide, options)
        bound = _first(func(*sizes, **factors))
        found.append((relative(part, exact, bound), part))
    return found


def relative(part, exact, bound):
    """The largest |part - exact| / bound where the bound is not tiny."""
    gap = (part.detach().to(exact.device).double() - exact).abs() / bound.clamp_min(1e-300)
    gap = gap[(bound > FLOOR) & (exact.abs() < 6e4 if part.dtype == torch.float16 else exact == exact)]
    return float(gap.max()) if gap.numel() else 0.0


def _wide(value):
    if isinstance(value, torch.Tensor) and value.dtype in referee.FLOATS:
        return value.detach().double()
    return value


def _first(out):
    if isinstance(out, torch.Tensor):
        return out
    return next(value for value in out if isinstance(value, torch.Tensor))


def some(count, wanted):
    """`wanted` indices spread over 0 .. count - 1, first and last among them."""
    if count <= wanted:
        return list(range(count))
    return sorted({round(i * (count - 1) / (wanted - 1)) for i in range(wanted)})


def parts(name, args, out):
    """[(arguments, the output part that belongs to them)] for an operator of opfacts.LINEAR."""
    if name in ("mm", "mv"):
        rows = some(args[0].shape[0], ROWS)
        return [([args[0][rows]] + args[1:], out[rows])]
    if name == "addmm":
        rows = some(args[1].shape[0], ROWS)
        return [([args[0].expand(out.shape)[rows], args[1][rows]] + args[2:], out[rows])]
    if name in ("bmm", "baddbmm"):
        batches = some(out.shape[0], SAMPLES)
        if name == "bmm":
            return [([args[0][batches], args[1][batches]], out[batches])]
        return [([args[0].expand(out.shape)[batches], args[1][batches], args[2][batches]], out[batches])]
    if name in opfacts.CONVOLUTION:
        batches = some(out.shape[0], SAMPLES)
        return [([args[0][batches]] + args[1:], out[batches])]
    if name in opfacts.CONVOLUTION_BACKWARD:
        return _backward_parts(args, out)
    return []


def _backward_parts(args, out):
    grad, inputs, weight = args[:3]
    found = []
    if out[0] is not None:
        batches = some(grad.shape[0], SAMPLES)
        found.append(([grad[batches], inputs[batches], weight] + args[3:10] + [[True, False, False]], out[0][batches]))
    transposed, groups = args[7], args[9]
    if out[1] is not None and not transposed and groups == 1:
        channels = some(weight.shape[0], CHANNELS)
        changed = [grad[:, channels], inputs, weight[channels], None] + args[4:10] + [[False, True, False]]
        found.append((changed, out[1][channels]))
    return found
