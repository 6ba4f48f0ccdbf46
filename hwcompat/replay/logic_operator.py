"""Rules about one operator: was the device wrong, was the type too narrow, is the formula singular."""

from . import opfacts, vendor
from .verdicts import birth_line, found, number

HALF_LIMIT = 65504.0


def _truth(replay):
    return "in float64 the same inputs give at most %s, by two ways that agree" % number(replay.true_max)


def _certificate(replay):
    if replay.bound is None:
        return ""
    if replay.linear:
        return "sum |a||b| is %s: no order of additions can pass %s" % (number(replay.bound), number(replay.limit))
    return "nothing on the way to it passes %s, and the type ends at %s" % (number(replay.bound), number(replay.limit))


def _innocent(obs):
    """What every claim about the device needs: finite inputs, two finite referees, the certificate."""
    replay = obs.replay
    return bool(obs.root and replay and replay.inputs_finite and replay.two_referees and replay.certified)


def intermittent(obs):
    """The same operator, inputs, type and device: now wrong, now right."""
    replay = obs.replay
    if not _innocent(obs) or all(replay.repeats) or not any(replay.repeats):
        return None  # never wrong on its own: what the step has and the operator alone has not is to blame
    wrong = sum(replay.repeats) + 1
    return found(
        obs,
        "hardware",
        "suspected",
        (
            wrong_line(obs),
            "repeated %d times with the same inputs: wrong %d times" % (len(replay.repeats), wrong - 1),
            _truth(replay),
            _certificate(replay),
        ),
        "test this card (hwcompat probe --level full, a GPU memory test); do not trust what it computed",
        kind="transient",
    )


def _proof(obs):
    """A finite result is proved wrong only outside the bound for sums that are rounded at every addition."""
    replay = obs.replay
    if obs.trip != "audit":
        return "proved"
    return "proved" if replay.error is not None and replay.error > replay.gamma else "suspected"


def _kind(obs):
    return "silent" if obs.trip == "audit" else "persistent"


def device_or_library(obs):
    """Wrong every time, and nothing but a wrong device or kernel can give this."""
    replay = obs.replay
    if not _innocent(obs) or not replay.repeats or not all(replay.repeats):
        return None
    clean = [name for name, wrong in replay.other if not wrong]
    lines = [wrong_line(obs), "wrong in each of %d repeats" % len(replay.repeats), _truth(replay), _certificate(replay)]
    if clean:
        lines.append("right %s, same device and type: the kernel is wrong, not the unit" % clean[0])
        return found(obs, "library", _proof(obs), lines, _library_remedy(clean[0]), kind=_kind(obs))
    if not replay.basic:
        return None
    if replay.wide is False:
        lines.append("right in float32 on the same device")
    remedy = "train in float32 on this card (amp: false)" if replay.wide is False else "do not train on this device"
    return found(obs, "hardware", _proof(obs), lines, remedy, kind=_kind(obs))


def crooked_kernel(obs):
    """A finite result far from float64, and right by another way in the same type: what ran away began there."""
    wrong = obs.crooked
    if not wrong:
        return None
    if not wrong.way:
        return _crooked_everywhere(obs, wrong)
    return found(
        obs,
        "library",
        "proved",
        (
            "%s of %s (%s) is finite and differs from float64 by %.3g times its norm"
            % (wrong.op, wrong.module, wrong.phase, wrong.far),
            "%s, same device, inputs and type, it is right within %.2g of it" % (wrong.way, wrong.near),
        ),
        _library_remedy(wrong.way),
        kind="silent",
        phase=wrong.phase,
        module=wrong.module,
        op=wrong.op,
        source=wrong.source,
    )


def _crooked_everywhere(obs, wrong):
    return found(
        obs,
        "hardware",
        "proved",
        (
            "%s of %s (%s) is finite and differs from float64 by %.3g times its norm, each time"
            % (wrong.op, wrong.module, wrong.phase, wrong.far),
            "its inputs are finite, float64 by two ways agrees, and no rounding of so simple an operator explains that",
        ),
        "do not train on this device",
        kind="silent",
        phase=wrong.phase,
        module=wrong.module,
        op=wrong.op,
        source=wrong.source,
    )


def vendor_kernel(obs):
    """The operator cannot be judged alone; without the vendor's library the step is sane in two types."""
    sane = obs.without
    if obs.root is None or sane is None:
        return None
    lines = (
        birth_line(obs),
        "its inputs are finite; without %s the same step is: loss %s, in float64 %s"
        % (sane.library, number(sane.loss), number(sane.wide_loss)),
        "nothing in that step passes %s, and the type ends at %s" % (number(sane.largest), number(obs.replay.limit)),
    )
    remedy = vendor.SWITCH[sane.library] + ", or another torch build"
    return found(obs, "library", "by counterfactual", lines, remedy, kind="persistent")


def _library_remedy(way):
    return {
        "contiguous inputs": "do not use channels_last or transposed inputs with this build (memory_format=contiguous)",
        "without oneDNN": "torch.backends.mkldnn.enabled = False, or another torch build",
        "without cuDNN": "torch.backends.cudnn.enabled = False, or another torch build",
        "deterministic cuDNN": "torch.backends.cudnn.benchmark = False, deterministic = True",
        "decomposed into simpler operators": "compute this operation in float32, or write its formula out",
        "as a product with a matrix of zeros and ones": "gather these rows in another way, or in float32",
        "softmax written out": "compute this softmax as exp(x - max) / sum, or in float32",
        "with the lowest finite number in place of -inf": "mask with torch.finfo(scores.dtype).min instead of -inf",
        "attention written out": "use the math attention: torch.nn.attention.sdpa_kernel(SDPBackend.MATH)",
    }.get(way, "use another torch build")


def wrong_line(obs):
    """Where the wrong value appears, finite or not."""
    if obs.trip != "audit":
        return birth_line(obs)
    return "%s of %s (%s) is finite and wrong, by %s of sum |a||b|" % (
        obs.root.op,
        obs.root.module,
        obs.root.phase,
        number(obs.replay.error or 0.0),
    )


def accumulation(obs):
    """The result fits, the partial sums do not."""
    replay = obs.replay
    if not (obs.root and replay and replay.first_finite and replay.inputs_finite):
        return None
    if not replay.linear and replay.name not in opfacts.ADDING:
        return None
    if replay.limit > HALF_LIMIT or replay.rounded or replay.bound is None or replay.bound < replay.limit:
        return None
    return found(
        obs,
        "fp16-accumulation",
        "proved",
        (
            birth_line(obs),
            "the result is at most %s, but the magnitudes that it adds come to %s: partial sums pass 65504"
            % (number(replay.true_max), number(replay.bound)),
        ),
        "torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False, or bfloat16 for this layer",
    )


def _singular(obs):
    """The operator has no finite answer for the inputs it got, in any type."""
    if obs.root is None or (obs.root.op in opfacts.EXPONENTIAL and not obs.root.nan):
        return False
    return bool(obs.replay and obs.replay.first_finite is False)


def underflow(obs):
    """An operand became 0 (or 1) by rounding; in float64 it did not."""
    root = obs.root
    if not _singular(obs) or root.phase == "optimizer":
        return None
    lost = bool(root.shadow_finite and (root.zero_lost or root.shadow_max < obs.replay.limit))
    if root.phase == "backward" and obs.replay.limit > HALF_LIMIT and not root.positive:
        return None  # next to a point without a derivative float64 is finite for its own rounding's sake alone
    vanished = root.zero_operand and bool(root.positive)
    if not (lost or vanished):
        return None
    line = (
        "with the whole step in float64 the same operation is finite (at most %s)" % number(root.shadow_max)
        if lost
        else "its operand is 0, but made of %s as it is, it is never 0 exactly" % root.positive
    )
    low = "float32" if obs.input_low else "a form that stays in the logarithm (log_softmax, *_with_logits, logsumexp)"
    return found(
        obs,
        "underflow",
        "proved" if lost else "suspected",
        (birth_line(obs), "for these inputs the operation has no finite value in any precision", line),
        "compute %s in %s, before the value is rounded to zero" % (root.op, low),
    )


def outside_number(obs):
    """A Python number that is not a number went into the operation: it was computed by nobody who can be watched."""
    if not (obs.root and obs.root.number_bad and obs.root.nan):
        return None
    scaled = obs.trial("input")
    if obs.step == 0 and scaled is not None and scaled.better:
        return None  # with other inputs it is a number
    lines = (birth_line(obs), "one of its arguments is a Python number, and it is NaN")
    return found(obs, "unknown", "unknown", lines, "look at what computes this number: it lies outside of torch")


def full_mask(obs):
    """A softmax over a row in which everything is masked."""
    root = obs.root
    if not (root and root.nan and (root.full_mask or (root.hidden and root.zero_operand))):
        return None
    told = "a whole row of its input is -inf, so that every position is masked, or the mask is +inf"
    if root.hidden:
        told = "the sum of exponentials that it divides by is 0, and a mask of 0 and 1 hid all of them"
    return found(
        obs,
        "masked-softmax",
        "proved",
        (birth_line(obs), told),
        "let every query see at least one key, or set the rows without any to 0 after the softmax",
    )


def batch_statistics(obs):
    """A variance of one value."""
    root = obs.root
    if root is None and obs.lone and obs.trip in ("lone", "zero gradients"):
        return _nothing_left(obs)
    if root and root.nan and root.negative and root.pooled and root.shadow_finite and root.op in opfacts.POINTS:
        return _below_zero(obs)
    if root and root.nan and root.running_below:
        return _running_below(obs)
    if not (root and ((root.nan and root.single) or (root.counted and obs.batch_size == 1))):
        return None
    what = (
        "a variance or standard deviation"
        if root.single
        else "a statistic that divides by the number of samples less 1,"
    )
    return found(
        obs,
        "batch-statistics",
        "proved",
        (birth_line(obs), what + " over a single value"),
        "drop_last=True in the DataLoader, or a normalisation that does not need the batch (GroupNorm, LayerNorm)",
    )


def _below_zero(obs):
    """The root of a variance that rounding took below 0: a mean of squares less a squared mean."""
    return found(
        obs,
        "batch-statistics",
        "proved",
        (
            birth_line(obs),
            "what it takes the root of is computed over the batch, and is negative; in float64 it is not: the values"
            " are nearly all the same, and a mean of squares less a squared mean is rounded to less than nothing",
        ),
        "compute the variance as the mean of (x - mean)^2 (torch.var), or clamp it at 0 before eps is added",
    )


def bad_operand(obs):
    """The samples alone make a negative number where the operation knows none: a root, a logarithm."""
    root = obs.root
    if not (_singular(obs) and root.data_only and root.negative and not root.zero_operand and not root.labels_only):
        return None
    return found(
        obs,
        "bad-data",
        "proved",
        (birth_line(obs), "the operand is computed from the samples alone, and is negative"),
        "repair or drop this sample: its values lie where the formula has no meaning",
    )


def _nothing_left(obs):
    """Each value is its own mean: no input, and no gradient, gets past it."""
    return found(
        obs,
        "batch-statistics",
        "proved",
        (
            "%s normalises groups of a single value: nothing but its bias is left" % obs.lone[1],
            "the loss went from %s to %s" % (number(obs.losses[0]), number(obs.losses[-1])) if obs.losses else "",
        ),
        "normalise over more values: fewer groups, larger maps, or another dimension",
        phase="forward",
        module=obs.lone[0],
    )


def bad_label(obs):
    """The operand that breaks the operation was made of labels alone."""
    root = obs.root
    if not (_singular(obs) and root.labels_only):
        return None
    if root.op in opfacts.DIVIDING and root.zero_operand:
        return None  # a label of 0 is a label: the formula must not divide by it
    return found(
        obs,
        "bad-labels",
        "proved",
        (birth_line(obs), "the operand is computed from the labels alone, and has no finite value for this label"),
        "repair or drop this label (zero width or height, zero or negative value)",
    )


def singular_gradient(obs):
    """The derivative is infinite at this point; the value itself is not."""
    root = obs.root
    if not (_singular(obs) and root.phase == "backward") or root.late:
        return None
    return found(
        obs,
        "singular-gradient",
        "proved",
        (birth_line(obs), "the value is finite there, its derivative is not, in float64 either"),
        "keep away from the point: add eps inside the root, clamp the argument, or mask the input, not the output",
    )


def hidden_in_a_calm_step(obs):
    """The same, before anything that has run away is asked for a reason: here nothing has."""
    return hidden_branch(obs) if not obs.growth > 10.0 and underflow(obs) is None else None


def hidden_branch(obs):
    """A value that has no meaning is thrown away in the forward pass; its derivative is not: 0 times infinity."""
    root, replay = obs.root, obs.replay
    if root is None or obs.bad != "gradient" or root.phase not in ("forward", "loss") or root.late:
        return None
    too_large = replay and replay.limit > HALF_LIMIT and not root.nan and not replay.certified
    if not (_singular(obs) or (too_large and replay.inputs_finite)):
        return None
    return found(
        obs,
        "singular-gradient",
        "proved",
        (
            birth_line(obs),
            "the loss is finite, for the value is masked out (torch.where, clamp); its gradient is 0 times infinity",
        ),
        "mask the input of the operation as well, not its output alone",
        phase="backward",
    )


def impossible_label(obs):
    """The loss itself has no finite value for the labels it was given, whatever the model says."""
    if obs.label_problem is None or obs.root is None or obs.error is not None:
        return None
    told, sample = obs.label_problem
    return found(
        obs,
        "bad-labels",
        "proved",
        (birth_line(obs), told),
        "repair or drop this sample, or let the loss skip it (ctc_loss(zero_infinity=True))",
        sample=sample,
    )


def _running_below(obs):
    return found(
        obs,
        "batch-statistics",
        "proved",
        (birth_line(obs), "the running variance that it takes the root of is below 0: no average of variances is"),
        "keep the momentum of the norm in 0 .. 1, and reset its running statistics",
    )


def division(obs):
    """log(0), x/0, 0/0: the formula has no value there."""
    root = obs.root
    if not _singular(obs) or root.phase == "optimizer":
        return None
    if obs.weights_bad:
        return None
    if root.inputs_had_inf and not root.zero_operand and root.op in ("sub", "add", "mul", "bmm", "mm", "addmm"):
        return None
    return found(
        obs,
        "division-by-zero",
        "proved",
        (
            birth_line(obs),
            "it has no finite value for these inputs in float64 either",
            "an operand is exactly 0" if root.zero_operand else "an operand is negative" if root.negative else "",
            "it is computed from the labels alone" if root.labels_only else "",
        ),
        "guard the operand: clamp(min=eps), or skip the term where there is nothing to divide by",
    )
