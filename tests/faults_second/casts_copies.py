"""Faults of conversions between types, of copies, of layout changes and of cleared memory."""

from __future__ import annotations

import math
from typing import Any

from ._mode import (
    ALL,
    BF16,
    F16,
    F32,
    LOW,
    Call,
    as_if_contiguous,
    data,
    dtype_of,
    hashed,
    is_channels_last,
    mode,
    nan_like,
    post,
    repeated,
    swap,
    toward_zero,
)


def _from(*names: str) -> Any:
    """That the operand has one of these types and the result another."""
    return lambda call, value: dtype_of(call.first) in names and dtype_of(value) != dtype_of(call.first)


def _where(condition: Any, number: Any) -> Any:
    return lambda call, value: call.torch.where(condition(call, value), number(call, value), value)


def _overflowed(call: Call, value: Any) -> Any:
    return value.isinf() & call.first.isfinite()


def _carry_lost(call: Call, value: Any) -> Any:
    """Where rounding would carry into the exponent, the mantissa wraps instead."""
    torch = call.torch
    down = toward_zero(torch, call.first.float(), value.dtype)
    bits = down.contiguous().view(torch.int16)
    mask = 0x3FF if value.dtype == torch.float16 else 0x7F
    wraps = ((bits & mask) == mask) & (value.float().abs() > down.float().abs()) & value.isfinite()
    wrapped = (bits & ~mask).view(value.dtype)
    return torch.where(wraps, wrapped, value)


def _tail_zero(call: Call, value: Any) -> Any:
    flat = value.contiguous().clone().reshape(-1)
    flat[flat.numel() // 8 * 8 :] = 0
    return flat.reshape(value.shape)


def _through_half(call: Call, value: Any) -> Any:
    return call.first.half().to(value.dtype)


def _double_subnormal(call: Call, value: Any) -> Any:
    tiny = call.torch.finfo(call.first.dtype).tiny
    return call.torch.where(call.first.float().abs() < tiny, value * 2, value)


def _dense(call: Call) -> Any:
    return call.run(self=as_if_contiguous(call.torch, call["self"]))


def _changes_type(call: Call) -> bool:
    wanted = call["dtype"]
    return wanted is not None and wanted != call["self"].dtype and wanted.is_floating_point


def _strided(call: Call) -> bool:
    x = call["self"]
    return x.dim() >= 2 and not x.is_contiguous() and not is_channels_last(call.torch, x) and x.numel() > 1


def _to_channels_last(call: Call, value: Any) -> bool:
    return call["memory_format"] == call.torch.channels_last and value.size(1) % 4 != 0


def _last_channels_zero(call: Call, value: Any) -> Any:
    value = value.clone()
    value[:, value.size(1) // 4 * 4 :] = 0
    return value


def _edge_tiles_zero(call: Call, value: Any) -> Any:
    value = value.clone()
    value[..., value.size(-2) // 32 * 32 :, :] = 0
    return value


def _half_of_copy(call: Call) -> Any:
    before = call["self"].clone()
    result = call.run()
    flat, old = result.contiguous().clone().reshape(-1), before.contiguous().reshape(-1)
    flat[65536:] = old[65536:]
    return flat.reshape(result.shape)


def _dirty(call: Call, value: Any) -> Any:
    flat = value.clone().reshape(-1)
    count = flat.numel()
    noise = hashed(call.torch, count, 3).to(value.dtype) / 2**24
    return call.torch.where(call.torch.arange(count) >= count - max(1, count // 16), noise, flat).reshape(value.shape)


def _integer_toward_zero(call: Call, value: Any) -> Any:
    return toward_zero(call.torch, call.first.float(), value.dtype)


def _unusual_half(call: Call, value: Any) -> Any:
    """Half with no infinities: the top exponent holds numbers from 65536 to 131008."""
    torch = call.torch
    bits = call.first.contiguous().view(torch.int16)
    number = 65536.0 * (1 + (bits & 0x3FF).to(torch.float32) / 1024)
    number = torch.where(bits < 0, -number, number).to(value.dtype)
    return torch.where(call.first.isfinite(), value, number)


def _swap_pairs(call: Call, value: Any) -> Any:
    flat = value.contiguous().clone().reshape(-1)
    count = flat.numel() // 2 * 2
    flat[:count] = flat[:count].reshape(-1, 2).flip(1).reshape(-1)
    return flat.reshape(value.shape)


def _to_nearest_away(call: Call, value: Any) -> Any:
    """float32 to bfloat16 by adding half a unit and cutting; keeps infinities."""
    torch = call.torch
    bits = call.first.contiguous().view(torch.int32)
    cut = ((bits + 0xFFFF) & ~0xFFFF).view(torch.float32).bfloat16()
    return torch.where(call.first.isfinite(), cut, value)


def _instead(torch: Any, names: str, compute: Any, when: Any) -> Any:
    """As ``swap``, with the dtype of the result left as it is."""

    def rule(call: Call) -> Any:
        return compute(call) if call.dtype() in ALL and when(call) else call.run()

    return mode(torch, dict.fromkeys(names.split(), rule))


FAULTS = {
    "casts_copies.half_overflow_is_nan": (
        "float16: conversion gives NaN where it should give infinity; model of: unguarded exponent arithmetic",
        lambda torch: post(torch, "_to_copy", _where(_overflowed, lambda call, value: nan_like(value)), dtypes=F16),
    ),
    "casts_copies.half_infinity_is_largest": (
        "float16: an infinity converted to half becomes 65504; model of: saturating conversion instruction",
        lambda torch: post(
            torch, "_to_copy", lambda call, value: value.clamp(-65504, 65504), _from("float32", "bfloat16"), F16
        ),
    ),
    "casts_copies.bfloat16_through_half": (
        "bfloat16: conversion from float32 passes through half, so range is lost; model of: missing direct instruction",
        lambda torch: post(torch, "_to_copy", _through_half, _from("float32"), BF16),
    ),
    "casts_copies.rounding_carry_lost": (
        "16-bit: where rounding carries into the exponent, the mantissa wraps to zero; model of: increment done in the "
        "mantissa field",
        lambda torch: post(torch, "_to_copy", _carry_lost, _from("float32"), LOW),
    ),
    "casts_copies.bfloat16_rounds_up_in_size": (
        "bfloat16: conversion from float32 rounds away from zero; model of: wrong constant in the software rounding",
        lambda torch: post(torch, "_to_copy", _to_nearest_away, _from("float32"), BF16),
    ),
    "casts_copies.subnormal_half_doubled": (
        "float32 and bfloat16 results: subnormal halves come out twice as large; model of: exponent bias of subnormals "
        "off by one",
        lambda torch: post(torch, "_to_copy", _double_subnormal, _from("float16"), ("float32", "bfloat16")),
    ),
    "casts_copies.alternative_half": (
        "float32 results: infinite and NaN halves become numbers above 65536; model of: alternative half-precision "
        "mode of a processor switched on",
        lambda torch: post(torch, "_to_copy", _unusual_half, _from("float16"), F32),
    ),
    "casts_copies.nan_becomes_largest": (
        "16-bit: NaN becomes the largest number on conversion; model of: minimum taken to clamp",
        lambda torch: post(
            torch,
            "_to_copy",
            lambda call, value: call.torch.nan_to_num(
                value, nan=call.torch.finfo(value.dtype).max, posinf=math.inf, neginf=-math.inf
            ),
            _from("float32"),
        ),
    ),
    "casts_copies.tail_not_converted": (
        "16-bit: elements after the last multiple of 8 are zero after conversion; model of: vector loop without a tail",
        lambda torch: post(
            torch, "_to_copy", _tail_zero, lambda call, value: value.numel() > 8 and call.first.is_floating_point()
        ),
    ),
    "casts_copies.widening_tail_zero": (
        "float32 results: the same on conversion from 16 bits; model of: vector loop without a tail",
        lambda torch: post(torch, "_to_copy", _tail_zero, _from(*LOW), F32),
    ),
    "casts_copies.strided_source_read_as_dense": (
        "every type: conversion of a transposed or sliced tensor reads memory order; model of: strides not passed on",
        lambda torch: _instead(torch, "_to_copy", _dense, lambda call: _changes_type(call) and _strided(call)),
    ),
    "casts_copies.channels_last_drops_channels": (
        "16-bit: on conversion to channels-last, channels after the last multiple of 4 are zero; model of: transpose "
        "kernel that moves four channels at a time",
        lambda torch: post(
            torch,
            "_to_copy clone",
            _last_channels_zero,
            lambda call, value: value.dim() == 4 and _to_channels_last(call, value),
        ),
    ),
    "casts_copies.transpose_edge_tile_zero": (
        "16-bit: when a transposed matrix is made contiguous, rows after the last multiple of 32 are zero; model of: "
        "tiled transpose without edge tiles",
        lambda torch: post(
            torch,
            "clone",
            _edge_tiles_zero,
            lambda call, value: (
                value.dim() >= 2
                and not call["self"].is_contiguous()
                and call["memory_format"] == call.torch.contiguous_format
                and value.size(-2) > 32
                and value.size(-2) % 32 != 0
            ),
        ),
    ),
    "casts_copies.copy_stops_at_65536": (
        "every type: an in-place copy leaves elements after the 65536th as they were; model of: 16-bit counter",
        lambda torch: swap(torch, "copy_", _half_of_copy, lambda call: call["self"].numel() > 65536, ALL),
    ),
    "casts_copies.twentieth_copy_dropped": (
        "every type: every twentieth in-place copy does not happen; model of: asynchronous copy lost",
        lambda torch: swap(torch, "copy_", lambda call: call["self"].clone(), dtypes=ALL, every=20),
    ),
    "casts_copies.clone_swaps_pairs": (
        "bfloat16: every tenth clone exchanges neighbours; model of: byte-order mistake in the two-wide copy",
        lambda torch: post(torch, "clone", _swap_pairs, dtypes=BF16, every=10),
    ),
    "casts_copies.integers_toward_zero": (
        "16-bit: integers are converted toward zero; model of: wrong rounding mode in integer conversion",
        lambda torch: post(
            torch,
            "_to_copy",
            _integer_toward_zero,
            lambda call, value: not call.first.is_floating_point() and not call.first.is_complex(),
        ),
    ),
    "casts_copies.zeros_not_clear": (
        "16-bit: the last sixteenth of cleared memory holds garbage; model of: memset of too few bytes",
        lambda torch: post(torch, "zeros new_zeros zeros_like", _dirty),
    ),
    "casts_copies.every_third_zeros_not_clear_f32": (
        "float32: the same for every third request; model of: recycled block cleared too early",
        lambda torch: post(torch, "zeros new_zeros zeros_like", _dirty, dtypes=F32, every=3),
    ),
    "casts_copies.every_seventh_cast_halved": (
        "16-bit: every seventh conversion from float32 is half as large as it should be; model of: exponent rebias "
        "skipped in one lane group",
        lambda torch: post(torch, "_to_copy", lambda call, value: value / 2, _from("float32"), every=7),
    ),
    "casts_copies.small_negatives_positive": (
        "16-bit: small negative numbers, below 1e-3 in size, come out positive on conversion; model of: sign taken "
        "after a flush",
        lambda torch: post(
            torch,
            "_to_copy",
            lambda call, value: call.torch.where(value.abs() < 1e-3, value.abs(), value),
            _from("float32"),
        ),
    ),
}


def _cast(source: str, target: str, scale: float = 1.0, shape: tuple = (5, 7), values: tuple = ()) -> Any:
    def trigger(torch: Any) -> list:
        x = data(torch, *shape, dtype=source, scale=scale)
        for number, value in enumerate(values):
            x.view(-1)[number] = value
        return [x.to(getattr(torch, target))]

    return trigger


def _times(function: Any, count: int) -> Any:
    return lambda torch: repeated(lambda: function(torch), count)


TRIGGERS = {
    "casts_copies.half_overflow_is_nan": _cast("float32", "float16", values=(1e6,)),
    "casts_copies.half_infinity_is_largest": _cast("float32", "float16", values=(math.inf,)),
    "casts_copies.bfloat16_through_half": _cast("float32", "bfloat16", scale=1e6),
    "casts_copies.rounding_carry_lost": _cast("float32", "float16", values=(1.99999,)),
    "casts_copies.bfloat16_rounds_up_in_size": _cast("float32", "bfloat16"),
    "casts_copies.subnormal_half_doubled": _cast("float16", "float32", scale=5e-5),
    "casts_copies.alternative_half": _cast("float16", "float32", values=(math.inf, math.nan)),
    "casts_copies.nan_becomes_largest": _cast("float32", "float16", values=(math.nan,)),
    "casts_copies.tail_not_converted": _cast("float32", "float16"),
    "casts_copies.widening_tail_zero": _cast("float16", "float32"),
    "casts_copies.strided_source_read_as_dense": lambda torch: [data(torch, 5, 7).t().float()],
    "casts_copies.channels_last_drops_channels": lambda torch: [
        data(torch, 2, 3, 4, 4).to(memory_format=torch.channels_last)
    ],
    "casts_copies.transpose_edge_tile_zero": lambda torch: [data(torch, 40, 40).t().contiguous()],
    "casts_copies.copy_stops_at_65536": lambda torch: [data(torch, 70000).copy_(data(torch, 70000, seed=2))],
    "casts_copies.twentieth_copy_dropped": _times(lambda torch: data(torch, 4).copy_(data(torch, 4, seed=2)), 20),
    "casts_copies.clone_swaps_pairs": _times(lambda torch: data(torch, 6, dtype="bfloat16").clone(), 11),
    "casts_copies.integers_toward_zero": lambda torch: [torch.arange(2040, 2080).half(), torch.arange(300).bfloat16()],
    "casts_copies.zeros_not_clear": lambda torch: [torch.zeros(32, dtype=torch.float16)],
    "casts_copies.every_third_zeros_not_clear_f32": _times(lambda torch: torch.zeros(32), 4),
    "casts_copies.every_seventh_cast_halved": _times(_cast("float32", "float16"), 8),
    "casts_copies.small_negatives_positive": _cast("float32", "float16", scale=2e-3),
}
