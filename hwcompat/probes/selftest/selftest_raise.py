"""Raises an ordinary Python exception: an error of the suite, not of the device."""

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 0.01


def cases(ctx):
    yield "raise", misbehave


def misbehave():
    raise ValueError("raised on purpose")
