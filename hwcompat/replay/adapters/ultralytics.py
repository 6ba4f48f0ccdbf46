"""Ultralytics: a training of a YOLO model, or of a trainer, is watched from its first batch to its last.

The loop belongs to BaseTrainer._do_train: preprocess_batch, the model under autocast (which gives the loss), backward
through the scaler, and, every `accumulate` batches, optimizer_step (unscale, clip at 10.0, step, update, zero_grad,
EMA). A step of the watch is one batch: it begins where preprocess_batch returns and ends just before the gradients are
cleared, or at the end of a batch that only adds to them.
Source: https://github.com/ultralytics/ultralytics/blob/main/ultralytics/engine/trainer.py
"""

from typing import Any

import torch

from . import autocasting
from .session import Session

CLIP = 10.0
"""The gradient norm at which optimizer_step clips, in every release from 8.0 on."""


def watch(model, on_finding="stop", report=None, **settings):
    """Watches the next trainings of `model`: a YOLO (or RTDETR ...) object or a trainer, before train() is called."""
    if not hasattr(model, "add_callback"):
        raise TypeError("watching.ultralytics() takes the model whose train() you call, not %s" % type(model).__name__)

    def attach(trainer):
        Attached(trainer, on_finding, report, settings)

    model.add_callback("on_pretrain_routine_end", attach)
    return model


class Batch:
    """What a re-run must know about a batch: autocast, whether gradients begin anew, whether the optimizer stepped."""

    __slots__ = ("autocast", "fresh", "stepped")  # no __dict__: what is learnt during the step must survive a rollback

    def __init__(self, autocast, fresh):
        self.autocast, self.fresh, self.stepped = autocast, fresh, False


class Attached:
    """The watch of one trainer. It replaces four attributes of the trainer object, none of its class."""

    def __init__(self, trainer, on_finding, report, settings):
        self.trainer, self.fresh = trainer, True
        self.batch: Any = None
        self.preprocess, self.optimizer_step = trainer.preprocess_batch, trainer.optimizer_step
        self.session = Session(
            "ultralytics", trainer.model, trainer.optimizer, trainer.scaler, self.redo, on_finding, report, **settings
        )
        trainer.preprocess_batch, trainer.optimizer_step = self._preprocess, self._optimizer_step
        trainer.add_callback("on_train_epoch_start", self._epoch)
        trainer.add_callback("on_train_batch_end", self._batch_end)
        trainer.add_callback("on_fit_epoch_end", self._epoch_end)

    def _preprocess(self, batch):
        batch = self.preprocess(batch)
        self.batch = Batch(autocasting.current(), self.fresh)
        self.session.begin(batch, self.batch)
        return batch

    def _optimizer_step(self):
        """The trainer's own optimizer_step, with the step's end just before it clears the gradients."""
        optimizer = self.trainer.optimizer
        clear, kept = optimizer.zero_grad, vars(optimizer).get("zero_grad")
        self.batch.stepped = True

        def zero_grad(*args, **kwargs):
            self.session.end(self.trainer.loss)
            return clear(*args, **kwargs)

        optimizer.zero_grad = zero_grad
        try:
            return self.optimizer_step()
        finally:
            self.fresh = True
            if kept is None:
                del optimizer.zero_grad
            else:
                optimizer.zero_grad = kept

    def redo(self, batch, how):
        """The batch again; gives the loss. The EMA is left alone: nothing flows from it into a step."""
        trainer = self.trainer
        if how.fresh:
            trainer.optimizer.zero_grad()
        with autocasting.again(how.autocast):
            loss = self._loss(batch)
        trainer.scaler.scale(loss).backward()
        if how.stepped:
            trainer.scaler.unscale_(trainer.optimizer)
            torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), max_norm=CLIP)
            trainer.scaler.step(trainer.optimizer)
            trainer.scaler.update()
        return loss

    def _loss(self, batch):
        model, trainer = self.trainer.model, self.trainer
        if getattr(trainer.args, "compile", False):
            inner = getattr(model, "module", model)
            inner = getattr(inner, "_orig_mod", inner)
            loss = inner.loss(batch, model(batch["img"]))[0]
        else:
            loss = model(batch)[0]
        loss = loss.sum()
        return loss * trainer.world_size if getattr(trainer, "world_size", 1) > 1 else loss

    def _batch_end(self, trainer):
        if self.batch is not None and not self.batch.stepped:
            self.session.end(trainer.loss)
            self.fresh = False
        self._stop(trainer)

    def _epoch(self, trainer):
        if not isinstance(trainer.train_loader, UntilStopped):
            trainer.train_loader = UntilStopped(trainer.train_loader, self)

    def _epoch_end(self, trainer):
        self._stop(trainer)

    def _stop(self, trainer):
        """trainer.stop ends the training; some releases set it anew after each epoch, and look at it only there."""
        if self.session.stopped:
            trainer.stop = True


class UntilStopped:
    """A data loader that gives no further batch once the watch has found something: not every release looks."""

    def __init__(self, loader, attached):
        self.__dict__.update(loader=loader, attached=attached)

    def __iter__(self):
        for batch in self.loader:
            if self.attached.session.stopped:
                return
            yield batch

    def __len__(self):
        return len(self.loader)

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def __setattr__(self, name, value):
        setattr(self.loader, name, value)
