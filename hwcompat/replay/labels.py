"""Labels for which a loss has no value at all: told from the arguments of the loss's own operator."""

from typing import Dict, Set

import torch

from . import trees

BETWEEN_0_AND_1 = frozenset(("binary_cross_entropy", "binary_cross_entropy_with_logits"))
"""Losses that have no lower end for targets outside of 0 .. 1."""

FEW = 16
"""Distinct values of labels that stand for classes."""


def problem(run, birth):
    """(text, sample) of labels that no loss can use: from an operator that raised, or from one that gave infinity."""
    return _outside(run.recorder.raised) or _unalignable(birth)


def _outside(raised):
    """A class index outside the range."""
    if raised is None or not raised[0].startswith("nll_loss"):
        return None
    scores, target = raised[3][:2]
    classes = scores.shape[1] if scores.dim() > 1 else scores.shape[0]
    ignored = raised[3][4] if len(raised[3]) > 4 else -100
    bad = ((target < 0) | (target >= classes)) & (target != ignored)
    if not bool(bad.any()):
        return None
    where = bad.reshape(bad.shape[0], -1).any(1) if bad.dim() else bad.reshape(1)
    index = int(where.nonzero()[0])
    value = int(target[bad][0]) if bad.dim() else int(target)
    return "class %d of sample %d is outside 0 .. %d" % (value, index, classes - 1), index


def _unalignable(birth):
    """A CTC target that does not fit into its input: each letter needs a frame, and a blank between two equal ones."""
    if birth is None or birth.name != "_ctc_loss" or birth.args is None:
        return None
    targets, frames, letters = birth.args[1:4]
    frames, letters = (torch.as_tensor(v).tolist() for v in (frames, letters))
    start = 0
    for sample, (given, wanted) in enumerate(zip(frames, letters)):
        row = targets[sample, :wanted] if targets.dim() == 2 else targets[start : start + wanted]
        start += wanted
        needed = wanted + int((row[1:] == row[:-1]).sum())
        if given < needed:
            told = "the target of sample %d needs %d frames, its input has %d: there is no alignment"
            return told % (sample, needed, given), sample
    return None


def outside_0_and_1(name, args):
    """(least, largest) target of a binary cross entropy, where one is no probability; None elsewhere."""
    if name not in BETWEEN_0_AND_1 or len(args) < 2 or not args[1].is_floating_point() or not args[1].numel():
        return None
    return _no_probabilities(float(args[1].min()), float(args[1].max()), args[1].dtype)


def of_a_written_out(tensors, below, complements, from_batch):
    """(least, largest) of what log(1 - p) is multiplied by in a cross entropy written out, 1 - target, where the target
    is no probability; else None. Of each tensor: `below` whether it is a logarithm of a probability, `complements`
    whether it is 1 - something, `from_batch` whether nothing but the batch went into it.
    """
    for n, m in ((0, 1), (1, 0)):
        if len(tensors) == 2 and below[n] and complements[m] and from_batch[m] and tensors[m].numel():
            return _no_probabilities(1.0 - float(tensors[m].max()), 1.0 - float(tensors[m].min()), tensors[m].dtype)
    return None


def _no_probabilities(least, largest, dtype):
    edge = 4.0 * torch.finfo(dtype).eps  # of a soft target that was rounded a few times
    return (least, largest) if least < -edge or largest > 1.0 + edge else None


def classes_outside(steps, is_label):
    """path -> (least, largest) of labels that take few values, and some outside of 0 .. 1. `is_label`: of a path."""
    found: Dict[str, Set[float]] = {}
    for saved in steps:
        for path, tensor in trees.leaves(saved.args[0]) if saved.args else ():
            path = "batch[0]" + path
            if is_label(path) and tensor.numel() and not tensor.is_complex() and trees.is_plain(tensor):
                values = torch.unique(tensor.detach().double())
                found.setdefault(path, set()).update(values[: FEW + 1].tolist())
    ranges = {path: (min(values), max(values)) for path, values in found.items() if 1 < len(values) <= FEW}
    return {path: ends for path, ends in ranges.items() if ends[0] < 0.0 or ends[1] > 1.0}


def between_0_and_1(tensor, ends):
    """The labels with their least value at 0 and their largest at 1."""
    scaled = (tensor.detach().double() - ends[0]) / (ends[1] - ends[0])
    return scaled.to(tensor.dtype if tensor.is_floating_point() else torch.get_default_dtype())


def newly_below(steps, is_label):
    """Paths of labels that are below 0 somewhere in the last of these steps, and nowhere in the others."""
    below = [_below(saved, is_label) for saved in steps]
    if len(below) < 2:
        return ()
    return tuple(path for path, found in below[-1].items() if found and not any(b.get(path, True) for b in below[:-1]))


def _below(saved, is_label):
    """path -> whether a label is below 0."""
    found = {"batch[0]" + path: t.detach() for path, t in trees.leaves(saved.args[0])} if saved.args else {}
    numbers = {path: t for path, t in found.items() if is_label(path) and t.numel() and t.is_floating_point()}
    return {path: bool((t < 0).any()) for path, t in numbers.items() if trees.is_plain(t)}
