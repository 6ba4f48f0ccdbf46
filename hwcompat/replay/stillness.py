"""Cheap looks at a step that went through, at a few steps only: do the gradients say anything, do the weights move."""

import torch

from . import tripwire
from .entry import decay_of
from .widened import LOW

MOSTLY = 0.9
SLOW = 1e-4
CREEPING = 1e-4
"""Steps of usual trainings change weights by about 1e-3 of their size (A. Karpathy, CS231n, Neural Networks 3)."""

LOOKS = 3
"""How often a look may lead to a re-run that finds nothing; after that it is not asked again."""


LATE = 32
"""The step from which on LOOKS are counted anew: by then a training shows what it does."""


ENOUGH = 8
"""Steps after which a training that learns nothing can be told from one that has only begun."""

ERASING = 0.2
"""A decay that takes so much of the weights at each step leaves a tenth of what was learnt ten steps ago."""


ONCE = ("scale", "below zero")
"""Looks that are taken once, and do not count."""


def below_zero(losses):
    """Whether the loss has fallen as far below 0 as it began above, or further."""
    known = [v for v in losses if v is not None]
    return len(known) > 1 and known[-1] < -max(1.0, abs(known[0]))


class Looks:
    """Decides at which sound steps something is looked into. A look that leads nowhere is not repeated for ever."""

    def __init__(self, optimizers, scaler):
        self.optimizers, self.scaler = optimizers, scaler
        self.rates, self.steady = [], False
        self.taken, self.scale_tested, self.lone, self.endless = 0, False, False, False

    def trip(self, step, history, slot, gradients, parameters):
        """Why this step is to be looked into, or an empty string."""
        if step == LATE and (not tripwire.learns(history.losses) or zero_share(gradients) > MOSTLY):
            self.taken = 0  # what was looked into early may have been looked into too early
        if self.taken >= LOOKS or not parameters or tripwire.exploded(history.losses):
            return ""
        shrinks = self._decay() > 0.01 and tripwire.shrinks(history) and not tripwire.learns(history.losses)
        found = "shrinks" if shrinks else ""
        if not found and (is_due(step) or not step):
            found = self._due(step, history, slot, gradients, parameters)
        self.taken += bool(found) and found not in ONCE
        return found

    def _due(self, step, history, slot, gradients, parameters):
        self._watch_rates()
        scaled = bool(getattr(self.scaler, "_enabled", False))
        stepped = moved(slot, parameters)
        if stepped and scaled and not self.scale_tested and not history.streak:
            self.scale_tested = True
            return "scale"
        if not step:  # the first step may be anything
            return ""
        if zero_share(gradients) > MOSTLY or least_live(gradients) > 0.99:
            return "zero gradients"
        if step >= ENOUGH and self._decay() > ERASING:
            return "erases"
        if step >= ENOUGH and not self.endless and below_zero(history.losses):
            self.endless = True
            return "below zero"
        if step >= ENOUGH and self.lone and not tripwire.learns(history.losses):
            return "lone"
        if not tripwire.learns(history.losses) and any(drowned(optimizer) for optimizer in self.optimizers):
            return "eps" if step >= ENOUGH else ""
        stands = step >= 4 * ENOUGH and not tripwire.learns(history.losses) and max(self.rates, default=0.0) > 0.0
        if stands and rounded_away(slot, parameters) > MOSTLY:
            return "rounded"
        if not stepped:
            return "still" if self.optimizers else ""
        ratio = update_ratio(slot, parameters) if scaled else None
        if ratio is not None and ratio < SLOW:
            return "still"
        if step < 4 * ENOUGH:
            return ""
        if tripwire.flat(history.losses, 0.7) and self._creeps(slot, parameters):
            return "slow"
        if tripwire.flat(history.losses):
            return "flat"
        if carries(slot) and not tripwire.learns(history.losses):
            return "leftovers"
        return "dull" if tripwire.flat(history.losses, tripwire.DULL) else ""

    def _creeps(self, slot, parameters):
        """Whether a step moves the weights by next to nothing, at a rate that nobody changes: no warm-up."""
        ratio = update_ratio(slot, parameters)
        return self.steady and ratio is not None and 0.0 < ratio < CREEPING

    def _watch_rates(self):
        """Keeps whether every learning rate is what it was at the look before."""
        rates = [float(group.get("lr") or 0.0) for optimizer in self.optimizers for group in optimizer.param_groups]
        self.steady, self.rates = rates == self.rates, rates

    def _decay(self):
        """The largest share of the weights that a weight decay alone takes away at every step."""
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        return max([decay_of(g) * float(g.get("lr") or 0.0) for g in groups], default=0.0)


SQUARES = ("exp_avg_sq", "square_avg", "sum")
"""What torch's optimizers call the running squares of gradients whose root they divide by, with eps added."""

DROWNED = 3.0
"""An eps so many times larger than every root leaves steps of less than a quarter of what they would be."""


def drowned(optimizer):
    """Whether eps is nearly all of the divisor, for every gradient of every group that has one."""
    groups = [g for g in optimizer.param_groups if isinstance(g.get("eps"), float)]
    roots = [_largest_root(optimizer, group) for group in groups]
    return bool(groups) and all(root is not None and root * DROWNED < g["eps"] for root, g in zip(roots, groups))


def _largest_root(optimizer, group):
    """The largest root of a mean square that the optimizer divides by; None where it keeps none."""
    states = [optimizer.state.get(p) for p in group["params"]]
    found = [(s[name], s.get("step")) for s in states if isinstance(s, dict) for name in SQUARES if name in s]
    largest = [_root(squares, steps, group.get("betas")) for squares, steps in found if squares.numel()]
    return max(largest) if largest else None


def _root(squares, steps, betas):
    """The root of the largest one, free of the bias toward 0 that a running mean begins with."""
    bias = 1.0 - float(betas[1]) ** float(steps) if betas and steps else 1.0
    return (float(squares.max()) / bias) ** 0.5


def is_due(step):
    """Steps 1, 2, 4, 8, ...: early, and ever more rarely."""
    return step > 0 and step & (step - 1) == 0


def _copies(slot):
    """id of a live tensor -> its copy at the start of the step."""
    return {id(live): copy for live, copy in zip(slot.live, slot.saved)}


def zero_share(gradients):
    """The share of gradient elements that are exactly 0, taken over tensors by their size; 0.0 without gradients."""
    dense = [g for g in gradients if g.layout == torch.strided and g.numel()]
    total = sum(g.numel() for g in dense)
    if not total:
        return 0.0
    zeros = torch.stack([(g == 0).sum().to(dense[0].device) for g in dense]).sum()
    return float(zeros) / total


def least_live(gradients):
    """The largest share of zeros in any one gradient of more than a few elements."""
    dense = [g for g in gradients if g.layout == torch.strided and g.numel() >= 16]
    return max([float((g == 0).float().mean()) for g in dense] or [0.0])


def rounded_away(slot, parameters):
    """The share of half-precision weights with a gradient that are, bit for bit, what they were before the step."""
    saved = _copies(slot)
    low = [p for p in parameters if p.dtype in LOW and p.grad is not None and p.grad.layout == torch.strided]
    pairs = [(p.detach(), saved[id(p)], p.grad != 0) for p in low if id(p) in saved]
    live = sum(int(alive.sum()) for _now, _before, alive in pairs)
    same = sum(int(((now == before) & alive).sum()) for now, before, alive in pairs)
    return same / live if live else 0.0


def carries(slot):
    """Whether a gradient of an earlier step lay on a parameter when the step began."""
    return any(bool(grad.any()) for grad in slot.grad_copies.values())


def moved(slot, parameters):
    """Whether any parameter that is to be trained is not, bit for bit, what it was at the start of the step."""
    saved = _copies(slot)
    pairs = [(p.detach(), saved[id(p)]) for p in parameters if p.requires_grad and id(p) in saved]
    return not pairs or any(not torch.equal(now, before) for now, before in pairs)


def update_ratio(slot, parameters):
    """|w now - w at the start| / |w| over the parameters with a gradient; None where nothing can be compared."""
    saved = _copies(slot)
    pairs = [(p.detach(), saved[id(p)]) for p in parameters if p.grad is not None and id(p) in saved]
    if not pairs:
        return None
    moved = sum(float((now.float() - before.float()).norm()) ** 2 for now, before in pairs if not now.is_complex())
    size = sum(float(now.float().norm()) ** 2 for now, _before in pairs if not now.is_complex())
    return (moved / size) ** 0.5 if size else None
