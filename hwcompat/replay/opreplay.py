"""R1 to R6: one operator again, with the very inputs it had."""

import warnings
from dataclasses import dataclass
from typing import Optional, Tuple

import torch
from torch.utils._pytree import tree_flatten

from . import attention, audit, decomposed, opfacts, referee
from .copies import copied

REPEATS = 3
MORE = 20


@dataclass(frozen=True)
class OpEvidence:
    """What the replays of one operator gave; None stands for not known.

    `repeats`: for each run of R1 whether it was wrong. `other`: (name of the other implementation, wrong) of R2.
    `wide`: whether fp32 is wrong (R3). `rounded`: whether the CPU, in the same type, is non-finite (R4). `truth`:
    whether both float64 referees are finite and agree (R5); `true_max` their largest magnitude. `bound`: R6.
    `error`: the largest |out - truth| / sum|a||b|.
    """

    name: str
    dtype: str
    linear: bool
    limit: float
    shapes: Tuple[Tuple[int, ...], ...]
    repeats: Tuple[bool, ...] = ()
    other: Tuple[Tuple[str, bool], ...] = ()
    wide: Optional[bool] = None
    rounded: Optional[bool] = None
    first_finite: Optional[bool] = None
    second_finite: Optional[bool] = None
    agree: Optional[bool] = None
    true_max: float = 0.0
    bound: Optional[float] = None
    terms: int = 0
    error: Optional[float] = None
    inputs_finite: bool = True
    input_max: float = 0.0
    wrong: bool = True
    gamma: float = 0.0
    margin: float = 1.0
    basic: bool = True

    @property
    def two_referees(self):
        return bool(self.first_finite and self.second_finite and self.agree)

    @property
    def certified(self):
        """Nothing non-finite may come out: the bound is below the largest number of the type, with a margin for what is
        no plain sum of products (`margin`)."""
        return self.bound is not None and self.bound < self.limit / self.margin


class Operator:
    """An operator with its inputs, ready to be run again and again."""

    def __init__(self, func, name, args, kwargs, device="cpu"):
        self.func, self.name, self.args, self.kwargs, self.device = func, name, args, kwargs, device

    def run(self, change=None):
        """Outputs of one run; `change` maps the input tensors first. None where it cannot run."""
        try:
            with referee.quiet(self.device):
                args, kwargs = copied(list(self.args), self.kwargs, change)
                return self.func(*args, **kwargs)
        except Exception:
            return None

    def tensors(self):
        return [t for t in tree_flatten((self.args, self.kwargs))[0] if isinstance(t, torch.Tensor)]


def contiguous(value):
    """A copy that lies at the start of its own memory, row by row."""
    return value.clone(memory_format=torch.contiguous_format)


def widened(value):
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


def other_ways(operator):
    """R2: (name, outputs) of the same operator in the same type on the same device, by other code."""
    ways = []
    if any(not t.is_contiguous() or t.storage_offset() for t in operator.tensors() if t.layout == torch.strided):
        ways.append(("contiguous inputs", operator.run(contiguous)))
    if operator.device == "cpu" and torch.backends.mkldnn.is_available():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the switch speaks of TF32 on devices that are not here
            with torch.backends.mkldnn.flags(enabled=False):
                ways.append(("without oneDNN", operator.run()))
    if operator.device == "cuda":
        with torch.backends.cudnn.flags(enabled=False):
            ways.append(("without cuDNN", operator.run()))
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            ways.append(("deterministic cuDNN", operator.run()))
    if attention.is_attention(operator.name):
        ways.append(("attention written out", _written_out(operator)))
    if operator.name in ("index_add", "index_add_"):
        ways.append(("as a product with a matrix of zeros and ones", _by_a_product(operator)))
    if operator.name in opfacts.SOFTMAX and any(bool((t == float("-inf")).any()) for t in _floats(operator)):
        ways.append(("with the lowest finite number in place of -inf", operator.run(_lowest)))
    if operator.name in ("_softmax", "_log_softmax"):
        ways.append(("softmax written out", _softmax(operator)))
    if not opfacts.is_basic(operator.name):
        ways.append(("decomposed into simpler operators", _decomposed(operator)))
    return [(name, out) for name, out in ways if out is not None]


def _softmax(operator):
    """exp(x - max) / sum, or its logarithm, by operators of one element each and a sum: no unit computes it at once."""
    try:
        x, dim = operator.args[:2]
        with referee.quiet(operator.device):
            away = x - x.amax(dim, keepdim=True)
            total = away.exp().sum(dim, keepdim=True)
            return away.exp() / total if operator.name == "_softmax" else away - total.log()
    except Exception:
        return None


def _floats(operator):
    return [t for t in operator.tensors() if t.is_floating_point()]


def _lowest(value):
    """The same numbers, -inf as the lowest finite one: a softmax gives both a weight of 0."""
    return value.clamp_min(torch.finfo(value.dtype).min) if value.is_floating_point() else value


def _by_a_product(operator):
    """index_add as x + M @ source: M has a one where a row is added to."""
    try:
        x, dim, index, source = operator.args[:4]
        with referee.quiet(operator.device):
            rows = source.movedim(dim, 0)
            chosen = torch.zeros(x.shape[dim], len(index), dtype=x.dtype, device=x.device)
            chosen[index, torch.arange(len(index), device=x.device)] = float(operator.kwargs.get("alpha", 1))
            added = (chosen @ rows.reshape(len(index), -1)).reshape(x.shape[dim], *rows.shape[1:])
            return x + added.movedim(0, dim)
    except Exception:
        return None


def _written_out(operator):
    """Softmax attention by matrix products on the same device and in the same type, or its gradients."""
    try:
        with referee.quiet(operator.device):
            return attention.outputs(operator.func, operator.name, operator.args, operator.kwargs)
    except Exception:
        return None


def _decomposed(operator):
    with referee.quiet(operator.device), referee.alone():
        way = decomposed.way(operator.func, operator.args, operator.kwargs)
    return None if way is None else way.outputs


def examine(birth, silent=False, device="cpu"):
    """All replays of the operator of a birth. `silent`: finite but suspected to be wrong."""
    operator = Operator(birth.func, birth.name, birth.args, birth.kwargs, device)
    args = list(birth.args)
    outputs = referee.flat(birth.out)
    dtype = outputs[0].dtype if outputs else torch.float32
    true = referee.truth(birth.func, birth.name, args, birth.kwargs)
    second, envelope = referee.second(birth.func, birth.name, args, birth.kwargs, dtype)
    bound = referee.bound(birth.func, birth.name, args, birth.kwargs)
    wrong = _judge(birth.name, args, true, bound, silent)
    repeats = _repeats(operator, wrong)
    inputs = referee.flat(operator.tensors())
    return OpEvidence(
        name=birth.name,
        dtype=str(dtype).replace("torch.", ""),
        linear=birth.name in opfacts.LINEAR,
        limit=referee.LIMIT.get(dtype, 3.4e38),
        shapes=tuple(tuple(t.shape) for t in operator.tensors()),
        repeats=repeats,
        other=tuple((name, wrong(out)) for name, out in other_ways(operator)),
        wide=_wide(operator, dtype, wrong),
        rounded=_rounded(true, dtype),
        first_finite=None if true is None else referee.finite(_compared(birth.name, true)),
        second_finite=None if second is None else referee.finite(second),
        agree=None if true is None or second is None else _agree(birth.name, true, second),
        true_max=referee.largest(_compared(birth.name, true)) if true is not None else 0.0,
        bound=envelope if bound is None else referee.largest(bound),
        margin=1.0 if bound is not None and "convolution" not in birth.name else referee.MARGIN,
        terms=referee.terms(birth.name, args) if birth.name in opfacts.LINEAR else 0,
        error=_error(birth.out, true, bound),
        inputs_finite=all(bool(torch.isfinite(t).all()) for t in inputs) or _only_masked(birth, inputs),
        input_max=referee.largest(inputs),
        wrong=wrong(birth.out),
        basic=opfacts.is_basic(birth.name),
        gamma=referee.terms(birth.name, args) * audit.unit(dtype) if birth.name in opfacts.LINEAR else 0.0,
    )


def _only_masked(birth, inputs):
    """Whether only an attention mask, or masked scores, hold infinities, those are -inf, and no row is all masked."""
    if birth.name in opfacts.SOFTMAX and not attention.is_attention(birth.name):
        masked = inputs[0] == float("-inf")
        whole = opfacts.hides_a_row(masked, birth.name, birth.args)
        return not whole and bool((masked | torch.isfinite(inputs[0])).all())
    mask = birth.kwargs.get("attn_mask")
    others = [t for t in birth.args if isinstance(t, torch.Tensor) and t.dtype in referee.FLOATS]
    if mask is None or not attention.is_attention(birth.name):
        return False
    clean = all(bool(torch.isfinite(t).all()) for t in others)
    return clean and not bool((mask == float("-inf")).all(-1).any()) and not bool(torch.isnan(mask).any())


def _compared(name, outputs):
    """Kernels of attention and of norms give by-products that the definition does not; the first output counts."""
    if name in opfacts.NORMS or (attention.is_attention(name) and not attention.is_backward(name)):
        return referee.flat(outputs)[:1]
    if attention.is_backward(name):
        return referee.flat(outputs)[:3]
    return outputs


def _agree(name, true, second):
    if name == "convolution_backward":
        second = [s for s in second if s is not None]
    return referee.agree(_compared(name, true), second)


def _judge(name, args, true, bound, silent):
    """A function that says whether outputs are wrong: non-finite, or (for linear ones) outside the rounding bound."""

    def wrong(outputs):
        if not referee.finite(_compared(name, outputs)):
            return True
        if not silent:
            return False
        error = _error(outputs, true, bound)
        return error is not None and error > audit.allowed(name, referee.flat(outputs)[0].dtype)

    return wrong


def _error(outputs, true, bound):
    """The largest error of any output, relative to its bound."""
    if true is None or bound is None:
        return None
    triples = zip(referee.flat(outputs), referee.flat(true), referee.flat(bound))
    return max([audit.relative(*triple) for triple in triples] or [0.0])


def _repeats(operator, wrong):
    found = [wrong(out) for out in (operator.run() for _ in range(REPEATS)) if out is not None]
    if found and not all(found):
        found += [wrong(out) for out in (operator.run() for _ in range(MORE)) if out is not None]
    return tuple(found)


def _wide(operator, dtype, wrong):
    if dtype not in (torch.float16, torch.bfloat16):
        return None
    out = operator.run(widened)
    return None if out is None else wrong(out)


def _rounded(true, dtype):
    """R4: the float64 truth rounded once to the type: what a correct device gives."""
    if true is None:
        return None
    return not all(bool(torch.isfinite(t.to(dtype)).all()) for t in referee.flat(true))
