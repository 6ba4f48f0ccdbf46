"""Copies from one GPU to another arrive: directly, and the way over the host, compared.

Hunts: peer copies that deliver zeros or stale data while everything on a single card is right
(https://github.com/pytorch/pytorch/issues/84803, https://github.com/pytorch/pytorch/issues/132397); IOMMU and PCIe
access control settings are the usual cause.
Rule: EXACT, on 32-bit counters. The same data travel over the host first: if that way is wrong too, it is not the peer
path. Needs two CUDA devices; skipped otherwise.
"""

from functools import partial

from .. import judge

GROUP = "memory"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("int32",)
FEEDS = ""
DEVICES = ("cuda",)
SECONDS = 0.2
VERSION = 1
WORKAROUND = "train on one card, or set NCCL_P2P_DISABLE=1 and copy over the host; check the IOMMU setting"

_SIZES = (1, 17, 4097, 2**20 + 1, 2**24)


def cases(ctx):
    count = ctx.torch.cuda.device_count()
    if count < 2:
        yield "peer copies", partial(judge.skipped, "needs two CUDA devices, %d here" % count)
        return
    own = ctx.device.index or 0
    for other in range(count):
        if other != own:
            yield "cuda:%d to cuda:%d" % (own, other), partial(both_ways, ctx, own, other)
            yield "cuda:%d to cuda:%d" % (other, own), partial(both_ways, ctx, other, own)


def both_ways(ctx, source, target):
    judgements = []
    for size in _SIZES:
        want = ctx.torch.arange(size, dtype=ctx.torch.int32) + source * 1000003 + target
        there = want.to("cuda:%d" % source)
        over_host = there.to("cpu").to("cuda:%d" % target)
        directly = there.to("cuda:%d" % target)
        into = ctx.torch.full_like(over_host, -1)
        into.copy_(there)
        for device in (source, target):
            ctx.torch.cuda.synchronize(device)
        for name, got in (("over the host", over_host), ("directly", directly), ("into a given block", into)):
            judgements.append(equal(ctx, got, want, "%d numbers %s" % (size, name)))
    return ctx.all_of(*judgements)


def equal(ctx, got, want, note):
    host = ctx.host(got)
    if ctx.torch.equal(host, want):
        return judge.passed(want.numel())
    return ctx.exact_integers(host, want, note="(%s)" % note)
