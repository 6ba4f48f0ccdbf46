"""How much of a gradient is exactly 0, and what float64 has in its place."""

import torch

from .observations import Gradients

LEAST = 2.0**-48
"""Norm of a float64 gradient below which no loss scale helps: float16 begins at 2**-24, scales end near 2**24."""


VANISHING = 2.0**-10
"""Elements of a gradient from here on did not vanish in float16, which begins at 2**-24: not even where such factors
were multiplied by inputs, and added up over a batch, of a hundred each. If they are 0, something else made them so."""


def shares(run, state):
    """How much of the gradient is exactly 0, and how much of that is not in the float64 shadow."""
    total = zero = 0
    whole = lost = vanished = 0.0
    shadows = run.recorder.shadows
    for parameter in state.parameters():
        grad = parameter.grad
        if grad is None or grad.layout != torch.strided or grad.is_complex():
            continue
        zeros = grad == 0
        total += grad.numel()
        zero += int(zeros.sum())
        if shadows.alive and shadows.known(grad):
            wide = shadows.of(grad)
            squares = wide.square()
            whole += float(squares.sum())
            lost += float(squares[zeros].sum())
            vanished += float(squares[zeros & (wide.abs() < VANISHING)].sum())
    parts = [(part / whole) ** 0.5 if whole > LEAST**2 else 0.0 for part in (lost, vanished)]
    return Gradients(zero / total, *parts) if total else Gradients()
