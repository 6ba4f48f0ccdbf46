"""Takes memory until an allocation fails. Skipped where no limit stops it: it must not harm the machine."""

import os

from .. import judge

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 0.5

BLOCK = 64 * 2**20
MOST = 64 * 2**30


def cases(ctx):
    yield "eat", lambda: eat(ctx)


def eat(ctx):
    if ctx.memory_limit is None or not enforced():
        return judge.skipped("no memory limit is enforced here")
    hoard = []  # type: list[object]
    while len(hoard) * BLOCK < MOST:
        # Reserved, hardly touched: it is the limit that must stop this, long before the machine is short of memory.
        hoard.append(ctx.torch.empty(BLOCK, dtype=ctx.torch.uint8))
    return judge.failed("%d bytes were given in spite of a limit of %d" % (MOST, ctx.memory_limit), 1)


def enforced():
    """Only Linux enforces RLIMIT_AS."""
    try:
        import resource
    except ImportError:
        return False
    return os.path.exists("/proc/self/statm") and resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
