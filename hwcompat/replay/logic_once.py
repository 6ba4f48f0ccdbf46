"""Rules about the machine as a whole: compiled code, and steps that are bad once and not when they run again."""

from dataclasses import replace

from .finding import DATA, LOSS
from .messages import FAILURES
from .verdicts import found, number

TEST_THE_CARD = "test this card (hwcompat probe --level full, a GPU memory test); if it happens again, replace it"


def _compiled_wrong(obs):
    """Finite as compiled, and far from what the same Python and float64 give."""
    line = "as compiled the gradient differs from float64 by %.0f %% of its norm; the same step run eagerly by %.2g %%"
    return found(
        obs,
        "compiler",
        "proved",
        (line % tuple(100 * gap for gap in obs.compiled_apart),),
        WITHOUT_COMPILER,
        kind="silent",
        phase="backward",
    )


WITHOUT_COMPILER = "train without torch.compile, or with another backend, and report it"


def compiler(obs):
    """Bad as compiled, every time; right as plain Python, from the same state."""
    if obs.compiled_apart:
        return _compiled_wrong(obs)
    if not (obs.compiled and obs.reproduced and not obs.eager_reproduced):
        return None
    module, _ = obs.first_bad_module
    return found(
        obs,
        "compiler",
        "proved",
        ("compiled, the step is bad each time; the same step run eagerly is finite",),
        WITHOUT_COMPILER,
        phase="backward" if obs.bad == "gradient" else "forward",
        module=module,
    )


def not_reproduced(obs):
    """The step was bad once; from the same state it is not."""
    if obs.reproduced or obs.error is not None:
        return None
    if obs.lost_update:
        return _lost_update(obs)
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
    if obs.impossible and obs.exact and not obs.not_replayable:
        return _impossible(obs)
    if obs.not_replayable or obs.live_inputs_same is False or not obs.exact:
        return _not_replayable(obs, module)
    if obs.live_inputs_same is None and not output_only:
        return None
    replays = obs.audit or ()
    if not replays and obs.calm and obs.calm[0] < obs.calm[1] / MARGIN:
        return _calm(obs, module)
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
        TEST_THE_CARD,
        kind="transient",
        phase=_live_phase(obs, module),
        module=module,
    )


def failed_launch(obs):
    """A kernel was ended by the driver, and from the same state the same step goes through."""
    if obs.error is None or obs.reproduced or obs.not_replayable:
        return None
    kind, text, phase, module = obs.error
    if not any(part in text for part in FAILURES):
        return None
    return found(
        obs,
        "hardware",
        "suspected",
        ("%s: %s" % (kind, text), "run again from the same state the step goes through, twice"),
        TEST_THE_CARD,
        kind="transient",
        phase=phase,
        module=module,
    )


def _lost_update(obs):
    """Loss and gradients were the same in the live step, and one weight was not: only the update came between them."""
    return found(
        obs,
        "hardware",
        "suspected",
        (
            "run again from the same state the step is finite, twice and with the same loss",
            "the loss of the live step was the same, and %s came out of the optimizer not finite" % obs.lost_update,
        ),
        TEST_THE_CARD,
        kind="transient",
        phase="optimizer",
        module=obs.lost_update.rpartition(".")[0],
    )


def _impossible(obs):
    """A module gave a finite sum that no order of its own additions can reach."""
    module, gave, most = obs.impossible
    return found(
        obs,
        "hardware",
        "suspected",
        (
            "run again from the same state the step is finite, twice and with the same bits",
            "in the live step all was the same up to %s, whose output summed to %s" % (module, number(gave)),
            "sum |a||b| of its operator allows at most %s" % number(most),
        ),
        TEST_THE_CARD,
        kind="transient",
        phase="forward",
        module=module,
    )


MARGIN = 100.0
"""How far from the end of its type a result must be that cannot have left it by rounding."""


def _calm(obs, module):
    """A module without products: run again, nothing in it comes near the end of its type."""
    return found(
        obs,
        "hardware",
        "suspected",
        (
            "run again from the same state the step is finite, twice and with the same bits",
            "in the live step %s gave non-finite values for the same finite inputs" % module,
            "its largest result when run again is %s, and its type ends at %s" % tuple(map(number, obs.calm)),
        ),
        TEST_THE_CARD,
        kind="transient",
        phase="forward",
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


def departed(obs):
    """The step before gave another loss than it gives when it runs again: no setting explains that."""
    if not obs.departed:
        return None
    step, live, again = obs.departed
    finding = found(
        obs,
        "hardware",
        "suspected",
        (
            "step %d gave a loss of %s; run again from the same state it gives %s, twice and with the same bits"
            % (step, number(live), number(again)),
        ),
        TEST_THE_CARD,
        kind="transient",
        phase="",
        module="",
        op="",
        source="",
    )
    return replace(finding, step=step)


def flipped(obs):
    """The step before left one number otherwise than it does when it runs again; all the others are the same."""
    if not obs.flipped:
        return None
    name, live, again = obs.flipped
    finding = found(
        obs,
        "hardware",
        "suspected",
        (
            "step %d left one number of %s at %s; run again from the same state it leaves it at %s, twice"
            % (obs.step - 1, name or "a weight", number(live), number(again)),
            "every other number of every weight comes out the same, to the bit",
        ),
        TEST_THE_CARD,
        kind="transient",
        phase="optimizer",
        module=name.rpartition(".")[0],
        op="",
        source="",
    )
    return replace(finding, step=obs.step - 1)
