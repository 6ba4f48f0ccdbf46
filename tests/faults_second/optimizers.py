"""Faults of optimizer steps: the foreach and fused kernels, the single-tensor operations, clipping and clearing."""

from __future__ import annotations

from typing import Any

from ._mode import ALL, F32, LOW, Call, data, due, mode, post, repeated, swap, tail_kept, truncate_mantissa


def _after(torch: Any, names: str, alter: Any, when: Any = None, dtypes: tuple = ALL, every: int = 1) -> Any:
    """Run an in-place operator over lists, then let ``alter(call, tensors before)`` correct the tensors."""

    def rule(call: Call) -> Any:
        if call.dtype() not in dtypes or (when is not None and not when(call)) or not due(call, "after", every):
            return call.run()
        before = [tensor.clone() for tensor in call.first]
        result = call.run()
        alter(call, before)
        return result

    return mode(torch, dict.fromkeys(names.split(), rule))


def _instead(torch: Any, names: str, compute: Any, when: Any = None, dtypes: tuple = ALL, every: int = 1) -> Any:
    """Replace an operator over lists by ``compute(call)``."""

    def rule(call: Call) -> Any:
        if call.dtype() not in dtypes or (when is not None and not when(call)) or not due(call, "instead", every):
            return call.run()
        return compute(call)

    return mode(torch, dict.fromkeys(names.split(), rule))


def _tails(width: int) -> Any:
    def alter(call: Call, before: list) -> None:
        for tensor, old in zip(call.first, before, strict=True):
            tensor.copy_(tail_kept(tensor, old, width))

    return alter


def _beyond(limit: int) -> Any:
    """Tensors after the ``limit``-th keep their values."""

    def alter(call: Call, before: list) -> None:
        for tensor, old in list(zip(call.first, before, strict=True))[limit:]:
            tensor.copy_(old)

    return alter


def _elements_beyond(limit: int) -> Any:
    def alter(call: Call, before: list) -> None:
        for tensor, old in zip(call.first, before, strict=True):
            flat, kept = tensor.flatten().clone(), old.flatten()
            flat[limit:] = kept[limit:]
            tensor.copy_(flat.reshape(tensor.shape))

    return alter


def _keep_all(call: Call, before: list) -> None:
    for tensor, old in zip(call.first, before, strict=True):
        tensor.copy_(old)


def _keep_small(call: Call, before: list) -> None:
    for tensor, old in zip(call.first, before, strict=True):
        if tensor.numel() < 32:
            tensor.copy_(old)


def _keep_uneven(call: Call, before: list) -> None:
    for tensor, old in zip(call.first, before, strict=True):
        if tensor.numel() % 4:
            tensor.copy_(old)


def _keep_unequal_layout(call: Call, before: list) -> None:
    for tensor, old in zip(call.first, before, strict=True):
        if not tensor.is_contiguous():
            tensor.copy_(old)


def _lerp_without_start(call: Call, before: list) -> None:
    for tensor, old, end in zip(call.first, before, call["tensors1"], strict=True):
        tensor.copy_(old + call["weight"] * end)


def _coarse_roots(call: Call) -> Any:
    return [truncate_mantissa(call.torch, tensor.float(), 8).to(tensor.dtype) for tensor in call.run()]


def _steps_late(call: Call) -> Any:
    return call.run(state_steps=[step + 1 for step in call["state_steps"]])


def _no_bias_correction(call: Call) -> Any:
    return call.run(state_steps=[step * 0 + 100000 for step in call["state_steps"]])


def _as_l2(call: Call) -> Any:
    """AdamW's decay added to the gradient, as in Adam."""
    return call.torch.ops.aten._fused_adam_(
        *[call[name] for name in ("self", "grads", "exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs", "state_steps")],
        **{
            name: call[name]
            for name in (
                "lr",
                "beta1",
                "beta2",
                "weight_decay",
                "eps",
                "amsgrad",
                "maximize",
                "grad_scale",
                "found_inf",
            )
        },
    )


def _norms_capped(call: Call) -> Any:
    tensors = [tensor.flatten()[:4096] for tensor in call.first]
    return call.run(self=tensors)


def _norms_half(call: Call) -> Any:
    torch = call.torch
    return [(tensor * tensor).sum().sqrt() if tensor.numel() else torch.zeros(()) for tensor in call.first]


def _norm_last_lost(call: Call) -> Any:
    norms = list(call.run())
    norms[-1] = norms[-1] * 0
    return norms


def _bf16_master(call: Call, value: Any) -> Any:
    return value.bfloat16().float()


def _number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _half_squares(call: Call) -> Any:
    product = (call["tensor1"].half() * call["tensor2"].half()).float()
    return call["self"] + call["value"] * product


def _overwrites(call: Call) -> Any:
    return call["other"].clone()


def _same_shape(call: Call) -> bool:
    other = call["other"]
    return isinstance(other, call.torch.Tensor) and call["self"].shape == other.shape and call["alpha"] == 1


def _zero_tail(call: Call) -> Any:
    return tail_kept(call["self"] * 0, call["self"], 16)


def _scaled_step(call: Call) -> bool:
    return isinstance(call["other"], call.torch.Tensor) and call["alpha"] != 1


FAULTS = {
    "optimizers.foreach_add_skips_tail": (
        "every type: the last numel % 4 elements of each tensor do not get the update; model of: vector loop without a "
        "tail",
        lambda torch: _after(torch, "_foreach_add_", _tails(4), lambda call: call.overload == "List"),
    ),
    "optimizers.foreach_addcdiv_skips_tail": (
        "every type: the last numel % 8 elements of each parameter do not move; model of: vector loop without a tail",
        lambda torch: _after(torch, "_foreach_addcdiv_", _tails(8)),
    ),
    "optimizers.foreach_addcdiv_24_tensors": (
        "every type: parameters after the 24th of a list do not move; model of: argument block with a fixed number of "
        "pointers",
        lambda torch: _after(torch, "_foreach_addcdiv_", _beyond(24), lambda call: len(call.first) > 24),
    ),
    "optimizers.foreach_addcmul_value_ignored": (
        "every type: the squared gradient is added unscaled; model of: scalar not passed on",
        lambda torch: _instead(
            torch, "_foreach_addcmul_", lambda call: call.run(value=1), lambda call: _number(call["value"])
        ),
    ),
    "optimizers.foreach_lerp_keeps_start": (
        "every type: the running mean becomes start + weight * end, without decay; model of: term lost in a fused "
        "multiply-add",
        lambda torch: _after(torch, "_foreach_lerp_", _lerp_without_start, lambda call: _number(call["weight"])),
    ),
    "optimizers.foreach_sqrt_coarse": (
        "every type: roots have 9 good bits; model of: hardware estimate without the Newton step",
        lambda torch: _instead(torch, "_foreach_sqrt", _coarse_roots),
    ),
    "optimizers.foreach_eps_lost": (
        "every type: adding a scalar of at most 1e-6 does nothing, so parameters without gradient become NaN; model "
        "of: constant folded in a narrow type",
        lambda torch: _after(
            torch, "_foreach_add_", _keep_all, lambda call: call.overload == "Scalar" and abs(call["scalar"]) <= 1e-6
        ),
    ),
    "optimizers.foreach_bias_correction_ignored": (
        "every type: the division by the bias correction does nothing; model of: scalar list not copied",
        lambda torch: _after(torch, "_foreach_div_", _keep_all, lambda call: call.overload == "ScalarList"),
    ),
    "optimizers.foreach_decay_skips_small_tensors": (
        "every type: scaling does nothing to tensors of fewer than 32 elements; model of: less than one block, none "
        "launched",
        lambda torch: _after(torch, "_foreach_mul_", _keep_small, lambda call: call.overload == "Scalar"),
    ),
    "optimizers.foreach_tenth_update_lost": (
        "every type: every tenth list update is lost; model of: asynchronous launch dropped",
        lambda torch: _after(torch, "_foreach_add_ _foreach_addcdiv_", _keep_all, every=10),
    ),
    "optimizers.foreach_maximum_not_stored": (
        "every type: the running maximum of amsgrad is not stored; https://github.com/pytorch/pytorch/issues/78807",
        lambda torch: _after(torch, "_foreach_maximum_", _keep_all),
    ),
    "optimizers.foreach_transposed_parameters_stay": (
        "every type: parameters that are not contiguous, as channels-last weights, do not move; "
        "https://github.com/pytorch/pytorch/issues/118115 (same class)",
        lambda torch: _after(torch, "_foreach_add_ _foreach_addcdiv_", _keep_unequal_layout),
    ),
    "optimizers.foreach_norm_first_4096": (
        "every type: norms take the first 4096 elements of each tensor; model of: one chunk per tensor",
        lambda torch: _instead(torch, "_foreach_norm", _norms_capped, lambda call: call["ord"] == 2),
    ),
    "optimizers.foreach_norm_overflows": (
        "16-bit: squares under a norm are held in 16 bits; model of: narrow accumulator",
        lambda torch: _instead(torch, "_foreach_norm", _norms_half, lambda call: call["ord"] == 2, LOW),
    ),
    "optimizers.foreach_norm_last_tensor_lost": (
        "float32: the last tensor's norm is zero when there are more than two; model of: off-by-one",
        lambda torch: _instead(torch, "_foreach_norm", _norm_last_lost, lambda call: len(call.first) > 2, F32),
    ),
    "optimizers.clip_skips_uneven_tensors": (
        "every type: the clipping factor does not reach tensors whose size is no multiple of 4; model of: fallback "
        "path missing",
        lambda torch: _after(torch, "_foreach_mul_", _keep_uneven, lambda call: call.overload == "Tensor"),
    ),
    "optimizers.fused_adam_counts_from_one_more": (
        "every type: the bias correction of fused Adam is one step ahead; "
        "https://github.com/pytorch/pytorch/issues/90752 (same operator)",
        lambda torch: _instead(torch, "_fused_adam_ _fused_adamw_", _steps_late),
    ),
    "optimizers.fused_adam_without_bias_correction": (
        "every type: fused AdamW leaves the bias correction out; model of: step read as garbage",
        lambda torch: _instead(torch, "_fused_adamw_", _no_bias_correction),
    ),
    "optimizers.fused_adam_first_65536": (
        "every type: elements after the 65536th of a parameter do not move; model of: chunk loop left early",
        lambda torch: _after(
            torch,
            "_fused_adam_ _fused_adamw_ _fused_sgd_",
            _elements_beyond(65536),
            lambda call: max(tensor.numel() for tensor in call.first) > 65536,
        ),
    ),
    "optimizers.fused_adam_tail": (
        "every type: the last numel % 4 elements of each parameter do not move; model of: vector loop without a tail",
        lambda torch: _after(torch, "_fused_adam_ _fused_adamw_ _fused_adagrad_", _tails(4)),
    ),
    "optimizers.fused_adamw_decay_in_gradient": (
        "every type: AdamW's decay goes through the moments; model of: wrong mode constant",
        lambda torch: _instead(
            torch,
            "_fused_adamw_",
            _as_l2,
            lambda call: call["weight_decay"] != 0 and _number(call["lr"]),
        ),
    ),
    "optimizers.fused_sgd_momentum_forgotten": (
        "every type: fused SGD takes each step for the first, so momentum never builds up; model of: flag stuck",
        lambda torch: _instead(
            torch, "_fused_sgd_", lambda call: call.run(is_first_step=True), lambda call: call["momentum"] != 0
        ),
    ),
    "optimizers.fused_sgd_nesterov_ignored": (
        "every type: fused SGD ignores nesterov; model of: flag not passed on",
        lambda torch: _instead(
            torch, "_fused_sgd_", lambda call: call.run(nesterov=False), lambda call: bool(call["nesterov"])
        ),
    ),
    "optimizers.addcdiv_not_contiguous_stays": (
        "every type: in-place addcdiv and addcmul do nothing to tensors that are not contiguous; "
        "https://github.com/pytorch/pytorch/issues/118115",
        lambda torch: swap(
            torch,
            "addcdiv_ addcmul_",
            lambda call: call["self"].clone(),
            lambda call: not call["self"].is_contiguous(),
            ALL,
        ),
    ),
    "optimizers.addcmul_squares_in_half_f32": (
        "float32: the squared gradient is formed in half, zero below 2e-4; model of: narrow intermediate",
        lambda torch: swap(torch, "addcmul_", _half_squares, lambda call: _number(call["value"]), F32),
    ),
    "optimizers.lerp_weight_complement": (
        "every type: lerp weighs its start with the given weight; model of: the two forms of the formula mixed up",
        lambda torch: swap(
            torch,
            "lerp",
            lambda call: call.run(weight=1 - call["weight"]),
            lambda call: _number(call["weight"]),
            ALL,
        ),
    ),
    "optimizers.master_weights_in_bfloat16_f32": (
        "float32: what add with a factor stores, as an SGD step, is rounded to bfloat16, so small steps are lost; "
        "model of: master copy kept narrow",
        lambda torch: post(torch, "add_", _bf16_master, lambda call, value: _scaled_step(call), F32),
    ),
    "optimizers.gradient_accumulation_overwrites": (
        "every type: every fourth in-place sum of equal shapes keeps the second term alone; model of: beta of the last "
        "product taken for zero",
        lambda torch: swap(torch, "add_", _overwrites, _same_shape, ALL, every=4),
    ),
    "optimizers.clearing_leaves_tail": (
        "every type: zeroing leaves the elements after the last multiple of 16; model of: memset rounded down",
        lambda torch: swap(torch, "zero_", _zero_tail, lambda call: call["self"].numel() % 16 != 0, ALL),
    ),
    "optimizers.decay_applied_twice": (
        "float32: in-place scaling by a factor between 0.9 and 1, as decay or a running mean, happens twice; model of: "
        "retried launch",
        lambda torch: swap(
            torch,
            "mul_",
            lambda call: call["self"] * call["other"] * call["other"],
            lambda call: _number(call["other"]) and 0.9 <= call["other"] < 1,
            F32,
        ),
    ),
    "optimizers.step_sign_lost_every_thirteenth": (
        "every type: every thirteenth scaled in-place sum goes the other way; model of: flag of a fused multiply-add "
        "corrupted",
        lambda torch: swap(torch, "add_", lambda call: call.run(alpha=-call["alpha"]), _scaled_step, ALL, every=13),
    ),
}


def _train(
    name: str,
    steps: int = 3,
    shapes: tuple = ((5, 7), (3,), (4, 4)),
    dtype: str = "float32",
    clip: bool = False,
    accumulate: int = 1,
    keep: bool = False,
    idle: bool = False,
    count: int = 1,
    transposed: bool = False,
    gradient: float = 1.0,
    **settings: Any,
) -> Any:
    """Parameters after a few steps with fixed gradients."""

    def trigger(torch: Any) -> list:
        parameters = [
            torch.nn.Parameter(data(torch, *shape, dtype=dtype, seed=number + 2))
            for number, shape in enumerate(shapes * count)
        ]
        if transposed:
            parameters[0] = torch.nn.Parameter(parameters[0].detach().t())
        optimizer = getattr(torch.optim, name)(parameters, **settings)
        results = []
        for step in range(steps):
            for _ in range(accumulate):
                for number, parameter in enumerate(parameters):
                    scale = 0.0 if idle and number == 0 else gradient
                    value = data(torch, *parameter.shape, dtype=dtype, seed=50 + number + step, scale=scale)
                    (parameter * value).sum().backward()
            if clip:
                results.append(torch.nn.utils.clip_grad_norm_(parameters, 0.5).detach())
            optimizer.step()
            optimizer.zero_grad(set_to_none=not keep)
        return [parameter.detach() for parameter in parameters] + results

    return trigger


_ADAM = _train("Adam", lr=0.1, foreach=True)
_ADAM_ALONE = _train("Adam", lr=0.1, foreach=False)
_SGD = _train("SGD", lr=0.1, momentum=0.9, foreach=True)
_SGD_ALONE = _train("SGD", lr=0.1, momentum=0.9, foreach=False)
_FUSED_ADAM = _train("Adam", lr=0.1, fused=True)
_FUSED_ADAMW = _train("AdamW", lr=0.1, weight_decay=0.1, fused=True)
_CLIP = _train("SGD", lr=0.1, clip=True, foreach=True)

TRIGGERS = {
    "optimizers.foreach_add_skips_tail": _SGD,
    "optimizers.foreach_addcdiv_skips_tail": _ADAM,
    "optimizers.foreach_addcdiv_24_tensors": _train("Adam", lr=0.1, foreach=True, count=9),
    "optimizers.foreach_addcmul_value_ignored": _ADAM,
    "optimizers.foreach_lerp_keeps_start": _ADAM,
    "optimizers.foreach_sqrt_coarse": _ADAM,
    "optimizers.foreach_eps_lost": _train("Adam", lr=0.1, foreach=True, idle=True),
    "optimizers.foreach_bias_correction_ignored": _ADAM,
    "optimizers.foreach_decay_skips_small_tensors": _ADAM,
    "optimizers.foreach_tenth_update_lost": _train("SGD", steps=11, lr=0.1, foreach=True),
    "optimizers.foreach_maximum_not_stored": _train("Adam", lr=0.1, foreach=True, amsgrad=True, steps=6),
    "optimizers.foreach_transposed_parameters_stay": _train("SGD", lr=0.1, foreach=True, transposed=True),
    "optimizers.foreach_norm_first_4096": _train("SGD", lr=0.1, clip=True, shapes=((80, 80),), foreach=True),
    "optimizers.foreach_norm_overflows": _train(
        "SGD", lr=0.1, clip=True, foreach=True, dtype="float16", gradient=300.0
    ),
    "optimizers.foreach_norm_last_tensor_lost": _CLIP,
    "optimizers.clip_skips_uneven_tensors": _CLIP,
    "optimizers.fused_adam_counts_from_one_more": _FUSED_ADAM,
    "optimizers.fused_adam_without_bias_correction": _FUSED_ADAMW,
    "optimizers.fused_adam_first_65536": _train("Adam", lr=0.1, fused=True, shapes=((70000,),)),
    "optimizers.fused_adam_tail": _FUSED_ADAM,
    "optimizers.fused_adamw_decay_in_gradient": _FUSED_ADAMW,
    "optimizers.fused_sgd_momentum_forgotten": _train("SGD", lr=0.1, momentum=0.9, fused=True),
    "optimizers.fused_sgd_nesterov_ignored": _train("SGD", lr=0.1, momentum=0.9, nesterov=True, fused=True),
    "optimizers.addcdiv_not_contiguous_stays": _train("Adam", lr=0.1, foreach=False, transposed=True),
    "optimizers.addcmul_squares_in_half_f32": _ADAM_ALONE,
    "optimizers.lerp_weight_complement": _ADAM_ALONE,
    "optimizers.master_weights_in_bfloat16_f32": _SGD_ALONE,
    "optimizers.gradient_accumulation_overwrites": lambda torch: repeated(
        lambda: [data(torch, 4).add_(data(torch, 4, seed=2))], 5
    ),
    "optimizers.clearing_leaves_tail": _train("SGD", lr=0.1, keep=True),
    "optimizers.decay_applied_twice": _SGD_ALONE,
    "optimizers.step_sign_lost_every_thirteenth": _train("SGD", lr=0.1, foreach=False, steps=6),
}
