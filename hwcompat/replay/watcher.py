"""The watch: a snapshot and a trip-wire around every step, and a diagnosis when one goes bad."""

import contextlib
import sys
import time
from dataclasses import replace
from typing import Any, List

import torch

from . import between, capture, live, places, ranks, recorder, runfacts, stillness, trees, trials, tripwire
from .audit import Auditor
from .capture_check import CaptureError
from .case import Case
from .diagnosis import Diagnosis
from .finding import Finding
from .pystate import PythonState, is_scaler
from .rerun import Replayer, Saved, fresh
from .snapshot import Slot, State
from .trace import Trace, traced

MEMORY = 2 << 30
"""Default cap, in bytes, on what the snapshots may hold together."""

COMPILED = (
    "torch.compile: one step is compared with the same run eagerly, a bad one runs again so; layers are not traced"
)

ANCHOR_EVERY = 16
"""Steps between two older snapshots, from which counterfactuals start; two of them are kept."""


def watch(model, optimizer=None, scaler=None, on_finding="stop", extra_state=None, memory_limit=MEMORY, seconds=60.0):
    """A Watch over a training; see there."""
    return Watch(model, optimizer, scaler, on_finding, extra_state, memory_limit, seconds)


class Watch:
    """Watches the steps of one training.

    `model`: a Module or several. `optimizer`: one, several or None. `scaler`: the GradScaler in use. `on_finding`:
    "stop" puts everything back to the start of the first bad step and watches no further; "continue" lets the training
    go on and collects `findings`. `extra_state`: what else a step changes and state_dict() tells (a scheduler, an EMA).
    `memory_limit`: bytes that all snapshots may hold; where two do not fit, findings are `suspected` at best.
    `seconds`: how long one re-run in float64 may take. Nothing the watch does changes a number of the training, and no
    failure of the watch itself gets out of it: it ends the watching with a line on stderr and in report(); inside a
    diagnosis it becomes a finding of cause unknown.
    """

    def __init__(self, model, optimizer, scaler, on_finding, extra_state, memory_limit, seconds):
        if on_finding not in ("stop", "continue"):
            raise ValueError("on_finding is 'stop' or 'continue', not %r" % (on_finding,))
        extra = _several(extra_state)
        self.roots = _several(model)
        self.optimizers = _several(optimizer) + [thing for thing in extra if isinstance(thing, torch.optim.Optimizer)]
        self.scaler = next((thing for thing in [scaler, *extra] if is_scaler(thing)), scaler)
        self.on_finding, self.seconds = on_finding, seconds
        self.finding: Any = None
        self.findings: List[Finding] = []
        self.steps = 0
        self.notes, self.closed = [], False
        modules = self.roots + [thing for thing in extra if isinstance(thing, torch.nn.Module)]
        others = modules + self.optimizers + [self.scaler]
        stateful = [thing for thing in extra if not any(thing is other for other in others)]
        self.state = State(modules, self.optimizers, self.scaler, stateful)
        self.replayer = Replayer(self.state, self.roots)
        self.history = tripwire.History()
        self.memory_limit = memory_limit
        self.depth = self._depth()
        self.slots = [Slot(self.state) for _ in range(self.depth)]
        self.timeline = []
        self.names, self.traced = places.names_of(self.roots), traced(self.roots)
        self.python: Any = None
        self.train_step = None
        self.compiled = any(_is_compiled(m) for m in self.state.modules)
        self.copy_grads, self.replaced, self.renewed = True, 0, 0
        self.open: Any = None
        if self.compiled:
            self.notes.append(COMPILED)
        if not recorder.able():
            self._end_with("watching needs torch 1.13 or newer, and this is %s" % torch.__version__)
        self.audited = (time.monotonic(), 0.0)
        self.looks = stillness.Looks(self.optimizers, self.scaler)
        self.captured: Any = None

    def _depth(self):
        """Snapshots that fit: two to restore from, and up to three more for counterfactuals."""
        fitting = int(self.memory_limit // max(1, self.state.bytes()))
        if fitting < 2:
            self.notes.append(
                "snapshots do not fit into %d MiB: findings are suspected at best" % int(self.memory_limit >> 20)
            )
        return max(0, min(5, fitting))

    @property
    def light(self):
        return self.depth < 2

    # ---- one step

    def step(self, train_step, *args, **kwargs):
        """Runs train_step(*args, **kwargs) and gives what it returns; sets `finding` where the step went bad."""
        self.begin(train_step, *args, **kwargs)
        try:
            result = train_step(*args, **kwargs)
        except (Exception, SystemExit) as error:  # "loss is nan, stopping training" is often a sys.exit
            if self.end(error=error):
                return None
            raise
        except BaseException:
            self.abandon()
            raise
        self.end(result)
        return result

    def begin(self, redo, *args, **kwargs):
        """The start of a step that somebody else runs, a client's loop for instance: takes the snapshot.

        `redo(*args, **kwargs)` must do what the step is going to do and give its loss; it is only called if the step
        goes bad. Pass the same function object each time. A step that was begun and not ended is forgotten.
        """
        self.abandon()
        if self.closed or (self.finding is not None and self.on_finding == "stop"):
            return
        self.open = self._guarded(self._opened, redo, args, kwargs)

    def _opened(self, redo, args, kwargs):
        saved, around = self._before(redo, args, kwargs), contextlib.ExitStack()
        trace, auditor = self._trace(), self._auditor()
        return around, saved, around.enter_context(trace), around.enter_context(auditor)

    def end(self, result=None, error=None):
        """The end of the step: `result` is its loss, or what holds it. True where `error` is explained by a finding."""
        if self.open is None:
            return False
        saved, *watched = self.open[1:]
        self.abandon()
        explained = self._guarded(self._after, saved, result, error, *watched)
        self.steps += 1
        return bool(explained)

    def abandon(self):
        """Forgets the step that was begun; nothing is judged."""
        if self.open is not None:
            self.open[0].close()
            self.open = None

    def _guarded(self, function, *args):
        """Runs a part of the watch; its own failure ends the watching, never the training."""
        try:
            return function(*args)
        except Exception as error:
            self._own_failure(error)
            return None

    def _own_failure(self, error):
        """A failure outside a diagnosis ends the watching. It is no finding: that would end a sound training."""
        self._end_with(self._failure_note(error))

    def _end_with(self, note):
        self.notes += [note] if note not in self.notes else []
        self.close()
        sys.stderr.write("hwcompat: %s; the training goes on unwatched\n" % note)

    def _failure_note(self, error):
        self.notes.append(runfacts.failure(error))
        return self.notes[-1]

    def _trace(self):
        return contextlib.nullcontext() if self.compiled else Trace(self.names, self.traced)

    def _before(self, train_step, args, kwargs):
        if train_step is not self.train_step:
            known = self.roots + self.optimizers + [self.scaler] + list(self.state.stateful) + [self]
            self.python, self.train_step = PythonState(train_step, known, self.roots), train_step
            if self.python.compiled and not self.compiled:
                self.notes.append(COMPILED)
            self.compiled = self.compiled or self.python.compiled
            self._adopt(self.python)
        self.state.age += 1
        if self.state.age > 64:
            self.state.refresh()
        slot = self._slot()
        if slot is not None:
            slot.take(self.copy_grads)
        leaves = trees.leaves(args) + trees.leaves(kwargs)
        if self.steps < 2 or self.clone_batches:
            args, kwargs = fresh(args), fresh(kwargs)
        versions = tuple((t, t._version) for _path, t in leaves)
        saved = Saved(self.steps, slot, train_step, args, kwargs, (self.python, self.python.save()), versions)
        saved.between = between.seen(slot, self.state.optimizers) if slot is not None else None
        self.timeline.append(saved)
        self._first_grads = [(p, p.grad) for p in self._some_parameters()]
        self._scale = self._scale_now()
        return saved

    def _adopt(self, python):
        """What a step uses and nobody named: it belongs to the training all the same."""
        for thing in python.stateful:
            if thing not in self.state.stateful:
                self.state.stateful.append(thing)
        self.optimizers += python.optimizers
        self.state.optimizers += python.optimizers
        if self.scaler is None and len(python.scalers) == 1:
            self.scaler = self.state.scaler = self.looks.scaler = python.scalers[0]
        self.state.roots += [m for m in python.modules if m not in self.state.modules]
        self.state.refresh()

    def _follow_scaler(self):
        """Whether the step replaced the scaler that was found in it; the new one, whose scale begins anew, counts."""
        now = self.python.scaler_now() if any(self.scaler is one for one in self.python.scalers) else None
        if now is None or now is self.scaler:
            return False
        self.scaler = self.state.scaler = self.looks.scaler = now
        self.python.scalers, self.renewed = [now], self.renewed + 1
        return True

    clone_batches = False

    def _some_parameters(self):
        """One parameter of each optimizer: a loop clears all gradients of one, or none of them."""
        return [p for o in self.optimizers for group in o.param_groups[:1] for p in group["params"][:1]]

    def _slot(self):
        """The slot for this step: the oldest one that neither the ring nor the anchors need."""
        if not self.slots:
            return None
        holders = [s for s in self.timeline if s.slot is not None]
        keep = {id(s.slot) for s in holders[-1:]} | {id(s.slot) for s in holders if s.number in self._anchored()}
        free = [slot for slot in self.slots if id(slot) not in keep] or self.slots
        chosen = next((slot for slot in free if not slot.filled), free[0])
        for saved in holders:
            if saved.slot is chosen:
                saved.slot = None
        self._forget()
        return chosen

    def _anchored(self):
        """Numbers of the steps whose snapshots are kept: two multiples of ANCHOR_EVERY."""
        if self.depth < 4:
            return set()
        last = (self.steps - 1) // ANCHOR_EVERY * ANCHOR_EVERY
        return {last, last - ANCHOR_EVERY} if self.steps else set()

    def _forget(self):
        """Drops steps from before the oldest snapshot, or from before the last two where batches get heavy."""
        while self.timeline and self.timeline[0].slot is None:
            self.timeline.pop(0)

    def _scale_now(self):
        scale = getattr(self.scaler, "_scale", None)
        return scale.detach().clone() if isinstance(scale, torch.Tensor) else None

    def _auditor(self):
        """At step 1, and later as seldom as its cost asks for; never with compiled code, which a mode would undo."""
        due = self.steps == 1 or (self.steps % 64 == 0 and self.steps and self._afford())
        return Auditor() if due and not self.compiled and not self.light else contextlib.nullcontext()

    def _afford(self):
        return time.monotonic() - self.audited[0] > 50.0 * self.audited[1]

    def _after(self, saved, result, error, trace, auditor):
        """The trip-wire. True where an exception of the step is explained by a finding."""
        changed = any(t._version != version for t, version in saved.versions)
        exact = True
        if changed and not (self.steps < 2 or self.clone_batches):
            exact = False
        self.clone_batches = self.clone_batches or changed
        parameters = self.state.current()[0]
        gradients = [grad for grad in (p.grad for p in parameters) if grad is not None]
        self._learn_about_grads()
        renewed = self._follow_scaler()
        scale = getattr(self.scaler, "_scale", None)
        reading = tripwire.read(
            result,
            gradients,
            parameters,
            self._scale,
            scale if isinstance(scale, torch.Tensor) else None,
            self.steps < 4 or self.steps % 8 == 0 or any(p.dtype == torch.float16 for p in parameters[:1]),
        )
        reading = self._confirmed(reading, gradients, parameters)
        if self._left_out(saved, reading, parameters):
            reading = replace(reading, skipped=True)
        if error is None:
            self.history.add(reading)
        trip = "error" if error is not None else tripwire.hard_trip(reading, self.history)
        if not trip and tripwire.diverges(self.history):
            trip = "diverges"
        if not trip and error is None and not reading.skipped:
            trip = self._silent(saved, auditor, gradients, parameters)
        trip = ranks.shared_trip(trip, parameters[0].device if parameters else "cpu")
        if not trip or (renewed and trip == "skipped" and self.renewed < 2):
            return False
        return self._tripped(trip, saved, reading, trace, exact, error)

    def _silent(self, saved, auditor, gradients, parameters):
        """Looks for what trips no wire."""
        if isinstance(auditor, Auditor):
            self.audited = (time.monotonic(), auditor.cost)
            self.looks.lone = self.looks.lone or auditor.lone
            if auditor.suspects:
                return "audit"
        if saved.slot is None or self.python.not_replayable:
            return ""
        if self.compiled and self.steps == 1:
            return "compiled"
        return self.looks.trip(self.steps, self.history, saved.slot, gradients, parameters)

    def _learn_about_grads(self):
        """Whether steps add to the gradients they find; then these belong to the snapshot."""
        replaced = all(before is None or p.grad is not before for p, before in self._first_grads)
        self.replaced = self.replaced + 1 if replaced else 0
        self.copy_grads = self.replaced < 4
        self._first_grads = []

    def _confirmed(self, reading, gradients, parameters):
        """A norm may overflow though every element is finite: then it is only very large."""
        if reading.gradient is not None and not tripwire.is_finite(reading.gradient) and tripwire.finite(gradients):
            reading = replace(reading, gradient=tripwire.LARGE, skipped=False)
        if reading.weights is not None and not tripwire.is_finite(reading.weights) and tripwire.finite(parameters):
            reading = replace(reading, weights=tripwire.LARGE)
        return reading

    def _left_out(self, saved, reading, parameters):
        """Whether somebody unknown, such as a scaler that is made in the step, kept a bad gradient from the weights."""
        if reading.skipped or reading.scale is not None or saved.slot is None or not self.optimizers:
            return False
        sane = all(v is None or tripwire.is_finite(v) for v in (reading.loss, reading.weights))
        bad = reading.gradient is not None and not tripwire.is_finite(reading.gradient)
        return bad and sane and not stillness.moved(saved.slot, parameters)

    # ---- a trip

    def _tripped(self, trip, saved, reading, trace, exact, error):
        """Diagnoses the step, and undoes it where the watch is to stop. True where there is a finding."""
        case = Case(
            trip=trip,
            saved=saved,
            reading=reading,
            history=self.history,
            timeline=list(self.timeline),
            skipped=reading.skipped,
            error=error,
            scale=reading.scale,
            traced=trace.read() if isinstance(trace, Trace) else [],
            names=self.names,
            bad_grads=live.bad_gradients(self.roots),
            bad_weights=live.bad_weights(self.roots),
            not_replayable=tuple(self.python.not_replayable),
            exact=exact and self.state.unchanged(),
            compiled=self.compiled,
            light=self.light,
            stuck=self.history.stuck(),
            renewed=self.renewed,
            seconds=self.seconds,
        )
        finding, birth = self._diagnosed(case, error)
        finding = ranks.shared_finding(finding)
        if finding is None:
            return False
        self._note(finding)
        if birth is not None and birth.args is not None:
            self.captured = (birth, finding)
        if self.on_finding == "stop":
            first = [s for s in self.timeline if s.number == finding.step and s.slot is not None]
            slot = (first[0] if first else saved).slot
            if slot is not None:
                slot.put_back()
        return True

    def _diagnosed(self, case, error):
        """(finding or None, the birth it goes back to); the training is as the live step left it when this returns."""
        if case.saved.slot is None:
            return self._without_snapshot(case.trip, case.saved), None
        after, python = Slot(self.state), (self.python, self.python.save())
        after.take(True)
        diagnosis = Diagnosis(self.replayer, case)
        try:
            finding = diagnosis.finding()
        except Exception as failure:
            finding = Finding("unknown", "unknown", case.saved.number, evidence=(self._failure_note(failure),))
        finally:
            after.put_back()
            self.python.restore(python[1])
        vague = finding is None or finding.cause == "unknown"
        if vague and (case.trip not in trials.HARD or error is not None):
            return None, None
        return finding, diagnosis.birth

    def _without_snapshot(self, trip, saved):
        return Finding(
            "unknown",
            "unknown",
            saved.number,
            evidence=("the step ended with bad %s" % trip,) + tuple(self.notes),
            remedy="raise memory_limit, so that the step can be run again",
        )

    def _note(self, finding):
        self.findings.append(finding)
        if self.finding is None:
            self.finding = finding

    # ---- the end

    def save_capture(self, path, include_inputs=False):
        """Writes the operator at which the (last) finding was made; its inputs only if asked. See module `capture`.

        Raises CaptureError where no finding goes back to an operator.
        """
        if self.captured is None:
            raise CaptureError("no finding that goes back to one operator")
        capture.save(path, self.captured[0], self.captured[1], include_inputs)

    def report(self):
        """A short account: the findings, or a clean bill with what was and was not checked."""
        if self.findings:
            return "\n".join(str(finding) for finding in self.findings)
        lines = [
            "no bad step in %d steps" % self.steps,
            "checked each step: loss, gradients, weights finite; loss scale; growth of the loss",
            "not checked: whether the model learns, evaluation, anything outside watch.step",
        ]
        return "\n".join(lines + ["note: " + note for note in self.notes])

    @property
    def summary(self):
        return self.report()

    def close(self):
        """Ends the watching and frees the snapshots; steps still run."""
        self.closed = True
        self.slots, self.timeline = [], []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def _several(thing):
    if thing is None:
        return []
    return list(thing) if isinstance(thing, (list, tuple)) else [thing]


def _is_compiled(module):
    return type(module).__name__ == "OptimizedModule" or getattr(module, "_compiled_call_impl", None) is not None
