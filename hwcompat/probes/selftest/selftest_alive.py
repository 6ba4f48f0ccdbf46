"""Takes longer than its deadline and says all the while that it goes on."""

import time
from functools import partial

from .. import judge

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 0.01

_STEPS = 16


def cases(ctx):
    yield "slow", partial(persevere, ctx)


def persevere(ctx):
    for step in range(_STEPS):
        time.sleep(0.25)
        ctx.progress(step / _STEPS, (_STEPS - step) * 0.25)
    return judge.passed(1)
