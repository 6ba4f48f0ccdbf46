"""An exponential moving average of the weights is kept beside the training."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    plain = kit.train(model, optimizer, kit.squares)

    def train_step(batch: Any) -> Tensor:
        loss = plain(batch)
        average.update_parameters(model)
        return loss

    return Scenario(model, optimizer, kit.regression(60, 16, 8), train_step, extra_state=(average,))
