"""Exact matrix products and convolutions, again and again under full load, for as long as the user asks.

Hunts: faults that need heat, current or time: overclocked or undervolted cards, weak power supplies, ageing memory
(some of the cards behind https://github.com/pytorch/pytorch/issues/52019 fail only after a while). Test programs that
compare a result with the first one miss a card that is always wrong, and one that counts a difference as `> 0.001`
misses NaN (https://github.com/wilicc/gpu-burn): here the first result is checked against the truth on the host.
Rule: EXACT. Integer operands whose sums of absolute products stay within 2**p (see matmul_integer.py, convolution.py),
so that one bit pattern is right. The first outputs are checked in full on the host. Later ones are compared with them
bit by bit, as integers: on the device, to keep it loaded, and every 50th on the host, since a device that is wrong may
compare wrongly too. What a fault of rate r an hour costs: it is seen within t hours with probability 1 - exp(-r t).
"""

from functools import partial
from time import monotonic

from .. import convolution, judge, rounding
from ..convolution import Geometry

GROUP = "burn"
LEVEL = "full"
RULE = "EXACT"
DTYPES = ("float32", "float16", "bfloat16")
CORE = True
SECONDS = 25.0
VERSION = 1

_OPERANDS = {11: (2, 512), 8: (1, 256), 24: (15, 512)}  # largest |operand|, K for each precision: K * a**2 <= 2**p
_SIZE = {"cpu": 512, "accelerator": 4096}
_ROW_PERIOD, _COLUMN_PERIOD = 251, 241
_GEOMETRY = {
    "cpu": Geometry("3x3 16-16", 2, 16, 16, 16, 16, 3, 1, 1),
    "accelerator": Geometry("3x3 128-128 load", 8, 128, 56, 56, 128, 3, 1, 1),
}
_HOST_EVERY = 50
_TELL_SECONDS = 1.0


def cases(ctx):
    kind = "accelerator" if ctx.large else "cpu"
    half = ctx.load_seconds / 2
    yield "matrix products for %.0f s" % half, partial(load, ctx, partial(products, ctx, _SIZE[kind]), half, 0.0)
    geometry = _GEOMETRY[kind]
    label = "convolutions %s, forward and backward, for %.0f s" % (geometry.name, half)
    yield label, partial(load, ctx, partial(convolutions, ctx, geometry), half, 0.5)


def load(ctx, prepare, seconds, share_before):
    """Verify what `prepare()` gives once, then repeat it until the time is over."""
    first, repeat, judgement = prepare()
    if judgement.status != "pass":
        return judgement
    golden = [bits(ctx, tensor) for tensor in first]
    started = told = monotonic()
    count = 0
    while monotonic() - started < seconds:
        count += 1
        wrong = differing(ctx, golden, [bits(ctx, tensor) for tensor in repeat()], on_host=count % _HOST_EVERY == 0)
        if wrong:
            after = monotonic() - started
            return judge.failed("repetition %d, after %.1f s: %s" % (count, after, wrong), judgement.checked * count)
        if monotonic() - told >= _TELL_SECONDS:
            told = monotonic()
            done = share_before + 0.5 * min(1.0, (told - started) / seconds)  # the last repetition may end late
            ctx.progress(done, (1 - done) * 2 * seconds)
    return judge.passed(judgement.checked * (count + 1), data={"repetitions": count})


def bits(ctx, tensor):
    """The tensor's bits as integers, on its device."""
    return rounding.bits_of(ctx.torch, tensor, ctx.format)


def differing(ctx, golden, outputs, on_host):
    """What differs, in words; empty if nothing does."""
    for place, (want, have) in enumerate(zip(golden, outputs)):
        if on_host:
            want, have = ctx.host(want), ctx.host(have)
        if not ctx.torch.equal(want, have):
            wrong = int((ctx.host(want) != ctx.host(have)).sum())
            where = "of output %d differ from the verified first result" % place
            return "%d of %d elements %s" % (wrong, want.numel(), where if wrong else where + " on the device alone")
    return ""


def products(ctx, size):
    """(first outputs, how to repeat them, the first outputs' judgement)."""
    largest, depth = _OPERANDS[ctx.precision]
    ctx.require(depth * largest**2 <= 2**ctx.precision, "K * a**2 <= 2**p")
    a = ctx.integers((_ROW_PERIOD, depth), -largest, largest, "a")
    b = ctx.integers((depth, _COLUMN_PERIOD), -largest, largest, "b")
    left, right = ctx.repeated(a, (size, depth)), ctx.repeated(b, (depth, size))

    def repeat():
        return [ctx.torch.mm(left, right)]

    first = repeat()
    return first, repeat, ctx.exact_repeated(first[0], ctx.torch.mm(a.double(), b.double()))


def convolutions(ctx, geometry):
    """As `products`: output, gradient of the input and of the weights, verified by checksums over channels."""
    joint = convolution.joint_operands(ctx, geometry)
    x, w = (ctx.tensor(value, grad=True) for value in joint["forward"][:2])
    dy = ctx.tensor(joint["dgrad"].first)
    zero = joint["forward"]._replace(bias=ctx.torch.zeros_like(joint["forward"].bias))

    def repeat():
        y = ctx.torch.nn.functional.conv2d(x, w, None, geometry.stride, geometry.padding)
        return [y, *ctx.torch.autograd.grad(y, [x, w], dy)]

    first = repeat()
    judged = [
        convolution.checksum(ctx, geometry, direction, operands, [output])
        for direction, operands, output in zip(
            ("forward", "dgrad", "wgrad"), (zero, joint["dgrad"], joint["wgrad"]), first
        )
    ]
    return first, repeat, ctx.all_of(*judged)
