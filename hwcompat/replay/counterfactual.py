"""R10: the steps from the oldest snapshot at hand to the bad one, over the same batches, with one thing changed."""

import contextlib
import time
from dataclasses import replace
from typing import Any, List

import torch

from . import between, changes, labels, observing, trees
from .entry import DECAYS, before_steps, parameters_of, wrapped, wrapped_steps
from .observations import Trial
from .tripwire import is_finite
from .widened import Widened

ROUNDS = 3
OUTSIZED = 3.0
"""Parameters of a typical size above this are no usual start of anything."""

HOPELESS = 100.0
"""A loss that ends so many times higher is not waited for."""


class OutOfTimeError(Exception):
    """The steps take too long to be run again for a training that nobody called broken."""


class Counterfactuals:
    """Runs trials over a timeline: steps in order, of which the first has a snapshot.

    `deadline`: the time.monotonic() from which on no further step is run; a trial under way raises OutOfTimeError.
    """

    def __init__(self, replayer, timeline, inputs, outlier=None, stale=(), deadline=None):
        self.replayer, self.timeline, self.inputs, self.largest = replayer, timeline, inputs, outlier
        self.deadline = deadline
        self.left_behind = [p for p in replayer.state.parameters() if id(p) in stale]
        self.optimizers = replayer.state.optimizers
        self.own_scale, self.modes_kept = 1.0, False

    def baseline(self):
        """The same steps with nothing changed."""
        return self._run("nothing changed")

    def zero_grad(self):
        return self._run("with the gradients cleared after each step", each=self._clear, around=self._clearing_own)

    def stale(self):
        return self._run("with the gradients that each optimizer leaves on the others cleared", around=self._clearing)

    def unscaled(self):
        def divide(optimizer):
            for parameter in parameters_of(optimizer):
                if parameter.grad is not None:
                    parameter.grad.div_(self.own_scale)

        text = "with the gradients divided by %g, by which the loss was multiplied," % self.own_scale
        return self._run(text, around=lambda: before_steps(self.optimizers, divide))

    def weight_decay(self):
        return self._run("without weight decay", around=self._without_decay)

    def idle(self):
        """The norm of all weights before the first and after each step, with every gradient set to 0."""
        self.replayer.restore(self.timeline[0])
        parameters = self.replayer.state.parameters()

        def nothing(optimizer):
            for parameter in parameters_of(optimizer):
                if parameter.grad is not None:
                    parameter.grad.zero_()

        norms = [_norm(parameters)]
        for saved in self.timeline:
            self._begins(saved)
            self.replayer.plain(saved, restore=False, around=lambda: before_steps(self.optimizers, nothing))
            norms.append(_norm(parameters))
        return norms

    def penalty(self):
        return self._run("without the part of each gradient that points along its weights", around=self._along)

    decay_by_hand = penalty

    def eps(self):
        return self._run("with eps at least 1e-4", around=self._with_groups("eps", lambda v: max(v, 1e-4)))

    def smaller_eps(self):
        return self._run("with eps at most 1e-8", around=self._with_groups("eps", lambda v: min(v, 1e-8)))

    def lr(self):
        return self._first_rate((0.1, 0.01, 1e-4, 1e-8, 1e-12), lambda trial: trial.better)

    def undo_schedule(self):
        groups = self.timeline[0].between.groups if self.timeline[0].between else []
        first = [g["lr"] for optimizer in groups for g in optimizer if _is_number(g.get("lr"))]
        what = "with the learning rate of the first step, %g," % max(first, default=0.0)
        return self._run(what, around=self._with_groups("lr", lambda v: max([v, *first])))

    def faster(self):
        return self._first_rate((100.0, 1e4, 1e6, 1e9), lambda trial: trial.learns)

    def _first_rate(self, factors, enough):
        """The trial of the first of these factors of the learning rate that is `enough`, or of the last one."""
        for factor in factors:
            text = "with the learning rate times %g" % factor
            trial = replace(self._run(text, around=self._with_groups("lr", lambda v, f=factor: v * f)), factor=factor)
            if enough(trial):
                break
        return trial

    def input(self):
        what = "with each feature of the inputs%s scaled to mean 0 and standard deviation 1"
        trial = self._run(what % "", batch=lambda saved: self._standardised(saved, self.inputs))
        if not trial.better:  # targets of the same large size would have the weights grow as before
            trial = self._run(what % " and of the targets", batch=lambda saved: self._standardised(saved, None))
        return trial

    def labels(self):
        ends = labels.classes_outside(self.timeline, self._is_label)
        change = lambda path, t: labels.between_0_and_1(t, ends[path]) if path in ends else t  # noqa: E731
        return self._run("with the labels brought into 0 .. 1", batch=lambda saved: changes.changed(saved, change))

    def not_below(self):
        paths = labels.newly_below(self.timeline, self._is_label)
        change = lambda path, t: t.clamp(min=0) if path in paths else t  # noqa: E731
        return self._run("with 0 in place of labels below 0", batch=lambda saved: changes.changed(saved, change))

    def _is_label(self, path):
        return observing.is_label(path, self.inputs)

    def outlier(self):
        return self._run("with this sample replaced by the median one of its batch", batch=self._tamed)

    def init(self):
        return self._run("with the default initialisation of every layer", once=self._default_init)

    def start(self):
        return self._run("with the weights of every layer scaled to outputs of size 1", once=self._even_out)

    def smaller(self):
        return self._run("with all weights a tenth as large", once=self._shrink)

    def wide(self):
        return self._run("with float32 in place of half precision", around=Widened)

    def modes(self):
        self.modes_kept = True
        try:
            return self._run("with every module left in the mode of the first of them", around=changes.modes_kept)
        finally:
            self.modes_kept = False

    def kept(self):
        return self._run("with gradients cleared once a step", around=self._cleared_once)

    def positive(self):
        return self._run("with the magnitudes of all weights", once=self._magnitudes)

    def clip(self):
        return self._run("with the gradient norm clipped to 1", around=self._clipping)

    def eager(self):
        return self._run("without torch.compile", eager=True)

    def _run(self, what, once=None, each=None, batch=None, around=contextlib.nullcontext, eager=False):
        """The steps with one change; where a few noisy losses decide nothing, the same steps once more, and again."""
        self.replayer.restore(self.timeline[0])
        with torch.no_grad():
            once() if once else None
        losses: List[Any] = []
        for rounds in range(1, ROUNDS + 1):
            bad = self._round(losses, each, batch, around, eager)
            trial = _trial(what, losses, rounds, bad)
            if bad or trial.better or trial.last is None or trial.last > HOPELESS * abs(trial.first or 0.0):
                break
        return trial

    def _round(self, losses, each, batch, around, eager):
        """One pass over the timeline; True where it goes bad."""
        for saved in self.timeline:
            self._begins(saved)
            if each:
                each()
            changed = batch(saved) if batch else None
            run = self.replayer.plain(saved, batch=changed, restore=False, around=around, eager=eager)
            losses.append(run.value)
            if run.bad or run.error is not None:
                return True
        return False

    def _begins(self, saved):
        """Before one more step: whether there is time for it, and what the loop did before it."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTimeError
        if saved.between is not None:
            between.redo(saved.between, self.replayer.state, modes=not self.modes_kept)

    def _clear(self):
        for parameter in self.replayer.state.parameters():
            parameter.grad = None

    def _shrink(self):
        for parameter in self.replayer.state.parameters():
            parameter.mul_(0.1)

    def _clearing_own(self):
        def wrap(optimizer, original):
            def step(*args, **kwargs):
                done = original(*args, **kwargs)
                for parameter in parameters_of(optimizer):
                    parameter.grad = None
                return done

            return step

        return wrapped_steps(self.optimizers, wrap)

    def _clearing(self):
        def clear(optimizer):
            own = {id(p) for p in parameters_of(optimizer)}
            for parameter in self.left_behind:
                if id(parameter) not in own:
                    parameter.grad = None

        return before_steps(self.optimizers, clear)

    def _default_init(self):
        for module in self.replayer.state.modules:
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
            else:
                self._tame_parameters(module)

    def _even_out(self):
        """Scales the weights of each layer, in the order in which they run, until what it gives back has a root mean
        square of 1 (LSUV: Mishkin and Matas, arXiv 1511.06422, without its orthogonal part)."""
        layers = [m for m in self.replayer.state.modules if changes.multiplies(m)]
        handles = [layer.register_forward_hook(changes.evened) for layer in layers]
        try:
            self.replayer.plain(self.timeline[0], restore=False, around=self._without_steps)
        finally:
            for handle in handles:
                handle.remove()
        evened = [layer.weight.detach().clone() for layer in layers]
        self.replayer.restore(self.timeline[0])
        for layer, weight in zip(layers, evened):
            layer.weight.copy_(weight)

    def _magnitudes(self):
        for parameter in self.replayer.state.parameters():
            if not parameter.is_complex():
                parameter.abs_()

    @contextlib.contextmanager
    def _cleared_once(self):
        """The first zero_grad() after each optimizer step counts; those between two backward() of one step do not."""
        due = [True]

        def clearing(_thing, original):
            def zero_grad(*args, **kwargs):
                if due[0]:
                    original(*args, **kwargs)
                due[0] = False

            return zero_grad

        def stepping(_optimizer, original):
            def step(*args, **kwargs):
                due[0] = True
                return original(*args, **kwargs)

            return step

        things = self.optimizers + self.replayer.roots
        with wrapped(things, "zero_grad", clearing), wrapped_steps(self.optimizers, stepping):
            yield

    def _without_steps(self):
        return wrapped_steps(self.optimizers, lambda _optimizer, _step: lambda *args, **kwargs: None)

    def _tame_parameters(self, module):
        """A module without a default of its own: its outsized parameters are scaled to a typical size of 1."""
        for parameter in module._parameters.values():
            if parameter is not None and parameter.is_floating_point() and parameter.numel():
                size = observing.typical(parameter)
                if size > OUTSIZED:
                    parameter.copy_((parameter.double() / size).to(parameter.dtype))

    def _standardised(self, saved, wanted):
        """The first argument with every tensor scaled whose path is `wanted`; all of them where nothing says which."""
        paths = changes.paths_of(saved.args[0]) if saved.args else {}
        scaled = lambda t: t if wanted and not paths.get(id(t), set()) & set(wanted) else self._scaled(t)  # noqa: E731
        return trees.mapped(saved.args[0], scaled) if saved.args else None

    def _scaled(self, tensor):
        if not tensor.is_floating_point() or tensor.numel() < 2:
            return tensor
        wide = tensor.detach().double()
        dims = _all_but_features(wide)
        wide = wide - wide.mean(dims, keepdim=True)
        spread = wide.square().mean(dims, keepdim=True).sqrt()
        return (wide / spread.where(spread > 0, torch.ones_like(spread))).to(tensor.dtype)

    def _tamed(self, saved):
        """The first argument of the step with the outlier, that one sample replaced by a median one."""
        if saved.number != self.largest.step or not saved.args:
            return None
        paths = changes.paths_of(saved.args[0])
        return trees.mapped(saved.args[0], lambda t: self._without(t, paths.get(id(t), set())))

    def _without(self, tensor, paths):
        if self.largest.path not in paths:
            return tensor
        sizes = tensor.detach().double().abs().reshape(tensor.shape[0], -1).amax(1)
        changed = tensor.detach().clone()
        changed[self.largest.sample] = changed[int(sizes.median(0).indices)]
        return changed

    def _clipping(self):
        parameters = self.replayer.state.parameters()

        def clip(_optimizer):
            torch.nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], 1.0)

        return before_steps(self.optimizers, clip)

    @contextlib.contextmanager
    def _without_decay(self):
        with contextlib.ExitStack() as stack:
            for key in DECAYS:
                stack.enter_context(self._with_groups(key, lambda v: 0.0)())
            yield

    def _along(self):
        """The gradient of a penalty on squared weights points along them, and is all of it that matters here."""

        def straighten(optimizer):
            with torch.no_grad():
                for parameter in parameters_of(optimizer):
                    _straighten(parameter)

        return before_steps(self.optimizers, straighten)

    def _with_groups(self, key, change):
        """Each optimizer step with another value in its groups: no scheduler that sets it between steps undoes that."""

        def wrap(optimizer, original):
            def step(*args, **kwargs):
                groups = [g for g in optimizer.param_groups if _is_number(g.get(key))]
                values = [g[key] for g in groups]
                for group, value in zip(groups, values):
                    group[key] = change(value)
                try:
                    return original(*args, **kwargs)
                finally:
                    for group, value in zip(groups, values):
                        group[key] = value

            return step

        return lambda: wrapped_steps(self.optimizers, wrap)


def _norm(parameters):
    return sum(float(p.detach().double().norm()) ** 2 for p in parameters if not p.is_complex()) ** 0.5


def _straighten(parameter):
    grad = parameter.grad
    if grad is None or grad.layout != torch.strided or not bool(parameter.any()):
        return
    share = (grad.double() * parameter.double()).sum() / parameter.double().square().sum()
    grad.sub_((share * parameter.double()).to(grad.dtype))


def _all_but_features(tensor):
    """The dimensions over which a feature is standardised: columns of tables and sequences, channels of images."""
    kept = {1: None, 2: 1, 3: 2}.get(tensor.dim(), 1)
    return [d for d in range(tensor.dim()) if d != kept]


def _is_number(value):
    return isinstance(value, (int, float, torch.Tensor)) and not isinstance(value, bool)


def _trial(what, losses, rounds, bad):
    """The Trial of so many rounds: how it began, and (after the first round: the median loss of) how it ended."""
    steps = len(losses) // rounds
    known = [v for v in losses if v is not None and is_finite(v)]
    few = SEVERAL if len(known) >= 5 * SEVERAL else 1
    first, last = (_middle(known[:few]), _middle(known[-few:])) if known else (None, None)
    if rounds > 1 and not bad and known:
        last = _middle(known[-steps:])
    again = " (%d times over)" % rounds if rounds > 1 else ""
    course = "go bad too" if bad else _course(first, last)
    text = "%s the same %d steps%s %s" % (what, steps or len(losses), again, course)
    return Trial(not bad, first, last, text, len(losses), least=min(known) if known else None)


SEVERAL = 5
"""Losses of batches differ: of many steps the first and the last few are taken together."""


def _middle(values):
    return sorted(values)[len(values) // 2]


def _course(first, last):
    if first is None:
        return "stay finite"
    return "stay finite, loss %.3g -> %.3g" % (first, last)
