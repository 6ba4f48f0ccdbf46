"""From a trip to a finding: which runs are made, in which order. The rules (module logic) only see what came out."""

import functools
import math
import time
from dataclasses import replace
from typing import Any

from . import (
    crooked,
    entry,
    gradients,
    labels,
    live,
    logic,
    logic_changes,
    observing,
    opreplay,
    runfacts,
    trials,
    vendor,
)
from .counterfactual import Counterfactuals, OutOfTimeError
from .finding import OPTIMIZER
from .observations import Observations
from .ranks import PEER
from .rerun import current_scale, distributed
from .tripwire import is_finite
from .vanished import LiveOnly

APART = 16.0
"""How many times smaller the second loss scale is."""

ROUNDING = 0.1
"""Share of the gradient that the loss scale may change: bfloat16 sums rounded in another order change far less."""

FURTHER = 10.0
"""Compiled code rounds in other places than Python does; so many times further from float64 it is not rounding."""

ALWAYS = ("fp16-overflow", "fp16-accumulation", "gradient-underflow", "batch-statistics", "compiler", "zero-grad")
"""What a step does by itself, whatever the weights are: where the looks at a training found it late, it was there."""

LATE = (*trials.HARD, "rounded")
"""Trips of which nobody knows whether step 0 would have tripped as well."""

STANDING = ("flat", "dull", "still", "slow", "eps", "erases", "shrinks")
"""Trips of trainings that never learnt anything: what they are tried with was wrong from the first step on."""

SHADOW = "the step in float64 beside it"


class Diagnosis:
    """One trip. `case`: what the watch knows about it (see module `case`)."""

    def __init__(self, replayer, case):
        self.replayer, self.case, self.state = replayer, case, replayer.state
        self.birth, self.next, self.again = None, None, False
        self.run: Any = None

    def finding(self):
        """The finding, or None where the step turns out to be healthy."""
        obs = self.observe()
        return None if obs is None else self._since(logic.decide(obs))

    def _since(self, finding):
        """The same of step 0, where that one can be run again and shows the same: nobody had looked at it."""
        first = self.case.steps[0]
        if self.case.trip in STANDING and first.number == 0 and finding.cause != "unknown":
            return replace(finding, step=0)
        if self.again or finding.cause not in ALWAYS or self.case.trip in LATE or first.number != 0:
            return finding
        if self.case.saved.number == 0 or first.slot is None:
            return finding
        start = Diagnosis(self.replayer, self.case.at_start())
        start.again = True
        shown = start.finding()
        same = shown is not None and (shown.cause, shown.module) == (finding.cause, finding.module)
        return replace(finding, step=0) if same else finding

    def observe(self):
        case = self.case
        if case.trip == "audit":
            return self._audited()
        if case.trip == "scale":
            return self._scaled()
        if case.trip == "compiled":
            return self._compiled()
        skipped = case.skipped and case.trip != "weights"  # a skip that left bad weights behind kept nothing away
        scale = 1.0 if skipped else None
        hard = case.trip in trials.HARD
        apart = None if hard else ROUNDING
        self.run = run = self.replayer.recorded(case.saved, scale=scale, seconds=case.seconds, apart=apart)
        if case.skipped and case.stuck and run.error is None and self._skipped_for_the_scale(run):
            return replace(self._common(run), scale_stuck=True)
        if case.trip == "skipped" and case.renewed >= 2:
            return replace(self._common(run), scale_stuck=True, renewed=case.renewed)
        if case.trip == "skipped" and not run.bad and run.error is None:
            return None
        if case.skipped and case.trip == "loss" and not run.bad and run.error is None:
            return None
        obs = self._common(run)
        if observing.started_bad(run) and case.before is not None:
            return self._earlier(case)
        if run.bad or run.error is not None:
            obs = self._births(obs, run)
            if case.trip == "skipped" and case.scale is None and self._scale_moves(obs):
                return None
            if _beyond_everything(obs):
                obs = self._audited_births(obs)
        elif self._spoilt_elsewhere():
            return None
        elif hard:
            obs = self.live_only().observe(obs)
        else:
            obs = replace(obs, grads=gradients.shares(run, self.state), cleared=self._cleared(run))
            obs = replace(self._swallowed(obs, run), past_half=run.recorder.past_half)
            obs = replace(obs, one_number=observing.one_number(case.steps, observing.model_inputs(run)))
            if obs.root is None and run.recorder.low:
                off = _off(run.value, obs.shadow_loss)
                obs = replace(obs, low=True, lost_digits=run.recorder.first_apart, loss_is_off=off)
            self.replayer.restore(case.saved)
            obs = replace(obs, zero_matrices=observing.zero_matrices(self.replayer.roots))
            self.replayer.restore(case.steps[0])
            roots = self.replayer.roots
            outlier, start = observing.weight_outlier(roots), observing.hopeless_start(roots)
            obs = replace(obs, weight_outlier=outlier, hopeless_start=start)
        if hard and not skipped and not case.not_replayable and not distributed():
            obs = replace(obs, departed=self.live_only().departed(obs), flipped=self.live_only().flipped(obs))
        if hard and not skipped and case.timeline and current_scale(self.state.scaler):
            obs = replace(obs, scale_shift=self._scale_shift(case.timeline[0]))
        return self._trials(obs)

    def _skipped_for_the_scale(self, run):
        """Whether nothing but the scale makes the step bad; of an unknown scaler it is enough that it is used."""
        return run.recorder.events.unscaled if self.case.scale is None else not run.bad

    def _scale_moves(self, obs):
        """Whether the same batch overflows by another factor in the state of the step before: a loss scale nobody told
        us of is still on its way down."""
        before = self.case.before
        if before is None or obs.root is None or not obs.root.shadow_finite:
            return False
        saved = self.case.saved
        run = self.replayer.recorded(replace(before, args=saved.args, kwargs=saved.kwargs), seconds=self.case.seconds)
        birth, _sources = observing.root_birth(run, self.state)
        if birth is None or birth.args is None:
            return True
        size = observing.root_facts(birth, run, (), obs.batch_size).shadow_max
        # The weights are the same, for those steps were left out: with the same scale the two agree but for rounding.
        return not math.isclose(size, obs.root.shadow_max, rel_tol=0.01)

    def _began(self, obs, timeline):
        """What the first step at hand shows, before anything had grown."""
        run = self.replayer.recorded(timeline[0], shadow=False)
        inputs, rates = observing.model_inputs(self.run), self._rates(timeline)
        return replace(
            obs,
            penalised=runfacts.penalised(run),
            rate_grew=rates[1] > 3.0 * rates[0],  # then a cliff in the loss is where it stepped up
            rate_fell=rates[1] < 0.01 * rates[0],
            depth=observing.depth(run, self.replayer.roots),
            faint=observing.faint(run, self.replayer.roots),
            decayed=run.recorder.events.decayed,
            own_scale=run.recorder.events.own_scale,
            kept=run.entry.kept,
            modes_changed=observing.changed_mode(timeline[0].slot, self.state, run.places.names),
            classes_outside=bool(labels.classes_outside(timeline, lambda path: observing.is_label(path, inputs))),
        )

    def _rates(self, timeline):
        """The learning rates of the first step at hand and of this one."""
        rates = []
        for saved in (timeline[0], self.case.saved):
            self.replayer.restore(saved)
            rates.append(observing.optimizer_facts(self.state.optimizers).lr)
        return rates

    def _cleared(self, run):
        """Whether this step and the one before cleared gradients that the optimizer then missed; once is a choice."""
        before = self.case.before
        return run.entry.cleared and (self.again or (before is not None and self.replayer.at_step(before).cleared))

    def _spoilt_elsewhere(self):
        """Among several processes a bad gradient after a sane loss came in from another one."""
        loss = self.case.loss
        return self.case.trip == PEER or (distributed() and loss is not None and is_finite(loss))

    def _earlier(self, case):
        """The weights were bad when the step began: the step before is the one to look at."""
        earlier = Diagnosis(self.replayer, case.one_earlier())
        earlier.next = case.saved
        obs = earlier.observe()
        self.birth = earlier.birth
        return obs

    def _audited(self):
        """A live linear operator was finite and wrong: find it in a re-run and replay it; None where all is right."""
        case, run = self.case, self._checked(self.case.saved)
        if run.recorder.suspect is not None and case.saved.number == 1 and case.before is not None:
            first = self._checked(case.before)  # step 1 is the first that is audited; step 0 may have been as bad
            if first.recorder.suspect is not None:
                run, self.case = first, replace(case, saved=case.before)
        self.run = run
        birth = self.birth = run.recorder.suspect
        if birth is None:
            return None
        return self._examined(self._common(run), birth, run, silent=True)

    def _examined(self, obs, birth, run, silent=False):
        """With what is known of an operator: where it stands in its step, and what it gives when it is run again."""
        return replace(
            obs,
            root=observing.root_facts(birth, run, observing.model_inputs(run), obs.batch_size),
            replay=opreplay.examine(birth, silent=silent, device=runfacts.device_of(birth)),
        )

    def _audited_births(self, obs):
        """The same, with the blame on a linear operator before it whose finite result no rounding explains."""
        run = self._checked(self.case.saved)
        birth = run.recorder.suspect
        if birth is None:
            return obs
        self.birth = birth
        return replace(self._examined(obs, birth, run, silent=True), trip="audit")

    def _scaled(self):
        """Whether what the optimizers find depends on the loss scale; None where it does not, as it should be."""
        shift = self._scale_shift(self.case.saved)
        return replace(self._common(self.run), scale_shift=shift) if shift else None

    def _compiled(self):
        """Compiled code that gives other gradients than the same Python and float64; None where it does not."""
        saved = self.case.saved
        compiled, eager = (self.replayer.at_step(saved, eager=way).gradients for way in (False, True))
        if not (entry.apart(compiled, eager) or 0.0) > ROUNDING:
            return None
        run = self.replayer.recorded(saved, read=True, seconds=self.case.seconds)
        if not run.recorder.shadows.alive or run.recorder.drawn:  # compiled code draws its random numbers otherwise
            return None
        gaps = tuple(entry.apart(found, run.entry.gradients) for found in (compiled, eager))
        if None in gaps or not gaps[0] > max(ROUNDING, FURTHER * gaps[1]):
            return None
        return replace(self._common(run), compiled_apart=gaps)

    def _scale_shift(self, saved):
        """How the gradients that the optimizers find change with the loss scale; () where they do not.

        A power of two changes no digit, so a plain comparison comes first; where it differs, gradients that underflow
        are ruled out by the same in float64.
        """
        self.replayer.restore(saved)
        scale = current_scale(self.state.scaler)
        if not scale or self.case.not_replayable:
            return ()
        scales = (scale, scale / APART)
        plain = [self.replayer.at_step(saved, s) for s in scales]
        # Gradients of earlier steps that this one adds to were multiplied by another scale, and rightly.
        if any(found.inherited for found in plain) or not _differs(found.gradients for found in plain):
            return ()
        runs = [self.replayer.recorded(saved, scale=s, seconds=self.case.seconds, read=True) for s in scales]
        self.run = self.run or runs[0]
        shift = entry.shift(*(run.entry.gradients for run in runs))
        proved = shift and shift[0] > ROUNDING and all(run.recorder.shadows.alive for run in runs)
        return shift if proved else ()

    def _checked(self, saved):
        return self.replayer.recorded(saved, shadow=False, check=True)

    def _common(self, run):
        case, events = self.case, run.recorder.events
        inputs = observing.model_inputs(run)
        args, kwargs = case.saved.args, case.saved.kwargs
        scaler = self.state.scaler
        losses = tuple(v for v in case.history.losses if v is not None)
        shadow_loss = self.replayer.wide_loss(run)
        return Observations(
            step=case.saved.number,
            trip=case.trip,
            bad=run.bad,
            compiled=case.compiled,
            exact=case.exact,
            not_replayable=tuple(case.not_replayable),
            error=runfacts.error_facts(run) or runfacts.once(case),
            label_problem=labels.problem(run, None),
            shadow_alive=run.recorder.shadows.alive,
            shadow_loss=shadow_loss,
            scaled=events.scaled,
            unscaled=events.unscaled,
            clipped_scaled=events.clipped_scaled,
            optimizer_ran=events.optimizer_ran,
            past_infinity=run.entry.past_infinity,
            optimizers=len(self.state.optimizers),
            stale=len(run.entry.stale),
            dropped=run.entry.dropped,
            reused=run.entry.reused,
            inherited=run.entry.inherited,
            lone=events.lone or (),
            targets=events.targets,
            scaler_on=bool(scaler is not None and getattr(scaler, "_enabled", True)),
            scaler_given=scaler is not None,
            scale=case.scale,
            losses=losses,
            gradient_norms=tuple(case.history.gradients),
            optimizer=observing.optimizer_facts(self.state.optimizers),
            input_max=observing.input_max(args, kwargs, inputs),
            outlier=observing.outlier(case.steps, inputs),
            light=case.light,
            growth=trials.growth(losses, case.history.weights, shadow_loss),
            live_growth=trials.growth(losses, case.history.weights, None),
            batch_size=observing.batch_size(args, kwargs),
            checked=("the step again under the recorder",) + ((SHADOW,) if run.recorder.shadows.alive else ()),
            not_checked=() if run.recorder.shadows.alive else ("%s: %s" % (SHADOW, run.recorder.shadows.why),),
        )

    def _births(self, obs, run):
        inputs = observing.model_inputs(run)
        birth, sources = observing.root_birth(run, self.state)
        spoilt = {name.rpartition(".")[0] for name in live.bad_weights(self.replayer.roots)}
        batch_bad = observing.bad_batch(sources, inputs, birth)
        weights = "" if batch_bad else next((n for n, _t in sources if not n.startswith(("batch", "table "))), "")
        if weights:
            ended = live.bad_tables(self.state.roots)
            self.replayer.restore(self.case.saved)
            weights = next(iter(live.bad_weights(self.state.roots, buffers=True)), "")
            only_read = weights in ended and live.same(ended[weights], live.bad_tables(self.state.roots).get(weights))
            obs = replace(obs, only_read=only_read)
        self.birth = birth
        table = observing.bad_table(sources, run) if birth is None else ()
        problem = labels.problem(run, birth)
        obs = replace(obs, batch_bad=batch_bad, weights_bad=weights, bad_table=table, label_problem=problem)
        if birth is not None and birth.args is not None:
            obs = self._examined(obs, birth, run)
            obs = replace(
                obs, root=_placed(obs.root, spoilt), without=self._without_vendor(obs, runfacts.device_of(birth))
            )
        # How large the weights began, where that is known: later they may have grown.
        self.replayer.restore(self.case.steps[0])
        return replace(
            obs,
            input_low=bool(obs.replay and obs.replay.dtype in ("float16", "bfloat16")),
            weight_outlier=observing.weight_outlier(self.replayer.roots),
            below=labels.newly_below(self.case.steps, lambda path: observing.is_label(path, inputs)),
            wide_layers=observing.wide_layers(self.replayer.roots, trials.UNUSUAL),
            bell_shaped=bool(obs.root) and observing.bell_shaped(self.replayer.roots, obs.root.module),
            loop=observing.steepest_loop(run),
            growing=observing.growing(run),
            left_bad=self._left_bad() if obs.root is None else "",
            foreign=runfacts.foreign(run) if obs.root is None and not batch_bad and not weights else (),
        )

    def _left_bad(self):
        """The name of a gradient that was not finite when the step began, and was not cleared."""
        self.replayer.restore(self.case.saved)
        return next(iter(live.bad_gradients(self.replayer.roots)), "")

    def _swallowed(self, obs, run):
        """An infinity that left nothing bad behind, x / inf for instance, and a loss that is not that of float64."""
        births = [b for b in run.recorder.births if not b.deliberate and not b.nan and b.args is not None]
        births = [b for b in births if b.phase != "optimizer"]
        wide = obs.shadow_loss
        if not births or not (obs.grads.lost > 0.5 or _off(run.value, wide)):
            return obs
        self.birth = births[0]
        return self._examined(obs, births[0], run)

    def _without_vendor(self, obs, device):
        """What the step is without the vendor's library, where the operator could not be judged alone."""
        replay = obs.replay
        if replay.first_finite is not None or not replay.inputs_finite:
            return None
        return vendor.without(self.replayer, self.case.saved, device, replay.limit, self.case.seconds)

    def live_only(self):
        """What only the live step had, to be looked at."""
        return LiveOnly(self.replayer, self.case, self.next)

    def _crooked(self, saved):
        """The first operator of a step whose kernel gives something else altogether; see there."""
        device = next((p.device.type for p in self.state.parameters()), "cpu")
        compare = functools.partial(crooked.look, device=device, until=time.monotonic() + self.case.seconds)
        return self.replayer.recorded(saved, shadow=False, compare=compare).recorder.crooked

    def _trials(self, obs):
        """Counterfactuals, as far as the rules ask for them."""
        case = self.case
        done = {}
        timeline = case.steps
        obs = replace(obs, diverged=trials.runs_away(obs))
        if not case.not_replayable and (
            obs.diverged or (case.trip in ("flat", "slow", "still") and timeline[0].number == 0)
        ):
            obs = self._began(obs, timeline)
        if case.trip == "zero gradients" and obs.grads.lost > 0.5 > obs.grads.vanished and not case.not_replayable:
            obs = replace(obs, crooked=self._crooked(case.saved))
        names = trials.wanted(obs, case)
        if not names or case.not_replayable:
            return obs
        if obs.diverged or case.trip == "flat":
            obs = replace(obs, crooked=self._crooked(timeline[0]))
            if obs.crooked:
                return obs
        # A training that nobody called broken may not cost more than that.
        deadline = None if case.trip in (*trials.HARD, "diverges") else time.monotonic() + case.seconds
        runner = Counterfactuals(
            self.replayer, timeline, observing.model_inputs(self.run), obs.outlier, self.run.entry.stale, deadline
        )
        runner.own_scale = obs.own_scale
        try:
            if obs.diverged or case.trip == "flat":
                obs = replace(obs, idle=tuple(runner.idle()))
                names = [] if logic_changes.changes_by_itself(obs) == "larger" else names
            for name in names:
                done[name] = getattr(runner, name)()
                if _ends_the_search(name, done):
                    break
        except OutOfTimeError:
            pass
        return replace(obs, trials=done, checked=obs.checked + tuple(t.text for t in done.values()))


def _off(value, wide):
    """Whether a loss is not that of float64."""
    return value is not None and wide is not None and abs(value - wide) > ROUNDING * abs(wide)


def _placed(root, spoilt):
    """The root; where an optimizer spoilt the weights of several modules, none of them is the place."""
    return replace(root, module=OPTIMIZER) if root.phase == "optimizer" and len(spoilt) > 1 else root


def _beyond_everything(obs):
    """Whether a value left float32 from inputs that float32 barely holds: something before it may have been wrong."""
    replay = obs.replay
    return bool(obs.root and replay and replay.limit > 1e6 and replay.inputs_finite and replay.input_max > 1e30)


def _differs(pair):
    shift = entry.shift(*pair)
    return bool(shift) and shift[0] > ROUNDING


def _ends_the_search(name, done):
    """A change that helps ends the search; where nothing is bad it must help more than no change at all."""
    same = done.get("baseline")
    return name != "baseline" and (done[name].better if same is None else done[name].revives(same))
