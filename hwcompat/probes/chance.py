"""Bounds for what random numbers may come to: each fails a healthy device with a probability below 1e-15.

log(2e15) = 35.3 stands for that probability, two-sided, in every bound:
  a mean of n independent numbers within an interval of width w: Hoeffding, t = w sqrt(35.3 / (2 n));
  a sum over n independent numbers of which each changes the sum by at most c: McDiarmid, t = c sqrt(35.3 n / 2);
  n normal numbers: the mean within sqrt(2 * 35.3 / n) of 0, the mean square within 2 sqrt(35.3 / n) + 2 * 35.3 / n of 1
  (Laurent and Massart, Adaptive estimation of a quadratic functional, Annals of Statistics 28, 2000, Lemma 1).
"""

import math

from . import judge

LOG = math.log(2e15)


def hoeffding(count, width=1.0):
    return width * math.sqrt(LOG / (2 * count))


def share(hits, probability, note, slack=0.0):
    """The share of True in `hits` (a CPU bool tensor) is `probability` within Hoeffding's bound and `slack`."""
    count = hits.numel()
    got, room = float(hits.double().mean()), hoeffding(count) + slack
    if abs(got - probability) <= room:
        return judge.passed(count)
    return judge.failed("a share of %.5f instead of %.5f +- %.5f %s" % (got, probability, room, note), count)


def independent(torch, bits, note):
    """Fair bits (CPU bool) agree with themselves, shifted, in half of all places: no block is repeated.

    A bit enters two agreements at most, each of which changes the mean by 1 / n: t = 2 sqrt(35.3 / (2 n)).
    """
    flat = bits.reshape(-1)
    lags = [lag for lag in (1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096) if 8 * lag <= len(flat)]
    lags += [len(flat) // 2, len(flat) // 4]
    for lag in lags:
        count = flat.numel() - lag
        agree, room = float((flat[lag:] == flat[:-lag]).double().mean()), 2 * hoeffding(count) * (1 + lag / count)
        if abs(agree - 0.5) > room:
            text = "numbers %d places apart agree in %.5f of all places, 0.5 +- %.5f expected %s"
            return judge.failed(text % (lag, agree, room, note), flat.numel())
    return judge.passed(flat.numel())


def true(holds, complaint, checked=1):
    """A pass, or a failure that says what does not hold."""
    return judge.passed(checked) if bool(holds) else judge.failed(complaint, checked)
