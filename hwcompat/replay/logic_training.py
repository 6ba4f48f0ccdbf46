"""Rules about the training: data, the first weights, the optimizer, divergence, and trainings that stand still."""

from dataclasses import replace

from .finding import DATA, LOSS, OPTIMIZER
from .messages import ERRORS
from .opfacts import DIVIDING
from .verdicts import birth_line, found, number


def bad_batch(obs):
    """The batch itself was not finite when the step began."""
    if obs.batch_bad is None:
        return None
    path, sample, label = obs.batch_bad
    where = "%s holds non-finite values%s" % (path, "" if sample is None else ", sample %d" % sample)
    if label:
        return _bad_label(obs, "proved", (where,), sample)
    return _bad_sample(obs, "proved", (where,), sample)


def _bad_sample(obs, certainty, lines, sample):
    return found(
        obs,
        "bad-data",
        certainty,
        lines,
        "repair or drop this sample",
        phase="data",
        module=DATA,
        sample=sample,
        op="",
        source="",
    )


def bad_table(obs):
    """A tensor that the step takes from outside holds a bad number: samples, labels, or something computed before."""
    if not obs.bad_table:
        return None
    name, index, (module, phase, source), reached, beside = obs.bad_table
    line = "%s, which the step takes from outside, is not finite at %s" % (name, index)
    if reached:
        return _bad_sample(obs, "suspected", (line, "it is given to the model"), index[0] if index else None)
    if beside:
        return _bad_label(obs, "suspected", (line,), index[0] if index else None)
    return found(
        obs,
        "division-by-zero",
        "suspected",
        (line, "it was computed before the training began: a division by 0, or a logarithm of 0"),
        "look at how %s is made, and guard its divisor" % name,
        module=module,
        phase=phase,
        source=source,
    )


def giant_sample(obs):
    """One sample or label is far larger than the rest, and with an ordinary one in its place the steps are sane."""
    trial, largest = obs.trial("outlier"), obs.outlier
    if trial is None or not trial.better:
        return None
    what = "label" if largest.label else "sample"
    line = "%s %d of step %d is %s times larger than the median one of its batch"
    lines = (line % (what, largest.sample, largest.step, number(largest.ratio)), trial.text)
    if largest.label:
        finding = _bad_label(obs, "by counterfactual", lines, largest.sample)
    else:
        finding = _bad_sample(obs, "by counterfactual", lines, largest.sample)
    return replace(finding, step=largest.step)


def _bad_label(obs, certainty, lines, sample, **more):
    return found(
        obs,
        "bad-labels",
        certainty,
        lines,
        "repair or drop this label",
        **dict({"phase": "data", "module": LOSS, "sample": sample, "op": "", "source": ""}, **more),
    )


def targets_without_end(obs):
    """A binary cross entropy of targets that are no probabilities: there is no least value that it could reach."""
    if not obs.targets or not any(loss < 0.0 for loss in obs.losses):
        return None
    name, least, largest, _module, _phase, source = obs.targets
    what = "a cross entropy that is written out" if name == "mul" else name
    line = "%s takes targets from 0 to 1, and was given %s to %s" % (what, number(least), number(largest))
    told = "the loss fell to %s: for such targets it has no lower end" % number(min(obs.losses))
    more = {"phase": "loss", "source": source, "op": name}
    return replace(_bad_label(obs, "proved", (line, told), None, **more), remedy=PROBABILITIES)


PROBABILITIES = "bring the labels into 0 .. 1: for others the loss has no lower end"


def explained_error(obs):
    """The step raised, and the message says why."""
    if obs.error is None:
        return None
    kind, text, phase, module = obs.error
    if obs.label_problem is not None:
        return _label_error(obs, text)
    for part, cause, remedy in ERRORS:
        if part == "out of bounds" and not phase and not text.startswith("Target"):
            continue  # an index of NumPy or of a list says the same, and is the program's own affair
        if part.lower() in text.lower():
            more = {"phase": phase, "module": module}
            if cause == "bad-labels":
                more = {"phase": "loss", "module": LOSS}
            elif cause == "scaler-misuse":
                more = {"phase": "optimizer", "module": OPTIMIZER}
            elif cause == "bad-data":
                more = {"phase": "data" if not module else phase or "forward", "module": module or DATA}
            return found(obs, cause, "proved", ("%s: %s" % (kind, text),), remedy, **more)
    return None


def _label_error(obs, text):
    told, sample = obs.label_problem
    return _bad_label(obs, "proved", (told, text), sample, phase="loss")


def weights_bad_from_the_start(obs):
    """A weight was not finite before the first step that was watched."""
    if not obs.weights_bad or obs.step > 0:
        return None
    return found(
        obs,
        "initialisation",
        "proved",
        ("%s is not finite before the first step" % obs.weights_bad,),
        "initialise this weight, or load another checkpoint",
        phase="forward",
        module=obs.weights_bad.rpartition(".")[0] or obs.weights_bad,
        op="",
        source="",
    )


ASLEEP = 0.98
"""Share of a gradient that is exactly 0 when nothing but the last layer's bias is left to learn."""


def asleep_from_the_start(obs):
    """Weights of 0 in layer after layer, or weights or biases far too large: no gradient gets past them."""
    if obs.trip != "zero gradients" or obs.grads.lost > 0.05:
        return None
    trial, same = obs.trial("init"), obs.trial("baseline")
    better = bool(trial and same and trial.better and trial.lower_than(same, 1.0))
    name, ratio = obs.weight_outlier
    if len(obs.zero_matrices) >= 2:
        name = obs.zero_matrices[0].rpartition(".")[0]
        what = "%d weight matrices are entirely 0, and" % len(obs.zero_matrices)
    elif trial and obs.grads.zero > ASLEEP and obs.hopeless_start:
        name, what = "", obs.hopeless_start + ", and"
    elif better and obs.grads.zero > ASLEEP and trial.lower_than(same, 0.95):
        what = "the weights or biases of %s are %s times what the layer's default gives, and" % (name, number(ratio))
    else:
        return None
    return found(
        obs,
        "initialisation",
        "by counterfactual" if better else "suspected",
        (what + " %.0f %% of the gradient is exactly 0" % (100 * obs.grads.zero), trial.text if trial else ""),
        "use the layers' default initialisation; only the last layer may start at 0",
        phase="forward",
        module=name,
    )


def dead(obs):
    """The gradient vanished; the first single change with which the same steps end far lower is the cause."""
    if obs.trip not in STILL:
        return None
    same = obs.trial("baseline")
    if obs.trip != "zero gradients" and not (same and same.stands_still):
        return None  # a decay that takes weights away while the model learns does what it is for
    if obs.trip == "flat" and changes_by_itself(obs) == "smaller":
        return _by_itself(obs, "smaller")
    for name, cause, remedy in CHANGES:
        trial = obs.trial(name)
        if name in QUIET and trial and same and _revives(obs, trial, same) and _told_apart(obs, name, trial):
            still = "%.0f %% of the gradient is exactly 0, in float64 too" % (100 * obs.grads.zero)
            return found(
                obs,
                cause,
                "by counterfactual",
                (STILL[obs.trip] or still, _of_the_start(obs, name), same.text, trial.text),
                remedy,
                phase=PHASE_OF.get(cause, "optimizer"),
                module=_place(obs, cause) if cause in PHASE_OF else OPTIMIZER,
            )
    return None


def _of_the_start(obs, name):
    return {"init": obs.hopeless_start, "start": obs.faint}.get(name, "")


def _revives(obs, trial, same):
    """Where every step is known to be a fraction of what it would be, less of a difference tells enough."""
    return trial.better and trial.lower_than(same, 0.85 if obs.trip == "eps" else 0.7)


def _told_apart(obs, name, trial):
    """Scaled inputs may change what the loss is measured in, and few gradients are 0 in many a healthy net: then the
    changed training must itself learn."""
    return name not in ("input", "lr") or obs.grads.zero > 0.5 or trial.learns


FROZEN = 1e-8
"""A learning rate so many times smaller leaves the weights where they began."""

NEVER = 1e6


def _was_never_sane(obs, trial):
    """Whether nothing but weights that stand still helps, and the loss was enormous at step 0 already."""
    return trial.factor <= FROZEN and abs(trial.first or 0.0) > NEVER and obs.step < 4 and not obs.input_max > 100.0


def _never_sane(obs, trial):
    return found(
        obs,
        "initialisation",
        "suspected",
        (birth_line(obs) if obs.root else "", "the loss of step 0 is %s already" % number(trial.first), trial.text),
        "look at the first weights: with inputs of a usual size they give outputs that no loss can bear",
        phase="forward",
    )


TINY = 1e-3
"""Nobody means a learning rate so many times smaller."""


def _grows_with_depth(obs, trial):
    """Whether no usual learning rate helps, a bounded gradient does, and the very first weights let values grow."""
    clipped = obs.trial("clip")
    return bool(clipped and clipped.finite and trial.factor <= TINY and obs.depth[2] >= 8 and obs.depth[1] > 10.0)


def _deep(obs, trial):
    module, gain, rounds = obs.depth
    line = "values grow %s times on the way through %d rounds or blocks from %s on, in the first step already"
    return found(
        obs,
        "exploding-gradients",
        "by counterfactual",
        (
            birth_line(obs) if obs.root else "",
            line % (number(gain), rounds, module),
            obs.trial("clip").text,
            trial.text,
        ),
        "clip the gradient norm (torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)), or normalise between blocks",
        phase="backward",
        module=module,
    )


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


def _by_itself(obs, way):
    """With no gradient at all the weights change: only a decay does that."""
    line = "with every gradient set to 0 the weights get %s by themselves: their norm goes from %s to %s in %d steps"
    return found(
        obs,
        "weight-decay",
        "proved",
        (_growth_line(obs), line % (way, number(obs.idle[0]), number(obs.idle[-1]), len(obs.idle) - 1)),
        "lower the weight decay, and look at its sign: lr * weight_decay must stay well below 1",
        phase="optimizer",
        module=OPTIMIZER,
        op="",
        source="",
    )


STILL = {
    "zero gradients": "",
    "shrinks": "the weights shrink towards 0",
    "erases": "the decay alone takes more than a fifth of the weights away at every step",
    "eps": "eps is several times every root of a mean square that it is added to, and cuts each step by as much",
    "flat": "the loss is where it began",
    "leftovers": "backward adds to gradients with which the optimizer has stepped before",
}
"""Trips of trainings that stand still, and what is seen of them."""

QUIET = ("zero_grad", "stale", "weight_decay", "smaller_eps", "input", "init", "start", "lr")
"""Changes that can bring back a gradient that vanished."""


def left_from_before(obs):
    """A gradient that was not finite was there when the step began, and backward added to it."""
    if obs.root is not None or not obs.left_bad:
        return None
    return found(
        obs,
        "zero-grad",
        "proved",
        (
            "the gradient of %s was not finite when the step began, and nobody cleared it" % obs.left_bad,
            "what backward adds to it cannot make it finite again",
        ),
        "optimizer.zero_grad() in every step, also after one that the scaler skipped",
        phase="optimizer",
        module=OPTIMIZER,
    )


def cleared_too_early(obs):
    """The gradients were set to zero between backward and step."""
    if not obs.cleared:
        return None
    return found(
        obs,
        "zero-grad",
        "proved",
        ("backward() gave gradients that are not 0, and optimizer.step() found none, in this step and the one before",),
        "optimizer.zero_grad() before backward() or after optimizer.step(), not between them",
        phase="optimizer",
        module=OPTIMIZER,
    )


def optimizer_eps(obs):
    """The division of the optimizer has nothing that keeps its denominator from 0."""
    root, replay = obs.root, obs.replay
    if not (root and root.phase == "optimizer"):
        return None
    vanishes = obs.optimizer.eps is not None and obs.optimizer.eps_vanishes
    divides = root.op in DIVIDING and root.zero_operand and replay and replay.inputs_finite
    if not vanishes and not divides:
        return None
    line = "eps=%g is 0 in the type of the weights" % (obs.optimizer.eps or 0.0)
    return found(
        obs,
        "optimizer-eps",
        "proved",
        (birth_line(obs), line if vanishes else "what it divides by is 0: nothing was added to it"),
        "eps=1e-4 for half weights, or keep float32 weights and use autocast" if obs.optimizer.half else "eps=1e-8",
    )


def divergence(obs):
    """The weights ran away over the steps before: the first single change that keeps the training sane is the cause."""
    if not obs.diverged:
        return None
    if changes_by_itself(obs) == "larger":
        return _by_itself(obs, "larger")
    for name, cause, remedy in CHANGES:
        trial = obs.trial(name)
        if name == "labels" and trial is not None and (trial.least or 0.0) < 0.0:
            continue  # a loss that is below 0 for any labels is of another kind
        if trial is not None and trial.better:
            if name == "lr" and _grows_with_depth(obs, trial):
                return _deep(obs, trial)
            if name == "lr" and _was_never_sane(obs, trial):
                return _never_sane(obs, trial)
            lines = (birth_line(obs) if obs.root else "", _growth_line(obs), trial.text)
            return found(
                obs,
                cause,
                "by counterfactual",
                lines,
                remedy,
                phase=PHASE_OF.get(cause, "optimizer"),
                module=_place(obs, cause) if cause in PHASE_OF else OPTIMIZER,
            )
    return None


PHASE_OF = {
    "exploding-gradients": "backward",
    "input-scale": "data",
    "initialisation": "forward",
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
    ("lr", "learning-rate", "divide the learning rate by 10 or more, or warm it up"),
)


def _growth_line(obs):
    losses = [number(v) for v in obs.losses[:1] + obs.losses[-4:]]
    return "the loss went %s" % " ... ".join([losses[0], ", ".join(losses[1:])]) if len(losses) > 1 else ""


def _place(obs, cause):
    if cause in ("input-scale", "bad-labels"):
        return DATA if cause == "input-scale" else LOSS
    return obs.root.module if obs.root else ""
