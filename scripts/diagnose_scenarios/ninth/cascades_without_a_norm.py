"""An unrolled reconstruction of MR pictures repeats data consistency and a small net a dozen times, with no norm
anywhere in the nets: gradients explode; with instance norms, as its forerunner had them, it trains
(hellopipu/PromptMR-plus issue 7).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cascade(nn.Module):
    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        self.inp = nn.Conv2d(2, width, 3, padding=1)
        self.norm = nn.InstanceNorm2d(width) if normed else nn.Identity()
        self.out = nn.Conv2d(width, 2, 3, padding=1)
        nn.init.kaiming_normal_(self.inp.weight)
        nn.init.kaiming_normal_(self.out.weight)

    def forward(self, picture: Tensor, measured: Tensor, mask: Tensor) -> Tensor:
        spectrum = torch.fft.fft2(torch.view_as_complex(picture.permute(0, 2, 3, 1).contiguous()), norm="ortho")
        spectrum = torch.where(mask, measured, spectrum)
        picture = torch.view_as_real(torch.fft.ifft2(spectrum, norm="ortho")).permute(0, 3, 1, 2)
        return picture + self.out(nn.functional.leaky_relu(self.norm(self.inp(picture)), 0.2))


class Unrolled(nn.Module):
    def __init__(self, count: int, width: int, normed: bool) -> None:
        super().__init__()
        self.cascades = nn.ModuleList(Cascade(width, normed) for _ in range(count))

    def forward(self, measured: Tensor, mask: Tensor) -> Tensor:
        picture = measured.real.new_zeros(measured.shape[0], 2, *measured.shape[1:])
        for cascade in self.cascades:
            picture = cascade(picture, measured, mask)
        return picture


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Unrolled(knobs.pick(18, 20), 6, repaired)
    optimizer = kit.sgd(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        measured, mask, wanted = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(measured, mask), wanted)
        loss.backward()
        optimizer.step()
        return loss

    base = nn.functional.interpolate(torch.randn(4, 2, 3, 3), size=(8, 8), mode="bilinear")
    batches = []
    for _ in range(30):
        wanted = base[torch.randint(4, (4,))] + 0.05 * torch.randn(4, 2, 8, 8)
        mask = (torch.arange(8) % 3 == 0).expand(4, 8, 8)
        spectrum = torch.fft.fft2(torch.view_as_complex(wanted.permute(0, 2, 3, 1).contiguous()), norm="ortho")
        batches.append((spectrum * mask, mask, wanted))
    return Scenario(model, optimizer, batches, train_step, Expected(("exploding-gradients",), (), (), None))
