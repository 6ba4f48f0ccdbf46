"""What a training that ran away or stands still is tried with, and what each change that helps says."""

from .finding import DATA, LOSS, OPTIMIZER
from .verdicts import found, number

STEEP = 10.0
"""Values that a loop, or a row of blocks, makes so many times larger make the gradient larger by as much."""

PROBABILITIES = "bring the labels into 0 .. 1: for others the loss has no lower end"


def changes_by_itself(obs):
    """What weights without any gradient do: grow by about the same share at each step (momentum that is left dies
    away), vanish, or neither."""
    norms = obs.idle
    if len(norms) > 8 and norms[-1] < 0.1 * norms[0]:
        return "smaller"
    if len(norms) < 4 or not min(norms) > 0.0:
        return ""
    shares = [b / a for a, b in zip(norms[-4:], norms[-3:])]
    return "larger" if min(shares) > 1.01 and max(shares) - 1.0 < 1.5 * (min(shares) - 1.0) else ""


def by_itself(obs, way):
    """With no gradient at all the weights change: only a decay does that."""
    line = "with every gradient set to 0 the weights get %s by themselves: their norm goes from %s to %s in %d steps"
    return found(
        obs,
        "weight-decay",
        "proved",
        (growth_line(obs), line % (way, number(obs.idle[0]), number(obs.idle[-1]), len(obs.idle) - 1)),
        "lower the weight decay, and look at its sign: lr * weight_decay must stay well below 1",
        phase="optimizer",
        module=OPTIMIZER,
        op="",
        source="",
    )


PHASE_OF = {
    "exploding-gradients": "backward",
    "input-scale": "data",
    "initialisation": "forward",
    "batch-statistics": "forward",
    "bad-labels": "data",
}
"""Causes of a divergence that have a place of their own; the others are the optimizer's."""


CHANGES = (
    ("zero_grad", "zero-grad", "optimizer.zero_grad() at the start of each step"),
    (
        "stale",
        "zero-grad",
        "clear all gradients before each backward(): one loss leaves some on the other optimizer's",
    ),
    (
        "unscaled",
        "scaler-misuse",
        "divide the gradients by the loss scale before the optimizer steps, at a time when they are there",
    ),
    ("kept", "zero-grad", "optimizer.zero_grad() once a step: not between the backward() of its parts"),
    (
        "modes",
        "batch-statistics",
        "look at the running statistics that eval() uses: they are not those of the batches (never written, or stale)",
    ),
    ("weight_decay", "weight-decay", "lower the weight decay: lr * weight_decay must stay well below 1"),
    ("penalty", "weight-decay", "lower the factor of the penalty on the weights: most of the loss is that penalty"),
    (
        "decay_by_hand",
        "weight-decay",
        "the step itself adds a share of each weight to its gradient: look at its size and at its sign",
    ),
    ("labels", "bad-labels", PROBABILITIES),
    ("eps", "optimizer-eps", "raise eps"),
    ("smaller_eps", "optimizer-eps", "lower eps: 1e-8 is usual, 1e-4 for half weights"),
    ("input", "input-scale", "normalise the inputs (for example / 255, or to mean 0, std 1)"),
    ("init", "initialisation", "use the layers' default initialisation"),
    (
        "start",
        "initialisation",
        "draw the first weights so that each layer gives back values as large as it is given (Kaiming, by fan-in)",
    ),
    ("clip", "exploding-gradients", "clip the gradient norm: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"),
    (
        "undo_schedule",
        "learning-rate",
        "look at the schedule: it is stepped too often, or falls too far, long before anything is learnt",
    ),
    ("faster", "learning-rate", "raise the learning rate: it moves the weights by next to nothing"),
    ("lr", "learning-rate", "divide the learning rate by 10 or more, or warm it up"),
)


def growth_line(obs):
    losses = [number(v) for v in obs.losses[:1] + obs.losses[-4:]]
    return "the loss went %s" % " ... ".join([losses[0], ", ".join(losses[1:])]) if len(losses) > 1 else ""


def spot_of(obs, cause):
    """Phase and module of a cause that a change told."""
    if cause not in PHASE_OF:
        return {"phase": "optimizer", "module": OPTIMIZER}
    known = {"input-scale": DATA, "bad-labels": LOSS, "batch-statistics": obs.modes_changed}
    return {"phase": PHASE_OF[cause], "module": known.get(cause, obs.root.module if obs.root else "")}
