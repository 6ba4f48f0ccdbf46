"""Memory keeps what is written: fixed patterns, then every word its own address, then copies on the device.

Hunts: stuck and coupled cells, address lines that alias, a copy engine that delivers zeros. A memory tester found the
bad RTX 2080 Ti behind https://github.com/pytorch/pytorch/issues/52019; copies of zeros:
https://github.com/pytorch/pytorch/issues/84803.
Rule: EXACT, on 32-bit integers. 0x00 and 0xFF, 0x55 and 0xAA put each bit and its neighbour in both states; level full
adds a one and a zero walking through the word, which couples each bit with every other. All blocks are written before
the first is read, so that a write that lands elsewhere is seen. Patterns are counted on the device, whose counting is
tested first by a planted word; the address pattern and the copies are compared on the host. Memory: 16 MiB on a CPU,
elsewhere 2 GiB or 40 % of what is free, whichever is less (standard); 256 MiB on a CPU, elsewhere 78 % of what is free
(full): most of it, and below the 80 % from which systems with a display begin to swap.
"""

from functools import partial

from .. import judge

GROUP = "memory"
RULE = "EXACT"
DTYPES = ("int32",)
FEEDS = "memory"
SECONDS = 0.5
VERSION = 1

_PATTERNS = (0x00, 0xFF, 0x55, 0xAA)
_BLOCK = {"cpu": 2**22, "accelerator": 2**26}  # bytes
_REGION = {"cpu": 2**24, "accelerator": 2**31}
_REGION_FULL_CPU = 2**28
_SHARE_FULL = 0.78


def cases(ctx):
    blocks = allocate(ctx)
    words = patterns(ctx)
    for number, (label, word) in enumerate(words):
        ctx.progress(number / (len(words) + 2))
        yield label, partial(pattern, ctx, blocks, word)
    template = ctx.torch.arange(blocks[0].numel(), dtype=ctx.torch.int32)
    yield "address as data", partial(address, ctx, blocks, template)
    yield "copy on the device", partial(copied, ctx, blocks, template)


def patterns(ctx):
    """(label, int32 word) of every fixed pattern."""
    words = [("0x%02X" % byte, byte * 0x01010101) for byte in _PATTERNS]
    if ctx.at_least("full"):
        words += [("walking one %d" % bit, 1 << bit) for bit in range(32)]
        words += [("walking zero %d" % bit, 0xFFFFFFFF ^ (1 << bit)) for bit in range(32)]
    return [(label, signed(word)) for label, word in words]


def allocate(ctx):
    """Equal int32 blocks that together fill the region under test; at least two, so that one can be copied."""
    kind = "accelerator" if ctx.large else "cpu"
    count = max(2, region_bytes(ctx) // _BLOCK[kind])
    return [ctx.torch.empty(_BLOCK[kind] // 4, dtype=ctx.torch.int32, device=ctx.device) for _ in range(count)]


def region_bytes(ctx):
    free = ctx.free_bytes()
    if not ctx.large:
        return min(_REGION_FULL_CPU, free // 4) if ctx.at_least("full") else _REGION["cpu"]
    return int(_SHARE_FULL * free) if ctx.at_least("full") else min(_REGION["accelerator"], int(0.4 * free))


def pattern(ctx, blocks, word):
    for block in blocks:
        block.fill_(word)
    if not _counts(blocks[-1], word):
        return judge.failed("the device does not count a word planted in block %d" % (len(blocks) - 1), 0)
    wrong = [int((block != word).sum()) for block in blocks]
    total = sum(block.numel() for block in blocks)
    if not any(wrong):
        return judge.passed(total)
    first = next(i for i, count in enumerate(wrong) if count)
    detail = ctx.exact_integers(blocks[first], ctx.torch.full(blocks[first].shape, word)).detail
    return judge.failed(
        "%d of %d words wrong; block %d of %d: %s"
        % (sum(wrong), total, first, len(blocks), detail or "right when read again"),
        total,
    )


def _counts(block, word):
    """True if one word more is found wrong after one word was changed; the word is put back."""
    before = int((block != word).sum())
    kept = block[17].clone()
    block[17] = ~kept
    after = int((block != word).sum())
    block[17] = kept
    return after == before + 1


def address(ctx, blocks, template):
    for index, block in enumerate(blocks):
        block.copy_(template)
        block.bitwise_xor_(salt(ctx, index))
    return ctx.all_of(*(_compare(ctx, block, template ^ salt(ctx, i)) for i, block in enumerate(blocks)))


def copied(ctx, blocks, template):
    """Each even block onto its odd neighbour, which must then hold the even one's addresses."""
    pairs = [(i, i + 1) for i in range(0, len(blocks) - 1, 2)]
    for source, target in pairs:
        blocks[target].copy_(blocks[source])
    return ctx.all_of(*(_compare(ctx, blocks[target], template ^ salt(ctx, source)) for source, target in pairs))


def salt(ctx, index):
    """What makes the addresses of one block differ from those of every other."""
    return signed(ctx.key("block", index) & 0xFFFFFFFF)


def _compare(ctx, block, expected):
    host = ctx.host(block)
    if ctx.torch.equal(host, expected):
        return judge.passed(host.numel())
    return ctx.exact_integers(host, expected)


def signed(word):
    """A 32-bit pattern as the int32 that holds it."""
    return word - 2**32 if word >= 2**31 else word
