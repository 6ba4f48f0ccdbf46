"""Whether a re-run does what the client did: asked before anything is said against the hardware.

A step that is fine when it is run again is a sign of a sick card only if running again is the same thing. The step
before the bad one ended in a state that is known, since the bad one began with it; so it is run again too.
"""

from dataclasses import replace

import torch

from ..snapshot import Slot

BLAMES = ("hardware", "library", "compiler")


def checked(watch, finding):
    """The finding; one that blames the machine becomes `unknown` where the step before does not repeat its bits."""
    if finding.cause not in BLAMES or finding.certainty == "proved":
        return finding
    same = repeats(watch, finding.step)
    if same:
        return finding
    reason = "no step before it can be compared" if same is None else "the step before does not repeat its own bits"
    note = "it looked like %s, but the re-run may not be the client's own step: %s" % (finding.cause, reason)
    return replace(
        finding,
        cause="unknown",
        certainty="unknown",
        kind="",
        evidence=finding.evidence + (note,),
        remedy="hwcompat probe tests the card; deterministic algorithms and a fixed seed make steps comparable",
    )


def repeats(watch, number):
    """Whether the step before `number`, run again, ends with the weights that `number` began with. None: unknown."""
    steps = {saved.number: saved for saved in watch.timeline}
    before, bad = steps.get(number - 1), steps.get(number)
    if before is None or bad is None or before.slot is None or bad.slot is None:
        return None
    now, python = Slot(watch.state), watch.python.save()
    now.take(True)
    try:
        run = watch.replayer.plain(before)
        values = [(p.detach(), bad.slot.value(p)) for p in watch.state.parameters()]
        return run.error is None and all(_same(live, saved) for live, saved in values if saved is not None)
    finally:
        now.put_back()
        watch.python.restore(python)


def _same(live, saved):
    return live.shape == saved.shape and torch.equal(live, saved)
