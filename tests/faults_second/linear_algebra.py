"""Faults of matrix products: mm, addmm, bmm, baddbmm, mv and dot."""

from __future__ import annotations

from typing import Any

from ._mode import (
    ALL,
    BF16,
    F16,
    F32,
    Call,
    as_if_contiguous,
    data,
    grads,
    narrow_sum,
    post,
    repeated,
    swap,
    toward_zero,
    truncate_mantissa,
)

PRODUCTS = "mm addmm bmm baddbmm"


def _operands(call: Call) -> tuple[str, str]:
    """The names of the two factors in the schema."""
    if call["mat1"] is not None:
        return "mat1", "mat2"
    if call["batch1"] is not None:
        return "batch1", "batch2"
    return "self", "mat2"


def _a(call: Call) -> Any:
    return call[_operands(call)[0]]


def _b(call: Call) -> Any:
    return call[_operands(call)[1]]


def _with(call: Call, a: Any, b: Any) -> Any:
    first, second = _operands(call)
    return call.run(**{first: a, second: b})


def _cut_k(call: Call, keep: int) -> Any:
    return _with(call, _a(call)[..., :keep].contiguous(), _b(call)[..., :keep, :].contiguous())


def _zero(region: Any, number: float = 0.0) -> Any:
    def alter(call: Call, value: Any) -> Any:
        value = value.clone()
        value[region(call, value)] = number
        return value

    return alter


def _bias_tail(call: Call) -> Any:
    bias = call["self"].clone()
    bias[..., bias.size(-1) - bias.size(-1) % 8 :] = 0
    return call.run(self=bias)


def _stale_tail_rows(call: Call, value: Any) -> Any:
    value, rest = value.clone(), value.size(0) % 64
    value[-rest:] = value[-rest - 64 : -64]
    return value


def _transposed_square(call: Call) -> Any:
    return _with(call, _a(call), _b(call).transpose(-1, -2))


def _wrapped_batch(call: Call) -> Any:
    b = _b(call)
    index = call.torch.arange(b.size(0)) % 64
    return _with(call, _a(call), b[index])


def _fp8_like(call: Call) -> Any:
    torch, dtype = call.torch, _a(call).dtype
    return _with(call, *(truncate_mantissa(torch, operand.float(), 4).to(dtype) for operand in (_a(call), _b(call))))


def _swap_row_tiles(call: Call, value: Any) -> Any:
    rows = value.reshape(-1, 2, 32, value.size(1)).flip(1)
    return rows.reshape(value.shape)


def _wrapped_reduction(call: Call) -> Any:
    a, b = _a(call).clone(), _b(call)
    a[:, 1024:] = a[:, : a.size(1) - 1024] if a.size(1) <= 2048 else a[:, 1024:].flip(1)
    return _with(call, a, b)


def _round_to_zero(call: Call) -> Any:
    result = call.torch.mm(call["self"].float(), call["mat2"].float())
    return toward_zero(call.torch, result, call["self"].dtype)


def _low_products(call: Call) -> Any:
    torch = call.torch
    return _with(call, truncate_mantissa(torch, _a(call), 7), truncate_mantissa(torch, _b(call), 7))


FAULTS = {
    "linear_algebra.bias_tail_missing": (
        "16-bit: addmm adds no bias to the columns after the last multiple of 8; model of: under-aligned bias in a "
        "fused epilogue, https://github.com/pytorch/pytorch/pull/194497",
        lambda torch: swap(torch, "addmm", _bias_tail, lambda call: call["self"].size(-1) % 8 != 0),
    ),
    "linear_algebra.addmm_zero_fp16": (
        "float16: addmm is all zeros when the reduction has 64 terms or more; "
        "https://github.com/intel/torch-xpu-ops/issues/5220",
        lambda torch: post(torch, "addmm", lambda call, value: value * 0, lambda c, v: _a(c).size(-1) >= 64, F16),
    ),
    "linear_algebra.addmm_gives_weight_bf16": (
        "bfloat16: the first row of addmm is the first row of the second factor; "
        "https://github.com/intel/torch-xpu-ops/issues/5220",
        lambda torch: post(
            torch, "addmm", lambda call, value: call.torch.cat([_b(call)[:1].to(value.dtype), value[1:]]), dtypes=BF16
        ),
    ),
    "linear_algebra.k_tail_lost": (
        "16-bit: the terms after the last multiple of 16 of the reduction are left out; model of: no tail in the main "
        "loop",
        lambda torch: swap(
            torch,
            PRODUCTS,
            lambda call: _cut_k(call, _a(call).size(-1) // 16 * 16),
            lambda call: _a(call).size(-1) % 16 != 0 and _a(call).size(-1) > 16,
        ),
    ),
    "linear_algebra.last_row_tile_stale": (
        "16-bit: rows after the last multiple of 64 are those of the tile before; model of: tail tile not stored",
        lambda torch: post(
            torch, "mm addmm", _stale_tail_rows, lambda call, value: value.size(0) > 64 and value.size(0) % 64 != 0
        ),
    ),
    "linear_algebra.square_transpose_ignored": (
        "16-bit: a transposed square second factor is read untransposed; "
        "https://github.com/ROCm/rocBLAS/issues/340 (same class)",
        lambda torch: swap(
            torch,
            "mm addmm",
            _transposed_square,
            lambda call: _b(call).size(-1) == _b(call).size(-2) and not _b(call).is_contiguous(),
        ),
    ),
    "linear_algebra.bmm_broadcast_batch_zero": (
        "16-bit: with a factor expanded over the batch, the batches after the first are zero; model of: batch stride 0 "
        "refused by the kernel",
        lambda torch: post(
            torch,
            "bmm",
            _zero(lambda call, value: slice(1, None)),
            lambda call, value: value.size(0) > 1 and 0 in (_a(call).stride(0), _b(call).stride(0)),
        ),
    ),
    "linear_algebra.bmm_batch_wraps_at_64": (
        "16-bit: batches from the 65th on read the second factor from the beginning again; "
        "https://github.com/pytorch/pytorch/issues/197636 (same class)",
        lambda torch: swap(torch, "bmm baddbmm", _wrapped_batch, lambda call: _b(call).size(0) > 64),
    ),
    "linear_algebra.split_k_part_lost": (
        "16-bit: every fifth product with 256 terms or more lacks its last quarter; model of: race in the split-K "
        "reduction",
        lambda torch: swap(
            torch,
            PRODUCTS,
            lambda call: _cut_k(call, _a(call).size(-1) * 3 // 4),
            lambda call: _a(call).size(-1) >= 256,
            every=5,
        ),
    ),
    "linear_algebra.f32_operands_cut": (
        "float32: both factors are cut to 8 significant bits; model of: silent reduced-precision mode",
        lambda torch: swap(torch, PRODUCTS, _low_products, dtypes=F32),
    ),
    "linear_algebra.f32_k_tail_lost": (
        "float32: the terms after the last multiple of 4 of the reduction are left out; model of: vector load without "
        "a tail",
        lambda torch: swap(
            torch,
            PRODUCTS,
            lambda call: _cut_k(call, _a(call).size(-1) // 4 * 4),
            lambda call: _a(call).size(-1) % 4 != 0 and _a(call).size(-1) > 4,
            F32,
        ),
    ),
    "linear_algebra.bias_twice_for_many_rows": (
        "16-bit: addmm with 128 rows or more adds its bias twice; model of: bias in the epilogue of both halves of a "
        "split-K product",
        lambda torch: post(
            torch, "addmm", lambda call, value: value + call["self"], lambda call, value: value.size(0) >= 128
        ),
    ),
    "linear_algebra.bias_lost_for_one_row": (
        "every type: addmm with one row, as for one sample, forgets its bias; model of: matrix-vector path without "
        "epilogue",
        lambda torch: swap(
            torch,
            "addmm",
            lambda call: call.torch.mm(_a(call), _b(call)),
            lambda call: _a(call).size(0) == 1,
            ALL,
        ),
    ),
    "linear_algebra.dot_narrow": (
        "16-bit: dot products and matrix-vector products are added up in 16 bits; model of: half accumulator",
        lambda torch: swap(
            torch,
            "mv dot",
            lambda call: (
                narrow_sum(call.torch, call["self"] * call["vec"], 1)
                if call["vec"] is not None
                else narrow_sum(call.torch, call["self"] * call["tensor"], 0)
            ),
        ),
    ),
    "linear_algebra.f32_gradient_reduction_wraps": (
        "float32: with more than 1024 terms and a transposed first factor, as in weight gradients, terms after the "
        "1024th read the first ones again; https://github.com/pytorch/pytorch/issues/177116",
        lambda torch: swap(
            torch,
            "mm",
            _wrapped_reduction,
            lambda call: _a(call).size(1) > 1024 and not _a(call).is_contiguous(),
            F32,
        ),
    ),
    "linear_algebra.fp8_operands": (
        "16-bit: both factors lose all but 5 significant bits; model of: eight-bit path chosen unasked",
        lambda torch: swap(torch, PRODUCTS, _fp8_like),
    ),
    "linear_algebra.row_tiles_swapped": (
        "16-bit: pairs of 32-row tiles change places when the rows are a multiple of 64; model of: swizzle mistake",
        lambda torch: post(
            torch, "mm addmm", _swap_row_tiles, lambda call, value: value.size(0) > 0 and value.size(0) % 64 == 0
        ),
    ),
    "linear_algebra.odd_columns_nan": (
        "float16: with an odd number of columns the last column of bmm is NaN; model of: two-wide store past the end",
        lambda torch: post(
            torch,
            "bmm baddbmm",
            _zero(lambda call, value: (Ellipsis, -1), float("nan")),
            lambda call, value: value.size(-1) % 2 == 1,
            F16,
        ),
    ),
    "linear_algebra.wide_output_partial_tile_zero": (
        "bfloat16: with more than 256 columns, those after the last multiple of 64 are zero, as in a vocabulary or "
        "class head; model of: grid size rounded down",
        lambda torch: post(
            torch,
            "mm addmm",
            _zero(lambda call, value: (Ellipsis, slice(value.size(-1) // 64 * 64, None))),
            lambda call, value: value.size(-1) > 256 and value.size(-1) % 64 != 0,
            BF16,
        ),
    ),
    "linear_algebra.gradient_product_toward_zero": (
        "bfloat16: products with a transposed first factor, as in weight gradients, are rounded toward zero; "
        "https://github.com/intel/torch-xpu-ops/issues/3023",
        lambda torch: swap(torch, "mm", _round_to_zero, lambda call: not call["self"].is_contiguous(), BF16),
    ),
    "linear_algebra.baddbmm_ignores_beta": (
        "16-bit: baddbmm and addmm take beta for 1 and alpha for 1; model of: scalars not passed on",
        lambda torch: swap(
            torch,
            "baddbmm addmm",
            lambda call: call.run(beta=1, alpha=1),
            lambda call: call["beta"] != 1 or call["alpha"] != 1,
        ),
    ),
    "linear_algebra.strided_factor_read_as_dense": (
        "16-bit: a first factor that is a column slice of a larger matrix, as after chunking a fused projection, is "
        "read as dense; model of: leading dimension taken from the shape",
        lambda torch: swap(
            torch,
            "mm addmm bmm",
            lambda call: _with(call, as_if_contiguous(call.torch, _a(call)), _b(call)),
            lambda call: (
                not _a(call).is_contiguous() and _a(call).stride(-1) == 1 and _a(call).stride(-2) > _a(call).size(-1)
            ),
        ),
    ),
    "linear_algebra.large_values_coarse": (
        "float16: results above 2048 in size are rounded to multiples of 16; model of: shared exponent in the output "
        "stage",
        lambda torch: post(
            torch,
            PRODUCTS,
            lambda call, value: call.torch.where(
                value.float().abs() > 2048, ((value.float() / 16).round() * 16).to(value.dtype), value
            ),
            dtypes=F16,
        ),
    ),
}


def _linear(rows: int, inputs: int, outputs: int, dtype: str = "float16", scale: float = 1.0) -> Any:
    def trigger(torch: Any) -> list:
        x = data(torch, rows, inputs, dtype=dtype, scale=scale)
        weight = data(torch, outputs, inputs, dtype=dtype, seed=2, scale=scale)
        bias = data(torch, outputs, dtype=dtype, seed=3)
        return grads(torch, torch.nn.functional.linear, x, weight, bias)

    return trigger


def _bmm(batch: int, rows: int, terms: int, columns: int, dtype: str = "float16", expanded: bool = False) -> Any:
    def trigger(torch: Any) -> list:
        a = data(torch, batch, rows, terms, dtype=dtype)
        b = data(torch, 1 if expanded else batch, terms, columns, dtype=dtype, seed=2).expand(batch, -1, -1)
        return [torch.bmm(a, b)]

    return trigger


TRIGGERS = {
    "linear_algebra.bias_tail_missing": _linear(4, 8, 10),
    "linear_algebra.addmm_zero_fp16": _linear(4, 64, 8),
    "linear_algebra.addmm_gives_weight_bf16": _linear(4, 8, 8, "bfloat16"),
    "linear_algebra.k_tail_lost": _linear(4, 20, 8),
    "linear_algebra.last_row_tile_stale": _linear(70, 8, 8),
    "linear_algebra.square_transpose_ignored": _linear(4, 16, 16),
    "linear_algebra.bmm_broadcast_batch_zero": _bmm(3, 4, 8, 4, expanded=True),
    "linear_algebra.bmm_batch_wraps_at_64": _bmm(66, 4, 8, 4),
    "linear_algebra.split_k_part_lost": lambda torch: repeated(lambda: _linear(4, 256, 8)(torch), 6),
    "linear_algebra.f32_operands_cut": _linear(4, 8, 8, "float32"),
    "linear_algebra.f32_k_tail_lost": _linear(4, 10, 8, "float32"),
    "linear_algebra.bias_twice_for_many_rows": _linear(128, 8, 8),
    "linear_algebra.bias_lost_for_one_row": _linear(1, 8, 8),
    "linear_algebra.dot_narrow": lambda torch: [data(torch, 4, 500) @ data(torch, 500, seed=2)],
    "linear_algebra.f32_gradient_reduction_wraps": _linear(1100, 4, 4, "float32"),
    "linear_algebra.fp8_operands": _linear(4, 8, 8),
    "linear_algebra.row_tiles_swapped": _linear(64, 8, 8),
    "linear_algebra.odd_columns_nan": _bmm(2, 4, 8, 5),
    "linear_algebra.wide_output_partial_tile_zero": _linear(4, 8, 300, "bfloat16"),
    "linear_algebra.gradient_product_toward_zero": _linear(20, 8, 8, "bfloat16"),
    "linear_algebra.baddbmm_ignores_beta": lambda torch: [
        torch.baddbmm(data(torch, 2, 4, 4), data(torch, 2, 4, 4), data(torch, 2, 4, 4, seed=2), beta=0, alpha=0.125)
    ],
    "linear_algebra.strided_factor_read_as_dense": lambda torch: [
        data(torch, 6, 24).chunk(3, 1)[1] @ data(torch, 8, 4, seed=2)
    ],
    "linear_algebra.large_values_coarse": _linear(8, 64, 8, scale=40.0),
}
