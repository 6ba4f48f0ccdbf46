"""Text is read aloud by an attention net whose Adam runs at a rate hundreds of times too high; the loss explodes, and a
lower rate was the answer (barronalex/Tacotron issue 7).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, letters: int, width: int, bands: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, width)
        self.encoder = nn.GRU(width, width, batch_first=True)
        self.frames = nn.Parameter(torch.randn(10, width))
        self.post = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, bands))

    def forward(self, text: Tensor) -> Tensor:
        memory, _ = self.encoder(self.letters(text))
        looked = torch.softmax(self.frames @ memory.transpose(1, 2), -1)
        return self.post(looked @ memory)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Reader(12, knobs.pick(12, 16), 6)
    optimizer = kit.adam(model, lr=0.005 if repaired else knobs.pick(1.0, 1.5))
    sounds = torch.randn(12, 6)
    texts = [torch.randint(12, (16, 8)) for _ in range(70)]

    def train_step(text: Tensor) -> Tensor:
        optimizer.zero_grad()
        mel = model(text)
        loss = nn.functional.mse_loss(mel, sounds[text].mean(1, keepdim=True).expand_as(mel) * 3)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, texts, train_step, Expected(("learning-rate",), (), (), None, "diverges"))
