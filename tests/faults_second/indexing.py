"""Faults of embeddings, gathers, scatters, concatenation and other index work, forward and backward."""

from __future__ import annotations

from typing import Any

from ._mode import (
    ALL,
    BF16,
    F32,
    Call,
    data,
    grads,
    grads_of,
    is_channels_last,
    post,
    repeated,
    swap,
)


def _embedding_last_wins(call: Call) -> Any:
    torch, indices = call.torch, call["indices"].reshape(-1)
    gradient = call["grad_output"].reshape(indices.numel(), -1)
    result = torch.zeros(call["num_weights"], gradient.size(1), dtype=gradient.dtype)
    for number, index in enumerate(indices.tolist()):
        if index != call["padding_idx"]:
            result[index] = gradient[number]
    return result


def _embedding_half(call: Call) -> Any:
    return call.run(grad_output=call["grad_output"].half().float())


def _embedding_tail(call: Call, value: Any) -> Any:
    value = value.clone()
    value[..., value.size(-1) // 8 * 8 :] = 0
    return value


def _put_without_duplicates(call: Call) -> Any:
    result = call["self"].clone()
    result[tuple(slice(None) if index is None else index for index in call["indices"])] += call["values"]
    return result


def _scatter_last_wins(call: Call) -> Any:
    torch, x, dim, index, source = call.torch, call["self"], call["dim"], call["index"], call["src"]
    if index.dim() != source.dim():
        return call.run()
    source = source[tuple(slice(0, size) for size in index.shape)]
    base = torch.gather(x, dim, index)
    return x.scatter(dim, index, (base + source).to(x.dtype))


def _add_last_wins(call: Call) -> Any:
    x, dim, index = call["self"], call["dim"], call["index"]
    return x.index_copy(dim, index, (x.index_select(dim, index) + call["source"] * call["alpha"]).to(x.dtype))


def _add_narrow(call: Call) -> Any:
    x, dim = call["self"].clone(), call["dim"]
    for number, index in enumerate(call["index"].tolist()):
        x.select(dim, index).add_(call["source"].select(dim, number))
    return x


def _gather_first_column(call: Call) -> Any:
    return call.run(index=call["index"][..., :1].expand_as(call["index"]))


def _slice_off_by_one(call: Call, value: Any) -> Any:
    return value.roll(1, call["dim"])


def _cat_fourth_is_first(call: Call) -> Any:
    parts = list(call["tensors"])
    parts[3:] = [parts[0] if part.shape == parts[0].shape else part for part in parts[3:]]
    return call.run(tensors=parts)


def _cat_layout(call: Call, value: Any) -> Any:
    n, c, h, w = value.shape
    return value.permute(0, 2, 3, 1).contiguous().reshape(n, c, h, w)


def _cat_odd_tail(call: Call, value: Any) -> Any:
    value, dim = value.clone(), call["dim"] % value.dim()
    width = call["tensors"][-1].size(dim)
    value.narrow(dim, value.size(dim) - width % 8, width % 8).zero_()
    return value


def _roll_first_only(call: Call) -> Any:
    return call.run(shifts=call["shifts"][:1], dims=call["dims"][:1])


def _roll_backwards(call: Call) -> Any:
    return call.run(shifts=[-number for number in call["shifts"]])


def _last_row_stale(call: Call, value: Any) -> Any:
    value = value.clone()
    value[-1] = value[-2]
    return value


def _blocks_sorted(call: Call) -> Any:
    values, indices = call.run()
    x, dim = call["self"], call["dim"]
    if x.dim() != 1:
        return values, indices
    blocks = [part.sort(dim=dim, descending=call["descending"])[0] for part in x.split(1024, dim)]
    return call.torch.cat(blocks, dim), indices


def _topk_16(call: Call) -> Any:
    values, indices = call.run()
    values = values.clone()
    values.narrow(call["dim"], 16, values.size(call["dim"]) - 16).zero_()
    return values, indices


def _unfold_overwrites(call: Call) -> Any:
    torch, gradient, dim, size, step = call.torch, call["grad_in"], call["dim"], call["size"], call["step"]
    result = torch.zeros(call["input_sizes"], dtype=gradient.dtype)
    for number in range(gradient.size(dim)):
        window = gradient.select(dim, number).movedim(-1, dim)
        result.narrow(dim, number * step, size).copy_(window)
    return result


def _select_shifted(call: Call) -> Any:
    size = call["input_sizes"][call["dim"]]
    return call.run(index=(call["index"] + 1) % size)


def _stack_last(call: Call) -> Any:
    parts = list(call["tensors"])
    parts[-1] = parts[-2]
    return call.run(tensors=parts)


FAULTS = {
    "indexing.embedding_grad_last_wins": (
        "16-bit: of several uses of a token the last one's gradient stays; "
        "https://github.com/tenstorrent/tt-metal/issues/6232",
        lambda torch: swap(torch, "embedding_dense_backward", _embedding_last_wins),
    ),
    "indexing.embedding_grad_of_padding": (
        "every type: the padding token gets a gradient; model of: padding_idx not passed on",
        lambda torch: swap(
            torch,
            "embedding_dense_backward",
            lambda call: call.run(padding_idx=-1),
            lambda call: call["padding_idx"] >= 0,
            ALL,
        ),
    ),
    "indexing.embedding_grad_through_half_f32": (
        "float32: gradients are rounded to half before they are added up, so small ones vanish; model of: half atomics "
        "used for every type",
        lambda torch: swap(torch, "embedding_dense_backward", _embedding_half, dtypes=F32),
    ),
    "indexing.embedding_grad_beyond_256_tokens_lost": (
        "float32: the gradients of the tokens after the 256th of a batch are lost; model of: one block launched",
        lambda torch: swap(
            torch,
            "embedding_dense_backward",
            lambda call: call.run(
                indices=call["indices"].reshape(-1)[:256],
                grad_output=call["grad_output"].reshape(call["indices"].numel(), -1)[:256],
            ),
            lambda call: call["indices"].numel() > 256,
            F32,
        ),
    ),
    "indexing.embedding_index_in_15_bits": (
        "16-bit: tokens from 32768 on read the row of their low 15 bits; model of: short index",
        lambda torch: swap(
            torch,
            "embedding index_select",
            lambda call: call.run(
                **{
                    name: call[name] & 0x7FFF
                    for name in ("indices", "index")
                    if isinstance(call[name], call.torch.Tensor)
                }
            ),
            lambda call: call.first.size(0) > 32768,
        ),
    ),
    "indexing.embedding_width_tail_zero": (
        "16-bit: elements of an embedding after the last multiple of 8 are zero; model of: 16-byte loads without a "
        "tail",
        lambda torch: post(torch, "embedding", _embedding_tail, lambda call, value: value.size(-1) % 8 != 0),
    ),
    "indexing.embedding_bag_mean_is_sum": (
        "every type: embedding_bag in mean mode gives the sum; model of: count division dropped",
        lambda torch: swap(
            torch,
            "_embedding_bag _embedding_bag_forward_only",
            lambda call: call.run(mode=0),
            lambda call: call["mode"] == 1,
            ALL,
        ),
    ),
    "indexing.put_accumulate_loses_duplicates_f32": (
        "float32: index_put with accumulate keeps one of several additions to a place; "
        "https://github.com/pytorch/pytorch/issues/1528",
        lambda torch: swap(
            torch,
            "index_put _index_put_impl _unsafe_index_put",
            _put_without_duplicates,
            lambda call: bool(call["accumulate"]),
            F32,
        ),
    ),
    "indexing.put_accumulate_loses_duplicates_low": (
        "16-bit: the same in 16 bits for more than 64 values; model of: race between two blocks",
        lambda torch: swap(
            torch,
            "index_put _index_put_impl _unsafe_index_put",
            _put_without_duplicates,
            lambda call: bool(call["accumulate"]) and call["values"].numel() > 64,
        ),
    ),
    "indexing.scatter_add_loses_duplicates": (
        "16-bit: scatter_add keeps one of several additions; https://github.com/pytorch/pytorch/issues/1631",
        lambda torch: swap(torch, "scatter_add", _scatter_last_wins),
    ),
    "indexing.index_add_loses_duplicates": (
        "float32: index_add keeps one of several additions; model of: store instead of atomic add",
        lambda torch: swap(torch, "index_add", _add_last_wins, lambda call: call["self"].dim() > 0, F32),
    ),
    "indexing.index_add_narrow": (
        "bfloat16: index_add adds up in bfloat16, one row after the other; "
        "https://github.com/intel/torch-xpu-ops/issues/3530",
        lambda torch: swap(
            torch, "index_add", _add_narrow, lambda call: call["alpha"] == 1 and call["index"].numel() < 5000, BF16
        ),
    ),
    "indexing.index_add_ignores_alpha": (
        "float32: index_add takes alpha for 1; https://github.com/intel/torch-xpu-ops/issues/3530 (same operator)",
        lambda torch: swap(torch, "index_add", lambda call: call.run(alpha=1), lambda call: call["alpha"] != 1, F32),
    ),
    "indexing.gather_uses_first_column": (
        "16-bit: gather along another dimension than the last uses the first column's indices for all; model of: "
        "stride of the index lost",
        lambda torch: swap(
            torch,
            "gather",
            _gather_first_column,
            lambda call: call["index"].dim() >= 2 and call["dim"] % call["index"].dim() != call["index"].dim() - 1,
        ),
    ),
    "indexing.gather_tail_zero": (
        "bfloat16: elements of gather after the last multiple of 4 of the last dimension are zero; model of: vector "
        "store without a tail",
        lambda torch: post(
            torch,
            "gather",
            lambda call, value: call.torch.cat(
                [value[..., : value.size(-1) // 4 * 4], value[..., value.size(-1) // 4 * 4 :] * 0], -1
            ),
            lambda call, value: value.dim() > 0 and value.size(-1) % 4 != 0,
            BF16,
        ),
    ),
    "indexing.strided_slice_grad_shifted": (
        "16-bit: the gradient of a slice with a step above one lands one place later, as in rotary embeddings; model "
        "of: start lost",
        lambda torch: post(torch, "slice_backward", _slice_off_by_one, lambda call, value: call["step"] > 1),
    ),
    "indexing.select_grad_shifted": (
        "16-bit: the gradient of selecting an inner position lands on the next one; model of: off-by-one",
        lambda torch: swap(
            torch,
            "select_backward",
            _select_shifted,
            lambda call: 0 < call["index"] < call["input_sizes"][call["dim"]] - 1,
        ),
    ),
    "indexing.cat_fourth_is_first": (
        "16-bit: from the fourth of four or more tensors on, cat copies the first; model of: argument array too short",
        lambda torch: swap(torch, "cat", _cat_fourth_is_first, lambda call: len(call["tensors"]) >= 4),
    ),
    "indexing.cat_channels_last_order": (
        "16-bit: cat of channels-last tensors along the channels writes in the other order; model of: layout of the "
        "output not looked at",
        lambda torch: post(
            torch, "cat", _cat_layout, lambda call, value: is_channels_last(call.torch, call["tensors"][0])
        ),
    ),
    "indexing.cat_odd_width_tail": (
        "16-bit: when the last tensor's width is no multiple of 8, its last elements are zero; model of: vector copy "
        "without a tail",
        lambda torch: post(
            torch,
            "cat",
            _cat_odd_tail,
            lambda call, value: value.dim() > 1 and call["tensors"][-1].size(call["dim"]) % 8 != 0,
        ),
    ),
    "indexing.stack_last_repeats": (
        "16-bit: with more than 8 tensors, the last in a stack is the one before it; model of: launch in groups of 8",
        lambda torch: swap(torch, "stack", _stack_last, lambda call: len(call["tensors"]) > 8),
    ),
    "indexing.roll_first_dimension_only": (
        "16-bit: roll over two dimensions, as in shifted windows, moves the first alone; model of: loop over "
        "dimensions left early",
        lambda torch: swap(torch, "roll", _roll_first_only, lambda call: len(call["dims"]) > 1),
    ),
    "indexing.roll_direction": (
        "16-bit: negative shifts move the other way; model of: modulo of a negative number",
        lambda torch: swap(torch, "roll", _roll_backwards, lambda call: min(call["shifts"]) < 0),
    ),
    "indexing.index_last_row_stale": (
        "16-bit: the last row of an indexed selection of 32 rows or more is the one before; model of: off-by-one",
        lambda torch: post(
            torch, "index index_select", _last_row_stale, lambda call, value: value.dim() > 0 and value.size(0) >= 32
        ),
    ),
    "indexing.sort_by_blocks": (
        "every type: a vector of more than 1024 is sorted in blocks of 1024; model of: merge passes missing",
        lambda torch: swap(
            torch, "sort", _blocks_sorted, lambda call: call["self"].dim() == 1 and call["self"].numel() > 1024, ALL
        ),
    ),
    "indexing.topk_beyond_16_zero": (
        "float32: from the 17th on, topk gives zeros; https://github.com/pytorch/pytorch/issues/78915",
        lambda torch: swap(torch, "topk", _topk_16, lambda call: call["k"] > 16, F32),
    ),
    "indexing.tril_keeps_a_diagonal_more": (
        "16-bit: tril and triu keep one diagonal too many; model of: off-by-one",
        lambda torch: swap(
            torch,
            "tril triu",
            lambda call: call.run(diagonal=call["diagonal"] + (1 if call.name.startswith("tril") else -1)),
        ),
    ),
    "indexing.unfold_grad_overwrites": (
        "16-bit: overlapping windows overwrite each other in the gradient of unfold; model of: store instead of add",
        lambda torch: swap(torch, "unfold_backward", _unfold_overwrites, lambda call: call["size"] > call["step"]),
    ),
    "indexing.every_twelfth_gather_row_stale": (
        "float32: every twelfth gather, index or embedding repeats its first row in the second half; model of: index "
        "buffer not ready",
        lambda torch: post(
            torch,
            "gather index index_select embedding",
            lambda call, value: call.torch.cat(
                [value[: value.size(0) // 2], value[:1].expand_as(value[value.size(0) // 2 :])]
            ),
            lambda call, value: value.dim() > 0 and value.size(0) > 1,
            F32,
            every=12,
        ),
    ),
}


def _embedding(
    tokens: int, rows: int = 10, width: int = 8, dtype: str = "float16", padding: int | None = None, large: bool = False
) -> Any:
    def trigger(torch: Any) -> list:
        index = torch.arange(tokens) * 7 % rows if not large else torch.tensor([1, 32769, 40000 % rows])
        weight = data(torch, rows, width, dtype=dtype)
        return grads(torch, lambda w: torch.nn.functional.embedding(index, w, padding), weight)

    return trigger


def _using(function: Any, *shape: int, dtype: str = "float16") -> Any:
    """Forward and backward of ``function(torch, x)``."""

    def trigger(torch: Any) -> list:
        return grads(torch, lambda x: function(torch, x), data(torch, *shape, dtype=dtype))

    return trigger


def _bag(torch: Any) -> list:
    return [torch.nn.functional.embedding_bag(torch.tensor([[1, 2, 3]]), data(torch, 6, 4), mode="mean")]


def _cat_last(torch: Any) -> list:
    parts = [data(torch, 2, 8, 3, 5, seed=number).to(memory_format=torch.channels_last) for number in (1, 2)]
    return [torch.cat(parts, 1)]


def _cats(count: int, width: int) -> Any:
    return lambda torch: [torch.cat([data(torch, 2, width, 3, seed=number + 1) for number in range(count)], 1)]


def _index_put(dtype: str, count: int) -> Any:
    def trigger(torch: Any) -> list:
        x = data(torch, 10, 8, dtype=dtype).requires_grad_(True)
        return grads_of(torch, x[torch.arange(count) % 5], [x])

    return trigger


_REPEATS = [0, 1, 1, 2, 2, 2]

TRIGGERS = {
    "indexing.embedding_grad_last_wins": _embedding(30),
    "indexing.embedding_grad_of_padding": _embedding(30, padding=0),
    "indexing.embedding_grad_through_half_f32": _embedding(300, dtype="float32"),
    "indexing.embedding_grad_beyond_256_tokens_lost": _embedding(300, dtype="float32"),
    "indexing.embedding_index_in_15_bits": _embedding(3, rows=33000, width=4, large=True),
    "indexing.embedding_width_tail_zero": _embedding(5, width=10),
    "indexing.embedding_bag_mean_is_sum": _bag,
    "indexing.put_accumulate_loses_duplicates_f32": _index_put("float32", 9),
    "indexing.put_accumulate_loses_duplicates_low": _index_put("float16", 20),
    "indexing.scatter_add_loses_duplicates": _using(
        lambda torch, x: x.gather(0, torch.tensor(_REPEATS).unsqueeze(1).expand(-1, 4)), 5, 4
    ),
    "indexing.index_add_loses_duplicates": _using(
        lambda torch, x: x.index_select(0, torch.tensor(_REPEATS)), 5, 4, dtype="float32"
    ),
    "indexing.index_add_narrow": _using(
        lambda torch, x: x.index_select(0, torch.arange(90) % 5), 5, 4, dtype="bfloat16"
    ),
    "indexing.index_add_ignores_alpha": lambda torch: [
        data(torch, 4, 3, dtype="float32").index_add(
            0, torch.tensor([1]), data(torch, 1, 3, dtype="float32", seed=2), alpha=0.5
        )
    ],
    "indexing.gather_uses_first_column": _using(lambda torch, x: x.gather(0, torch.arange(12).reshape(3, 4) % 5), 5, 4),
    "indexing.gather_tail_zero": _using(
        lambda torch, x: x.gather(1, torch.arange(9).reshape(3, 3) % 4), 3, 4, dtype="bfloat16"
    ),
    "indexing.strided_slice_grad_shifted": _using(lambda torch, x: x[..., ::2], 3, 8),
    "indexing.select_grad_shifted": _using(lambda torch, x: x[:, 2], 3, 8),
    "indexing.cat_fourth_is_first": _cats(4, 8),
    "indexing.cat_channels_last_order": _cat_last,
    "indexing.cat_odd_width_tail": _cats(2, 9),
    "indexing.stack_last_repeats": lambda torch: [
        torch.stack([data(torch, 4, seed=number + 1) for number in range(9)])
    ],
    "indexing.roll_first_dimension_only": _using(lambda torch, x: x.roll((1, 2), (1, 2)), 1, 4, 4, 3),
    "indexing.roll_direction": _using(lambda torch, x: x.roll((-1, -1), (1, 2)), 1, 4, 4, 3),
    "indexing.index_last_row_stale": _using(lambda torch, x: x[torch.arange(40) % 10], 10, 3),
    "indexing.sort_by_blocks": lambda torch: [data(torch, 2000).sort()[0]],
    "indexing.topk_beyond_16_zero": lambda torch: [data(torch, 3, 40, dtype="float32").topk(20)[0]],
    "indexing.tril_keeps_a_diagonal_more": _using(lambda torch, x: x.tril(), 4, 4),
    "indexing.unfold_grad_overwrites": _using(lambda torch, x: x.unfold(1, 4, 2), 3, 10),
    "indexing.every_twelfth_gather_row_stale": lambda torch: repeated(
        lambda: _embedding(6, dtype="float32")(torch), 13
    ),
}
