"""Watches a training of a client that owns its loop; one line in the user's own program.

    from hwcompat import watching
    watching.ultralytics(model)                          # a YOLO object, before model.train(...)
    Trainer(callbacks=[watching.lightning()])            # lightning or pytorch_lightning, from 1.6 on
    Trainer(..., callbacks=[watching.transformers()])    # Hugging Face

A plain loop uses hwcompat.watch(). Importing this module imports neither torch nor a client.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .replay import Finding

Report = Callable[["Finding"], object]


def ultralytics(model: Any, on_finding: str = "stop", report: Report | None = None, **settings: Any) -> Any:
    """Watches the next training of `model`, which is given back: a YOLO object or a trainer.

    `on_finding`: "stop" takes the bad step back and ends the training with trainer.stop; "continue" only tells.
    `report` is called with each Finding. `settings`: memory_limit (bytes), seconds; see hwcompat.watch().
    """
    return _adapter("ultralytics").watch(model, on_finding, report, **settings)


def lightning(
    on_finding: str = "stop", report: Report | None = None, package: str | None = None, **settings: Any
) -> Any:
    """A Callback for Lightning's Trainer(callbacks=[...]); parameters as for ultralytics().

    `package`: "lightning.pytorch" or "pytorch_lightning", where both are installed and neither is imported yet.
    """
    return _adapter("lightning").watch(on_finding, report, package, **settings)


def transformers(on_finding: str = "stop", report: Report | None = None, **settings: Any) -> Any:
    """A callback for Hugging Face's Trainer(..., callbacks=[...]); parameters as for ultralytics()."""
    return _adapter("transformers").watch(on_finding, report, **settings)


def _adapter(client: str) -> Any:
    return import_module("hwcompat.replay.adapters").adapter(client)
