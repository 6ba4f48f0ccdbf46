"""Faults of sums, means, norms, extremes and scans."""

from __future__ import annotations

from typing import Any

from ._mode import (
    ALL,
    BF16,
    F16,
    F32,
    Call,
    data,
    grads,
    narrow_sum,
    post,
    repeated,
    swap,
)


def _dims(call: Call) -> list:
    x = call["self"]
    dims = call["dim"]
    if dims is None or dims == []:
        return list(range(x.dim()))
    return [dim % x.dim() for dim in (dims if isinstance(dims, (list, tuple)) else [dims])]


def _first_rows(limit: int) -> Any:
    return lambda call: call.run(self=call["self"][:limit])


def _whole(call: Call) -> bool:
    return call["dim"] is None and call["self"].dim() > 0


def _tail_lost(width: int) -> Any:
    def compute(call: Call) -> Any:
        flat = call["self"].reshape(-1)
        return call.run(self=flat[: flat.numel() // width * width])

    return compute


def _last_dim_tail(width: int) -> Any:
    def compute(call: Call) -> Any:
        x = call["self"]
        return call.run(self=x[..., : x.size(-1) // width * width])

    return compute


def _over_last(call: Call) -> bool:
    x = call["self"]
    return x.dim() > 1 and call["dim"] is not None and _dims(call) == [x.dim() - 1]


def _count(call: Call) -> int:
    count = 1
    for dim in _dims(call):
        count *= call["self"].size(dim)
    return count


def _padded_count(call: Call, value: Any) -> Any:
    count = _count(call)
    return value.float() * count / ((count + 31) // 32 * 32)


def _divided_first(call: Call) -> Any:
    x = call["self"]
    scaled = (x.float() / _count(call)).to(x.dtype).float()
    if call["dim"] is None:
        return scaled.sum()
    return scaled.sum(_dims(call), keepdim=bool(call["keepdim"]))


def _expanded_once(call: Call, value: Any) -> Any:
    factor = 1
    for dim in _dims(call):
        if call["self"].stride(dim) == 0:
            factor *= call["self"].size(dim)
    return value.float() / factor


def _biased(call: Call) -> Any:
    return call.run(correction=0)


def _one_pass(call: Call) -> Any:
    x, dims = call["self"], _dims(call)
    keep = bool(call["keepdim"])
    mean = x.mean(dims, keepdim=keep)
    count = _count(call)
    correction = 1 if call["correction"] is None else call["correction"]
    return ((x * x).mean(dims, keepdim=keep) - mean * mean) * count / max(count - correction, 1)


def _half_squares(call: Call) -> Any:
    x = call["self"]
    squares = (x * x).float()
    if call["dim"] is None:
        return squares.sum().to(x.dtype).sqrt()
    return squares.sum(_dims(call), keepdim=bool(call["keepdim"])).to(x.dtype).sqrt()


def _blockwise_scan(call: Call) -> Any:
    x, dim = call["self"], call["dim"]
    return call.torch.cat([part.cumsum(dim) for part in x.split(256, dim)], dim)


def _exclusive(call: Call, value: Any) -> Any:
    return value - call["self"].to(value.dtype)


def _naive_logsumexp(call: Call) -> Any:
    x = call["self"]
    return call.torch.log(call.torch.exp(x).sum(_dims(call), keepdim=bool(call["keepdim"])))


def _half_done(call: Call, value: Any) -> Any:
    x = call["self"]
    flat = x.reshape(-1)
    return flat[: flat.numel() // 2].sum().to(value.dtype).expand(value.shape)


def _bias_gradient(call: Call) -> bool:
    return call["self"].dim() >= 2 and call["dim"] is not None and _dims(call) == [0]


def _narrow_rows(call: Call) -> Any:
    total = narrow_sum(call.torch, call["self"], 0)
    return total.unsqueeze(0) if call["keepdim"] else total


FAULTS = {
    "reductions_order.row_sum_first_512": (
        "16-bit: sums over the first dimension, as bias gradients, take the first 512 rows; model of: second stage "
        "missing",
        lambda torch: swap(
            torch, "sum", _first_rows(512), lambda call: _bias_gradient(call) and call["self"].size(0) > 512
        ),
    ),
    "reductions_order.row_sum_narrow": (
        "bfloat16: the same sums are added up in bfloat16; model of: atomic add in the output type",
        lambda torch: swap(
            torch, "sum", _narrow_rows, lambda call: _bias_gradient(call) and call["self"].size(0) <= 4096, BF16
        ),
    ),
    "reductions_order.row_sum_tail_f32": (
        "float32: the same sums leave out the rows after the last multiple of 32; model of: warp loop without a tail",
        lambda torch: swap(
            torch,
            "sum",
            lambda call: call.run(self=call["self"][: call["self"].size(0) // 32 * 32]),
            lambda call: _bias_gradient(call) and call["self"].size(0) > 32 and call["self"].size(0) % 32 != 0,
            F32,
        ),
    ),
    "reductions_order.whole_sum_tail": (
        "16-bit: the sum of a whole tensor leaves out elements after the last multiple of 1024; model of: block loop "
        "without a tail",
        lambda torch: swap(
            torch,
            "sum mean",
            _tail_lost(1024),
            lambda call: _whole(call) and call["self"].numel() > 1024 and call["self"].numel() % 1024 != 0,
        ),
    ),
    "reductions_order.last_dimension_tail_f32": (
        "float32: sums over the last dimension leave out elements after the last multiple of 4; model of: vector loop "
        "without a tail",
        lambda torch: swap(
            torch,
            "sum",
            _last_dim_tail(4),
            lambda call: _over_last(call) and call["self"].size(-1) > 4 and call["self"].size(-1) % 4 != 0,
            F32,
        ),
    ),
    "reductions_order.broadcast_counted_once": (
        "16-bit: a dimension that was expanded is counted once; model of: stride 0 taken for size 1",
        lambda torch: post(
            torch,
            "sum",
            _expanded_once,
            lambda call, value: any(
                call["self"].stride(dim) == 0 and call["self"].size(dim) > 1 for dim in _dims(call)
            ),
        ),
    ),
    "reductions_order.mean_of_padded_count": (
        "16-bit: means divide by the count rounded up to a multiple of 32; model of: padded size used",
        lambda torch: post(torch, "mean", _padded_count, lambda call, value: _count(call) % 32 != 0),
    ),
    "reductions_order.mean_divides_first": (
        "float16: means divide each element, in half, before adding; model of: overflow guard that loses small numbers",
        lambda torch: swap(torch, "mean", _divided_first, dtypes=F16),
    ),
    "reductions_order.variance_biased": (
        "every type: var and std ignore the correction; model of: argument not passed on",
        lambda torch: swap(
            torch,
            "var std",
            _biased,
            lambda call: call.overload == "correction" and call["correction"] in (None, 1),
            ALL,
        ),
    ),
    "reductions_order.variance_one_pass_f32": (
        "float32: var is the mean of squares minus the square of the mean; "
        "https://github.com/tracel-ai/burn/issues/5607 (same formula)",
        lambda torch: swap(torch, "var", _one_pass, lambda call: call.overload == "correction", F32),
    ),
    "reductions_order.norm_squares_overflow": (
        "float16: squares under a norm are formed in half, infinite from 256 on and zero below 2e-4; model of: half "
        "intermediate",
        lambda torch: swap(torch, "linalg_vector_norm", _half_squares, lambda call: call["ord"] == 2, F16),
    ),
    "reductions_order.norm_first_65536_f32": (
        "float32: the norm of a larger tensor takes its first 65536 elements; model of: one launch of many",
        lambda torch: swap(
            torch,
            "linalg_vector_norm",
            lambda call: call.run(self=call["self"].reshape(-1)[:65536]),
            lambda call: call["dim"] is None and call["self"].numel() > 65536,
            F32,
        ),
    ),
    "reductions_order.maximum_starts_at_zero": (
        "16-bit: the maximum of all-negative rows is zero; https://github.com/pytorch/pytorch/issues/90273 (same "
        "symptom)",
        lambda torch: post(torch, "amax max:0", lambda call, value: value.clamp(min=0)),
    ),
    "reductions_order.maximum_swallows_nan": (
        "every type: amax and max pass over NaN; model of: max instruction that returns the number",
        lambda torch: swap(
            torch,
            "amax max",
            lambda call: call.run(self=call.torch.nan_to_num(call["self"], nan=-60000.0)),
            lambda call: bool(call["self"].isnan().any()) and call["other"] is None,
            ALL,
        ),
    ),
    "reductions_order.scan_carry_lost": (
        "16-bit: cumsum starts anew after each 256 elements; https://github.com/pytorch/pytorch/issues/143486 (same "
        "class)",
        lambda torch: swap(torch, "cumsum", _blockwise_scan, lambda call: call["self"].size(call["dim"]) > 256),
    ),
    "reductions_order.scan_exclusive_f32": (
        "float32: cumsum leaves out the element itself; model of: exclusive scan",
        lambda torch: post(torch, "cumsum", _exclusive, dtypes=F32),
    ),
    "reductions_order.logsumexp_overflows": (
        "16-bit: logsumexp does not take out the maximum; model of: formula not guarded",
        lambda torch: swap(torch, "logsumexp", _naive_logsumexp),
    ),
    "reductions_order.every_25th_half_done_f32": (
        "float32: every twenty-fifth sum or mean of a whole tensor holds half of it; "
        "https://github.com/pytorch/pytorch/issues/178497",
        lambda torch: post(
            torch,
            "sum mean",
            _half_done,
            lambda call, value: value.dim() == 0 and call["self"].numel() > 1,
            F32,
            every=25,
        ),
    ),
    "reductions_order.prod_tail": (
        "every type: products over a whole tensor leave out elements after the last multiple of 4; model of: vector "
        "loop without a tail",
        lambda torch: swap(
            torch, "prod", _tail_lost(4), lambda call: _whole(call) and call["self"].numel() % 4 != 0, ALL
        ),
    ),
}


def _reduce(function: Any, *shape: int, dtype: str = "float16", scale: float = 1.0, offset: float = 0.0) -> Any:
    def trigger(torch: Any) -> list:
        x = data(torch, *shape, dtype=dtype, scale=scale) + offset
        return grads(torch, lambda x: function(torch, x), x)

    return trigger


def _nan(torch: Any) -> list:
    x = data(torch, 3, 8)
    return [x.masked_fill(x > 0.4, float("nan")).amax(1)]


TRIGGERS = {
    "reductions_order.row_sum_first_512": _reduce(lambda torch, x: x.sum(0), 600, 3),
    "reductions_order.row_sum_narrow": _reduce(lambda torch, x: x.sum(0), 600, 3, dtype="bfloat16"),
    "reductions_order.row_sum_tail_f32": _reduce(lambda torch, x: x.sum(0), 40, 3, dtype="float32"),
    "reductions_order.whole_sum_tail": _reduce(lambda torch, x: x.sum(), 1500),
    "reductions_order.last_dimension_tail_f32": _reduce(lambda torch, x: x.sum(1), 3, 6, dtype="float32"),
    "reductions_order.broadcast_counted_once": lambda torch: [data(torch, 1, 4).expand(3, 4).sum(0)],
    "reductions_order.mean_of_padded_count": _reduce(lambda torch, x: x.mean(1), 3, 6),
    "reductions_order.mean_divides_first": _reduce(lambda torch, x: x.mean(1), 3, 600, scale=0.02),
    "reductions_order.variance_biased": _reduce(lambda torch, x: x.var(1), 3, 6),
    "reductions_order.variance_one_pass_f32": _reduce(lambda torch, x: x.var(1), 3, 6, dtype="float32", offset=50.0),
    "reductions_order.norm_squares_overflow": _reduce(lambda torch, x: x.norm(), 30, scale=1000.0),
    "reductions_order.norm_first_65536_f32": _reduce(lambda torch, x: x.norm(), 70000, dtype="float32"),
    "reductions_order.maximum_starts_at_zero": _reduce(lambda torch, x: x.amax(1), 3, 6, offset=-3.0),
    "reductions_order.maximum_swallows_nan": _nan,
    "reductions_order.scan_carry_lost": _reduce(lambda torch, x: x.cumsum(0), 300),
    "reductions_order.scan_exclusive_f32": _reduce(lambda torch, x: x.cumsum(0), 9, dtype="float32"),
    "reductions_order.logsumexp_overflows": _reduce(lambda torch, x: x.logsumexp(1), 3, 6, scale=30.0),
    "reductions_order.every_25th_half_done_f32": lambda torch: repeated(
        lambda: data(torch, 12, dtype="float32").sum(), 26
    ),
    "reductions_order.prod_tail": lambda torch: [data(torch, 6).prod()],
}
