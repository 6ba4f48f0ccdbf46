"""Rules about trainings that stand still: nothing is bad, and nothing is learnt."""

from .finding import DATA, OPTIMIZER
from .logic_changes import CHANGES, by_itself, changes_by_itself, spot_of
from .tripwire import learns
from .verdicts import found, number

ASLEEP = 0.98
"""Share of a gradient that is exactly 0 when nothing but the last layer's bias is left to learn."""


def nothing_to_see(obs):
    """Every input is one and the same number: there is nothing to be learnt from them."""
    if obs.one_number is None or learns(obs.losses) or obs.trip not in STILL:
        return None
    return found(
        obs,
        "bad-data",
        "suspected",
        ("every number that the model was given, in all steps at hand, is %s" % number(obs.one_number),),
        "look at what reads the samples: it gives the same for all of them",
        phase="data",
        module=DATA,
        op="",
        source="",
    )


def asleep_from_the_start(obs):
    """Weights of 0 in layer after layer, or weights or biases far too large: no gradient gets past them."""
    if obs.trip != "zero gradients" or obs.grads.lost > 0.05 or obs.trial("kept"):
        return None  # of gradients that were thrown away, `dead` says more
    trial, same = obs.trial("init"), obs.trial("baseline")
    better = bool(trial and same and trial.better and trial.lower_than(same, 1.0))
    name, ratio = obs.weight_outlier
    if len(obs.zero_matrices) >= 2 and (better or obs.grads.zero > ASLEEP - 0.1):
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
    if same and same.learns:
        return None
    if obs.trip != "zero gradients" and not (same and _still(obs, same)):
        return None  # a decay that takes weights away while the model learns does what it is for
    if obs.trip == "flat" and changes_by_itself(obs) == "smaller":
        return by_itself(obs, "smaller")
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
                **spot_of(obs, cause),
            )
    return None


def _still(obs, same):
    """Whether nothing was learnt; where the decay is known to erase, less than usual is nothing."""
    return not same.learns if obs.trip == "erases" else same.stands_still


def _of_the_start(obs, name):
    return {"init": obs.hopeless_start, "start": obs.faint}.get(name, "")


def _revives(obs, trial, same):
    """Where every step is known to be a fraction of what it would be, less of a difference tells enough."""
    return trial.revives(same, 0.85) if obs.trip in ("eps", "erases") else trial.revives(same)


def _told_apart(obs, name, trial):
    """Scaled inputs may change what the loss is measured in, and few gradients are 0 in many a healthy net: then the
    changed training must itself learn."""
    return name not in ("input", "lr", "faster") or obs.grads.zero > 0.5 or trial.learns


STILL = {
    "zero gradients": "",
    "shrinks": "the weights shrink towards 0",
    "erases": "the decay alone takes more than a fifth of the weights away at every step",
    "eps": "eps is several times every root of a mean square that it is added to, and cuts each step by as much",
    "flat": "the loss is where it began",
    "still": "a step changes no weight, not by a single bit",
    "slow": "a step changes the weights by less than 1e-4 of their size",
    "leftovers": "backward adds to gradients with which the optimizer has stepped before",
}
"""Trips of trainings that stand still, and what is seen of them."""


QUIET = (
    "undo_schedule",
    "penalty",
    "decay_by_hand",
    "zero_grad",
    "stale",
    "kept",
    "faster",
    "weight_decay",
    "smaller_eps",
    "input",
    "init",
    "start",
    "lr",
)
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


def rounded_away(obs):
    """Half-precision weights that are what they were before the step, although they have a gradient."""
    if obs.trip != "rounded":
        return None
    line = (
        "more than nine of ten half-precision weights with a gradient are, bit for bit, what they were before the step"
    )
    return found(
        obs,
        "fp16-accumulation",
        "suspected",
        (line, "what %s adds to them is less than half of their last digit" % (obs.optimizer.name or "the optimizer")),
        "keep the weights in float32 (autocast computes in half precision all the same), or float32 copies of them",
        phase="optimizer",
        module=OPTIMIZER,
    )
