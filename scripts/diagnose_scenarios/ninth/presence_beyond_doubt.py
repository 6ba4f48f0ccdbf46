"""A focal loss with its own backward pass raises 1 - p to gamma - 1; with gamma 0 and an answer beyond doubt that is 0
to the power of -1 (facebookresearch/sam3 pull request 576).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Focal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, gamma: float) -> Tensor:
        ctx.save_for_backward(logits, target)
        ctx.gamma = gamma
        p = logits.sigmoid()
        right = torch.where(target > 0.5, p, 1 - p)
        entropy = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (entropy * (1 - right) ** gamma).sum()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        logits, target = ctx.saved_tensors
        p = logits.sigmoid()
        right = torch.where(target > 0.5, p, 1 - p)
        entropy = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        doubt, sign = 1 - right, 1 - 2 * target
        of_factor = ctx.gamma * doubt ** (ctx.gamma - 1) * right * doubt * entropy
        return grad * sign * (doubt**ctx.gamma * doubt + of_factor), None, None


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(token=nn.Linear(8, 24), act=nn.ReLU(), presence=nn.Linear(24, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)

    def train_step(batch: Any) -> Tensor:
        x, target = batch
        optimizer.zero_grad()
        logits = model(x).squeeze(-1)
        if repaired:
            loss = nn.functional.binary_cross_entropy_with_logits(logits, target)
        else:
            loss = Focal.apply(logits, target, 0.0) / len(target)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    mark = torch.randn(8)
    batches = []
    for number in range(70):
        target = torch.randint(2, (24,)).float()
        x = (2 * target[:, None] - 1) * mark + 0.5 * torch.randn(24, 8)
        if number == step:
            x = x * 400
        batches.append((x, target))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("backward", "loss"), (LOSS,), step),
    )
