"""What is copied arrives: host to device and back, between tensors of any dtype, offset and stride; fills and clones.

Hunts: copies that deliver zeros or stale bytes, lost tails of odd sizes and offsets, asynchronous copies from pinned
memory that come late, strided copies that mix up dimensions, fills that miss the last elements.
Rule: EXACT, in bytes: every tensor holds numbers that differ from their neighbours (a counter times an odd number), and
copying changes none of them. float64 and int64 only where the device has them.
Source: copies between devices that deliver zeros, https://github.com/pytorch/pytorch/issues/84803.
"""

from functools import partial

from .. import judge

GROUP = "memory"
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("int32",)
FEEDS = "memory"
SECONDS = 0.3
VERSION = 1

_NAMES = ("uint8", "bool", "int16", "float16", "bfloat16", "int32", "float32", "int64", "float64")
_SIZES = (1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65, 127, 255, 257, 511, 513, 1023, 1025, 4095, 4097, 65537)
_SHAPE = (3, 5, 7, 9)
_MOVES = ("transposed", "every second", "channels_last", "expanded", "reversed dimensions", "narrowed")


def cases(ctx):
    for name in _NAMES:
        yield "there and back, %s" % name, partial(tried, ctx, name, there_and_back)
        yield "offsets, %s" % name, partial(tried, ctx, name, offsets)
        yield "clones and strides, %s" % name, partial(tried, ctx, name, strides)
        yield "fills, %s" % name, partial(tried, ctx, name, fills)
    yield "one large block", partial(block, ctx, 2**26 if ctx.large else 2**20 + 3)
    if ctx.large:
        yield "pinned and asynchronous", partial(pinned, ctx)


def tried(ctx, name, function):
    """The case, or unsupported where the device lacks the dtype."""
    try:
        ctx.torch.zeros(1, dtype=getattr(ctx.torch, name)).to(ctx.device)
    except TypeError as error:  # MPS has no float64, and says so with a TypeError
        return judge.Judgement("unsupported", str(error), 0, "", {})
    return function(ctx, name)


def numbers(ctx, name, count, salt=0):
    """A CPU tensor of `count` bit patterns, each unlike its neighbours, NaNs among them; bools at random."""
    torch = ctx.torch
    words = (torch.arange(count, dtype=torch.int64) + 1 + salt) * 0x9E3779B1
    if name == "bool":
        return ((words >> 31) & 1).bool()
    bits = {"uint8": 8, "int16": 16, "float16": 16, "bfloat16": 16, "int32": 32, "float32": 32}.get(name, 64)
    if bits == 64:
        words = words * 0x100000001 + words
    kind = {8: torch.uint8, 16: torch.int16, 32: torch.int32, 64: torch.int64}[bits]
    low = words if bits == 64 else words & ((1 << bits) - 1)
    if bits in (16, 32):
        low = torch.where(low >= 1 << (bits - 1), low - (1 << bits), low)
    return low.to(kind).view(getattr(torch, name))


def same(ctx, got, want, note):
    """EXACT in bits, shape and dtype."""
    have = ctx.host(got)
    if have.dtype != want.dtype or have.shape != want.shape:
        return judge.failed("%s %s instead of %s %s %s" % (have.dtype, have.shape, want.dtype, want.shape, note), 0)
    return ctx.exact_integers(integers(ctx, have), integers(ctx, want), note="(%s)" % note)


def integers(ctx, tensor):
    torch, size = ctx.torch, tensor.element_size()
    kind = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[size]
    return tensor.contiguous().view(kind)


def there_and_back(ctx, name):
    """Each size twice, with other numbers, so that what is left from before cannot pass."""
    judgements = []
    for salt in (0, 1000):
        for size in _SIZES:
            want = numbers(ctx, name, size, salt)
            device = want.to(ctx.device) if salt else ctx.torch.empty_like(want, device=ctx.device).copy_(want)
            judgements.append(same(ctx, device.clone(), want, "%d elements" % size))
    return ctx.all_of(*judgements)


def offsets(ctx, name):
    """Into and out of the middle of a block; what lies beside it must stay."""
    judgements = []
    for start, size in ((1, 1), (1, 64), (3, 33), (5, 127), (8, 8), (13, 255), (31, 1024), (33, 4097)):
        base, part = numbers(ctx, name, start + size + 9), numbers(ctx, name, size, 77)
        device = base.to(ctx.device)
        out = device[start : start + size].clone()
        index = ctx.torch.arange(start, start + size)
        judgements.append(same(ctx, out, picked(ctx, base, index), "read at %d" % start))
        device[start : start + size].copy_(part.to(ctx.device))
        want = ctx.torch.cat((base[:start], part, base[start + size :]))
        judgements.append(same(ctx, device, want, "written at %d" % start))
    return ctx.all_of(*judgements)


def picked(ctx, want, index):
    """The elements of `want` at `index`, by looking them up as integers: no copy of strided memory takes part."""
    return integers(ctx, want).reshape(-1)[index.reshape(-1)].reshape(index.shape).view(want.dtype)


def moved(ctx, tensor, move):
    if move == "transposed":
        return tensor.transpose(1, 3)
    if move == "every second":
        return tensor[..., 1::2]
    if move == "channels_last":
        return tensor.permute(0, 2, 3, 1)
    if move == "expanded":
        return tensor[:, :1].expand(_SHAPE)
    if move == "reversed dimensions":
        return tensor.permute(3, 2, 1, 0)
    return tensor[1:, 2:4, :, 3:8]


def strides(ctx, name):
    """From a strided view to a contiguous tensor, into a strided view, and in another memory format."""
    want = numbers(ctx, name, 945).reshape(_SHAPE)
    places = ctx.torch.arange(945).reshape(_SHAPE)
    other = numbers(ctx, name, 945, 5000).reshape(_SHAPE)
    device, judgements = want.to(ctx.device), []
    for move in _MOVES:
        expected = picked(ctx, want, moved(ctx, places, move))
        judgements.append(same(ctx, moved(ctx, device, move).contiguous(), expected, move))
        judgements.append(same(ctx, moved(ctx, device, move).clone(), expected, move + ", cloned"))
        if move != "expanded":
            target = other.to(ctx.device)
            moved(ctx, target, move).copy_(moved(ctx, device, move))
            taken = ctx.torch.zeros(945, dtype=ctx.torch.bool)
            taken[moved(ctx, places, move).reshape(-1)] = True
            both = ctx.torch.cat((other.reshape(-1), want.reshape(-1)))
            index = ctx.torch.arange(945) + 945 * taken.long()
            judgements.append(same(ctx, target, picked(ctx, both, index.reshape(_SHAPE)), move + ", written"))
    wide = device.contiguous(memory_format=ctx.torch.channels_last)
    judgements.append(same(ctx, wide, want, "in channels_last"))
    judgements.append(same(ctx, wide.contiguous(), want, "back from channels_last"))
    judgements.append(same(ctx, ctx.torch.empty_like(device).copy_(wide), want, "from channels_last"))
    return ctx.all_of(*judgements)


def fills(ctx, name):
    torch, dtype = ctx.torch, getattr(ctx.torch, name)
    judgements = []
    for size in (1, 7, 33, 255, 1025, 4097):
        want = torch.tensor([1] * size, dtype=dtype)
        zero = torch.tensor([0] * size, dtype=dtype)
        block_ = numbers(ctx, name, size + 5).to(ctx.device)
        block_[2 : 2 + size].fill_(1)
        expected = numbers(ctx, name, size + 5)
        expected = torch.cat((expected[:2], want, expected[2 + size :]))
        judgements += [
            same(ctx, block_, expected, "fill_ of %d" % size),
            same(ctx, torch.ones(size, dtype=dtype, device=ctx.device), want, "ones of %d" % size),
            same(ctx, torch.full((size,), 1, dtype=dtype, device=ctx.device), want, "full of %d" % size),
            same(
                ctx,
                torch.zeros(size, dtype=dtype, device=ctx.device),
                zero,
                "zeros of %d" % size,
            ),
            same(
                ctx,
                numbers(ctx, name, size).to(ctx.device).zero_(),
                zero,
                "zero_ of %d" % size,
            ),
        ]
    return ctx.all_of(*judgements)


def block(ctx, size):
    """Bytes there, into another block on the device, and back."""
    want = numbers(ctx, "uint8", size)
    first = want.to(ctx.device)
    second = ctx.torch.zeros_like(first)
    second.copy_(first)
    host = ctx.host(second)
    if ctx.torch.equal(host, want):
        return judge.passed(size)
    return ctx.exact_integers(host, want)


def pinned(ctx):
    """Asynchronous copies between pinned memory and the device, several at once, then one synchronisation."""
    judgements, torch = [], ctx.torch
    wants = [numbers(ctx, "int32", size, size) for size in (17, 4097, 2**20 + 1, 2**22)]
    sources = [want.pin_memory() for want in wants]
    devices = [source.to(ctx.device, non_blocking=True) for source in sources]
    backs = [torch.empty_like(want).pin_memory() for want in wants]
    for back, device in zip(backs, devices):
        back.copy_(device, non_blocking=True)
    ctx.synchronize()
    for back, want in zip(backs, wants):
        judgements.append(same(ctx, back.clone(), want, "%d pinned elements" % want.numel()))
    return ctx.all_of(*judgements)
