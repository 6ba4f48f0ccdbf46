"""A connectionist loss gets one transcript that is longer than the frames of its sound: no path fits, the loss is
infinite.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Listener(nn.Module):
    def __init__(self, width: int, letters: int) -> None:
        super().__init__()
        self.ear = nn.Linear(4, width)
        self.spell = nn.Linear(width, letters)

    def forward(self, x: Tensor) -> Tensor:
        return self.spell(torch.tanh(self.ear(x))).log_softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, letters, frames = knobs.step(), knobs.pick(5, 6), knobs.pick(8, 10)
    model = Listener(16, letters)
    optimizer = kit.adam(model, lr=0.02)
    codes = torch.randn(letters, 4)
    batches = []
    for i in range(50):
        text = torch.randint(1, letters, (6, 3))
        sound = codes[text].repeat_interleave(2, 1)
        sound = torch.cat([sound, codes[:1].expand(6, frames - 6, 4)], 1) + 0.1 * torch.randn(6, frames, 4)
        lengths = torch.full((6,), 3)
        if i == step and not repaired:
            text = torch.cat([text, torch.randint(1, letters, (6, frames))], 1)
            lengths[2] = frames + 2
        batches.append({"sound": sound, "text": text, "lengths": lengths})

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad()
        told = model(batch["sound"]).transpose(0, 1)
        heard = torch.full((6,), frames)
        loss = nn.functional.ctc_loss(told, batch["text"], heard, batch["lengths"])
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step),
    )
