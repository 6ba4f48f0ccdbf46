"""Which counterfactuals can decide anything about a bad step, in the order of the rules."""

import math

from .logic_changes import STEEP
from .logic_still import ASLEEP
from .opfacts import EXPONENTIAL
from .stillness import LATE
from .tripwire import began, is_finite

HARD = ("weights", "loss", "gradient", "skipped", "error")
MANY = 8

FADED = 0.05
"""Inputs that are nowhere larger are worth a trial where nothing is learnt: pixels divided by 255 twice, say."""

UNUSUAL = 3.0
"""Weights so many times larger than the layer's default makes them are worth a trial."""


def wanted(obs, case):
    """Which counterfactuals can decide anything here, in the order of the rules."""
    if (
        obs.batch_bad
        or (obs.error and not obs.diverged)
        or not obs.reproduced
        or (obs.replay and obs.replay.certified and obs.replay.first_finite)
    ):
        return []
    if obs.trip == "zero gradients":
        return _trials_for_silence(obs, case)
    if obs.trip in ALONE:
        return ["baseline", ALONE[obs.trip]]
    if obs.trip == "leftovers":
        return ["baseline", *_leftovers(obs)] if _leftovers(obs) else []
    if obs.trip == "flat":
        return _trials_for_flatness(obs, case)
    if obs.trip == "dull":  # too little is learnt to be sure of it: only digits that half precision lost are asked for
        return ["baseline", "wide"] if obs.low else []
    if obs.trip == "still" and case.saved.number >= LATE:
        fallen = ["undo_schedule"] if obs.rate_fell else []
        return [*_trials_for_flatness(obs, case), *fallen, "faster"]
    return _trials_for_a_bad_step(obs, case) if obs.trip in (*HARD, "diverges") else []


ALONE = {"shrinks": "weight_decay", "erases": "weight_decay", "eps": "smaller_eps", "slow": "faster"}
"""Trips that ask for one change only."""


def _trials_for_a_bad_step(obs, case):
    names = _of_the_loop(obs, case) if obs.diverged else []
    if obs.outlier.ratio > 1e3:
        names.append("outlier")
    if obs.input_max > 10.0:
        names.append("input")
    if obs.root and obs.root.negative and obs.root.nan and obs.below:
        names.append("not_below")
    recurrent = bool(obs.root and obs.root.calls >= MANY)
    from_the_start = not case.timeline or case.timeline[0].number == 0
    if obs.weight_outlier[1] > UNUSUAL and not (recurrent and obs.diverged) and from_the_start:
        names.append("init")
    if obs.step == 0 and obs.root and obs.replay and obs.replay.limit > 1e6:
        names.append("smaller")
        if obs.root.negative and obs.root.weights_in and obs.replay.first_finite is False:
            names.append("positive")
    if obs.diverged:
        if recurrent or obs.depth[1] > STEEP or (_spike(obs.gradient_norms) and not obs.rate_grew):
            names.append("clip")
        names.append("lr")
    return names


def _of_the_loop(obs, case):
    """What the loop may do to gradients, weights and labels that lets a training run away."""
    facts = obs.optimizer
    asked = (
        ("zero_grad", obs.reused or any(grad is not None for _p, grad in case.saved.slot.grads)),
        ("stale", obs.stale),
        ("unscaled", obs.own_scale and math.isclose(obs.kept, 1.0, rel_tol=1e-3)),
        ("weight_decay", facts.weight_decay * facts.lr > 0.1),
        ("modes", obs.modes_changed),
        ("kept", obs.dropped and obs.optimizers == 1),
        ("penalty", obs.penalised),
        ("decay_by_hand", obs.decayed and not obs.penalised),
        ("labels", obs.classes_outside and (obs.targets or any(loss < 0.0 for loss in obs.losses))),
    )
    return [name for name, reason in asked if reason]


def _spike(norms):
    """Whether the gradient was of one size for some steps, and then a hundred times larger: that is a cliff. With a
    learning rate that is too high it grows from step to step."""
    known = [v for v in norms if v is not None and is_finite(v)]
    before, last = known[:-2], known[-2:]
    if len(before) < 3 or not min(before) > 0.0:
        return False
    middle = sorted(before)[len(before) // 2]
    return max(before) < 10.0 * middle and max(last) > 100.0 * middle


CALM = 5
"""So many losses tell whether the steps before were calm."""


def runs_away(obs):
    """Whether the steps before were part of it: the loss or the weights grew, or float32 itself was too narrow."""
    wide = (
        obs.root
        and obs.replay
        and obs.replay.limit > 1e6
        and (obs.root.op in EXPONENTIAL if not obs.replay.first_finite else obs.replay.true_max > 1e38)
    )
    # Of a type that is too narrow, or a point without a value after calm steps, float64 tells of this step alone.
    narrow = obs.root and obs.replay and obs.replay.limit < 1e6
    point = obs.root and obs.replay and obs.replay.first_finite is False and len(obs.losses) > CALM
    grew = obs.live_growth if narrow or point else obs.growth
    return obs.step > 0 and obs.trip in HARD + ("diverges",) and bool(grew > 10.0 or obs.trip == "diverges" or wide)


def _trials_for_silence(obs, case):
    if obs.grads.lost > 0.05 or obs.cleared:
        return []
    asleep = obs.grads.zero > ASLEEP and obs.weight_outlier[1] > UNUSUAL and not _moved_far(case)
    asleep = asleep or (obs.grads.zero > ASLEEP and obs.hopeless_start)
    kept = ["kept"] if obs.dropped and obs.optimizers == 1 else []
    if len(obs.zero_matrices) >= 2 or asleep:
        return ["baseline", *kept, "init"]
    names = _leftovers(obs) + kept
    names += ["weight_decay"] if obs.optimizer.weight_decay * obs.optimizer.lr > 0.1 else []
    names += ["input"] if obs.input_max > 10.0 else []
    names += ["lr"] if obs.growth > 2.0 else []
    return ["baseline", *names] if names else []


def _leftovers(obs):
    """Gradients that were added to what another step, or another loss, had left."""
    return (["zero_grad"] if obs.reused or obs.inherited else []) + (["stale"] if obs.stale else [])


def _trials_for_flatness(obs, case):
    names = _leftovers(obs)
    # Two players who hold each other at a level move far as well: of several optimizers nothing is said.
    names += ["lr"] if obs.optimizers == 1 and _moved_far(case) else []
    names += ["wide"] if obs.low and obs.lost_digits else []
    names += ["weight_decay"] if obs.optimizer.weight_decay * obs.optimizer.lr > 0.01 else []
    names += ["input"] if obs.input_max > 10.0 or 0.0 < obs.input_max < FADED else []
    names += ["smaller_eps"] if (obs.optimizer.eps or 0.0) > 1e-7 else []
    names += ["init"] if obs.hopeless_start and case.steps[0].number == 0 else []
    names += ["start"] if obs.faint else []
    names += ["penalty"] if obs.penalised else []
    names += ["decay_by_hand"] if obs.decayed and not obs.penalised else []
    names += ["wide"] if obs.low and not obs.lost_digits else []
    names += ["kept"] if obs.dropped and obs.optimizers == 1 else []
    return ["baseline", *names]


def _moved_far(case):
    """Whether the weights grew since the start: then their size is no matter of how they began."""
    norms = [v for v in case.history.weights if v is not None and is_finite(v)]
    return len(norms) > 1 and norms[-1] > 2.0 * norms[0]


def growth(losses, weights, shadow_loss):
    """How many times the loss, or the norm of the weights, grew since the first step."""
    found = [1.0]
    first = began(losses)
    if first is not None:
        known = [abs(v) for v in losses + ((shadow_loss,) if shadow_loss is not None else ()) if is_finite(v)]
        found.append(max(known) / first)
    norms = [v for v in weights if v is not None and is_finite(v)]
    if len(norms) > 1 and norms[0]:
        found.append(max(norms) / norms[0])
    return max(found)
