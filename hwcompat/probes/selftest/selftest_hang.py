"""Never comes back."""

import time

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 0.01


def cases(ctx):
    yield "hang", misbehave


def misbehave():
    while True:
        time.sleep(60)
