"""A re-run must not take from an object what the program put there in the meantime."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")


class Trainer:
    def __init__(self):
        self.epoch, self.mean, self.name = 3, None, "run"

    def step(self, batch):
        return batch


def test_plain_attributes_come_back_and_objects_stay():
    from hwcompat.replay.pystate import PythonState

    trainer = Trainer()
    python = PythonState(trainer.step)
    before = python.save()
    trainer.epoch, trainer.mean = 4, [1.0]
    mean, after = trainer.mean, python.save()
    python.restore(before)
    assert (trainer.epoch, trainer.name) == (3, "run")
    assert trainer.mean is mean, "None was there before; the list is nowhere else"
    python.restore(after)
    assert (trainer.epoch, trainer.mean) == (4, mean)
