"""Hugging Face Trainer: a TrainerCallback that watches train().

A step of the watch is one call of Trainer.training_step (one of gradient_accumulation_steps); the last of them ends
where the optimizer has stepped and the gradients are still there. A re-run calls the Trainer's own training_step
(compute_loss under its autocast, backward through accelerate's scaler), then clips as the Trainer did, and steps.
Source: https://github.com/huggingface/transformers/blob/main/src/transformers/trainer.py
"""

import importlib
import sys
from typing import Any

import torch

from .session import Session

REACHABLE = ("NO", "MULTI_CPU", "MULTI_GPU", "MULTI_NPU", "MULTI_XPU")
"""The kinds of training of accelerate whose whole state is in the model and the optimizer of each process."""


def watch(on_finding="stop", report=None, **settings):
    """A callback for Trainer(..., callbacks=[...])."""
    callback = importlib.import_module("transformers").TrainerCallback
    return type("HwcompatWatch", (Hooks, callback), {"__module__": __name__})(on_finding, report, settings)


class Part:
    """What a re-run must know about a batch: whether gradients begin anew, and whether the optimizer stepped."""

    __slots__ = (
        "clips",
        "fresh",
        "loss",
        "stepped",
    )  # no __dict__: what is learnt during the step must survive a rollback

    def __init__(self, fresh):
        self.fresh, self.stepped, self.loss, self.clips = fresh, False, None, []


class Hooks:
    """The hooks of the callback; the class of a TrainerCallback is added to it when transformers is at hand."""

    def __init__(self, on_finding, report, settings):
        self.on_finding, self.report, self.settings = on_finding, report, settings
        self.attached: Any = None

    def on_train_begin(self, args, state, control, **unused):
        trainer = _trainer(sys._getframe(1))
        if trainer is None:
            sys.stderr.write("hwcompat: found no Trainer above this callback; this training is not watched\n")
            return
        self.attached = Attached(trainer, self)

    def on_step_end(self, args, state, control, **unused):
        if self.attached is not None and self.attached.session is not None and self.attached.session.stopped:
            control.should_training_stop = True

    on_substep_end = on_step_end

    def on_train_end(self, args, state, control, **unused):
        if self.attached is not None:
            self.attached.detach()
            self.attached = None


def _trainer(frame):
    """The Trainer whose method is the nearest one up the stack: a callback is not told."""
    trainers = importlib.import_module("transformers").Trainer
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, trainers):
            return owner
        frame = frame.f_back
    return None


class Attached:
    """The watch of one train(). It replaces training_step of the Trainer object and step of its optimizer object."""

    def __init__(self, trainer, hooks):
        self.trainer, self.hooks, self.fresh = trainer, hooks, True
        self.session: Any = None
        self.part: Any = None
        self.optimizer: Any = None
        self.optimizer_step: Any = None
        self.clip: Any = None
        self.training_step = trainer.training_step
        trainer.training_step = self._training_step

    def detach(self):
        if self.session is not None:
            self.session.abandon()
        vars(self.trainer).pop("training_step", None)
        if self.optimizer is not None:
            self.optimizer.step = self.optimizer_step
            vars(self.trainer.accelerator).pop("clip_grad_norm_", None)

    def _start(self, model):
        trainer = self.trainer
        self.optimizer, self.optimizer_step = trainer.optimizer, trainer.optimizer.step
        trainer.optimizer.step = self._optimizer_step
        self.clip, trainer.accelerator.clip_grad_norm_ = trainer.accelerator.clip_grad_norm_, self._clip
        kind = getattr(trainer.accelerator.distributed_type, "name", "NO")
        hooks = self.hooks
        self.session = Session(
            "transformers",
            model,
            getattr(trainer.optimizer, "optimizer", trainer.optimizer),
            trainer.accelerator.scaler,
            self.redo,
            hooks.on_finding,
            hooks.report,
            "" if kind in REACHABLE else "%s keeps parts of the state out of reach" % kind,
            extra_state=trainer.lr_scheduler if hasattr(trainer.lr_scheduler, "load_state_dict") else None,
            **hooks.settings,
        )

    def _training_step(self, model, inputs, *rest, **named):
        if self.session is None:
            self._start(model)
        elif self.part is not None and not self.part.stepped:
            self.session.end(self.part.loss)  # the batch before only added to the gradients
        self.part = Part(self.fresh)
        self.session.begin(inputs, model, rest, named, self.part)
        try:
            self.part.loss = self.training_step(model, inputs, *rest, **named)
        except BaseException as error:
            if isinstance(error, Exception):
                self.session.end(error=error)
            self.detach()  # train() ends here, and on_train_end is not called
            raise
        self.fresh = False
        return self.part.loss

    def _clip(self, parameters, max_norm, *args, **kwargs):
        """The Trainer also "clips" at infinity, to learn the norm; where that is infinite it makes gradients NaN."""
        if self.part is not None:
            self.part.clips.append(max_norm)
        return self.clip(parameters, max_norm, *args, **kwargs)

    def _optimizer_step(self, *args, **kwargs):
        result = self.optimizer_step(*args, **kwargs)
        if self.part is not None:
            self.part.stepped, self.fresh = True, True
            self.session.end(self.part.loss)
        return result

    def redo(self, inputs, model, rest, named, how):
        """The batch again; gives the loss."""
        trainer = self.trainer
        optimizer, scaler = getattr(self.optimizer, "optimizer", self.optimizer), trainer.accelerator.scaler
        if how.fresh:
            optimizer.zero_grad()
        loss = self.training_step(model, inputs, *rest, **named)
        if not how.stepped:
            return loss
        if scaler is not None:
            scaler.unscale_(optimizer)
        for norm in how.clips:
            torch.nn.utils.clip_grad_norm_(model.parameters(), norm)
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()
        return loss
