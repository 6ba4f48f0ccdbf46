"""Cross entropy and negative log likelihood on scores whose softmax is exactly one-hot, forward and backward.

Hunts: ignore_index counted or its rows trained, label smoothing or class weights left out of the loss, the gradient or
the mean, targets off by one, the last class or row missed, a spatial target read in the wrong layout, reductions
exchanged, the sum of a large vocabulary kept in 16 bits.
Rule: EXACT. One score of a row is 128 (or 160, 192, 224) above all others: exp(-128) is below half the smallest
subnormal number of float32, so softmax is 1 and 0, its logarithm 0 and minus the gap, in any order and precision.
Losses are then multiples of 32 times weights that are powers of two or eighths; the sums stay within 2**p of their unit
(asserted). Means divide by a power of two. Gradients: (softmax - target) times weight and incoming gradient.
Source: https://pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html (the formulas).
"""

from functools import partial

GROUP = "elementwise"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.2
VERSION = 1

_FLAT = ((64, 10), (17, 1000), (9, 1001), (257, 17), (2, 32003), (4099, 5), (1, 2))


def cases(ctx):
    for rows, classes in _FLAT:
        yield "%dx%d scores" % (rows, classes), partial(plain, ctx, rows, classes)
        if classes < 1000:
            yield "%dx%d scores, transposed in memory" % (rows, classes), partial(plain, ctx, rows, classes, True)
    for size in ((2, 5, 7, 9), (3, 21, 8, 8), (2, 4, 65)):
        for channels_last in (False, True) if len(size) == 4 else (False,):
            label = "%s scores%s" % ("x".join(map(str, size)), " in channels_last" if channels_last else "")
            yield label, partial(spatial, ctx, size, channels_last)
    yield "ignored rows", partial(ignored, ctx)
    yield "class weights", partial(weighted, ctx)
    for classes in (8, 64):
        yield "label smoothing over %d classes" % classes, partial(smoothed, ctx, classes)
    yield "probabilities as targets", partial(probabilities, ctx)
    yield "nll_loss", partial(likelihood, ctx)
    yield "distribution focal loss", partial(focal_distribution, ctx)
    yield "everything ignored", partial(nothing_left, ctx)


def scores(ctx, shape, *words):
    """(scores, gap, winner, target): dimension 1 holds the classes; the last class wins and is asked for often."""
    torch = ctx.torch
    outer = (shape[0],) + tuple(shape[2:])
    classes = shape[1]
    base = ctx.integers(outer, -3, 3, "base", *words).double()
    gap = 128 + 32 * ctx.integers(outer, 0, 3, "gap", *words).double()
    winner, target = (picked(ctx, outer, classes, name, *words) for name in ("winner", "target"))
    target = torch.where(ctx.uniform(outer, "right", *words) < 0.5, winner, target)
    hot = one_hot(ctx, winner, classes)
    x = (base - gap).unsqueeze(1) + hot * gap.unsqueeze(1)
    ctx.require(bool((ctx.rounded(x) == x).all()), "scores are numbers of the dtype")
    return x, gap, winner, target


def picked(ctx, outer, classes, *words):
    anywhere = ctx.integers(outer, 0, classes - 1, *words)
    edge = ctx.torch.where(ctx.uniform(outer, "edge", *words) < 0.2, anywhere * 0 + classes - 1, anywhere)
    return ctx.torch.where(ctx.uniform(outer, "first", *words) < 0.1, anywhere * 0, edge)


def one_hot(ctx, index, classes):
    """float64 one-hot rows, the classes in dimension 1."""
    made = ctx.torch.zeros((index.shape[0], classes) + tuple(index.shape[1:]), dtype=ctx.torch.float64)
    return made.scatter_(1, index.unsqueeze(1), 1.0)


def differing(gap, winner, target):
    return gap * (winner != target).double()


def judged(ctx, x, target, worth, lossless, **options):
    """Reductions none, sum and mean of `lossless` (a row's loss) with gradient `worth` (softmax - target) each.

    `worth` is a row's weight; 0 where it is ignored. The mean divides by the sum of weights, a power of two here.
    """
    torch = ctx.torch
    leaf = x["leaf"]
    entropy = torch.nn.functional.cross_entropy
    outer = lossless.shape
    g = 2.0 ** ctx.integers(outer, -1, 1, "g").double()
    ctx.require_exact_sums(lossless.abs().sum() / 32 * x.get("unit", 1))
    total = float(worth.sum())
    found = []
    for reduction, loss, incoming in (
        ("none", lossless, g * worth),
        ("sum", lossless.sum(), worth),
        ("mean", lossless.sum() / total, worth / total),
    ):
        got = entropy(leaf, target, reduction=reduction, **options)
        slope = (x["softmax"] - x["target"]) * incoming.unsqueeze(1)
        outside = ctx.tensor(g) if reduction == "none" else None
        (gradient,) = torch.autograd.grad(got, leaf, outside)
        found.append(ctx.exact(got, loss, note="(%s)" % reduction))
        found.append(ctx.exact(gradient, slope, note="(gradient of %s)" % reduction))
    return ctx.all_of(*found)


def operand(ctx, x, winner, target, storage=None):
    """What `judged` needs of the scores; `storage`: the order of their dimensions in memory."""
    if storage is None:
        leaf = ctx.tensor(x, grad=True)
    else:
        back = sorted(range(len(storage)), key=lambda at: storage[at])
        leaf = ctx.tensor(x.permute(*storage).contiguous()).permute(*back).requires_grad_()
    return {"leaf": leaf, "softmax": one_hot(ctx, winner, x.shape[1]), "target": one_hot(ctx, target, x.shape[1])}


def valid_rows(ctx, outer, limit, *words):
    """A float64 mask over rows with 2**k ones, as many as there are rows for and as `limit` allows, at the end too."""
    torch = ctx.torch
    count = 1
    for size in outer:
        count *= size
    kept = 1
    while 2 * kept <= min(count, limit):
        kept *= 2
    order = ctx.uniform((count,), "kept", *words)
    order[-1] = -1.0  # the last row is always among them
    mask = torch.zeros(count, dtype=torch.float64)
    mask[order.argsort()[:kept]] = 1.0
    return mask.reshape(outer)


def most(ctx):
    """So many losses of 224 = 7 * 32 at most stay exact and finite."""
    return min(2**ctx.precision // 8, 256)


def plain(ctx, rows, classes, transposed=False):
    """Rows beyond 2**k, and what would make sums inexact, have ignore_index as target."""
    torch = ctx.torch
    x, gap, winner, target = scores(ctx, (rows, classes), rows, classes, transposed)
    weight = valid_rows(ctx, (rows,), most(ctx), rows, classes)
    made = operand(ctx, x, winner, target, (1, 0) if transposed else None)
    index = torch.where(weight > 0, target, target * 0 - 100).to(ctx.device)
    return judged(ctx, made, index, weight, differing(gap, winner, target) * weight)


def spatial(ctx, size, channels_last):
    torch = ctx.torch
    x, gap, winner, target = scores(ctx, size, size, channels_last)
    weight = valid_rows(ctx, (size[0],) + tuple(size[2:]), most(ctx), size)
    made = operand(ctx, x, winner, target, (0, 2, 3, 1) if channels_last else None)
    index = torch.where(weight > 0, target, target * 0 - 100).to(ctx.device)
    return judged(ctx, made, index, weight, differing(gap, winner, target) * weight)


def ignored(ctx):
    """ignore_index names a class: rows that ask for it count nowhere."""
    torch = ctx.torch
    x, gap, winner, target = scores(ctx, (129, 11), "ignored")
    weight = valid_rows(ctx, (129,), most(ctx), "ignored")
    target = torch.where((weight > 0) & (target == 3), target * 0 + 4, target)
    target = torch.where(weight > 0, target, target * 0 + 3)
    made = operand(ctx, x, winner, target)
    return judged(ctx, made, target.to(ctx.device), weight, differing(gap, winner, target) * weight, ignore_index=3)


def weighted(ctx):
    """Weights 1/2, 1 and 2; rows of class 0 (weight 1/2) and 1 come in twos, so that the weights add up to 64."""
    torch = ctx.torch
    classes, rows = 9, 64
    by_class = torch.tensor([0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0], dtype=torch.float64)
    _, _, winner, _ = scores(ctx, (rows, classes), "weighted")
    x, gap = 128 * one_hot(ctx, winner, classes) - 64, torch.full((rows,), 128.0, dtype=torch.float64)
    pattern = torch.cat([torch.arange(7, 9).repeat(8), torch.arange(2).repeat(16), torch.arange(2, 7).repeat(4)])
    target = pattern[:rows][ctx.uniform((rows,), "order").argsort()]
    weight = by_class[target]
    rest = 64 - float(weight.sum())
    ctx.require(rest == 0, "the weights add up to 64")
    made = operand(ctx, x, winner, target)
    made["unit"] = 0.5  # the losses are multiples of 64
    loss = differing(gap, winner, target) * weight
    return judged(ctx, made, target.to(ctx.device), weight, loss, weight=ctx.tensor(by_class))


def smoothed(ctx, classes):
    """The loss (1 - s) gap [wrong] + s / C (C - 1) gap with s = 1/4: exact for C = 8, and 64 where no row is wrong."""
    torch = ctx.torch
    rows = 8 if classes == 8 else 4
    _, _, winner, target = scores(ctx, (rows, classes), "smoothed", classes)
    target = target if classes == 8 else winner
    gap = torch.full((rows,), 128.0, dtype=torch.float64)
    x = 128 * one_hot(ctx, winner, classes) - 64
    made = operand(ctx, x, winner, target)
    made["target"] = 0.75 * made["target"] + 0.25 / classes
    loss = 0.75 * differing(gap, winner, target) + 0.25 / classes * (classes - 1) * gap
    weight = torch.ones(rows, dtype=torch.float64)
    made["unit"] = classes  # the losses are multiples of 32 / C
    return judged(ctx, made, target.to(ctx.device), weight, loss, label_smoothing=0.25)


def probabilities(ctx):
    """Targets of eighths, two classes a row."""
    torch = ctx.torch
    rows, classes = 32, 13
    x, _, winner, target = scores(ctx, (rows, classes), "probabilities")
    x = 128 * one_hot(ctx, winner, classes) - 64
    share = ctx.integers((rows, 1), 0, 8, "share").double() / 8
    wanted = share * one_hot(ctx, winner, classes) + (1 - share) * one_hot(ctx, target, classes)
    loss = 128 * (wanted * (1 - one_hot(ctx, winner, classes))).sum(1)
    made = operand(ctx, x, winner, target)
    made["target"] = wanted
    made["unit"] = 2
    weight = torch.ones(rows, dtype=torch.float64)
    return judged(ctx, made, ctx.tensor(wanted), weight, loss)


def likelihood(ctx):
    """nll_loss of integers as log probabilities, with weights and ignored rows, flat and over an image."""
    torch = ctx.torch
    found = []
    for shape in ((65, 7), (2, 5, 3, 9)):
        outer = (shape[0],) + tuple(shape[2:])
        x = -ctx.integers(shape, 0, 8, "likelihood", shape).double()
        target = picked(ctx, outer, shape[1], "likelihood", shape)
        by_class = 2.0 ** ctx.integers((shape[1],), -1, 1, "class weight", shape).double()
        kept = valid_rows(ctx, outer, 2 ** (ctx.precision - 5), "likelihood", shape)  # 16 at most, in halves
        weight = by_class[target] * kept
        index = torch.where(kept > 0, target, target * 0 - 100).to(ctx.device)
        hot = one_hot(ctx, target, shape[1])
        loss = -(x * hot).sum(1) * weight
        ctx.require_exact_sums(2 * loss.sum())
        for reduction, want, slope in (("none", loss, weight), ("sum", loss.sum(), weight)):
            leaf = ctx.tensor(x, grad=True)
            got = torch.nn.functional.nll_loss(leaf, index, weight=ctx.tensor(by_class), reduction=reduction)
            (gradient,) = torch.autograd.grad(got, leaf, torch.ones_like(got))
            found.append(ctx.exact(got, want, note="(%s)" % reduction))
            found.append(ctx.exact(gradient, -hot * slope.unsqueeze(1), note="(gradient of %s)" % reduction))
    return ctx.all_of(*found)


def focal_distribution(ctx):
    """A box edge between two of 16 bins: two cross entropies weighted by the distances (YOLO's regression head)."""
    torch = ctx.torch
    count, bins = 36, 16
    entropy = torch.nn.functional.cross_entropy
    x, gap, winner, _ = scores(ctx, (count, bins), "bins")
    place = ctx.integers((count,), 0, 8 * (bins - 1) - 1, "place").double() / 8
    left = torch.floor(place).to(torch.int64)
    nearer = (left + 1).double() - place
    leaf = ctx.tensor(x, grad=True)
    of_left = entropy(leaf, left.to(ctx.device), reduction="none") * ctx.tensor(nearer)
    of_right = entropy(leaf, (left + 1).to(ctx.device), reduction="none") * ctx.tensor(1 - nearer)
    loss = of_left + of_right
    loss.backward(ctx.tensor(torch.ones(count)))
    first, second = one_hot(ctx, left, bins), one_hot(ctx, left + 1, bins)
    wanted = differing(gap, winner, left) * nearer + differing(gap, winner, left + 1) * (1 - nearer)
    nearer = nearer.unsqueeze(1)
    slope = one_hot(ctx, winner, bins) - nearer * first - (1 - nearer) * second
    return ctx.all_of(ctx.exact(loss, wanted), ctx.exact(leaf.grad, slope, note="(gradient)"))


def nothing_left(ctx):
    """All rows ignored: the sum is 0, the mean 0 / 0 is NaN, as the formulas say; the gradient of the sum is 0."""
    torch = ctx.torch
    leaf = ctx.tensor(ctx.integers((5, 7), -9, 9, "nothing"), grad=True)
    target = torch.full((5,), -100).to(ctx.device)
    entropy = torch.nn.functional.cross_entropy
    total = entropy(leaf, target, reduction="sum")
    (gradient,) = torch.autograd.grad(total, leaf)
    nothing = torch.tensor(float("nan"), dtype=torch.float64)
    return ctx.all_of(
        ctx.exact(total, torch.zeros((), dtype=torch.float64)),
        ctx.exact(gradient, torch.zeros((5, 7), dtype=torch.float64), note="(gradient)"),
        ctx.exact(entropy(leaf, target), nothing, note="(mean)"),
    )
