"""What numbers can be exactly: above 0, between 0 and 1, or below 0, for as far as the operators that made them tell.

A result that is 0 although none of what it was made of can be was rounded to it: an underflow, not a division by a
zero of the program's own.
"""

import torch

from . import opfacts

ABOVE, UNIT, BELOW, INSIDE = "above 0", "between 0 and 1", "below 0", "between -1 and 1"
MASK, HIDDEN = "0 or 1", "above 0, or 0 where it was hidden"

LOG_PROBABILITIES = opfacts.words("_log_softmax log_sigmoid_forward")
BETWEEN = opfacts.words("sigmoid _softmax _safe_softmax")
MOVING = opfacts.words("_to_copy clone cat stack _unsafe_view gather index index_select mean amax amin max min")
"""Give numbers that they were given, or means of them."""


HIDING = opfacts.words("mul mul_ masked_fill masked_fill_")
"""With a mask: they leave a number, or a 0 in its place."""


class Signs:
    """Of every storage: (what its numbers can be, the operator that this goes back to)."""

    def __init__(self, key_of):
        self.key_of, self.table = key_of, {}

    def origin(self, tensor):
        """The operator whose result, above 0 exactly, the tensor goes back to; '' where it may be 0 rightly."""
        kind, name = self.table.get(self.key_of(tensor), ("", ""))
        return name if kind in (ABOVE, UNIT) else ""

    def is_below(self, tensor):
        """Whether it is below 0 exactly, as the logarithm of a probability is."""
        return self.table.get(self.key_of(tensor), ("", ""))[0] == BELOW

    def is_hidden(self, tensor):
        """Whether it is 0 only where a mask of 0 and 1 hid all of an exponential that it was made of."""
        return self.table.get(self.key_of(tensor), ("", ""))[0] == HIDDEN

    def follow(self, name, tensors, args, outputs):
        """One operator: its tensors, its arguments, what it gave."""
        if any(not t.is_floating_point() for t in tensors):
            self._follow_a_mask(name, tensors, args, outputs)
            return
        known = [self.table.get(self.key_of(t), ("", "")) for t in tensors if t.is_floating_point()]
        numbers = [v for v in args if isinstance(v, (int, float)) and not isinstance(v, bool)]
        kind = _kind(name, [kind for kind, _name in known], numbers)
        origin = next((made_by for _kind, made_by in known if made_by), name) if kind else ""
        self._keep(outputs, kind, origin)

    def _keep(self, outputs, kind, origin):
        for tensor in outputs:
            self.table[self.key_of(tensor)] = (kind, origin)

    def _follow_a_mask(self, name, tensors, args, outputs):
        """An operator of booleans or integers as well: a mask, indices that gather, or what nothing is known of."""
        floats = [t for t in tensors if t.is_floating_point()]
        kind, origin = self.table.get(self.key_of(floats[0]), ("", "")) if len(floats) == 1 else ("", "")
        if name == "_to_copy":
            kind = MASK if tensors[0].dtype == torch.bool else ""
        elif name in HIDING:
            kind = HIDDEN if kind in (ABOVE, UNIT, HIDDEN) and set(opfacts.numbers(args, {})) <= {0} else ""
        elif name not in MOVING:
            kind = ""
        self._keep(outputs, kind, origin)


def _kind(name, kinds, numbers):
    if name in LOG_PROBABILITIES:
        return BELOW
    if name in BETWEEN:
        return UNIT
    if name in ("tanh", "erf"):
        return INSIDE
    first = kinds[0] if kinds else ""
    if name in ("exp", "exp2"):
        return UNIT if first == BELOW else ABOVE
    if name in opfacts.ALWAYS_POSITIVE:
        return ABOVE
    if not kinds or not all(kinds):
        return ""
    return _of_signs(name, kinds, numbers)


def _of_signs(name, kinds, numbers):
    """The same, of operators that keep what is known of all they are given."""
    first, one = kinds[0], set(kinds)
    if one & {MASK, HIDDEN}:
        return _of_masks(name, one)
    if name == "rsub" and len(kinds) == 1 and numbers[:1] == [1.0]:
        return {UNIT: UNIT, BELOW: ABOVE, INSIDE: ABOVE}.get(first, "")
    if INSIDE in one:
        return _of_inside(name, one, numbers)
    if name in MOVING:
        return first if len(one) == 1 else ABOVE if BELOW not in one else ""
    if name == "neg":
        return BELOW if first != BELOW else ABOVE
    if name == "expm1":
        return BELOW if first == BELOW else ABOVE
    if name in ("sum", "add", "logaddexp", "cumsum"):
        return _sum(name, one, numbers)
    if name in ("mul", "div"):
        return _product(name, kinds, numbers)
    if name in ("sqrt", "square", "pow"):
        return _power(first, numbers)
    if name == "log":
        return BELOW if first == UNIT else ""
    if name in ("clamp", "clamp_min", "clamp_max"):
        return first if first != BELOW and all(v >= 0 for v in numbers) else ""
    return ""


def _of_masks(name, kinds):
    """The same, of masks of 0 and 1, and of what they hid parts of."""
    if name in MOVING and len(kinds) == 1:
        return next(iter(kinds))
    if name == "mul" and kinds != {MASK} and BELOW not in kinds and INSIDE not in kinds:
        return HIDDEN
    return HIDDEN if name in ("sum", "cumsum") and kinds == {HIDDEN} else ""


def _of_inside(name, kinds, numbers):
    """The same, of numbers that may be 0, and never reach 1."""
    if name in ("neg", "abs", "square", *MOVING) and kinds == {INSIDE}:
        return INSIDE
    if name == "pow" and numbers and numbers[0] >= 1:
        return INSIDE
    if name == "mul" and kinds <= {INSIDE, UNIT} and all(abs(v) <= 1 for v in numbers):
        return INSIDE
    return ABOVE if name == "add" and kinds == {INSIDE} and numbers[:1] == [1.0] else ""


def _sum(name, kinds, numbers):
    if name == "logaddexp" or any(v < 0 for v in numbers):
        return ""
    if kinds == {BELOW}:
        return BELOW if name != "add" or not numbers else ""
    return ABOVE if BELOW not in kinds else ""


def _product(name, kinds, numbers):
    if any(v == 0 for v in numbers):
        return ""
    negative = (kinds.count(BELOW) + sum(v < 0 for v in numbers)) % 2
    if negative:
        return BELOW
    return UNIT if name == "mul" and set(kinds) == {UNIT} and all(0 < v <= 1 for v in numbers) else ABOVE


def _power(kind, numbers):
    if kind == UNIT and all(v > 0 for v in numbers):
        return UNIT
    return ABOVE if kind != BELOW or numbers == [2] else ""
