"""Rules about the training: data, the optimizer, the loss scale, divergence, and steps that do not come back."""

from dataclasses import replace

from .finding import DATA, LOSS, OPTIMIZER
from .messages import ERRORS
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
        if part in text:
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


def everything_zero(obs):
    """Weights of 0 in layer after layer: no gradient gets past them."""
    if obs.trip != "zero gradients" or len(obs.zero_matrices) < 2 or obs.grads.lost > 0.05:
        return None
    trial, same = obs.trial("init"), obs.trial("baseline")
    better = bool(trial and same and trial.better and trial.lower_than(same, 1.0))
    return found(
        obs,
        "initialisation",
        "by counterfactual" if better else "suspected",
        (
            "%d weight matrices are entirely 0, and %.0f %% of the gradient is"
            % (len(obs.zero_matrices), 100 * obs.grads.zero),
            trial.text if trial else "",
        ),
        "use the layers' default initialisation; only the last layer may start at 0",
        phase="forward",
        module=obs.zero_matrices[0].rpartition(".")[0],
    )


def stuck_scale(obs):
    """The scaler skips step after step and its scale does not fall."""
    if not obs.scale_stuck:
        return None
    return found(
        obs,
        "scaler-misuse",
        "proved",
        (
            "the last steps were all skipped, and the loss scale stays at %s" % number(obs.scale or 0.0),
            "with a scale of 1 the same step is finite",
        ),
        "scaler.update() without an argument, once after each step",
        phase="optimizer",
        module=OPTIMIZER,
    )


def dead(obs):
    """The gradient vanished; the first single change with which the same steps end far lower is the cause."""
    if obs.trip not in ("zero gradients", "shrinks"):
        return None
    same = obs.trial("baseline")
    if obs.trip == "shrinks" and not (same and same.stands_still):
        return None  # a decay that takes weights away while the model learns does what it is for
    for name, cause, remedy in CHANGES:
        trial = obs.trial(name)
        if name in QUIET and trial and same and trial.revives(same):
            still = "%.0f %% of the gradient is exactly 0, in float64 too" % (100 * obs.grads.zero)
            return found(
                obs,
                cause,
                "by counterfactual",
                (still if obs.trip != "shrinks" else "the weights shrink towards 0", same.text, trial.text),
                remedy,
                phase="data" if cause == "input-scale" else "optimizer",
                module=_place(obs, cause) if cause == "input-scale" else OPTIMIZER,
            )
    return None


QUIET = ("weight_decay", "input", "lr")
"""Changes that can bring back a gradient that vanished."""


def compiler(obs):
    """Bad as compiled, every time; right as plain Python, from the same state."""
    if not (obs.compiled and obs.reproduced and not obs.eager_reproduced):
        return None
    module, _ = obs.first_bad_module
    return found(
        obs,
        "compiler",
        "proved",
        ("compiled, the step is bad each time; the same step run eagerly is finite",),
        "train without torch.compile, or with another backend, and report it",
        phase="forward",
        module=module,
    )


def not_reproduced(obs):
    """The step was bad once; from the same state it is not."""
    if obs.reproduced or obs.error is not None:
        return None
    module, output_only = obs.first_bad_module
    if obs.live_input_bad:
        return found(
            obs,
            "bad-data",
            "suspected",
            ("in the live step %s was given non-finite values; run again it is not" % obs.live_input_bad,)
            + tuple("could not be replayed: " + line for line in obs.not_replayable),
            "check the data where they are read; hand them to watch.step as its batch to learn which sample it is",
            phase="data",
            module=DATA,
        )
    if obs.not_replayable or obs.live_inputs_same is False or not obs.exact:
        return _not_replayable(obs, module)
    if obs.live_inputs_same is None and not output_only:
        return None
    replays = obs.audit or ()
    if not replays or not all(r.inputs_finite and r.two_referees and r.certified for r in replays):
        return None
    lines = (
        "run again from the same state the step is finite, twice and with the same bits",
        "in the live step %s gave non-finite values for finite inputs" % module,
        "float64 by two ways is finite for its %d linear operations, and sum |a||b| stays below the range"
        % len(replays),
    )
    return found(
        obs,
        "hardware",
        "suspected",
        lines,
        "test this card (hwcompat probe --level full, a GPU memory test); if it happens again, replace it",
        kind="transient",
        phase=_live_phase(obs, module),
        module=module,
    )


def _live_phase(obs, module):
    """A module whose output was bad in the live step, or one whose gradient was."""
    if not module:
        return ""
    return "forward" if obs.from_output else "backward"


def _not_replayable(obs, module):
    lines = ["run again, the step is not the same step: " + (obs.not_replayable or ("its inputs differ",))[0]]
    if module:
        what = "output" if obs.from_output or module == LOSS else "gradient"
        lines.append("in the live step the first bad %s was that of %s" % (what, module))
    return found(
        obs,
        "unknown",
        "unknown",
        lines,
        "hand everything that a step uses to watch.step as its batch, then run again",
        phase="loss" if module == LOSS else _live_phase(obs, module),
        module=module,
    )


def scale_went_into_the_weights(obs):
    """Scaled gradients were used without unscaling, or a step was taken that the scaler would have skipped."""
    if not (obs.scaler_on and obs.scaled and not obs.unscaled and obs.optimizer_ran):
        return None
    return _misused(
        obs,
        "the loss was multiplied by %s and the optimizer stepped without the gradients being divided by it again"
        % number(obs.scale or 0.0),
        "scaler.step(optimizer) and scaler.update() instead of optimizer.step()",
    )


def stepped_past_the_scaler(obs):
    """The scaler had found an infinite gradient, and the optimizer was not stopped."""
    if not obs.past_infinity or obs.trip not in HARD_ENDS:
        return None
    return _misused(
        obs,
        "the scaler had found gradients that are not finite, and optimizer.step() was called all the same",
        "scaler.step(optimizer) and scaler.update() instead of optimizer.step(): it skips such steps",
    )


HARD_ENDS = ("weights", "loss", "gradient")


def depends_on_scale(obs):
    """Nothing the optimizer finds may depend on the loss scale: here it does, in float64 too."""
    if not obs.scale_shift:
        return None
    gap, ratio = obs.scale_shift
    lines = "with a loss scale 16 times smaller %.0f %% of the gradient that the optimizer finds changes" % (100 * gap)
    if ratio > 4.0:
        return _misused(
            obs, lines + ": it is still multiplied by the scale", "scaler.step(optimizer), or scaler.unscale_ before it"
        )
    if ratio < 0.25:
        return _misused(
            obs,
            lines + ": it is divided by the scale once too often",
            "scale each loss once (scaler.scale(loss).backward()) and let scaler.step() alone divide the gradients",
        )
    return _misused(
        obs,
        lines + ": scaled and unscaled parts are mixed, or something acted on scaled gradients",
        "scale every loss that is part of the step, and unscale_ before gradients are clipped, added or compared",
    )


def _misused(obs, line, remedy):
    return found(obs, "scaler-misuse", "proved", (line,), remedy, phase="optimizer", module=OPTIMIZER)


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
    root = obs.root
    if not (root and root.phase == "optimizer" and obs.optimizer.eps is not None and obs.optimizer.eps_vanishes):
        return None
    return found(
        obs,
        "optimizer-eps",
        "proved",
        (birth_line(obs), "eps=%g is 0 in the type of the weights" % obs.optimizer.eps),
        "eps=1e-4 for half weights, or keep float32 weights and use autocast",
        module=OPTIMIZER,
    )


def never_scaled(obs):
    """The scaler divides gradients that nobody multiplied."""
    if obs.trip not in ("still", "scale") or not obs.unscaled or obs.scaled or not (obs.scale or 0.0) > 16.0:
        return None
    return _misused(
        obs,
        "scaler.step() divides the gradients by %s, but backward() ran on a loss that was not multiplied by it"
        % number(obs.scale or 0.0),
        "scaler.scale(loss).backward() instead of loss.backward()",
    )


def clipped_while_scaled(obs):
    """Clipping the scaled gradients cuts the learning rate by the scale."""
    if not obs.clipped_scaled or obs.trip not in SILENT:
        return None
    factor, scale = obs.clipped_scaled
    if not (scale > 16.0 and factor < 0.1):
        return None
    return found(
        obs,
        "scaler-misuse",
        "proved",
        (
            "the gradients were clipped (times %s) while still multiplied by the loss scale %s"
            % (number(factor), number(scale)),
            "after unscaling the update is up to %s times too small" % number(scale),
        ),
        "scaler.unscale_(optimizer) before clip_grad_norm_",
        phase="optimizer",
        module=OPTIMIZER,
    )


SILENT = ("still", "zero gradients", "audit", "stalls", "scale")


def gradients_lost(obs):
    """Gradients that are exactly 0 and are not in float64."""
    if obs.trip not in SILENT or not obs.shadow_alive or not 0.5 <= obs.grads.lost <= 1 or _learns(obs.losses):
        return None
    return found(
        obs,
        "gradient-underflow",
        "proved",
        (
            "%.0f %% of the gradient is exactly 0; in float64 these elements hold %.0f %% of its norm"
            % (100 * obs.grads.zero, 100 * obs.grads.lost),
        ),
        "use a GradScaler (or bfloat16): float16 ends at 6e-8",
        phase="backward",
        module=obs.first_bad_module[0] or LOSS,
    )


def _learns(losses):
    """Whether the loss has come down: then vanishing gradients are the end of a training that went well."""
    return len(losses) > 4 and sorted(losses[-3:])[1] < 0.7 * losses[0]


def divergence(obs):
    """The weights ran away over the steps before: the first single change that keeps the training sane is the cause."""
    if not obs.trials or not obs.diverged:
        return None
    for name, cause, remedy in CHANGES:
        trial = obs.trial(name)
        if trial is not None and trial.better:
            lines = (birth_line(obs) if obs.root else "", _growth_line(obs), trial.text)
            return found(
                obs,
                cause,
                "by counterfactual",
                lines,
                remedy,
                phase="optimizer" if cause != "exploding-gradients" else "backward",
                module=OPTIMIZER
                if cause not in ("exploding-gradients", "input-scale", "initialisation")
                else _place(obs, cause),
            )
    return None


CHANGES = (
    ("zero_grad", "zero-grad", "optimizer.zero_grad() at the start of each step"),
    ("weight_decay", "weight-decay", "lower the weight decay: lr * weight_decay must stay well below 1"),
    ("eps", "optimizer-eps", "raise eps"),
    ("input", "input-scale", "normalise the inputs (for example / 255, or to mean 0, std 1)"),
    ("init", "initialisation", "use the layers' default initialisation"),
    ("clip", "exploding-gradients", "clip the gradient norm: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"),
    ("lr", "learning-rate", "divide the learning rate by 10 or more, or warm it up"),
)


def _growth_line(obs):
    losses = [number(v) for v in obs.losses[:1] + obs.losses[-4:]]
    return "the loss went %s" % " ... ".join([losses[0], ", ".join(losses[1:])]) if len(losses) > 1 else ""


def _place(obs, cause):
    if cause == "input-scale":
        return DATA
    return obs.root.module if obs.root else ""
