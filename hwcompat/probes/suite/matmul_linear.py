"""A linear layer, forward and backward: output, input gradient, weight gradient and bias gradient.

Hunts: faults of the transposed products that only training reaches (a wrong weight gradient leaves every forward pass
right), wrong bias epilogues, wrong column sums.
Rule: EXACT. Operands in {-1, 0, 1}, thinned where a sum is long, so that in each of the four results the sum of
absolute products stays within 2**p (asserted): exact in any accumulator and any order.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html; products whose backward pass alone flushed
subnormal numbers, so that training diverged (MI250X), https://github.com/pytorch/pytorch/issues/182952.
"""

from functools import partial

GROUP = "matmul"
LEVEL = "quick"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 0.3
VERSION = 1


def cases(ctx):
    for batch, inputs, outputs in ((128, 192, 96), (63, 65, 33), (1, 40, 129)):
        yield "linear %d: %d to %d" % (batch, inputs, outputs), partial(small, ctx, (batch, inputs), outputs)
    yield "linear 4x31: 64 to 96", partial(small, ctx, (4, 31, 64), 96)
    if ctx.large:
        yield "linear 2048: 2048 to 2048", partial(large, ctx, 2048, 2048, 2048)


def small(ctx, shape, outputs):
    x = ctx.integers(shape, -1, 1, "x", *shape)
    w = ctx.integers((outputs, shape[-1]), -1, 1, "w", *shape)
    b = ctx.integers((outputs,), -2, 2, "b", *shape)
    g = ctx.integers(shape[:-1] + (outputs,), -1, 1, "g", *shape)
    want = expected(ctx, x.reshape(-1, shape[-1]), w, b, g.reshape(-1, outputs))
    got = layer(ctx, ctx.tensor(x, grad=True), ctx.tensor(w, grad=True), ctx.tensor(b, grad=True), ctx.tensor(g))
    return judged(ctx.exact, ctx, got, want, (g.shape, x.shape, w.shape, b.shape))


def large(ctx, batch, inputs, outputs):
    """Operands repeat with periods; one in sixteen is not zero, which keeps sums over 2048 terms within 2**8."""
    rows, columns, units = 251, 241, 239
    x = ctx.integers((rows, columns), -1, 1, "x") * _one_in(ctx, 16, rows, columns)
    w = ctx.integers((units, columns), -1, 1, "w")
    b = ctx.integers((units,), -2, 2, "b")
    g = ctx.integers((rows, units), -1, 1, "g") * _one_in(ctx, 16, rows, units)
    want = repeated_reference(ctx, x, w, b, g, (batch, inputs, outputs))
    got = layer(
        ctx,
        ctx.repeated(x, (batch, inputs)).requires_grad_(),
        ctx.repeated(w, (outputs, inputs)).requires_grad_(),
        ctx.repeated(b, (outputs,)).requires_grad_(),
        ctx.repeated(g, (batch, outputs)),
    )
    return judged(ctx.exact_repeated, ctx, got, want, [value.shape for value in want])


def layer(ctx, x, w, b, g):
    y = ctx.torch.nn.functional.linear(x, w, b)
    y.backward(g)
    return y, x.grad, w.grad, b.grad


def judged(judge, ctx, got, want, shapes):
    names = ("(output)", "(input gradient)", "(weight gradient)", "(bias gradient)")
    return ctx.all_of(
        *[
            judge(value, reference.reshape(shape), note=name)
            for value, reference, shape, name in zip(got, want, shapes, names)
        ]
    )


def expected(ctx, x, w, b, g):
    """(y, dX, dW, db) in float64 from int64 operands, the precondition asserted for each."""
    x, w, b, g = x.double(), w.double(), b.double(), g.double()
    for sums in _products(ctx, x.abs(), w.abs(), b.abs(), g.abs()):
        ctx.require_exact_sums(sums)
    return _products(ctx, x, w, b, g)


def _products(ctx, x, w, b, g):
    mm = ctx.torch.mm
    return mm(x, w.t()) + b, mm(g, w), mm(g.t(), x), g.sum(0)


def repeated_reference(ctx, x, w, b, g, sizes):
    """`expected` for operands spread to `sizes`, as patterns: each operand is spread along the summed dimension
    only."""
    batch, inputs, outputs = sizes
    along = ctx.torch.arange
    over_inputs, over_outputs = along(inputs) % x.shape[1], along(outputs) % w.shape[0]
    over_batch = along(batch) % x.shape[0]
    y = expected(ctx, x[:, over_inputs], w[:, over_inputs], b, g)[0]
    dx = expected(ctx, x, w[over_outputs], b[over_outputs], g[:, over_outputs])[1]
    dw, db = expected(ctx, x[over_batch], w, b, g[over_batch])[2:]
    return y, dx, dw, db


def _one_in(ctx, step, rows, columns):
    row, column = ctx.torch.arange(rows)[:, None], ctx.torch.arange(columns)[None, :]
    return ((row + column) % step == 0).to(ctx.torch.int64)
