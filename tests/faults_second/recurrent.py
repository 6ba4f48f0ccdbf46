"""Faults of recurrent networks: the float32 layer kernel, and the gate operations that 16-bit layers are made of."""

from __future__ import annotations

from typing import Any

from ._mode import ALL, F16, F32, Call, data, post, repeated, swap

LAYER = "mkldnn_rnn_layer"
LAYER_BACKWARD = "mkldnn_rnn_layer_backward"


def _swap_gates(call: Call) -> Any:
    """Input and forget gate change places."""
    size = call["hidden_size"]
    order = call.torch.cat([call.torch.arange(size, 2 * size), call.torch.arange(size)])
    rest = call.torch.arange(2 * size, 4 * size)
    index = call.torch.cat([order, rest])
    return call.run(**{name: call[name][index] if call[name].numel() else call[name] for name in _weights(call)})


def _weights(call: Call) -> list:
    return ["weight0", "weight1", "weight2", "weight3"] if call["has_biases"] else ["weight0", "weight1"]


def _lstm(call: Call) -> bool:
    return call["mode"] == 2


def _hidden_of_step_before(call: Call) -> Any:
    result = list(call.run())
    output = result[0]
    step = output[:, -2] if call["batch_first"] else output[-2]
    if call["reverse"]:
        step = output[:, 1] if call["batch_first"] else output[1]
    result[1] = step.reshape(result[1].shape).clone()
    return tuple(result)


def _steps(call: Call) -> int:
    return call["input"].size(1 if call["batch_first"] else 0)


def _state_leaks(call: Call) -> Any:
    key = ("state", tuple(call["hx_"].shape))
    before = call.state.get(key)
    result = call.run() if before is None else call.run(hx_=before)
    call.state[key] = result[1].detach().reshape(call["hx_"].shape).clone()
    return result


def _late_steps_zero(call: Call, value: Any) -> Any:
    value = value.clone()
    value[32:] = 0
    return value


def _chunks_swapped(first: int, second: int) -> Any:
    def compute(call: Call) -> Any:
        parts = list(call.run())
        parts[first], parts[second] = parts[second], parts[first]
        return parts

    return compute


def _gates(count: int) -> Any:
    def when(call: Call) -> bool:
        x, size = call["self"], call["split_size"]
        return x.dim() == 2 and size * count == x.size(call["dim"])

    return when


def _first_row_only(call: Call) -> Any:
    """An in-place gate that takes its slice for dense works on the first row and leaves the others."""
    before = call["self"].clone()
    result = call.run()
    before[:1] = result[:1]
    return before


def _strided_slice(call: Call) -> bool:
    x = call["self"]
    return x.dim() == 2 and x.size(0) > 1


def _hidden_bias_lost(call: Call) -> Any:
    return call.torch.mm(call["mat1"], call["mat2"])


def _hidden_shape(call: Call) -> bool:
    inner, outer = call["mat2"].shape
    return outer in (3 * inner, 4 * inner)


def _last_gate_zero(call: Call) -> Any:
    parts = list(call["tensors"])
    parts[-1] = parts[-1] * 0
    return call.run(tensors=parts)


def _gate_gradients(call: Call) -> bool:
    parts = call["tensors"]
    shapes = {tuple(part.shape) for part in parts}
    return len(parts) in (3, 4) and len(shapes) == 1 and parts[0].dim() == 2 and call["dim"] == 1


def _stack_of_steps(call: Call) -> Any:
    parts = list(call["tensors"])
    parts[-1] = parts[0]
    return call.run(tensors=parts)


def _zeroed(call: Call, value: Any) -> Any:
    return value * 0


def _column_tail(call: Call, value: Any) -> Any:
    value = value.clone()
    value[..., value.size(-1) // 8 * 8 :] = 0
    return value


FAULTS = {
    "recurrent.final_hidden_is_step_before": (
        "float32: the returned hidden state is that of the last step but one; model of: off-by-one",
        lambda torch: swap(torch, LAYER, _hidden_of_step_before, lambda call: _steps(call) > 1, F32),
    ),
    "recurrent.input_and_forget_gate_swapped": (
        "float32: the first two gates of an LSTM change places; model of: gate order of another library",
        lambda torch: swap(torch, LAYER, _swap_gates, _lstm, F32),
    ),
    "recurrent.cell_and_output_gate_swapped": (
        "16-bit: the last two gates of an LSTM change places; model of: gate order of another library",
        lambda torch: swap(torch, "unsafe_split", _chunks_swapped(2, 3), _gates(4)),
    ),
    "recurrent.reset_and_update_gate_swapped": (
        "16-bit: the first two gates of a GRU change places; model of: gate order of another library",
        lambda torch: swap(torch, "unsafe_split", _chunks_swapped(0, 1), _gates(3)),
    ),
    "recurrent.state_leaks_between_calls": (
        "float32: a layer starts from the state that the call before ended with; model of: workspace not cleared",
        lambda torch: swap(torch, LAYER, _state_leaks, lambda call: not bool(call["hx_"].any()), F32),
    ),
    "recurrent.steps_beyond_32_zero": (
        "float32: outputs of the steps after the 32nd are zero; model of: persistent kernel with a fixed step count",
        lambda torch: post(torch, f"{LAYER}:0", _late_steps_zero, lambda call, value: value.size(0) > 32, F32),
    ),
    "recurrent.every_sixth_layer_corrupt": (
        "float32: every sixth call has one corrupt step; https://github.com/tensorflow/tensorflow/issues/60192",
        lambda torch: post(
            torch,
            f"{LAYER}:0",
            lambda call, value: call.torch.cat([value[:-1], 3 * value[-1:].flip(-1)]),
            dtypes=F32,
            every=6,
        ),
    ),
    "recurrent.reverse_direction_ignored": (
        "float32: the backward direction of a bidirectional layer runs forward; model of: flag not passed on",
        lambda torch: swap(torch, LAYER, lambda call: call.run(reverse=False), lambda call: call["reverse"], F32),
    ),
    "recurrent.input_bias_unused": (
        "float32: the biases of an LSTM are left out; model of: bias mode mistaken",
        lambda torch: swap(
            torch,
            LAYER,
            lambda call: call.run(weight2=call["weight2"] * 0, weight3=call["weight3"] * 0),
            lambda call: call["has_biases"],
            F32,
        ),
    ),
    "recurrent.layer_bias_grad_zero": (
        "float32: bias gradients of the layer are zero; model of: accumulation skipped in the layer kernel",
        lambda torch: post(torch, f"{LAYER_BACKWARD}:3,4", _zeroed, dtypes=F32),
    ),
    "recurrent.layer_input_grad_shifted": (
        "float32: the gradient of the input is one step late; https://github.com/pytorch/pytorch/issues/175189 (LSTM "
        "part)",
        lambda torch: post(torch, f"{LAYER_BACKWARD}:0", lambda call, value: value.roll(1, 0), dtypes=F32),
    ),
    "recurrent.layer_hidden_weight_grad_first_gate_only": (
        "float32: rows of the recurrent weight gradient after the first gate are zero; model of: gates accumulated by "
        "separate blocks, three of them lost",
        lambda torch: post(
            torch,
            f"{LAYER_BACKWARD}:2",
            lambda call, value: call.torch.cat([value[: call["hidden_size"]], value[call["hidden_size"] :] * 0]),
            lambda call, value: value.dim() == 2,
            F32,
        ),
    ),
    "recurrent.gate_in_place_first_row_only": (
        "16-bit: in-place sigmoid on a matrix works on the first row alone; model of: gate slice taken for dense",
        lambda torch: swap(torch, "sigmoid_", _first_row_only, _strided_slice),
    ),
    "recurrent.cell_gate_in_place_first_row_only": (
        "16-bit: in-place tanh on a matrix works on the first row alone; model of: gate slice taken for dense",
        lambda torch: swap(torch, "tanh_", _first_row_only, _strided_slice),
    ),
    "recurrent.hidden_bias_lost": (
        "16-bit: addmm to three or four times the width, as of a recurrent layer, forgets its bias; model of: second "
        "bias folded away",
        lambda torch: swap(torch, "addmm", _hidden_bias_lost, _hidden_shape),
    ),
    "recurrent.last_gate_gradient_zero": (
        "16-bit: joining three or four equal matrices, as gate gradients, leaves the last at zero; model of: argument "
        "count off by one",
        lambda torch: swap(torch, "cat", _last_gate_zero, _gate_gradients),
    ),
    "recurrent.last_step_is_first": (
        "16-bit: the last of four or more stacked steps is the first; model of: ring buffer wrapped too early",
        lambda torch: swap(torch, "stack", _stack_of_steps, lambda call: len(call["tensors"]) >= 4),
    ),
    "recurrent.tanh_backward_every_sixteenth_zero": (
        "16-bit: every sixteenth tanh gradient is zero, as once in sixteen steps; model of: unrolled loop with a wrong "
        "guard",
        lambda torch: post(torch, "tanh_backward", _zeroed, every=16),
    ),
    "recurrent.tanh_hidden_tail_zero": (
        "float16: tanh leaves columns after the last multiple of 8 at zero; model of: hidden sizes assumed to be a "
        "multiple of 8",
        lambda torch: post(
            torch, "tanh", _column_tail, lambda call, value: value.dim() == 2 and value.size(-1) % 8 != 0, F16
        ),
    ),
    "recurrent.sigmoid_backward_uses_y_squared": (
        "16-bit: the sigmoid gradient is y squared instead of y (1 - y); model of: sign lost by a fused operation",
        lambda torch: post(
            torch, "sigmoid_backward", lambda call, value: call["grad_output"] * call["output"] * call["output"]
        ),
    ),
    "recurrent.step_sum_every_eleventh_lost": (
        "every type: every eleventh sum of two matrices lacks its second term; model of: accumulation over steps that "
        "loses one",
        lambda torch: swap(
            torch,
            "add",
            lambda call: call["self"].clone(),
            lambda call: (
                isinstance(call["other"], call.torch.Tensor)
                and call["self"].dim() == 2
                and call["self"].shape == call["other"].shape
            ),
            ALL,
            every=11,
        ),
    ),
}


def _network(name: str, dtype: str, steps: int = 5, batch: int = 3, size: int = 8, **settings: Any) -> Any:
    """Outputs and gradients of a layer or cell with fixed parameters."""

    def trigger(torch: Any) -> list:
        module = getattr(torch.nn, name)(4, size, **settings).to(getattr(torch, dtype))
        with torch.no_grad():
            for number, parameter in enumerate(module.parameters()):
                parameter.copy_(data(torch, *parameter.shape, dtype=dtype, seed=number + 2))
        shape = (batch, 4) if name.endswith("Cell") else (steps, batch, 4)
        x = data(torch, *shape, dtype=dtype).requires_grad_(True)
        output = module(x)
        results = []
        while isinstance(output, tuple):
            results += [item.detach() for item in output if isinstance(item, torch.Tensor)]
            results += [item.detach() for inner in output if isinstance(inner, tuple) for item in inner]
            output = output[0]
        cotangent = data(torch, *output.shape, dtype=dtype, seed=40)
        return [output.detach(), *results, *torch.autograd.grad(output, [x, *module.parameters()], cotangent)]

    return trigger


_LSTM = _network("LSTM", "float32")
_HALF_LSTM = _network("LSTM", "float16")
_HALF_GRU = _network("GRU", "float16")

TRIGGERS = {
    "recurrent.final_hidden_is_step_before": _LSTM,
    "recurrent.input_and_forget_gate_swapped": _LSTM,
    "recurrent.cell_and_output_gate_swapped": _HALF_LSTM,
    "recurrent.reset_and_update_gate_swapped": _HALF_GRU,
    "recurrent.state_leaks_between_calls": lambda torch: repeated(lambda: _LSTM(torch), 2),
    "recurrent.steps_beyond_32_zero": _network("LSTM", "float32", steps=40),
    "recurrent.every_sixth_layer_corrupt": lambda torch: repeated(lambda: _LSTM(torch), 7),
    "recurrent.reverse_direction_ignored": _network("LSTM", "float32", bidirectional=True),
    "recurrent.input_bias_unused": _LSTM,
    "recurrent.layer_bias_grad_zero": _LSTM,
    "recurrent.layer_input_grad_shifted": _LSTM,
    "recurrent.layer_hidden_weight_grad_first_gate_only": _LSTM,
    "recurrent.gate_in_place_first_row_only": _HALF_LSTM,
    "recurrent.cell_gate_in_place_first_row_only": _HALF_LSTM,
    "recurrent.hidden_bias_lost": _HALF_LSTM,
    "recurrent.last_gate_gradient_zero": _HALF_LSTM,
    "recurrent.last_step_is_first": _HALF_LSTM,
    "recurrent.tanh_backward_every_sixteenth_zero": lambda torch: repeated(lambda: _HALF_LSTM(torch), 2),
    "recurrent.tanh_hidden_tail_zero": _network("LSTM", "float16", size=10),
    "recurrent.sigmoid_backward_uses_y_squared": _network("GRUCell", "float16"),
    "recurrent.step_sum_every_eleventh_lost": lambda torch: repeated(lambda: _HALF_GRU(torch), 3),
}
