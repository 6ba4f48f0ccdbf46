"""Tensors made from nothing: arange, linspace, full, eye, one-hot, masks, coordinate grids.

Hunts: steps added up instead of multiplied, a last element beyond the end, counts that overflow 16 bits, wrong
diagonals, position and anchor grids that are off by one.
Rule: EXACT where every element is an integer, or a multiple of a power of two, of at most p bits; constants have all p
of them. INTERVAL for linspace with other steps: the step takes two roundings, its product and the sum one each, all in
float32 or wider on a GPU and in the dtype elsewhere: gamma(6, u) (|start| + |end|), u = 2**-p, at least 2**-23.
Source: an element of linspace that was wrong (https://github.com/pytorch/pytorch/issues/4419), one of arange that was
missing (https://github.com/pytorch/pytorch/issues/5556).
"""

from functools import partial

from .. import judge, movement

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 2


def cases(ctx):
    yield "arange", partial(aranges, ctx)
    yield "linspace", partial(linspaces, ctx)
    yield "full, eye, ones, zeros", partial(constants, ctx)
    yield "one_hot and masks", partial(masks, ctx)
    yield "coordinate grids", partial(grids, ctx)


def aranges(ctx):
    torch = ctx.torch
    options = {"dtype": ctx.dtype, "device": ctx.device}
    judged = []
    for start, end, step in (
        (0, 1, 1),
        (0, 7, 1),
        (-5, 250, 1),
        (3, 255, 2),
        (10, -100, -3),
        (0, 4, 0.25),
        (-1, 1, 0.125),
    ):
        want = [start + step * n for n in range(int(-(-(end - start) // step)))]
        got = torch.arange(start, end, step, **options)
        judged.append(ctx.exact(got, torch.tensor(want, dtype=torch.float64), note="(%s, %s, %s)" % (start, end, step)))
    for count in (257, 1025, 2048, 70001):
        want = torch.tensor(list(range(count)))
        judged.append(ctx.exact_integers(torch.arange(count, device=ctx.device), want, note="(int64 %d)" % count))
        if count <= 2**ctx.precision:
            judged.append(ctx.exact(torch.arange(count, **options), want, note="(%d)" % count))
        places = torch.arange(count, device=ctx.device, dtype=torch.int32)
        judged.append(ctx.exact_integers(places, want, note="(int32 %d)" % count))
    return ctx.all_of(*judged)


def linspaces(ctx):
    torch = ctx.torch
    options = {"dtype": ctx.dtype, "device": ctx.device}
    judged = []
    ranges = ((0.0, 1.0, 9), (-1.0, 1.0, 17), (0.0, 64.0, 65), (0.0, 16.0, 17), (3.0, 3.0, 1), (-4.0, 4.0, 33))
    for start, end, steps in ranges + ((0.0, 0.0, 5), (0.0, 255.0, 256)):
        width = (end - start) / max(steps - 1, 1)
        want = torch.tensor([start + width * n for n in range(steps)], dtype=torch.float64)
        got = torch.linspace(start, end, steps, **options)
        judged.append(ctx.exact(got, want, note="(%s to %s in %d)" % (start, end, steps)))
    relative = judge.gamma(6, 2.0 ** -min(23, ctx.precision))
    for start, end, steps in ((0.0, 1.0, 1000), (0.5, 12.25, 64), (-3.0, 5.0, 7), (0.125, 0.5, 100)):
        want = torch.tensor([start + (end - start) * n / (steps - 1) for n in range(steps)], dtype=torch.float64)
        got = torch.linspace(start, end, steps, **options)
        bound = torch.full_like(want, relative * (abs(start) + abs(end)))
        judged.append(ctx.interval(got, want, bound, note="(%s to %s in %d)" % (start, end, steps)))
    return ctx.all_of(*judged)


def constants(ctx):
    torch = ctx.torch
    options = {"dtype": ctx.dtype, "device": ctx.device}
    judged = []
    value = 2.0 ** (2 - ctx.precision) - 4  # all bits set
    ctx.require(float(ctx.rounded(torch.tensor(value).double())) == value, "the constant is a number of the dtype")
    for shape in ((1,), (7, 9), (3, 5, 2, 11), (1025,), (65537,)):
        want = torch.full(shape, value, dtype=torch.float64)
        judged += [
            ctx.exact(torch.full(shape, value, **options), want, note="(full)"),
            ctx.exact(torch.ones(shape, **options), torch.full(shape, 1, dtype=torch.int64), note="(ones)"),
            ctx.exact(torch.zeros(shape, **options), torch.full(shape, 0, dtype=torch.int64), True, note="(zeros)"),
        ]
    for rows, columns in ((1, 1), (5, 9), (33, 17), (128, 128)):
        want = torch.tensor([[float(i == j) for j in range(columns)] for i in range(rows)])
        judged.append(
            ctx.exact(torch.eye(rows, columns, **options), want.double(), note="(eye %d %d)" % (rows, columns))
        )
    want, like = torch.full((7, 33), value, dtype=torch.float64), torch.zeros(7, 33, **options)
    judged += [
        ctx.exact(like.new_full((7, 33), value), want, note="(new_full)"),
        ctx.exact(torch.full_like(like, value), want, note="(full_like)"),
        ctx.exact(like.fill_(value), want, note="(fill_)"),
        ctx.exact(torch.scalar_tensor(value, **options), want[0, 0], note="(one number)"),
    ]
    infinite = torch.full((3, 7), -float("inf"), **options)
    judged.append(ctx.exact(infinite, torch.full((3, 7), -float("inf"), dtype=torch.float64), note="(-inf)"))
    return ctx.all_of(*judged)


def masks(ctx):
    """A causal mask as attention adds it, one-hot targets, and a triangle of booleans."""
    torch = ctx.torch
    judged = []
    for classes in (1, 3, 10, 80, 1000):
        label = ctx.integers((5, 7), 0, classes - 1, "labels", classes)
        got = torch.nn.functional.one_hot(label.to(ctx.device), classes)
        want = (label.unsqueeze(-1) == torch.tensor(list(range(classes)))).to(torch.int64)
        judged.append(ctx.exact_integers(got, want, note="(one_hot of %d)" % classes))
        smooth = torch.zeros(5, 7, classes, dtype=ctx.dtype, device=ctx.device)
        smooth.scatter_(2, label.to(ctx.device).unsqueeze(-1), 0.75)
        judged.append(ctx.exact(smooth, want * 0.75, note="(scatter of %d)" % classes))
    for size in (1, 5, 64, 129):
        want = [[0.0 if j <= i else -float("inf") for j in range(size)] for i in range(size)]
        got = torch.full((size, size), -float("inf"), dtype=ctx.dtype, device=ctx.device).triu(1)
        judged.append(ctx.exact(got, torch.tensor(want, dtype=torch.float64), note="(causal %d)" % size))
        below = torch.ones(size, size, dtype=torch.bool, device=ctx.device).tril()
        judged.append(ctx.exact_integers(below, torch.tensor(want) == 0, note="(boolean triangle %d)" % size))
    return ctx.all_of(*judged)


def grids(ctx):
    """Cell centres of a detection head at strides 8, 16, 32, stacked (x, y)."""
    torch = ctx.torch
    judged = []
    for height, width, stride in ((5, 7, 8), (20, 13, 16), (1, 33, 32)):
        x = (torch.arange(width, dtype=ctx.dtype, device=ctx.device) + 0.5) * stride
        y = (torch.arange(height, dtype=ctx.dtype, device=ctx.device) + 0.5) * stride
        down, right = torch.meshgrid(y, x, indexing="ij")
        want = [[(j + 0.5) * stride, (i + 0.5) * stride] for i in range(height) for j in range(width)]
        ctx.require(2 * max(height, width) <= 2**ctx.precision, "odd multiples of half a stride fit p bits")
        got = torch.stack((right, down), -1).view(-1, 2)
        judged.append(ctx.exact(got, torch.tensor(want, dtype=torch.float64), note="(%dx%d)" % (height, width)))
    tall = movement.integers(ctx, (3, 4), 9, "corners")
    return ctx.all_of(
        movement.check(
            ctx, lambda x: ctx.torch.cat([x[:, :2] - x[:, 2:] / 2, x[:, :2] + x[:, 2:] / 2], 1), [tall], unit=2
        ),
        *judged,
    )
