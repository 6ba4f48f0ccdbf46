"""Rules about the training: data, the first weights, the optimizer, divergence."""

from dataclasses import replace

from .finding import DATA, LOSS, OPTIMIZER
from .logic_changes import CHANGES, PROBABILITIES, STEEP, by_itself, changes_by_itself, growth_line, spot_of
from .logic_operator import underflow
from .messages import ERRORS
from .opfacts import DIVIDING
from .trials import UNUSUAL
from .tripwire import WINDOW
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
    if trial is None or not trial.better or underflow(obs) is not None:
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


def label_below(obs):
    """For the first time a label is below 0, and with 0 in its place the formula has a value."""
    trial = obs.trial("not_below")
    if trial is None or not trial.finite:
        return None
    line = "labels (%s) are below 0 in this step, and in none of those before" % ", ".join(obs.below)
    return _bad_label(obs, "by counterfactual", (birth_line(obs), line, trial.text), None, phase="loss")


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
    if obs.only_read:
        where = "the buffer %s, which the step reads and never writes, holds non-finite values" % obs.weights_bad
        return _bad_sample(obs, "suspected", (where, "what a net only reads is data"), None)
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


def negative_start(obs):
    """The first weights have a sign for which the formula has no value, and with their magnitudes it has one."""
    trial = obs.trial("positive")
    if trial is None or not trial.better:
        return None
    return found(
        obs,
        "initialisation",
        "by counterfactual",
        (birth_line(obs), "its operand is negative, and weights went into it", trial.text),
        "draw these weights positive (uniform, or the exponential of a normal), or keep their logarithm",
    )


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
    return bool(clipped and clipped.finite and trial.factor <= TINY and obs.depth[1] > STEEP)


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


def _helps(obs, trial):
    """Whether a loss that is still finite is well below where it goes without the change: else the first batch was only
    an easy one."""
    recent = [abs(v) for v in obs.losses[-WINDOW:]]
    return obs.trip != "diverges" or trial.last is None or abs(trial.last) < 0.5 * max(recent, default=float("inf"))


def divergence(obs):
    """The weights ran away over the steps before: the first single change that keeps the training sane is the cause."""
    if not obs.diverged:
        return None
    if changes_by_itself(obs) == "larger":
        return by_itself(obs, "larger")
    for name, cause, remedy in CHANGES:
        trial = obs.trial(name)
        if name == "labels" and trial is not None and (trial.least or 0.0) < 0.0:
            continue  # a loss that is below 0 for any labels is of another kind
        if trial is not None and trial.better and _helps(obs, trial):
            if name == "lr" and _grows_with_depth(obs, trial):
                return _deep(obs, trial)
            if name == "lr" and _was_never_sane(obs, trial):
                return _never_sane(obs, trial)
            lines = (birth_line(obs) if obs.root else "", growth_line(obs), trial.text)
            return found(
                obs,
                cause,
                "by counterfactual",
                lines,
                remedy,
                **spot_of(obs, cause),
            )
    return _beyond_every_rate(obs)


def _beyond_every_rate(obs):
    """No learning rate helps, and the very first loss of usual inputs is enormous: so are its units, or the weights."""
    trial = obs.trial("lr")
    if trial is None or trial.better or not abs(trial.first or 0.0) > NEVER or obs.input_max > 100.0:
        return None
    if obs.weight_outlier[1] > UNUSUAL or obs.depth[1] > STEEP:
        return _never_sane(obs, trial)
    told = "the loss of step 0 is %s already, of inputs up to %s and weights of a usual size"
    return found(
        obs,
        "input-scale",
        "suspected",
        (birth_line(obs) if obs.root else "", told % (number(trial.first), number(obs.input_max)), trial.text),
        "measure targets and errors in units in which they are about 1: divide by the deviation, not by the variance",
        phase="loss",
        module=LOSS,
    )
