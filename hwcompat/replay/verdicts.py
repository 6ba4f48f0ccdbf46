"""Small helpers with which the rules write their findings."""

from typing import Any, Dict

from .finding import Finding


def found(obs, cause, certainty, evidence, remedy, **more):
    """A Finding at the place of the root birth, unless `more` says another."""
    root, replay = obs.root, obs.replay
    values: Dict[str, Any] = {
        "phase": root.phase if root else "",
        "module": root.module if root else "",
        "op": root.op if root else "",
        "source": root.source if root else "",
        "sample": root.sample if root else None,
        "dtype": replay.dtype if replay else "",
        "shapes": replay.shapes if replay else (),
    }
    values.update(more)
    if obs.light and certainty == "proved":
        certainty = "suspected"
    return Finding(
        cause=cause,
        certainty=certainty,
        step=obs.step,
        evidence=tuple(line for line in evidence if line),
        remedy=remedy,
        checked=obs.checked,
        not_checked=obs.not_checked,
        **values,
    )


def birth_line(obs):
    """Where the first bad value was born."""
    root, replay = obs.root, obs.replay
    shapes = " x ".join(str(list(shape)) for shape in replay.shapes[:3]) if replay else ""
    what = "NaN" if root.nan else "infinity"
    return "the first %s is born in %s of %s (%s) %s" % (what, root.op, root.module, root.phase, shapes)


def number(value):
    """A magnitude for a line of evidence."""
    return "%.3g" % value
