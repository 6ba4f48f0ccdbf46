"""Masks for two classes are read from pictures that still hold another grey value in places; the loss is asked for a
class that the head does not have (open-mmlab/mmsegmentation issue 3609).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Segmentor(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, width, 3, padding=1)
        self.decode_head = nn.Conv2d(width, 2, 1)
        self.auxiliary_head = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.backbone(x).relu()
        return self.decode_head(h), self.auxiliary_head(h)


def entropy(logits: Tensor, seg: Tensor) -> Tensor:
    """Mean over the pixels whose class is not 255."""
    known = seg != 255
    wanted = nn.functional.one_hot(seg[known], logits.shape[1])
    return -(wanted * logits.movedim(1, -1)[known].log_softmax(-1)).sum(-1).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(4, 30)
    model = Segmentor(knobs.pick(8, 12))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def train_step(batch: dict[str, Tensor]) -> Any:
        decode, aux = model(batch["inputs"])
        seg = batch["gt_sem_seg"]
        losses = {
            "decode.loss_ce": entropy(decode, seg),
            "aux.loss_ce": 0.4 * entropy(aux, seg),
        }
        loss = sum(losses.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return losses

    batches = []
    for number in range(50):
        seg = torch.randint(2, (4, 4, 4)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        inputs = torch.randn(4, 3, 8, 8) * 0.4
        inputs[:, 0] += 2.0 * seg
        seg[:, 0, :] = 255
        if number == step:
            seg[knobs.randint(0, 3), 3, 1:4] = 255 if repaired else 7
        batches.append({"inputs": inputs, "gt_sem_seg": seg})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step, "raises"),
    )
