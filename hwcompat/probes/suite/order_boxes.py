"""Non-maximum suppression of boxes from tensor operations: overlaps, sort by score, suppression, decoded boxes.

Hunts: a fault in any of the small operations that a detector's last stage chains: comparisons, broadcasts, clamps,
products, argsort, indexing, boolean masks; boxes that vanish or stay twice.
Rule: EXACT. Corners are integers from 0 to 11, so that widths, areas (at most 121), intersections and unions (at most
242) are integers below 2**8 in every dtype; a pair overlaps too much where 2 * intersection > union, an exact
comparison; scores are distinct. The reference is a loop over Python integers. The quotient is an INTERVAL: two
roundings of 2**-23 cover a division by reciprocal.
Source: the greedy rule as in https://docs.pytorch.org/vision/stable/generated/torchvision.ops.nms.html.
"""

from functools import partial

from .. import judge, movement, ordering

GROUP = "layout"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = False
SECONDS = 0.1
VERSION = 1


def cases(ctx):
    for count in (1, 7, 33, 128):
        yield "%d boxes" % count, partial(suppress, ctx, count)
        yield "%d boxes, classes apart" % count, partial(suppress, ctx, count, 3)
    yield "overlaps, forward and backward", partial(overlaps, ctx)


def corners(ctx, count, *words):
    """int64 count x 4: x1 < x2 and y1 < y2 within 0 .. 11."""
    torch = ctx.torch
    start = ctx.integers((count, 2), 0, 8, "start", count, *words)
    size = 1 + ctx.integers((count, 2), 0, 9, "size", count, *words)
    return torch.cat([start, torch.clamp(start + size, max=11)], 1)


def parts(torch, a, b):
    """Intersections and unions of every box of a with every box of b."""
    low, high = torch.max(a[:, None, :2], b[None, :, :2]), torch.min(a[:, None, 2:], b[None, :, 2:])
    inner = (high - low).clamp(min=0).prod(2)
    areas = [(x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b)]
    return inner, areas[0][:, None] + areas[1][None] - inner


def suppress(ctx, count, classes=1):
    """The greedy rule, box by box in the order of scores; boxes of other classes do not count."""
    torch = ctx.torch
    boxes, kind = corners(ctx, count, classes), ctx.integers((count,), 0, classes - 1, "class", count)
    scores = ordering.distinct(ctx, 1, count, "scores", classes)[0].abs()
    tensor, labels = ctx.tensor(boxes), kind.to(ctx.device)
    order = torch.argsort(ctx.tensor(scores), descending=True)
    sorted_boxes, sorted_labels = tensor[order], labels[order]
    inner, union = parts(torch, sorted_boxes, sorted_boxes)
    hit = ((2 * inner > union) & (sorted_labels[:, None] == sorted_labels[None])).triu(1)
    kept = torch.ones(count, dtype=torch.bool, device=ctx.device)
    for n in range(count):
        kept &= ~(hit[n] & kept[n])
    got = order[kept]
    want = torch.tensor(_greedy(boxes.tolist(), scores.tolist(), kind.tolist()))
    right = ctx.exact_integers(got, want, note="(kept)")
    return right if right.status != "pass" else ctx.all_of(right, ctx.exact(tensor[got], boxes[want], note="(boxes)"))


def _greedy(boxes, scores, kinds):
    kept = []  # type: list[int]
    for n in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(kinds[n] != kinds[k] or not _overlap(boxes[n], boxes[k]) for k in kept):
            kept.append(n)
    return kept


def _overlap(a, b):
    width, height = (max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    inner = width * height
    return 2 * inner > sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)) - inner


def overlaps(ctx):
    """Intersections and unions with their gradients, and the quotient, of boxes whose sides are all different.

    Sides of a are even and of b odd, so that no two sides coincide and every maximum has one gradient.
    They are at most 11, so that unions stay below 2**8, and so do gradients: sums of 8 pairs of at most 3 * 10 each.
    """
    torch = ctx.torch
    a = 2 * torch.clamp(corners(ctx, 8, "a"), max=4).double()
    a[:, 2:] = torch.max(a[:, 2:], a[:, :2] + 2)
    b = 2 * torch.clamp(corners(ctx, 7, "b"), max=4).double() + 1
    b[:, 2:] = torch.max(b[:, 2:], b[:, :2] + 2)

    def both(a, b):
        return parts(torch, a, b)

    inner, union = both(a, b)
    got = [ctx.tensor(v) for v in (a, b)]
    inner_got, union_got = both(*got)
    quotient = inner / union
    gradients = [movement.thin(ctx, (8, 7), 1, 4, "inner"), movement.thin(ctx, (8, 7), 1, 4, "union")]
    leaves, outputs = movement.traced(both, [a, b])
    pulled = movement.pulled_back(ctx, leaves, outputs, gradients)
    want = movement.Result([o.detach() for o in outputs], pulled, [], [])
    return ctx.all_of(
        movement.compare(ctx, both, got, "contiguous", gradients, want),
        ctx.interval(inner_got / union_got, quotient, quotient * judge.gamma(2, 2.0**-23), note="(quotient)"),
    )
