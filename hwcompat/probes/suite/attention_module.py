"""nn.MultiheadAttention and nn.TransformerEncoderLayer built from exact weights, in training and in evaluation.

Hunts: projections mixed up or cut at the wrong place, heads merged in the wrong order, masks of the module read with
the wrong sense, biases lost, gradients of the packed projection; the fused kernels that evaluation uses.
Rule: EXACT for MultiheadAttention. Tokens hold a code in components of +-1 and small integers; the projections pick
components (the query's times c), so that each token attends, in each head, to the two tokens of one code with weights
of 1/2, all others 256 or more below (see attention.exact). All numbers on the way are small dyadic numbers; gradients
of weights, sums over all tokens, are exact where their absolute terms stay within 2**p units, else they may round at
each of a few 16-bit additions: 8 u and gamma(n, 2**-23) of the terms. INTERVAL for the encoder layer: a token of +-1
that attends to its twin gives 2 x, whose layer norm is x (mean 0, variance 4), and a feed-forward of relu(x) - relu(-x)
gives 2 x and x again; eps = 1e-5 and the reciprocal root (2 units, CUDA C++ Programming Guide) leave each norm within
2**-19, which 16 bits round away unless the norm's output is stored just below 1: u more; twice. In evaluation the last
norm has weights of 1 to 2, which multiply result and bound. Incoming gradients g, G at most, have in each token sum 0
over its ones and over its minus ones, so that a norm halves them, and the two ways of a block add up to g again. A norm
adds G/2 (2**-18 + 5/2 u): eps, sums, and the storage of its operand, its output and its gradient; it passes errors of
incoming gradients on 3/2 times (with a mean and a mean of products, halved). The other way of a block and the sum add
2 u G, and 3 u G with attention. In all that is G (2**-16 + 2**-19 + 19 u), u = 0 in float32; G (2**-15 + 20 u) is
allowed. Components that select keys are left out: their gradients are differences of rounded numbers times 512.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html; a fused kernel of evaluation
that gave NaN with a mask, https://github.com/pytorch/pytorch/issues/118628.
"""

from functools import partial

from .. import attention, judge

GROUP = "attention"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 2

_HEADS, _WIDTH, _BITS = 2, 16, 3


def cases(ctx):
    for batch_first in (True, False):
        for mask in ("none", "padding", "causal"):
            for weights in (False, True):
                words = ("batch first" if batch_first else "sequence first", mask, "weights" if weights else "fused")
                label = "MultiheadAttention, %s, mask %s, %s" % words
                yield label, partial(multihead, ctx, batch_first, mask, weights, label)
    for mask, layout in (("none", "plain"), ("none", "transposed"), ("padding", "plain"), ("padding", "again")):
        label = "MultiheadAttention in evaluation, mask %s, %s" % (mask, layout)
        yield label, partial(evaluated, ctx, mask, layout, label)
    for training, layout in ((True, "plain"), (False, "plain"), (False, "again"), (False, "transposed")):
        word = "training" if training else "evaluation"
        yield "TransformerEncoderLayer in %s, %s" % (word, layout), partial(encoder, ctx, training, layout)


# --- MultiheadAttention -----------------------------------------------------------------------------------------------
class Made:
    """Operands (float64): tokens x (B, L, E), projections w (3 E, E), b, wo (E, E), bo, and the output's gradient g."""

    def __init__(self, ctx, mask, label):
        torch, size = ctx.torch, _HEADS * _WIDTH
        batch, length = 3, 2 * 2**_BITS - (1 if mask == "none" else 0)
        code = torch.stack([torch.arange(length) // 2 for _ in range(batch)])  # twins are neighbours
        wish = torch.stack([ctx.integers((batch, length), 0, length // 2 - 1, "wish", label, h) for h in range(_HEADS)])
        if mask == "causal":
            wish = torch.minimum(wish, (torch.arange(length) // 2).clamp(min=0))
        self.x = ctx.integers((batch, length, size), -2, 2, "x", label).double()
        self.x[..., :_BITS] = digits(torch, code)
        for head in range(_HEADS):
            at = _BITS * (head + 1)
            self.x[..., at : at + _BITS] = digits(torch, wish[head])
        self.free = _BITS * (_HEADS + 1) + 1
        self.x[..., self.free - 1] = 1.0
        self.w, self.b = projections(ctx, size, self.free, label)
        order = ctx.uniform((size,), "order", label).argsort()
        self.wo = torch.eye(size, dtype=torch.float64)[order]
        self.bo = ctx.integers((size,), -2, 2, "bo", label).double()
        shown = ctx.uniform(tuple(self.x.shape), "places", label) * size < 4
        self.g = (2 * ctx.integers(tuple(self.x.shape), 0, 1, "g", label) - 1).double() * shown
        self.allowed = None
        if mask == "causal":
            self.allowed = torch.ones(length, length, dtype=torch.bool).tril()[None, None]
        if mask == "padding":  # the last token of each sequence, one of two twins
            self.allowed = (torch.arange(length) < length - 1)[None, None, None, :].expand(batch, 1, 1, length)


def digits(torch, number):
    return ((number[..., None] >> torch.arange(_BITS)) & 1).double() * 2 - 1


def projections(ctx, size, free, label):
    """Rows pick one component each: of a head's query its wish times c and -c bits, of its key the code and 1."""
    torch, c = ctx.torch, 512.0
    w, b = torch.zeros(3 * size, size, dtype=torch.float64), torch.zeros(3 * size, dtype=torch.float64)
    column = ctx.integers((3 * size,), free, size - 1, "column", label)
    for head in range(_HEADS):
        for unit in range(_WIDTH):
            q, k, v = (part * size + head * _WIDTH + unit for part in range(3))
            w[v, column[v]] = 1.0
            if unit < _BITS:
                w[q, _BITS * (head + 1) + unit], w[k, unit] = c, 1.0
            elif unit == _BITS:
                b[q], w[k, free - 1] = -c * _BITS, 1.0
            elif unit % 2:  # meets zeros of the key
                w[q, column[q]] = 1.0
            else:
                w[k, column[k]] = 1.0
    b[2 * size :] = ctx.integers((size,), -1, 1, "b", label).double()
    return w, b


def split(x):
    """(B, L, H D) as (B, H, L, D)."""
    return x.unflatten(-1, (_HEADS, _WIDTH)).transpose(1, 2)


def merged(x):
    return x.transpose(1, 2).flatten(2)


def expected(ctx, made):
    """{name: (value, sum of absolute terms, unit)}; a sum of 0 where exactness needs no bound."""
    torch, size = ctx.torch, _HEADS * _WIDTH
    q, k, v = (split(part) for part in (torch.matmul(made.x, made.w.t()) + made.b).chunk(3, 2))
    g = split(torch.matmul(made.g, made.wo))
    operands = attention.Operands(q, k, v, g, made.allowed, None, _WIDTH**-0.5)
    found = attention.inside(torch, operands)
    weights = torch.round(found.weights * 2) / 2
    ctx.require(bool(((weights - found.weights).abs() < 2.0**-50).all()), "weights are 1/2 or 1 or nothing")
    delta = (weights * found.dp).sum(3, keepdim=True)
    found = found._replace(weights=weights, delta=delta, ds=weights * (found.dp - delta))
    got = attention.answer(torch, operands, found)
    out = merged(got.o)
    inner = torch.cat([merged(x) for x in (got.dq, got.dk, got.dv)], 2)
    rows = inner.reshape(-1, 3 * size)
    return {
        "output": exactly(torch.matmul(out, made.wo.t()) + made.bo),
        "weights": exactly(weights.mean(1)),
        "x": product(torch, rows, made.w, made.x.shape),
        "in_proj_weight": product(torch, rows.t(), made.x.reshape(-1, size)),
        "in_proj_bias": product(torch, rows.t(), torch.ones(rows.shape[0], 1, dtype=torch.float64), (3 * size,)),
        "out_proj.weight": product(torch, made.g.reshape(-1, size).t(), out.reshape(-1, size)),
        "out_proj.bias": exactly(made.g.sum((0, 1))),
    }


def exactly(value):
    return value, value * 0, 1.0


def product(torch, a, b, shape=None):
    """(a b, |a| |b|, unit): the power of two of which every term of an element is a multiple."""
    value, sums = torch.matmul(a, b), torch.matmul(a.abs(), b.abs())
    terms = (a[:, :, None] * b[None]).mul(2.0**12).to(torch.int64).abs()
    lowest = torch.where(terms == 0, torch.full_like(terms, 2**50), terms & -terms).min(1)[0].double() * 2.0**-12
    return tuple(x.reshape(shape or value.shape) for x in (value, sums, lowest))


def multihead(ctx, batch_first, mask, weights, label):
    made = Made(ctx, mask, label)
    module = module_of(ctx, made, batch_first)
    values = made.x if batch_first else made.x.transpose(0, 1).contiguous()
    leaf = ctx.tensor(values, grad=True)
    out, shares = module(leaf, leaf, leaf, need_weights=weights, **options(ctx, made, mask))
    out.backward(ctx.tensor(made.g if batch_first else made.g.transpose(0, 1).contiguous()))
    turned = (lambda t: t) if batch_first else (lambda t: t.transpose(0, 1))
    got = {"output": turned(out), "x": turned(leaf.grad)}
    if weights:
        got["weights"] = shares
    got.update((name, parameter.grad) for name, parameter in module.named_parameters())
    return judged(ctx, got, expected(ctx, made))


def evaluated(ctx, mask, layout, label):
    made = Made(ctx, mask, label)
    module = module_of(ctx, made, True).eval()
    with ctx.torch.no_grad():
        x = ctx.tensor(made.x)
        if layout == "transposed":  # the tokens of a sequence lie apart
            x = ctx.tensor(made.x.transpose(0, 1).contiguous()).transpose(0, 1)
        out, shares = module(x, x, x, **options(ctx, made, mask))
    return judged(ctx, {"output": out, "weights": shares}, expected(ctx, made))


def module_of(ctx, made, batch_first):
    nn = ctx.torch.nn
    module = nn.MultiheadAttention(_HEADS * _WIDTH, _HEADS, batch_first=batch_first)
    module.in_proj_weight, module.in_proj_bias = nn.Parameter(ctx.tensor(made.w)), nn.Parameter(ctx.tensor(made.b))
    module.out_proj.weight = nn.Parameter(ctx.tensor(made.wo))
    module.out_proj.bias = nn.Parameter(ctx.tensor(made.bo))
    return module


def options(ctx, made, mask):
    if mask == "causal":  # True closes, unlike in the function
        return {"attn_mask": ~made.allowed[0, 0].to(ctx.device)}
    if mask == "padding":
        return {"key_padding_mask": ~made.allowed[:, 0, 0].to(ctx.device)}
    return {}


def judged(ctx, got, want):
    found = []
    for name in got:
        value, sums, unit = want[name]
        loss = 8 * 2.0**-ctx.precision * (ctx.format.bits == 16) + judge.gamma(128, 2.0**-23)
        bound = (loss * sums).masked_fill(sums <= 2.0**ctx.precision * unit, 0.0)
        found.append(attention.within(ctx, got[name], value, bound, "(%s)" % name))
    return ctx.all_of(*found)


# --- TransformerEncoderLayer ------------------------------------------------------------------------------------------
def encoder(ctx, training, layout):
    """Tokens of +-1 with as many of each; twins are equal throughout, so that attention gives a token itself."""
    torch, size = ctx.torch, _HEADS * _WIDTH
    half = digits(torch, torch.arange(8))
    more = (2 * ctx.integers((8, size // 2 - _BITS), 0, 1, "encoder", layout) - 1).double()
    side = torch.cat((half, more), 1)
    x = torch.cat((side, -side), 1)[torch.arange(16) // 2].expand(3, 16, size).contiguous()
    module = torch.nn.TransformerEncoderLayer(size, _HEADS, 2 * size, dropout=0.0, batch_first=True)
    identity = torch.eye(size, dtype=torch.float64)
    picked = torch.zeros(size, size, dtype=torch.float64)
    for head in range(_HEADS):
        for bit in range(_BITS):
            picked[head * _WIDTH + bit, bit] = 1.0
    set_to = {
        "self_attn.in_proj_weight": torch.cat((512 * picked, picked, identity)),
        "self_attn.in_proj_bias": torch.zeros(3 * size),
        "self_attn.out_proj.weight": identity,
        "self_attn.out_proj.bias": torch.zeros(size),
        "linear1.weight": torch.cat((identity, -identity)),
        "linear1.bias": torch.zeros(2 * size),
        "linear2.weight": torch.cat((identity, -identity), 1),
        "linear2.bias": torch.zeros(size),
    }
    last = torch.ones(size, dtype=torch.float64)
    if not training:  # outputs of many bits
        last = ctx.rounded(1 + ctx.uniform((size,), "last norm", layout))
        set_to["norm2.weight"] = last
    for name, parameter in module.named_parameters():
        values = set_to.get(name, torch.full(parameter.shape, 0.0 if name.endswith("bias") else 1.0))
        parameter.data = ctx.tensor(values.double())
    module.train(training)
    with torch.set_grad_enabled(training):
        tokens = ctx.tensor(x, grad=training)
        if layout == "transposed":
            tokens = ctx.tensor(x.transpose(0, 1).contiguous()).transpose(0, 1)
        got = module(tokens)
    unit = 2.0**-ctx.precision if ctx.format.bits == 16 else 0.0
    output = ctx.interval(got, last * x, 2 * (2.0**-19 + unit) * last.expand(x.shape))
    if not training:
        return output
    g = balanced(ctx, x)
    got.backward(ctx.tensor(g))
    bound = torch.full_like(g, 2 * (2.0**-15 + 20 * unit))
    return ctx.all_of(
        output, ctx.interval(tokens.grad[..., _BITS:], g[..., _BITS:], bound[..., _BITS:], note="(gradient)")
    )


def balanced(ctx, x):
    """Gradients like x, both halves alike: twice a and -a, up to 2, within each; the same for twins."""
    torch, shape = ctx.torch, (x.shape[0], x.shape[1] // 2, x.shape[2] // 4)
    places = ctx.uniform(shape, "encoder places").argsort(2) < 2
    a = ctx.rounded(1 + ctx.uniform(shape, "encoder g")) * (2 * ctx.integers(shape, 0, 1, "encoder sign") - 1) * places
    half = torch.stack((a, -a), 3).flatten(2)
    g = torch.cat((half, half), 2)[:, torch.arange(x.shape[1]) // 2]
    ctx.require(bool(((g.sum(2) == 0) & ((g * x).sum(2) == 0)).all()), "gradients are orthogonal to 1 and the token")
    return g
