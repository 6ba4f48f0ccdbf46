"""Some samples have fewer frames than their text has letters, so that no alignment exists and the loss is infinite;
without them the net learns (YiwenShaoStephen/pychain_example issue 6).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Acoustic(nn.Module):
    def __init__(self, bands: int, width: int, letters: int) -> None:
        super().__init__()
        self.tdnn = nn.Conv1d(bands, width, 3, padding=1)
        self.out = nn.Linear(width, letters)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.tdnn(x.mT).relu().mT).log_softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    letters, step = 5, knobs.randint(7, 25)
    model = Acoustic(6, knobs.pick(16, 20), letters)
    optimizer = kit.adam(model)
    sounds = 2 * torch.randn(letters, 6)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        said = model(batch["sound"])
        loss = nn.functional.ctc_loss(said.transpose(0, 1), batch["text"], batch["frames"], batch["letters"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(45):
        text = 1 + torch.randint(letters - 1, (12, 4))
        sound = sounds[text].repeat_interleave(3, 1) + 0.3 * torch.randn(12, 12, 6)
        frames = torch.full((12,), 12)
        if number == step and not repaired:
            frames[torch.randperm(12)[: knobs.randint(1, 2)]] = knobs.pick(2, 3)
        batches.append({"sound": sound, "text": text, "frames": frames, "letters": torch.full((12,), 4)})
    return Scenario(
        model, optimizer, batches, train_step, Expected(("bad-labels", "bad-data"), ("data", "loss"), (), step)
    )
