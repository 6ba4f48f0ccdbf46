"""Groups of a tabular net have factors on rate and decay; the getters multiply them in, and the decay multiplies them
in once more: the scaling layer is decayed by more than twice itself (dholzmueller/pytabkit issue 40).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Scaling(nn.Module):
    def __init__(self, columns: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(columns))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    columns = knobs.pick(8, 10)
    model = kit.named(scaling=Scaling(columns), inp=nn.Linear(columns, 24), act=nn.SELU(), head=nn.Linear(24, 1))
    rate, decay = 0.01, knobs.pick(0.064, 0.068)
    factors = {"scaling": (6.0, 10.0), "inp": (1.0, 1.0), "act": (1.0, 1.0), "head": (1.0, 0.0)}
    groups = [
        {"params": list(module.parameters()), "lr": rate * factors[name][0], "name": name}
        for name, module in model.named_children()
        if list(module.parameters())
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.95))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.huber_loss(model(x), y)
        loss.backward()
        with torch.no_grad():
            for group in optimizer.param_groups:
                of_rate, of_decay = factors[group["name"]]
                share = group["lr"] * decay * of_decay
                if not repaired:
                    share = share * of_rate * of_decay
                for weight in group["params"]:
                    weight.mul_(1 - share)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, columns),
        train_step,
        Expected(("weight-decay",), ("optimizer",), ("scaling",), None, "diverges"),
    )
