"""Copies between layouts: contiguous, channels_last, transposed and strided tensors, views, broadcasts, the host.

Hunts: copies that ignore a stride or an offset (https://github.com/pytorch/pytorch/issues/91690), tails that are no
multiple of 4 or 8 elements, in-place writes through views that hit or miss their neighbours, a large copy with a hole,
gradients of broadcasts that lose rows.
Rule: EXACT. Bits move: every kind of number (both zeros, subnormal, huge, infinite, NaN). Gradients of broadcasts are
sums of integers within 2**p.
"""

from functools import partial

from .. import judge, movement

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.3
VERSION = 1

_SHAPES = ((2, 3, 5, 7), (3, 17, 4, 3), (1, 64, 4, 4), (2, 3, 3, 2, 4))
_MATRICES = ((1, 1), (3, 5), (8, 16), (31, 33), (64, 64), (129, 65), (7, 1025))
_LENGTHS = (1, 2, 3, 5, 7, 8, 9, 15, 17, 31, 33, 63, 65, 127, 129, 255, 257, 1023, 1025, 4099, 65537)


def cases(ctx):
    for shape in _SHAPES:
        for layout in movement.LAYOUTS:
            yield "permute and contiguous %s %s" % (shape, layout), partial(permuted, ctx, shape, layout)
            yield "clone and format %s %s" % (shape, layout), partial(formats, ctx, shape, layout)
    for layout in ("contiguous", "strided", "shifted"):
        yield "transposes of matrices %s" % layout, partial(transposes, ctx, layout)
    yield "slices with steps", partial(slices, ctx)
    yield "copies of odd lengths and offsets", partial(lengths, ctx)
    yield "writes through views", partial(writes, ctx)
    yield "fill and zero", partial(fills, ctx)
    yield "broadcasts and their gradients", partial(broadcasts, ctx)
    yield "to the host and back", partial(host, ctx)
    yield "reshape, as_strided, unfold and diagonal views", partial(views, ctx)
    yield "copy of 2**21 + 3 rows", partial(rows, ctx)
    if ctx.large:
        yield "copy of 64 MiB", partial(large, ctx)


def permuted(ctx, shape, layout):
    orders = ((0, 2, 3, 1), (3, 1, 0, 2), (1, 0, 3, 2)) if len(shape) == 4 else ((0, 2, 3, 4, 1), (4, 3, 2, 1, 0))
    judged = [
        movement.check_move(ctx, lambda x, o=o: x.permute(o).contiguous(), [shape], layout, str(o)) for o in orders
    ]
    return ctx.all_of(*judged)


def formats(ctx, shape, layout):
    torch = ctx.torch
    other = torch.channels_last if len(shape) == 4 else torch.channels_last_3d

    def both(x):
        return x.contiguous(memory_format=other), x.clone(), x.contiguous(), x.clone(memory_format=other)

    judged = movement.check_move(ctx, both, [shape], layout, str(shape), backward=False)
    if layout == "shifted":
        return judged
    values = movement.integers(ctx, shape, 60, "formats", layout)
    return ctx.all_of(judged, movement.check(ctx, both, [values], layout, word=str(shape)))


def transposes(ctx, layout):
    judged = []
    for shape in _MATRICES:
        judged.append(movement.check_move(ctx, lambda x: x.t().contiguous(), [shape], layout, str(shape)))
    judged.append(movement.check_move(ctx, lambda x: x.transpose(1, 2).contiguous(), [(5, 33, 18)], layout, "batched"))
    judged.append(movement.check_move(ctx, lambda x: x.transpose(0, 1).reshape(7, -1), [(5, 7, 12)], layout, "heads"))
    return ctx.all_of(*judged)


def slices(ctx):
    """Every value goes to one place at most, so that gradients move too; the rest of the gradient is zero."""
    functions = (
        lambda x: x[:, 1::2, ::3].contiguous(),
        lambda x: x[::2, -5:, 1:-1] * 1,
        lambda x: x[..., :, 10].contiguous(),
        lambda x: x.narrow(1, 2, 9).contiguous(),
        lambda x: x.select(0, 2).contiguous(),
        lambda x: x[-1, None, :, 2:].clone(),
        lambda x: x.flatten(1)[:, 7:-3].contiguous(),
    )
    judged = []
    for n, function in enumerate(functions):
        for layout in ("contiguous", "transposed", "shifted"):
            judged.append(movement.check_move(ctx, function, [(3, 12, 17)], layout, "slice %d" % n, backward=n != 1))
    judged.append(movement.check(ctx, functions[1], [movement.integers(ctx, (3, 12, 17), 99, "slice")]))
    if hasattr(ctx.torch, "narrow_copy"):
        x = movement.patterns(ctx, (10, 4), "narrow_copy")
        got = ctx.torch.narrow_copy(ctx.tensor(x).transpose(0, 1), 1, 0, 9)
        judged.append(ctx.exact(got, x.t()[:, :9], True, note="(narrow_copy)"))
    return ctx.all_of(*judged)


def lengths(ctx):
    """From and to places that are not aligned; the elements before and behind must stay as they were."""
    torch = ctx.torch
    x = movement.patterns(ctx, (max(_LENGTHS) + 8,), "lengths")
    source, judged = ctx.tensor(x), []
    for n, length in enumerate(_LENGTHS):
        start, to = n % 4, (n // 2) % 5
        target = ctx.tensor(torch.full((length + 12,), 3.0, dtype=torch.float64))
        target[to : to + length].copy_(source[start : start + length])
        want = torch.full((length + 12,), 3.0, dtype=torch.float64)
        want[to : to + length] = x[start : start + length]
        judged.append(ctx.exact(target, want, True, note="(%d elements)" % length))
    return ctx.all_of(*judged)


def writes(ctx):
    judged = []
    for n, shape in enumerate(((6, 9, 11), (3, 8, 64), (2, 33, 17))):
        base, part = movement.patterns(ctx, shape, "base"), movement.patterns(ctx, shape, "part")
        for name, into in (
            ("step", lambda t, s: t[:, 1::2].copy_(s[:, 1::2])),
            ("column", lambda t, s: t[..., -1].copy_(s[..., 0])),
            ("swapped", lambda t, s: t.transpose(0, 2).copy_(s.transpose(0, 2))),
            ("broadcast", lambda t, s: t[1:].copy_(s[:1])),
            ("item", lambda t, s: t[:, 2:5, 3:].copy_(s[:, -3:, 3:])),
        ):
            target, want = ctx.tensor(base), base.clone()
            into(target, ctx.tensor(part)), into(want, part)
            judged.append(ctx.exact(target, want, True, note="(%s, shape %d)" % (name, n)))
        target, want = ctx.tensor(base), base.clone()
        target[0, 1], want[0, 1] = 2.0, 2.0
        target[:, :, 1:4], want[:, :, 1:4] = ctx.tensor(part)[:, :, 2:5], part[:, :, 2:5]
        judged.append(ctx.exact(target, want, True, note="(assigned)"))
    lhs = movement.integers(ctx, (5, 7), 50, "assigned")
    assign = movement.check(ctx, lambda x, y: _assigned(x, y), [lhs, movement.integers(ctx, (5, 3), 50, "values")])
    return ctx.all_of(assign, *judged)


def _assigned(x, y):
    """What `out[:, 1:4] = y` does, as autograd sees it: the replaced part of x gets no gradient."""
    out = x.clone()
    out[:, 1:4] = y
    out[2].mul_(2)
    return out


def fills(ctx):
    torch, judged = ctx.torch, []
    every = (0.0, -0.0, 1.5, -(2.0**-14), float("inf"), float("nan"))
    for length, values in ((1, every), (7, every), (33, every), (1025, every), (65537, (1.5,))):
        for value in values:
            got = ctx.tensor(torch.ones(length + 2, dtype=torch.int64))
            got[1:-1].fill_(value)
            want = torch.ones(length + 2, dtype=torch.float64)
            want[1:-1] = value
            judged.append(ctx.exact(got, want, True, note="(fill %r of %d)" % (value, length)))
        got[1:-1].zero_()
        want[1:-1] = 0
        judged.append(ctx.exact(got, want, True, note="(zero of %d)" % length))
    got = ctx.tensor(torch.ones(5, 9, dtype=torch.int64))
    got[:, ::2].zero_()
    got.t()[1].fill_(7)
    want = torch.ones(5, 9, dtype=torch.float64)
    want[:, ::2], want[:, 1] = 0, 7
    for name, value in (("zeros_like", 0), ("ones_like", 1)):
        judged.append(ctx.exact(getattr(torch, name)(got.t()), torch.full((9, 5), value), note="(%s)" % name))
    judged.append(ctx.exact(torch.full_like(got[:, 1], 2.5), torch.full((5,), 2.5), note="(full_like)"))
    judged.append(ctx.exact(got.new_zeros(3, 7), torch.zeros(3, 7), note="(new_zeros)"))
    return ctx.all_of(ctx.exact(got, want), *judged)


def broadcasts(ctx):
    """Gradients of expand, repeat and broadcast copies are sums over what was repeated."""
    torch = ctx.torch
    functions = (
        ((3, 1, 5), lambda x: x.expand(3, 17, 5).contiguous()),
        ((1, 9), lambda x: x.expand(33, 9) * 1),
        ((65, 1), lambda x: x.expand(65, 40).clone()),
        ((2, 3, 1, 1), lambda x: x.expand(2, 3, 6, 5).contiguous(memory_format=torch.channels_last)),
        ((7,), lambda x: x.expand(4, 5, 7).contiguous()),
        ((2, 5), lambda x: x.repeat(3, 2)),
        ((3, 4, 5), lambda x: x.repeat(2, 1, 3, 1)),
        ((2, 5), lambda x: torch.tile(x, (4, 1))),
        ((3, 5), lambda x: x.repeat_interleave(3, 1)),
        ((4, 5), lambda x: x.repeat_interleave(torch.tensor([2, 0, 5, 1], device=x.device), 0)),
        ((9,), lambda x: torch.broadcast_to(x, (33, 9)).contiguous()),
        ((6,), lambda x: torch.stack(torch.meshgrid(x, x[:4], indexing="ij"), 0)),
    )
    judged = []
    for n, (shape, function) in enumerate(functions):
        for layout in ("contiguous", "strided"):
            x = movement.integers(ctx, shape, 100, "broadcast", n, layout)
            judged.append(movement.check(ctx, function, [x], layout, reach=2, word="broadcast %d" % n))
    return ctx.all_of(*judged)


def host(ctx):
    """Every number there and back; also a part of a tensor, and a transposed one."""
    torch, judged = ctx.torch, []
    for shape in ((64, 256), (7, 333), (1,)):
        x = movement.patterns(ctx, shape, "host")
        there = ctx.tensor(x)
        judged.append(ctx.exact(there.to("cpu").to(ctx.device), x, True))
        judged.append(ctx.exact(there.t().to("cpu"), x.t(), True, note="(transposed)"))
        judged.append(ctx.exact(there[..., ::2].to("cpu"), x[..., ::2], True, note="(every second)"))
        back = torch.empty(shape, dtype=ctx.dtype)
        back.copy_(there)
        judged.append(ctx.exact(back, x, True, note="(copy_ to the host)"))
    return ctx.all_of(*judged)


def views(ctx):
    torch = ctx.torch
    functions = (
        ((6, 10), lambda x: x.as_strided((4, 5), (10, 2), 3).contiguous()),
        ((6, 10), lambda x: x.t().reshape(12, 5)),
        ((4, 6, 5), lambda x: x.permute(2, 0, 1).reshape(-1, 3).contiguous()),
        ((4, 6), lambda x: x.view(2, 2, 6).flatten(0, 1).unsqueeze(1).squeeze(1).contiguous()),
        ((3, 8, 8), lambda x: torch.diagonal(x, 1, 1, 2).contiguous()),
        ((7,), lambda x: torch.diag(x, -1)),
        ((7, 5), lambda x: torch.diag(x)),
        ((3, 4), lambda x: torch.diag_embed(x, 1)),
        ((2, 3, 4, 4), lambda x: x.movedim(1, 3).swapaxes(0, 2).contiguous()),
        ((24,), lambda x: x.unfold(0, 4, 4).contiguous()),
    )
    judged = []
    for n, (shape, function) in enumerate(functions):
        for layout in ("contiguous",) if n in (0, 3) else ("contiguous", "transposed"):
            judged.append(movement.check_move(ctx, function, [shape], layout, "view %d" % n))
    overlap = movement.integers(ctx, (5, 20), 100, "unfold")
    judged.append(movement.check(ctx, lambda x: x.unfold(1, 5, 2).contiguous(), [overlap], "transposed"))
    return ctx.all_of(*judged)


def rows(ctx):
    pattern = movement.patterns(ctx, (4093, 1), "rows")
    count = 2**21 + 3
    x = ctx.repeated(pattern, (count, 1))
    y = ctx.torch.empty_like(x)
    y.copy_(x)
    return ctx.exact_repeated(y, pattern)


def large(ctx):
    if not ctx.fits(3 * 2**26):
        return judge.skipped("not enough free memory for 64 MiB")
    pattern = movement.patterns(ctx, (4093, 251), "large")
    x = ctx.repeated(pattern, (2**16, 2**24 // 2**16 * 32 // ctx.format.bits * 2))
    return ctx.all_of(ctx.exact_repeated(x.clone(), pattern), ctx.exact_repeated(x.t().contiguous().t(), pattern))
