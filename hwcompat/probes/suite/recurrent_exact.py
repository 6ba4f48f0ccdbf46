"""LSTM, GRU and RNN layers whose gates are saturated or centred: outputs, states and every gradient to the bit.

Hunts: gates in the wrong order, a state that is lost, stale or taken from the wrong step, layer or direction, a bias
read once or twice, packed sequences that run on past their end, gradients that miss a step; fused kernels (cuDNN,
oneDNN) and step-by-step ones alike.
Rule: EXACT. See recurrent.py: arguments of gates are odd multiples of 256, or 0, where sigmoid, tanh and their
derivatives are exactly 0, 1/2, 1/4, 1 or -1 in every format, so that states and gradients are small dyadic numbers and
any order of evaluation agrees. The gradient of a weight, a sum over steps and batch, is exact where its absolute terms
stay within 2**p units (1, a quarter for half units); beyond, an entry may be off by the rounding of a 16-bit sum at
every step: (steps + 2) u + gamma(1.25 T B + 4, 2**-23) of the absolute terms. Every number on the way is asserted to
be one of the dtype. A relu network runs on small integers throughout.
Source: the formulas of https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html (and GRU, RNN).
"""

from functools import partial

from .. import recurrent
from ..recurrent import Layer

GROUP = "attention"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.4
VERSION = 1
WORKAROUND = "Turn cuDNN off around this layer: torch.backends.cudnn.flags(enabled=False)."

# mode inputs hidden layers both bias batch_first projected state lengths steps batch
_CASES = (
    Layer("lstm", 5, 9, 1, False, True, False, 0, True, (), 7, 3),
    Layer("lstm", 6, 8, 1, False, True, True, 0, False, (), 33, 2),
    Layer("lstm", 4, 6, 2, True, True, False, 0, True, (), 2, 5),
    Layer("lstm", 3, 7, 1, True, False, True, 0, True, (7, 4, 4, 1), 7, 4),
    Layer("lstm", 5, 12, 1, False, True, False, 5, True, (), 7, 2),
    Layer("lstm", 33, 65, 1, False, True, False, 0, True, (), 1, 17),
    Layer("gru", 5, 9, 1, False, True, False, 0, True, (), 7, 3),
    Layer("gru", 6, 8, 1, False, True, True, 0, False, (), 33, 2),
    Layer("gru", 4, 6, 2, True, True, False, 0, True, (), 2, 5),
    Layer("gru", 3, 7, 1, True, False, True, 0, True, (7, 4, 4, 1), 7, 4),
    Layer("gru", 33, 65, 1, False, True, False, 0, True, (), 1, 17),
    Layer("tanh", 5, 9, 2, False, True, False, 0, True, (), 7, 3),
    Layer("tanh", 3, 7, 1, True, False, True, 0, False, (7, 4, 4, 1), 7, 4),
    Layer("relu", 5, 9, 1, False, True, True, 0, True, (), 7, 3),
    Layer("relu", 3, 6, 2, True, False, False, 0, False, (5, 2), 5, 2),
)
_TWINS = (0, 6, 11, 13)
_LARGE = (
    Layer("lstm", 64, 128, 2, True, True, True, 0, True, (), 65, 32),
    Layer("gru", 64, 128, 2, True, True, True, 0, True, (), 65, 32),
    Layer("tanh", 64, 256, 1, False, True, False, 0, True, (), 65, 32),
)


def cases(ctx):
    for number, layer in enumerate(_CASES + (_LARGE if ctx.large else ())):
        for turn in range(2 if number in _TWINS else 1):
            label = label_of(layer) + (", again" if turn else "")
            yield label, partial(one, ctx, layer, label)


def label_of(layer):
    words = ["%s %d to %d" % (layer.mode, layer.inputs, layer.hidden), "%d x %d steps" % (layer.batch, layer.steps)]
    words += ["%d layers" % layer.layers] if layer.layers > 1 else []
    words += ["projected to %d" % layer.projected] if layer.projected else []
    flags = (("bidirectional", layer.both), ("no bias", not layer.bias), ("batch first", layer.batch_first))
    words += [word for word, shown in flags + (("no state", not layer.state), ("packed", layer.lengths)) if shown]
    return ", ".join(words)


def one(ctx, layer, label):
    held = integers(ctx, layer, label) if layer.mode == "relu" else recurrent.operands(ctx, layer, label)
    outs, grads, terms = recurrent.reference(ctx.torch, layer, held)
    for values in outs + grads[: -len(terms)]:
        ctx.require(float((ctx.rounded(values) - values).abs().max()) < 2.0**-100, "states and gradients are numbers")
    got, slopes = recurrent.on_device(ctx, layer, held)
    names = ["output", "final state", "final cell"][: len(outs)]
    judgements = [ctx.exact(g, w, note="(%s)" % name) for name, g, w in zip(names, got, outs)]
    first = len(grads) - len(terms)
    inner = ["input", "initial state", "initial cell"][:first]
    judgements += [ctx.exact(g, w, note="(gradient of the %s)" % n) for n, g, w in zip(inner, slopes, grads)]
    for name, g, w in zip(terms, slopes[first:], grads[first:]):
        bound = recurrent.loss(ctx, layer) * terms[name]
        bound = bound.masked_fill(terms[name] <= 2.0**ctx.precision * unit_of(ctx, layer), 0.0)
        judgements.append(ctx.interval(g, clean(ctx.torch, w), bound, note="(gradient of %s)" % name))
    return ctx.all_of(*judgements)


def unit_of(ctx, layer):
    """Half units give quarters, and hand halves to the next layer."""
    return 1.0 if layer.mode in ("tanh", "relu") else 0.125


def clean(torch, values):
    """Without what exp(-256) leaves in float64: every term is a multiple of 1/8."""
    return torch.round(values * 8) / 8


def integers(ctx, layer, label):
    """A relu network of integers: every unit passes one state and one or two inputs on."""
    held = recurrent.operands(ctx, layer._replace(mode="tanh"), label)
    weights = {}
    for name, values in held.weights.items():
        if name.startswith("bias"):
            weights[name] = ctx.integers(tuple(values.shape), -1, 1, name, label).double()
            continue
        order = ctx.uniform(tuple(values.shape), name, label).argsort(1).argsort(1)
        signs = (2 * ctx.integers(tuple(values.shape), 0, 2, "signs", name, label).clamp(max=1) - 1).double()
        weights[name] = signs * (order < (1 if "_hh" in name else 2))
    x = ctx.integers(tuple(held.x.shape), -1, 2, "relu x", label).double()
    states = [ctx.integers(tuple(h.shape), 0, 2, "relu h", label).double() for h in held.states]
    return held._replace(x=x, weights=weights, states=states)
