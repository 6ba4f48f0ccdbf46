"""What memory and scheduling do to results: stuck bits, kernels that do not run, blocks never written."""

from . import _dispatch, _shapes

FAULTS = {
    "stuck_bit": "one bit of one word of large integer tensors is stuck at one (an RTX 2080 Ti), "
    "https://github.com/pytorch/pytorch/issues/52019",
    "stuck_bit_floats": "one bit of one word of large float tensors that are filled or copied is stuck at one, "
    "https://github.com/pytorch/pytorch/issues/52019",
    "stale": "16-bit products and convolutions leave the previous result in place, as the planes of bias alone in "
    "https://github.com/pytorch/pytorch/issues/58123",
    "garbage": "the last eighth of 16-bit products and convolutions is what memory held before, as in "
    "https://github.com/pytorch/pytorch/issues/58123",
}

_WRITES = ("fill", "copy", "zero", "clone", "bitwise_xor", "full", "zeros", "ones", "arange")
_LARGE = 2**14
_OPERATORS = _shapes.PRODUCTS + _shapes.CONVOLUTION


def _stuck(torch, wanted):
    """Word 4097 of every large tensor that `wanted` and is written to has bit 5 set."""

    def alter(name, func, args, kwargs, out):
        fits = isinstance(out, torch.Tensor) and out.numel() >= _LARGE and wanted(out) and out.is_contiguous()
        if _dispatch.base_name(name) in _WRITES and fits:
            out.view(-1).view(torch.uint8)[4 * 4097] |= 32
            hits[0] += 1
        return out

    mode, hits = _dispatch.after_each(torch, alter), [0]
    mode.hits = hits
    return mode


def stuck_bit(torch):
    return _stuck(torch, lambda tensor: tensor.dtype == torch.int32)


def stuck_bit_floats(torch):
    return _stuck(torch, lambda tensor: tensor.is_floating_point() and tensor.element_size() in (2, 4))


def stale(torch):
    last = {}  # type: dict[object, object]

    def change(call):
        key = (call.name, tuple(call.out.shape))
        previous, last[key] = last.get(key), call.out.clone()
        return previous

    return _dispatch.on(torch, _OPERATORS, change)


def garbage(torch):
    def change(call):
        count = call.out.numel() // 8
        if not count:
            return None
        damaged = call.out.contiguous().clone().reshape(-1)
        damaged[-count:] = 12345.0
        return damaged.reshape(call.out.shape)

    return _dispatch.on(torch, _OPERATORS, change)
