"""A re-run beside a float64 shadow leaves integers as the step itself makes them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")


def counted(labels):
    """Offsets as a loss computes them: integers that are changed in place."""
    counts = torch.zeros(4, dtype=torch.long)
    counts.scatter_add_(0, labels, torch.ones_like(labels))
    counts.add_(1)
    mask = torch.zeros(4, dtype=torch.bool)
    mask.logical_xor_(counts > 1)
    return counts, mask


def test_an_operation_in_place_on_integers_happens_once():
    from hwcompat.replay.places import Places
    from hwcompat.replay.recorder import Recorder

    labels = torch.tensor([0, 1, 1, 3])
    wanted = counted(labels)
    model = torch.nn.Linear(2, 2)
    places = Places([model], [])
    with places, Recorder(places, [("batch", labels)]) as recorder:
        found = counted(labels)
    assert recorder.shadows.alive
    assert [t.tolist() for t in found] == [t.tolist() for t in wanted] == [[2, 3, 1, 2], [True, True, False, True]]
