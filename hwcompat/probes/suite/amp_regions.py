"""Autocast regions: weights that change between them, casts shared inside one, nesting, checkpoints, custom functions.

Hunts: a cached cast of a weight that is stale after the optimizer's step, a weight used twice that receives one of its
two gradients, weights cached under no_grad that learn nothing afterwards
(https://github.com/pytorch/pytorch/issues/65766), gradients left in the low dtype, a region that stays switched on or
off behind its end, checkpoints recomputed in the other precision, custom_fwd that does not cast.
Rule: EXACT. Integers -1, 0, 1 in products over at most 33 terms and gradients of at most 2 * 33 * 33 / 2**4 units: all
sums of absolute values stay within 2**p (asserted from float64), any order gives the same bits. Which cast a region
takes for a weight changed in place inside it is not judged: the documentation leaves that to the cache.
"""

import importlib
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

_ROWS, _WIDTH = 7, 33


def cases(ctx):
    for cached in (True, False):
        word = "cache" if cached else "no cache"
        yield "weight changed between two regions, %s" % word, partial(changed, ctx, cached)
        yield "weight used twice in one region, %s" % word, partial(used_twice, ctx, cached)
    yield "evaluation without gradients, then training, in one region", partial(after_no_grad, ctx)
    yield "regions in regions", partial(nested, ctx)
    for reentrant in (True, False):
        yield "checkpoint, %s" % ("reentrant" if reentrant else "not reentrant"), partial(checkpointed, ctx, reentrant)
    yield "custom_fwd and custom_bwd", partial(custom, ctx)
    yield "16-bit input, float32 weight", partial(low_input, ctx)


def _operands(ctx, *words):
    """float64 (x, w, gradient): ternary; the gradient thinned to an eighth."""
    x = ctx.integers((_ROWS, _WIDTH), -1, 1, "x", *words).double()
    w = ctx.integers((_WIDTH, _WIDTH), -1, 1, "w", *words) * (ctx.integers((_WIDTH, _WIDTH), 0, 3, *words) == 0)
    g = ctx.integers((_ROWS, _WIDTH), -1, 1, "g", *words) * (ctx.integers((_ROWS, _WIDTH), 0, 7, "thin", *words) == 0)
    return x, w.double(), g.double()


def _leaf(ctx, values):
    return ctx.tensor(values, grad=True, dtype_name="float32")


def _region(ctx, cached=True):
    """mixed.autocast with or without its weight cache."""
    if cached:
        return mixed.autocast(ctx)
    mixed.autocast(ctx)  # refuses where the release does not support it
    return ctx.torch.autocast(device_type=ctx.kind, dtype=ctx.dtype, cache_enabled=False)


def _chain(ctx, x, w):
    """((x w) w): the weight twice; relu in between keeps the sums small."""
    return ctx.torch.mm(ctx.torch.mm(x, w).clamp(-2, 2), w)


def _chain_gradients(ctx, x, w, g):
    """float64 (output, dx, dw); asserts that no sum of absolute values leaves the exact range."""
    torch = ctx.torch
    leaves, sizes = [x.clone().requires_grad_(), w.clone().requires_grad_()], [x.abs(), w.abs().requires_grad_()]
    y = _chain(ctx, *leaves)
    y.backward(g)
    bound = torch.mm(torch.mm(sizes[0], sizes[1]).clamp(max=_WIDTH), sizes[1])
    ctx.require(float(bound.detach().max()) <= 2**ctx.precision, "sum of absolute products <= 2**p")
    through = torch.mm(g.abs(), w.abs().t())
    total = torch.mm(x.abs().t(), through) + torch.mm(torch.mm(x.abs(), w.abs()).t(), g.abs())
    ctx.require(float(total.max()) <= 2**ctx.precision, "gradients <= 2**p")
    return y.detach(), leaves[0].grad, leaves[1].grad


def _low(ctx, tensor, values, note):
    if tensor.dtype != ctx.dtype:
        return judge.failed("%s instead of %s %s" % (tensor.dtype, ctx.dtype, note), tensor.numel())
    return ctx.exact(tensor, values, note=note)


def _wide(ctx, tensor, values, note):
    if tensor is None or str(tensor.dtype) != "torch.float32":
        return judge.failed("%s instead of float32 %s" % (getattr(tensor, "dtype", None), note), values.numel())
    return ctx.exact(tensor, values, note=note)


def changed(ctx, cached):
    """Three steps of SGD by hand: each region must see the weight of its own time."""
    x, w, g = _operands(ctx, "changed")
    held, judged = _leaf(ctx, w), []
    for step in range(3):
        with _region(ctx, cached):
            y = ctx.torch.mm(ctx.tensor(x, dtype_name="float32"), held)
        judged.append(_low(ctx, y, ctx.torch.mm(x, w), "in step %d" % step))
        held.grad = None
        y.backward(ctx.tensor(g))
        dw = ctx.torch.mm(x.t(), g)
        judged.append(_wide(ctx, held.grad, dw, "in the gradient of step %d" % step))
        with ctx.torch.no_grad():
            held.sub_(held.grad)
        w = w - dw
        ctx.require(float(ctx.torch.mm(x.abs(), w.abs()).max()) <= 2**ctx.precision, "sum of absolute products <= 2**p")
    return ctx.all_of(*judged)


def used_twice(ctx, cached):
    x, w, g = _operands(ctx, "twice")
    leaves = _leaf(ctx, x), _leaf(ctx, w)
    with _region(ctx, cached):
        y = _chain(ctx, *leaves)
    y.backward(ctx.tensor(g))
    output, dx, dw = _chain_gradients(ctx, x, w, g)
    return ctx.all_of(
        _low(ctx, y, output, "in the output"),
        _wide(ctx, leaves[0].grad, dx, "in the gradient of x"),
        _wide(ctx, leaves[1].grad, dw, "in the gradient of w"),
    )


def after_no_grad(ctx):
    """Some releases reuse the cast made under no_grad, and the weight learns nothing: a feature with a workaround."""
    x, w, g = _operands(ctx, "no grad")
    held, given = _leaf(ctx, w), ctx.tensor(x, dtype_name="float32")
    with _region(ctx):
        with ctx.torch.no_grad():
            first = ctx.torch.mm(given, held)
        second = ctx.torch.mm(given, held)
    values = ctx.all_of(*[_low(ctx, y, ctx.torch.mm(x, w), "in an output") for y in (first, second)])
    if values.status == "pass" and not second.requires_grad:
        return judge.feature(
            "weights cast under no_grad get no gradient later in a region", {"no_grad_casts_kept": True}
        )
    second.backward(ctx.tensor(g))
    return ctx.all_of(values, _wide(ctx, held.grad, ctx.torch.mm(x.t(), g), "in the gradient"))


def nested(ctx):
    """On, off, on again, and off behind the end; each product in its dtype, all with the same numbers."""
    torch = ctx.torch
    x, w, _ = _operands(ctx, "nested")
    a, b, want = ctx.tensor(x, dtype_name="float32"), ctx.tensor(w, dtype_name="float32"), torch.mm(x, w)
    judged = []
    with _region(ctx):
        judged.append(_low(ctx, torch.mm(a, b), want, "inside"))
        with torch.autocast(device_type=ctx.kind, enabled=False):
            judged.append(_wide(ctx, torch.mm(a, b), want, "where it is off"))
            with _region(ctx):
                judged.append(_low(ctx, torch.mm(a, b), want, "where it is on again"))
        judged.append(_low(ctx, torch.mm(a, b), want, "behind the inner end"))
    judged.append(_wide(ctx, torch.mm(a, b), want, "behind the end"))
    return ctx.all_of(*judged)


def checkpointed(ctx, reentrant):
    """Backward, outside the region, recomputes under autocast: dtypes and gradients as without a checkpoint."""
    checkpoint = importlib.import_module("torch.utils.checkpoint").checkpoint
    x, w, g = _operands(ctx, "checkpoint")
    leaves, seen = (_leaf(ctx, x), _leaf(ctx, w)), []

    def block(a, b):
        seen.append(ctx.torch.mm(a, b).dtype)  # first: recomputing stops once all that backward needs is there
        return _chain(ctx, a, b)

    with _region(ctx):
        y = checkpoint(block, *leaves, use_reentrant=reentrant)
    y.backward(ctx.tensor(g))
    if seen != [ctx.dtype] * 2:
        return judge.failed("computed in %s instead of twice in %s" % (seen, ctx.dtype), 0)
    output, dx, dw = _chain_gradients(ctx, x, w, g)
    return ctx.all_of(
        _low(ctx, y, output, "in the output"),
        _wide(ctx, leaves[0].grad, dx, "in the gradient of x"),
        _wide(ctx, leaves[1].grad, dw, "in the gradient of w"),
    )


def custom(ctx):
    """A Function that asks for float32 gets it, forward and backward; one that asks for nothing, the region's dtype."""
    torch = ctx.torch
    x, w, g = _operands(ctx, "custom")
    judged = []
    for wide in (True, False):
        function, seen = _product(ctx, wide)
        leaves = _leaf(ctx, x), _leaf(ctx, w)
        with _region(ctx):
            y = function.apply(*leaves)
        y.backward(g.to(device=ctx.device, dtype=y.dtype))
        wanted = "torch.float32" if wide else str(ctx.dtype)
        if [str(d) for d in seen] != [wanted] * 2:
            return judge.failed("computed in %s instead of %s" % (seen, wanted), 0)
        judged += [
            (_wide if wide else _low)(ctx, y, torch.mm(x, w), "in the output"),
            _wide(ctx, leaves[0].grad, torch.mm(g, w.t()), "in the gradient of x"),
            _wide(ctx, leaves[1].grad, torch.mm(x.t(), g), "in the gradient of w"),
        ]
    return ctx.all_of(*judged)


def _product(ctx, wide):
    """(an autograd.Function of two matrices, the list of dtypes it saw); `wide` asks custom_fwd for float32."""
    torch, seen = ctx.torch, []
    tools, options = torch.amp, {"device_type": ctx.kind}
    if not hasattr(tools, "custom_fwd"):  # before torch 2.4, for CUDA alone
        if ctx.kind != "cuda":
            raise RuntimeError("custom_fwd is not available for %s in this release" % ctx.kind)
        tools, options = torch.cuda.amp, {}
    casts = dict(options, cast_inputs=torch.float32) if wide else options

    def forward(state, a, b):
        state.save_for_backward(a, b)
        y = torch.mm(a, b)
        seen.append(y.dtype)
        return y

    def backward(state, dy):
        a, b = state.saved_tensors
        da, db = torch.mm(dy, b.t()), torch.mm(a.t(), dy)
        seen.append(da.dtype)
        return da.to(a.dtype), db.to(b.dtype)

    methods = {
        "forward": staticmethod(tools.custom_fwd(**casts)(forward) if casts else tools.custom_fwd(forward)),
        "backward": staticmethod(tools.custom_bwd(**options)(backward) if options else tools.custom_bwd(backward)),
    }
    return type("Product", (torch.autograd.Function,), methods), seen


def low_input(ctx):
    """An input that is 16 bits already keeps its dtype, and so does its gradient; the weight's gradient is float32."""
    x, w, g = _operands(ctx, "low input")
    given, held = ctx.tensor(x, grad=True), _leaf(ctx, w)
    with _region(ctx):
        y = ctx.torch.nn.functional.linear(given, held)
    y.backward(ctx.tensor(g))
    return ctx.all_of(
        _low(ctx, y, ctx.torch.mm(x, w.t()), "in the output"),
        _low(ctx, given.grad, ctx.torch.mm(g, w), "in the gradient of x"),
        _wide(ctx, held.grad, ctx.torch.mm(g.t(), x), "in the gradient of w"),
    )
