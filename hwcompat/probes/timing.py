"""Times variants side by side, so that drift, heat and a busy machine hit all of them alike.

A speed probe measures ratios more than speeds, so the ratio is taken inside a round: each round runs every variant
once, the order is turned round after every round (a linear drift then cancels), and a round gives one ratio. What is
reported is the median of the rounds with its quartiles; nothing is averaged away.
"""

import contextlib
import gc
import math
from time import perf_counter

from . import crowding, execute, judge

SHORTEST_SAMPLE = {"cuda": 1e-3, "cpu": 1e-3}
"""Seconds a sample lasts at least. perf_counter and CUDA events resolve 1 us or better, 0.1 % of this."""

SHORTEST_ELSEWHERE = 1e-2
"""Where a sample ends in a host synchronisation (MPS, XPU): that costs about 0.1 ms, 1 % of this."""

LONGEST_KERNEL = 0.2
"""Seconds one timed call may take: Windows resets a display device whose kernel holds it for 2 s, and the same kernel
may run ten times slower on a throttled card.
https://learn.microsoft.com/windows-hardware/drivers/display/timeout-detection-and-recovery"""

ROUNDS = 15
"""Rounds at least. For a true ratio of exactly 1 the upper quartile of n rounds falls below 1 when about 3/4 n of them
do; for n = 15 (quartile between the 11th and 12th) that is P(Binomial(15, 1/2) >= 12) = 1.8 % to P(>= 11) = 5.9 %; for
n = 5 it would be 19 %."""

FEWEST_ROUNDS = 3
"""What a variant too slow for ROUNDS still gets: the fewest that have quartiles."""

MOST_ROUNDS = 61
GROWTH = 1.1
"""A larger shape must raise the rate by more than this, else the device is the limit already."""

NOISY = 0.3
"""Quartile spread over the median from which a measurement is noted as noisy (another program, heat, power limits)."""


class Samples(list):  # type: ignore[type-arg]  # list[float] as a base needs Python 3.9
    """Seconds a call, one a round; `note` is "busy" where another program had the processor meanwhile."""

    note = ""


# --- taking samples ---------------------------------------------------------------------------------------------------


def interleaved(ctx, variants, target_seconds=0.5, max_seconds=2.0):
    """Time every callable of `variants` (name -> callable) in rounds.

    Returns {name: [seconds a call, one a round]}; the lists are equally long and index i is the same round in all, so
    that ratios can be paired. On a CPU the lists note "busy" where threads had to wait for the processor. Runs at
    least ROUNDS rounds and `target_seconds`, unless `max_seconds` is reached first (never fewer than FEWEST_ROUNDS).
    """
    counts = {name: calls_per_sample(ctx, call) for name, call in variants.items()}
    samples = {name: Samples() for name in variants}
    started, processor = perf_counter(), crowding.start()
    with _no_collection():
        while not _enough(len(next(iter(samples.values()))), perf_counter() - started, target_seconds, max_seconds):
            _round(ctx, variants, counts, samples)
    if ctx.kind == "cpu" and crowding.crowded_since(processor):
        for values in samples.values():
            values.note = "busy"
    return samples


def _round(ctx, variants, counts, samples):
    """One sample of each variant; every second round in the opposite order."""
    names = list(variants)
    backwards = len(samples[names[0]]) % 2
    for name in reversed(names) if backwards else names:
        samples[name].append(sample(ctx, variants[name], counts[name]))


def _enough(rounds, elapsed, target_seconds, max_seconds):
    if rounds < FEWEST_ROUNDS:
        return False
    if rounds >= MOST_ROUNDS or elapsed * (rounds + 1) / rounds > max_seconds:
        return True
    return rounds >= ROUNDS and elapsed >= target_seconds


def calls_per_sample(ctx, call):
    """Warm `call` up and say how often it must be repeated for a sample of SHORTEST_SAMPLE."""
    shortest = SHORTEST_SAMPLE.get(ctx.kind, SHORTEST_ELSEWHERE)
    call()  # the first call pays for kernel selection, compilation and allocation
    count = 1
    while True:
        seconds = sample(ctx, call, count) * count
        if seconds >= shortest or count >= 1 << 16:
            return count
        # Twice at least, ten times at most: the first samples may still be slow from warming up.
        count *= min(10, max(2, math.ceil(shortest / max(seconds, 1e-9))))


def sample(ctx, call, count):
    """Seconds a call, averaged over `count` calls issued without a pause."""
    if ctx.kind == "cuda":
        return _by_events(ctx, call, count)
    ctx.synchronize()
    started = perf_counter()
    for _ in range(count):
        call()
    ctx.synchronize()
    return (perf_counter() - started) / count


def _by_events(ctx, call, count):
    cuda = ctx.torch.cuda
    with cuda.device(ctx.device):
        start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
        start.record()
        for _ in range(count):
            call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e-3 / count


@contextlib.contextmanager
def _no_collection():
    """Python's cyclic collector off: a collection inside a sample is not the device's time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# --- finding the shape at which the device is the limit ---------------------------------------------------------------


def saturate(ctx, sizes, make, work, nbytes, ceiling=LONGEST_KERNEL):
    """Grow the shape until the device, not the launching of work, is the limit.

    `make(size)` gives {name: callable}, `work(size)` an amount proportional to the arithmetic, `nbytes(size)` what it
    allocates. Returns (size, why): the first of the ascending `sizes` from which no variant gains more than GROWTH in
    rate ("saturated"), or the last that memory, `ceiling` seconds a call, or the list allow ("memory", "time",
    "largest").
    """
    rates, previous, why = {}, None, "largest"
    for size in sizes:
        if previous is not None and not ctx.fits(nbytes(size)):
            return previous, "memory"
        seconds = {name: _quickest(ctx, call) for name, call in make(size).items()}
        now = {name: work(size) / value for name, value in seconds.items()}
        if previous is not None and all(now[name] <= GROWTH * rates[name] for name in now):
            return size, "saturated"
        rates, previous, slowest = now, size, max(seconds.values())
        larger = [other for other in sizes if other > size]
        if larger and slowest * work(larger[0]) / work(size) > ceiling:
            return size, "time"
    return previous, why


def _quickest(ctx, call):
    """The least of three samples: what else runs can only add to it."""
    count = calls_per_sample(ctx, call)
    return min(sample(ctx, call, count) for _ in range(3))


# --- saying what came of it -------------------------------------------------------------------------------------------


def quartiles(values):
    """(lower quartile, median, upper quartile), interpolated between neighbours of the sorted values."""
    ordered = sorted(values)

    def at(share):
        place = share * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (place - below)

    return at(0.25), at(0.5), at(0.75)


def measurement(values, unit, note=""):
    """The report's form of repeated values of one quantity: median, quartiles, count, and a note."""
    low, middle, high = quartiles(values)
    noisy = "noisy" if high - low > NOISY * abs(middle) else ""
    return {
        "value": _significant(middle),
        "unit": unit,
        "low": _significant(low),
        "high": _significant(high),
        "count": len(values),
        "note": _join(noisy, note),
    }


def _join(*notes):
    return "; ".join(note for note in notes if note)


def rate(seconds, amount, unit, note=""):
    """`amount` (already in the unit) over each of `seconds`, as a measurement."""
    return measurement([amount / value for value in seconds], unit, _join(getattr(seconds, "note", ""), note))


def ratio(numerator, denominator, note=""):
    """Pairwise seconds over seconds of the same rounds, as a measurement without unit."""
    busy = getattr(numerator, "note", "") or getattr(denominator, "note", "")
    return measurement([a / b for a, b in zip(numerator, denominator)], "x", _join(busy, note))


def _significant(value):
    """Five significant digits: the spread of any timing is far wider."""
    return float("%.5g" % value)


def measured(data):
    """The Judgement of a speed probe: it states figures and never fails; what they mean is decided elsewhere."""
    return judge.passed(0, data=data)


def why_not(ctx, call):
    """None if `call` runs on the device, else the reason (one line) it is not supported; other errors are raised."""
    try:
        call()
        ctx.synchronize()
        return None
    except Exception as error:
        # MPS refuses a dtype with a TypeError that says so; any other exception is not about support.
        refused = isinstance(error, TypeError) and "support" in str(error)
        if not refused and execute.classify(error) != "unsupported":
            raise
        return " ".join(str(error).split())[:200]


def left_out(reason):
    """The Judgement of a variant that this device or this torch does not have."""
    return judge.skipped(reason)
