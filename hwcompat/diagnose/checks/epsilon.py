"""An epsilon that is 0 in the dtype it is added in."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.diagnose.clue import PROVED, SUSPECTED, Clue
from hwcompat.diagnose.config import Config, Facts

HALF_OF_THE_LEAST_FP16 = 2.0**-25
"""float16's least positive number is 2^-24; what is not above half of it rounds to 0 (ties go to even)."""
LEAST_FP32 = 2.0**-149
SOURCE = "https://github.com/pytorch/pytorch/issues/8860"
IEEE = "IEEE 754, binary16: the least positive number is 2^-24"


def check(config: Config, facts: Facts) -> Iterator[Clue]:
    eps = config.number("eps")
    if eps is None:
        return
    key = config.meant["eps"].key
    if 0 <= eps <= LEAST_FP32 / 2:
        yield config.clue(
            "config.eps-zero", key, f"eps is {eps:g}: 0 in every dtype",
            why="Adam divides by sqrt(v) + eps, and v is 0 for a weight that has had no gradient: 0 / 0",
            change="set eps: 1e-8", certainty=PROVED, weight=75, cause="optimizer-eps", source=IEEE,
        )  # fmt: skip
    elif eps <= HALF_OF_THE_LEAST_FP16 and config.value("weights") == "fp16" and config.client != "deepspeed":
        yield config.clue(
            "config.eps-in-fp16", (key, config.meant["weights"].key), f"eps {eps:g} rounds to 0 in float16",
            why="the weights themselves are float16 here, so the optimizer computes in it: 0 / 0 for a gradient 0. "
            "Under autocast the weights stay float32 and 1e-8 does no harm",
            change="set eps to 1e-4, or train with autocast", certainty=SUSPECTED, weight=80, cause="optimizer-eps",
            source=SOURCE,
        )  # fmt: skip
