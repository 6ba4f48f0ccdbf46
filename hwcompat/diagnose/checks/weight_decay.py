"""Weight decay so large that the decay itself makes the weights grow.

With gradient 0 the step is w <- w - lr * wd * w. Plain SGD and decoupled decay (AdamW) shrink |w| while lr * wd < 2.
With momentum m the recurrence v <- m v + wd w, w <- w - lr v is stable for lr * wd < 2 (1 + m), and Nesterov's
(w <- w - lr (wd w + m v)) for lr * wd < 2 (1 + m) / (1 + 2 m): the roots of its characteristic polynomial leave the
unit circle there (Jury's criterion). Adam's own decay passes through its normalisation, so no such bound exists for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.diagnose.clue import PROVED, SUSPECTED, Clue
from hwcompat.diagnose.config import Config, Facts

SOURCE = "https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html"
DECOUPLED = ("adamw", "lion", "lamb")
LARGE = 0.05
"""lr * wd from which on the weights lose 5 % a step: far from any use (the product is about 5e-6 by default)."""


def check(config: Config, facts: Facts) -> Iterator[Clue]:
    lr, decay = config.number("lr"), config.number("weight_decay")
    optimizer = str(config.value("optimizer") or "").lower()
    if lr is None or decay is None or not (lr * decay > LARGE) or optimizer == "auto":
        return
    keys = (config.meant["lr"].key, config.meant["weight_decay"].key)
    limit = bound(optimizer, config.number("momentum") or 0.0, bool(config.value("nesterov")))
    if limit is not None and lr * decay > limit:
        yield config.clue(
            "config.lr-times-decay", keys, f"lr * weight_decay = {lr * decay:g}: the decay itself diverges",
            why=f"from {limit:.3g} on each step makes the weights larger with the other sign, whatever the data are",
            change="set weight_decay to 0.0005 (or 0.01 with AdamW)", certainty=PROVED, weight=93,
            cause="weight-decay", source=SOURCE,
        )  # fmt: skip
        return
    yield config.clue(
        "config.decay-large", keys, f"lr * weight_decay = {lr * decay:g}: the weights shrink by that share each step",
        why="usual products are below 1e-4; the network is pulled to zero, and beyond 2 the decay diverges",
        change="set weight_decay to 0.0005 (or 0.01 with AdamW)", certainty=SUSPECTED, weight=45,
        cause="weight-decay", source=SOURCE,
    )  # fmt: skip


def bound(optimizer: str, momentum: float, nesterov: bool) -> float | None:
    """lr * weight_decay above which the weights grow without any gradient; None where none is known."""
    if any(word in optimizer for word in DECOUPLED):
        return 2.0
    if "sgd" not in optimizer:
        return None
    return 2 * (1 + momentum) / (1 + 2 * momentum) if nesterov and momentum else 2 * (1 + momentum)
