"""Dropout: zeros and exact multiples, the same mask backward, the right share, every place, whole channels.

Hunts: a wrong or missing scale, a mask that is drawn anew for the gradient, that repeats, that never reaches the last
elements, or that is drawn for another layout; dropout that is active in evaluation; p = 0 and p = 1.
Rule: EXACT for values: with p = 1/2 and 3/4 an element is 0 or exactly 2 or 4 times the operand, and so is its
gradient, at the same places; with p = 0.1 the scale may round to the dtype: INTERVAL, |y| (u + 2**-22). Shares within
Hoeffding's bound, repetitions by McDiarmid's (chance.py), each wrong once in 1e15 runs; over 64 calls each of 1,025
places is both kept and dropped, but for 1,025 * 2**-63 = 1.1e-16.
Source: https://pytorch.org/docs/stable/generated/torch.nn.Dropout.html (scale 1 / (1 - p), identity in evaluation).
"""

from functools import partial

from .. import chance, judge

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

# p, shape, order of the dimensions in memory
_MASKS = (
    (0.5, (257, 255), None),
    (0.5, (127, 129), (1, 0)),
    (0.5, (8, 17, 9, 31), (0, 2, 3, 1)),
    (0.75, (4, 17, 9, 31), (0, 2, 3, 1)),
    (0.75, (65539,), None),
    (0.5, (7, 1025), None),
)


def cases(ctx):
    for p, shape, storage in _MASKS:
        where = "%s%s" % (shape, " in memory as %s" % (storage,) if storage else "")
        yield "p = %g of %s" % (p, where), partial(masked, ctx, p, shape, storage)
    yield "p = 0.1", partial(rounded_scale, ctx)
    yield "p = 0 and 1, and evaluation", partial(edges, ctx)
    yield "in place", partial(in_place, ctx)
    yield "every place is kept and dropped", partial(every_place, ctx)
    yield "the seed decides", partial(seeded, ctx)
    yield "whole channels", partial(channels, ctx)
    yield "dropout in attention's shape, twice in one graph", partial(twice, ctx)


def seed(ctx, *words):
    ctx.torch.manual_seed(ctx.key("seed", *words) % 2**31)


def dropout(ctx):
    return ctx.torch.nn.functional.dropout


def leaf_of(ctx, values, storage=None):
    if storage is None:
        return ctx.tensor(values, grad=True)
    back = sorted(range(len(storage)), key=lambda at: storage[at])
    return ctx.tensor(values.permute(*storage).contiguous()).permute(*back).requires_grad_()


def numbers(ctx, shape, *words):
    """Integers that are not zero, so that zeros are the mask's."""
    sign = 2 * ctx.integers(shape, 0, 1, "sign", *words) - 1
    return (sign * ctx.integers(shape, 1, 9, "x", *words)).double()


def masked(ctx, p, shape, storage):
    torch = ctx.torch
    seed(ctx, p, shape)
    x, g = numbers(ctx, shape, p), numbers(ctx, shape, p, "g")
    leaf = leaf_of(ctx, x, storage)
    y = dropout(ctx)(leaf, p)
    y.backward(ctx.tensor(g))
    kept = kept_of(ctx, y, x)
    if kept is None:
        return judge.failed("shape %s instead of %s" % (tuple(y.shape), shape), 0)
    scale = kept.double() / (1 - p)
    again = dropout(ctx)(leaf.detach(), p)
    bits = kept.reshape(-1)
    return ctx.all_of(
        ctx.exact(y, x * scale),
        ctx.exact(leaf.grad, g * scale, note="(gradient)"),
        chance.share(kept, 1 - p, "are kept"),
        chance.true(not torch.equal(kept, kept_of(ctx, again, x)), "two calls have one mask"),
        chance.independent(torch, bits, "(mask)") if p == 0.5 else judge.passed(0),
        chance.share(kept.reshape(-1)[-4099:], 1 - p, "of the last elements are kept"),
    )


def kept_of(ctx, y, x):
    """Where the output is not zero, a CPU bool tensor; None where the shape is wrong."""
    if tuple(y.shape) != tuple(x.shape):
        return None
    return ctx.values(y) != 0


def rounded_scale(ctx):
    """0.9 is no binary number: 1 / 0.9 may be rounded to the dtype before the product rounds."""
    seed(ctx, "0.1")
    x = numbers(ctx, (65537,), "0.1")
    leaf = leaf_of(ctx, x)
    y = dropout(ctx)(leaf, 0.1)
    y.backward(ctx.torch.ones_like(y))
    kept = kept_of(ctx, y, x)
    want, slope = x * kept / 0.9, kept.double() / 0.9
    room = 2.0**-ctx.precision + 2.0**-22
    return ctx.all_of(
        ctx.interval(y, want, want.abs() * room),
        ctx.interval(leaf.grad, slope, slope * room, note="(gradient)"),
        chance.share(kept, 0.9, "are kept"),
    )


def edges(ctx):
    seed(ctx, "edges")
    x, g = numbers(ctx, (65, 67), "edges"), numbers(ctx, (65, 67), "edges g")
    found = []
    for note, p, training, factor in (("p = 0", 0.0, True, 1), ("p = 1", 1.0, True, 0), ("evaluation", 0.5, False, 1)):
        leaf = leaf_of(ctx, x)
        y = dropout(ctx)(leaf, p, training)
        y.backward(ctx.tensor(g))
        found.append(ctx.exact(y, x * factor, note="(%s)" % note))
        found.append(ctx.exact(leaf.grad, g * factor, note="(gradient, %s)" % note))
    return ctx.all_of(*found)


def in_place(ctx):
    seed(ctx, "in place")
    x = numbers(ctx, (129, 513), "in place")
    found = []
    for storage in (None, (1, 0)):
        made = leaf_of(ctx, x, storage).detach()
        y = dropout(ctx)(made, 0.5, True, True)
        kept = kept_of(ctx, made, x)
        found += [
            ctx.exact(made, 2 * x * kept),
            ctx.exact(y, 2 * x * kept, note="(returned)"),
            chance.share(kept, 0.5, "are kept"),
        ]
    return ctx.all_of(*found)


def every_place(ctx):
    torch = ctx.torch
    seed(ctx, "places")
    ones = ctx.tensor(torch.ones(1025))
    counts = torch.zeros(1025, dtype=torch.int64)
    for _ in range(64):
        counts += (ctx.values(dropout(ctx)(ones, 0.5)) != 0).to(torch.int64)
    stuck = torch.nonzero((counts == 0) | (counts == 64)).flatten().tolist()
    return chance.true(not stuck, "places %s are always kept or always dropped" % stuck[:8], 64 * 1025)


def seeded(ctx):
    torch = ctx.torch
    ones = ctx.tensor(torch.ones(4099))
    found = []
    for word in ("a", "a", "b"):
        seed(ctx, word)
        found.append(ctx.values(dropout(ctx)(ones, 0.5)))
    return ctx.all_of(
        chance.true(torch.equal(found[0], found[1]), "one seed gives two masks"),
        chance.true(not torch.equal(found[0], found[2]), "two seeds give one mask"),
    )


def channels(ctx):
    """dropout2d and dropout3d keep or drop a channel of a sample as a whole, and scale it."""
    torch = ctx.torch
    seed(ctx, "channels")
    found = []
    for name, shape, storage in (
        ("dropout2d", (33, 65, 3, 5), None),
        ("dropout2d", (33, 65, 3, 5), (0, 2, 3, 1)),
        ("dropout3d", (17, 67, 2, 3, 2), None),
    ):
        x, g = numbers(ctx, shape, name), numbers(ctx, shape, name, "g")
        leaf = leaf_of(ctx, x, storage)
        y = getattr(torch.nn.functional, name)(leaf, 0.5)
        y.backward(ctx.tensor(g))
        kept = kept_of(ctx, y, x).reshape(shape[0], shape[1], -1)[..., 0]
        scale = 2 * kept.double().reshape(tuple(kept.shape) + (1,) * (len(shape) - 2))
        found += [
            ctx.exact(y, x * scale, note="(%s)" % name),
            ctx.exact(leaf.grad, g * scale, note="(gradient of %s)" % name),
            chance.share(kept, 0.5, "of the channels are kept"),
        ]
    return ctx.all_of(*found)


def twice(ctx):
    """x -> dropout -> double -> dropout: two masks, and the gradient carries their product."""
    seed(ctx, "twice")
    x, g = numbers(ctx, (4, 3, 65, 67), "twice"), numbers(ctx, (4, 3, 65, 67), "twice g")
    leaf = leaf_of(ctx, x)
    first = dropout(ctx)(leaf, 0.5)
    second = dropout(ctx)(first, 0.5)
    second.backward(ctx.tensor(g))
    kept = kept_of(ctx, second, x)
    return ctx.all_of(
        ctx.exact(second, 4 * x * kept),
        ctx.exact(leaf.grad, 4 * g * kept, note="(gradient)"),
        chance.share(kept, 0.25, "are kept twice"),
    )
