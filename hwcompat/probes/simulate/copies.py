"""Copies that deliver something else."""

from . import _dispatch, _shapes

FAULTS = {
    "zeros": "the second half of large copies is zero, https://github.com/pytorch/pytorch/issues/84803",
    "late": "large copies deliver the previous copy of the same size, https://github.com/pytorch/pytorch/issues/132397",
    "strided": "copies of tensors that are not contiguous have their last row twice: operators that mistake strides "
    "are common on MPS, https://github.com/pytorch/pytorch/issues/118117",
}

_COPIES = ("copy", "clone", "_to_copy")
_LARGE = 1024


def _copies(torch, change):
    """Copies of any dtype; `change(source, result)`."""

    def alter(name, func, args, kwargs, out):
        plain = _dispatch.base_name(name)
        if plain not in _COPIES or out.element_size() > 4 or out.dtype == torch.bool:
            return out
        source = args[1] if plain == "copy" else args[0]
        changed = change(source, out) if isinstance(source, torch.Tensor) else None
        if changed is None:
            return out
        hits[0] += 1
        return _dispatch.put(torch, func, out, out, changed)

    mode, hits = _dispatch.after_each(torch, alter), [0]
    mode.hits = hits
    return mode


def zeros(torch):
    def change(source, out):
        if out.numel() < _LARGE or source.dtype != out.dtype or not out.is_contiguous():
            return None
        damaged = out.clone().reshape(-1)
        damaged[out.numel() // 2 :] = 0
        return damaged.reshape(out.shape)

    return _copies(torch, change)


def late(torch):
    last = {}  # type: dict[object, object]

    def change(source, out):
        if out.numel() < _LARGE or source.dtype != out.dtype:
            return None
        key = (tuple(out.shape), out.dtype)
        previous, last[key] = last.get(key), out.clone()
        return previous

    return _copies(torch, change)


def strided(torch):
    def change(source, out):
        if source.dim() < 2 or source.shape[0] < 2 or not _shapes.is_strided(source):
            return None
        damaged = out.clone()
        damaged[-1] = out[-2]
        return damaged

    return _copies(torch, change)
