"""LSTM, GRU and tanh layers and cells on random data inside a running error bound, forward and backward.

Hunts: reduced-precision sigmoid and tanh in fused kernels, wrong derivatives of gates, gates whose halves of the
argument are mixed up (the reset gate of a GRU multiplies the state's half only), training and inference that differ.
Rule: INTERVAL. The formulas of one layer, forward and backward, are evaluated step by step in float64, each value
beside the largest error of any legal evaluation (running.py has the rules): products of matrices in float32 with
truncation, every intermediate stored in the dtype, gradients of weights added up step by step in it. Fused kernels
round less often and stay inside.
Source: the formulas of https://pytorch.org/docs/stable/generated/torch.nn.GRU.html (and LSTM, RNN).
"""

from functools import partial
from typing import Any

from .. import recurrent
from ..recurrent import Layer
from ..running import Running, joined

GROUP = "attention"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1
WORKAROUND = "Turn cuDNN off around this layer: torch.backends.cudnn.flags(enabled=False)."

# mode inputs hidden layers both bias batch_first projected state lengths steps batch
_LAYERS = (
    Layer("lstm", 6, 9, 1, False, True, False, 0, True, (), 2, 4),
    Layer("lstm", 17, 32, 1, False, False, True, 0, True, (), 1, 3),
    Layer("gru", 6, 9, 1, False, True, False, 0, True, (), 2, 4),
    Layer("gru", 17, 32, 1, False, False, True, 0, True, (), 1, 3),
    Layer("tanh", 6, 9, 1, False, True, False, 0, True, (), 2, 4),
)
_LARGE = (
    Layer("lstm", 128, 512, 1, False, True, True, 0, True, (), 2, 64),
    Layer("gru", 128, 512, 1, False, True, True, 0, True, (), 2, 64),
)


def cases(ctx):
    for layer in _LAYERS + (_LARGE if ctx.large else ()):
        label = "%s %d to %d, %d x %d steps" % (layer.mode, layer.inputs, layer.hidden, layer.batch, layer.steps)
        yield label, partial(trained, ctx, layer, label)
        yield label + ", without gradients", partial(used, ctx, layer, label)
    for layer in _LAYERS:
        one = layer._replace(steps=1)
        label = "%s cell, %d to %d, batch of %d" % (layer.mode, layer.inputs, layer.hidden, layer.batch)
        yield label, partial(cell, ctx, one, label)


def operands(ctx, layer, label):
    """Uniform numbers: weights within 0.5, data within 2."""

    def drawn(shape, word, reach):
        return ctx.rounded((2 * ctx.uniform(shape, word, label) - 1) * reach)

    rows, state = recurrent.GATES[layer.mode] * layer.hidden, (1, layer.batch, layer.hidden)
    sizes: "dict[str, Any]" = {"weight_ih": (rows, layer.inputs), "weight_hh": (rows, layer.hidden)}
    if layer.bias:
        sizes.update({"bias_ih": (rows,), "bias_hh": (rows,)})
    reach = 4.0 / layer.hidden if layer.hidden > 64 else 0.5
    weights = {name + "_l0": drawn(size, name, reach) for name, size in sizes.items()}
    count = 2 if layer.mode == "lstm" else 1
    x = drawn((layer.steps, layer.batch, layer.inputs), "x", 2)
    states = [drawn(state, "state %d" % n, 2) for n in range(count)]
    grads = [drawn((layer.steps, layer.batch, layer.hidden), "g", 1)]
    grads += [drawn(state, "final %d" % n, 1) for n in range(count)]
    return recurrent.Operands(x, states, weights, grads)


def trained(ctx, layer, label):
    held = operands(ctx, layer, label)
    outs, grads = recurrent.on_device(ctx, layer, held)
    bounds = Network(ctx, layer, held)
    return ctx.all_of(*judged(ctx, outs + grads, bounds.outputs() + bounds.gradients(), list(held.weights)))


def used(ctx, layer, label):
    """Forward only, without recording: other kernels than in training."""
    held = operands(ctx, layer, label)
    module = recurrent.module_of(ctx, layer, held.weights).eval()
    x = ctx.tensor(held.x.transpose(0, 1).contiguous() if layer.batch_first else held.x)
    states = [ctx.tensor(values) for values in held.states]
    with ctx.torch.no_grad():
        out, final = module(x, tuple(states) if layer.mode == "lstm" else states[0])
    outs = [out.transpose(0, 1) if layer.batch_first else out] + (list(final) if layer.mode == "lstm" else [final])
    return ctx.all_of(*judged(ctx, outs, Network(ctx, layer, held).outputs(), []))


def cell(ctx, layer, label):
    """The cell of torch.nn, which has kernels of its own."""
    held = operands(ctx, layer, label)
    kind = {"lstm": "LSTMCell", "gru": "GRUCell", "tanh": "RNNCell"}[layer.mode]
    module = getattr(ctx.torch.nn, kind)(layer.inputs, layer.hidden, bias=layer.bias)
    for name, values in held.weights.items():
        setattr(module, name[:-3], ctx.torch.nn.Parameter(ctx.tensor(values)))
    x = ctx.tensor(held.x[0], grad=True)
    states = [ctx.tensor(values[0], grad=True) for values in held.states]
    outs = module(x, tuple(states) if layer.mode == "lstm" else states[0])
    outs = list(outs) if layer.mode == "lstm" else [outs]
    held = held._replace(grads=[held.grads[0] * 0] + held.grads[1:])  # the cell's output is the final state
    ctx.torch.autograd.backward(outs, [ctx.tensor(values[0]) for values in held.grads[1:]])
    got = [value.unsqueeze(0) for value in outs + [x.grad] + [state.grad for state in states]]
    got += [getattr(module, name[:-3]).grad for name in held.weights]
    bounds = Network(ctx, layer, held)
    return ctx.all_of(*judged(ctx, got, bounds.outputs()[1:] + bounds.gradients(), list(held.weights)))


def judged(ctx, got, wants, names):
    inner = ["result %d" % n for n in range(len(wants) - len(names))] + ["gradient of " + name for name in names]
    return [ctx.interval(g, w.value, w.error, note="(%s)" % name) for name, g, w in zip(inner, got, wants)]


class Network:
    """One layer over its steps, as Running numbers."""

    def __init__(self, ctx, layer, held):
        self.ctx, self.layer, self.held = ctx, layer, held
        self.weights = {name[:-3]: Running(ctx, values) for name, values in held.weights.items()}
        self.length = layer.inputs + layer.hidden  # both products may be one
        self.xs = [Running(ctx, values) for values in held.x]
        h = Running(ctx, held.states[0][0])
        c = Running(ctx, held.states[1][0]) if layer.mode == "lstm" else None
        self.steps, self.states = [], [(h, c)]
        for x in self.xs:
            h, c = self.forward(x, h, c)
            self.states.append((h, c))

    def half(self, side, data):
        """data W' + b of the input's ("ih") or the state's ("hh") half."""
        product = data.matmul(self.weights["weight_" + side].t(), self.length)
        return product + self.weights["bias_" + side] if self.layer.bias else product

    def forward(self, x, h, c):
        given, recurrent_half = self.half("ih", x), self.half("hh", h)
        if self.layer.mode == "gru":
            (ar, az, an), (br, bz, bn) = given.chunk(3), recurrent_half.chunk(3)
            r, z = (ar + br).sigmoid(), (az + bz).sigmoid()
            n = (an + r * bn).tanh()
            self.steps.append((r, z, n, bn))
            return (1.0 - z) * n + z * h, None
        total = given + recurrent_half
        if self.layer.mode == "tanh":
            y = total.tanh()
            self.steps.append((y,))
            return y, None
        i, f, g, o = total.chunk(4)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        end = c.tanh()
        self.steps.append((i, f, g, o, end))
        return o * end, c

    def outputs(self):
        hs = [h for h, _ in self.states[1:]]
        last, cell = self.states[-1]
        return [stacked(self.ctx, hs), stacked(self.ctx, [last])] + ([stacked(self.ctx, [cell])] if cell else [])

    def gradients(self):
        """Of the input, the initial states, then the weights in the order of self.weights."""
        lift = [[Running(self.ctx, values) for values in side] for side in self.held.grads]
        dh, dc = lift[1][0], (lift[2][0] if self.layer.mode == "lstm" else None)
        dxs: "list[Any]" = []
        sums: "dict[str, Any]" = {}
        for t in reversed(range(self.layer.steps)):
            dh = dh + lift[0][t]
            given, back, dh, dc = self.backward(t, dh, dc)
            dxs.insert(0, given.matmul(self.weights["weight_ih"]))
            dh = back.matmul(self.weights["weight_hh"]) if dh is None else back.matmul(self.weights["weight_hh"]) + dh
            self.collect(sums, t, given, back)
        states = [stacked(self.ctx, [dh])] + ([stacked(self.ctx, [dc])] if dc else [])
        return [stacked(self.ctx, dxs)] + states + [sums[name] for name in self.weights]

    def collect(self, sums, t, given, back):
        """The step's share of the weights' gradients."""
        length = self.layer.batch * self.layer.steps
        parts = {
            "weight_ih": given.t().matmul(self.xs[t], length),
            "weight_hh": back.t().matmul(self.states[t][0], length),
        }
        if self.layer.bias:
            parts.update({"bias_ih": given.total(), "bias_hh": back.total()})
        for name, part in parts.items():
            sums[name] = sums[name] + part if name in sums else part

    def backward(self, t, dh, dc):
        """(gradients of both halves, what reaches the state before directly, or None, the cell's gradient)."""
        h, c = self.states[t]
        if self.layer.mode == "tanh":
            (y,) = self.steps[t]
            both = dh * (1.0 - y * y)
            return both, both, None, None
        if self.layer.mode == "gru":
            r, z, n, bn = self.steps[t]
            dn = dh * (1.0 - z) * (1.0 - n * n)
            dz = dh * (h - n) * (z * (1.0 - z))
            dr = dn * bn * (r * (1.0 - r))
            return joined(self.ctx, (dr, dz, dn)), joined(self.ctx, (dr, dz, dn * r)), dh * z, None
        i, f, g, o, end = self.steps[t]
        dc = dc + dh * o * (1.0 - end * end)
        di, df = dc * g * (i * (1.0 - i)), dc * c * (f * (1.0 - f))
        dg, do = dc * i * (1.0 - g * g), dh * end * (o * (1.0 - o))
        gates = joined(self.ctx, (di, df, dg, do))
        return gates, gates, None, dc * f


def stacked(ctx, parts):
    return Running(ctx, ctx.torch.stack([p.value for p in parts]), ctx.torch.stack([p.error for p in parts]))
