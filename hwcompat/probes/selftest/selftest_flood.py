"""Writes 10 MB to standard error before it passes: a full pipe would block it for ever."""

import os

from .. import judge

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 0.1


def cases(ctx):
    yield "flood", misbehave


def misbehave():
    line = b"flood " * 170 + b"\n"
    for _ in range(10 * 2**20 // len(line) + 1):
        os.write(2, line)
    return judge.passed(1)
