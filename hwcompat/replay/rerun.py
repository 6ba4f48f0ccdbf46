"""Runs a step again from a snapshot: under the recorder, plainly, or with one thing changed."""

import contextlib
import functools
import sys
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

import torch

from . import trees
from .entry import Entry
from .places import Places
from .recorder import Recorder, all_finite, has_nan


@dataclass
class Saved:
    """A step as it began: its number, the snapshot, the arguments of train_step, python values."""

    number: int
    slot: Any
    train_step: Any
    args: Tuple[Any, ...]
    kwargs: Dict[str, Any]
    python: Any = None
    versions: Tuple[Any, ...] = ()
    between: Any = None


@dataclass
class Run:
    """What one run of a step gave."""

    loss: Optional[torch.Tensor] = None
    value: Optional[float] = None
    error: Optional[BaseException] = None
    recorder: Any = None
    places: Any = None
    bad: str = ""
    shadow_loss: Optional[float] = None
    entry: Any = None
    sources: List[Any] = field(default_factory=list)
    tables: List[Any] = field(default_factory=list)


class Replayer:
    """Re-runs steps of one training. It leaves the training in whatever state the last run ended: callers restore."""

    def __init__(self, state, roots):
        self.state, self.roots = state, roots
        self.compiled = False

    def restore(self, saved):
        saved.slot.put_back()
        if saved.python is not None:
            saved.python[0].restore(saved.python[1])

    def plain(self, saved, eager=False, batch=None, restore=True, around=contextlib.nullcontext):
        """The step again, nothing watching."""
        if restore:
            self.restore(saved)
        run = Run()
        with local_only(self.roots), eager_only(eager), around():
            self._call(saved, run, *arguments(saved, batch))
        self._judge(run)
        return run

    def recorded(self, saved, scale=None, seconds=60.0, shadow=True, **look):
        """The step again under the recorder, with or without its float64 `shadow`. `scale`: the loss scale to use.

        `look`: what else is wanted. wanted(place): linear operators to keep; compare: what looks at every operator;
        check: keep the first that is wrong; read: keep the shadows of the gradients that the optimizer finds; measure:
        the largest magnitude of any result; apart: the first result that is further from float64, relative to it.
        """
        self.restore(saved)
        scaler = self.state.scaler
        set_scale(scaler, scale, self.state)
        run = Run(places=Places(self.roots, self.state.optimizers))
        args, kwargs = arguments(saved)
        run.sources = sources(args, kwargs, self.state)
        run.tables = saved.python[0].tables() if saved.python is not None else []
        parameters = self.state.parameters()
        run.recorder = Recorder(
            run.places,
            run.sources,
            getattr(scaler, "_scale", None),
            lambda: [p.grad for p in parameters],
            seconds,
            shadow,
            look.get("check", False),
        )
        run.recorder.follow_tables(run.tables)
        run.recorder.wanted, run.recorder.compare = look.get("wanted"), look.get("compare")
        run.recorder.largest = 0.0 if look.get("measure") else None
        run.recorder.apart = look.get("apart")
        run.entry = Entry(self.state.optimizers, scaler, run.recorder.shadows.of if look.get("read") else None)
        with local_only(self.roots), eager_only(True), run.places, run.entry, run.recorder:
            self._call(saved, run, args, kwargs)
        self._judge(run)
        return run

    def at_step(self, saved, scale=None, eager=False):
        """What the optimizers find when they step; see Entry. `scale`: the loss scale to use."""
        self.restore(saved)
        set_scale(self.state.scaler, scale, self.state)
        entry = Entry(self.state.optimizers, self.state.scaler, torch.Tensor.detach)
        self.plain(saved, eager=eager, restore=False, around=lambda: entry)
        return entry

    @staticmethod
    def wide_loss(run):
        """The float64 shadow of the loss of a recorded run, or None."""
        losses, shadows = trees.losses(run.loss), run.recorder.shadows
        if not losses or not shadows.alive or not all(shadows.known(loss.detach()) for loss in losses):
            return None
        return sum(float(shadows.of(loss.detach()).sum()) for loss in losses)

    def _call(self, saved, run, args, kwargs):
        try:
            run.loss = saved.train_step(*args, **kwargs)
        except (Exception, SystemExit) as error:
            run.error = error

    def _judge(self, run):
        loss = trees.first_loss(run.loss)
        if loss is not None:
            run.value = float(loss.detach().abs().sum()) if loss.is_complex() else float(loss.detach().float().sum())
            if not all_finite(loss.detach()):
                run.bad = "loss"
        gradients = [p.grad for p in self.state.parameters() if p.grad is not None]
        dense = [g if g.layout == torch.strided else g._values() for g in gradients]
        if not run.bad and any(not all_finite(g) for g in dense):
            run.bad = "gradient"
        weights = [t for t in self.state.tensors() if t.is_floating_point() or t.is_complex()]
        if not run.bad and any(not all_finite(w.detach()) for w in self.state.parameters()):
            run.bad = "weights"
        if not run.bad and any(has_nan(w.detach()) for w in weights):
            run.bad = "weights"


def arguments(saved, batch=None):
    """Fresh arguments of a step; `batch` stands for the first one."""
    args = saved.args if batch is None else (batch,) + tuple(saved.args[1:])
    return tuple(fresh(value) for value in args), fresh(saved.kwargs)


def fresh(value):
    """A batch that a step may change in place without spoiling the next run."""
    return trees.mapped(value, lambda t: t.detach().clone().requires_grad_(t.requires_grad) if t.is_leaf else t)


def sources(args, kwargs, state):
    """(name, tensor) of what a step begins with: the batch, the parameters, the buffers."""
    found = [("batch" + path, t) for path, t in trees.leaves(args)]
    found += [("batch" + path, t) for path, t in trees.leaves(kwargs)]
    return found + [("weights", t) for t in state.parameters()] + [("buffers", t) for t in state.buffers()]


def current_scale(scaler):
    """The loss scale of a scaler that is switched on; None without one."""
    if scaler is None or not getattr(scaler, "_enabled", False):
        return None
    scale = getattr(scaler, "_scale", None)
    return float(scale) if scale is not None else getattr(scaler, "_init_scale", None)


def set_scale(scaler, value, state):
    """Makes a scaler that waits for its first use ready, and sets its scale unless `value` is None."""
    if scaler is None or not getattr(scaler, "_enabled", False) or not hasattr(scaler, "_init_scale"):
        return
    if getattr(scaler, "_scale", None) is None:
        devices = [p.device for p in state.parameters()] or [torch.device("cpu")]
        scaler._lazy_init_scale_growth_tracker(devices[0])
    if value is not None:
        scaler._scale.fill_(value)


@contextlib.contextmanager
def eager_only(wanted):
    """Compiled functions run their Python; where torch has no such switch they run as they are."""
    stance = getattr(getattr(torch, "compiler", None), "set_stance", None)
    if not wanted or stance is None or "torch._dynamo" not in sys.modules:
        yield
        return
    with stance("force_eager"):
        yield


COLLECTIVES = (
    "all_reduce",
    "broadcast",
    "reduce",
    "all_gather",
    "barrier",
    "all_gather_into_tensor",
    "reduce_scatter_tensor",
)


@contextlib.contextmanager
def local_only(roots):
    """No rank waits for another one inside a re-run: other ranks may not be re-running."""
    if not distributed():
        yield
        return
    wrapped = [m for root in roots for m in root.modules() if type(m).__name__ == "DistributedDataParallel"]
    flags = ("require_forward_param_sync", "require_backward_grad_sync")
    old = [[getattr(module, flag, None) for flag in flags] for module in wrapped]
    functions = {name: getattr(torch.distributed, name) for name in COLLECTIVES if hasattr(torch.distributed, name)}
    try:
        for module in wrapped:
            for flag in flags:
                setattr(module, flag, False)
        for name, function in functions.items():
            setattr(torch.distributed, name, functools.wraps(function)(lambda *args, **kwargs: None))
        yield
    finally:
        for module, values in zip(wrapped, old):
            for flag, value in zip(flags, values):
                setattr(module, flag, value)
        for name, function in functions.items():
            setattr(torch.distributed, name, function)


def distributed():
    """Whether several processes train together."""
    package = sys.modules.get("torch.distributed")
    return bool(package and package.is_available() and package.is_initialized() and package.get_world_size() > 1)
