"""Rules about 16-bit gradients and the loss scale."""

from dataclasses import replace

from .finding import LOSS, OPTIMIZER
from .tripwire import BEYOND, learns
from .verdicts import found, number

HARD_ENDS = ("weights", "loss", "gradient")
SILENT = ("still", "zero gradients", "audit", "stalls", "scale")


def stepped_past_the_scaler(obs):
    """The scaler had found an infinite gradient, and the optimizer was not stopped."""
    if not obs.past_infinity or obs.trip not in HARD_ENDS:
        return None
    return _misused(
        obs,
        "the scaler had found gradients that are not finite, and optimizer.step() was called all the same",
        "scaler.step(optimizer) and scaler.update() instead of optimizer.step(): it skips such steps",
    )


def scale_went_into_the_weights(obs):
    """Scaled gradients were used without unscaling, or a step was taken that the scaler would have skipped."""
    if not (obs.scaler_on and obs.scaled and not obs.unscaled and obs.optimizer_ran):
        return None
    return _misused(
        obs,
        "the loss was multiplied by %s and the optimizer stepped without the gradients being divided by it again"
        % number(obs.scale or 0.0),
        "scaler.step(optimizer) and scaler.update() instead of optimizer.step()",
    )


def never_scaled(obs):
    """The scaler divides gradients that nobody multiplied."""
    if obs.trip not in ("still", "scale") or not obs.unscaled or obs.scaled or not (obs.scale or 0.0) > 16.0:
        return None
    return _misused(
        obs,
        "scaler.step() divides the gradients by %s, but backward() ran on a loss that was not multiplied by it"
        % number(obs.scale or 0.0),
        "scaler.scale(loss).backward() instead of loss.backward()",
    )


def clipped_while_scaled(obs):
    """Clipping the scaled gradients cuts the learning rate by the scale."""
    if not obs.clipped_scaled or obs.trip not in SILENT:
        return None
    factor, scale = obs.clipped_scaled
    if not (scale > 16.0 and factor < 0.1):
        return None
    return _misused(
        obs,
        (
            "the gradients were clipped (times %s) while still multiplied by the loss scale %s"
            % (number(factor), number(scale)),
            "after unscaling the update is up to %s times too small" % number(scale),
        ),
        "scaler.unscale_(optimizer) before clip_grad_norm_",
    )


AROUND = 16.0
"""A cut by about the scale is the scale's, up to the ratio of a limit and a norm; any other is a choice."""


def cut_by_the_scale(obs):
    """A loss scale of the step's own was divided out, and the gradients were cut down once more."""
    left = obs.kept * obs.own_scale
    if obs.trip not in ("slow", "flat") or not 0.0 < left * obs.own_scale < AROUND:
        return None
    lines = (
        "the step multiplies its loss by %s; after unscaling, the optimizer finds %s of the gradient"
        % (number(obs.own_scale), number(left)),
        "they were unscaled twice, or clipped by a norm that was still multiplied by the scale",
    )
    remedy = "unscale once, and then compare the norm of the unscaled gradients with the limit"
    return replace(_misused(obs, lines, remedy), certainty="suspected")


def depends_on_scale(obs):
    """Nothing the optimizer finds may depend on the loss scale: here it does, in float64 too."""
    if not obs.scale_shift:
        return None
    gap, ratio = obs.scale_shift
    line = "with a loss scale 16 times smaller %.0f %% of the gradient that the optimizer finds changes" % (100 * gap)
    if ratio > 4.0:
        return _misused(
            obs, line + ": it is still multiplied by the scale", "scaler.step(optimizer), or scaler.unscale_ before it"
        )
    if ratio < 0.25:
        return _misused(
            obs,
            line + ": it is divided by the scale once too often",
            "scale each loss once (scaler.scale(loss).backward()) and let scaler.step() alone divide the gradients",
        )
    return _misused(
        obs,
        line + ": scaled and unscaled parts are mixed, or something acted on scaled gradients",
        "scale every loss that is part of the step, and unscale_ before gradients are clipped, added or compared",
    )


def stuck_scale(obs):
    """The scaler skips step after step and its scale does not fall."""
    if not obs.scale_stuck:
        return None
    if obs.renewed:
        return _misused(
            obs,
            "the step replaced its scaler %d times by a new one, whose scale begins anew: its first steps are skipped"
            % obs.renewed,
            "make one GradScaler before the loop and use it in every epoch",
        )
    if obs.scale is not None and obs.scale > BEYOND:
        return _misused(
            obs,
            "the loss scale is %s after all these skipped steps: it began so high that it takes a hundred more"
            % number(obs.scale),
            "GradScaler() begins at 65536: leave init_scale at that, or lower",
        )
    if obs.scale is None:
        return _misused(
            obs,
            "the last steps were all skipped by a scaler that does not outlive the step: its scale cannot fall",
            "make one GradScaler before the loop and use it in every step",
        )
    return _misused(
        obs,
        (
            "the last steps were all skipped, and the loss scale stays at %s" % number(obs.scale or 0.0),
            "with a scale of 1 the same step is finite",
        ),
        "scaler.update() without an argument, once after each step",
    )


def gradients_lost(obs):
    """Gradients that are exactly 0 and are not in float64."""
    if obs.trip not in SILENT or not obs.shadow_alive or not 0.5 <= obs.grads.vanished <= 1:
        return None
    if learns(obs.losses):  # then vanishing gradients are the end of a training that went well
        return None
    return found(
        obs,
        "gradient-underflow",
        "proved",
        (
            "%.0f %% of the gradient is exactly 0; in float64 these elements hold %.0f %% of its norm"
            % (100 * obs.grads.zero, 100 * obs.grads.vanished),
        ),
        "use a GradScaler (or bfloat16): float16 ends at 6e-8",
        phase="backward",
        module=obs.first_bad_module[0] or LOSS,
    )


def _misused(obs, lines, remedy):
    """The finding for one line of evidence, or for several."""
    lines = (lines,) if isinstance(lines, str) else lines
    return found(obs, "scaler-misuse", "proved", lines, remedy, phase="optimizer", module=OPTIMIZER)
