"""The machinery of mixed precision: the scaler's test for infinities, its scale, autocast itself."""

import contextlib

from . import _dispatch

FAULTS = {
    "never_infinite": "the scaler sees no infinity and no NaN, and applies bad steps: what it must do is in "
    "https://docs.pytorch.org/docs/stable/amp.html",
    "always_infinite": "the scaler always sees one: the scale falls to zero and nothing is learned, "
    "https://github.com/deepinsight/insightface/issues/2262",
    "tail_unseen": "the scaler's test leaves out what does not fill a vector of four: what it must do is in "
    "https://docs.pytorch.org/docs/stable/amp.html",
    "never_grows": "the scale never grows again: reports of a scale that ends at zero, "
    "https://github.com/NVIDIA/apex/issues/715",
    "not_unscaled": "gradients are not divided by the scale: what must be is in "
    "https://docs.pytorch.org/docs/stable/amp.html",
    "fused_ignores_infinity": "fused optimizers step in spite of an infinity (MPS), "
    "https://github.com/pytorch/pytorch/pull/186360",
    "autocast_idle": "autocast changes nothing and everything stays fp32: what it must do is in "
    "https://docs.pytorch.org/docs/stable/amp.html",
}

_CHECK = ("_amp_foreach_non_finite_check_and_unscale",)
_FLOATS = (*_dispatch.FLOATS, "float64")


def never_infinite(torch):
    return _dispatch.on(torch, _CHECK, lambda call: [call.out[0], call.out[1] * 0], _FLOATS)


def always_infinite(torch):
    return _dispatch.on(torch, _CHECK, lambda call: [call.out[0], call.out[1] * 0 + 1], _FLOATS)


def tail_unseen(torch):
    def change(call):
        whole = [tensor.reshape(-1)[: tensor.numel() // 4 * 4] for tensor in call.out[0]]
        seen = any(not bool(torch.isfinite(tensor).all()) for tensor in whole)
        return None if seen else [call.out[0], call.out[1] * 0]

    return _dispatch.on(torch, _CHECK, change, _FLOATS)


def never_grows(torch):
    def change(call):
        call.args[1].zero_()  # the count of good steps
        return call.out

    return _dispatch.on(torch, ("_amp_update_scale",), change, _FLOATS)


def not_unscaled(torch):
    def change(call):
        return [[tensor / call.args[2] for tensor in call.out[0]], call.out[1]]

    return _dispatch.on(torch, _CHECK, change, _FLOATS)


def fused_ignores_infinity(torch):
    """The step is done again without the flag that forbids it."""
    names = ("_fused_sgd", "_fused_adam", "_fused_adamw", "_fused_adagrad")

    def change(call):
        flag = call.kwargs.get("found_inf")
        if flag is None or not bool(flag.item()):
            return None
        call.func(*call.args, **dict(call.kwargs, found_inf=None))
        return call.out

    return _dispatch.on(torch, names, change, _FLOATS)


@contextlib.contextmanager
def autocast_idle(torch):
    """No operator is altered: torch.autocast does not take effect when it is entered."""
    kind = torch.autocast
    enter = kind.__enter__

    def idle(self):
        self._enabled = False
        return enter(self)

    kind.__enter__ = idle
    try:
        yield
    finally:
        kind.__enter__ = enter
