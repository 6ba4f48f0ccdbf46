"""Rows, columns, channels and single numbers spread over tensors, and operands of mixed dtype, forward and backward.

Hunts: a row taken for a column, a bias that the last row or channel misses, gradients of a spread operand that are not
summed (or summed over the wrong dimension, or in 16 bits until they stand still), a mixed pair computed or returned in
the narrower dtype.
Rule: EXACT. Integer operands, so that results and every partial sum of a gradient stay within 2**p (asserted) and no
order of adding rounds; divisors and what is divided are such that quotients are exact. Mixed dtypes follow PyTorch's
promotion rules: the wider of two tensors, the tensor against a single number of the same kind.
Source: https://pytorch.org/docs/stable/tensor_attributes.html (type promotion),
https://pytorch.org/docs/stable/notes/broadcasting.html.
"""

from functools import partial

from .. import judge

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.1
VERSION = 1

_CHANNELS_LAST = (0, 2, 3, 1)
# label, shape of the first operand, order of its dimensions in memory, shape of the second
_SHAPES = (
    ("row", (65, 63), None, (63,)),
    ("column", (65, 63), None, (65, 1)),
    ("row of a transposed matrix", (65, 63), (1, 0), (63,)),
    ("column of a transposed matrix", (65, 63), (1, 0), (65, 1)),
    ("long row", (7, 1025), None, (1025,)),
    ("row of many rows", (4099, 8), None, (8,)),
    ("channels", (2, 5, 9, 7), None, (1, 5, 1, 1)),
    ("channels of channels_last", (2, 5, 9, 7), _CHANNELS_LAST, (1, 5, 1, 1)),
    ("64 channels of channels_last", (2, 64, 3, 5), _CHANNELS_LAST, (64, 1, 1)),
    ("plane", (2, 5, 9, 7), None, (9, 7)),
    ("plane of channels_last", (2, 5, 9, 7), _CHANNELS_LAST, (2, 1, 9, 7)),
    ("outer", (33, 1), None, (1, 65)),
    ("both ways", (3, 1, 17), None, (1, 5, 1)),
    ("single number", (33, 65), None, ()),
    ("one element", (33, 65), None, (1, 1)),
    ("same shape", (33, 65), (1, 0), (33, 65)),
)


def cases(ctx):
    for label, shape, storage, other in _SHAPES:
        for name in ("add", "sub", "mul", "div"):
            yield "%s, %s" % (name, label), partial(spread, ctx, name, label, shape, storage, other)
    yield "in place", partial(in_place, ctx)
    yield "numbers of other dtypes", partial(mixed_numbers, ctx)
    if ctx.dtype_name != "float32":
        yield "with float32 tensors", partial(mixed_tensors, ctx)


def operands(ctx, name, label, shape, other):
    """Integers; divisors are powers of two. The gradient is thinned so that its sums stay within 2**p."""
    most = 1 if name == "div" else 4
    a = ctx.integers(shape, -most, most, name, label, "a").double()
    b = ctx.integers(other, -1, 1, name, label, "b").double()
    b = 2.0**b if name == "div" else 3 * b
    full = (a + b).shape
    meet = max(full.numel() // a.numel(), full.numel() // b.numel())
    # Terms are 4 at most, but multiples of 1/4 where divided: with these shares the sums below stay within 2**p, but
    # for a probability of 1e-15.
    keep = min(1.0, 2.0**ctx.precision / ((128 if name == "div" else 32) * meet))
    g = ctx.integers(full, -1, 1, name, label, "g").double() * (ctx.uniform(full, label, "keep") < keep)
    return a, b, g


def laid_out(ctx, values, storage):
    """`values` as a leaf on the device; `storage` names the order of its dimensions in memory."""
    if storage is None:
        return ctx.tensor(values, grad=True)
    back = sorted(range(len(storage)), key=lambda at: storage[at])
    return ctx.tensor(values.permute(*storage).contiguous()).permute(*back).requires_grad_()


def spread(ctx, name, label, shape, storage, other):
    torch = ctx.torch
    a, b, g = operands(ctx, name, label, shape, other)
    first, second = laid_out(ctx, a, storage), ctx.tensor(b, grad=True)
    got = getattr(torch, name)(first, second)
    got.backward(ctx.tensor(g))
    of_first, of_second = slopes(name, a, b)
    return ctx.all_of(
        ctx.exact(got, getattr(torch, name)(a, b)),
        ctx.exact(first.grad, summed(ctx, g * of_first, a, name), note="(gradient of the first)"),
        ctx.exact(second.grad, summed(ctx, g * of_second, b, name), note="(gradient of the second)"),
    )


def slopes(name, a, b):
    if name == "mul":
        return b, a
    if name == "div":
        return 1 / b, -a / (b * b)
    return 1.0, 1.0 if name == "add" else -1.0


def summed(ctx, terms, operand, name):
    """`terms` summed to the shape of `operand`; asserts that no order of adding rounds (quarters where divided)."""
    missing = terms.dim() - operand.dim()
    dims = list(range(missing))
    dims += [at for at in range(missing, terms.dim()) if operand.shape[at - missing] == 1 and terms.shape[at] != 1]
    if not dims:
        return terms.reshape(operand.shape)
    ctx.require_exact_sums((4 if name == "div" else 1) * terms.abs().sum(dims))
    return terms.sum(dims).reshape(operand.shape)


def in_place(ctx):
    """A row added to, a column multiplied into, a number subtracted from a tensor where it lies."""
    a = ctx.integers((33, 65), -4, 4, "in place").double()
    row, column = ctx.integers((65,), -3, 3, "row").double(), ctx.integers((33, 1), -3, 3, "column").double()
    judged = []
    for storage in (None, (1, 0)):
        x = laid_out(ctx, a, storage).detach()
        x.add_(ctx.tensor(row))
        judged.append(ctx.exact(x, a + row, note="(add_ of a row)"))
        x.mul_(ctx.tensor(column))
        judged.append(ctx.exact(x, (a + row) * column, note="(mul_ by a column)"))
        x.sub_(ctx.tensor(ctx.torch.tensor(2.0, dtype=ctx.torch.float64)))
        judged.append(ctx.exact(x, (a + row) * column - 2, note="(sub_ of a single number)"))
    return ctx.all_of(*judged)


def mixed_numbers(ctx):
    """int64, int32, uint8 and bool tensors, and a single float32 number: the dtype under test prevails."""
    torch = ctx.torch
    a = ctx.integers((33, 65), -4, 4, "mixed").double()
    judged = []
    for dtype in (torch.int64, torch.int32, torch.uint8, torch.bool):
        whole = ctx.integers((65,), 0, 1 if dtype == torch.bool else 9, "whole", dtype)
        x, y = ctx.tensor(a, grad=True), whole.to(dtype).to(ctx.device)
        got = x * y
        judged.append(typed(ctx, got, ctx.dtype) or ctx.exact(got, a * whole, note="(times %s)" % dtype))
        got.backward(ctx.tensor(torch.ones(33, 65)))
        judged.append(ctx.exact(x.grad, (a * 0 + 1) * whole, note="(gradient, times %s)" % dtype))
        got = x.detach() + y
        judged.append(typed(ctx, got, ctx.dtype) or ctx.exact(got, a + whole, note="(plus %s)" % dtype))
    single = ctx.tensor(torch.tensor(0.5, dtype=torch.float64), dtype_name="float32")
    got = ctx.tensor(a) * single
    judged.append(typed(ctx, got, ctx.dtype) or ctx.exact(got, a * 0.5, note="(times a float32 number)"))
    return ctx.all_of(*judged)


def mixed_tensors(ctx):
    """The dtype under test with a float32 tensor of more bits than it has: the result is float32, its gradient not."""
    torch = ctx.torch
    a = ctx.integers((33, 65), -4, 4, "narrow").double()
    wide = ctx.integers((33, 65), -(2**20), 2**20, "wide").double()
    g = ctx.integers((33, 65), -8, 8, "mixed g").double()
    x = ctx.tensor(a, grad=True)
    w = ctx.tensor(wide, dtype_name="float32").requires_grad_()
    got = x + w
    got.backward(ctx.tensor(g, dtype_name="float32"))
    product = x.detach() * w.detach()
    total = ctx.tensor(wide, dtype_name="float32").add_(x.detach())
    chosen = torch.maximum(x.detach(), w.detach())
    return ctx.all_of(
        typed(ctx, got, torch.float32) or ctx.exact(got, a + wide, note="(sum)"),
        typed(ctx, x.grad, ctx.dtype) or ctx.exact(x.grad, g, note="(gradient of the narrow one)"),
        typed(ctx, w.grad, torch.float32) or ctx.exact(w.grad, g, note="(gradient of the wide one)"),
        typed(ctx, product, torch.float32) or ctx.exact(product, a * wide, note="(product)"),
        ctx.exact(total, a + wide, note="(add_ of a narrow one)"),
        typed(ctx, chosen, torch.float32) or ctx.exact(chosen, torch.maximum(a, wide), note="(maximum)"),
    )


def typed(ctx, got, dtype):
    """A failure where `got` is of another dtype, else None."""
    return None if got.dtype == dtype else judge.failed("%s instead of %s" % (got.dtype, dtype), 0)
