"""Faults of loss scaling: unscaling, the search for infinities and the update of the scale."""

from __future__ import annotations

import math
from typing import Any

from ._mode import ALL, Call, data, due, mode

UNSCALE = "_amp_foreach_non_finite_check_and_unscale_"
UPDATE = "_amp_update_scale_"


def _unscale(torch: Any, compute: Any, every: int = 1) -> Any:
    """``compute(call, gradients before, flag before)`` after the healthy operator ran."""

    def rule(call: Call) -> Any:
        if call.dtype() not in ALL or not due(call, "unscale", every):
            return call.run()
        before = [tensor.clone() for tensor in call["self"]]
        flag = call["found_inf"].clone()
        result = call.run()
        compute(call, before, flag)
        return result

    return mode(torch, {UNSCALE: rule})


def _update(torch: Any, change: Any, when: Any = None, every: int = 1) -> Any:
    """Run the update of the scale with other arguments, or correct the scale afterwards."""

    def rule(call: Call) -> Any:
        if (when is not None and not when(call)) or not due(call, "update", every):
            return call.run()
        return change(call)

    return mode(torch, {UPDATE: rule})


def _last_not_unscaled(call: Call, before: list, flag: Any) -> None:
    call["self"][-1].copy_(before[-1])


def _twice(call: Call, before: list, flag: Any) -> None:
    for tensor in call["self"]:
        tensor.mul_(call["inv_scale"])


def _tail_not_unscaled(call: Call, before: list, flag: Any) -> None:
    for tensor, old in zip(call["self"], before, strict=True):
        rest = tensor.numel() % 4
        if rest:
            flat = tensor.flatten().clone()
            flat[-rest:] = old.flatten()[-rest:]
            tensor.copy_(flat.reshape(tensor.shape))


def _flag_from(test: Any) -> Any:
    """The flag is set by ``test(tensor)`` alone, for the gradients as they came."""

    def compute(call: Call, before: list, flag: Any) -> None:
        found = any(bool(test(call.torch, tensor).any()) for tensor in before)
        call["found_inf"].copy_(flag if not found else flag * 0 + 1)

    return compute


def _last_tensor_decides(call: Call, before: list, flag: Any) -> None:
    call["found_inf"].fill_(0.0 if bool(before[-1].isfinite().all()) else 1.0)


def _through_half(call: Call, before: list, flag: Any) -> None:
    for tensor, old in zip(call["self"], before, strict=True):
        tensor.copy_((old.float() * call["inv_scale"].float()).half().to(tensor.dtype))


def _infinite_cleared(call: Call, before: list, flag: Any) -> None:
    for tensor in call["self"]:
        tensor.copy_(call.torch.nan_to_num(tensor, nan=0.0, posinf=0.0, neginf=0.0))
    call["found_inf"].copy_(flag)


def _large_is_infinite(call: Call, before: list, flag: Any) -> None:
    if any(bool((tensor.abs() > 16384).any()) for tensor in before):
        call["found_inf"].fill_(1.0)


def _set(call: Call, alter: Any) -> Any:
    """Run, then put ``alter(scale before, scale after)`` into the scale."""
    before = call["self"].clone()
    result = call.run()
    call["self"].copy_(alter(before, call["self"]))
    return result


FAULTS = {
    "amp.last_gradient_not_unscaled": (
        "every type: the last gradient of a list stays scaled; model of: off-by-one in the tensor list",
        lambda torch: _unscale(torch, _last_not_unscaled),
    ),
    "amp.unscaled_twice": (
        "every type: gradients are divided by the scale twice; model of: unscaling in the optimizer and before it",
        lambda torch: _unscale(torch, _twice),
    ),
    "amp.tail_not_unscaled": (
        "every type: the last numel % 4 elements of each gradient stay scaled; model of: vector loop without a tail",
        lambda torch: _unscale(torch, _tail_not_unscaled),
    ),
    "amp.nan_not_seen": (
        "every type: NaN does not set the flag, infinity does; model of: comparison with the largest number",
        lambda torch: _unscale(torch, _flag_from(lambda torch, tensor: tensor.isinf())),
    ),
    "amp.infinity_not_seen": (
        "every type: infinity does not set the flag, NaN does; model of: x != x as the test",
        lambda torch: _unscale(torch, _flag_from(lambda torch, tensor: tensor.isnan())),
    ),
    "amp.negative_infinity_not_seen": (
        "every type: negative infinity does not set the flag; model of: comparison without absolute value",
        lambda torch: _unscale(torch, _flag_from(lambda torch, tensor: tensor.isnan() | (tensor == math.inf))),
    ),
    "amp.first_1024_elements_looked_at": (
        "every type: infinities after the 1024th element of a gradient are not seen; model of: one block per tensor",
        lambda torch: _unscale(torch, _flag_from(lambda torch, tensor: ~tensor.flatten()[:1024].isfinite())),
    ),
    "amp.last_gradient_decides": (
        "every type: a finite last gradient clears the flag; model of: store instead of or",
        lambda torch: _unscale(torch, _last_tensor_decides),
    ),
    "amp.infinities_replaced": (
        "every type: infinities and NaN become zero and the flag stays clear; model of: saturating arithmetic",
        lambda torch: _unscale(torch, _infinite_cleared),
    ),
    "amp.large_gradients_taken_for_infinite": (
        "every type: gradients above 16384 set the flag, so that the scale falls without need; model of: test on the "
        "top exponent bit",
        lambda torch: _unscale(torch, _large_is_infinite),
    ),
    "amp.unscaled_in_half": (
        "float32: unscaled gradients pass through half, so small ones vanish; model of: narrow intermediate",
        lambda torch: _unscale(torch, _through_half),
    ),
    "amp.every_eighth_flag_lost": (
        "every type: every eighth time the flag stays clear; model of: flag read before it is written",
        lambda torch: _unscale(torch, lambda call, before, flag: call["found_inf"].copy_(flag), every=8),
    ),
    "amp.scale_grows_each_step": (
        "float32 scale: the growth interval is taken for one; model of: argument not passed on",
        lambda torch: _update(torch, lambda call: call.run(growth_interval=1)),
    ),
    "amp.scale_never_grows": (
        "float32 scale: the scale does not grow; model of: counter reset each step",
        lambda torch: _update(torch, lambda call: _set(call, lambda before, after: before.minimum(after))),
    ),
    "amp.scale_does_not_back_off": (
        "float32 scale: an infinity does not lower the scale; model of: branch inverted",
        lambda torch: _update(torch, lambda call: _set(call, lambda before, after: before.maximum(after))),
    ),
    "amp.scale_backs_off_twice": (
        "float32 scale: an infinity lowers the scale by the factor squared; model of: two threads apply it",
        lambda torch: _update(torch, lambda call: call.run(scale_backoff_factor=call["scale_backoff_factor"] ** 2)),
    ),
    "amp.scale_capped_at_half": (
        "float32 scale: the scale never exceeds 32768; model of: scale stored in half",
        lambda torch: _update(torch, lambda call: _set(call, lambda before, after: after.clamp(max=32768.0))),
    ),
    "amp.scale_grows_after_infinity": (
        "float32 scale: an infinity raises the scale; model of: the two factors mixed up",
        lambda torch: _update(torch, lambda call: call.run(scale_backoff_factor=call["scale_growth_factor"])),
    ),
}


def _steps(*gradients: Any, scale: float = 65536.0, interval: int = 2) -> Any:
    """Gradients, flag and scale of one step for each list of gradients."""

    def trigger(torch: Any) -> list:
        size = torch.full((1,), scale)
        tracker = torch.zeros(1, dtype=torch.int32)
        results = []
        for make in gradients:
            flag = torch.zeros(1)
            given = make(torch)
            torch._amp_foreach_non_finite_check_and_unscale_(given, flag, size.reciprocal())
            torch._amp_update_scale_(size, tracker, flag, 2.0, 0.5, interval)
            results += [*given, flag, size.clone()]
        return results

    return trigger


def _plain(torch: Any) -> list:
    return [data(torch, 5, 7, dtype="float32", scale=100.0), data(torch, 6, dtype="float32", seed=2)]


def _holding(number: float, place: int = 3, size: int = 35) -> Any:
    def make(torch: Any) -> list:
        first = data(torch, size, dtype="float32")
        first[place] = number
        return [first, data(torch, 6, dtype="float32", seed=2)]

    return make


_BAD = _steps(_plain, _holding(math.inf), _plain, _plain)

TRIGGERS = {
    "amp.last_gradient_not_unscaled": _BAD,
    "amp.unscaled_twice": _BAD,
    "amp.tail_not_unscaled": _BAD,
    "amp.nan_not_seen": _steps(_holding(math.nan)),
    "amp.infinity_not_seen": _BAD,
    "amp.negative_infinity_not_seen": _steps(_holding(-math.inf)),
    "amp.first_1024_elements_looked_at": _steps(_holding(math.inf, 1500, 2000)),
    "amp.last_gradient_decides": _BAD,
    "amp.infinities_replaced": _BAD,
    "amp.large_gradients_taken_for_infinite": _steps(_holding(30000.0)),
    "amp.unscaled_in_half": _BAD,
    "amp.every_eighth_flag_lost": _steps(*[_holding(math.inf)] * 9),
    "amp.scale_grows_each_step": _BAD,
    "amp.scale_never_grows": _BAD,
    "amp.scale_does_not_back_off": _BAD,
    "amp.scale_backs_off_twice": _BAD,
    "amp.scale_capped_at_half": _BAD,
    "amp.scale_grows_after_infinity": _BAD,
}
