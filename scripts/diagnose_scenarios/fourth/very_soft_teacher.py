"""Distillation at a temperature of 500 without its square: autocast to float16 has no number for gradients so small."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    heat = knobs.pick(500.0, 700.0)
    teacher = torch.randn(8, 4)
    model = kit.mlp(8, knobs.pick(16, 24), 4)
    optimizer = kit.adam(model, lr=0.02, eps=1e-15)
    batches = [(x, 2 * x @ teacher) for x, _ in kit.regression(60, 64, 8)]

    def loss_of(logits: Tensor, wanted: Tensor) -> Tensor:
        log_p = torch.log_softmax(logits.float() / heat, -1)
        log_q = torch.log_softmax(wanted / heat, -1)
        return 0.01 * nn.functional.kl_div(log_p, log_q, reduction="batchmean", log_target=True)

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, loss_of, scaler=kit.new_scaler(2.0**22) if repaired else None, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
