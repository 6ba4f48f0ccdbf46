"""Matrix products in every form: integer operands, one forward and one backward pass, every result exact.

Exactness. Operands, addends and the output's gradient are integers, drawn so small or thinned so far that the sum of
absolute products of every element of the output and of every gradient is at most 2**p, p the significand bits of the
dtype: every partial sum, in any order, split over any number of blocks and in an accumulator as narrow as the output,
is an integer of at most p bits and so exact. The sums are those of the same expression on absolute values, computed in
float64 and asserted. A second pass into the same gradients doubles them, which is exact.
"""

from . import outputs

_STEPS = ((15, 1.0), (7, 1.0), (3, 1.0), (2, 1.0), (1, 1.0), (1, 0.5), (1, 0.2), (1, 0.08), (1, 0.03), (1, 0.01))
"""(largest entry, share that is not set to zero), tried in turn until the sums fit."""


class Form:
    """An expression `function(torch, *operands, **scalars)` of operands of these `shapes`.

    With `halves` the scalars may be powers of two below 1. `spare`: operands (by number) that need no gradient.
    """

    def __init__(self, label, shapes, function, scalars=None, spare=()):
        self.label, self.shapes, self.function, self.spare = label, shapes, function, spare
        self.scalars = scalars or {}


def check(ctx, form, views=("whole",), twice=False):
    """The form on the device, its operands lying in memory as `views` say in turn, against float64."""
    values, gradient, want = operands(ctx, form)
    judged = [_judged(ctx, form, values, gradient, want, view, twice) for view in views]
    return ctx.all_of(*judged)


def operands(ctx, form):
    """(int64 operands, int64 gradient of the output, [output, gradients] in float64), the precondition asserted."""
    torch = ctx.torch
    limit = 2.0**ctx.precision
    size = None
    for largest, share in _STEPS:
        values = [_drawn(ctx, shape, largest, share, form.label, n) for n, shape in enumerate(form.shapes)]
        if size is None:
            size = tuple(form.function(torch, *[v.double() for v in values], **form.scalars).shape)
        gradient = _drawn(ctx, size, largest, share, form.label, "gradient")
        scalars = {k: abs(v) for k, v in form.scalars.items()}
        sums = run(torch, form, [v.double().abs() for v in values], gradient.double().abs(), scalars)
        if max([float(part.max()) for part in sums if part is not None and part.numel()] + [0.0]) <= limit:
            break
    for part in sums:
        if part is not None and part.numel():
            ctx.require_exact_sums(part)
    return values, gradient, run(torch, form, [v.double() for v in values], gradient.double(), form.scalars)


def _drawn(ctx, shape, largest, share, *words):
    values = ctx.integers(shape, -largest, largest, *words)
    if values.numel() == 1:
        return values + (values == 0).to(values.dtype)  # a zero would hide all that it multiplies
    if share == 1.0:
        return values
    return values * (ctx.uniform(shape, "thin", *words) < share).to(values.dtype)


def run(torch, form, leaves, gradient, scalars):
    """[output, gradient of each operand or None]."""
    leaves = [leaf.requires_grad_(n not in form.spare) for n, leaf in enumerate(leaves)]
    out = form.function(torch, *leaves, **scalars)
    if tuple(out.shape) == tuple(gradient.shape) and out.dtype == gradient.dtype and out.requires_grad:
        out.backward(gradient)
    return [out.detach()] + [leaf.grad for leaf in leaves]


def _judged(ctx, form, values, gradient, want, view, twice):
    leaves = [placed(ctx, value, view) for value in values]
    for factor in (1, 2) if twice else (1,):
        got = run(ctx.torch, form, leaves, placed(ctx, gradient, view), form.scalars)
        named = [("(output, %s)" % view, got[0], want[0])]
        named += [
            ("(gradient of operand %d, %s)" % (n, view), g, factor * w)
            for n, (g, w) in enumerate(zip(got[1:], want[1:]))
            if w is not None
        ]
        judgement = outputs.all_exact(ctx, named)
        if judgement.status != "pass":
            return judgement
    return judgement


def placed(ctx, values, view):
    """int64 `values` on the device as `view` says: whole, transposed, strided (every second element of a larger
    tensor) or offset (from the second element of one)."""
    torch = ctx.torch
    if view == "transposed" and values.dim() > 1:
        return ctx.tensor(values.transpose(-1, -2).contiguous()).transpose(-1, -2)
    if view == "strided" and values.dim():
        wide = torch.ones(values.shape + (2,), dtype=torch.int64)
        wide[..., 0] = values
        return ctx.tensor(wide)[..., 0]
    if view == "offset" and values.dim():
        wide = torch.ones(values.shape[:-1] + (values.shape[-1] + 1,), dtype=torch.int64)
        wide[..., 1:] = values
        return ctx.tensor(wide)[..., 1:]
    return ctx.tensor(values)
