"""Lightning (`lightning` and `pytorch_lightning`, from 1.6 on): a Callback that watches fit().

A step of the watch is one batch, from on_train_batch_start to on_train_batch_end. A re-run goes through the Trainer's
strategy and precision plugin, as the loop does: training_step, backward (scaled), then the optimizer step with its
unscaling and clipping. Manual optimization is training_step alone, which does the rest itself.
Source: https://github.com/Lightning-AI/pytorch-lightning/tree/master/src/lightning/pytorch/loops/optimization
"""

import contextlib
import importlib
import inspect
import sys
from typing import Any

from .session import Session

SHARDED = ("FSDP", "DeepSpeed", "ModelParallel", "XLA")
PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def watch(on_finding="stop", report=None, package=None, **settings):
    """A Callback for Trainer(callbacks=[...]). `package`: the one whose Trainer is used, if both are installed."""
    return _callback_class(package or _package())(on_finding, report, settings)


def _package():
    """The one that the program has imported already, else the one that is installed."""
    for name in PACKAGES:
        if name in sys.modules:
            return name
    for name in PACKAGES:
        with contextlib.suppress(ImportError):
            return importlib.import_module(name).__name__
    raise ImportError("neither lightning nor pytorch_lightning is installed in this environment")


def _callback_class(package):
    callback = importlib.import_module(package).Callback
    return type("HwcompatWatch", (Hooks, callback), {"__module__": __name__})


class Batch:
    """What the loop did with a batch: whether it cleared the gradients first, whether the optimizer stepped."""

    __slots__ = ("cleared", "index", "stepped")  # no __dict__: what is learnt during the step must survive a rollback

    def __init__(self, index):
        self.index, self.cleared, self.stepped = index, False, False


class Hooks:
    """The hooks of the callback; the class of a Callback is added to it when Lightning is at hand."""

    def __init__(self, on_finding, report, settings):
        self.on_finding, self.report, self.settings = on_finding, report, settings
        self.session: Any = None
        self.batch: Any = None
        self.redoing = False

    def on_train_start(self, trainer, pl_module):
        schedulers = [getattr(c, "scheduler", c) for c in getattr(trainer, "lr_scheduler_configs", None) or []]
        steps = Steps(trainer, pl_module, self)
        self.session = Session(
            "lightning",
            trainer.strategy.model,
            list(trainer.optimizers),
            getattr(_precision(trainer), "scaler", None),
            steps.redo,
            self.on_finding,
            self.report,
            steps.why_not,
            extra_state=[s for s in schedulers if hasattr(s, "load_state_dict")],
            **self.settings,
        )

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx, *unused):
        self.batch = Batch(batch_idx)
        self.session.begin(batch, self.batch)

    def on_before_zero_grad(self, *unused):
        if not self.redoing and self.batch is not None:
            self.batch.cleared = True

    def on_before_optimizer_step(self, *unused):
        if not self.redoing and self.batch is not None:
            self.batch.stepped = True

    def on_train_batch_end(self, trainer, pl_module, outputs, *unused):
        self.session.end(outputs)
        if self.session.stopped:
            trainer.should_stop = True

    def on_exception(self, trainer, pl_module, exception):
        if self.session is not None and isinstance(exception, Exception):
            self.session.end(error=exception)


class Steps:
    """Does a batch of one fit() again. `why_not`: why that is impossible, or empty."""

    def __init__(self, trainer, module, hooks):
        self.trainer, self.module, self.hooks = trainer, module, hooks
        self.wants_opt_index = "opt_idx" in inspect.signature(trainer.strategy.optimizer_step).parameters
        self.why_not = self._obstacle()

    def _obstacle(self):
        strategy = type(self.trainer.strategy).__name__
        if any(word in strategy for word in SHARDED):
            return "%s keeps parts of the state out of reach" % strategy
        if self.module.automatic_optimization and len(self.trainer.optimizers) > 1:
            return "several optimizers take turns in automatic optimization"
        if any(type(optimizer).__name__ == "LBFGS" for optimizer in self.trainer.optimizers):
            return "LBFGS calls training_step as often as it likes"
        return ""

    def redo(self, batch, how):
        """The batch again; gives what training_step gave."""
        self.hooks.redoing = True
        try:
            with silent(self.module):
                return self._automatic(batch, how) if self.module.automatic_optimization else self._forward(batch, how)
        finally:
            self.hooks.redoing = False

    def _forward(self, batch, how):
        count = len(inspect.signature(self.module.training_step).parameters)
        return self.trainer.strategy.training_step(*(batch, how.index)[: max(1, count)])

    def _automatic(self, batch, how):
        """The loop runs all this inside optimizer.step(closure); here it goes first, so that its place is its own."""
        optimizer, index = self.trainer.optimizers[0], (0,) if self.wants_opt_index else ()
        output = self._forward(batch, how)
        loss = output["loss"] if isinstance(output, dict) else output
        if loss is None:
            return None
        if how.cleared:
            optimizer.zero_grad()
        divided = loss / self.trainer.accumulate_grad_batches
        self.trainer.strategy.backward(divided, optimizer, *index)
        if how.stepped:
            self.trainer.strategy.optimizer_step(optimizer, *index, lambda: divided, model=self.module)
        return output


@contextlib.contextmanager
def silent(module):
    """Without self.log(): what a re-run logs would be counted twice."""
    names = ("log", "log_dict")
    for name in names:
        object.__setattr__(module, name, lambda *args, **kwargs: None)
    try:
        yield
    finally:
        for name in names:
            object.__delattr__(module, name)


def _precision(trainer):
    return getattr(trainer.strategy, "precision_plugin", None)
