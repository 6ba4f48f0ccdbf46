"""The mean size of a superpixel is divided by the size of each; after the picture is made smaller some of them hold no
pixel at all (YangZhang4065/AdaptationSeg issue 6).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Adapt(nn.Module):
    def __init__(self, width: int, kinds: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.score = nn.Conv2d(width, kinds, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.conv(x).relu()).log_softmax(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds, regions, step = 4, knobs.pick(6, 8), knobs.randint(4, 22)
    model = Adapt(10, kinds)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    colours = torch.randn(kinds, 3)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        said = model(batch["image"]).movedim(1, -1).flatten(0, 2)
        where = batch["region"].flatten()
        size = torch.zeros(regions).index_add(0, where, torch.ones(len(where)))
        weight = size.mean() / (size.clamp(min=1) if repaired else size)
        summed = torch.zeros(regions, kinds).index_add(0, where, said)
        loss = -(weight[:, None] * summed * batch["kind"]).sum() / len(where)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(45):
        kind = torch.randint(kinds, (regions,))
        region = torch.arange(144).remainder(regions)[torch.randperm(144)].reshape(1, 12, 12)
        if number == step:
            region = torch.where(region == 2, 0, region)
        image = colours[kind[region]].movedim(-1, 1) + 0.2 * torch.randn(1, 3, 12, 12)
        batches.append({"image": image, "region": region, "kind": nn.functional.one_hot(kind, kinds).float()})
    return Scenario(model, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
