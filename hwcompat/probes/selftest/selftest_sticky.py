"""CUDA's sticky error: one bad kernel, and from then on every call of the process fails.

After cudaErrorIllegalAddress "the process must be terminated and relaunched", says
https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html. Here torch's own functions are replaced for
good, so only a worker may run this.
"""

import os

from .. import judge

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 0.01

OUT_VARIABLE = "HWCOMPAT_WORKER_OUT"
TEXT = "CUDA error: an illegal memory access was encountered"


def cases(ctx):
    yield "sticky", lambda: misbehave(ctx.torch)
    yield "after", lambda: judge.exact_integers(ctx.torch, ctx.torch.ones(2), ctx.torch.ones(2))


def misbehave(torch):
    if not os.environ.get(OUT_VARIABLE):
        return judge.skipped("it would break the calling process")
    for name in dir(torch):
        if callable(getattr(torch, name)) and not isinstance(getattr(torch, name), type) and name[0] != "_":
            setattr(torch, name, fail)
    return fail()


def fail(*_, **__):
    raise RuntimeError(TEXT)
