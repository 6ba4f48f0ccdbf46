"""Operators on autocast's lists with constant inputs: values and gradients by the bit, on CUDA the documented dtype.

Hunts: casts that are left out or lose their gradient (a float32 parameter with a 16-bit gradient, or none), operations
of the float32 list computed in 16 bits (sums that stop growing), cells of recurrent networks, transposed and 1-d or 3-d
convolutions that behave unlike the matrix products of amp.autocast.
Rule: EXACT. Operands are ones (or a small constant), so results are small integers or powers of two in every order and
format; sums and products of the float32 list reach 4096, exact in float32 but not in 16 bits. Dtypes by the documented
lists on CUDA (https://docs.pytorch.org/docs/stable/amp.html#autocast-op-reference); the lists of other devices differ
between releases, so there both are legal and values are judged after rounding to the dtype that came out.
"""

from functools import partial

from .. import judge, mixed

GROUP = "training"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float16", "bfloat16")
CORE = False
FEEDS = "amp"
SECONDS = 0.1
VERSION = 1


def cases(ctx):
    for name, function, value, gradient in _low(ctx.torch):
        yield name, partial(low, ctx, function, value, gradient)
    for name, function, value in _wide(ctx.torch):
        yield name, partial(wide, ctx, function, value)
    yield "promotion to the widest", partial(promoted, ctx)
    yield "sums of 4096 in float32", partial(long_sum, ctx)


def _low(torch):
    """(name, function of a float32 leaf of ones 4 x 4 x 4, value of every result, value of every gradient)."""
    f = torch.nn.functional
    return (
        ("conv1d", lambda a: f.conv1d(a.detach(), a), 16, 4),
        ("conv3d", lambda a: f.conv3d(a.detach()[None], a[:, None, :1, :1, None]), None, None),
        ("conv_transpose1d", lambda a: f.conv_transpose1d(a.detach()[:, :, :1], a), 4, 4),
        (
            "conv_transpose2d, stride 2",
            lambda a: f.conv_transpose2d(a.detach()[None], a[:, :, :2, None], stride=2),
            None,
            None,
        ),
        ("einsum", lambda a: torch.einsum("abc,abd->acd", a.detach(), a), 4, 4),
        ("matmul, broadcast", lambda a: torch.matmul(a.detach(), a[0]), 4, None),
        ("addbmm", lambda a: torch.addbmm(a.detach()[0], a.detach(), a), 17, 4),
        ("mv", lambda a: torch.mv(a.detach()[0], a[0, 0]), 4, None),
        ("addmv", lambda a: torch.addmv(a.detach()[0, 0], a[0], a.detach()[0, 0]), 5, None),
        ("prelu", lambda a: f.prelu(-a.detach(), a[0, 0]), -1, None),
    )


def _wide(torch):
    """(name, function of low-precision ones 4 x 4 x 4, value of every result); all in the documented float32 list."""
    f = torch.nn.functional
    return (
        ("layer_norm", lambda a: f.layer_norm(a, (4,)), 0),
        ("group_norm", lambda a: f.group_norm(a, 2), 0),
        ("log_softmax of one class", lambda a: f.log_softmax(a[:, :, :1], 2), 0),
        ("softmin", lambda a: f.softmin(a, 2), 0.25),
        ("cross_entropy of one class", lambda a: f.cross_entropy(a[0][:, :1], a[0, 0].long() * 0), 0),
        ("l1_loss", lambda a: f.l1_loss(a, a + a), 1),
        ("smooth_l1_loss", lambda a: f.smooth_l1_loss(a, a + a), 0.5),
        ("kl_div", lambda a: f.kl_div(a - a, a, reduction="sum"), 0),
        ("nll_loss", lambda a: f.nll_loss(a[0], a[0, 0].long()), -1),
        ("cumsum", lambda a: a.cumsum(2)[:, :, 3], 4),
        ("cumprod", lambda a: (a + a).cumprod(2)[:, :, 3], 16),
        ("prod", lambda a: (a + a)[0].prod(), 65536),
        ("pow", lambda a: (a + a) ** 3, 8),
        ("reciprocal", lambda a: (a + a).reciprocal(), 0.5),
        ("rsqrt", lambda a: (a + a + a + a).rsqrt(), 0.5),
        ("log2", lambda a: (a + a + a + a).log2(), 2),
        ("expm1", lambda a: torch.expm1(a - a), 0),
        ("log1p", lambda a: torch.log1p(a - a), 0),
        ("normalize", lambda a: f.normalize(a[:, :, :1], dim=2), 1),
        ("cosine_similarity", lambda a: f.cosine_similarity(a, a, 2), 1),
        ("dist", lambda a: torch.dist(a, a - a), 8),
    )


def _ones(ctx, dtype_name, grad=False):
    return ctx.tensor(ctx.torch.ones(4, 4, 4, dtype=ctx.torch.float64), grad=grad, dtype_name=dtype_name)


def low(ctx, function, value, gradient):
    """Result in the low dtype, gradient of the leaf in float32; without constants, judged by float64 itself."""
    torch, leaf = ctx.torch, _ones(ctx, "float32", grad=True)
    with mixed.autocast(ctx):
        y = function(leaf)
    if y.dtype != ctx.dtype and (ctx.kind == "cuda" or str(y.dtype) != "torch.float32"):
        return judge.failed("result in %s instead of %s" % (y.dtype, ctx.dtype), y.numel())
    y.backward(torch.ones_like(y))
    reference = torch.ones(4, 4, 4, dtype=torch.float64, requires_grad=True)
    want = function(reference)
    want.backward(torch.ones_like(want))
    ctx.require(value is None or bool((want == value).all()), "the value stated")
    ctx.require(gradient is None or bool((reference.grad == gradient).all()), "the gradient stated")
    if leaf.grad is None or leaf.grad.dtype != leaf.dtype:
        return judge.failed("gradient %s" % getattr(leaf.grad, "dtype", None), leaf.numel())
    return ctx.all_of(ctx.exact(y, want.detach()), ctx.exact(leaf.grad, reference.grad, note="in the gradient"))


def wide(ctx, function, value):
    with mixed.autocast(ctx):
        y = function(_ones(ctx, ctx.dtype_name))
    if ctx.kind == "cuda" and str(y.dtype) != "torch.float32":
        return judge.failed("result in %s instead of float32" % y.dtype, y.numel())
    return _settled(ctx, y, value)


def _settled(ctx, y, value):
    """Constants within one unit of the format: logarithms and roots of powers of two need not be exact on a device."""
    want = ctx.torch.full(tuple(y.shape), float(value), dtype=ctx.torch.float64)
    return ctx.interval(y, want, want.abs() * 2.0**-21)


def promoted(ctx):
    """Operands of two dtypes meet in float32 on CUDA; where a list differs, in either."""
    torch = ctx.torch
    few, many = _ones(ctx, ctx.dtype_name), _ones(ctx, "float32")
    with mixed.autocast(ctx):
        found = [torch.addcmul(many, few, many), torch.addcdiv(many, few, many), torch.cat([few, many]).sum(0) / 4]
    return ctx.all_of(*[_settled(ctx, y, 2) for y in found])


def long_sum(ctx):
    """4096 low-precision ones: 4096, not the 2048 or 256 at which a 16-bit sum stops; and back, a gradient of ones."""
    torch = ctx.torch
    leaf = ctx.tensor(torch.ones(4096, dtype=torch.float64), grad=True)
    with mixed.autocast(ctx):
        y = leaf.sum()
    y.backward()
    return ctx.all_of(
        ctx.exact(y, torch.tensor(4096.0, dtype=torch.float64)),
        ctx.exact(leaf.grad, torch.ones(4096, dtype=torch.float64), note="in the gradient"),
    )
