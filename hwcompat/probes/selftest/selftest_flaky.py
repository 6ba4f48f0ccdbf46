"""Fails once and passes ever after: the first run leaves a marker file, whose path comes from the environment."""

import os

from .. import judge

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 0.01

MARKER_VARIABLE = "HWCOMPAT_SELFTEST_MARKER"


def cases(ctx):
    yield "marker", once


def once():
    path = os.environ.get(MARKER_VARIABLE)
    if not path:
        return judge.skipped("%s names no file" % MARKER_VARIABLE)
    if os.path.exists(path):
        return judge.passed(1)
    with open(path, "w", encoding="utf-8"):
        return judge.failed("the first run fails", 1)
