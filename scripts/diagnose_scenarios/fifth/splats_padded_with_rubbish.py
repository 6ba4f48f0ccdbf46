"""A renderer's own kernel, outside torch, pads colours to a supported number of channels with memory that nobody wrote,
and its gradient is no number (nerfstudio-project/gsplat pull request 235).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn

SUPPORTED = (1, 2, 4, 8)
PIXELS = np.linspace(-2, 2, 24)


class RasterizeToPixels(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, means: Tensor, colors: Tensor, rubbish: float) -> Tensor:
        mean, color = means.detach().numpy(), colors.detach().numpy()
        weight = np.exp(-4 * (PIXELS[:, None] - mean) ** 2)
        context.parts, context.rubbish = (mean, color, weight), rubbish
        return torch.from_numpy(weight @ color).float()

    @staticmethod
    def backward(context: Any, grad: Tensor) -> Any:
        mean, color, weight = context.parts
        channels = next(count for count in SUPPORTED if count >= color.shape[1])
        pad = channels - color.shape[1]
        padded = np.pad(color, ((0, 0), (0, pad)), constant_values=context.rubbish)
        upstream = np.pad(grad.numpy(), ((0, 0), (0, pad)))
        through = (upstream @ padded.T) * weight * 8 * (PIXELS[:, None] - mean)
        return torch.from_numpy(through.sum(0)).float(), torch.from_numpy(weight.T @ grad.numpy()).float(), None


class Splats(nn.Module):
    def __init__(self, count: int, rubbish: float) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.linspace(-1.8, 1.8, count))
        self.features = nn.Parameter(0.1 * torch.randn(count, 4))
        self.rubbish = rubbish

    def forward(self, channels: int) -> Tensor:
        return RasterizeToPixels.apply(self.means, self.features[:, :channels], self.rubbish)


class Scene(nn.Module):
    def __init__(self, count: int, rubbish: float) -> None:
        super().__init__()
        self.splats = Splats(count, rubbish)
        self.exposure = nn.Parameter(torch.ones(()))

    def forward(self, channels: int) -> Tensor:
        return self.exposure * self.splats(channels)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    scene = Scene(knobs.pick(8, 10), 0.0 if repaired else float("nan"))
    optimizer = kit.adam(scene, lr=0.02)
    truth = torch.sin(torch.from_numpy(PIXELS).float()[:, None] * torch.arange(1.0, 5.0))

    def train_step(wanted: Any) -> Tensor:
        optimizer.zero_grad()
        loss = kit.squares(scene(wanted.shape[1]), wanted)
        loss.backward()
        optimizer.step()
        return loss

    batches = [truth[:, : 3 if number == step else 4] for number in range(60)]
    return Scenario(scene, optimizer, batches, train_step, Expected(("unknown",), ("backward",), ("splats",), step))
