"""What the numbers of a training look like when they go wrong. Each pattern is a function of a Record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .clue import NOTE, PROVED, SUSPECTED, Clue, Place
from .record import Point, Record, columns

GROWTH = 10.0
"""A loss that many times its own least value is diverging; healthy ones vary by less."""
FLAT, FEWEST_FLAT = 1e-3, 8
FEWEST_ZERO, MANY_ZERO = 4, 8
"""Epochs with metrics of 0: the first ones are 0 in many healthy trainings from scratch."""
STREAK = 10
"""Skipped steps that a warm-up from a scale of 2^16 may take, and some more."""
SCALER = "https://docs.pytorch.org/docs/stable/amp.html#gradient-scaling"
VALIDATION = "https://github.com/ultralytics/ultralytics/issues/9223"
FILTER = "https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/trainer.py"
MAP_ZERO = "https://github.com/ultralytics/ultralytics/issues/1299"
DIVERGING = "https://docs.pytorch.org/docs/stable/optim.html"
DEEPSPEED = "https://github.com/deepspeedai/DeepSpeed/blob/v0.19.8/deepspeed/runtime/fp16/loss_scaler.py"


class Break(NamedTuple):
    """The first point at which a loss is not finite, with the finite values of that column before."""

    at: int
    point: Point
    name: str
    before: tuple[float, ...]


def find(record: Record) -> Iterator[Clue]:
    """Every pattern that fits."""
    broken = first_break(record, "loss")
    yield from _held_out(record, broken)
    if broken:
        yield _nonfinite(record, broken)
    else:
        yield from _growing(record)
        yield from _flat(record)
    yield from _zero_metrics(record, broken)
    yield from _zero_loss(record)
    yield from _gradient_norm(record)
    yield from _scales(record)


def first_break(record: Record, wanted: str) -> Break | None:
    """The earliest point where any column of that role is NaN or infinite; of those there the least grown last."""
    names = columns(record.points, wanted)
    for at, point in enumerate(record.points):
        bad = [name for name in names if not math.isfinite(point.values.get(name, 0.0))]
        if bad:
            candidates = [Break(at, point, name, _finite(record.points[:at], name)) for name in bad]
            return max(candidates, key=lambda each: _growth(each.before))
    return None


def _finite(points: Sequence[Point], name: str) -> tuple[float, ...]:
    values = (point.values[name] for point in points if name in point.values)
    return tuple(value for value in values if math.isfinite(value))


def _growth(values: Sequence[float]) -> float:
    """The last value over the least of all before it; 1 where there is nothing to compare."""
    least = min((abs(value) for value in values[:-1]), default=0.0)
    return abs(values[-1]) / least if least > 0 else 1.0


def _rate(record: Record, at: int) -> str:
    """ "; the learning rate was 0.01"."""
    names = columns(record.points, "lr")
    for point in reversed(record.points[: at + 1]):
        rates = [point.values[name] for name in names if math.isfinite(point.values.get(name, math.nan))]
        if rates:
            return f"; the learning rate was {max(rates):g}"
    return ""


def _nonfinite(record: Record, found: Break) -> Clue:
    later = _finite(record.points[found.at :], found.name)
    back = "; it is finite again later, by a recovery or by luck" if later else ""
    what = f"{found.name} is not finite from {record.when(found.point)} on{_rate(record, found.at)}"
    place = (record.place(found.point, found.name),)
    growth = _growth(found.before)
    if not found.before:
        return Clue(
            "curve.nonfinite-at-once", what,
            "it was never finite: no slow divergence. A card that computes float16 wrongly, NaN in the first batch, a "
            f"loss that divides by zero, or a learning rate that throws the weights away at once{back}",
            "hwcompat probe, then check the data with --data", PROVED, 66, "unknown", DIVERGING, place,
        )  # fmt: skip
    if growth >= GROWTH:
        return Clue(
            "curve.diverged", what,
            f"it had grown to {growth:.3g} times its least value before ({found.before[-1]:g}): it diverged{back}",
            "divide the learning rate by 10, or warm up longer", SUSPECTED, 76, "learning-rate", DIVERGING, place,
        )  # fmt: skip
    return Clue(
        "curve.nonfinite-suddenly", what,
        f"the value before was {found.before[-1]:g}, and it had not grown ({len(found.before)} finite points): one bad "
        f"sample, an overflow in float16, or the card, rather than the learning rate{back}",
        "check the data with --data; then watch the run with hwcompat.watch, which names the operation", PROVED, 68,
        "unknown", DIVERGING, place,
    )  # fmt: skip


def _held_out(record: Record, trained: Break | None) -> Iterator[Clue]:
    """Validation broke while the training losses were, or still are, finite."""
    broken = first_break(record, "held-out loss")
    if broken and columns(record.points, "loss") and (trained is None or broken.at < trained.at):
        yield Clue(
            "curve.validation-nonfinite",
            f"{broken.name} is not finite from {record.when(broken.point)} on while the training losses are",
            "training and validation compute in different precisions: validation in float16 overflows, or the card "
            "computes it wrongly. NaN in the statistics of batch normalisation shows the same",
            "validate in float32 (Ultralytics: amp=False, and 8.2.96 or newer), and run hwcompat probe", SUSPECTED, 82,
            "hardware", VALIDATION, (record.place(broken.point, broken.name),),
        )  # fmt: skip


def _growing(record: Record) -> Iterator[Clue]:
    for name in columns(record.points, "loss"):
        values = _finite(record.points, name)
        if len(values) >= 4 and _growth(values) >= GROWTH and abs(values[-1]) >= abs(values[0]):
            point = next(p for p in reversed(record.points) if name in p.values)
            yield Clue(
                "curve.diverging", f"{name} grows: {values[-1]:g} at the end, {min(values):g} at its best",
                f"it is {_growth(values):.3g} times its least value, still finite{_rate(record, len(record.points))}",
                "divide the learning rate by 10, or warm up longer", SUSPECTED, 58, "learning-rate", DIVERGING,
                (record.place(point, name),),
            )  # fmt: skip
            return


def _flat(record: Record) -> Iterator[Clue]:
    names = columns(record.points, "loss")
    series = {name: _finite(record.points, name) for name in names}
    long = {name: values for name, values in series.items() if len(values) >= FEWEST_FLAT}
    if not long or not all(_is_flat(values) for values in long.values()):
        return
    name = next(iter(long))
    if not any(long[name]):
        return  # all 0: told by another pattern
    yield Clue(
        "curve.flat", f"the loss does not move: {long[name][0]:g} over {len(long[name])} points",
        "the weights do not change: a learning rate of 0, every step skipped by the scaler, gradients clipped before "
        f"unscale_, or frozen layers{_rate(record, len(record.points))}",
        "look at the loss scale and at the learning rate; clip after scaler.unscale_(optimizer)", SUSPECTED, 62,
        "gradient-underflow", SCALER, (record.place(record.points[-1], name),),
    )  # fmt: skip


def _is_flat(values: Sequence[float]) -> bool:
    middle = abs(sum(values) / len(values))
    return max(values) - min(values) <= FLAT * middle


def _zero_metrics(record: Record, broken: Break | None) -> Iterator[Clue]:
    names = columns(record.points, "metric")
    points = record.points[: broken.at] if broken else record.points
    having = [point for point in points if any(name in point.values for name in names)]
    if len(having) < FEWEST_ZERO:
        return
    values = [point.values[name] for point in having for name in names if name in point.values]
    if any(math.isfinite(value) and value > 1e-6 for value in values):
        return
    yield Clue(
        "curve.metrics-zero", f"every metric is 0 over {len(having)} points while the loss is finite",
        "validation finds nothing right: it runs in another precision than training (float16 on a card that computes "
        "it wrongly), or its labels are missing or of other classes",
        "hwcompat probe; check the labels of the validation set with --data", SUSPECTED,
        79 if len(having) >= MANY_ZERO else 40, "hardware", MAP_ZERO,
        (record.place(having[-1], next(n for n in names if n in having[-1].values)),),
    )  # fmt: skip


def _zero_loss(record: Record) -> Iterator[Clue]:
    for name in columns(record.points, "loss"):
        points = [point for point in record.points if point.values.get(name) == 0.0]
        others = [point for point in record.points if name in point.values and point.values[name] != 0.0]
        if len(points) < 3 or (others and points[0] is not record.points[0] and len(points) < len(others) / 2):
            continue
        broken = any(not math.isfinite(point.values.get("grad_norm", 0.0)) for point in points)
        yield Clue(
            "curve.loss-zero", f"{name} is exactly 0 at {len(points)} points"
            + (" while the gradient norm is NaN" if broken else ""),
            "the Trainer replaces NaN losses by the average of the others (logging_nan_inf_filter), which is 0 when "
            "all are NaN; or every label is masked, so that nothing is counted",
            "set logging_nan_inf_filter: false, and look at the labels of a batch", PROVED if broken else SUSPECTED,
            84 if broken else 63, "unknown", FILTER, (record.place(points[0], name),), len(points),
        )  # fmt: skip
        return


def _gradient_norm(record: Record) -> Iterator[Clue]:
    for name in columns(record.points, "grad_norm"):
        having = [point for point in record.points if name in point.values]
        bad = [point for point in having if not math.isfinite(point.values[name])]
        if not bad:
            continue
        streak = _longest_streak(not math.isfinite(point.values[name]) for point in having)
        many = streak >= STREAK or (len(having) >= 3 and len(bad) == len(having))
        yield Clue(
            "curve.gradients-nonfinite",
            f"{name} is not finite at {len(bad)} of {len(having)} points, {streak} in a row, "
            f"from {record.when(bad[0])} on",
            "such steps are skipped by a scaler and otherwise make every weight NaN; "
            + ("this many are no warm-up of the loss scale" if many else "a few at the start are its warm-up"),
            "watch the run with hwcompat.watch, which names the operation" if many else "nothing, unless it goes on",
            PROVED if many else NOTE, 73 if many else 10, "unknown", SCALER, (record.place(bad[0], name),), len(bad),
        )  # fmt: skip


def _longest_streak(flags: Iterator[bool]) -> int:
    longest = now = 0
    for flag in flags:
        now = now + 1 if flag else 0
        longest = max(longest, now)
    return longest


def _scales(record: Record) -> Iterator[Clue]:
    if not record.scales:
        return
    scales = [scale.then if scale.then is not None else scale.tried for scale in record.scales]
    known = [scale for scale in scales if scale is not None]
    last = known[-1] if known else None
    down = last is not None and last <= 1
    many = down or (len(record.scales) > 2 * STREAK and (last is None or last <= 2.0**10))
    track = f", the loss scale went from {known[0]:g} to {last:g}" if last is not None else ""
    first = record.scales[0]
    yield Clue(
        "log.skipped-steps", f"{len(record.scales)} steps were skipped because gradients overflowed{track}",
        "gradients are NaN or infinite at every scale, so the scale is not the cause: the loss or the weights are "
        "broken, or float16 is too narrow" if many else "some at the start are normal: the scale begins high",
        "train with bf16 where the card has it, else in float32; watch the run with hwcompat.watch" if many
        else "nothing, unless it goes on",
        SUSPECTED if many else NOTE, 77 if many else 9, "fp16-overflow" if many else "scaler-misuse", DEEPSPEED,
        (Place(record.path, first.line),), len(record.scales),
    )  # fmt: skip
