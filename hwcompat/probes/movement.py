"""Operations that move, select, or add up numbers: one way to run them on a device, forward and backward.

The operation is a function of tensors. It runs on operands of the dtype under test, arranged in memory as the case
says, and again on contiguous float64 operands on the CPU; outputs and gradients must agree bit by bit. Two kinds of
data: `integers` (small, so that every sum, weighted sum and mean that the operation makes is exact: `check` asserts it)
and `patterns` (every kind of number: NaN, infinities, both zeros, subnormal and huge ones), for what only moves bits.
"""

from collections import namedtuple

from . import judge, rounding

LAYOUTS = ("contiguous", "channels_last", "strided", "transposed", "shifted")
SCALES = {"contiguous": 0, "channels_last": -3, "strided": 4, "transposed": -6, "shifted": 2}
"""Operands are integers times two to this power, so that the layouts also differ in magnitude."""

Result = namedtuple("Result", "outputs gradients output_bounds gradient_bounds")
"""Expected tensors (float64); the bounds are empty where the expectation is exact."""


def arranged(ctx, tensor, layout):
    """The same values in other memory: see LAYOUTS; a layout that the shape does not have is the contiguous one."""
    torch = ctx.torch
    if layout == "channels_last" and tensor.dim() in (4, 5):
        order = torch.channels_last if tensor.dim() == 4 else torch.channels_last_3d
        return tensor.contiguous(memory_format=order)
    if tensor.dim() == 0 or layout in ("contiguous", "channels_last"):
        return tensor
    if layout == "strided":  # every second element of every row
        room = torch.zeros(tuple(tensor.shape) + (2,), dtype=tensor.dtype, device=tensor.device)
        return room[..., 1].copy_(tensor)
    if layout == "transposed":
        return tensor.transpose(0, -1).contiguous().transpose(0, -1)
    assert layout == "shifted", layout  # begins one element after an aligned address
    room = torch.zeros(tensor.numel() + 1, dtype=tensor.dtype, device=tensor.device)
    return room[1:].view(tensor.shape).copy_(tensor)


WIDE = 4093
"""Prime, of 12 bits: no multiple but 0 survives a detour over TF32 (11 bits) or a 16-bit format."""


def integers(ctx, shape, reach, *words):
    """float64 integers within +-reach; of float32 their multiples of WIDE, so that lost low bits would show."""
    return ctx.integers(shape, -reach, reach, *words).double() * (WIDE if ctx.precision == 24 else 1)


def narrow(ctx, shape, reach, *words):
    """float64 integers within +-reach in every format, where weights or long sums need the other bits."""
    return ctx.integers(shape, -reach, reach, *words).double()


def thin(ctx, shape, reach, one_in, *words):
    """As `integers`, but all except about one in `one_in` are zero: for long sums."""
    kept = ctx.integers(shape, 0, one_in - 1, "kept", *words) == 0
    return narrow(ctx, shape, reach, *words) * kept


def spaced(ctx, shape, every, *words):
    """-1 or 1 in every `every`-th row, else zero: sums over all rows are known to stay below rows / every + 1."""
    rows = (ctx.torch.arange(shape[0]) % every == 0).double()
    signs = 2 * ctx.integers(shape, 0, 1, "spaced", *words).double() - 1
    return signs * rows.reshape([-1] + [1] * (len(shape) - 1))


def permutations(ctx, rows, size, *words):
    """int64 rows x size: in each row the numbers 0 .. size-1 in an order of its own."""
    return ctx.uniform((rows, size), *words).argsort(1)


def distinct(ctx, shape, *words):
    """float64: distinct integers inside every window of at most 16 (3-D: 8) elements a side; half of them negative."""
    torch, spatial = ctx.torch, shape[2:]
    side = {1: 256, 2: 16, 3: 8}[len(spatial)]
    place = torch.zeros(spatial, dtype=torch.int64)
    for dim, size in enumerate(spatial):
        place = place * side + (torch.arange(size) % side).reshape([-1] + [1] * (len(spatial) - 1 - dim))
    planes = shape[0] * shape[1]
    values = permutations(ctx, min(planes, 97), side ** len(spatial), "places", *words)
    values = values - side ** len(spatial) // 2
    values = values[torch.arange(planes) % len(values)]
    return values[:, place.reshape(-1)].reshape(shape).double()


def patterns(ctx, shape, *words):
    """float64 values of random bit patterns of the dtype, see `pattern_codes`."""
    return rounding.decode(ctx.torch, pattern_codes(ctx, shape, *words), ctx.format)


def pattern_codes(ctx, shape, *words):
    """Random codes of the dtype; one in eight is a zero, an infinity, a NaN or an extreme."""
    torch, fmt = ctx.torch, ctx.format
    stream = ctx.integers(shape, 0, 2**42 - 1, "codes", *words)
    infinity, sign = rounding.infinity(fmt), 1 << (fmt.bits - 1)
    quiet = infinity | (1 << (fmt.precision - 2))
    special = torch.tensor(
        [0, sign, infinity, infinity | sign, quiet, 1, infinity - 1, sign | (1 << (fmt.precision - 1))]
    )
    rare = (stream >> 32) & 7 == 0
    return torch.where(rare, special[(stream >> 35) & 7], stream & ((1 << fmt.bits) - 1))


def check(ctx, function, values, layout="contiguous", reach=3, unit=1, word="", gradients=None, relative=0):
    """EXACT on integers: forward and backward of `function(*operands)`, whose outputs are a tensor or a tuple.

    `unit`: one over the finest fraction that sums are made of. Incoming gradients are integers within +-reach, or
    `gradients` (float64, one an output). Integer and boolean outputs are compared as they are. `relative` makes it an
    INTERVAL: floating-point results may be off by that share of the sum of absolute values they are made of.
    """
    scale = 2.0 ** SCALES[layout]
    values = [v * scale for v in values]
    leaves, outputs = traced(function, values)
    if gradients is None:
        gradients = [integers(ctx, o.shape, reach, "gradient", word, layout, n) for n, o in enumerate(outputs)]
    gradients = [g * scale for g in gradients]
    sums = traced(function, [v.abs() for v in values])[1]
    pulled_sums = pulled_back(ctx, leaves, outputs, [g.abs() for g in gradients])
    _require_exact(ctx, unit / scale, sums + tuple(pulled_sums))
    pulled = pulled_back(ctx, leaves, outputs, gradients)
    bounds = [[None if s is None else s.detach().abs() * relative for s in side] for side in (sums, pulled_sums)]
    want = Result([o.detach() for o in outputs], pulled, *(bounds if relative else ([], [])))
    return compare(ctx, function, [ctx.tensor(v) for v in values], layout, gradients, want)


def check_move(ctx, function, shapes, layout="contiguous", word="", backward=True):
    """EXACT for pure moves: operands and incoming gradients hold every kind of number; the sign of zero counts forward.

    Backward may only move as well (an output element comes from at most one operand element and goes to one).
    """
    codes = [pattern_codes(ctx, shape, word, layout, n) for n, shape in enumerate(shapes)]
    leaves, outputs = traced(function, [rounding.decode(ctx.torch, c, ctx.format) for c in codes])
    gradients, pulled = None, []
    if backward:
        gradients = [patterns(ctx, o.shape, "gradient", word, layout, n) for n, o in enumerate(outputs)]
        pulled = pulled_back(ctx, leaves, outputs, gradients)
    want = Result([o.detach() for o in outputs], pulled, [], [])
    return compare(ctx, function, [ctx.from_codes(c) for c in codes], layout, gradients, want, signed_zero=True)


def check_rows(ctx, function, pattern, rows, reach=3, unit=1, word=""):
    """As `check` on `rows` rows that repeat those of `pattern`; `function` must treat every row by itself.

    For row counts beyond 2**16 and 2**21, at the cost of a few passes over the bits.
    """
    leaves, outputs = traced(function, [pattern])
    gradients = [integers(ctx, o.shape, reach, "gradient", word, n) for n, o in enumerate(outputs)]
    _require_exact(ctx, unit, traced(function, [pattern.abs()])[1])
    _require_exact(ctx, unit, pulled_back(ctx, leaves, outputs, [g.abs() for g in gradients]))
    leaf = ctx.repeated(pattern, (rows,) + tuple(pattern.shape[1:])).requires_grad_()
    got = several(function(leaf))
    judged = [ctx.exact_repeated(g, o.detach(), note="in output %d" % n) for n, (g, o) in enumerate(zip(got, outputs))]
    judged += [judge.failed("%d rows in output %d" % (len(g), n), 0) for n, g in enumerate(got) if len(g) != rows]
    if any(j.status != "pass" for j in judged):
        return ctx.all_of(*judged)
    incoming = [ctx.repeated(g, (rows,) + tuple(g.shape[1:])) for g in gradients]
    gradient = pulled_back(ctx, [leaf], got, incoming)[0]
    want = pulled_back(ctx, leaves, outputs, gradients)[0]
    if gradient is None or len(gradient) != rows:
        return judge.failed("no gradient, or one of other size", 0)
    return ctx.all_of(ctx.exact_repeated(gradient, want, note="in the gradient"), *judged)


def traced(function, values):
    """float64 leaves and outputs with their autograd graph."""
    leaves = [v.clone().requires_grad_() for v in values]
    return leaves, several(function(*leaves))


def pulled_back(ctx, leaves, outputs, gradients):
    """The gradients of `leaves` (None where there is none) for `gradients` of the outputs; the graph is kept."""
    pairs = [(o, g) for o, g in zip(outputs, gradients) if o.requires_grad]
    if not pairs:
        return [None for _ in leaves]
    heads, incoming = zip(*pairs)
    return ctx.torch.autograd.grad(heads, leaves, incoming, retain_graph=True, allow_unused=True)


def compare(ctx, function, operands, layout, gradients, want, signed_zero=False):
    """Run `function` on the device and judge everything that comes out."""
    leaves = [arranged(ctx, operand, layout).detach().requires_grad_(gradients is not None) for operand in operands]
    outputs = several(function(*leaves))
    if [tuple(o.shape) for o in outputs] != [tuple(w.shape) for w in want.outputs]:
        shapes = [[tuple(t.shape) for t in side] for side in (outputs, want.outputs)]
        return judge.failed("shapes %s instead of %s" % tuple(shapes), 0)
    judged = [
        judged_output(ctx, got, expected, "in output %d" % n, signed_zero, _nth(want.output_bounds, n))
        for n, (got, expected) in enumerate(zip(outputs, want.outputs))
    ]
    if gradients is None or any(j.status != "pass" for j in judged):
        return ctx.all_of(*judged)
    incoming = [arranged(ctx, ctx.tensor(g), layout) for g in gradients]
    for n, (got, expected) in enumerate(zip(pulled_back(ctx, leaves, outputs, incoming), want.gradients)):
        note = "in the gradient of operand %d" % n
        if expected is not None and got is None:
            return judge.failed("no gradient %s" % note, expected.numel())
        if expected is not None:
            judged.append(judged_output(ctx, got, expected, note, False, _nth(want.gradient_bounds, n)))
    return ctx.all_of(*judged)


def _nth(bounds, n):
    return bounds[n] if bounds else None


def judged_output(ctx, got, expected, note, signed_zero=False, bound=None):
    """Integer and boolean tensors by value; floating-point ones by bits, or within `bound`."""
    if not expected.is_floating_point():
        return ctx.exact_integers(got, expected, note=note)
    if got.dtype != ctx.dtype or tuple(got.shape) != tuple(expected.shape):
        text = "%s %s instead of %s %s %s" % (got.dtype, tuple(got.shape), ctx.dtype, tuple(expected.shape), note)
        return judge.failed(text, got.numel())
    if bound is not None:
        return ctx.interval(got, expected, bound, note=note)
    return ctx.exact(got, expected, signed_zero, note=note)


def several(outputs):
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)


def _require_exact(ctx, unit, tensors):
    """Sums of absolute values, forward and backward, in multiples of the finest fraction, stay within 2**p.

    The operations checked select, or add with weights that are not negative, so absolute operands give those sums.
    """
    for tensor in tensors:
        if tensor is not None and tensor.is_floating_point() and tensor.numel():
            ctx.require_exact_sums(tensor.detach().abs() * unit)
