"""rand, randn, randint, bernoulli, randperm, multinomial and initialisers: range, moments, every place, seeds.

Hunts: a rand of 1 (whose logarithm of 1 - x is infinite), infinite or NaN normal numbers, blocks that repeat within a
call or from call to call, last elements that are never drawn, ranges off by one, permutations that lose a number,
seeds without effect.
Rule: EXACT for ranges, permutations and equal numbers after equal seeds. Moments and shares within bounds that fail
once in 1e15 runs (chance.py); numbers of 16 bits are rounded, which moves a share by at most 2**-p and a mean by 2**-p
of the scale. A normal number beyond 10 has a probability of 1.5e-23. Over 64 calls every place of 1,025 is above and
below the median (1.1e-16 otherwise).
Source: https://pytorch.org/docs/stable/generated/torch.rand.html (the interval is [0, 1)).
"""

import math
from functools import partial

from .. import chance

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1

_COUNT = (1 << 16) + 3


def cases(ctx):
    yield "rand", partial(uniform, ctx, "rand")
    yield "uniform_ of -2 to 6", partial(uniform, ctx, "uniform_")
    yield "randn", partial(normal, ctx, "randn")
    yield "normal_ of mean 2, deviation 1/2", partial(normal, ctx, "normal_")
    yield "short vectors of randn", partial(short, ctx)
    yield "every place of rand and randn", partial(every_place, ctx)
    yield "bernoulli", partial(bernoulli, ctx)
    yield "randint", partial(whole, ctx)
    yield "seeds", partial(seeds, ctx)
    yield "initialisers", partial(initialisers, ctx)
    if ctx.dtype_name == "float32":
        yield "randperm", partial(permutations, ctx)
        yield "multinomial", partial(chosen, ctx)


def seed(ctx, *words):
    ctx.torch.manual_seed(ctx.key("seed", *words) % 2**31)


def kind(ctx):
    return {"dtype": ctx.dtype, "device": ctx.device}


def empty(ctx, shape):
    return ctx.torch.full(shape, float("nan"), **kind(ctx))


def uniform(ctx, name):
    torch = ctx.torch
    seed(ctx, name)

    def draw():
        if name == "rand":
            return ctx.values(torch.rand(_COUNT, **kind(ctx)))
        return (ctx.values(empty(ctx, (_COUNT,)).uniform_(-2, 6)) + 2) / 8

    found = []
    calls = [draw(), draw()]
    u = 2.0**-ctx.precision
    for x in calls:
        found.append(chance.true(((x >= 0) & (x < 1)).all(), "numbers outside [0, 1) of the interval", _COUNT))
        for edge in (1 / 16, 1 / 4, 1 / 2, 3 / 4, 15 / 16):
            found.append(chance.share(x < edge, edge, "are below %g" % edge, slack=2 * u))
        mean, room = float(x.mean()), chance.hoeffding(_COUNT) + 2 * u
        found.append(chance.true(abs(mean - 0.5) <= room, "a mean of %g instead of 0.5" % mean))
        found.append(chance.independent(torch, x < 0.5, "(%s)" % name))
    both = (calls[0] < 0.5) == (calls[1] < 0.5)
    return ctx.all_of(*found, chance.share(both, 0.5, "agree between two calls", slack=4 * u))


def normal(ctx, name):
    torch = ctx.torch
    seed(ctx, name)

    def draw():
        if name == "randn":
            return ctx.values(torch.randn(_COUNT, **kind(ctx)))
        return (ctx.values(empty(ctx, (_COUNT,)).normal_(2, 0.5)) - 2) * 2

    found = []
    calls = [draw(), draw()]
    # Numbers of normal_(2, 1/2) have three binades more than their deviation: 8 units of it, at most.
    u = 2.0**-ctx.precision * (1 if name == "randn" else 8)
    for x in calls:
        found.append(chance.true((x.abs() < 10).all(), "numbers that are not finite, or beyond 10", _COUNT))
        mean, square = float(x.mean()), float((x * x).mean())
        room = math.sqrt(2 * chance.LOG / _COUNT) + u
        found.append(chance.true(abs(mean) <= room, "a mean of %g" % mean))
        room = 2 * math.sqrt(chance.LOG / _COUNT) + 2 * chance.LOG / _COUNT + 4 * u
        found.append(chance.true(abs(square - 1) <= room, "a mean square of %g" % square))
        for edge in (0.5, 1.0, 2.0, 3.0):
            probability = math.erfc(edge / math.sqrt(2))
            found.append(chance.share(x.abs() > edge, probability, "are beyond %g" % edge, slack=2 * edge * u))
        found.append(chance.independent(torch, x < 0, "(%s)" % name))
    both = (calls[0] < 0) == (calls[1] < 0)
    return ctx.all_of(*found, chance.share(both, 0.5, "signs agree between two calls", slack=u))


def short(ctx):
    """Vectors of 1 to 33: kernels draw fewer than 16 numbers in another way."""
    torch = ctx.torch
    seed(ctx, "short")
    drawn = [ctx.values(torch.randn(size, **kind(ctx))) for _ in range(8) for size in range(1, 34)]
    x = torch.cat(drawn)
    last = torch.stack([vector[-1] for vector in drawn])
    return ctx.all_of(
        chance.true((x.abs() < 10).all(), "numbers that are not finite, or beyond 10", x.numel()),
        chance.share(x < 0, 0.5, "are negative", slack=2.0**-ctx.precision),
        chance.share(x.abs() > 1, math.erfc(math.sqrt(0.5)), "are beyond 1", slack=2.0 ** (1 - ctx.precision)),
        chance.share(last < 0, 0.5, "of the last numbers are negative", slack=2.0**-ctx.precision),
    )


def every_place(ctx):
    torch = ctx.torch
    seed(ctx, "places")
    found = []
    for name, middle in (("rand", 0.5), ("randn", 0.0)):
        counts = torch.zeros(25, 41, dtype=torch.int64)
        for _ in range(64):
            counts += (ctx.values(getattr(torch, name)(25, 41, **kind(ctx))) < middle).to(torch.int64)
        stuck = torch.nonzero((counts == 0) | (counts == 64)).tolist()
        found.append(chance.true(not stuck, "%s: places %s are on one side always" % (name, stuck[:8]), 64 * 1025))
    return ctx.all_of(*found)


def bernoulli(ctx):
    torch = ctx.torch
    seed(ctx, "bernoulli")
    p = ctx.integers((_COUNT,), 0, 4, "p").double() / 4
    x = ctx.values(torch.bernoulli(ctx.tensor(p)))
    y = ctx.values(empty(ctx, (257, 255)).bernoulli_(0.25))
    found = [chance.true(((v == 0) | (v == 1)).all(), "numbers other than 0 and 1", v.numel()) for v in (x, y)]
    for quarter in range(5):
        hits = x[p == quarter / 4] == 1
        if quarter in (0, 4):
            found.append(
                chance.true((hits == (quarter == 4)).all(), "p = %d is not certain" % (quarter / 4), hits.numel())
            )
        else:
            found.append(chance.share(hits, quarter / 4, "are 1"))
    return ctx.all_of(
        *found, chance.share(y == 1, 0.25, "are 1"), chance.share(y[:, -1] == 1, 0.25, "of the last are 1")
    )


def whole(ctx):
    """-3 to 9: each of 13 values is missed by 4,096 draws with a probability of exp(-327)."""
    torch = ctx.torch
    seed(ctx, "randint")
    x = ctx.values(torch.randint(-3, 10, (4097,), **kind(ctx)))
    found = [
        chance.true(
            torch.equal(torch.unique(x), torch.arange(-3.0, 10.0, dtype=torch.float64)), "not just -3 to 9", 4097
        )
    ]
    y = torch.randint(0, 2**40, (4097,), device=ctx.device).to("cpu")
    found.append(chance.true(((y >= 0) & (y < 2**40)).all(), "randint outside [0, 2**40)", 4097))
    for bit in (0, 20, 31, 32, 39):
        found.append(chance.share((y >> bit) & 1 == 1, 0.5, "have bit %d" % bit))
    return ctx.all_of(*found)


def seeds(ctx):
    """Equal seeds give equal bits, different seeds and a second call do not; a generator's state can be put back."""
    torch = ctx.torch
    drawn = []
    for word in ("a", "a", "b"):
        seed(ctx, word)
        drawn.append([torch.randn(1031, **kind(ctx)), torch.rand(1031, **kind(ctx)), torch.randn(1031, **kind(ctx))])
    same = all(torch.equal(ctx.values(x), ctx.values(y)) for x, y in zip(drawn[0], drawn[1]))
    own = torch.Generator(device=ctx.device)
    own.manual_seed(ctx.key("own") % 2**31)
    before = own.get_state()
    first = torch.rand(1031, generator=own, **kind(ctx))
    own.set_state(before)
    second = torch.rand(1031, generator=own, **kind(ctx))
    return ctx.all_of(
        chance.true(same, "one seed gives two streams"),
        chance.true(not torch.equal(ctx.values(drawn[0][0]), ctx.values(drawn[2][0])), "two seeds give one stream"),
        chance.true(
            not torch.equal(ctx.values(drawn[0][0]), ctx.values(drawn[0][2])), "a second call repeats the first"
        ),
        chance.true(torch.equal(ctx.values(first), ctx.values(second)), "a state put back gives other numbers"),
    )


def initialisers(ctx):
    """Kaiming, Xavier and truncated normal weights of a layer of 256 inputs and 128 outputs."""
    init = ctx.torch.nn.init
    seed(ctx, "init")
    found = []
    u = 2.0**-ctx.precision
    for name, make, bound in (
        ("kaiming_uniform_", lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)), 1 / 16),
        ("xavier_uniform_", init.xavier_uniform_, 0.125),
        ("uniform_", lambda w: init.uniform_(w, -0.5, 0.5), 0.5),
    ):
        w = ctx.values(make(empty(ctx, (128, 256)))) / bound
        found.append(chance.true((w.abs() <= 1 + u).all(), "%s leaves its range" % name, w.numel()))
        found.append(chance.share(w < 0, 0.5, "of %s are negative" % name, slack=2 * u))
        found.append(chance.share(w.abs() < 0.5, 0.5, "of %s are in the middle" % name, slack=2 * u))
    for name, make, deviation in (
        ("kaiming_normal_", lambda w: init.kaiming_normal_(w, nonlinearity="relu"), math.sqrt(2 / 256)),
        ("xavier_normal_", init.xavier_normal_, math.sqrt(2 / 384)),
        ("normal_", lambda w: init.normal_(w, 0.0, 0.02), 0.02),
    ):
        w = ctx.values(make(empty(ctx, (128, 256)))) / deviation
        found.append(chance.true((w.abs() < 10).all(), "%s is not finite" % name, w.numel()))
        found.append(chance.share(w < 0, 0.5, "of %s are negative" % name, slack=2 * u))
        found.append(chance.share(w.abs() > 1, math.erfc(math.sqrt(0.5)), "of %s are beyond 1" % name, slack=4 * u))
    w = ctx.values(init.trunc_normal_(empty(ctx, (128, 256)), 0.0, 1.0, -1.0, 1.0))
    found.append(chance.true((w.abs() <= 1).all(), "trunc_normal_ leaves its range", w.numel()))
    half = math.erf(0.5 / math.sqrt(2)) / math.erf(1 / math.sqrt(2))
    found.append(chance.share(w.abs() < 0.5, half, "of trunc_normal_ are in the middle", slack=4 * u))
    return ctx.all_of(*found)


def permutations(ctx):
    torch = ctx.torch
    seed(ctx, "randperm")
    found = []
    for size in (1, 2, 7, 257, 1000, 4096, 65537):
        drawn = [torch.randperm(size, device=ctx.device).to("cpu") for _ in range(2)]
        for order in drawn:
            found.append(
                chance.true(torch.equal(order.sort()[0], torch.arange(size)), "no permutation of %d" % size, size)
            )
        if size > 200:
            found.append(chance.true(not torch.equal(drawn[0], drawn[1]), "two permutations of %d are one" % size))
            moved = drawn[0] < size // 2
            found.append(chance.share(moved[: size // 2], (size // 2) / size, "of the lower half stay there"))
    return ctx.all_of(*found)


def chosen(ctx):
    """multinomial never draws what has no weight, nor twice without replacement, and follows the weights."""
    torch = ctx.torch
    seed(ctx, "multinomial")
    weights = torch.tensor([0.0, 1.0, 0.0, 2.0, 1.0, 0.0, 4.0])
    rows = ctx.tensor(weights.double().repeat(33, 1))
    many = torch.multinomial(rows, 1009, replacement=True).to("cpu")
    few = torch.multinomial(rows, 4).to("cpu")
    found = [chance.true((weights[many] > 0).all() and (weights[few] > 0).all(), "drawn without weight", many.numel())]
    for at in (1, 3, 4, 6):
        found.append(chance.share(many == at, float(weights[at]) / 8, "are number %d" % at))
    distinct = few.sort(1)[0]
    return ctx.all_of(*found, chance.true((distinct[:, 1:] > distinct[:, :-1]).all(), "drawn twice", few.numel()))
