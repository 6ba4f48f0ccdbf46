"""Cells of neighbouring slices of tissue are coupled by a transport whose kernel is the exponential of minus cost over
a small number; in float32 whole rows of it are zero, and in logarithms they are not (PeterPonyu/aether-3d issue 134).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def coupling(cost: Tensor, reg: float, rounds: int) -> Tensor:
    many = len(cost)
    kernel = (-cost / reg).exp()
    u, v = torch.ones(many), torch.ones(many)
    for _ in range(rounds):
        u = 1 / many / (kernel @ v)
        v = 1 / many / (kernel.t() @ u)
    return u[:, None] * kernel * v


def coupling_in_logs(cost: Tensor, reg: float, rounds: int) -> Tensor:
    many, kernel = len(cost), -cost / reg
    f, g = torch.zeros(many), torch.zeros(many)
    for _ in range(rounds):
        f = -math.log(many) - torch.logsumexp(kernel + g, 1)
        g = -math.log(many) - torch.logsumexp(kernel + f[:, None], 0)
    return (f[:, None] + kernel + g).exp()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(10, 22)
    model = kit.named(enc=nn.Linear(6, knobs.pick(12, 16)), act=nn.Tanh(), place=nn.LazyLinear(2))
    model(torch.zeros(1, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    reg = 0.3

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        genes, places = batch
        found = model(genes)
        cost = (found[:, None] - places).square().sum(-1)
        plan = (coupling_in_logs if repaired else coupling)(cost, reg, 5)
        loss = (plan * cost).sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    teacher = torch.randn(6, 2) / 3
    batches = []
    for number in range(50):
        genes = torch.randn(12, 6)
        places = genes @ teacher + 0.6
        if number == step:
            places = places.clone()
            places[knobs.randint(0, 11)] += knobs.pick(6.0, 7.0)
        batches.append((genes, places))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
