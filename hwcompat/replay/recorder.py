"""A dispatch mode for the re-run of a bad step: where non-finite values are born, and which of them reach the end.

A birth: an output is non-finite and no input is, or an output has NaN and the inputs only infinities. Every storage
remembers which births its content goes back to; a finite output forgets them, so a mask that drops a bad value drops
the birth too. Births are told in order of time over forward, backward and optimizer.
"""

import math
from dataclasses import dataclass
from typing import Any, FrozenSet, Optional, Tuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from . import audit, labels, opfacts
from .copies import cloned, copied
from .shadow import Shadows, is_float, key_of, storage_of
from .signs import Signs
from .trees import is_plain
from .widened import LOW

POOLED = frozenset(("pooled",))
"""Taint of what was computed over samples: no single sample or label is to blame for it."""

WEIGHTS = frozenset(("weights",))
DRAWN = frozenset(("drawn",))
"""Taint of random numbers: what is made of them and of weights is no penalty on the weights."""

GRADIENTS = frozenset(("gradients",))
"""Taint of what backward gave: what is computed from it comes after the loss, whatever it looks like."""

KEPT_WHOLE = opfacts.LINEAR | opfacts.words("embedding_dense_backward")
"""Operators that can be judged alone after a step that does not come back: sums of products, and of gradients."""

LEAST_SCALE = 2.0**7
"""A loss that is multiplied by a power of two from here on is scaled: nobody weighs losses so."""

KEPT = 12
"""Births whose inputs are kept; later ones are counted only."""


@dataclass
class Birth:
    """One birth. `args`, `kwargs`: the inputs cloned; `shadows`: the float64 shadows of the float inputs, in order."""

    number: int
    name: str
    func: Any
    module: str
    phase: str
    source: str
    nan: bool
    deliberate: bool
    roots: Tuple[int, ...]
    args: Any = None
    kwargs: Any = None
    out: Any = None
    shadows: Tuple[Any, ...] = ()
    shadow_out: Any = None
    inputs_had_inf: bool = False
    producers: Tuple[str, ...] = ()
    positives: Tuple[str, ...] = ()
    hidden: Tuple[bool, ...] = ()
    taints: Tuple[FrozenSet[str], ...] = ()
    order: int = 0


@dataclass
class Events:
    """What a step did with gradients and the scaler, in order."""

    scaled: bool = False
    unscaled: bool = False
    grads_zeroed: bool = False
    clipped_scaled: Tuple[float, ...] = ()
    optimizer_ran: bool = False
    penalty: float = 0.0
    lone: Optional[Tuple[str, str]] = None
    targets: Optional[Tuple[Any, ...]] = None
    decayed: bool = False
    own_scale: float = 0.0


def able():
    """Whether this torch has dispatch modes that are entered like any other context: from 1.13 on."""
    try:
        with TorchDispatchMode():
            return True
    except Exception:
        return False


class Recorder(TorchDispatchMode):
    """Records one run of a step. `seconds` bounds the float64 shadow."""

    def __init__(self, followed, sources=(), scale=None, grads=lambda: (), seconds=60.0, shadow=True, check=False):
        super().__init__()
        self.places, self.births, self.carried = followed, [], {}
        self.shadows = Shadows(seconds)
        if not shadow:
            self.shadows.give_up("not asked for")
        self.taint = {key_of(t): frozenset((name,)) for name, t in sources if t.layout == torch.strided}
        self.producer, self.held, self.signs = {}, [], Signs(_key)
        self.scale, self.grads, self.events = scale, grads, Events()
        self.order, self.inputs_of_top = 0, {}
        self.raised, self.check, self.suspect = None, check, None
        self.foreign, self.past_half, self.counts, self.met = None, None, {}, {}
        self.drawn = False
        self.wanted, self.kept_ops = None, []
        self.compare, self.crooked = None, None
        self.apart, self.first_apart, self.low = None, None, False
        self.largest: Optional[float] = None
        self.bad_sources = {}
        self.weights = {_key(t) for name, t in sources if name == "weights"}
        for index, (name, tensor) in enumerate(sources):
            values = tensor.detach()._values() if tensor.layout == torch.sparse_coo else tensor
            if _checkable(values) and not all_finite(values) and not (name == "buffers" and is_mask(values)):
                self.bad_sources[-1 - index] = (name, tensor.detach().clone())
                self.carried[_key(tensor)] = frozenset((-1 - index,))

    def follow_tables(self, tables):
        """Tensors that a step takes from outside, and nobody trains: where one holds a bad value, it is a source."""
        for name, tensor in tables:
            if tensor.layout == torch.strided and _checkable(tensor) and not all_finite(tensor) and not is_mask(tensor):
                number = -1 - len(self.bad_sources)
                while number in self.bad_sources:
                    number -= 1
                self.bad_sources[number] = ("table " + name, tensor.detach().clone())
                self.carried[_key(tensor)] = frozenset((number,))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if opfacts.is_view(func):
            return func(*args, **kwargs)
        name = opfacts.name_of(func)
        self.order += 1
        spot = self.places.here()
        tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
        before = _kept_inputs(func, args, kwargs)
        given = self.shadows.before(args, kwargs)
        if given is not None and before is not None:
            given_kept = tree_map(lambda v: v.clone() if isinstance(v, torch.Tensor) else v, given)
        else:
            given_kept = given
        try:
            out = func(*args, **kwargs)
        except Exception as error:
            self.raised = (name, spot, error, args, kwargs)
            raise
        self._event(name, args, spot)
        if spot[1] == "optimizer":
            spot = self._whose(spot, args, out)
        self.shadows.after(func, name, given, out, (args, kwargs))
        self._look(func, name, before or (args, kwargs), out, spot, tensors, given_kept)
        return out

    def _look(self, func, name, given, out, spot, tensors, shadow_given):
        outputs = [t for t in tree_flatten(out)[0] if isinstance(t, torch.Tensor) and _checkable(t)]
        if not opfacts.written(func):
            touched = outputs
        else:
            touched = outputs + [t for t in tensors if _checkable(t)]
        taint = frozenset().union(*[self.taint.get(_key(t), frozenset()) for t in tensors]) if tensors else frozenset()
        inputs = [t for t in tree_flatten(given)[0] if isinstance(t, torch.Tensor)]
        if self.wanted is not None and name in KEPT_WHOLE and self.wanted(spot):
            self._keep_op(func, name, given, out, spot)
        if self.largest is not None:
            sizes = [float(t.detach().abs().max()) for t in outputs if name not in opfacts.UNFILLED]
            self.largest = max([self.largest, *sizes])
        if opfacts.lone(name, given[0]) and self.events.lone is None:
            self.events.lone = (spot[0], name)
        if self.events.targets is None:
            self._targets(name, given[0], tensors, spot)
        self.counts[spot[0], name] = self.counts.get((spot[0], name), 0) + 1
        if self.check and self.suspect is None and name in opfacts.LINEAR:
            self._check(func, name, given, out, spot, tensors)
        if self.compare is not None and self.crooked is None:
            owner = self.places.owners.of(tensors) if spot[1] == "optimizer" else ()
            place = (next(iter(owner)), *spot[1:]) if len(owner) == 1 else spot
            self.crooked = self.compare(func, name, given[0], given[1], out, place)
        self.low = self.low or any(t.dtype in LOW for t in outputs)
        if self.apart is not None and self.first_apart is None and spot[1] in ("forward", "loss"):
            gap = max([self.shadows.gap(t) for t in outputs] or [0.0])
            self.first_apart = (name, spot, gap) if gap > self.apart else None
        producers = tuple(self.producer.get(_key(t), "") for t in tensors)
        taints = tuple(self.taint.get(_key(t), frozenset()) for t in tensors)
        if self.past_half is None and any(_past_half(t) and _key(t) not in self.carried for t in tensors):
            self.past_half = (spot, name)
        if name not in opfacts.UNFILLED:
            bad = [t for t in touched if not all_finite(t)]
            if bad:
                self._bad(func, name, given, out, spot, tensors, inputs, bad, shadow_given, producers, taints)
        if taint != WEIGHTS and any(_over_the_batch(name, t, out) for t in tensors[:1] for out in outputs):
            taint = taint | POOLED
        if opfacts.is_random(func):
            taint, self.drawn = taint | DRAWN, True
        if spot[1] == "backward":
            taint = taint | GRADIENTS
        if taint == WEIGHTS and spot[1] in ("forward", "loss", "data"):
            self._penalty(outputs)
        self.signs.follow(name, tensors, given[0], outputs)
        for tensor in outputs:
            key = _key(tensor)
            self.held.append(tensor)  # keeps the storage, so that its key stays its own
            self.taint[key] = taint - GRADIENTS if spot[1] == "optimizer" or key in self.weights else taint
            self.producer[key] = producers[0] if name in opfacts.PASSING and producers else name
            if name in opfacts.UNFILLED or (covers_storage(tensor) and all_finite(tensor)):
                self.carried.pop(key, None)

    def _whose(self, spot, args, out):
        """The place of an operator inside an optimizer; where it spoils the numbers of one module, that module."""
        owners = self.places.owners
        owners.follow(args, out)
        module = owners.of_bad(args, out, lambda t: _checkable(t) and not all_finite(t))
        return (next(iter(module)), *spot[1:]) if len(module) == 1 else spot

    def _targets(self, name, args, tensors, spot):
        """Keeps the ends of targets that a cross entropy has no least value for."""
        if name == "mul" and len(tensors) == 2:
            taints = [self.taint.get(_key(t), frozenset()) for t in tensors]
            ends = labels.of_a_written_out(
                tensors,
                [self.signs.is_below(t) for t in tensors],
                [t.is_floating_point() and self.producer.get(_key(t), "") == "rsub" for t in tensors],
                [bool(taint) and all(part.startswith("batch") for part in taint) for taint in taints],
            )
        else:
            ends = labels.outside_0_and_1(name, args)
        self.events.targets = ends and (name, *ends, *spot)

    def _penalty(self, outputs):
        """Keeps the largest single number that was made of weights alone: a penalty on them."""
        sizes = [float(t.detach().abs()) for t in outputs if t.numel() == 1]
        self.events.penalty = max([self.events.penalty, *(size for size in sizes if size == size)])

    def _bad(self, func, name, given, out, spot, tensors, inputs, bad, shadow_given, producers, taints):
        read = inputs[1:] if name in opfacts.OVERWRITING else inputs
        nan_in = any(has_nan(t) for t in read if _checkable(t))
        inf_in = any(not all_finite(t) for t in read if _checkable(t))
        nan_out = any(has_nan(t) for t in bad)
        before = frozenset().union(*[self.carried.get(_key(t), frozenset()) for t in tensors])
        roots = before
        for source in before:
            if source < 0:
                self.met.setdefault(source, spot)
        if inf_in and not before and self.foreign is None and name not in opfacts.OVERWRITING:
            self.foreign = (spot, name)
        if not nan_in and (nan_out or not inf_in):
            deliberate = not nan_out and opfacts.meant_infinity(name, given[0], given[1], bad)
            birth = Birth(
                len(self.births),
                name,
                func,
                module=spot[0],
                phase=spot[1],
                source=spot[2],
                nan=nan_out,
                deliberate=deliberate,
                roots=tuple(sorted(before)),
                inputs_had_inf=inf_in,
                producers=producers,
                positives=tuple(self.signs.origin(t) for t in tensors),
                hidden=tuple(self.signs.is_hidden(t) for t in tensors),
                taints=taints,
                order=self.order,
            )
            if len(self.births) < KEPT or (not deliberate and len(self.births) < 2 * KEPT):
                self._keep(birth, given, out, shadow_given)
            self.births.append(birth)
            roots = before | {birth.number}
        for tensor in bad:
            self.carried[_key(tensor)] = roots

    def _check(self, func, name, given, out, spot, tensors):
        """Keeps the first linear operator that is finite and wrong."""
        if audit.wrong(func, name, given[0], given[1], out):
            self._keep_op(func, name, given, out, spot)
            self.suspect = self.kept_ops.pop()
            self.suspect.producers = tuple(self.producer.get(_key(t), "") for t in tensors)
            self.suspect.taints = tuple(self.taint.get(_key(t), frozenset()) for t in tensors)

    def _keep_op(self, func, name, given, out, spot):
        """A linear operator of the wanted place, kept as a birth is, although nothing is wrong with it."""
        kept = Birth(-1, name, func, spot[0], spot[1], spot[2], nan=False, deliberate=False, roots=(), order=self.order)
        self._keep(kept, given, out, None)
        self.kept_ops.append(kept)

    def _keep(self, birth, given, out, shadow_given):
        birth.args, birth.kwargs = copied(given[0], given[1])
        birth.out = tree_map(cloned, out)
        if shadow_given is not None and self.shadows.alive:
            flat = tree_flatten(shadow_given)[0]
            birth.shadows = tuple(cloned(t) if is_float(t) else None for t in flat if isinstance(t, torch.Tensor))
            outputs = [t for t in tree_flatten(out)[0] if is_float(t)]
            birth.shadow_out = tuple(cloned(self.shadows.of(t)) for t in outputs)

    def _event(self, name, args, spot):
        events = self.events
        if spot[1] == "optimizer":
            events.optimizer_ran = True
        if name == "_amp_foreach_non_finite_check_and_unscale_":
            events.unscaled = True
        elif self.scale is not None and name == "mul" and spot[1] == "backward" and not events.scaled:
            events.scaled = any(t is self.scale or _same(t, self.scale) for t in args if isinstance(t, torch.Tensor))
        if name == "mul" and spot[1] == "backward" and not events.own_scale:
            events.own_scale = self._own_scale(args)
        if (
            name in ("mul_", "_foreach_mul_", "clamp_", "_foreach_mul", "div_")
            and not events.unscaled
            and events.scaled
        ):
            self._clip_event(args)
        if name in ("add_", "sub_", "_foreach_add_", "_foreach_sub_") and spot[1] != "optimizer" and len(args) > 1:
            added = [t for t in tree_flatten(args[1])[0] if isinstance(t, torch.Tensor)]
            made_of_weights = bool(added) and all(self.taint.get(_key(t)) == WEIGHTS for t in added)
            events.decayed = events.decayed or (made_of_weights and self._on_gradients(args))

    def _own_scale(self, args):
        """The power of two that a step multiplied its loss by before backward(), without a scaler; else 0.0."""
        if len(args) != 2 or not isinstance(args[0], torch.Tensor) or args[0].numel() != 1 or self.scale is not None:
            return 0.0
        factor = args[1] if isinstance(args[1], (int, float)) else args[1].detach()
        if self.producer.get(_key(args[0])) != "ones_like" or getattr(factor, "numel", lambda: 1)() != 1:
            return 0.0
        return float(factor) if float(factor) >= LEAST_SCALE and math.frexp(float(factor))[0] == 0.5 else 0.0

    def _on_gradients(self, args):
        """Whether what an in-place operator writes to are gradients of parameters."""
        targets = args[0] if isinstance(args[0], (list, tuple)) else [args[0]]
        keys = {_key(g) for g in self.grads() if g is not None and g.layout == torch.strided}
        return any(_key(t) in keys for t in targets)

    def _clip_event(self, args):
        if not self._on_gradients(args):
            return
        factor = args[1][0] if isinstance(args[1], (list, tuple)) else args[1]
        self.events.clipped_scaled = (float(factor), float(self.scale))

    def roots_of(self, tensors):
        """Numbers of the births that the non-finite values in `tensors` go back to, in order of time."""
        found: FrozenSet[int] = frozenset()
        for tensor in tensors:
            if tensor is not None and _checkable(tensor) and not all_finite(tensor):
                found |= self.carried.get(_key(tensor), frozenset())
        return sorted(found)


def _kept_inputs(func, args, kwargs):
    """Copies of all inputs of an operator that changes one of them; None for the others."""
    if not opfacts.written(func) and "batch_norm" not in func._schema.name:
        return None
    return copied(list(args), kwargs)


def _over_the_batch(name, given, out):
    """Whether a statistic over samples was taken: the result does not have one row for each of several rows."""
    if name not in opfacts.COUNTING or not given.dim() or given.shape[0] < 2:
        return False
    return not out.dim() or out.shape[0] != given.shape[0]


def _key(tensor):
    return key_of(tensor) if is_plain(tensor) else id(tensor)


def _same(a, b):
    return is_plain(a) and key_of(a) == key_of(b)


def _checkable(tensor):
    return (tensor.is_floating_point() or tensor.is_complex()) and tensor.numel() > 0 and is_plain(tensor)


def _past_half(tensor):
    """Whether a tensor is one float16 number that was too large for it."""
    return tensor.dtype == torch.float16 and tensor.numel() == 1 and bool((tensor == float("inf")).all())


def covers_storage(tensor):
    """Whether the tensor is all there is in its memory, so that what it holds is what the memory holds."""
    return not is_plain(tensor) or tensor.numel() * tensor.element_size() == storage_of(tensor).nbytes()


def is_mask(tensor):
    """Whether a tensor hides some positions and leaves the others as they are: -inf, and one other value."""
    bad = ~torch.isfinite(tensor)
    others = tensor[~bad]
    return bool((tensor[bad] == float("-inf")).all()) and (not others.numel() or bool((others == others[0]).all()))


def all_finite(tensor):
    return bool(torch.isfinite(tensor).all())


def has_nan(tensor):
    return bool(torch.isnan(tensor).any())
