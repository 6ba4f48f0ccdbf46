"""The collectives: what each rank gives, what it must get back, and whose share an element of the answer is.

`elements` counts what one rank owns. The tensors of an all-gather's result, a reduce-scatter's and an all-to-all's
inputs are that long times the number of ranks.
"""

import re
from typing import Any, Callable, NamedTuple, Optional, Tuple

from . import exact

_LACKING = re.compile(
    r"not (currently )?support|no support|unsupported|not implemented|unhandled data ?type|invalid scalar type|"
    r"no backend type",
    re.I,
)


def lacking(error):
    """True where a backend says that it has no such collective, or not of this dtype."""
    return isinstance(error, (NotImplementedError, AttributeError)) or bool(_LACKING.search(str(error)))


class Comm:
    """The backend under test, through torch.distributed. Every call returns when the result can be read."""

    def __init__(self, torch):
        self.torch = torch
        self.dist = torch.distributed

    def all_reduce(self, tensor, maximum):
        self.dist.all_reduce(tensor, op=self.dist.ReduceOp.MAX if maximum else self.dist.ReduceOp.SUM)
        self.finish(tensor)

    def broadcast(self, tensor, root):
        self.dist.broadcast(tensor, src=root)
        self.finish(tensor)

    def all_gather(self, out, given):
        try:
            self.first_of("all_gather_single", "all_gather_into_tensor", "_all_gather_base")(out, given)
        except RuntimeError as error:  # on every rank, before anything was sent: gloo of torch 2.1 and before
            if not lacking(error):
                raise
            self.dist.all_gather(list(out.split(given.numel())), given)
        self.finish(out)

    def reduce_scatter(self, out, given):
        self.first_of("reduce_scatter_single", "reduce_scatter_tensor", "_reduce_scatter_base")(out, given)
        self.finish(out)

    def all_to_all(self, out, given):
        self.dist.all_to_all_single(out, given)
        self.finish(out)

    def first_of(self, *names):
        """One function under its names since torch 2.13, since 1.13 and before: each deprecates the next."""
        return next(getattr(self.dist, name) for name in names if hasattr(self.dist, name))

    def finish(self, tensor):
        """A device works on after the call has returned."""
        if tensor.is_cuda:
            self.torch.cuda.synchronize(tensor.device)


class Case(NamedTuple):
    """One call that all ranks make."""

    number: int
    collective: str  # a key of KINDS
    dtype: str  # "float16"
    elements: int  # that one rank owns
    in_place: bool
    root: Optional[int] = None  # of a broadcast

    def said(self):
        root = "" if self.root is None else " from rank %d" % self.root
        return "%s of %d %s%s%s" % (
            self.collective, self.elements, self.dtype, root, " in place" if self.in_place else "",
        )  # fmt: skip


class Kind(NamedTuple):
    """How a collective is prepared, called and answered; `world` is the number of ranks."""

    given: Callable[..., Any]  # (Values, rank) -> host tensor
    answer: Callable[..., Any]  # (Values, rank) -> host tensor
    call: Callable[..., Any]  # (comm, case, buffers) -> the tensor that holds the result
    source: Callable[..., Optional[int]]  # (case, world, element) -> the rank whose share it is; None: of all
    alike: bool  # every rank must get the same
    widens: int = 0  # 1: the result is `world` times as long as what is given; -1: the other way round
    in_place: Tuple[bool, ...] = (True,)


class Values:
    """The patterns of a case, as host tensors of its dtype; nothing is kept between cases but what is small."""

    def __init__(self, torch, case, world):
        self.torch, self.case, self.world = torch, case, world
        self.dtype = getattr(torch, case.dtype)
        self.digits = exact.DIGITS[case.dtype]

    def stretch(self, pattern, start, count):
        return exact.stretched(self.torch, pattern, self.dtype, start, count)

    def share(self, rank, count):
        return self.stretch(exact.shares(self.torch, rank, self.world, self.digits), 0, count)

    def total(self, start, count):
        return self.stretch(exact.sums(self.torch, self.world, self.digits), start, count)

    def label(self, source, target):
        return self.stretch(exact.labels(self.torch, source, target, self.world, self.digits), 0, self.case.elements)

    def everyones(self, pair):
        """The labels of `pair(rank)`, rank after rank."""
        return self.torch.cat([self.label(*pair(rank)) for rank in range(self.world)])


class Buffers(NamedTuple):
    """Device tensors: `given` is what a rank gives, `out` where the result goes; in place they share memory."""

    given: Any
    out: Any


def buffers(torch, case, given, device, rank, world):
    """Device buffers with `given` (a host tensor) in them; what the result must fill begins as NaN."""
    kind = KINDS[case.collective]
    n = case.elements
    if kind.widens == 0:
        sent = given.to(device, copy=True)
        return Buffers(sent, sent if case.in_place else _blank(torch, sent.numel(), sent))
    if not case.in_place:
        sent = given.to(device, copy=True)
        return Buffers(sent, _blank(torch, n * world if kind.widens > 0 else n, sent))
    if kind.widens > 0:
        out = _blank(torch, n * world, given.to(device))
        mine = out[rank * n : (rank + 1) * n]
        mine.copy_(given)
        return Buffers(mine, out)
    sent = given.to(device, copy=True)
    return Buffers(sent, sent[rank * n : (rank + 1) * n])


def _blank(torch, count, like):
    return torch.full((count,), float("nan"), dtype=like.dtype, device=like.device)


def _all_reduce(maximum):
    def call(comm, case, held):
        comm.all_reduce(held.given, maximum)
        return held.given

    return call


def _broadcast(comm, case, held):
    comm.broadcast(held.given, case.root)
    return held.given


def _moved(name):
    def call(comm, case, held):
        getattr(comm, name)(held.out, held.given)
        return held.out

    return call


def _peak(values, rank):
    pattern = exact.peaks(values.torch, rank, values.world, values.digits)
    return values.stretch(pattern, 0, values.case.elements)


def _peaks(values, rank):
    pattern = exact.maxima(values.torch, values.world, values.digits)
    return values.stretch(pattern, 0, values.case.elements)


def _own_or_blank(values, rank):
    mine = values.label(values.case.root, 0)
    return mine if rank == values.case.root else values.torch.full_like(mine, float("nan"))


def _of_all(case, world, element):
    return None


KINDS = {
    "all_reduce.sum": Kind(
        lambda v, rank: v.share(rank, v.case.elements),
        lambda v, rank: v.total(0, v.case.elements),
        _all_reduce(False), _of_all, alike=True,
    ),
    "all_reduce.max": Kind(
        _peak, _peaks, _all_reduce(True),
        lambda case, world, element: element % exact.PERIOD % world, alike=True,
    ),
    "all_gather": Kind(
        lambda v, rank: v.label(rank, 0),
        lambda v, rank: v.everyones(lambda source: (source, 0)),
        _moved("all_gather"),
        lambda case, world, element: element // case.elements, alike=True, widens=1, in_place=(False, True),
    ),
    "reduce_scatter": Kind(
        lambda v, rank: v.share(rank, v.case.elements * v.world),
        lambda v, rank: v.total(rank * v.case.elements, v.case.elements),
        _moved("reduce_scatter"), _of_all, alike=False, widens=-1, in_place=(False, True),
    ),
    "broadcast": Kind(
        _own_or_blank,
        lambda v, rank: v.label(v.case.root, 0),
        _broadcast,
        lambda case, world, element: case.root, alike=True,
    ),
    "all_to_all": Kind(
        lambda v, rank: v.everyones(lambda target: (rank, target)),
        lambda v, rank: v.everyones(lambda source: (source, rank)),
        _moved("all_to_all"),
        lambda case, world, element: element // case.elements, alike=False, in_place=(False,),
    ),
}  # fmt: skip
"""{name: Kind}. In torch an all-reduce and a broadcast are always in place; of the others, those that can be, both."""
