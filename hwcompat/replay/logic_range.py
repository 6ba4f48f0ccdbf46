"""Rules about the range of a type: values that are too large for it, and what made them so."""

from . import opfacts
from .logic_operator import HALF_LIMIT
from .tripwire import learns
from .verdicts import birth_line, found, number


def raw_input(obs):
    """From sane weights the first step is bad, and with the inputs scaled it is not: the formula had never a chance."""
    trial = obs.trial("input")
    if obs.step > 0 or obs.root is None or not obs.input_max > RAW or not (trial and trial.better):
        return None
    if obs.replay is None or obs.replay.limit <= HALF_LIMIT or obs.root.labels_only:
        return None
    lines = (birth_line(obs), "the batch reaches %s" % number(obs.input_max), trial.text)
    return found(obs, "input-scale", "by counterfactual", lines, NORMALISE)


RAW = 1e3
"""Inputs of this size are no usual ones in float32."""

NORMALISE = "normalise the inputs (for example / 255, or to mean 0, std 1)"


def _input_scale(obs, lines):
    told = "the batch reaches %s; scaled to unit size the step is finite" % number(obs.input_max)
    return found(obs, "input-scale", "by counterfactual", [*lines, told], NORMALISE)


def swallowed(obs):
    """The infinity was divided by, or cut off: nothing bad is left, and the loss is not what it should be."""
    if obs.bad or obs.error or obs.trip not in ("zero gradients", "still"):
        return None
    return half_range(obs)


def lost_digits(obs):
    """Nothing left the range, and yet the loss is another one in float64: digits were lost on the way."""
    if not obs.lost_digits or obs.bad or obs.error or not obs.losses:
        return None
    wide, same = obs.trial("wide"), obs.trial("baseline")
    revived = bool(wide and same and same.stands_still and wide.revives(same))
    name, (module, phase, source), gap = obs.lost_digits
    off = obs.loss_is_off and obs.trip in ("flat", "slow", "leftovers")
    drowned = obs.grads.lost > 0.5 and phase == "forward" and gap > 0.9
    if not (revived or ((off or drowned) and not learns(obs.losses))):
        return None
    told = "the loss is %s; with the step in float64 it is %s" % (number(obs.losses[-1]), number(obs.shadow_loss))
    line = "the first result that is off by more than a tenth is that of %s of %s: by %.0f %%, and nothing is too large"
    return found(
        obs,
        "fp16-accumulation",
        "by counterfactual" if revived else "suspected",
        (told, line % (name, module, 100 * gap), *((same.text, wide.text) if revived else ())),
        "keep sums of many terms, and small differences of large numbers, in float32",
        module=module,
        phase=phase,
        op=name,
        source=source,
    )


def constant_past_half(obs):
    """A number of the program, a count of elements perhaps, that float16 does not hold."""
    if obs.root is not None or not obs.past_half:
        return None
    (module, phase, source), name = obs.past_half
    line = "a number of the program is infinite in float16, which ends at 65504: %s of %s met it first"
    return found(
        obs,
        "fp16-overflow",
        "suspected",
        (line % (name, module),),
        "keep this number in float32, or as a Python number",
        module=module,
        phase=phase,
        op=name,
        source=source,
    )


def half_range(obs):
    """The true value does not fit the type."""
    replay = obs.replay
    if not (obs.root and replay and replay.limit <= HALF_LIMIT and replay.rounded and replay.first_finite):
        return None
    lines = [birth_line(obs), "the true value is %s, float16 ends at 65504" % number(replay.true_max)]
    # Inputs that were no larger in the steps before, and did no harm, are not the cause of this one.
    if (obs.step == 0 or obs.diverged) and obs.input_max > 100.0 and obs.trial("input") and obs.trial("input").better:
        return _input_scale(obs, lines)
    name, ratio = obs.weight_outlier
    trial = obs.trial("init")
    odd = obs.bell_shaped or _start_is_broken(obs)
    here = name == obs.root.module and odd and ratio > 20.0
    if name and trial and trial.better and (here or _hopeless_in_any_type(obs, trial)):
        lines.append("weights of %s are %s times what the layer's default gives" % (name, number(ratio)))
        lines.append(trial.text)
        return found(
            obs, "initialisation", "by counterfactual", lines, "initialise %s as the layer's own default does" % name
        )
    if obs.shadow_loss is not None:
        lines.append("with the step in float64 the loss is %s" % number(obs.shadow_loss))
    return found(
        obs,
        "fp16-overflow",
        "proved",
        lines,
        "compute this operation in float32 or bfloat16 (autocast(enabled=False) around it, or dtype=bfloat16)",
    )


def _start_is_broken(obs):
    """Whether even in float64 the loss of this step is far out."""
    return obs.shadow_loss is None or not abs(obs.shadow_loss) < 1e4


def _hopeless_in_any_type(obs, trial):
    """Whether layer after layer is drawn too wide, the first step is far out in float64 too, and a thousand times less
    so with the default weights."""
    wide, first = abs(obs.shadow_loss or 0.0), abs(trial.first or 0.0)
    return obs.step == 0 and obs.wide_layers >= 3 and wide > 1e4 and wide > 1e3 * first > 0.0


def _grown_in_a_loop(obs, lines):
    """The value left the range elsewhere, but it was a loop that had made it large."""
    module, gain, rounds = obs.loop
    if obs.root.calls >= 8 or gain < 1e6:
        return None
    told = "%s makes its input %s times larger in %d rounds" % (module, number(gain), rounds)
    return found(obs, "exploding-gradients", "suspected", [*lines, told], REMEDY_FOR_LOOPS, module=module)


def remedy_for_depth():
    return "normalise between the layers, or bound what each of them adds (tanh, a mean in place of a sum)"


REMEDY_FOR_LOOPS = "clip the gradient norm; use an LSTM or GRU, an orthogonal recurrent weight, or shorter sequences"


def wide_range(obs):
    """A value too large for float32 itself, in one step and from sane weights."""
    root = obs.root
    if root is None:
        return None
    lines = [birth_line(obs)]
    if obs.replay is not None and obs.replay.true_max:
        lines.append("the true value is %s" % number(obs.replay.true_max))
    if obs.input_max > 1e3 and obs.trial("input") and obs.trial("input").better:
        return _input_scale(obs, lines)
    grown = _grown_in_a_loop(obs, lines)
    if grown is not None:
        return grown
    trial = obs.trial("init")
    if root.calls < 8 and trial and trial.better:
        lines.append(trial.text)
        return found(
            obs,
            "initialisation",
            "by counterfactual",
            lines,
            "use the layers' default initialisation (Kaiming or Xavier)",
        )
    if obs.step == 0 and root.calls < 8 and obs.trial("smaller") and obs.trial("smaller").better:
        lines.append(obs.trial("smaller").text)
        remedy = (
            "draw the first weights with a smaller spread: it must fall with the number of inputs that are added up"
        )
        return found(obs, "initialisation", "by counterfactual", lines, remedy)
    if root.op in opfacts.MULTIPLYING:
        lines.append("%s multiplies many factors: what exceeds 1 a little in each leaves the range" % root.op)
        remedy = "multiply in the logarithm (cumsum of log), keep the factors at or below 1, or take shorter sequences"
        return found(obs, "exploding-gradients", "suspected", lines, remedy)
    if root.phase == "forward" and len(obs.growing) >= 3:
        told = "%d modules one after the other give more than ten times what they were given" % len(obs.growing)
        return found(obs, "exploding-gradients", "suspected", [*lines, told], remedy_for_depth())
    if root.calls >= 8:
        lines.append("%s runs %d times in the step: what it gives back grows each time" % (root.module, root.calls))
    remedy = REMEDY_FOR_LOOPS
    if root.phase in ("forward", "backward") and (root.calls >= 8 or obs.trial("clip")):
        certainty = "by counterfactual" if obs.trial("clip") and obs.trial("clip").better else "suspected"
        return found(obs, "exploding-gradients", certainty, lines, remedy)
    return None
