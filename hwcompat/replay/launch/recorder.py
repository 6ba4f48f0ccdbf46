"""Watches the steps of a program that was not edited: fills a tape for each and hands it to a Watch.

Everything here is global (hooks of torch, methods of its classes), is put up once, and taken down at the first finding.
What it sees costs a few microseconds a call outside models, nothing inside them but one hook a module.
"""

import contextlib
import functools
import os
import sys
import threading
import weakref
from typing import Any, List

import torch
from torch.overrides import TorchFunctionMode

from .. import rng
from ..adapters.session import Session
from ..rerun import distributed
from .tape import Tape

RANDOM = ("dropout", "rrelu", "gumbel", "attention", "bernoulli")


class Program:
    """The training of one process. `report`: called with each finding; `say`: called with what could not be done."""

    def __init__(self, report):
        self.report, self.thread, self.pid = report, threading.get_ident(), os.getpid()
        self.roots: List[Any] = []
        self.optimizers: List[Any] = []
        self.scaler: Any = None
        self.session: Any = None
        self.tape: Any = None
        self.stack: List[Any] = []
        self.inside, self.off, self.steps, self.seen = 0, "", 0, 0
        self.undo: List[Any] = []
        self.mode: Any = None
        self.unplayed = ""

    # ---- what the recording calls

    def active(self):
        """Whether this call is one of the program's own training thread."""
        return not self.off and not self.inside and threading.get_ident() == self.thread

    def record(self, kind, function, args, kwargs, generators=None):
        if self.tape is None:
            self._begin()
        return None if self.tape is None else self.tape.add(kind, function, args, kwargs, generators)

    def enter_module(self, module, args, kwargs):
        """An outermost module is called."""
        if module.training and torch.is_grad_enabled():
            if self.tape is not None and (self.tape.stepped or not self.tape.trained):
                self.finish()
            self._know(module)
        if not torch.is_grad_enabled():
            return None
        number = self.record("module", module, args, kwargs, rng.read(self._devices()))
        if self.tape is not None:
            self.tape.trained = self.tape.trained or module.training
        return number

    def _know(self, module):
        parameters = {id(p) for p in module.parameters()}
        if not parameters or any(module is root for root in self.roots):
            return
        self.optimizers = [ref for ref in self.optimizers if ref() is not None]
        if any(id(p) in parameters for ref in self.optimizers for g in ref().param_groups for p in g["params"]):
            self.roots.append(module)
            self._new_session()

    def _new_session(self):
        """A Watch over all models seen so far; a step that was begun with fewer is left out."""
        if self.session is not None:
            self.session.abandon()
        self.tape = None
        mine = {id(p) for root in self.roots for p in root.parameters()}
        optimizers = [o() for o in self.optimizers if any(id(p) in mine for g in o().param_groups for p in g["params"])]
        self.session = Session("", self.roots, optimizers, self.scaler, redo, "continue", self._found)
        self.session.watch.steps = self.steps
        self.session.watch.scaler = self.scaler

    def _devices(self):
        return self.session.watch.state.cuda if self.session is not None else []

    def _begin(self):
        if self.session is None:
            return
        with self.quiet():
            self.tape = Tape()
            self.session.begin({}, self.tape)

    def finish(self, error=None):
        """The end of a step: it is judged, and perhaps run again."""
        tape, self.tape = self.tape, None
        self.stack.clear()
        if tape is None or self.session is None:
            return
        with self.quiet():
            watch = self.session.watch
            if not tape.stepped and error is None and tape.losses == [] and not self.ending:
                self.session.abandon()
                return
            gap, self.steps = tape.gap(), self.steps + 1
            if watch.open is not None:
                saved = watch.open[1]
                saved.args, saved.versions = (dict(tape.data), tape), tuple(tape.versions)
                watch.python.not_replayable = [gap] if gap else []
                self.unplayed = gap
                if gap:
                    saved.slot = None
                    watch.notes[:] = ["the step cannot be run again: " + gap]
            self.session.end(tape.loss, error)

    ending = False

    @contextlib.contextmanager
    def quiet(self):
        self.inside += 1
        up = self.mode is not None and self.mode.up
        if up:
            _leave_mode(self)
        try:
            yield
        finally:
            self.inside -= 1
            if up:
                _enter_mode(self)

    def _found(self, finding):
        self.report(finding)
        if hasattr(self.report, "keep_capture"):
            self.report.keep_capture(self.session.watch)
        self.stop("a finding was made")

    def stop(self, why):
        """Takes everything down; the program goes on as if nobody had watched."""
        if not self.off:
            self.off = why
            for back in reversed(self.undo):
                back()
            self.undo = []
            if self.session is not None:
                self.session.abandon()

    def end(self, error=None):
        """The program ends."""
        if self.off or os.getpid() != self.pid:
            return
        self.ending = True
        alone = not distributed()  # other ranks may not end now, and would be waited for
        if alone and self.tape is not None and (self.tape.trained or self.tape.losses):
            self.finish(error)
        self.stop("the program ended")


def redo(data, tape):
    """A step from its tape; the same function for every step, as Watch.begin asks."""
    return tape.play(data)


class Functions(TorchFunctionMode):
    """Sees torch functions that are called outside of modules."""

    def __init__(self, program):
        super().__init__()
        self.program = program

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, program = kwargs or {}, self.program
        if program.stack or not program.active() or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        if func is torch.Tensor.backward:
            return backward(program, func, args, kwargs)
        generators = None
        if any(word in getattr(func, "__name__", "") for word in RANDOM):
            generators = rng.read(program._devices())
        try:
            out = func(*args, **kwargs)
        except Exception:
            if program.tape is not None:
                program.tape.add("function", func, args, kwargs, generators)
            raise
        if differentiable(out):
            number = program.record("function", func, args, kwargs, generators)
            if number is not None:
                program.tape.gave(number, out)
        return out


def differentiable(out):
    if isinstance(out, torch.Tensor):
        return out.requires_grad and not out.is_leaf
    return isinstance(out, (tuple, list)) and any(differentiable(item) for item in out)


def backward(program, func, args, kwargs):
    """backward() of a loss, on the tape before it is run, since it frees the graph."""
    if program.tape is not None and args:
        program.tape.add("backward", func, args, kwargs)
        losses = args[0] if isinstance(args[0], (list, tuple)) else [args[0]]
        for loss in losses:
            program.tape.backward(loss)
    with program.quiet():
        return func(*args, **kwargs)


def watch(report):
    """Puts everything up; gives the Program."""
    program = Program(report)
    _modules(program)
    _functions(program)
    _optimizers(program)
    _scalers(program)
    _clipping(program)
    _compiling(program)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: program.stop("a child process"))
    return program


def _modules(program):
    hooks = torch.nn.modules.module

    def enter(module, args):
        if program.off or program.inside or threading.get_ident() != program.thread:
            return
        if not program.stack:
            kwargs = sys._getframe(1).f_locals.get("kwargs") or {}
            program.stack.append((module, program.enter_module(module, args, kwargs)))
            _leave_mode(program)
        else:
            program.stack.append((module, None))

    def leave(module, args, output):
        if program.off or program.inside or threading.get_ident() != program.thread:
            return
        while program.stack:  # a forward that raised inside a try block left its name behind
            known, number = program.stack.pop()
            if known is module:
                break
        if not program.stack:
            if program.tape is not None and number is not None:
                program.tape.gave(number, output)
            _enter_mode(program)

    try:
        after = hooks.register_module_forward_hook(leave, always_call=True)
    except TypeError:  # torch 2.0: a forward that raises is noticed at the next step
        after = hooks.register_module_forward_hook(leave)
    handles = [hooks.register_module_forward_pre_hook(enter), after]
    program.undo += [handle.remove for handle in handles]


def _functions(program):
    program.mode = Functions(program)
    program.mode.up = False
    _enter_mode(program)
    program.undo.append(lambda: _leave_mode(program))


def _enter_mode(program):
    if not program.mode.up and not program.off:
        program.mode.__enter__()
        program.mode.up = True


def _leave_mode(program):
    """Off the stack of modes, if it is the top one: inside a model nothing is to cost anything."""
    top = torch.overrides._get_current_function_mode_stack()[-1:] if program.mode.up else []
    if top == [program.mode]:
        program.mode.__exit__(None, None, None)
        program.mode.up = False


def _replace(program, owner, name, make):
    """Puts make(original) in place of owner.name until the end."""
    original, own = getattr(owner, name), name in vars(owner)
    wrapped = functools.wraps(original)(make(original))
    setattr(owner, name, wrapped)

    def back():
        if vars(owner).get(name) is wrapped:
            setattr(owner, name, original) if own else delattr(owner, name)

    program.undo.append(back)


def _optimizers(program):
    optimizer = torch.optim.Optimizer

    def known(original):
        def made(self, *args, **kwargs):
            original(self, *args, **kwargs)
            program.optimizers.append(weakref.ref(self))

        return made

    _replace(program, optimizer, "__init__", known)

    def zeroing(original):
        def zero_grad(self, *args, **kwargs):
            if program.active() and program.tape is not None and program.tape.stepped:
                program.finish()
            if not program.active() or program.tape is None:
                return original(self, *args, **kwargs)
            program.tape.add("other", lambda o, *a, **k: o.zero_grad(*a, **k), (self, *args), kwargs)
            with program.quiet():
                return original(self, *args, **kwargs)

        return zero_grad

    _replace(program, optimizer, "zero_grad", zeroing)
    _replace(program, torch.nn.Module, "zero_grad", zeroing)

    def before(opt, args, kwargs):
        if program.active():
            _leave_mode(program)
        if program.active() and program.tape is not None:
            program.tape.add("other", lambda o, *a, **k: o.step(*a, **k), (opt, *args[1:]), kwargs)
            program.tape.stepped = True

    hooks = sys.modules["torch.optim.optimizer"]  # the package does not keep the name

    def after(opt, args, kwargs):
        if program.active():
            _enter_mode(program)

    handles = [hooks.register_optimizer_step_pre_hook(before), hooks.register_optimizer_step_post_hook(after)]
    program.undo += [handle.remove for handle in handles]


def _scalers(program):
    base = getattr(torch.amp, "GradScaler", None) or torch.cuda.amp.GradScaler

    def known(original):
        def made(self, *args, **kwargs):
            original(self, *args, **kwargs)
            program.scaler = self if self._enabled else program.scaler

        return made

    def scale(original):
        def method(self, outputs):
            if not program.active() or program.tape is None or not isinstance(outputs, torch.Tensor):
                return original(self, outputs)
            program.tape.losses.append(outputs.detach())
            number = program.tape.add("scale", self.scale, (outputs,), {})
            with program.quiet():
                out = original(self, outputs)
            program.tape.gave(number, out)
            return out

        return method

    def stepping(name):
        def make(original):
            def method(self, *args, **kwargs):
                if not program.active() or program.tape is None:
                    return original(self, *args, **kwargs)
                program.tape.add("other", lambda s, *a, **k: getattr(s, name)(*a, **k), (self, *args), kwargs)
                program.tape.stepped = program.tape.stepped or name == "step"
                with program.quiet():
                    return original(self, *args, **kwargs)

            return method

        return make

    _replace(program, base, "__init__", known)
    _replace(program, base, "scale", scale)
    for name in ("unscale_", "step", "update"):
        _replace(program, base, name, stepping(name))


def _clipping(program):
    def make(original):
        def clip(parameters, *args, **kwargs):
            if isinstance(parameters, torch.Tensor) or not program.active() or program.tape is None:
                return original(parameters, *args, **kwargs)
            parameters = list(parameters)
            program.tape.add("other", lambda *a, **k: original(parameters, *a, **k), args, kwargs)
            with program.quiet():
                return original(parameters, *args, **kwargs)

        return clip

    for name in ("clip_grad_norm_", "clip_grad_value_"):
        _replace(program, torch.nn.utils, name, make)

    def direct(original):
        def autograd_backward(*args, **kwargs):
            if not program.active() or program.tape is None:
                return original(*args, **kwargs)
            return backward(program, original, args, kwargs)

        return autograd_backward

    _replace(program, torch.autograd, "backward", direct)


def _compiling(program):
    if not hasattr(torch, "compile"):
        return

    def make(original):
        def compile_(*args, **kwargs):
            program.stop("torch.compile is used: compiled code cannot be recorded")
            return original(*args, **kwargs)

        return compile_

    _replace(program, torch, "compile", make)
