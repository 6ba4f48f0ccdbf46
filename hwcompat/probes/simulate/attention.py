"""Fused attention, forward and backward: lengths, masks, heads, ranges."""

from . import _alter, _dispatch, _shapes

FAULTS = {
    "dq_tail": "the gradient of the queries is NaN where their number leaves 64 of 128 and a mask is given (cuDNN, "
    "H100), https://github.com/pytorch/pytorch/issues/196678",
    "single_query": "the gradients of keys and values are NaN for one query (cuDNN 9.26, H200), "
    "https://github.com/NVIDIA/cudnn-frontend/issues/1072",
    "backward_nan": "the gradients of attention are NaN (cuDNN 9.12, H100), "
    "https://github.com/NVIDIA/cudnn-frontend/issues/160",
    "few_heads": "attention with fewer than 8 heads is wrong and finite (cuDNN, B200), "
    "https://github.com/pytorch/pytorch/issues/193893",
    "forward_nan": "attention gives NaN (cuDNN in torch 2.5.0), https://github.com/pytorch/pytorch/issues/139298",
    "unequal_lengths": "attention gives NaN where queries and keys differ in number, "
    "https://github.com/pytorch/pytorch/issues/109517",
    "masked_nan": "attention with a mask gives NaN, https://github.com/pytorch/pytorch/issues/119320",
    "masked_backward_nan": "the gradients of attention with a mask are NaN, "
    "https://github.com/pytorch/pytorch/issues/178251",
    "masked_keys_seen": "attention overlooks its mask: wrong values without NaN, as for heads in "
    "https://github.com/pytorch/pytorch/issues/193893",
    "zeros": "attention gives zeros: black pictures (MPS, from macOS 14.5), https://github.com/comfyanonymous/ComfyUI",
}


def _nan(tensor):
    return tensor * float("nan")


def _forward(torch, applies, damage, dtypes=_dispatch.LOW):
    def change(call):
        if not applies(call):
            return None
        out = call.out if isinstance(call.out, torch.Tensor) else call.out[0]
        damaged = damage(out)
        return damaged if out is call.out else type(call.out)([damaged, *list(call.out)[1:]])

    return _dispatch.on(torch, _shapes.ATTENTION, change, dtypes)


def _backward(torch, which, applies, dtypes=_dispatch.LOW):
    """The gradients numbered `which` become NaN."""

    def change(call):
        if not applies(call):
            return None
        return type(call.out)([_nan(g) if n in which and g is not None else g for n, g in enumerate(call.out)])

    return _dispatch.on(torch, _shapes.ATTENTION_BACKWARD, change, dtypes)


def _masked(torch):
    return lambda call: _shapes.mask_of(torch, call) is not None


def dq_tail(torch):
    masked = _masked(torch)
    return _backward(torch, (0,), lambda call: _shapes.query_key_value(call)[0].shape[-2] % 128 == 64 and masked(call))


def single_query(torch):
    return _backward(torch, (1, 2), lambda call: _shapes.query_key_value(call)[0].shape[-2] == 1)


def backward_nan(torch):
    return _backward(torch, (0, 1, 2), lambda call: True)


def few_heads(torch):
    def applies(call):
        return _shapes.query_key_value(call)[1].shape[1] < 8

    return _forward(torch, applies, lambda out: out * 0.75)


def forward_nan(torch):
    return _forward(torch, lambda call: True, _nan)


def unequal_lengths(torch):
    def applies(call):
        query, key, _ = _shapes.query_key_value(call)
        return query.shape[-2] != key.shape[-2]

    return _forward(torch, applies, _nan, _dispatch.FLOATS)


def masked_nan(torch):
    return _forward(torch, _masked(torch), lambda out: _alter.with_element(torch, out, -1, float("nan")))


def masked_backward_nan(torch):
    return _backward(torch, (0, 1, 2), _masked(torch), _dispatch.FLOATS)


def masked_keys_seen(torch):
    masked = _masked(torch)

    def change(call):
        if not masked(call) or call.name != _shapes.ATTENTION[0]:
            return None
        return call.func(*call.args, **dict(call.kwargs, attn_mask=None))

    return _dispatch.on(torch, _shapes.ATTENTION, change, _dispatch.FLOATS)


def zeros(torch):
    return _forward(torch, lambda call: True, lambda out: out * 0)
