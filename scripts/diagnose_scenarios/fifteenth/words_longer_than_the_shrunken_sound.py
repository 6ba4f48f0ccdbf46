"""The encoder shortens the sound so much that fewer frames are left than the text has letters; no path through them
spells it and the loss is infinite (burchim/EfficientConformer issue 5).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Shorten(nn.Module):
    def __init__(self, bands: int, width: int, letters: int) -> None:
        super().__init__()
        self.down = nn.Conv1d(bands, width, 4, stride=4)
        self.mix = nn.Conv1d(width, width, 3, padding=1)
        self.letters = nn.Linear(width, letters)

    def forward(self, sound: Tensor) -> Tensor:
        h = self.mix(self.down(sound).relu()).relu()
        return self.letters(h.permute(2, 0, 1)).log_softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    letters, frames, step = 6, knobs.pick(8, 10), knobs.randint(4, 20)
    model = Shorten(5, 24, letters)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    tones = 2 * torch.randn(letters, 5)

    def train_step(batch: dict[str, Any]) -> Tensor:
        said = model(batch["sound"])
        heard = torch.full((said.shape[1],), said.shape[0])
        loss = nn.functional.ctc_loss(said, batch["text"], heard, batch["spelt"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(40):
        text = torch.randint(1, letters, (8, frames + 3))
        spelt = torch.randint(2, 4, (8,))
        sound = torch.zeros(8, frames, 5)
        for row in range(8):
            for place in range(int(spelt[row])):
                sound[row, 2 * place : 2 * place + 2] = tones[text[row, place]]
        if number == step and not repaired:
            spelt[knobs.randint(0, 7)] = frames + knobs.randint(1, 3)
        sound = sound.repeat_interleave(4, 1) + 0.1 * torch.randn(8, 4 * frames, 5)
        batches.append({"sound": sound.mT, "text": text, "spelt": spelt})
    return Scenario(
        model, optimizer, batches, train_step, Expected(("bad-labels", "bad-data"), ("loss", "data"), (LOSS,), step)
    )
