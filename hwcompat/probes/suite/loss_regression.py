"""MSE, L1, smooth L1, Huber, KL divergence, BCE, focal, dice, margin and cosine losses, each reduction and gradient.

Hunts: beta or delta ignored or applied on the wrong side of the edge, a factor 1/2 too many, reductions exchanged,
means that overflow or divide by the wrong count, float32 results of few bits, pos_weight or weight left out of loss or
gradient, gradients of the target missing or of the wrong sign, last elements and other layouts.
Rule: EXACT. Differences are multiples of 1/4, beta and delta powers of two, probabilities 0 and 1 or logits of -128, 0
and 128, whose exp(-128) is below half the smallest subnormal number of float32; vectors of +-1 in 64 dimensions have
length 8. All results and partial sums are numbers of the dtype (asserted); means divide by a power of two. In float32
differences have 12 bits at the edge, losses 24. Logits of 0 occur in gradients alone (log 2 is no number). INTERVAL for
the KL divergence of other probabilities: a logarithm (4 e), two products and a difference, each stored, one of them
twice: (4 u + 4 e) t (|log t| + |x|), e = 2**-23, u = 2**-p. What is composed here is computed once more in float64 by
autograd.
Source: https://pytorch.org/docs/stable/nn.html (loss functions: their formulas).
"""

from functools import partial
from typing import Any

from ..functions import E, u

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 2

_SHAPES = ((64,), (16, 32), (33, 65), (2, 5, 7, 9), (1025,), (1,), (2048,))


def cases(ctx):
    for name, options, formula in distances(ctx):
        for shape in _SHAPES if 1.0 in options.values() or not options else _SHAPES[:2]:
            label = ", ".join("%s %s" % pair for pair in sorted(options.items()))
            yield "%s %s of %s" % (name, label, shape), partial(distance, ctx, name, options, formula, shape)
        if ctx.dtype_name == "float32":
            yield "%s %s with many bits" % (name, label), partial(wide, ctx, name, options, formula)
    yield "means of large squares", partial(large_mean, ctx)
    yield "KL divergence", partial(divergence, ctx)
    yield "KL divergence of probabilities", partial(probable, ctx)
    yield "binary cross entropy of probabilities", partial(binary, ctx)
    yield "binary cross entropy with logits, weight and pos_weight", partial(with_logits, ctx)
    yield "focal loss", partial(composed, ctx, "focal", focal)
    yield "dice loss", partial(composed, ctx, "dice", dice)
    yield "cosine similarity", partial(composed, ctx, "cosine", cosine)
    yield "cosine embedding", partial(composed, ctx, "embedding", cosine_embedding)
    yield "margin ranking and hinge embedding", partial(composed, ctx, "margin", margins)


def distances(ctx):
    """(name, options, d -> (loss, derivative)) for float64 differences d, multiples of 1/4."""
    torch = ctx.torch
    made: "list[Any]" = [
        ("mse_loss", {}, lambda d: (d * d, 2 * d)),
        ("l1_loss", {}, lambda d: (d.abs(), torch.sign(d))),
    ]
    for edge in (0.5, 1.0, 2.0):
        made.append(("smooth_l1_loss", {"beta": edge}, partial(smooth, torch, edge)))
        made.append(("huber_loss", {"delta": edge}, partial(huber, torch, edge)))
    return made


def smooth(torch, beta, d):
    inside = d.abs() < beta
    return torch.where(inside, d * d / (2 * beta), d.abs() - beta / 2), torch.where(inside, d / beta, torch.sign(d))


def huber(torch, delta, d):
    inside = d.abs() <= delta
    loss = torch.where(inside, d * d / 2, delta * (d.abs() - delta / 2))
    return loss, torch.where(inside, d, delta * torch.sign(d))


def distance(ctx, name, options, formula, shape):
    """All reductions; for several dimensions both operands and then one of them transposed in memory."""
    torch = ctx.torch
    call = getattr(torch.nn.functional, name)
    target = ctx.integers(shape, -8, 8, name, shape, "target").double() / 4
    d = ctx.integers(shape, -10, 10, name, shape, "d").double() / 4
    thin = 2.0**ctx.precision / (64 * d.numel())  # sums count 1/64 (or 1/32), and d * d is 6.25 at most
    d = d * (ctx.uniform(shape, "thin") < thin * 4).double()
    loss, slope = formula(d)
    kept = enough(ctx, loss)
    d, loss, slope = d * kept, loss * kept, slope * kept
    count = d.numel()
    whole = count & (count - 1) == 0
    g = 2.0 ** ctx.integers(shape, -1, 1, "g").double()
    found = []
    for reduction, want, incoming in (
        ("none", loss, g),
        ("sum", loss.sum(), torch.ones(shape, dtype=torch.float64)),
        ("mean", loss.sum() / count, torch.full(shape, 1.0 / count, dtype=torch.float64)),
    ):
        if reduction == "mean" and not whole:
            continue
        for turned in ((False, False), (True, False), (True, True)) if len(shape) > 1 else ((False, False),):
            x, t = (placed(ctx, values, turn) for values, turn in zip((target + d, target), turned))
            got = call(x, t, reduction=reduction, **options)
            outside = ctx.tensor(g) if reduction == "none" else None
            of_x, of_t = torch.autograd.grad(got, (x, t), outside)
            found.append(ctx.exact(got, want, note="(%s)" % reduction))
            found.append(ctx.exact(of_x, slope * incoming, note="(gradient of %s)" % reduction))
            found.append(ctx.exact(of_t, -slope * incoming, note="(gradient of the target, %s)" % reduction))
    return ctx.all_of(*found)


def wide(ctx, name, options, formula):
    """Differences of k units, 2**12 of which are the edge: k * k has at most 24 bits where it is formed."""
    torch, shape = ctx.torch, (33, 65)
    unit = max(options.values(), default=1.0) * 2.0**-12
    reach = 2**12 - 1 if name == "mse_loss" else 2**14
    d, target = (unit * ctx.integers(shape, -reach, reach, name, word, unit).double() for word in ("wide", "from"))
    loss, slope = formula(d)
    g = 2.0 ** ctx.integers(shape, -1, 1, "wide g").double()
    for values in (target + d, loss, slope):
        ctx.require(bool((ctx.rounded(values) == values).all()), "losses and slopes are numbers of the dtype")
    x, t = ctx.tensor(target + d, grad=True), ctx.tensor(target, grad=True)
    got = getattr(torch.nn.functional, name)(x, t, reduction="none", **options)
    of_x, of_t = torch.autograd.grad(got, (x, t), ctx.tensor(g))
    return ctx.all_of(
        ctx.exact(got, loss),
        ctx.exact(of_x, slope * g, note="(gradient)"),
        ctx.exact(of_t, -slope * g, note="(gradient of the target)"),
    )


def enough(ctx, loss):
    """A mask of the last losses whose sum, in 64ths, stays within half of 2**p."""
    room = 2.0 ** (ctx.precision - 1) / 64 if ctx.format.bits == 16 else 2.0**15
    return (loss.reshape(-1).flip(0).cumsum(0) <= room).flip(0).double().reshape(loss.shape)


def placed(ctx, values, turned):
    """A leaf on the device; `turned`: its dimensions lie in memory in reverse order."""
    if not turned:
        return ctx.tensor(values, grad=True)
    order = list(range(values.dim()))[::-1]
    return ctx.tensor(values.permute(*order).contiguous()).permute(*order).requires_grad_()


def large_mean(ctx):
    """4096 squares of 64: their sum 2**24 is beyond fp16, their mean 4096 is not."""
    torch = ctx.torch
    x = ctx.tensor(torch.full((4096,), 64.0, dtype=torch.float64), grad=True)
    loss = torch.nn.functional.mse_loss(x, ctx.tensor(torch.zeros(4096)))
    loss.backward()
    wanted = torch.tensor(4096.0, dtype=torch.float64)
    slope = torch.full((4096,), 2.0**-5, dtype=torch.float64)
    return ctx.all_of(ctx.exact(loss, wanted), ctx.exact(x.grad, slope, note="(gradient)"))


def divergence(ctx):
    """Targets 0 and 1, or their logarithm 0: the loss is -input where the target is 1."""
    torch = ctx.torch
    call = torch.nn.functional.kl_div
    x = -ctx.integers((16, 9), 0, 1, "input").double()
    t = (ctx.uniform((16, 9), "target") < 0.3).double()
    zero = torch.zeros(16, 9, dtype=torch.float64)
    ctx.require_exact_sums(x.abs().sum())
    found = []
    for options, target, loss, slope in (
        ({}, t, -x * t, -t),
        ({"log_target": True}, zero, -x, zero - 1),
    ):
        for reduction, want, share in (
            ("none", loss, 1.0),
            ("sum", loss.sum(), 1.0),
            ("batchmean", loss.sum() / 16, 16),
        ):
            leaf = ctx.tensor(x, grad=True)
            got = call(leaf, ctx.tensor(target), reduction=reduction, **options)
            (gradient,) = torch.autograd.grad(got, leaf, torch.ones_like(got))
            found.append(ctx.exact(got, want, note="(%s)" % reduction))
            found.append(ctx.exact(gradient, slope / share, note="(gradient of %s)" % reduction))
    return ctx.all_of(*found)


def probable(ctx):
    """Targets of 0, or between 1/20 and 3/4, where a logarithm is not small."""
    torch, shape = ctx.torch, (33, 17)
    x = ctx.rounded(-4 * ctx.uniform(shape, "log probability"))
    t = ctx.rounded(0.05 + 0.7 * ctx.uniform(shape, "probability")) * (ctx.uniform(shape, "some") < 0.9)
    g = 2.0 ** ctx.integers(shape, -1, 1, "KL g").double()
    leaf = ctx.tensor(x, grad=True)
    got = torch.nn.functional.kl_div(leaf, ctx.tensor(t), reduction="none")
    got.backward(ctx.tensor(g))
    logarithm = torch.log(t.masked_fill(t == 0, 1.0))
    bound = (4 * u(ctx) + 4 * E) * t * (logarithm.abs() + x.abs())
    return ctx.all_of(ctx.interval(got, t * (logarithm - x), bound), ctx.exact(leaf.grad, -t * g, note="(gradient)"))


def binary(ctx):
    """Certain and right costs 0, certain and wrong 100, where PyTorch cuts the logarithm off; gradients at 1/2."""
    torch = ctx.torch
    call = torch.nn.functional.binary_cross_entropy
    found = []
    for number, shape in enumerate(((17, 7), (16, 8), (17, 7))):
        p = ctx.integers(shape, 0, 1, "p", number).double()
        t = ctx.integers(shape, 0, 1, "t", number).double()
        weight = 2.0 ** ctx.integers(shape[1:], -1, 1, "weight", number).double()
        wanted = 100 * (p != t).double() * weight
        got = call(ctx.tensor(p), ctx.tensor(t), weight=ctx.tensor(weight), reduction="none")
        half = ctx.tensor(torch.full(shape, 0.5), grad=True)
        loss = call(half, ctx.tensor(t), weight=ctx.tensor(weight), reduction="sum")
        loss.backward()
        slope = (1 - 2 * t) * 2 * weight
        found += [ctx.exact(got, wanted), ctx.exact(half.grad, slope, note="(gradient at 1/2)")]
    return ctx.all_of(*found)


def with_logits(ctx):
    """Logits of 128 and -128: the loss is 128 where wrong; a gradient is (sigmoid - target), 1/2 at a logit of 0."""
    torch = ctx.torch
    call = torch.nn.functional.binary_cross_entropy_with_logits
    found = []
    for shape in ((16, 8), (33, 7)):
        x = 128 * ctx.integers(shape, -1, 1, "logit", shape).double()
        t = ctx.integers(shape, 0, 1, "t", shape).double()
        positive = 2.0 ** ctx.integers((shape[1],), -1, 1, "positive", shape).double()
        weight = 2.0 ** ctx.integers(shape, -1, 1, "weight", shape).double()
        s = (torch.sign(x) + 1) / 2
        wrong = positive * t * (s == 0) + (1 - t) * (s == 1)
        slope = weight * ((1 - t) * s - positive * t * (1 - s))
        for turned in (False, True):
            leaf = placed(ctx, x, turned)
            options = {"pos_weight": ctx.tensor(positive), "weight": ctx.tensor(weight), "reduction": "none"}
            got = call(leaf, ctx.tensor(t), **options)
            got.backward(torch.ones_like(got))
            sure = x != 0
            found.append(ctx.exact(got[sure.to(ctx.device)], (128 * wrong * weight)[sure]))
            found.append(ctx.exact(leaf.grad, slope, note="(gradient)"))
    return ctx.all_of(*found)


# --- composed losses: value and gradients once on the device and once in float64 --------------------------------------


def composed(ctx, name, loss):
    """`loss(torch, draw)` -> (function, float64 operands); their gradients are compared too."""
    torch = ctx.torch
    found = []
    for shape in ((8, 64), (16, 64), (8, 8, 64)):
        function, operands = loss(ctx, shape)
        wanted = [x.clone().requires_grad_() for x in operands]
        reference = function(torch, *wanted)
        slopes = [snapped(torch, slope) for slope in torch.autograd.grad(reference.sum(), wanted)]
        reference = snapped(torch, reference.detach())
        got_from = [ctx.tensor(x, grad=True) for x in operands]
        got = function(torch, *got_from)
        gradients = torch.autograd.grad(got, got_from, torch.ones_like(got))
        found.append(ctx.exact(got, reference, note="(%s %s)" % (name, shape)))
        for which, (gradient, slope) in enumerate(zip(gradients, slopes)):
            note = "(gradient %d of %s %s)" % (which, name, shape)
            ctx.require(bool((ctx.rounded(slope) == slope).all()), "gradients are numbers of the dtype")
            found.append(ctx.exact(gradient, slope, note=note))
    return ctx.all_of(*found)


def snapped(torch, values):
    """Multiples of 2**-20: float64 shows the 1e-12 that some losses add to a square, which no dtype here can hold."""
    return torch.round(values * 2**20) / 2**20


def focal(ctx, shape):
    """alpha 3/4, gamma 2, logits of -128 and 128 as detection heads compose it."""
    x = 256 * ctx.integers(shape, 0, 1, "focal", shape).double() - 128
    t = ctx.integers(shape, 0, 1, "focal target", shape).double()

    def loss(torch, logits):
        target = t.to(logits.dtype).to(logits.device)
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        p = torch.sigmoid(logits)
        p_t = p * target + (1 - p) * (1 - target)
        alpha = 0.75 * target + 0.25 * (1 - target)
        return entropy * (1 - p_t) ** 2 * alpha

    return loss, [x]


def dice(ctx, shape):
    """Rows of 64 with 16 marked places in each of mask and prediction: the denominator is 32."""
    torch = ctx.torch
    marks = [ctx.uniform(shape, name, shape).argsort(-1).argsort(-1) < 16 for name in ("mask", "prediction")]
    t, p = marks[0].double(), marks[1].double()

    def loss(torch, prediction):
        target = t.to(prediction.dtype).to(prediction.device)
        return 1 - 2 * (prediction * target).sum(-1) / (prediction.sum(-1) + target.sum(-1))

    ctx.require(bool((torch.stack([p, t]).sum(-1) == 16).all()), "16 of 64 are marked")
    return loss, [p]


def signs(ctx, shape, *words):
    return (2 * ctx.integers(shape, 0, 1, *words) - 1).double()


def cosine(ctx, shape):
    def similarity(torch, a, b):
        return torch.nn.functional.cosine_similarity(a, b, dim=-1)

    return similarity, [signs(ctx, shape, "a", shape), signs(ctx, shape, "b", shape)]


def cosine_embedding(ctx, shape):
    """The margin of 3/64 is no cosine of 64 signs, whose product is even."""
    rows = shape[0] if len(shape) == 2 else shape[0] * shape[1]
    wanted = signs(ctx, (rows,), "which", shape)

    def loss(torch, a, b):
        y = wanted.to(a.dtype).to(a.device)
        return torch.nn.functional.cosine_embedding_loss(a, b, y, margin=3 / 64, reduction="none")

    return loss, [signs(ctx, (rows, 64), "a", shape), signs(ctx, (rows, 64), "b", shape)]


def margins(ctx, shape):
    a, b = (ctx.integers(shape, -9, 9, name, shape).double() for name in "ab")
    which = signs(ctx, shape, "which", shape)

    def loss(torch, x, y):
        functional, sign = torch.nn.functional, which.to(x.dtype).to(x.device)
        ranking = functional.margin_ranking_loss(x, y, sign, margin=2.5, reduction="none")
        return ranking + functional.hinge_embedding_loss(x, sign, margin=4.5, reduction="none")

    return loss, [a, b]
