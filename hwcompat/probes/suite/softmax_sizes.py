"""Softmax, log_softmax and logsumexp of every length, dimension and layout, forward and backward, to the bit.

Hunts: kernels chosen by row length (up to 1024 in registers, longer ones in loops, vectorised with a tail), by
dimension or by stride that skip or repeat an element, a wrong sum or maximum, masks that turn into NaN, wrong
gradients.
Rule: EXACT. In each row 2**m scores equal the row's maximum and the others are 512 less, or -inf, which exp takes to
zero in float32 before and after any scaling. So softmax is 2**-m or 0; with integer gradients g of at most 8 that add
up to s over the equal scores, its gradient is 2**-m (g - 2**-m s) there: products and sums of at most 2**m * 8 units of
2**-2m. log_softmax of one maximum (m = 0) is 0 there and -512 elsewhere, where the logarithm of the sum is 0; its
gradient g - softmax * sum(g) is g less the sum at the maximum. Gradients are sparse, so that sums stay below 2**p.
logsumexp is then the maximum itself and its gradient the incoming one at the maximum.
Source: a kernel that was wrong for 781 columns and right for 780 and 782 (float64),
https://github.com/pytorch/pytorch/issues/147284.
"""

from collections import namedtuple
from functools import partial

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.4
VERSION = 1

Case = namedtuple("Case", "shape dim equal masked layout")
"""equal: m above; masked: the others are -inf; layout: plain, transposed (dense, the last two dimensions swapped) or
strided (every other element of the last dimension)."""

_CASES = (
    Case((7, 1), 1, 0, False, "plain"),
    Case((9, 2), 1, 1, False, "plain"),
    Case((5, 3), 1, 1, True, "transposed"),
    Case((6, 31), 1, 3, True, "plain"),
    Case((33, 32), -1, 5, False, "plain"),
    Case((33, 33), 0, 0, False, "strided"),
    Case((8, 127), 1, 2, False, "strided"),
    Case((129, 128), 0, 3, True, "plain"),
    Case((3, 2, 129), 2, 1, True, "transposed"),
    Case((3, 65, 5), 1, 2, False, "plain"),
    Case((2, 3, 5, 255), -1, 4, False, "plain"),
    Case((2, 19, 9, 11), 1, 2, True, "plain"),
    Case((1000, 7), 0, 3, False, "transposed"),
    Case((7, 1000), 1, 0, False, "plain"),
    Case((3, 1023), 1, 3, True, "plain"),
    Case((2, 1024), 1, 5, False, "strided"),
    Case((3, 1025), 1, 2, False, "plain"),
    Case((2, 2047), 1, 3, False, "plain"),
    Case((2, 2049), 1, 1, True, "plain"),
    Case((3, 4096), 1, 4, False, "plain"),
    Case((2, 32000), 1, 3, False, "plain"),
    Case((1, 65537), 1, 3, True, "plain"),
    Case((66000, 3), 1, 1, True, "plain"),
)
_LARGE = (Case((256, 4096), 1, 3, False, "plain"), Case((3, 152064), 1, 3, False, "plain"))
_TWINS = ((33, 32), (3, 1025))
_FAR = 512


def cases(ctx):
    for case in _CASES + (_LARGE if ctx.large else ()):
        for turn in range(2 if case.shape in _TWINS else 1):
            label = "%s over dim %d, 2**%d equal%s, %s%s" % (
                "x".join(str(size) for size in case.shape),
                case.dim,
                case.equal,
                ", others -inf" if case.masked else "",
                case.layout,
                ", again" if turn else "",
            )
            yield label, partial(one, ctx, case, label)
    for case in (Case((5, 1000), 1, 3, False, "plain"), Case((66, 17), 0, 1, True, "plain")):
        yield "softmax of %dx%d with float32 results" % case.shape, partial(widened, ctx, case)


def one(ctx, case, label):
    x, g, kept = operands(ctx, case, label)
    judgements = [judged(ctx, ctx.torch.softmax, case, x, g, *softmax_answer(case, kept, g))]
    if case.equal == 0 or not case.masked:
        winners = x if case.equal == 0 else single(ctx, case, x, kept)
        judgements += others(ctx, case, winners, g)
    if case.dim == -1:
        softmin = ctx.torch.nn.functional.softmin
        y, dx = softmax_answer(case, kept, g)
        judgements.append(judged(ctx, softmin, case, -x, g, y, -dx, note="softmin, "))
    return ctx.all_of(*judgements)


def operands(ctx, case, label):
    """(scores, gradient, where the maxima are): the maximum of a row is -128, 0 or 128."""
    torch, size = ctx.torch, case.shape[case.dim]
    ctx.require(2**case.equal <= size, "there are 2**m scores in a row")
    rank = ctx.uniform(case.shape, "order", label).argsort(case.dim).argsort(case.dim)
    kept = rank < 2**case.equal
    row = list(case.shape)
    row[case.dim] = 1
    top = 128.0 * ctx.integers(row, -1, 1, "top", label).double()
    low = float("-inf") if case.masked else -float(_FAR)
    x = top + torch.zeros(case.shape, dtype=torch.float64).masked_fill(~kept, low)
    g = ctx.integers(case.shape, -7, 8, "g", label).double()
    few = (rank < 8) | (ctx.uniform(case.shape, "places", label) * size < 8)  # maxima and some others
    return x, g * few, kept


def softmax_answer(case, kept, g):
    y = kept.double() * 2.0**-case.equal
    return y, y * (g - (g * y).sum(case.dim, keepdim=True))


def single(ctx, case, x, kept):
    """The scores with one maximum a row, the others 512 less."""
    torch = ctx.torch
    top = x.max(case.dim, keepdim=True)[0]
    first = torch.zeros_like(kept).scatter(case.dim, kept.to(torch.int64).argmax(case.dim, keepdim=True), True)
    return top + torch.zeros_like(x).masked_fill(~first, -float(_FAR))


def others(ctx, case, x, g):
    """log_softmax and logsumexp of scores with one maximum a row."""
    torch = ctx.torch
    top = x.max(case.dim, keepdim=True)[0]
    at = (x == top).double()
    total = g.sum(case.dim, keepdim=True)
    ctx.require_exact_sums(g.abs().sum(case.dim))
    found = [judged(ctx, torch.log_softmax, case, x, g, x - top, g - at * total, note="log_softmax, ")]
    incoming = total.clamp(-64, 64)
    want = top.squeeze(case.dim), at * incoming
    found.append(judged(ctx, torch.logsumexp, case, x, incoming.squeeze(case.dim), *want, note="logsumexp, "))
    return found


def judged(ctx, function, case, x, g, y, dx, note=""):
    """`function` over the case's dimension in its layout: output and gradient."""
    leaf, view = laid_out(ctx, case, x)
    out = function(view, case.dim)
    out.backward(ctx.tensor(g))
    gradient = leaf.grad
    if case.layout == "transposed":
        gradient = gradient.transpose(-1, -2)
    if case.layout == "strided":
        unread, gradient = gradient[..., 1::2], gradient[..., ::2]
        zero = ctx.torch.zeros(x.shape, dtype=ctx.torch.float64)
        return ctx.all_of(
            ctx.exact(out, y, note="(%soutput)" % note),
            ctx.exact(gradient, dx, note="(%sgradient)" % note),
            ctx.exact(unread, zero, note="(%sgradient of what is skipped)" % note),
        )
    return ctx.all_of(ctx.exact(out, y, note="(%soutput)" % note), ctx.exact(gradient, dx, note="(%sgradient)" % note))


def laid_out(ctx, case, x):
    """(leaf, view of it that holds x in the case's layout)."""
    if case.layout == "transposed":
        leaf = ctx.tensor(x.transpose(-1, -2).contiguous(), grad=True)
        return leaf, leaf.transpose(-1, -2)
    if case.layout == "strided":
        leaf = ctx.tensor(ctx.torch.stack((x, x + 3), -1).flatten(-2), grad=True)
        return leaf, leaf[..., ::2]
    leaf = ctx.tensor(x, grad=True)
    return leaf, leaf


def widened(ctx, case):
    """softmax(x, dtype=float32), as models ask for in 16 bits: the output is float32, the gradient is not."""
    x, g, kept = operands(ctx, case, "widened %s" % (case.shape,))
    y, dx = softmax_answer(case, kept, g)
    leaf = ctx.tensor(x, grad=True)
    out = ctx.torch.softmax(leaf, case.dim, dtype=ctx.torch.float32)
    out.backward(ctx.tensor(g, dtype_name="float32"))
    if str(out.dtype) != "torch.float32":
        return ctx.all_of(ctx.exact(out, y * float("nan"), note="(dtype %s)" % out.dtype))
    return ctx.all_of(ctx.exact(out, y, note="(output)"), ctx.exact(leaf.grad, dx, note="(gradient)"))
