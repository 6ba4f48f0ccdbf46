"""Made-up faults of one operator at a time: each replaces one result of one operator by a value that is off in one way.

They stand for no report. They ask whether anything in the suite would notice if that operator were wrong.
"""

from . import _alter, _dispatch

CHANGES = {
    "nan_last": "the last element is NaN",
    "sign_first": "the sign of the first element that is not zero is flipped",
    "ulp": "one element in the middle is one unit in the last place off",
    "zeros": "every element is zero",
    "stale": "the result of the previous call of the same shape is returned",
    "roll": "every row is shifted by one element",
    "coarse": "float32 is kept with the 11 bits of TF32",
    "noncontiguous": "the last element is NaN where an operand is not contiguous",
    "later": "the last element is NaN from the second call on",
    "odd": "the last element is NaN where its last dimension is odd",
    "channels_last": "the last element is NaN where an operand is channels_last",
}


def mode(torch, name, overload, dtype, output, change):
    """The context manager in which floating-point result number `output` of the operator suffers `change`.

    `overload` "" stands for all forms of the operator. `dtype` is that of the result.
    """
    memory = {}  # type: dict[object, object]
    hits = [0]

    def alter(called, func, args, kwargs, out):
        if _dispatch.base_name(called) != name or (overload and func._overloadname != overload):
            return out
        written = out if out is not None else _dispatch.written_to(func, args)
        results = results_of(torch, func, written)
        if output >= len(results) or str(results[output].dtype) != "torch." + dtype or not results[output].numel():
            return out
        value = results[output]
        new = _changed(torch, change, value, _dispatch.tensors(torch, (args, kwargs)), memory)
        if new is None:
            return out
        hits[0] += 1
        return _dispatch.put(
            torch, func, written, out, _dispatch.mapped(torch, written, lambda t: new if t is value else t)
        )

    hook = _dispatch.after_each(torch, alter)
    hook.touches, hook.hits = (("%s/%d/%s" % (name, output, change),), (dtype,)), hits
    return hook


def results_of(torch, func, written):
    """The floating-point results of a call by number; of a result or operand that is a list, its first tensor."""
    many = isinstance(written, (list, tuple)) and _dispatch.results_declared(func) != 1
    firsts = [_dispatch.tensors(torch, value)[:1] for value in (written if many else [written])]
    return [first[0] for first in firsts if first and first[0].is_floating_point()]


def _changed(torch, change, value, operands, memory):
    """The damaged result, or None where this change leaves it alone."""
    if change == "zeros":
        return torch.zeros_like(value)
    if change == "roll":
        return value.roll(1, -1) if value.dim() and value.shape[-1] > 1 else None
    if change == "sign_first":
        return _alter.with_sign_flipped(torch, value)
    if change == "ulp":
        return _alter.one_ulp_off(torch, value, value.numel() // 2)
    if change == "coarse":
        return _coarse(torch, value)
    if change == "stale":
        key = (tuple(value.shape), value.stride())
        stale, memory[key] = memory.get(key), value.clone()
        return stale
    memory.setdefault("calls", [])
    memory["calls"].append(change)
    applies = change in applicable(torch, value, operands, len(memory["calls"]) > 1)
    return _alter.with_element(torch, value, -1, float("nan")) if applies else None


def _coarse(torch, value):
    """float32 rounded to 11 significant bits; None for another dtype."""
    if value.dtype != torch.float32:
        return None
    bits = value.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


def applicable(torch, value, operands, called_before):
    """Which changes a result is open to."""
    conditions = {
        "later": called_before,
        "stale": called_before,
        "roll": value.dim() > 0 and value.shape[-1] > 1,
        "odd": value.dim() > 0 and value.shape[-1] % 2 == 1 and value.shape[-1] > 1,
        "noncontiguous": any(is_strided(t) for t in operands),
        "channels_last": any(is_channels_last(torch, t) for t in operands),
    }
    return [change for change in CHANGES if conditions.get(change, True)]


def is_strided(tensor):
    """Dense, and not contiguous."""
    return str(tensor.layout) == "torch.strided" and tensor.numel() > 1 and not tensor.is_contiguous()


def is_channels_last(torch, tensor):
    """Four or five dimensions with the channels innermost, and not contiguous at the same time."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if tensor.dim() not in formats or not is_strided(tensor):
        return False
    return tensor.is_contiguous(memory_format=formats[tensor.dim()])
