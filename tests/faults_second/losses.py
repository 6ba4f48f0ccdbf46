"""Faults of loss functions, forward and backward."""

from __future__ import annotations

from typing import Any

from ._mode import (
    ALL,
    BF16,
    F16,
    F32,
    Call,
    data,
    due,
    grads,
    nan_like,
    post,
    repeated,
    stale,
    swap,
)


def _gradient_is_one(call: Call) -> Any:
    return call.run(grad_output=call["grad_output"] * 0 + 1)


def _divides_by_batch(call: Call) -> Any:
    output, total = call.run()
    return (output * total / call["target"].numel()).to(output.dtype), total


def _ignored(call: Call) -> bool:
    return bool((call["target"] == call["ignore_index"]).any())


def _ignored_gets_gradient(call: Call) -> Any:
    target = call["target"]
    target = call.torch.where(target == call["ignore_index"], call.torch.zeros_like(target), target)
    return call.run(target=target)


def _class_wraps(call: Call) -> Any:
    return call.run(target=call.torch.where(call["target"] >= 1024, call["target"] % 1024, call["target"]))


def _last_row_ignored(call: Call) -> Any:
    target = call["target"].clone()
    target[:, -1] = call["ignore_index"]
    return call.run(target=target)


def _naive_logits(call: Call) -> Any:
    torch, x, y = call.torch, call["self"], call["target"]
    loss = -(y * torch.log(torch.sigmoid(x)) + (1 - y) * torch.log(1 - torch.sigmoid(x)))
    if call["weight"] is not None:
        loss = loss * call["weight"]
    return loss if call["reduction"] == 0 else loss.mean() if call["reduction"] == 1 else loss.sum()


def _bce_unclamped(call: Call) -> Any:
    torch, x, y = call.torch, call["self"].float(), call["target"].float()
    loss = -(y * torch.log(x) + (1 - y) * torch.log(1 - x))
    if call["weight"] is not None:
        loss = loss * call["weight"]
    return loss if call["reduction"] == 0 else loss.mean() if call["reduction"] == 1 else loss.sum()


def _mse_half_sum(call: Call) -> Any:
    difference = call["self"].float() - call["target"].float()
    total = (difference * difference).sum().to(call["self"].dtype)
    return total.float() / difference.numel()


def _at_corner(call: Call, value: Any) -> Any:
    value = value.clone()
    value[call["self"] == 0] = 1
    return value


def _beta_one(call: Call) -> Any:
    return call.run(beta=1.0)


def _edge_nan(call: Call, value: Any) -> Any:
    x = call["self"]
    return call.torch.where((x <= 0) | (x >= 1), nan_like(value), value)


def _quarter_lost(call: Call, value: Any) -> Any:
    """The last quarter of the elements does not take part in a mean."""
    x, y = call["self"].float().reshape(-1), call["target"].float().reshape(-1)
    count = x.numel() * 3 // 4
    return ((x[:count] - y[:count]) ** 2).sum() / x.numel()


def _previous(call: Call, value: Any) -> Any:
    before = stale(call, value)
    return before if due(call, "ninth", 9) else value


def _rows_of_tail_zero(call: Call, value: Any) -> Any:
    value = value.clone()
    value[value.size(0) // 16 * 16 :] = 0
    return value


FAULTS = {
    "losses.nll_mean_counts_ignored": (
        "every type: the mean divides by all targets, ignored ones too; model of: count taken from the shape",
        lambda torch: swap(
            torch,
            "nll_loss_forward nll_loss2d_forward",
            _divides_by_batch,
            lambda call: call["reduction"] == 1 and call["weight"] is None and _ignored(call),
            ALL,
        ),
    ),
    "losses.nll_ignored_gets_gradient": (
        "16-bit: ignored targets get the gradient of class 0; model of: clamp instead of skip",
        lambda torch: swap(torch, "nll_loss_backward nll_loss2d_backward", _ignored_gets_gradient, _ignored),
    ),
    "losses.nll_backward_ignores_grad_output": (
        "every type: the gradient takes the incoming one for 1, so loss scaling is lost; "
        "https://github.com/pytorch/pytorch/pull/94226",
        lambda torch: swap(torch, "nll_loss_backward nll_loss2d_backward", _gradient_is_one, dtypes=ALL),
    ),
    "losses.smooth_l1_backward_ignores_grad_output": (
        "float32: the same for smooth_l1 and huber; https://github.com/pytorch/pytorch/pull/94226",
        lambda torch: swap(torch, "smooth_l1_loss_backward huber_loss_backward", _gradient_is_one, dtypes=F32),
    ),
    "losses.mse_backward_ignores_grad_output": (
        "16-bit: the same for mse_loss; model of: scalar argument not bound",
        lambda torch: swap(torch, "mse_loss_backward", _gradient_is_one, lambda call: call["reduction"] != 0),
    ),
    "losses.nll2d_last_row_ignored": (
        "float32: the last row of a map of targets is left out; model of: off-by-one",
        lambda torch: swap(
            torch,
            "nll_loss2d_forward nll_loss2d_backward",
            _last_row_ignored,
            lambda call: call["target"].size(1) > 1,
            F32,
        ),
    ),
    "losses.nll_class_wraps_at_1024": (
        "every type: targets from class 1024 on meet the class modulo 1024; model of: ten-bit lane index",
        lambda torch: swap(
            torch,
            "nll_loss_forward nll_loss_backward",
            _class_wraps,
            lambda call: call["self"].size(-1) > 1024 and call["ignore_index"] < 0,
            ALL,
        ),
    ),
    "losses.nll_class_weights_ignored_in_backward": (
        "every type: class weights are left out of the gradient; model of: null pointer passed",
        lambda torch: swap(
            torch,
            "nll_loss_backward nll_loss2d_backward",
            lambda call: call.run(weight=None),
            lambda call: call["weight"] is not None,
            ALL,
        ),
    ),
    "losses.nll_backward_row_tail": (
        "16-bit: rows after the last multiple of 16 get no gradient; model of: grid size rounded down",
        lambda torch: post(
            torch,
            "nll_loss_backward",
            _rows_of_tail_zero,
            lambda call, value: value.dim() == 2 and value.size(0) > 16 and value.size(0) % 16 != 0,
        ),
    ),
    "losses.bce_logits_naive": (
        "16-bit: the loss with logits takes the log of a rounded sigmoid, infinite or NaN for large logits; model of: "
        "unfused fallback",
        lambda torch: swap(
            torch, "binary_cross_entropy_with_logits", _naive_logits, lambda call: call["pos_weight"] is None
        ),
    ),
    "losses.bce_logits_pos_weight_ignored": (
        "every type: pos_weight is left out; model of: null pointer passed",
        lambda torch: swap(
            torch,
            "binary_cross_entropy_with_logits",
            lambda call: call.run(pos_weight=None),
            lambda call: call["pos_weight"] is not None,
            ALL,
        ),
    ),
    "losses.bce_logits_weight_squared": (
        "float32: the weight of binary cross entropy with logits is applied twice; model of: fused and unfused path "
        "both apply it",
        lambda torch: swap(
            torch,
            "binary_cross_entropy_with_logits",
            lambda call: call.run(weight=call["weight"] * call["weight"]),
            lambda call: call["weight"] is not None,
            F32,
        ),
    ),
    "losses.bce_log_not_clamped": (
        "every type: probabilities of exactly 0 or 1 give infinity or NaN; model of: clamp at -100 missing",
        lambda torch: swap(torch, "binary_cross_entropy", _bce_unclamped, dtypes=ALL),
    ),
    "losses.bce_backward_edge_nan": (
        "float32: the gradient at probabilities of exactly 0 or 1 is NaN; model of: eps of the denominator missing",
        lambda torch: post(torch, "binary_cross_entropy_backward", _edge_nan, dtypes=F32),
    ),
    "losses.mse_sum_overflows": (
        "float16: the sum under the mean is held in half, infinite from 65504 on; model of: half accumulator",
        lambda torch: swap(torch, "mse_loss", _mse_half_sum, lambda call: call["reduction"] == 1, F16),
    ),
    "losses.mse_backward_without_two": (
        "16-bit: the gradient lacks the factor 2; model of: constant lost",
        lambda torch: post(torch, "mse_loss_backward", lambda call, value: value / 2),
    ),
    "losses.mse_last_quarter_lost": (
        "float32: the last quarter of the elements does not take part; model of: one of four partial sums lost",
        lambda torch: post(
            torch,
            "mse_loss",
            _quarter_lost,
            lambda call, value: call["reduction"] == 1 and call["self"].numel() >= 64,
            F32,
        ),
    ),
    "losses.smooth_l1_beta_ignored": (
        "every type: smooth_l1 takes beta for 1; model of: argument not passed on",
        lambda torch: swap(
            torch, "smooth_l1_loss smooth_l1_loss_backward", _beta_one, lambda call: call["beta"] != 1.0, ALL
        ),
    ),
    "losses.huber_backward_delta_ignored": (
        "16-bit: the huber gradient takes delta for 1; model of: argument not passed on",
        lambda torch: swap(
            torch, "huber_loss_backward", lambda call: call.run(delta=1.0), lambda call: call["delta"] != 1.0
        ),
    ),
    "losses.sign_of_zero_is_one": (
        "every type: the sign of zero is one, as in the gradient of l1; model of: comparison with >=",
        lambda torch: post(torch, "sgn sign", _at_corner, dtypes=ALL),
    ),
    "losses.xlogy_zero_nan": (
        "every type: 0 * log 0 is NaN, as in the divergence of distributions; model of: special case missing",
        lambda torch: post(
            torch,
            "xlogy",
            lambda call, value: call.torch.where((call["self"] == 0) & (call["other"] <= 0), nan_like(value), value),
            dtypes=ALL,
        ),
    ),
    "losses.nll_every_ninth_is_previous": (
        "bfloat16: every ninth loss is the one before; model of: result read before the kernel ends",
        lambda torch: post(
            torch,
            "nll_loss_forward",
            _previous,
            dtypes=BF16,
        ),
    ),
}


def _loss(name: str, dtype: str = "float16", scale: float = 1.0, shape: tuple = (6, 8), **settings: Any) -> Any:
    """A loss between two tensors, with its gradient."""

    def trigger(torch: Any) -> list:
        function = getattr(torch.nn.functional, name)
        given = {key: value(torch) if callable(value) else value for key, value in settings.items()}
        target = (data(torch, *shape, dtype=dtype, seed=2) + 1) / 2 * scale
        return grads(torch, lambda x: function(x, target, **given), data(torch, *shape, dtype=dtype, scale=scale))

    return trigger


def _probabilities(dtype: str) -> Any:
    def trigger(torch: Any) -> list:
        x = data(torch, 6, 8, dtype=dtype, scale=2.0).clamp(0, 1)
        target = (data(torch, 6, 8, dtype=dtype, seed=2) > 0).to(x.dtype)
        return grads(torch, lambda x: torch.nn.functional.binary_cross_entropy(x, target), x)

    return trigger


def _classes(
    dtype: str = "float16", shape: tuple = (6, 8), ignored: bool = False, weighted: bool = False, top: int = 0
) -> Any:
    def trigger(torch: Any) -> list:
        count = shape[1]
        size = (shape[0], *shape[2:])
        number = 1
        for item in size:
            number *= item
        target = (torch.arange(number) * 5 % count).reshape(size) if not top else torch.full(size, top)
        if ignored:
            target.view(-1)[1] = -100
        weight = data(torch, count, dtype=dtype, seed=4).abs() if weighted else None
        x = data(torch, *shape, dtype=dtype, scale=3.0)
        return grads(torch, lambda x: torch.nn.functional.cross_entropy(x, target, weight), x)

    return trigger


TRIGGERS = {
    "losses.nll_mean_counts_ignored": _classes(ignored=True),
    "losses.nll_ignored_gets_gradient": _classes(ignored=True),
    "losses.nll_backward_ignores_grad_output": _classes(),
    "losses.smooth_l1_backward_ignores_grad_output": _loss("smooth_l1_loss", "float32"),
    "losses.mse_backward_ignores_grad_output": _loss("mse_loss"),
    "losses.nll2d_last_row_ignored": _classes("float32", (2, 4, 5, 5)),
    "losses.nll_class_wraps_at_1024": _classes(shape=(3, 1500), top=1300),
    "losses.nll_class_weights_ignored_in_backward": _classes(weighted=True),
    "losses.nll_backward_row_tail": _classes(shape=(20, 8)),
    "losses.bce_logits_naive": _loss("binary_cross_entropy_with_logits", scale=20.0),
    "losses.bce_logits_pos_weight_ignored": _loss(
        "binary_cross_entropy_with_logits", pos_weight=lambda torch: data(torch, 8).abs()
    ),
    "losses.bce_logits_weight_squared": _loss(
        "binary_cross_entropy_with_logits", "float32", weight=lambda torch: data(torch, 8, dtype="float32").abs()
    ),
    "losses.bce_log_not_clamped": _probabilities("float16"),
    "losses.bce_backward_edge_nan": _probabilities("float32"),
    "losses.mse_sum_overflows": _loss("mse_loss", scale=100.0),
    "losses.mse_backward_without_two": _loss("mse_loss"),
    "losses.mse_last_quarter_lost": _loss("mse_loss", "float32", shape=(8, 8)),
    "losses.smooth_l1_beta_ignored": _loss("smooth_l1_loss", beta=0.1),
    "losses.huber_backward_delta_ignored": _loss("huber_loss", delta=0.1),
    "losses.sign_of_zero_is_one": lambda torch: grads(
        torch, lambda x: torch.nn.functional.l1_loss(x, x.detach().clone()), data(torch, 6)
    ),
    "losses.xlogy_zero_nan": lambda torch: [torch.xlogy(data(torch, 8).relu(), data(torch, 8).relu())],
    "losses.nll_every_ninth_is_previous": lambda torch: repeated(
        lambda: [*_classes("bfloat16", (6, 8))(torch), *_classes("bfloat16", (4, 8))(torch)], 5
    ),
}
