"""Observations -> Finding: rules in order, each a pure function that gives a finding or None. The first one wins."""

from . import logic_once, logic_operator, logic_range, logic_scaling, logic_still, logic_training
from .finding import Finding

RULES = (
    logic_training.bad_batch,
    logic_training.explained_error,
    logic_training.weights_bad_from_the_start,
    logic_training.bad_table,
    logic_still.left_from_before,
    logic_still.nothing_to_see,
    logic_scaling.never_scaled,
    logic_scaling.clipped_while_scaled,
    logic_scaling.cut_by_the_scale,
    logic_scaling.depends_on_scale,
    logic_once.compiler,
    logic_once.failed_launch,
    logic_once.not_reproduced,
    logic_once.departed,
    logic_once.flipped,
    logic_operator.intermittent,
    logic_operator.device_or_library,
    logic_operator.crooked_kernel,
    logic_operator.vendor_kernel,
    logic_scaling.stepped_past_the_scaler,
    logic_scaling.scale_went_into_the_weights,
    logic_training.optimizer_eps,
    logic_operator.accumulation,
    logic_operator.outside_number,
    logic_operator.full_mask,
    logic_operator.batch_statistics,
    logic_training.targets_without_end,
    logic_training.giant_sample,
    logic_operator.hidden_in_a_calm_step,
    logic_training.divergence,
    logic_range.raw_input,
    logic_training.negative_start,
    logic_training.label_below,
    logic_operator.underflow,
    logic_operator.impossible_label,
    logic_operator.bad_label,
    logic_operator.bad_operand,
    logic_operator.hidden_branch,
    logic_operator.singular_gradient,
    logic_operator.division,
    logic_scaling.stuck_scale,
    logic_range.swallowed,
    logic_still.cleared_too_early,
    logic_range.lost_digits,
    logic_scaling.gradients_lost,
    logic_still.asleep_from_the_start,
    logic_still.rounded_away,
    logic_still.dead,
    logic_range.constant_past_half,
    logic_range.half_range,
    logic_range.wide_range,
)
"""Data before births: a bad input has no birth. Hardware before range: only a truth that is finite gets there."""


def decide(observations):
    """The finding for one bad step; cause unknown where no rule holds."""
    for rule in RULES:
        finding = rule(observations)
        if finding is not None:
            return finding
    return unknown(observations)


def _where(observations):
    if observations.root:
        return observations.root.module
    return observations.foreign[0] if observations.foreign else observations.first_bad_module[0]


def _phase(observations):
    if observations.root:
        return observations.root.phase
    if observations.foreign:
        return observations.foreign[1]
    # Sane loss and gradients, and weights that are not: only the optimizer came between them.
    return "optimizer" if observations.trip == "weights" and not observations.reproduced else ""


def unknown(observations):
    """What there is, without a verdict."""
    root = observations.root
    lines = ["the step ended with bad %s" % (observations.bad or observations.trip)]
    lines += ["could not be replayed: " + line for line in observations.not_replayable]
    if observations.foreign:
        lines.append("the bad value comes from outside torch: %s of %s met it first" % observations.foreign[2::-2])
    if observations.error:
        lines.append("%s: %s" % observations.error[:2])
    return Finding(
        cause="unknown",
        certainty="unknown",
        step=observations.step,
        phase=_phase(observations),
        module=_where(observations),
        op=root.op if root else "",
        source=root.source if root else "",
        evidence=tuple(lines),
        remedy="save the capture file and attach it to a report",
        checked=observations.checked,
        not_checked=observations.not_checked,
    )
