"""Largest and smallest values, with their places and gradients.

Hunts: a lost last element, a wrong place, NaN or infinity passed over, comparisons that err for negative numbers or for
neighbours one unit apart, wrong strides, gradients that go to the wrong place or to one of several equal elements.
Rule: EXACT: comparing rounds nothing. Places are asked for where the extreme occurs once. NaN is the result wherever
there is one. amax, amin and max() without a dimension share the gradient evenly among equals (1, 2 or 4 here).
Source: https://pytorch.org/docs/stable/generated/torch.amax.html
"""

from functools import partial

from .. import normalisation as norm

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.4
VERSION = 1

_SIZES = tuple(range(1, 18)) + (24, 31, 32, 33, 63, 64, 65, 127, 129, 255, 256, 257, 511, 1023, 1025, 4097)


def cases(ctx):
    for start in range(0, len(_SIZES), 9):
        sizes = _SIZES[start : start + 9]
        yield "rows of %d to %d" % (sizes[0], sizes[-1]), partial(rows, ctx, sizes)
    for layout in ("contiguous", "channels_last", "swapped", "strided"):
        yield "over every dimension, %s" % layout, partial(dimensions, ctx, layout)
    for shape in ((65537,), (2049, 129), (129, 513), (513, 129)):
        yield "values of %s" % "x".join(map(str, shape)), partial(long, ctx, shape)
    for value in ("nan", "inf", "-inf"):
        yield "%s in rows and columns" % value, partial(special, ctx, float(value))
    yield "gradients", partial(gradients, ctx)
    yield "gradients among equals", partial(ties, ctx)


def rows(ctx, sizes):
    """Rows of n negative numbers, with the largest at the last, the first and a middle place, the smallest one further,
    and once the smallest at the last place."""
    judgements = []
    for size in sizes:
        x = -ctx.integers((4, size), 20, 90, "x", size)
        for row, place in enumerate((size - 1, 0, size // 2)):
            x[row, place] = -3
            x[row, (place + 1) % size if size > 1 else 0] = -100 if size > 1 else -3
        x[3, 0], x[3, -1] = -2, -110
        judgements += _all(ctx, ctx.tensor(x), x, 1, size) + _all(ctx, ctx.tensor(x).t(), x.t(), 0, size)
        judgements.append(ctx.exact(ctx.tensor(x[0]).max(), x[0].max(), note="(max of %d)" % size))
        judgements.append(ctx.exact(ctx.tensor(x[3]).min(), x[3].min(), note="(min of %d)" % size))
    return ctx.all_of(*judgements)


def _all(ctx, tensor, x, dim, size):
    """Values and places of max, min and their likes over one dimension."""
    torch, note = ctx.torch, "of %d over dim %d" % (size, dim)
    high, low = x.max(dim), x.min(dim)
    found = {"max": tensor.max(dim), "min": tensor.min(dim)}
    both = getattr(torch, "aminmax", None)  # torch 1.11
    judgements = [
        ctx.exact(found["max"][0], high[0], note="(max %s)" % note),
        ctx.exact_integers(found["max"][1].cpu(), high[1], note="(place of max %s)" % note),
        ctx.exact(found["min"][0], low[0], note="(min %s)" % note),
        ctx.exact_integers(found["min"][1].cpu(), low[1], note="(place of min %s)" % note),
        ctx.exact(torch.amax(tensor, dim), high[0], note="(amax %s)" % note),
        ctx.exact(torch.amin(tensor, dim), low[0], note="(amin %s)" % note),
        ctx.exact_integers(tensor.argmax(dim).cpu(), high[1], note="(argmax %s)" % note),
        ctx.exact_integers(tensor.argmin(dim).cpu(), low[1], note="(argmin %s)" % note),
    ]
    if both is not None:
        least, most = both(tensor, dim=dim)
        judgements.append(ctx.exact(least, low[0], note="(aminmax %s)" % note))
        judgements.append(ctx.exact(most, high[0], note="(aminmax %s)" % note))
    return judgements


def dimensions(ctx, layout):
    x = ctx.integers((3, 5, 6, 9), -120, 120, "x", layout)
    tensor = norm.laid(ctx, ctx.tensor(x), layout)
    judgements = []
    for dims in ((0,), (1,), (2,), (3,), (0, 2, 3), (1, 3), (2, 3)):
        judgements.append(ctx.exact(ctx.torch.amax(tensor, dims, True), x.amax(dims, True), note="(amax %s)" % (dims,)))
        judgements.append(ctx.exact(ctx.torch.amin(tensor, dims), x.amin(dims), note="(amin %s)" % (dims,)))
    for dim in range(4):
        judgements.append(ctx.exact(tensor.max(dim)[0], x.amax(dim), note="(max %d)" % dim))
        judgements.append(ctx.exact(tensor.min(dim, keepdim=True)[0], x.amin(dim, True), note="(min %d)" % dim))
    judgements.append(ctx.exact(tensor.max(), x.max(), note="(all)"))
    judgements.append(ctx.exact(tensor.min(), x.min(), note="(all)"))
    return ctx.all_of(*judgements)


def long(ctx, shape):
    x = ctx.rounded(ctx.normal(shape, "x", shape) * 1000)
    tensor, judgements = ctx.tensor(x), []
    for dim in range(len(shape)):
        judgements += [
            ctx.exact(ctx.torch.amax(tensor, dim), x.amax(dim), note="(amax %d)" % dim),
            ctx.exact(ctx.torch.amin(tensor, dim), x.amin(dim), note="(amin %d)" % dim),
            ctx.exact(tensor.max(dim)[0], x.amax(dim), note="(max %d)" % dim),
            ctx.exact(tensor.min(dim)[0], x.amin(dim), note="(min %d)" % dim),
        ]
        if hasattr(ctx.torch, "aminmax"):
            least, most = ctx.torch.aminmax(tensor, dim=dim)
            judgements.append(ctx.exact(least, x.amin(dim), note="(aminmax %d)" % dim))
            judgements.append(ctx.exact(most, x.amax(dim), note="(aminmax %d)" % dim))
    return ctx.all_of(
        ctx.exact(tensor.max(), x.max(), note="(all)"), ctx.exact(tensor.min(), x.min(), note="(all)"), *judgements
    )


def special(ctx, value):
    x = ctx.integers((7, 40), -9, 9, "x").double()
    for row, place in ((0, 0), (1, 39), (2, 20), (4, 31)):
        x[row, place] = value
    tensor, wide, judgements = ctx.tensor(x), ctx.tensor(x.t().contiguous()), []
    for name in ("amax", "amin"):
        want = getattr(ctx.torch, name)(x, 1)
        judgements.append(ctx.exact(getattr(ctx.torch, name)(tensor, 1), want, note="(%s of rows)" % name))
        judgements.append(ctx.exact(getattr(ctx.torch, name)(wide, 0), want, note="(%s of columns)" % name))
    for name in ("max", "min"):
        want = getattr(x, name)(1)[0]
        judgements.append(ctx.exact(getattr(tensor, name)(1)[0], want, note="(%s of rows)" % name))
        judgements.append(ctx.exact(getattr(wide, name)(0)[0], want, note="(%s of columns)" % name))
        judgements.append(ctx.exact(getattr(tensor, name)(), getattr(x, name)(), note="(%s of all)" % name))
    return ctx.all_of(*judgements)


def gradients(ctx):
    """To the place of the extreme, which occurs once."""
    judgements = []
    for shape in ((5, 33), (4, 64)):
        x = ctx.uniform(shape, "x", shape).argsort(1) - 20  # all different in a row
        dy = ctx.integers((shape[0],), -50, 50, "dy", shape)
        for name, places in (("max", x.argmax(1)), ("min", x.argmin(1)), ("amax", x.argmax(1)), ("amin", x.argmin(1))):
            leaf = ctx.tensor(x, grad=True)
            y = getattr(leaf, name)(1) if name[0] == "a" else getattr(leaf, name)(1)[0]
            y.backward(ctx.tensor(dy))
            want = ctx.torch.zeros(shape).double().scatter(1, places[:, None], dy[:, None].double())
            judgements.append(ctx.exact(leaf.grad, want, note="(%s %dx%d)" % ((name,) + shape)))
    return ctx.all_of(*judgements)


def ties(ctx):
    """One, two and four equals a row, far apart."""
    x = ctx.integers((3, 41), -9, 9, "x")
    for row, places in enumerate(((40,), (0, 33), (1, 7, 32, 39))):
        x[row, list(places)] = 12
    dy = ctx.torch.tensor([8, -16, 32])
    leaf, whole = ctx.tensor(x, grad=True), ctx.tensor(x[2], grad=True)
    ctx.torch.amax(leaf, 1).backward(ctx.tensor(dy))
    whole.max().backward(ctx.tensor(dy[2]))
    hits = (x == 12).double()
    want = hits * (dy.double() / hits.sum(1))[:, None]
    return ctx.all_of(
        ctx.exact(leaf.grad, want, note="(amax)"), ctx.exact(whole.grad, want[2], note="(max of everything)")
    )
