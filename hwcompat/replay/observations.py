"""Everything the rules may look at: frozen values that the replays filled in."""

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple

from .opreplay import OpEvidence


@dataclass(frozen=True)
class Root:
    """The birth that the bad end of the step goes back to.

    `labels_only`: its bad operand comes from batch tensors that no module was given, and from no weight. `data_only`:
    from the batch alone. `zero_operand`: an operand is 0 where the result is bad; `zero_lost`: and its float64 shadow
    is not; `positive`: the operator, whose result is never 0 exactly, that it goes back to. `single`: a statistic over
    one value. `pooled`: it was computed over samples. `late`: it was computed from gradients. `full_mask`: a softmax
    row of nothing but -inf. `shadow_finite`: whether the float64 shadow of the result is finite (None: no shadow).
    `calls`: how often its module ran in the step.
    """

    module: str
    phase: str
    op: str
    source: str
    nan: bool
    labels_only: bool = False
    data_only: bool = False
    zero_operand: bool = False
    zero_lost: bool = False
    negative: bool = False
    positive: str = ""
    hidden: bool = False
    single: bool = False
    full_mask: bool = False
    shadow_finite: Optional[bool] = None
    shadow_max: float = 0.0
    calls: int = 0
    sample: Optional[int] = None
    inputs_had_inf: bool = False
    weights_in: bool = False
    number_bad: bool = False
    counted: bool = False
    pooled: bool = False
    late: bool = False
    running_below: bool = False


@dataclass(frozen=True)
class OptimizerFacts:
    """Of the group with the largest lr: name, lr, weight decay, eps, momentum; whether it holds half weights."""

    name: str = ""
    lr: float = 0.0
    weight_decay: float = 0.0
    eps: Optional[float] = None
    momentum: float = 0.0
    half: bool = False
    eps_vanishes: bool = False


@dataclass(frozen=True)
class Trial:
    """A counterfactual: whether the steps with one change ended finite, the first and last loss, and what was done."""

    finite: bool
    first: Optional[float]
    last: Optional[float]
    text: str
    steps: int = 0
    factor: float = 1.0
    least: Optional[float] = None

    @property
    def better(self):
        """Finite, and the loss did not rise."""
        if not self.finite or self.first is None or self.last is None:
            return self.finite
        return self.last <= 2.0 * abs(self.first) + 1e-12

    def revives(self, baseline, share=0.7):
        """Whether a training that stood still learns with the change: finite, and a far lower loss than without it."""
        return self.better and self.lower_than(baseline, share)

    @property
    def learns(self):
        """Whether its loss falls well below where it began."""
        return self.first is not None and self.last is not None and self.last < 0.7 * abs(self.first)

    @property
    def stands_still(self):
        """Whether the loss ends about where it began, or higher."""
        return self.first is not None and self.last is not None and self.last > 0.8 * abs(self.first)

    def lower_than(self, other, factor):
        """Whether it ends with a loss below `factor` times that of another trial."""
        return self.last is not None and (other.last is None or not other.finite or self.last < factor * other.last)


@dataclass(frozen=True)
class Outlier:
    """The sample that exceeds the median one of its batch most: where it is, and `ratio`, by how many times."""

    path: str = ""
    step: int = 0
    sample: int = 0
    ratio: float = 1.0
    label: bool = False


@dataclass(frozen=True)
class Gradients:
    """`zero`: share of the elements that are exactly 0. `lost`: their share of the norm in the float64 shadow;
    `vanished`: that of those among them that are small there too."""

    zero: float = 0.0
    lost: float = 0.0
    vanished: float = 0.0


@dataclass(frozen=True)
class Observations:
    """One bad step, observed. `trip`: what the trip-wire said. `bad`: what is bad at the end of the re-run."""

    step: int
    trip: str
    bad: str = ""
    reproduced: bool = True
    eager_reproduced: bool = True
    compiled: bool = False
    exact: bool = True
    not_replayable: Tuple[str, ...] = ()
    error: Optional[Tuple[str, str, str, str]] = None
    raised: Tuple[str, ...] = ()
    batch_bad: Optional[Tuple[str, int, bool]] = None
    label_problem: Optional[Tuple[str, Optional[int]]] = None
    weights_bad: str = ""
    only_read: bool = False
    root: Optional[Root] = None
    replay: Optional[OpEvidence] = None
    shadow_alive: bool = False
    shadow_loss: Optional[float] = None
    scaled: bool = False
    unscaled: bool = False
    clipped_scaled: Tuple[float, ...] = ()
    optimizer_ran: bool = True
    scaler_on: bool = False
    scaler_given: bool = False
    scale: Optional[float] = None
    losses: Tuple[float, ...] = ()
    gradient_norms: Tuple[Optional[float], ...] = ()
    update_ratio: Optional[float] = None
    optimizer: OptimizerFacts = field(default_factory=OptimizerFacts)
    input_max: float = 0.0
    input_low: bool = False
    one_number: Optional[float] = None
    weight_outlier: Tuple[str, float] = ("", 0.0)
    grads: Gradients = field(default_factory=Gradients)
    grads_kept: int = 0
    first_bad_module: Tuple[str, bool] = ("", False)
    live_inputs_same: Optional[bool] = None
    trials: Dict[str, Trial] = field(default_factory=dict)
    light: bool = False
    checked: Tuple[str, ...] = ()
    not_checked: Tuple[str, ...] = ()
    audit: Any = None
    growth: float = 1.0
    live_growth: float = 1.0
    diverged: bool = False
    foreign: Tuple[str, ...] = ()
    past_half: Any = None
    zero_matrices: Tuple[str, ...] = ()
    live_input_bad: str = ""
    outlier: Outlier = field(default_factory=Outlier)
    scale_stuck: bool = False
    bell_shaped: bool = False
    wide_layers: int = 0
    below: Tuple[str, ...] = ()
    from_output: bool = False
    loop: Tuple[str, float, int] = ("", 1.0, 0)
    depth: Tuple[str, float, int] = ("", 1.0, 0)
    cleared: bool = False
    past_infinity: bool = False
    penalised: bool = False
    rate_grew: bool = False
    rate_fell: bool = False
    without: Any = None
    scale_shift: Tuple[float, ...] = ()
    batch_size: int = 0
    lost_update: str = ""
    bad_table: Tuple[Any, ...] = ()
    impossible: Tuple[Any, ...] = ()
    departed: Tuple[Any, ...] = ()
    flipped: Tuple[Any, ...] = ()
    idle: Tuple[float, ...] = ()
    optimizers: int = 1
    calm: Tuple[float, ...] = ()
    crooked: Any = None
    hopeless_start: str = ""
    growing: Tuple[str, ...] = ()
    compiled_apart: Tuple[float, ...] = ()
    stale: int = 0
    reused: bool = False
    inherited: bool = False
    left_bad: str = ""
    lone: Tuple[str, ...] = ()
    targets: Any = None
    classes_outside: bool = False
    decayed: bool = False
    own_scale: float = 0.0
    renewed: int = 0
    kept: float = 0.0
    lost_digits: Any = None
    loss_is_off: bool = False
    low: bool = False
    dropped: bool = False
    modes_changed: str = ""
    faint: str = ""

    def trial(self, name):
        """The counterfactual of this name, or None where it was not run."""
        return self.trials.get(name)
