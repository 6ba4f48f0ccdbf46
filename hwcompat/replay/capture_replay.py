"""Replays the operator of a capture on a device, and judges it by the rules of a live step."""

from dataclasses import dataclass
from typing import Any, Optional

import torch

from . import logic, opfacts, opreplay, referee
from .audit import wrong as finite_but_wrong
from .capture import operator_of
from .capture_check import CaptureError
from .finding import Finding
from .observations import Observations, Root
from .recorder import Birth


@dataclass(frozen=True)
class Replay:
    """`wrong`: whether the operator gives non-finite or wrong numbers here. `finding`: why, where it does.

    `made_up`: the inputs were not in the capture; numbers of their size stood for them.
    """

    op: str
    device: str
    wrong: bool
    finding: Optional[Finding]
    evidence: Any
    made_up: bool


def replay(capture, device):
    """The Replay of a checked capture."""
    func = operator_of(capture["op"])
    generator = torch.Generator().manual_seed(0)
    args = [_decoded(value, device, generator) for value in capture["args"]]
    kwargs = {key: _decoded(value, device, generator) for key, value in capture["kwargs"].items()}
    name = opfacts.name_of(func)
    kind = torch.device(device).type
    out = opreplay.Operator(func, name, args, kwargs, kind).run()
    if out is None:
        raise CaptureError("%s cannot be run with these arguments on %s" % (capture["op"], device))
    silent = referee.finite(out) and name in opfacts.LINEAR and finite_but_wrong(func, name, args, kwargs, out)
    bad = silent or not referee.finite(out)
    place = capture["place"]
    birth = Birth(0, name, func, str(place.get("module", "")), _phase(place), "", True, False, (), args, kwargs, out)
    evidence = opreplay.examine(birth, silent=silent, device=kind)
    finding = None
    if bad:
        root = Root(birth.module, birth.phase, name, "", nan=True)
        trip = "audit" if silent else "loss"
        finding = logic.decide(Observations(step=0, trip=trip, bad="output", root=root, replay=evidence))
    return Replay(capture["op"], device, bad, finding, evidence, not capture["inputs"])


def _phase(place):
    return place["phase"] if place.get("phase") in ("forward", "loss", "backward") else "forward"


def _decoded(value, device, generator):
    ((form, inside),) = value.items()
    if form == "list":
        return [_decoded(item, device, generator) for item in inside]
    if form == "dtype":
        return getattr(torch, inside)
    return inside if form == "value" else _tensor(inside, device, generator)


def _tensor(told, device, generator):
    """The captured numbers, or made-up ones, in the captured layout."""
    data = told["data"] if told["data"] is not None else _made_up(told, generator)
    made = torch.empty_strided(told["shape"], told["stride"], dtype=data.dtype, device=device)
    if all(step > 0 or size <= 1 for size, step in zip(told["shape"], told["stride"])):
        return made.copy_(data)
    return data.to(device)


def _made_up(told, generator):
    dtype = getattr(torch, told["dtype"])
    if not dtype.is_floating_point:
        return torch.zeros(told["shape"], dtype=dtype)
    values = torch.randn(told["shape"], generator=generator, dtype=torch.float64) * told["spread"]
    return values.clamp(-told["largest"], told["largest"]).to(dtype)
