"""Labels for which a loss has no value at all: told from the arguments of the loss's own operator."""

import torch


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
