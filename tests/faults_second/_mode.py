"""What the faults are built from: a dispatch mode that hands each ATen call to a rule.

A rule names operators without the trailing underscore, so ``relu`` also meets ``relu_``. In-place operators run on a
copy of their first argument and the altered value is written back into it, so that a rule always sees its inputs as
they were. Nothing here draws random numbers: noise and choices come from a hash of the element's number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

F16 = ("float16",)
BF16 = ("bfloat16",)
LOW = ("float16", "bfloat16")
F32 = ("float32",)
ALL = ("float16", "bfloat16", "float32")


class Call:
    """One call of an operator: its arguments by the names of its schema, and the means to run it."""

    def __init__(self, torch: Any, func: Any, name: str, args: tuple, kwargs: dict, state: dict) -> None:
        self.torch, self.func, self.name, self.state = torch, func, name, state
        self.overload = func._overloadname
        self.values: dict[str, Any] = {}
        self._positional: list[str] = []
        for index, argument in enumerate(func._schema.arguments):
            if argument.name in kwargs:
                self.values[argument.name] = kwargs[argument.name]
            elif index < len(args):
                self.values[argument.name] = args[index]
            elif argument.has_default_value():
                self.values[argument.name] = argument.default_value
            if not argument.kwarg_only:
                self._positional.append(argument.name)

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)

    @property
    def first(self) -> Any:
        return self.values[self._positional[0]]

    def run(self, /, **changes: Any) -> Any:
        values = {**self.values, **changes}
        args = [values.pop(name) for name in self._positional if name in values]
        return self.func(*args, **values)

    def tensors(self) -> list:
        found = []
        for value in self.values.values():
            for item in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(item, self.torch.Tensor):
                    found.append(item)
        return found

    def dtype(self) -> str:
        for tensor in self.tensors():
            if tensor.is_floating_point():
                return dtype_of(tensor)
        return ""


Handler = Callable[[Call], Any]


def dtype_of(tensor: Any) -> str:
    return str(tensor.dtype).replace("torch.", "")


def mode(torch: Any, rules: dict[str, Handler]) -> Any:
    """The context manager under which the operators named in ``rules`` are computed by their rule."""
    from torch.utils._python_dispatch import TorchDispatchMode

    state: dict = {}

    class Fault(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
            kwargs = kwargs or {}
            name = func._schema.name.split("::")[-1]
            rule = rules.get(name) or rules.get(name[:-1] if name.endswith("_") else "")
            if rule is None:
                if func._can_decompose() and name not in ("dropout", "detach"):
                    with self:
                        result = func.decompose(*args, **kwargs)
                    if result is not NotImplemented:
                        return result
                return func(*args, **kwargs)
            in_place = name.endswith("_") and bool(args) and isinstance(args[0], torch.Tensor)
            if in_place and not name.startswith("_amp"):
                target = args[0]
                call = Call(torch, func, name, (target.clone(), *args[1:]), kwargs, state)
                target.copy_(rule(call))
                return target
            call = Call(torch, func, name, args, kwargs, state)
            result = rule(call)
            if "out" in kwargs and isinstance(kwargs["out"], torch.Tensor):
                if result is not kwargs["out"]:
                    kwargs["out"].copy_(result)
                return kwargs["out"]
            return result

    return Fault()


def due(call: Call, key: str, every: int) -> bool:
    """Whether this is the ``every``-th time that ``key`` was asked for."""
    number = call.state.get(key, 0) + 1
    call.state[key] = number
    return number % every == 0


def post(
    torch: Any,
    names: str,
    alter: Callable[[Call, Any], Any],
    when: Callable[[Call, Any], bool] | None = None,
    dtypes: tuple = LOW,
    every: int = 1,
) -> Any:
    """Alter results: ``names`` is "op op:0,2 ...", the numbers being the outputs of an operator with several."""
    rules: dict[str, Handler] = {}

    def rule_for(indices: tuple) -> Handler:
        def rule(call: Call) -> Any:
            result = call.run()
            outputs = result if isinstance(result, (list, tuple)) else (result,)
            for index in indices:
                value = outputs[index]
                if not isinstance(value, torch.Tensor) or dtype_of(value) not in dtypes or not value.numel():
                    continue
                if (when is None or when(call, value)) and due(call, "post", every):
                    changed = alter(call, value)
                    if changed is not value:
                        value.copy_(changed.clone())
            return result

        return rule

    for item in names.split():
        name, _, numbers = item.partition(":")
        rules[name] = rule_for(tuple(int(number) for number in numbers.split(",")) if numbers else (0,))
    return mode(torch, rules)


def swap(
    torch: Any,
    names: str,
    compute: Callable[[Call], Any],
    when: Callable[[Call], bool] | None = None,
    dtypes: tuple = LOW,
    every: int = 1,
) -> Any:
    """Compute differently: ``compute`` gives the whole result, cast to the dtype of the first floating operand."""

    def rule(call: Call) -> Any:
        dtype = call.dtype()
        if dtype not in dtypes or (when is not None and not when(call)) or not due(call, "swap", every):
            return call.run()
        result = compute(call)
        if isinstance(result, torch.Tensor) and result.is_floating_point():
            return result.to(getattr(torch, dtype))
        return result

    return mode(torch, dict.fromkeys(names.split(), rule))


# Numbers ------------------------------------------------------------------------------------------------------------


def hashed(torch: Any, count: int, seed: int) -> Any:
    """``count`` integers in 0..2**24-1 that depend only on the seed and the element's number."""
    value = torch.arange(count, dtype=torch.int64) + seed * 7919
    value = (value * 2654435761) & 0xFFFFFFFF
    value = ((value >> 15) ^ value) * 2246822519 & 0xFFFFFFFF
    return (((value >> 13) ^ value) & 0xFFFFFFFF) >> 8


def data(torch: Any, *shape: int, dtype: str = "float16", seed: int = 1, scale: float = 1.0) -> Any:
    """A tensor of fixed numbers between -scale and scale."""
    count = 1
    for size in shape:
        count *= size
    value = hashed(torch, count, seed).to(torch.float64) / 2**23 - 1
    return (value * scale).reshape(shape).to(getattr(torch, dtype))


def flip_bits(torch: Any, value: Any, mask: int, rate: float, seed: int) -> Any:
    """``value`` with the bits in ``mask`` inverted in about ``rate`` of its elements, at least one of them."""
    flat = value.contiguous().clone().reshape(-1)
    integers = flat.view(torch.int32 if value.element_size() == 4 else torch.int16)
    limit = 1 << (8 * value.element_size() - 1)
    mask = mask - 2 * limit if mask >= limit else mask
    chosen = hashed(torch, flat.numel(), seed) < int(rate * 2**24)
    if not bool(chosen.any()):
        # The expected number of flips over many calls stays right: a small tensor is hit once in a while.
        if (hashed(torch, 1, seed + 13).item() / 2**24) >= rate * flat.numel():
            return value
        chosen[hashed(torch, 1, seed + 7).item() % flat.numel()] = True
    integers[chosen] = integers[chosen] ^ mask
    return flat.reshape(value.shape)


def truncate_mantissa(torch: Any, value: Any, bits: int) -> Any:
    """Float32 ``value`` with only ``bits`` of its 23 stored mantissa bits."""
    integers = value.float().contiguous().clone().view(torch.int32)
    return (integers & (-1 << (23 - bits))).view(torch.float32).reshape(value.shape)


def toward_zero(torch: Any, value: Any, dtype: Any) -> Any:
    """Float32 ``value`` in a 16-bit type, rounded toward zero."""
    rounded = value.to(dtype)
    over = rounded.double().abs() > value.double().abs()
    integers = rounded.contiguous().clone().view(torch.int16)
    integers[over] -= 1
    return integers.view(dtype)


def as_if_contiguous(torch: Any, value: Any) -> Any:
    """The elements that a kernel reads that takes ``value`` for contiguous: memory order, wrapped where it ends."""
    space = value.untyped_storage().nbytes() // value.element_size() - value.storage_offset()
    whole = torch.as_strided(value, (space,), (1,), value.storage_offset())
    count = value.numel()
    if space < count:
        whole = whole.repeat(count // space + 1)
    return whole[:count].clone().reshape(value.shape)


def is_channels_last(torch: Any, value: Any) -> bool:
    return (
        value.dim() == 4
        and value.size(1) > 1
        and value.size(2) * value.size(3) > 1
        and not value.is_contiguous()
        and value.is_contiguous(memory_format=torch.channels_last)
    )


def narrow_sum(torch: Any, value: Any, dim: int) -> Any:
    """The sum along ``dim`` with a running total in the type of ``value``."""
    parts = value.unbind(dim)
    total = parts[0].clone()
    for part in parts[1:]:
        total = (total + part).to(value.dtype)
    return total


def tail_kept(value: Any, before: Any, width: int) -> Any:
    """``value`` whose last ``numel % width`` elements in memory order are those of ``before``."""
    flat, old = value.contiguous().clone().reshape(-1), before.contiguous().reshape(-1)
    rest = flat.numel() % width
    if rest:
        flat[-rest:] = old[-rest:]
    return flat.reshape(value.shape)


def nan_like(value: Any) -> Any:
    return value * float("nan")


def stale(call: Call, value: Any) -> Any:
    """The previous result of this size, zeros where there was none; remembers ``value`` for the next time."""
    key = ("stale", call.name, tuple(value.shape))
    before = call.state.get(key)
    call.state[key] = value.clone()
    return value * 0 if before is None else before


# What the triggers use ------------------------------------------------------------------------------------------------


def grads(torch: Any, function: Callable[..., Any], *inputs: Any, seed: int = 91) -> list:
    """The result of ``function`` and the gradients of its inputs for a fixed cotangent."""
    leaves = [value.detach().clone().requires_grad_(value.is_floating_point()) for value in inputs]
    return grads_of(torch, function(*leaves), [leaf for leaf in leaves if leaf.requires_grad], seed)


def grads_of(torch: Any, output: Any, leaves: list, seed: int = 91) -> list:
    cotangent = data(torch, *output.shape, dtype=dtype_of(output), seed=seed)
    gradients = torch.autograd.grad(output, leaves, cotangent, allow_unused=True)
    return [output.detach(), *[gradient for gradient in gradients if gradient is not None]]


def repeated(function: Callable[[], Any], times: int) -> list:
    """The results of ``times`` calls, in one list."""
    results: list = []
    for _ in range(times):
        value = function()
        results.extend(value if isinstance(value, (list, tuple)) else [value])
    return results
