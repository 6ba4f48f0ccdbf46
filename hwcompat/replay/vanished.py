"""What only the live step had: it was bad, and run again from the same state it is not."""

import math
from dataclasses import replace
from typing import Any, List

import torch

from . import live, opfacts, opreplay, places, referee, tripwire
from .finding import LOSS
from .trace import Trace, traced
from .tripwire import is_finite

KNOWN = (int, float, bool, str, type(None), torch.Tensor, torch.nn.Module, torch.dtype, torch.device, torch.Size)
"""What a module may hold and a snapshot still knows all of it."""

ENOUGH = 16
"""Numbers of a tensor from which on a change of just one of them is no program's doing (a scale is clamped alone)."""

MOST = 8
"""Linear operators of one module that are replayed, at most."""


class LiveOnly:
    """A step that was bad when it ran, and is not when it runs again. `following`: the step after it, where known."""

    def __init__(self, replayer, case, following=None):
        self.replayer, self.case, self.following = replayer, case, following

    def observe(self, obs):
        """The live step was bad and the recorded one is not: compiled code, a transient, or not the same step."""
        case = self.case
        again = self.replayer.plain(case.saved)
        if again.bad and case.compiled:
            return replace(
                obs,
                reproduced=True,
                eager_reproduced=False,
                bad=again.bad,
                first_bad_module=_first_bad(case.traced)[:2],
            )
        trace = Trace(case.names, traced(self.replayer.roots))
        with trace:
            third = self.replayer.plain(case.saved)
        module, output_only, index = _first_bad(case.traced)
        from_output = bool(module)
        second = trace.read()
        same = _same_until(case.traced, second, index, case.reading, third.value)
        if obs.error is not None and len(case.traced) < len(second):  # it happened in the module that came next
            obs = replace(obs, error=(*obs.error[:2], "forward", second[len(case.traced)][0]))
        if not module and case.loss is not None and not is_finite(case.loss):
            module = LOSS
        elif not module and case.bad_grads:
            module, output_only = case.bad_grads[-1].rpartition(".")[0], True
        obs = replace(
            obs,
            reproduced=False,
            first_bad_module=(module, output_only),
            live_inputs_same=same,
            from_output=from_output,
            live_input_bad=_bad_input(case.traced),
            exact=obs.exact and again.value == third.value,
            not_replayable=obs.not_replayable + places.hooks_of_others(self.replayer.roots),
        )
        return replace(
            obs,
            audit=self._operators_of(module),
            calm=self._calm(module) if from_output else (),
            lost_update=self._lost_update(obs, again, third),
            impossible=self._impossible(case.traced[:index], second),
        )

    def _lost_update(self, obs, again, third):
        """The weight that the live step spoilt though its loss and gradients were those of both re-runs; or ''.

        Only torch's own optimizers, whose whole state is known, can be cleared of it.
        """
        case, reading = self.case, self.case.reading
        gradient = tripwire.gradient_norm(self.replayer.state.parameters())  # of the last re-run
        spoilt = case.bad_weights or self._bad_at_the_next_step()
        known = self._optimizers_known()
        if case.trip != "weights" or not spoilt or not known or reading is None or not obs.exact or obs.not_replayable:
            return ""
        losses = ((reading.loss, again.value), (again.value, third.value))
        # A loop that clears the gradients after the step leaves none to compare: then one module must be all there is.
        alone = reading.gradient is None and gradient is None and len({n.rpartition(".")[0] for n in spoilt}) == 1
        same = all(_close(*pair) for pair in losses) and (alone or _close(reading.gradient, gradient))
        return spoilt[0] if same else ""

    def _optimizers_known(self):
        return all(_keeps_no_secrets(optimizer) for optimizer in self.replayer.state.optimizers)

    def _bad_at_the_next_step(self):
        """Names of the weights that were not finite when the step after this one began, where it has a snapshot."""
        if self.following is None:
            return []
        self.replayer.restore(self.following)
        return live.bad_weights(self.replayer.roots)

    def _impossible(self, live, again):
        """(module, sum of its output in the live step, the largest sum that its operators could give); or ().

        Of the first module whose finite output is not what the re-run gives, though all before it are.
        """
        different = next((n for n, pair in enumerate(zip(live, again)) if not _alike(*pair)), None)
        if different is None or live[different][0] != again[different][0] or live[different][2] is None:
            return ()
        module, _given, gave = live[different]
        if sum(name == module for name, _g, _o in live) > 1:
            return ()  # of several calls nobody knows which operator belongs to which
        kept = self._kept_of(module)
        forward = [(opreplay.examine(op), op.out) for op in kept if op.phase == "forward"]
        if len(forward) != 1 or not forward[0][0].certified:
            return ()
        most = forward[0][0].bound * forward[0][1].numel()
        return (module, gave, most) if abs(gave) > 2.0 * most else ()

    def _calm(self, module):
        """(largest result, limit of its type) of all operators of a module that is made of torch's own, or ().

        A module that holds anything but tensors, modules and plain values may keep a secret.
        """
        names = self.case.names
        found = [m for root in self.replayer.roots for m in root.modules() if names.get(id(m)) == module]
        if not found or not all(isinstance(v, KNOWN) for m in found for k, v in vars(m).items() if k[:1] != "_"):
            return ()
        sizes: List[Any] = []

        def measure(_func, name, _args, _kwargs, out, spot):
            outputs = [t for t in referee.flat(out) if t.dtype in referee.LIMIT and t.numel()]
            if spot[0] == module and spot[1] == "forward" and name not in opfacts.UNFILLED:
                sizes.extend((float(t.detach().abs().max()), referee.LIMIT[t.dtype]) for t in outputs)

        self.replayer.recorded(self.case.saved, shadow=False, compare=measure)
        return max(sizes, key=lambda pair: pair[0] / pair[1]) if sizes else ()

    def _kept_of(self, module):
        run = self.replayer.recorded(self.case.saved, shadow=False, wanted=lambda place: place[0] == module)
        return run.recorder.kept_ops[:MOST]

    def _operators_of(self, module):
        """Evidence on every linear operator of the module that was wrong once."""
        return [opreplay.examine(kept) for kept in self._kept_of(module)]

    def departed(self, obs):
        """(step, live loss, loss when run again) of the step before, if it gave what it does not give again; or ().

        It is run again, twice, from its own snapshot, so that nothing done between steps plays a part; only where all
        state is known, and where both give the same to the bit.
        """
        before, reading = self.case.before, self.case.reading_before()
        known = self._optimizers_known()
        if before is None or reading is None or reading.loss is None or not known or not obs.exact:
            return ()
        runs = [self.replayer.plain(before) for _ in range(2)]
        again = [run.value for run in runs]
        if any(run.bad or run.error for run in runs) or again[0] is None or again[0] != again[1]:
            return ()
        if math.isclose(reading.loss, again[0], rel_tol=1e-3) or places.hooks_of_others(self.replayer.roots):
            return ()
        return (before.number, reading.loss, again[0]) if self._older_come_back(before) else ()

    def flipped(self, obs):
        """(weight, live value, value when run again) of one number that the step before left otherwise than it does
        when it runs again, twice; or ().

        Nothing that a program does between steps changes one number of one tensor and leaves all others to the bit.
        """
        before, slot = self.case.before, self.case.saved.slot
        if before is None or slot is None or not obs.exact or not self._optimizers_known():
            return ()
        ends = [self._weights_after(before) for _ in range(2)]
        if not all(torch.equal(one, other) for one, other in zip(*ends)):
            return ()
        apart = [(n, end, slot.value(p)) for n, (p, end) in enumerate(zip(self.replayer.state.parameters(), ends[0]))]
        apart = [(n, end, live) for n, end, live in apart if live is None or not torch.equal(end, live)]
        if len(apart) != 1 or apart[0][2] is None or places.hooks_of_others(self.replayer.roots):
            return ()
        index, end, live = apart[0]
        odd = end != live
        if end.numel() < ENOUGH or int(odd.sum()) != 1:
            return ()
        return self._name_of(index), float(live[odd]), float(end[odd])

    def _weights_after(self, saved):
        self.replayer.plain(saved)
        return [p.detach().clone() for p in self.replayer.state.parameters()]

    def _name_of(self, index):
        """The name of a parameter by its place among all of them; '' for one that no module knows."""
        wanted = self.replayer.state.parameters()[index]
        return next((n for root in self.replayer.roots for n, p in root.named_parameters() if p is wanted), "")

    def _older_come_back(self, before):
        """Whether each older step at hand gives its own loss again; else something unknown plays a part."""
        older = [s for s in self.case.timeline if s.slot is not None and s.number < before.number]
        losses = self.case.history.losses
        # The bad step's own reading, or where it would stand: an exception leaves none.
        last = len(losses) if self.case.trip == "error" else len(losses) - 1
        pairs = [(last - (self.case.saved.number - s.number), self.replayer.plain(s).value) for s in older]
        return bool(pairs) and all(0 <= at < last and _close(losses[at], value) for at, value in pairs)


def _close(a, b):
    return a is not None and b is not None and math.isclose(a, b, rel_tol=1e-6)


def _keeps_no_secrets(optimizer):
    """Whether an optimizer is torch's own and nobody hooked into it."""
    hooks = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    return type(optimizer).__module__.startswith("torch.optim") and not any(getattr(optimizer, h, None) for h in hooks)


def _first_bad(traced):
    """(module, whether its input was finite, index) of the first bad output of the live step."""
    for index, (name, given, gave) in enumerate(traced):
        if gave is not None and not is_finite(gave):
            return name, given is None or is_finite(given), index
    return "", False, len(traced)


def _bad_input(traced):
    """The module that was given a bad value before any module made one."""
    first = traced[0] if traced else ("", None, None)
    return (first[0] or "the model") if first[1] is not None and not is_finite(first[1]) else ""


def _same_until(live, again, index, reading, value):
    """Whether the re-run went through the same sums up to the first bad one; None where nothing can be compared."""
    if index < len(live):
        pairs = (
            list(zip(live[:index], again[:index])) + [(live[index][:2], again[index][:2])] if index < len(again) else []
        )
        return bool(pairs) and all(_alike(a, b) for a, b in pairs)
    if reading is not None and reading.loss is not None and value is not None:
        return math.isclose(reading.loss, value, rel_tol=1e-6)
    return None


def _alike(a, b):
    return a[0] == b[0] and all(
        x is None or y is None or math.isclose(x, y, rel_tol=1e-5, abs_tol=1e-6) for x, y in zip(a[1:], b[1:])
    )
