"""Raises what torch raises when an operator breaks, while the device goes on answering."""

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 0.01


def cases(ctx):
    yield "raise", misbehave


def misbehave():
    raise RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")
