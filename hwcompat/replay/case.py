"""What the watch hands to a diagnosis: one bad step and what is known about it."""

from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Tuple

from .rerun import Saved
from .tripwire import Reading


@dataclass
class Case:
    """What the watch hands to a diagnosis."""

    trip: str
    saved: Saved
    reading: Any
    history: Any
    timeline: List[Saved]
    skipped: bool = False
    error: Any = None
    scale: Any = None
    traced: List[Any] = field(default_factory=list)
    names: Dict[int, str] = field(default_factory=dict)
    bad_grads: List[str] = field(default_factory=list)
    bad_weights: List[str] = field(default_factory=list)
    not_replayable: Tuple[str, ...] = ()
    exact: bool = True
    compiled: bool = False
    light: bool = False
    stuck: bool = False
    renewed: int = 0
    seconds: float = 60.0

    @property
    def before(self):
        """The step before, if it can be run again."""
        earlier = [s for s in self.timeline if s.number == self.saved.number - 1 and s.slot is not None]
        return earlier[0] if earlier else None

    @property
    def steps(self):
        """The steps from the oldest snapshot at hand to the bad one."""
        return self.timeline or [self.saved]

    @property
    def loss(self):
        """The loss of the live step; None where there was none to read."""
        return self.reading.loss if self.reading is not None else None

    def reading_before(self):
        """Loss and gradient of the step before; an exception left no reading of its own behind it."""
        at = -1 if self.trip == "error" else -2
        losses, gradients = self.history.losses, self.history.gradients
        return Reading(losses[at], gradients[at], None, None) if len(losses) >= -at else None

    def at_start(self):
        """The same case, looked at in the oldest step at hand."""
        return replace(self, saved=self.steps[0], timeline=self.steps[:1])

    def one_earlier(self):
        """The same case, with the blame on the step before: it left weights that are not finite."""
        steps = [s for s in self.timeline if s.number < self.saved.number]
        return replace(
            self,
            trip="weights",
            saved=self.before,
            timeline=steps,
            reading=self.reading_before(),
            skipped=False,
            traced=[],
            bad_grads=[],
            bad_weights=[],
        )
