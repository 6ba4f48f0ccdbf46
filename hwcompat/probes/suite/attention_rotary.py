"""Rotary position embeddings of queries and keys, both pairings, forward and backward.

Hunts: halves or neighbours paired wrongly, a sign lost in the rotation or its gradient, wrong strides of the slices.
Rule: INTERVAL: x cos - y sin from cosines and sines of the dtype rounds two products and their sum, each product stored
or not: 2 u (|x cos| + |y sin|) + 2 eta, with u = 2**-p and eta half the smallest subnormal number; the gradient
likewise. EXACT for angles that are multiples of a right angle: each output is one input or its negative.
Source: Su et al., RoFormer, https://arxiv.org/abs/2104.09864.
"""

from functools import partial

GROUP = "attention"
LEVEL = "standard"
RULE = "INTERVAL"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1


def cases(ctx):
    for pairing in ("halves", "neighbours"):
        for shape in ((2, 3, 7, 16), (1, 2, 65, 40)):
            label = "%s, %s" % ("x".join(str(size) for size in shape), pairing)
            yield "right angles, %s" % label, partial(one, ctx, shape, pairing, True)
            yield "any angles, %s" % label, partial(one, ctx, shape, pairing, False)


def one(ctx, shape, pairing, right):
    torch = ctx.torch
    length, width = shape[2:]
    x = ctx.rounded(ctx.uniform(shape, "x", pairing) * 8 - 4)
    g = ctx.rounded(ctx.uniform(shape, "g", pairing) * 8 - 4)
    if right:
        turns = ctx.integers((length, width // 2), 0, 3, "turns")
        cos, sin = ((turns == 0).double() - (turns == 2).double()), ((turns == 1).double() - (turns == 3).double())
    else:
        angle = torch.arange(length).double()[:, None] * 10000.0 ** (-torch.arange(width // 2).double() * 2 / width)
        cos, sin = ctx.rounded(torch.cos(angle)), ctx.rounded(torch.sin(angle))
    if pairing == "halves":
        cos, sin = torch.cat((cos, cos), 1), torch.cat((sin, sin), 1)
    else:
        cos, sin = cos.repeat_interleave(2, 1), sin.repeat_interleave(2, 1)
    leaf = ctx.tensor(x.transpose(1, 2).contiguous(), grad=True)  # as a projection hands it on
    view = leaf.transpose(1, 2)
    out = view * ctx.tensor(cos) + turned(torch, view, pairing) * ctx.tensor(sin)
    out.backward(ctx.tensor(g))
    partner, sign = partners(torch, width, pairing)
    side, back = x[..., partner] * sign, (g * sin)[..., partner] * (0.0 - sign)
    unit = 0.0 if right else 2 * 2.0**-ctx.precision
    eta = 0.0 if right else 2 * max(2.0 ** (ctx.format.emin - ctx.format.precision), 2.0**-126)
    return ctx.all_of(
        ctx.interval(out, x * cos + side * sin, unit * ((x * cos).abs() + (side * sin).abs()) + eta, "(output)"),
        ctx.interval(
            leaf.grad.transpose(1, 2), g * cos + back, unit * ((g * cos).abs() + back.abs()) + eta, "(gradient)"
        ),
    )


def turned(torch, x, pairing):
    """Each pair (a, b) as (-b, a); its transpose is its negative."""
    if pairing == "halves":
        first, second = x.chunk(2, -1)
        return torch.cat((-second, first), -1)
    return torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)


def partners(torch, width, pairing):
    """(column that each column of `turned` comes from, its sign), for the reference."""
    place = torch.arange(width)
    half = width // 2
    first = place < half if pairing == "halves" else place % 2 == 0
    partner = (place + half) % width if pairing == "halves" else place + 1 - 2 * (place % 2)
    return partner, 1.0 - 2.0 * first.double()
