"""A ledger layer adds large debits, then as large credits; half partial sums pass 65504 although the balance is 0."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, level = knobs.pick(192, 256), knobs.pick(70.0, 90.0)
    book = nn.Linear(2 * width, 4, bias=False)
    with torch.no_grad():
        book.weight.copy_(torch.cat([torch.full((4, width), 8.0), torch.full((4, width), -8.0)], 1))
        book.weight[:, :width] += 0.25 * torch.randn(4, width).round()
    book.requires_grad_(False)
    model = kit.named(book=book, norm=nn.LayerNorm(4), head=nn.Linear(4, 1))
    optimizer = kit.adam(kit.named(norm=model.norm, head=model.head), lr=0.03)
    step = knobs.step()
    batches = []
    for number in range(60):
        accounts = torch.randn(24, width) + (level if number >= step else 1.0)
        both = torch.cat([accounts, accounts], 1)
        difference = book(both)
        batches.append((both, (difference[:, :1] > difference[:, 1:2]).float()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.binary_cross_entropy_with_logits, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("book",), step),
        device=contextlib.nullcontext if repaired else HalfSums(knobs.pick(16, 32)),
    )
