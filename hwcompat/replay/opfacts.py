"""What the replays know about operators: which write over garbage, which are linear, which break at a point."""

import torch
from torch.utils._pytree import tree_map

from .attention import is_attention


def words(text):
    """A set of names, written as text."""
    return frozenset(text.split())


UNFILLED = words(
    """
    empty empty_like empty_strided new_empty new_empty_strided resize_ set_ _efficientzerotensor
    """
)
"""Their outputs hold whatever lay in memory."""

OVERWRITING = words(
    """
    copy_ zero_ fill_ normal_ uniform_ bernoulli_ random_ exponential_ geometric_
    """
)
"""In-place operators that do not read what they overwrite."""

CONSTANT = words(
    """
    full full_like new_full fill_ fill scalar_tensor masked_fill masked_fill_ lift_fresh _to_copy where
    constant_pad_nd
    """
)
"""An infinity given to these as a number was meant."""

MATRIX = words(
    """
    mm addmm bmm baddbmm mv addmv dot
    """
)
CONVOLUTION = words(
    """
    convolution _convolution conv2d mkldnn_convolution cudnn_convolution
    """
)
CONVOLUTION_BACKWARD = frozenset(("convolution_backward",))
LINEAR = MATRIX | CONVOLUTION | CONVOLUTION_BACKWARD
ADDING = words("sum mean cumsum embedding_dense_backward")
"""Sums of their elements: partial sums may leave the range though the result does not."""

SUMS = words(
    """
    sum mean cumsum linalg_vector_norm norm var var_mean std std_mean _foreach_norm
    """
)

DIVIDING = words(
    """
    div div_ true_divide reciprocal reciprocal_ rsqrt rsqrt_ fmod remainder addcdiv addcdiv_ _foreach_div_
    _foreach_div _foreach_addcdiv_ _foreach_reciprocal_ native_batch_norm cosine_similarity
    """
)
LOGS = words(
    """
    log log_ log2 log10 log1p log1p_ xlogy logit special_xlogy binary_cross_entropy logaddexp
    """
)
POINTS = words(
    """
    sqrt sqrt_ acos asin acosh atanh asinh pow pow_ lgamma digamma erfinv linalg_vector_norm norm atan2 tan
    _linalg_svd _linalg_eigh linalg_eig linalg_inv_ex _linalg_det _linalg_slogdet linalg_cholesky_ex
    """
)
SOFTMAX = words(
    """
    _softmax _log_softmax _safe_softmax _scaled_dot_product_flash_attention_for_cpu
    _scaled_dot_product_flash_attention _scaled_dot_product_efficient_attention
    _scaled_dot_product_cudnn_attention logsumexp
    """
)


def softmax_dimensions(name, args):
    """The dimensions over which an operator of SOFTMAX normalises."""
    given = args[1] if name in SOFTMAX and not is_attention(name) and len(args) > 1 else -1
    return list(given) if isinstance(given, (list, tuple)) else [given]


def hides_a_row(masked, name, args):
    """Whether `masked` holds for all that an operator of SOFTMAX normalises together somewhere."""
    return any(bool(masked.all(d).any()) for d in softmax_dimensions(name, args))


STATISTICS = words(
    """
    var std var_mean std_mean native_batch_norm _native_batch_norm_legit cudnn_batch_norm
    """
)
NORMS = words(
    """
    native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm
    native_layer_norm native_group_norm _fused_rms_norm batch_norm_with_update _batch_norm_with_update
    """
)
LOSSES = words(
    """
    nll_loss_forward nll_loss2d_forward binary_cross_entropy binary_cross_entropy_with_logits mse_loss l1_loss
    smooth_l1_loss huber_loss kl_div soft_margin_loss
    """
)
POSITIVE = words(
    """
    exp exp_ exp2 sigmoid sigmoid_ _softmax _safe_softmax pow pow_ mul mul_ prod var std var_mean mean sum div
    div_ _to_copy square softplus linalg_vector_norm norm rsqrt reciprocal expm1 cumprod erfc
    """
)
"""Operators whose exact result is not zero, or can be smaller than the type holds; where they give 0 it underflowed."""


REPLAYABLE = (
    LINEAR
    | SUMS
    | DIVIDING
    | LOGS
    | POINTS
    | SOFTMAX
    | STATISTICS
    | NORMS
    | LOSSES
    | POSITIVE
    | words("add add_ sub sub_ relu tanh gelu silu leaky_relu elu hardtanh erf sin cos abs neg clamp square addcmul")
)
"""What a capture may hold: operators that compute, allocate what they are given, and touch nothing else."""

PASSING = words(
    """
    _to_copy clone copy_ clamp clamp_min clamp_max neg cat stack _unsafe_view slice_backward
    """
)
"""What comes out of these was made by what made their input."""

ALWAYS_POSITIVE = words("exp exp2 sigmoid _softmax _safe_softmax prod cumprod softplus erfc")
"""Never 0 exactly: where they give 0 it underflowed. (prod, cumprod: of factors that are none.)"""


def lone(name, args):
    """Whether a normalisation was taken over groups of one value each: nothing but the bias is left of its input."""
    if name == "native_group_norm":
        samples, groups = args[3], args[6]
        return bool(args[0].numel()) and args[0].numel() == samples * groups
    if name == "native_layer_norm":
        shape = [args[1]] if isinstance(args[1], int) else list(args[1])
        return all(size == 1 for size in shape)
    return False


MULTIPLYING = words(
    """
    cumprod prod matrix_power linalg_matrix_power chain_matmul linalg_multi_dot
    """
)
"""Long products in one operator: what grows a little each time leaves the range after many."""

EXPONENTIAL = words("exp exp_ exp2 expm1 expm1_ sinh cosh")
"""An infinity out of these is a number too large for float64 as well, and no singular point."""

COUNTING = words(
    """
    sum mean count_nonzero amax max linalg_vector_norm norm prod any all var std var_mean std_mean
    """
)
"""A 0 out of these says that there was nothing to add, not that one element is wrong."""


BASIC = (
    LINEAR
    | ADDING
    | NORMS
    | SOFTMAX
    | words(
        """
        abs add amax amin avg_pool2d cat clamp clamp_min clamp_max clone copy cos cumprod div elu embedding erf exp flip
        gather gelu hardtanh index index_select leaky_relu log masked_fill max max_pool2d_with_indices maximum mean min
        minimum mul native_dropout neg pow reciprocal relu roll rsqrt rsub sigmoid silu sin slice sqrt stack sub sum
        tanh threshold upsample_bilinear2d upsample_nearest2d where _to_copy _adaptive_avg_pool2d embedding_dense
        scatter scatter_add index_add index_put select
        """
    )
)
"""Operators whose kernels take no needless way: the formula of a loss may be written so that it overflows by itself."""


ELEMENTWISE = words(
    """
    abs add addcdiv addcmul clamp clamp_min clamp_max div elu exp gelu gelu_backward hardtanh leaky_relu lerp log mean
    mul neg reciprocal relu rsqrt rsub sigmoid sigmoid_backward silu silu_backward sqrt sub sum tanh tanh_backward
    threshold_backward
    """
)
"""Operators of one step for each element, and sums: what rounding may do to their results is known."""


def is_basic(name):
    """Whether a wrong result of this operator, or of its backward, can only come from a device or a wrong kernel."""
    for end in ("_backward_data", "_backward"):
        name = name[: -len(end)] if name.endswith(end) else name
    return name.rstrip("_") in BASIC or is_attention(name)


def name_of(func):
    """aten.addmm.default -> addmm."""
    return func._schema.name.split("::")[-1]


def is_view(func):
    """Whether the outputs share memory with an input and nothing is computed."""
    told = getattr(func, "is_view", None)
    return bool(told) if told is not None else _views_by_schema(func)


def _views_by_schema(func):
    returns = func._schema.returns
    return bool(returns) and all(r.alias_info is not None and not r.alias_info.is_write for r in returns)


def written(func):
    """Names of the arguments that the operator changes."""
    return [a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]


def is_random(func):
    tag = getattr(torch.Tag, "nondeterministic_seeded", None) if hasattr(torch, "Tag") else None
    return tag is not None and tag in func.tags


def numbers(args, kwargs):
    """The Python numbers among the arguments, also in lists."""
    found = []
    for value in list(args) + list(kwargs.values()):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found.append(float(value))
        elif isinstance(value, (list, tuple)):
            found += [float(v) for v in value if isinstance(v, (int, float))]
    return found


def magnitudes(args, kwargs):
    """The arguments of a bound: float tensors, and the factors alpha and beta, by their magnitude."""
    factors = {key: abs(kwargs[key]) for key in ("alpha", "beta") if key in kwargs}
    return tree_map(_magnitude, list(args)), {**tree_map(_magnitude, dict(kwargs)), **factors}


def _magnitude(value):
    return value.abs() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def meant_infinity(name, args, kwargs, outputs):
    """Whether an infinite output only repeats an infinity that the caller wrote down."""
    if name not in CONSTANT:
        return False
    given = any(abs(number) == float("inf") for number in numbers(args, kwargs))
    if name in ("lift_fresh", "where", "_to_copy"):
        return name == "lift_fresh" or given
    return given or name == "scalar_tensor"
