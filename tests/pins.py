"""Pins for named cards, as the tests of the gates and of the resolver ask for them."""

from __future__ import annotations

from typing import Any

import pytest

from hwcompat import resolver, tables
from hwcompat.errors import NoBuildError
from hwcompat.model import Pin


def pin(known: tables.Tables, *cards: str, **machine: Any) -> Pin:
    """The pin for named cards on a plain Linux machine, with what `machine` says otherwise."""
    gpus = [gpu for card in cards for gpu in tables.resolve_gpu(card, known)[:1]]
    asked = {"driver": "580.65.06", "os": "linux", "arch": "x86_64", "python": "3.11", "tables": known, **machine}
    return resolver.resolve(gpus, **asked)


def refused(known: tables.Tables, *cards: str, **machine: Any) -> NoBuildError:
    with pytest.raises(NoBuildError) as error:
        pin(known, *cards, **machine)
    return error.value


def name(answer: Pin) -> str:
    return f"{answer.torch}+{answer.tag}"
