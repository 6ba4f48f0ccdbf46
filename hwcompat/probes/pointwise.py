"""Judges pointwise operations: a function of one element must give the same number wherever that element lies.

A pool holds operands and, for each of them, the interval of legal results, computed once. The operation then runs on
many arrangements of the pool's elements: all of them in order and in reverse, short vectors of every kind of length
(kernels treat the last few elements of a vector on their own), transposed, strided, misaligned, expanded and
channels_last tensors, a shape called twice with other data, in place, and into a given output that holds NaN before.
Every element of every output is looked up in the pool and must lie in its interval; what an operation in place must not
touch stays bit for bit.

Where a function is allowed two units of the output format beyond its interval (a FEATURE, see the probes), an element
that left it must have left it everywhere: an approximation is a function too, a faulty lane is not.
"""

from collections import namedtuple

from . import judge, rounding

NAN = 2**31 - 1
HUGE = 2.0**300  # stands for infinity in references: beyond every format, yet finite

Want = namedtuple("Want", "value bound")
"""Float64 reference and absolute bound, one entry an element of the pool; bound None: one correct rounding."""

Arrangement = namedtuple("Arrangement", "label index view")
"""`index`: int64 places in the pool, of the shape of the storage; `view` makes the operand of the storage."""

Interval = namedtuple("Interval", "low high wide")
"""Ends of what is legal as `ordered` integers; `wide()`: those of what is a FEATURE (None: nothing beyond)."""

LENGTHS = tuple(range(1, 19)) + (23, 31, 32, 33, 47, 63, 64, 65, 67, 127, 129, 255, 257, 511, 513, 1023, 1024, 1025)
GRADIENT_LENGTHS = (1, 2, 3, 5, 7, 8, 9, 15, 17, 31, 33, 65, 127, 1023, 1025)


def interval(ctx, want, loose=False, dtype_name=None):
    """The Interval of `want` in the dtype under test; `loose` adds two units of the format on either side."""
    torch, fmt = ctx.torch, rounding.FORMATS[dtype_name or ctx.dtype_name]

    def end(value):
        return ordered(torch, rounding.encode(torch, value, fmt), fmt)

    if want.bound is None:
        rounded = end(want.value.double())
        return Interval(rounded, rounded, None)
    value = torch.clamp(want.value.double(), -HUGE, HUGE)
    slack = want.bound * (1 + 2.0**-40) + value.abs() * 2.0**-40  # the float64 reference's own error, as in judge.py

    def wide():
        more = slack + 2 * unit(torch, value, fmt.precision, fmt.emin)
        return end(value - more), end(value + more)

    return Interval(end(value - slack), end(value + slack), wide if loose else None)


def ordered(torch, codes, fmt):
    """int32 of the order of the numbers behind `codes` (or their bits, signed): zeros alike, every NaN the largest."""
    mask = (1 << (fmt.bits - 1)) - 1
    magnitude = (codes & mask).to(torch.int32)
    negative = (codes >> (fmt.bits - 1)) & 1 != 0
    number = torch.where(negative, -magnitude, magnitude)
    return torch.where(magnitude > rounding.infinity(fmt), torch.full_like(number, NAN), number)


def unit(torch, value, precision, emin):
    """The unit in the last place of `value` in a format of `precision` bits."""
    exponent = torch.frexp(value)[1].double() - 1
    return 2.0 ** (torch.clamp(exponent, min=emin) - precision + 1)


class Pool:
    """Operands (float64, one-dimensional, numbers of the dtype) and the calls that use them.

    `kind` is the name of the operands' dtype where it is not the one under test; of an integer dtype, too.
    """

    def __init__(self, ctx, operands, *words, **options):
        self.ctx, self.words = ctx, words
        self.count = int(operands[0].numel())
        self.operands = operands
        self.dtype = getattr(ctx.torch, options.get("kind", ctx.dtype_name))
        self.format = rounding.FORMATS.get(options.get("kind", ctx.dtype_name))
        self.bits = [self._bits(operand) for operand in operands]

    def _bits(self, operand):
        """The operand's bits as a CPU tensor of integers, so that gathering is no operation of the dtype under test."""
        torch, fmt = self.ctx.torch, self.format
        if fmt is None:
            return operand.to(torch.int64)
        codes = rounding.encode(torch, operand.double(), fmt)
        same = (rounding.values_of(torch, codes, fmt) == operand) | operand.isnan()
        self.ctx.require(bool(same.all()), "operands are numbers of the dtype")
        return rounding.bits_of(torch, rounding.from_codes(torch, codes, fmt), fmt)

    def storage(self, which, index):
        """Operand number `which` at the places `index`, contiguous, on the device."""
        bits = self.bits[which][index.reshape(-1)].reshape(index.shape)  # never a view of the pool, as [scalar] is
        stored = bits.to(self.dtype) if self.format is None else bits.view(self.dtype)
        return stored.to(self.ctx.device)

    def laid_out(self, arrangement, number):
        """All operands in the arrangement; by turns only the first, all, or only the last of them in its layout."""
        logical = arrangement.view(arrangement.index).contiguous()
        last = len(self.bits) - 1
        made = []
        for which in range(len(self.bits)):
            plain = last > 0 and ((number % 3 == 1 and which > 0) or (number % 3 == 2 and which < last))
            if plain:
                made.append(self.storage(which, logical))
            else:
                made.append(arrangement.view(self.storage(which, arrangement.index)))
        return made

    # --- arrangements -------------------------------------------------------------------------------------------------
    def places(self, shape, *words):
        return self.ctx.integers(shape, 0, self.count - 1, *(self.words + words))

    def everything(self):
        """All elements in order, and in reverse order, so that each is met in two places."""
        every = self.ctx.torch.arange(self.count)
        yield Arrangement("in order", every, _same)
        yield Arrangement("in reverse order", every.flip(0), _same)

    def vectors(self, lengths=LENGTHS):
        """Short vectors; together they are one random selection."""
        places = self.places((sum(lengths),), "vectors")
        start = 0
        for length in lengths:
            yield Arrangement("%d elements" % length, places[start : start + length], _same)
            start += length

    def layouts(self):
        """The layouts that kernels treat differently; the odd sizes leave tails in every row."""
        yield Arrangement("transposed 65x63", self.places((65, 63), "transposed"), _transposed)
        yield Arrangement("misaligned 1027", self.places((1028,), "misaligned"), _misaligned)
        yield Arrangement("strided 515", self.places((1030,), "strided"), _strided)
        yield Arrangement("rows of 37 in 40", self.places((33, 40), "rows"), _narrowed)
        yield Arrangement("channels_last 2x5x9x7", self.places((2, 9, 7, 5), "channels_last"), _channels_first)
        yield Arrangement("channels_last 3x16x5x3", self.places((3, 5, 3, 16), "channels_last 16"), _channels_first)
        yield Arrangement("contiguous 3x5x67", self.places((3, 5, 67), "three"), _same)
        yield Arrangement("single number", self.places((), "single"), _same)
        yield Arrangement("transposed 65x63 again", self.places((65, 63), "again"), _transposed)
        yield Arrangement("expanded 7x65", self.places((1, 65), "expanded"), _expanded)

    def large(self, count):
        """A size where kernels divide the work, the elements of the pool over and over."""
        yield Arrangement("%d elements" % count, self.ctx.torch.arange(count) % self.count, _same)

    # --- runs ---------------------------------------------------------------------------------------------------------
    def forward(self, call, arrangements):
        """(label, output, places) of `call` in every arrangement."""
        found = []
        for number, arrangement in enumerate(arrangements):
            got = call(*self.laid_out(arrangement, number))
            found.append((arrangement.label, got, arrangement.view(arrangement.index)))
        return found

    def in_place(self, call, layouts=None):
        """As forward for an operation that overwrites its first operand; what lies between stays as it was (judged)."""
        torch, found = self.ctx.torch, []
        for number, arrangement in enumerate(layouts or list(self.layouts())[:-1]):
            base = self.storage(0, arrangement.index)
            rest = self.laid_out(arrangement, number)[1:]
            call(arrangement.view(base), *rest)
            touched = torch.zeros(arrangement.index.shape, dtype=torch.bool)
            arrangement.view(touched).fill_(True)
            places = torch.where(touched, arrangement.index, -1 - arrangement.index)
            found.append((arrangement.label + ", in place", base, places))
        return found

    def into(self, call, dtype=None):
        """As forward with out=: contiguous and transposed outputs that hold NaN (or ones) before, operands likewise."""
        torch, found = self.ctx.torch, []
        for number, (view, turned) in enumerate(
            ((_same, False), (_transposed, False), (_transposed, True), (_same, False))
        ):
            index = self.places((67, 65), "out", number)
            kind = dtype or self.ctx.dtype
            before = float("nan") if kind.is_floating_point else 1
            out = torch.full((67, 65), before, dtype=kind, device=self.ctx.device)
            places = index if turned else view(index).contiguous()
            operands = [self.storage(which, places) for which in range(len(self.bits))]
            call(*[view(operand) if turned else operand for operand in operands], out=view(out))
            found.append(("out= %d" % number, out, index))
        return found

    def backward(self, call, arrangements, wanted):
        """[(label, gradient, places)] of each of the operands `wanted`; the last operand is the incoming gradient."""
        torch = self.ctx.torch
        outputs, inputs, incoming, labels = [], [], [], []
        for number, arrangement in enumerate(arrangements):
            operands = self.laid_out(arrangement, number)
            leaves = [operand.detach().requires_grad_(which in wanted) for which, operand in enumerate(operands[:-1])]
            outputs.append(call(*leaves))
            inputs.append([leaves[which] for which in wanted])
            incoming.append(operands[-1])
            labels.append((arrangement.label, arrangement.view(arrangement.index)))
        flat = [leaf for leaves in inputs for leaf in leaves]
        gradients = torch.autograd.grad(outputs, flat, incoming)
        size = len(wanted)
        return [
            [(label, gradients[at * size + which], places) for at, (label, places) in enumerate(labels)]
            for which in range(size)
        ]

    # --- judging ------------------------------------------------------------------------------------------------------
    def judged(self, found, legal, note="", dtype=None, signs=None):
        """One judgement of all (label, output, places): shapes, dtype, and every element against its Interval.

        Places below zero (-1 - place) are elements that must still hold operand 0. `signs`: whether a zero at that
        place of the pool is negative, where the operation defines it.
        """
        torch, ctx = self.ctx.torch, self.ctx
        for label, got, places in found:
            problem = _mismatch(got, places, dtype or ctx.dtype)
            if problem:
                return judge.failed("%s (%s)%s" % (problem, label, _aside(note)), 0)
        fmt = rounding.FORMATS[str(dtype or ctx.dtype).replace("torch.", "")]
        bits = torch.cat([rounding.bits_of(torch, ctx.host(got), fmt).reshape(-1) for _, got, _ in found])
        have = ordered(torch, bits, fmt)
        places = torch.cat([places.reshape(-1) for _, _, places in found])
        low = self._expected(legal.low, places, fmt)
        high = low if legal.high is legal.low else self._expected(legal.high, places, fmt)
        wrong = (have < low) | (have > high)
        if signs is not None:
            wrong |= (have == 0) & (low == 0) & ((bits < 0) != signs[torch.clamp(places, min=0)])
        if not bool(wrong.any()):
            return judge.passed(have.numel())
        detail = self._description(found, (bits, low, high), wrong, fmt) + _aside(note)
        if legal.wide is not None and self._consistent(have, places, wrong, legal):
            text = "off by more than the documented error, by at most two units: " + detail
            return judge.feature(text, {"approximate_functions": True}, have.numel())
        return judge.failed(detail, have.numel())

    def _expected(self, ends, places, fmt):
        torch = self.ctx.torch
        if bool((places >= 0).all()):
            return ends[places]
        untouched = ordered(torch, self.bits[0], fmt)[torch.clamp(-1 - places, min=0)]
        return torch.where(places >= 0, ends[torch.clamp(places, min=0)], untouched)

    def _consistent(self, have, places, wrong, legal):
        """Every wrong element is within the wide interval, and its place is wrong wherever it occurs."""
        torch = self.ctx.torch
        at = torch.clamp(places, min=0)
        low, high = legal.wide()
        near = (have >= low[at]) & (have <= high[at]) & (places >= 0)
        if not bool(near[wrong].all()):
            return False
        seen = torch.bincount(at, minlength=self.count)
        bad = torch.bincount(at[wrong], minlength=self.count)
        return bool((seen[bad > 0] == bad[bad > 0]).all())

    def _description(self, found, numbers, wrong, fmt):
        torch = self.ctx.torch
        first = int(torch.nonzero(wrong)[0])
        start = 0
        for name, got, at in found:
            label, places = name, at
            if first < start + got.numel():
                break
            start += got.numel()
        place = int(places.reshape(-1)[first - start])
        operands = ", ".join("%r" % float(operand[place]) for operand in self.operands) if place >= 0 else "untouched"
        bits, low, high = numbers
        return "%d of %d wrong (%d non-finite); first in %s at %d: got %r for (%s), allowed %r to %r" % (
            int(wrong.sum()),
            wrong.numel(),
            int((wrong & ~torch.isfinite(_number(torch, ordered(torch, bits, fmt), fmt))).sum()),
            label,
            first - start,
            float(_number(torch, ordered(torch, bits[first], fmt), fmt)),
            operands,
            float(_number(torch, low[first], fmt)),
            float(_number(torch, high[first], fmt)),
        )


def _mismatch(got, places, dtype):
    """What is wrong with the output's shape or dtype, in words, or ""."""
    if tuple(got.shape) != tuple(places.shape):
        return "shape %s instead of %s" % (tuple(got.shape), tuple(places.shape))
    return "" if got.dtype == dtype else "%s instead of %s" % (got.dtype, dtype)


def _number(torch, order, fmt):
    """The float64 values behind `ordered` integers."""
    magnitude = torch.clamp(order.abs().to(torch.int64), max=rounding.infinity(fmt) + 1)
    return rounding.decode(torch, magnitude + (order < 0).to(torch.int64) * (1 << (fmt.bits - 1)), fmt)


def _aside(note):
    return " " + note if note else ""


def _same(x):
    return x


def _transposed(x):
    return x.t()


def _misaligned(x):
    return x[1:]


def _strided(x):
    return x[::2]


def _narrowed(x):
    return x[:, 2:39]


def _channels_first(x):
    return x.permute(0, 3, 1, 2)


def _expanded(x):
    return x.expand(7, 65)
