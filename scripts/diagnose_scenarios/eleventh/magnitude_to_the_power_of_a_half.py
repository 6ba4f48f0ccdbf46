"""Speech is enhanced by the error between magnitudes of spectra; with a power of one half the magnitude is the root of
the squares, and in a bin of exactly nothing the gradient is no number (speechbrain/speechbrain issue 181).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def magnitude(stft: Tensor, power: float, eps: float) -> Tensor:
    return (stft.square().sum(-1) + eps).pow(power)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, step = 32, knobs.randint(15, 40)
    model = kit.named(
        enc=nn.Conv1d(1, knobs.pick(8, 12), 5, padding=2, bias=False),
        act=nn.Tanh(),
        dec=nn.LazyConv1d(1, 5, padding=2, bias=False),
    )
    model(torch.zeros(1, 1, size))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    window, eps = torch.hann_window(16), 1e-8 if repaired else 0.0

    def spectrum(wave: Tensor) -> Tensor:
        return torch.view_as_real(torch.stft(wave, 16, 8, window=window, return_complex=True, center=False))

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        noisy, clean = batch
        heard = model(noisy[:, None])[:, 0]
        loss = (magnitude(spectrum(heard), 0.5, eps) - magnitude(spectrum(clean), 0.5, eps)).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    times = torch.arange(size) / size
    batches = []
    for number in range(60):
        clean = torch.sin(6.28 * times * (2 + 4 * torch.rand(12, 1)))
        noisy = clean + 0.3 * torch.randn(12, size)
        if number == step:
            one = knobs.randint(0, 11)
            clean[one], noisy[one] = 0.0, 0.0
        batches.append((noisy, clean))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("loss", "backward"), (LOSS,), step),
    )
