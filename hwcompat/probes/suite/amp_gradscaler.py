"""GradScaler's state machine: it must see every infinity and NaN, skip those steps, and grow and back off by the rules.

Hunts: non-finite gradients that are missed (among them the tail after the last full vector of a kernel), a scaler that
sees infinities everywhere and drives the scale to zero so that nothing is trained (a loss scale of 0 in the log:
https://github.com/NVIDIA/apex/issues/715), wrong unscaling, lost or wrong optimizer steps.
Rule: EXACT. Gradients are multiples of 2**-16 below 8 times the scale, a power of two; the learning rate is 1/2;
parameters start as integers of at most 8. After 11 finite steps every parameter is a multiple of 2**-17 below 2**6
(8 and 11 times 4), hence exact in float32. The expected scales come from a mirror of the documented rules (growth 2
after 2 finite steps in a row, back-off 1/2), in Python integers.
Three parameters (3, 1023 and 17x5 elements) receive inf, -inf and NaN at their first, middle and last place.
"""

from functools import partial

from .. import mixed

GROUP = "training"
LEVEL = "quick"
RULE = "EXACT"
DTYPES = ("float16",)
CORE = True
FEEDS = "amp"
SECONDS = 0.5
VERSION = 2

_SHAPES = ((3,), (1023,), (17, 5))
_KINDS = (float("inf"), float("-inf"), float("nan"))
_PLACES = ("first", "middle", "last")
_EXPONENT = 16  # of the first scale, GradScaler's own default
_GRAIN = 2.0**-16  # gradients of up to 19 bits: a result kept with fewer shows


def cases(ctx):
    for explicit in (False, True):
        yield "state machine%s" % (", unscale_ called" if explicit else ""), partial(machine, ctx, explicit)


def steps():
    """None for a finite step, else (parameter, place, value): two finite ones, then each place followed by 0 to 2."""
    yield from (None, None)
    for number in range(9):
        parameter, place = divmod(number, 3)
        yield parameter, _PLACES[place], _KINDS[(parameter + place) % 3]
        yield from (None,) * (number % 3)


def machine(ctx, explicit):
    scaler = mixed.grad_scaler(ctx, init_scale=2.0**_EXPONENT, growth_factor=2.0, backoff_factor=0.5, growth_interval=2)
    values = [ctx.integers(shape, -8, 8, "parameter", n).double() for n, shape in enumerate(_SHAPES)]
    parameters = [ctx.tensor(v, grad=True, dtype_name="float32") for v in values]
    optimizer = mixed.sgd(ctx, parameters, lr=0.5)
    exponent, finite_in_a_row = _EXPONENT, 0
    judged = []
    for number, bad in enumerate(steps()):
        note = "in step %d (%s)" % (
            number,
            "finite" if bad is None else "%s at the %s place of parameter %d" % (bad[2], bad[1], bad[0]),
        )
        judged.append(_scaled(ctx, scaler, exponent, note))
        gradients = _set_gradients(ctx, parameters, exponent, bad, number)
        if explicit:
            scaler.unscale_(optimizer)
            if bad is None:
                judged += [ctx.exact(p.grad, g, note=note + ", gradients") for p, g in zip(parameters, gradients)]
        scaler.step(optimizer)
        scaler.update()
        if bad is None:
            values = [v - 0.5 * g for v, g in zip(values, gradients)]
            ctx.require(all(float(v.abs().max()) < 64 for v in values), "parameters have at most 23 bits")
        exponent, finite_in_a_row = _next(exponent, finite_in_a_row, bad is None)
        judged += [ctx.exact(p, v, note=note + ", parameters") for p, v in zip(parameters, values)]
    judged.append(_scaled(ctx, scaler, exponent, "at the end"))
    return ctx.all_of(*judged)


def _next(exponent, finite_in_a_row, finite):
    """The documented rule: halve after a non-finite step, double after the second finite one in a row."""
    if not finite:
        return exponent - 1, 0
    return (exponent + 1, 0) if finite_in_a_row == 1 else (exponent, finite_in_a_row + 1)


def _scaled(ctx, scaler, exponent, note):
    """The scale, as it multiplies a loss."""
    ones = ctx.torch.ones(3, dtype=ctx.torch.float64)
    return ctx.exact(scaler.scale(ctx.tensor(ones, dtype_name="float32")), ones * 2.0**exponent, note="scale " + note)


def _set_gradients(ctx, parameters, exponent, bad, number):
    """Scaled gradients on the parameters; returns the unscaled float64 ones."""
    gradients = []
    for n, shape in enumerate(_SHAPES):
        signs = 2 * ctx.integers(shape, 0, 1, "sign", n, number) - 1
        gradients.append(signs * ctx.integers(shape, 1, 2**19 - 1, "size", n, number) * _GRAIN)
        scaled = gradients[n] * 2.0**exponent
        if bad is not None and bad[0] == n:
            flat = scaled.view(-1)
            flat[{"first": 0, "middle": flat.numel() // 2, "last": flat.numel() - 1}[bad[1]]] = bad[2]
        parameters[n].grad = ctx.tensor(scaled, dtype_name="float32")
    return gradients
