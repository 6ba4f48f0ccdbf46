"""The power of a spectrum is made by squaring a root; the perturbation of the sound that is learnt begins at nought,
where the root has no slope (Trusted-AI/adversarial-robustness-toolbox issue 1658).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Perturb(nn.Module):
    def __init__(self, samples: int) -> None:
        super().__init__()
        self.delta = nn.Parameter(torch.zeros(samples))
        self.listen = nn.Conv1d(1, 6, 9, stride=4)
        self.word = nn.Linear(6, 3)

    def forward(self, sound: Tensor) -> Tensor:
        return self.word(self.listen(sound + self.delta).relu().mean(-1))


def audible(delta: Tensor, plain: bool) -> Tensor:
    spectrum = torch.stft(delta, 16, 8, window=torch.hann_window(16), return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    if not plain:
        power = power.sqrt().square()
    return (power - 0.1).relu().mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    samples = knobs.pick(64, 80)
    model = Perturb(samples)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    tones = torch.tensor([0.3, 0.8, 1.6])

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(batch[0]), batch[1]) + 0.05 * audible(model.delta, repaired)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(45):
        word = torch.randint(3, (16,))
        sound = (tones[word][:, None] * torch.arange(samples)).sin() + 0.1 * torch.randn(16, samples)
        batches.append((sound[:, None], word))
    return Scenario(model, optimizer, batches, train_step, Expected(("singular-gradient",), ("backward",), (LOSS,), 0))
