"""The density of a far point is 0 in float32 and its logarithm minus infinity, which the log-density is not."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, sigma = knobs.step(), knobs.pick(0.3, 0.4)
    model = kit.mlp(6, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model)

    def criterion(mean: Tensor, y: Tensor) -> Tensor:
        z = -0.5 * ((y - mean) / sigma).square()
        return -(z if repaired else z.exp().log()).clamp(max=1e6).mean()

    batches = kit.regression(60, 16, 6)
    batches = [(x * 0.3, y * 0.3) for x, y in batches]
    batches[step][1][3] = 9.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion, clip=1.0),
        Expected(("underflow",), ("loss", "backward"), (LOSS,), step),
    )
