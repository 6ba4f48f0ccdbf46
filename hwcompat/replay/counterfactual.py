"""R10: the steps from the oldest snapshot at hand to the bad one, over the same batches, with one thing changed."""

import contextlib

import torch

from . import trees
from .observations import Trial
from .tripwire import is_finite


class Counterfactuals:
    """Runs trials over a timeline: steps in order, of which the first has a snapshot."""

    def __init__(self, replayer, timeline, inputs):
        self.replayer, self.timeline, self.inputs = replayer, timeline, inputs
        self.optimizers = replayer.state.optimizers

    def baseline(self):
        """The same steps with nothing changed."""
        return self._run("nothing changed")

    def zero_grad(self):
        return self._run("with the gradients cleared before each step", each=self._clear)

    def weight_decay(self):
        return self._run("without weight decay", once=lambda: self._groups("weight_decay", lambda v: 0.0))

    def eps(self):
        return self._run("with eps at least 1e-4", once=lambda: self._groups("eps", lambda v: max(v, 1e-4)))

    def lr(self):
        for factor in (0.1, 0.01, 1e-4, 1e-8, 1e-12):
            text = "with the learning rate times %g" % factor
            trial = self._run(text, each=None, once=lambda f=factor: self._groups("lr", lambda v: v * f))
            if trial.better:
                break
        return trial

    def input(self):
        return self._run("with the inputs scaled to mean 0 and standard deviation 1", batch=self._standardised)

    def outlier(self):
        return self._run("with the largest sample of the last batch replaced by the median one", batch=self._tamed)

    def init(self):
        return self._run("with the default initialisation of every layer", once=self._default_init)

    def clip(self):
        return self._run("with the gradient norm clipped to 1", around=self._clipping)

    def eager(self):
        return self._run("without torch.compile", eager=True)

    def _run(self, what, once=None, each=None, batch=None, around=contextlib.nullcontext, eager=False):
        losses, bad = [], False
        for index, saved in enumerate(self.timeline):
            if index == 0:
                self.replayer.restore(saved)
                with torch.no_grad():
                    once() if once else None
            if each:
                each()
            changed = batch(saved) if batch else None
            run = self.replayer.plain(saved, batch=changed, restore=False, around=around, eager=eager)
            bad = bool(run.bad) or run.error is not None
            losses.append(run.value)
            if bad:
                break
        known = [v for v in losses if v is not None and is_finite(v)]
        first, last = (known[0], known[-1]) if known else (None, None)
        text = "%s the same %d steps %s" % (what, len(losses), "go bad too" if bad else _course(first, last))
        return Trial(not bad, first, last, text, len(losses))

    def _clear(self):
        for parameter in self.replayer.state.parameters():
            parameter.grad = None

    def _groups(self, key, change):
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                if isinstance(group.get(key), (int, float)):
                    group[key] = change(group[key])

    def _default_init(self):
        for module in self.replayer.state.modules:
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()

    def _standardised(self, saved):
        """The first argument with every tensor that the model is given scaled."""
        paths = {id(t): "batch[0]" + path for path, t in trees.leaves(saved.args[0])} if saved.args else {}
        return trees.mapped(saved.args[0], lambda t: self._scaled(t, paths.get(id(t), ""))) if saved.args else None

    def _scaled(self, tensor, path):
        if (self.inputs and path not in self.inputs) or not tensor.is_floating_point() or tensor.numel() < 2:
            return tensor
        wide = tensor.detach().double()
        return ((wide - wide.mean()) / wide.std().clamp_min(1e-12)).to(tensor.dtype)

    def _tamed(self, saved):
        """The first argument, in the last step with the largest sample of each input replaced by a median one."""
        if saved is not self.timeline[-1] or not saved.args:
            return None
        paths = {id(t): "batch[0]" + path for path, t in trees.leaves(saved.args[0])}
        return trees.mapped(saved.args[0], lambda t: self._median_sample(t, paths.get(id(t), "")))

    def _median_sample(self, tensor, path):
        if (self.inputs and path not in self.inputs) or not tensor.is_floating_point() or tensor.dim() < 2:
            return tensor
        sizes = tensor.detach().double().abs().reshape(tensor.shape[0], -1).amax(1)
        changed = tensor.detach().clone()
        changed[int(sizes.argmax())] = changed[int(sizes.median(0).indices)]
        return changed

    @contextlib.contextmanager
    def _clipping(self):
        parameters = self.replayer.state.parameters()
        originals = []

        def clipped(original):
            def step(*args, **kwargs):
                torch.nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], 1.0)
                return original(*args, **kwargs)

            return step

        for optimizer in self.optimizers:
            originals.append((optimizer, vars(optimizer).get("step")))
            optimizer.step = clipped(optimizer.step)
        try:
            yield
        finally:
            for optimizer, old in originals:
                if old is None:
                    del optimizer.step
                else:
                    optimizer.step = old


def _course(first, last):
    if first is None:
        return "stay finite"
    return "stay finite, loss %.3g -> %.3g" % (first, last)
