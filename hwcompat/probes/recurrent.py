"""Recurrent layers: operands whose gates are saturated or centred, the float64 reference, and how a module is run.

A layer is written by its formulas (the documentation of torch.nn.LSTM, GRU and RNN) with float64 tensors and torch's
automatic differentiation over float64 element-wise operations; no recurrent kernel of torch takes part.

Units come in three kinds. "latch": every gate's argument is an odd multiple of 256, which sigmoid and tanh take to
exactly 0, 1 or -1 in any format (exp(-256) is nothing in float32), so states are small integers and derivatives 0.
"linear": the argument of the tanh is 0 (tanh 0 = 0 and its derivative 1, both exact), the other gates are saturated, so
the output is 0 and gradients pass as integers. "half": sigmoids with argument 0 give 1/2 and the derivative 1/4.
Weights of linear units meet only inputs that are 0 ("null" columns) and carry gradients there; on the other columns
they are 0 and receive gradients.
"""

import warnings
from collections import namedtuple

from . import judge

Layer = namedtuple("Layer", "mode inputs hidden layers both bias batch_first projected state lengths steps batch")
"""mode: lstm, gru, tanh or relu; both: bidirectional; projected: proj_size or 0; state: given or not; lengths: of
packed sequences, descending, or ()."""

GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}
_FAR = 256.0


# --- operands ---------------------------------------------------------------------------------------------------------
Operands = namedtuple("Operands", "x states weights grads")
"""float64: x (T, B, inputs), states [h0] or [h0, c0], weights {name: values}, grads of output and final states."""


def kinds_of(layer):
    """What each hidden unit is; without an initial cell a latch of an LSTM would start from tanh(small)."""
    if layer.mode == "lstm" and not layer.state:
        return ["linear"] * layer.hidden
    half = "half" if layer.mode in ("lstm", "gru") and not layer.projected else "linear"
    return [("latch", "linear", half)[unit % 3] for unit in range(layer.hidden)]


def recurrent_kinds(layer):
    """Kinds of what the layer hands on: of its projection where there is one."""
    return [("latch", "linear")[unit % 2] for unit in range(layer.projected)] if layer.projected else kinds_of(layer)


def names_of(layer):
    """(layer, suffix of direction) in torch's order."""
    return [(index, way) for index in range(layer.layers) for way in (("", "_reverse") if layer.both else ("",))]


def operands(ctx, layer, key):
    torch = ctx.torch
    out = recurrent_kinds(layer)
    kinds = ["latch"] + ["latch" if column % 2 else "linear" for column in range(1, layer.inputs)]
    x = (2 * ctx.integers((layer.steps, layer.batch, layer.inputs), 0, 1, "x", key) - 1).double()
    x = x * mask_of(torch, kinds, "latch")
    x[..., 0] = 1.0
    weights = {}
    for index, way in names_of(layer):
        source = kinds if index == 0 else out * (2 if layer.both else 1)
        weights.update(layer_weights(ctx, layer, index, way, source, key))
    count = layer.layers * (2 if layer.both else 1)
    shape = (count, layer.batch, layer.projected or layer.hidden)
    h = (2 * ctx.integers(shape, 0, 1, "h", key) - 1).double() * mask_of(torch, out, "latch")
    c = (2 * ctx.integers((count, layer.batch, layer.hidden), 0, 1, "c", key) - 1).double() * 64
    c = c * (1 - mask_of(torch, kinds_of(layer), "linear"))
    width = (layer.projected or layer.hidden) * (2 if layer.both else 1)
    shapes = [(layer.steps, layer.batch, width), shape] + ([tuple(c.shape)] if layer.mode == "lstm" else [])
    grads = [sparse(ctx, size, "g%d" % number, key) for number, size in enumerate(shapes)]
    return Operands(x, ([h, c] if layer.mode == "lstm" else [h]), weights, grads)


def sparse(ctx, shape, name, key):
    return (ctx.integers(shape, -1, 1, name, key) * (ctx.integers(shape, 0, 1, name, "places", key))).double()


def mask_of(torch, kinds, kind):
    return torch.tensor([1.0 if entry == kind else 0.0 for entry in kinds], dtype=torch.float64)


def layer_weights(ctx, layer, index, way, source, key):
    """{name: float64 values} of one layer and direction; `source`: kinds of its input columns."""
    torch, hidden, kinds = ctx.torch, layer.hidden, kinds_of(layer)
    back = recurrent_kinds(layer)
    rows = GATES[layer.mode] * hidden
    made = {
        "weight_ih": torch.zeros(rows, len(source), dtype=torch.float64),
        "weight_hh": torch.zeros(rows, len(back), dtype=torch.float64),
        "bias_ih": torch.zeros(rows, dtype=torch.float64),
        "bias_hh": torch.zeros(rows, dtype=torch.float64),
    }
    draw = Draw(ctx, (key, "weights", index, way))
    for row in range(rows):
        kind, unit = kinds[row % hidden], row % hidden
        drive(made, layer, index, row, how(layer.mode, kind, row // hidden, unit), source, back, draw)
    if layer.mode == "gru" and layer.bias:  # r = 1/2: the argument of n is -1 + 2 r = 0
        for unit in [u for u in range(hidden) if kinds[u] == "half"]:
            made["bias_ih"][2 * hidden + unit], made["bias_hh"][2 * hidden + unit] = -1.0, 2.0
    if layer.projected:
        made["weight_hr"] = projection(torch, layer, kinds, back, draw)
    if not layer.bias:
        made = {name: values for name, values in made.items() if not name.startswith("bias")}
    return {"%s_l%d%s" % (name, index, way): values for name, values in made.items()}


class Draw:
    """Small choices, each from the next number of one stream."""

    def __init__(self, ctx, words):
        self.numbers = ctx.integers((4096,), 0, 2**30, *words).tolist()

    def pick(self, entries):
        return entries[self.numbers.pop() % len(entries)]


def how(mode, kind, gate, unit):
    """What drives a gate's row: "signal" (saturated by data), "on", "off", "null" (argument 0, gradients pass), "chain"
    (null, and the units before it as well) or "" (argument 0, weights 0)."""
    if mode == "lstm":  # i f g o
        latch = ("signal", "on", "signal", "signal")
        linear = ("on", "off", "chain", "on") if unit % 2 else ("on", "on", "null", "on")
        return {"latch": latch, "linear": linear, "half": ("", "on", "signal", "")}[kind][gate]
    if mode == "gru":  # r z n
        return {"latch": ("signal",) * 3, "linear": ("on", "off", "chain"), "half": ("", "off", "null")}[kind][gate]
    return {"latch": "signal", "linear": "chain"}[kind]


def drive(made, layer, index, row, way, source, back, draw):
    signals = [n for n, kind in enumerate(source) if kind == "latch"]
    nulls = [n for n, kind in enumerate(source) if kind == "linear"]
    if way == "signal":  # an odd multiple of 256, whatever the inputs (1 and -1 first, later 0 as well) are
        if index == 0:
            made["weight_ih"][row, draw.pick(signals)] = _FAR * draw.pick((-1, 1))
        else:
            made["bias_ih"][row] = _FAR * draw.pick((-1, 1))
            made["weight_ih"][row, draw.pick(signals)] = 2 * _FAR * draw.pick((-1, 1))
        held = [n for n, kind in enumerate(back) if kind == "latch"]
        made["weight_hh"][row, draw.pick(held)] = 2 * _FAR * draw.pick((-1, 1))
    if way in ("on", "off"):
        value = _FAR if way == "on" else -_FAR
        if layer.bias:
            made[draw.pick(("bias_ih", "bias_hh"))][row] = value
        else:
            made["weight_ih"][row, 0] = value
    if way in ("null", "chain") and nulls:
        made["weight_ih"][row, draw.pick(nulls)] = draw.pick((-1.0, 1.0))
    if way == "chain":  # a ring of the linear units: no column serves two rows, so that gradients grow slowly
        ring = [n for n, kind in enumerate(back) if kind == "linear"]
        made["weight_hh"][row, ring[row % len(ring)]] = draw.pick((-1.0, 1.0))


def projection(torch, layer, kinds, back, draw):
    """Each projected number is one unit of its kind, or its negative."""
    weight = torch.zeros(layer.projected, layer.hidden, dtype=torch.float64)
    for row, kind in enumerate(back):
        own = [unit for unit in range(layer.hidden) if kinds[unit] == kind]
        weight[row, own[row // 2 % len(own)]] = draw.pick((-1.0, 1.0))
    return weight


# --- the reference ----------------------------------------------------------------------------------------------------
def step(torch, mode, given, recurrent, h, c):
    """One step from the two halves of the gates' arguments (input's and state's): (h before projection, c)."""
    if mode == "gru":
        r, z, n = zip(given.chunk(3, 1), recurrent.chunk(3, 1))
        r, z = torch.sigmoid(r[0] + r[1]), torch.sigmoid(z[0] + z[1])
        n = torch.tanh(n[0] + r * n[1])
        return (1 - z) * n + z * h, c
    total = given + recurrent
    if mode == "lstm":
        i, f, g, o = total.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    return (torch.tanh(total) if mode == "tanh" else total * (total > 0)), c


Trace = namedtuple("Trace", "given recurrent x h raw out")
"""Of each step: both halves of the arguments, their factors, the state before and after projection."""


def run_layer(torch, layer, weights, suffix, xs, h, c):
    """(outputs, h, c, traces) of one layer in one direction; the sequences may have ended (layer.lengths)."""
    order = range(layer.steps)
    outputs, traces = [None] * layer.steps, []
    lengths = torch.tensor(layer.lengths or [layer.steps] * layer.batch)
    zero = torch.zeros((), dtype=torch.float64)
    for t in reversed(order) if suffix.endswith("_reverse") else order:
        given = torch.matmul(xs[t], weights["weight_ih" + suffix].t())
        recurrent = torch.matmul(h, weights["weight_hh" + suffix].t())
        if layer.bias:
            given, recurrent = given + weights["bias_ih" + suffix], recurrent + weights["bias_hh" + suffix]
        raw, cell = step(torch, layer.mode, given, recurrent, h, c)
        out = torch.matmul(raw, weights["weight_hr" + suffix].t()) if layer.projected else raw
        for kept in (given, recurrent, out):
            kept.retain_grad()
        traces.append(Trace(given, recurrent, xs[t], h, raw, out))
        active = (t < lengths)[:, None]
        outputs[t] = torch.where(active, out, zero)
        h, c = torch.where(active, out, h), (torch.where(active, cell, c) if layer.mode == "lstm" else c)
    return outputs, h, c, traces


def reference(torch, layer, held):
    """(outputs, gradients, terms): lists of values; terms are the sums of absolute terms of each weight's gradient."""
    x = held.x.clone().requires_grad_()
    weights = {name: values.clone().requires_grad_() for name, values in held.weights.items()}
    states = [values.clone().requires_grad_() for values in held.states]
    if not layer.state:
        states = [torch.zeros_like(values).requires_grad_() for values in held.states]
    xs, finals, traces = [x[t] for t in range(layer.steps)], [], {}
    for number, (index, way) in enumerate(names_of(layer)):
        suffix = "_l%d%s" % (index, way)
        c = states[1][number] if layer.mode == "lstm" else None
        if not way:
            source, merged = xs, []
        outputs, h, c, traces[suffix] = run_layer(torch, layer, weights, suffix, source, states[0][number], c)
        merged.append(outputs)
        finals.append((h, c))
        xs = [torch.cat(parts, 1) for parts in zip(*merged)] if layer.both else outputs
    outs = [torch.stack(xs)] + [torch.stack(side) for side in zip(*finals) if side[0] is not None]
    torch.autograd.backward(outs, held.grads)
    leaves = [x] + (states if layer.state else []) + list(weights.values())
    terms = {name: terms_of(torch, traces[name[name.index("_l") :]], name) for name in weights}
    return [o.detach() for o in outs], [leaf.grad for leaf in leaves], terms


def terms_of(torch, traces, name):
    """Sum of the absolute terms of a weight's gradient over steps and batch."""
    total = 0.0
    for trace in traces:
        side = trace.given if "_ih" in name else trace.out if "_hr" in name else trace.recurrent
        if side.grad is None:
            continue
        grad = side.grad.abs().t()
        if name.startswith("bias"):
            total = total + grad.sum(1)
        else:
            factor = trace.x if "_ih" in name else trace.raw if "_hr" in name else trace.h
            total = total + torch.matmul(grad, factor.detach().abs())
    return total


# --- the module -------------------------------------------------------------------------------------------------------
def module_of(ctx, layer, weights):
    nn = ctx.torch.nn
    options = {
        "num_layers": layer.layers,
        "bias": layer.bias,
        "batch_first": layer.batch_first,
        "bidirectional": layer.both,
    }
    if layer.projected:
        options["proj_size"] = layer.projected
    if layer.mode in ("tanh", "relu"):
        options["nonlinearity"] = layer.mode
    kind = {"lstm": nn.LSTM, "gru": nn.GRU}.get(layer.mode, nn.RNN)
    module = kind(layer.inputs, layer.hidden, **options)
    for name, values in weights.items():
        setattr(module, name, nn.Parameter(ctx.tensor(values)))
    module.flatten_parameters()
    return module


def on_device(ctx, layer, held):
    """(outputs, gradients) as `reference` gives them."""
    torch = ctx.torch
    module = module_of(ctx, layer, held.weights)
    turned = (lambda t: t.transpose(0, 1)) if layer.batch_first else (lambda t: t)
    leaf = ctx.tensor(turned(held.x).contiguous(), grad=True)
    states = [ctx.tensor(values, grad=True) for values in held.states] if layer.state else []
    given = leaf
    if layer.lengths:
        given = torch.nn.utils.rnn.pack_padded_sequence(leaf, torch.tensor(layer.lengths), layer.batch_first)
    state = (tuple(states) if layer.mode == "lstm" else states[0]) if states else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says when it falls back to steps
        out, final = module(given, state)
    if layer.lengths:
        out = torch.nn.utils.rnn.pad_packed_sequence(out, layer.batch_first)[0]
    outs = [out] + (list(final) if layer.mode == "lstm" else [final])
    grads = [ctx.tensor(turned(held.grads[0]).contiguous())] + [ctx.tensor(values) for values in held.grads[1:]]
    torch.autograd.backward(outs, grads)
    outs[0] = turned(outs[0])
    return outs, [turned(leaf.grad)] + [s.grad for s in states] + [getattr(module, name).grad for name in held.weights]


def loss(ctx, layer):
    """Relative to the sum of absolute terms: a 16-bit sum may be rounded at each step, and one in float32 within."""
    steps = layer.steps + 2 if ctx.format.bits == 16 else 0
    return steps * 2.0**-ctx.precision + judge.gamma(1.25 * layer.steps * layer.batch + 4, 2.0**-23)
