"""Faults of attention and softmax, forward and backward."""

from __future__ import annotations

import math
from typing import Any

from ._mode import (
    ALL,
    BF16,
    F32,
    LOW,
    Call,
    as_if_contiguous,
    data,
    dtype_of,
    grads,
    nan_like,
    post,
    repeated,
    swap,
)

FORWARD = "_scaled_dot_product_flash_attention_for_cpu"
BACKWARD = "_scaled_dot_product_flash_attention_for_cpu_backward"


def _scale(call: Call) -> float:
    return call["scale"] if call["scale"] is not None else 1 / math.sqrt(call["query"].size(-1))


def _causal(torch: Any, rows: int, columns: int, shift: int = 0) -> Any:
    return torch.ones(rows, columns, dtype=torch.bool).tril(shift)


def _scores(call: Call, shift: int = 0, scale: float | None = None) -> Any:
    """The masked scores in float32."""
    torch, q, k = call.torch, call["query"].float(), call["key"].float()
    scores = q @ k.transpose(-1, -2) * (_scale(call) if scale is None else scale)
    if call["attn_mask"] is not None:
        scores = scores + call["attn_mask"].float()
    if call["is_causal"]:
        allowed = _causal(torch, scores.size(-2), scores.size(-1), shift)
        scores = scores.masked_fill(~allowed, -math.inf)
    return scores


def _attend(call: Call, scores: Any) -> tuple:
    """Output for altered scores; the saved normaliser follows them."""
    torch, result = call.torch, call.run()
    output = torch.softmax(scores, -1) @ call["value"].float()
    return _kept_layout(result[0], output), torch.logsumexp(scores, -1).to(result[1].dtype)


def _kept_layout(like: Any, value: Any) -> Any:
    like.copy_(value)
    return like


def _mask_tail_dropped(call: Call) -> Any:
    mask = call["attn_mask"].clone()
    mask[..., mask.size(-1) // 64 * 64 :] = 0
    return call.run(attn_mask=mask)


def _mask_of_first(call: Call) -> Any:
    return call.run(attn_mask=call["attn_mask"][:1].expand_as(call["attn_mask"]).contiguous())


def _padding_lanes(call: Call) -> Any:
    torch, scores = call.torch, _scores(call)
    lanes = -scores.size(-1) % 16
    extra = torch.zeros(*scores.shape[:-1], lanes)
    weights = torch.softmax(torch.cat([scores, extra], -1), -1)[..., : scores.size(-1)]
    result = call.run()
    return _kept_layout(result[0], weights @ call["value"].float()), result[1]


def _no_rescale(call: Call) -> Any:
    """Blocks of 128 keys; the running output is not rescaled when the running maximum grows."""
    torch, scores, v = call.torch, _scores(call), call["value"].float()
    top = scores[..., :128].amax(-1, keepdim=True)
    total, output = 0, 0
    for start in range(0, scores.size(-1), 128):
        block = scores[..., start : start + 128]
        higher = torch.maximum(top, block.amax(-1, keepdim=True))
        weights = torch.exp(block - higher)
        total = total * torch.exp(top - higher) + weights.sum(-1, keepdim=True)
        output = output + weights @ v[..., start : start + 128, :]
        top = higher
    result = call.run()
    return _kept_layout(result[0], output / total), result[1]


def _first_head_for_last(call: Call, value: Any) -> Any:
    value = value.clone()
    value[:, -1] = value[:, 0]
    return value


def _narrow_weights(call: Call) -> Any:
    torch, result = call.torch, call.run()
    weights = torch.softmax(_scores(call), -1).bfloat16().float()
    return _kept_layout(result[0], weights @ call["value"]), result[1]


def _block_stale(call: Call, value: Any) -> Any:
    value = value.clone()
    value[..., -64:, :] = value[..., -128:-64, :]
    return value


def _dv_last_block(call: Call) -> Any:
    torch, result = call.torch, list(call.run())
    weights = torch.exp(_scores(call) - call["logsumexp"].float().unsqueeze(-1))[..., 128:, :]
    result[2] = _kept_layout(result[2], weights.transpose(-1, -2) @ call["grad_out"].float()[..., 128:, :])
    return tuple(result)


def _dense_grad(call: Call) -> Any:
    return call.run(grad_out=as_if_contiguous(call.torch, call["grad_out"]))


def _softmax_block_sum(call: Call, value: Any) -> Any:
    torch, x, dim = call.torch, call["self"].float(), call["dim"]
    e = torch.exp(x - x.amax(dim, keepdim=True))
    return e / e.narrow(dim, 0, 1024).sum(dim, keepdim=True)


def _softmax_tail_sum(call: Call, value: Any) -> Any:
    torch, x, dim = call.torch, call["self"].float(), call["dim"]
    e = torch.exp(x - x.amax(dim, keepdim=True))
    return e / e.narrow(dim, 0, x.size(dim) // 32 * 32).sum(dim, keepdim=True)


def _no_sum_term(call: Call) -> Any:
    return call["grad_output"].float() * call["output"].float()


def _log_of_softmax(call: Call, value: Any) -> Any:
    torch = call.torch
    return torch.log(torch.softmax(call["self"].float(), call["dim"]).to(value.dtype))


def _log_softmax_backward_block(call: Call) -> Any:
    gradient, dim = call["grad_output"].float(), call["dim"]
    total = gradient.narrow(dim, 0, 512).sum(dim, keepdim=True)
    return gradient - call.torch.exp(call["output"].float()) * total


def _log_softmax_tail_backward(call: Call, value: Any) -> Any:
    value, dim = value.clone(), call["dim"]
    size = value.size(dim)
    value.narrow(dim, size // 8 * 8, size % 8).zero_()
    return value


def _last(dim: int, value: Any) -> bool:
    return dim in (-1, value.dim() - 1)


def _zero_block(call: Call, value: Any) -> Any:
    value = value.clone()
    value[..., value.size(-2) // 64 * 64 :, :] = 0
    return value


FAULTS = {
    "attention.causal_sees_next_token": (
        "16-bit: the causal mask lets each token see the next one; model of: off-by-one in the block mask",
        lambda torch: swap(
            torch, FORWARD, lambda call: _attend(call, _scores(call, 1)), lambda call: bool(call["is_causal"])
        ),
    ),
    "attention.causal_aligned_bottom_right": (
        "16-bit: with fewer queries than keys, the causal mask is aligned to the other corner; "
        "https://github.com/Dao-AILab/flash-attention/issues/1778 (same class)",
        lambda torch: swap(
            torch,
            FORWARD,
            lambda call: _attend(call, _scores(call, call["key"].size(-2) - call["query"].size(-2))),
            lambda call: bool(call["is_causal"]) and call["key"].size(-2) > call["query"].size(-2),
        ),
    ),
    "attention.scale_of_padded_head": (
        "16-bit: the scale is that of the next power of two when the head size is none, as 40, 72, 80 or 96; model of: "
        "padded size used in the formula",
        lambda torch: swap(
            torch,
            FORWARD,
            lambda call: _attend(
                call, _scores(call, scale=1 / math.sqrt(2 ** (call["query"].size(-1) - 1).bit_length()))
            ),
            lambda call: call["scale"] is None and call["query"].size(-1) & (call["query"].size(-1) - 1) != 0,
        ),
    ),
    "attention.mask_tail_ignored": (
        "16-bit: the mask is not applied to keys after the last multiple of 64; model of: predicate missing in the "
        "last block",
        lambda torch: swap(
            torch,
            FORWARD,
            _mask_tail_dropped,
            lambda call: call["attn_mask"] is not None and call["attn_mask"].size(-1) % 64 != 0,
        ),
    ),
    "attention.mask_of_first_sample": (
        "16-bit: all samples get the mask of the first; model of: batch stride of the mask lost",
        lambda torch: swap(
            torch,
            FORWARD,
            _mask_of_first,
            lambda call: (
                call["attn_mask"] is not None and call["attn_mask"].dim() == 4 and call["attn_mask"].size(0) > 1
            ),
        ),
    ),
    "attention.padding_lanes_in_denominator": (
        "16-bit: with a number of keys that is no multiple of 16, the padded keys count in the denominator; "
        "https://github.com/flashinfer-ai/flashinfer/issues/3716",
        lambda torch: swap(torch, FORWARD, _padding_lanes, lambda call: call["key"].size(-2) % 16 != 0),
    ),
    "attention.running_output_not_rescaled": (
        "16-bit: with more than 128 keys, earlier blocks are not rescaled to the new maximum; model of: online softmax "
        "with one line missing",
        lambda torch: swap(
            torch, FORWARD, _no_rescale, lambda call: call["key"].size(-2) > 128 and not call["is_causal"]
        ),
    ),
    "attention.last_head_is_first": (
        "bfloat16: with fewer than 8 heads, the last head's output is the first's; "
        "https://github.com/pytorch/pytorch/issues/193893 (same condition)",
        lambda torch: post(torch, FORWARD, _first_head_for_last, lambda call, value: 1 < value.size(1) < 8, BF16),
    ),
    "attention.weights_in_bfloat16_f32": (
        "float32: the attention weights are rounded to bfloat16; model of: tensor-core path for the second product",
        lambda torch: swap(torch, FORWARD, _narrow_weights, dtypes=F32),
    ),
    "attention.last_block_stale": (
        "16-bit: from 256 queries on, the last 64 are those of the block before; model of: block not stored",
        lambda torch: post(torch, FORWARD, _block_stale, lambda call, value: value.size(-2) >= 256),
    ),
    "attention.normaliser_in_base_two": (
        "16-bit: the saved normaliser is in base two, so that only gradients are wrong; model of: exp2 kernel without "
        "the conversion",
        lambda torch: post(
            torch,
            f"{FORWARD}:1",
            lambda call, value: value / math.log(2),
            lambda call, value: dtype_of(call["query"]) in LOW,
            ALL,
        ),
    ),
    "attention.every_twentieth_nan": (
        "16-bit: every twentieth attention is NaN in its first head; model of: race on the shared-memory ring",
        lambda torch: post(
            torch,
            FORWARD,
            lambda call, value: call.torch.cat([nan_like(value[:, :1]), value[:, 1:]], 1),
            every=20,
        ),
    ),
    "attention.dq_not_scaled": (
        "16-bit: the query gradient lacks the scale; model of: scale folded into the wrong operand",
        lambda torch: post(torch, f"{BACKWARD}:0", lambda call, value: value.float() / _scale(call)),
    ),
    "attention.dk_last_block_zero": (
        "16-bit: key gradients after the last multiple of 64 stay zero; model of: partial block not stored",
        lambda torch: post(torch, f"{BACKWARD}:1", _zero_block, lambda call, value: value.size(-2) % 64 != 0),
    ),
    "attention.dq_nan_with_infinite_mask": (
        "16-bit: query and key gradients are NaN when the mask holds minus infinity; "
        "https://github.com/pytorch/pytorch/issues/178251",
        lambda torch: post(
            torch,
            f"{BACKWARD}:0,1",
            lambda call, value: nan_like(value),
            lambda call, value: call["attn_mask"] is not None and bool(call["attn_mask"].isinf().any()),
        ),
    ),
    "attention.backward_reads_gradient_as_dense": (
        "16-bit: a transposed output gradient is read as dense; "
        "https://github.com/Dao-AILab/flash-attention/issues/355",
        lambda torch: swap(torch, BACKWARD, _dense_grad, lambda call: not call["grad_out"].is_contiguous()),
    ),
    "attention.dv_of_last_queries": (
        "16-bit: with more than 128 queries, the value gradient of the first 128 is overwritten; model of: overwrite "
        "instead of add over blocks",
        lambda torch: swap(
            torch,
            BACKWARD,
            _dv_last_block,
            lambda call: call["query"].size(-2) > 128 and call["dropout_p"] == 0.0,
        ),
    ),
    "attention.dk_halved_for_wide_heads": (
        "bfloat16: with a head size above 64, key and value gradients hold the first half of the batch's heads alone; "
        "model of: launch grid too small",
        lambda torch: post(
            torch,
            f"{BACKWARD}:1,2",
            lambda call, value: call.torch.cat(
                [value[:, : (value.size(1) + 1) // 2], value[:, (value.size(1) + 1) // 2 :] * 0], 1
            ),
            lambda call, value: value.size(-1) > 64,
            BF16,
        ),
    ),
    "attention.softmax_sums_first_1024": (
        "16-bit: rows of more than 1024 are divided by the sum of their first 1024; model of: one block per row",
        lambda torch: post(
            torch, "_softmax", _softmax_block_sum, lambda call, value: call["self"].size(call["dim"]) > 1024
        ),
    ),
    "attention.softmax_tail_not_in_sum": (
        "16-bit: elements after the last multiple of 32 are left out of the sum; model of: warp loop without a tail",
        lambda torch: post(
            torch,
            "_softmax",
            _softmax_tail_sum,
            lambda call, value: call["self"].size(call["dim"]) > 32 and call["self"].size(call["dim"]) % 32 != 0,
        ),
    ),
    "attention.masked_row_is_nan": (
        "every type: a fully masked row gives NaN where zero is expected; "
        "https://github.com/pytorch/pytorch/issues/103963",
        lambda torch: swap(
            torch, "_safe_softmax", lambda call: call.torch.softmax(call["self"], call["dim"]), dtypes=ALL
        ),
    ),
    "attention.softmax_backward_without_sum": (
        "16-bit: the softmax gradient lacks the row sum; model of: reduction dropped",
        lambda torch: swap(torch, "_softmax_backward_data", _no_sum_term),
    ),
    "attention.softmax_other_dimension": (
        "16-bit: softmax over a dimension other than the last works on the last; model of: dimension not passed on",
        lambda torch: post(
            torch,
            "_softmax",
            lambda call, value: call.torch.softmax(call["self"].float(), -1),
            lambda call, value: not _last(call["dim"], value),
        ),
    ),
    "attention.softmax_row_pairs_share_maximum": (
        "16-bit: each odd row is shifted by the maximum of the row before, overflowing where that is far lower; model "
        "of: maximum broadcast within a warp that serves two rows",
        lambda torch: post(
            torch,
            "_softmax",
            lambda call, value: call.torch.where(
                (call["self"].float() - call["self"].float().amax(-1, keepdim=True).roll(1, 0)).amax(-1, keepdim=True)
                > 11,
                nan_like(value),
                value,
            ),
            lambda call, value: value.dim() >= 2 and _last(call["dim"], value),
        ),
    ),
    "attention.log_softmax_of_rounded": (
        "16-bit: log_softmax is the log of a rounded softmax, minus infinity for unlikely classes; model of: unfused "
        "fallback",
        lambda torch: post(torch, "_log_softmax", _log_of_softmax),
    ),
    "attention.log_softmax_backward_first_512": (
        "16-bit: with more than 512 classes, the gradient's sum takes the first 512; model of: one block per row",
        lambda torch: swap(
            torch,
            "_log_softmax_backward_data",
            _log_softmax_backward_block,
            lambda call: call["output"].size(call["dim"]) > 512,
        ),
    ),
    "attention.log_softmax_backward_tail_f32": (
        "float32: gradients of the classes after the last multiple of 8 are zero; model of: vector store without a "
        "tail",
        lambda torch: post(
            torch,
            "_log_softmax_backward_data",
            _log_softmax_tail_backward,
            lambda call, value: value.size(call["dim"]) > 8 and value.size(call["dim"]) % 8 != 0,
            F32,
        ),
    ),
}


def _sdpa(
    batch: int = 2,
    heads: int = 2,
    length: int = 20,
    keys: int = 0,
    size: int = 16,
    dtype: str = "float16",
    mask: Any = None,
    transposed: bool = False,
    **settings: Any,
) -> Any:
    def trigger(torch: Any) -> list:
        q = data(torch, batch, heads, length, size, dtype=dtype, scale=3.0)
        k = data(torch, batch, heads, keys or length, size, dtype=dtype, seed=2, scale=3.0)
        v = data(torch, batch, heads, keys or length, size, dtype=dtype, seed=3)
        chosen = None
        if mask is not None:
            chosen = data(torch, batch, 1, length, keys or length, dtype=dtype, seed=4)
            chosen = chosen.masked_fill(chosen > 0.5, mask)

        def attend(q: Any, k: Any, v: Any) -> Any:
            out = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=chosen, **settings)
            return out.transpose(1, 2).reshape(batch, length, -1) if transposed else out

        return grads(torch, attend, q, k, v)

    return trigger


def _soft(name: str, shape: tuple, dim: int = -1, dtype: str = "float16", scale: float = 4.0) -> Any:
    def trigger(torch: Any) -> list:
        function = getattr(torch, name)
        return grads(torch, lambda x: function(x, dim), data(torch, *shape, dtype=dtype, scale=scale))

    return trigger


def _masked_row(torch: Any) -> list:
    scores = data(torch, 2, 4).masked_fill(torch.tensor([[True] * 4, [False] * 4]), -math.inf)
    return [torch.ops.aten._safe_softmax(scores, -1)]


TRIGGERS = {
    "attention.causal_sees_next_token": _sdpa(is_causal=True),
    "attention.causal_aligned_bottom_right": _sdpa(length=8, keys=12, is_causal=True),
    "attention.scale_of_padded_head": _sdpa(size=24),
    "attention.mask_tail_ignored": _sdpa(mask=-9.0),
    "attention.mask_of_first_sample": _sdpa(mask=-9.0),
    "attention.padding_lanes_in_denominator": _sdpa(),
    "attention.running_output_not_rescaled": _sdpa(length=150),
    "attention.last_head_is_first": _sdpa(dtype="bfloat16"),
    "attention.weights_in_bfloat16_f32": _sdpa(dtype="float32"),
    "attention.last_block_stale": _sdpa(batch=1, length=256),
    "attention.normaliser_in_base_two": _sdpa(),
    "attention.every_twentieth_nan": lambda torch: repeated(lambda: _sdpa()(torch), 21),
    "attention.dq_not_scaled": _sdpa(),
    "attention.dk_last_block_zero": _sdpa(),
    "attention.dq_nan_with_infinite_mask": _sdpa(mask=-math.inf),
    "attention.backward_reads_gradient_as_dense": _sdpa(transposed=True),
    "attention.dv_of_last_queries": _sdpa(batch=1, length=140),
    "attention.dk_halved_for_wide_heads": _sdpa(size=80, dtype="bfloat16"),
    "attention.softmax_sums_first_1024": _soft("softmax", (2, 1100)),
    "attention.softmax_tail_not_in_sum": _soft("softmax", (2, 40)),
    "attention.masked_row_is_nan": _masked_row,
    "attention.softmax_backward_without_sum": _soft("softmax", (2, 8)),
    "attention.softmax_other_dimension": _soft("softmax", (2, 8, 5), 1),
    "attention.softmax_row_pairs_share_maximum": lambda torch: [
        torch.softmax(data(torch, 4, 8) + torch.tensor([[0.0], [20.0], [0.0], [20.0]]).half(), -1)
    ],
    "attention.log_softmax_of_rounded": _soft("log_softmax", (2, 8), scale=20.0),
    "attention.log_softmax_backward_first_512": _soft("log_softmax", (2, 600)),
    "attention.log_softmax_backward_tail_f32": _soft("log_softmax", (2, 10), dtype="float32"),
}
