"""What one run of a step shows beside its births: exceptions, penalties, values from outside torch."""

import traceback

from . import opreplay
from .tripwire import is_finite


def penalised(run):
    """Whether most of the loss is a penalty on the weights."""
    return run.value is not None and is_finite(run.value) and run.recorder.events.penalty > 0.5 * abs(run.value)


def device_of(birth):
    """The kind of device a birth happened on."""
    return next((t.device.type for t in opreplay.Operator(None, "", birth.args, {}).tensors()), "cpu")


def foreign(run):
    """(module, phase, operator) where a bad value from outside torch was met first."""
    if run.recorder.foreign is None:
        return ()
    (module, phase, _line), name = run.recorder.foreign
    return module, phase, name


def once(case):
    """The live step's exception where it does not come back: it happened after the last module that was traced."""
    if case.error is None:
        return None
    return type(case.error).__name__, str(case.error).split("\n")[0][:300], "", ""


def error_facts(run):
    if run.error is None:
        return None
    module, phase = "", ""
    if run.recorder.raised is not None:
        module, phase, _line = run.recorder.raised[1]
    elif run.places.stack:
        module, phase = run.places.stack[-1][1], "forward"
    return type(run.error).__name__, str(run.error).split("\n")[0][:300], phase, module


def failure(error):
    """One line on an exception of the watch itself: what, and in which function, without a path."""
    frames = traceback.extract_tb(error.__traceback__)
    where = "%s:%d" % (frames[-1].name, frames[-1].lineno or 0) if frames else ""
    return "the watch itself failed: %s: %s (%s)" % (type(error).__name__, str(error).split("\n")[0][:200], where)
