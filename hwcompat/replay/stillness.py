"""Cheap looks at a step that went through, at a few steps only: do the gradients say anything, do the weights move."""

import torch

MOSTLY = 0.9
SLOW = 1e-4
LOOKS = 3
"""How often a look may lead to a re-run that finds nothing; after that it is not asked again."""


def is_due(step):
    """Steps 1, 2, 4, 8, ...: early, and ever more rarely."""
    return step > 0 and step & (step - 1) == 0


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


def update_ratio(slot, parameters):
    """|w now - w at the start| / |w| over the parameters with a gradient; None where nothing can be compared."""
    saved = {id(live): copy for live, copy in zip(slot.live, slot.saved)}
    pairs = [(p.detach(), saved[id(p)]) for p in parameters if p.grad is not None and id(p) in saved]
    if not pairs:
        return None
    moved = sum(float((now.float() - before.float()).norm()) ** 2 for now, before in pairs if not now.is_complex())
    size = sum(float(now.float().norm()) ** 2 for now, _before in pairs if not now.is_complex())
    return (moved / size) ** 0.5 if size else None
