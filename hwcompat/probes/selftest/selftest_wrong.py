"""An honest failure: it fails in the same way whenever it runs, and its second case passes."""

from functools import partial

from .. import judge

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 0.01


def cases(ctx):
    yield "wrong", partial(judge.failed, "1 of 1 wrong: got 3, expected 2", 1)
    yield "right", partial(judge.passed, 1)
