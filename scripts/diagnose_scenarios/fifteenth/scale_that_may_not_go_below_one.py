"""The scale of the loss is never made smaller than one; where the gradients overflow even so, every step is left out
and the model does not learn (keras-team/keras issue 16100).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class LossScale:
    """Halved after an overflow down to `least`, doubled after twenty good steps."""

    def __init__(self, least: float) -> None:
        self.scale, self.least, self.good = 1024.0, least, 0

    def state_dict(self) -> dict[str, Any]:
        return {"scale": self.scale, "good": self.good}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scale, self.good = state["scale"], state["good"]

    def update(self, fine: bool) -> None:
        self.good = self.good + 1 if fine else 0
        if not fine:
            self.scale = max(self.scale / 4, self.least)
        elif self.good >= 20:
            self.scale, self.good = self.scale * 2, 0


class World(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.encode = nn.Linear(inputs, width)
        self.decode = nn.Linear(width, inputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x).tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = World(8, knobs.pick(16, 20))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    control = LossScale(2.0**-20 if repaired else 1.0)
    weight = knobs.pick(3e7, 6e7)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            said = model(batch[0])
        loss = weight * (said.float() - batch[1]).square().mean()
        (loss * control.scale).backward()
        fine = all(bool(each.grad.isfinite().all()) for each in model.parameters())
        if fine:
            for each in model.parameters():
                each.grad.div_(control.scale)
            optimizer.step()
        control.update(fine)
        return loss

    batches = kit.regression(70, 32, 8, 8)
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse", "fp16-overflow"), (), (), None, "stalls"),
        extra_state=(control,),
    )
