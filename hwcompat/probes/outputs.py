"""Judging several outputs of one operation: a missing gradient or a wrong type is a fault like a wrong bit."""

from . import judge


def exact(ctx, got, want, note=""):
    """EXACT, for an operator's output as it came: None, a wrong dtype or a wrong shape is a failure."""
    if got is None:
        return judge.failed("no gradient %s" % note, 0)
    if got.dtype != ctx.dtype:
        return judge.failed("%s instead of %s %s" % (got.dtype, ctx.dtype, note), 0)
    return ctx.exact(got, want, note=note)


def all_exact(ctx, named):
    """`exact` of every (note, got, want)."""
    return ctx.all_of(*[exact(ctx, got, want, note) for note, got, want in named])


def misshapen(ctx, got, shape, note=""):
    """A failure if `got` has not this shape and the dtype under test, so that no backward pass can start; else None."""
    if got.dtype == ctx.dtype and tuple(got.shape) == tuple(shape):
        return None
    found = (got.dtype, tuple(got.shape), ctx.dtype, tuple(shape), note)
    return judge.failed("%s %s instead of %s %s %s" % found, 0)
