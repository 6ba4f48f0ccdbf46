"""From runs to observations: the facts about the batch, the birth, the optimizer and the weights."""

from typing import Dict, List

import torch
from torch.utils._pytree import tree_flatten

from . import opfacts, trees
from .entry import decay_of
from .finding import LOSS
from .observations import OptimizerFacts, Outlier, Root
from .recorder import _key, all_finite, is_mask

LABEL_WORDS = ("label", "target", "truth", "[1]", "'y'", "box", "mask")


def root_birth(run, state):
    """The birth that the bad end of a run goes back to, and the sources (negative numbers) it goes back to."""
    recorder = run.recorder
    ends = trees.losses(run.loss), [p.grad for p in state.parameters()], state.tensors()
    for tensors in ends:
        numbers = recorder.roots_of([t.detach() for t in tensors if t is not None])
        births = [recorder.births[n] for n in numbers if n >= 0 and not recorder.births[n].deliberate]
        sources = [recorder.bad_sources[n] for n in numbers if n < 0]
        if births or sources:
            return _telling(births, recorder.births), sources
    if run.bad == "loss":  # a loss that was handed back as a Python number goes back to no tensor
        births = [b for b in recorder.births if not b.deliberate and b.phase in ("data", "forward", "loss")]
        births = [b for b in births if b.nan] or births
        if births:
            return births[0], []
    # An exception ended the run before anything bad reached the end: the last birth that was still alive counts.
    births = [b for b in recorder.births if not b.deliberate] if run.error is not None else []
    nans = [b for b in births if b.nan]
    if not nans and recorder.raised is None:  # the program itself raised, over a loss that is infinite perhaps
        nans = births
    return (nans[0] if nans else None), []


def _telling(births, later):
    """The first birth; where that is a -inf which only fills a row of a softmax, the softmax that makes NaN of it."""
    if not births or births[0].nan or births[0].out is None or not _only_below(births[0].out):
        return births[0] if births else None
    for birth in later:
        if birth.nan and births[0].number in birth.roots and birth.args is not None and _masked_whole(birth):
            return birth
    return births[0]


def _only_below(out):
    bad = [t[~torch.isfinite(t)] for t in tree_flatten(out)[0] if isinstance(t, torch.Tensor) and t.is_floating_point()]
    return all(bool((values < 0).all()) for values in bad)


def _masked_whole(birth):
    tensors = [t for t in tree_flatten((birth.args, birth.kwargs))[0] if isinstance(t, torch.Tensor)]
    return full_mask(birth.name, tensors, birth.producers, birth.args)


def model_inputs(run):
    """The paths of the batch tensors that were given to a module of the model."""
    taint = run.recorder.taint
    return {name for t in run.places.top_inputs for name in taint.get(_key(t), ()) if name.startswith("batch")}


def is_label(path, inputs):
    """Whether a batch tensor is one that no module was given."""
    if inputs:
        return path not in inputs
    return any(word in path.lower() for word in LABEL_WORDS)


def bad_batch(sources, inputs, birth):
    """(path, sample, is a label) of a batch tensor that made the step bad; an additive mask of -inf is none."""
    batch = [(path, tensor) for path, tensor in sources if path.startswith("batch")]
    for path, tensor in sorted(batch, key=lambda pair: is_label(pair[0], inputs)):  # labels made of bad samples are bad
        if tensor.layout != torch.strided:
            return path, None, is_label(path, inputs)
        if birth is not None and is_mask(tensor):
            continue
        bad = ~torch.isfinite(tensor)
        sample = int(bad.reshape(bad.shape[0], -1).any(1).nonzero()[0]) if tensor.dim() else None
        return path, sample, is_label(path, inputs)
    return None


def started_bad(run):
    """Whether a weight or a buffer was not finite when the step began."""
    return any(not name.startswith(("batch", "table ")) for name, _tensor in run.recorder.bad_sources.values())


def bad_table(sources, run):
    """(name, index, place, whether it reached the model, whether it lies beside a table of samples) of a tensor from
    outside that made the step bad, or ()."""
    for number, (name, tensor) in run.recorder.bad_sources.items():
        if any(tensor is kept for _name, kept in sources) and name.startswith("table "):
            index = [int(n) for n in (~torch.isfinite(tensor)).nonzero()[0]]
            carried = run.recorder.carried
            reached = any(number in carried.get(_key(t), ()) for t in run.places.top_inputs)
            beside = any(t.dim() > 1 and t.shape[:1] == tensor.shape[:1] and t.shape[0] > 8 for _n, t in run.tables)
            module, phase, source = run.recorder.met.get(number, ("", "", ""))
            place = (LOSS, "loss", source) if phase == "data" else (module, phase, source)
            return name[len("table ") :], index, place, reached, beside
    return ()


def root_facts(birth, run, inputs, batch_size):
    """What the rules need to know about a birth."""
    tensors = [t for t in tree_flatten((birth.args, birth.kwargs))[0] if isinstance(t, torch.Tensor)]
    tensors = [t.to_dense() if t.layout == torch.sparse_coo else t for t in tensors]
    output = next(
        (t for t in tree_flatten(birth.out)[0] if isinstance(t, torch.Tensor) and t.is_floating_point()), None
    )
    guilty = guilty_operand(birth.name, tensors)
    taint = birth.taints[guilty] if guilty is not None and guilty < len(birth.taints) else frozenset()
    labels = bool(taint) and all(name.startswith("batch") and is_label(name, inputs) for name in taint)
    producer = birth.producers[guilty] if guilty is not None and guilty < len(birth.producers) else ""
    shadow = birth.shadow_out
    shadow_finite = None if shadow is None else all(all_finite(t) for t in shadow)
    late = run.bad != "loss" and any("gradients" in taint for taint in birth.taints)
    module, phase = _place(birth, run)
    if late and phase in ("data", "loss"):
        phase = "backward"
    return Root(
        module=module,
        phase=phase,
        op=birth.name,
        source=birth.source,
        nan=birth.nan,
        labels_only=labels and producer not in opfacts.COUNTING,
        data_only=bool(taint) and all(name.startswith("batch") for name in taint),
        zero_operand=guilty is not None and bool((tensors[guilty] == 0).any()),
        zero_lost=lost_zero(guilty, tensors, birth.shadows),
        negative=guilty is not None and birth.nan and bool((tensors[guilty] < 0).any()),
        positive=birth.positives[guilty] if guilty is not None and guilty < len(birth.positives) else "",
        hidden=guilty is not None and guilty < len(birth.hidden) and birth.hidden[guilty],
        single=single_value(birth.name, tensors, output),
        full_mask=full_mask(birth.name, tensors, birth.producers, birth.args),
        shadow_finite=shadow_finite,
        shadow_max=max([float(t.abs().max()) for t in shadow if t.numel()] or [0.0]) if shadow_finite else 0.0,
        calls=repeats(run, birth),
        sample=bad_sample(output, batch_size),
        inputs_had_inf=birth.inputs_had_inf,
        weights_in=any("weights" in taint for taint in birth.taints),
        number_bad=any(number != number for number in opfacts.numbers(birth.args, birth.kwargs)),
        counted=counted_zero(birth, tensors, guilty),
        pooled="pooled" in taint,
        running_below=running_below(birth.name, birth.args),
        late=late and birth.phase in ("data", "forward", "loss"),
    )


def _place(birth, run):
    """(module, phase): what is computed before the model runs, and is no input of it, belongs to the loss."""
    if birth.phase != "data":
        return birth.module, birth.phase
    carried = run.recorder.carried
    reached = any(birth.number in carried.get(_key(t), ()) for t in run.places.top_inputs)
    return (birth.module, birth.phase) if reached or not run.places.top_inputs else (LOSS, "loss")


def counted_zero(birth, tensors, guilty):
    """Whether the divisor is a 0 that no number of the training went into: it was counted."""
    if not birth.name.startswith(("div", "true_divide")):
        return False
    if len(tensors) < 2:
        return 0.0 in opfacts.numbers(birth.args, birth.kwargs)
    return guilty is not None and not birth.taints[guilty] and bool((tensors[guilty] == 0).all())


def repeats(run, birth):
    """How often the birth's module ran in the step, or the operator itself inside one run of it (a loop)."""
    loops = run.recorder.counts.get((birth.module, birth.name), 0)
    return max(run.places.calls.get(birth.module, 0), loops if loops >= LOOP else 0)


def steepest_loop(run):
    """(module, how many times larger its output is than its input, rounds) of the loop that lets values grow most."""
    rounds = dict(run.places.calls)
    for (module, _name), count in run.recorder.counts.items():
        rounds[module] = max(rounds.get(module, 0), count if count >= LOOP else 0)
    worst = ("", 1.0, 0)
    for module, gain in run.places.gains.items():
        if rounds.get(module, 0) >= LOOP and gain > worst[1]:
            worst = (module, gain, rounds[module])
    return worst


LOOP = 16
"""Runs of one operator in one module that make a loop of it."""


DEEP = 8
"""Rounds of a loop, or blocks of one kind after one another, from which on what each does a little becomes much."""


def depth(run, roots):
    """(module, how many times larger its output is than its input, rounds) of the loop, or of the row of blocks of one
    kind, through which values grow most."""
    called = [(name, calls) for name, calls in run.places.calls.items() if calls >= DEEP and name in run.places.sizes]
    loops = [(name, run.places.sizes[name][1] / run.places.sizes[name][0], calls) for name, calls in called]
    return max([steepest_loop(run), *loops, *_rows(run, roots)], key=lambda found: found[1])


def _rows(run, roots):
    """(first module, how many times larger the output of the last is than its input, blocks) of rows of one kind."""
    for root in roots:
        for parent in root.modules():
            kinds: Dict[type, List[str]] = {}
            for child in parent.children():
                name = run.places.names.get(id(child), "")
                if name in run.places.sizes:
                    kinds.setdefault(type(child), []).append(name)
            for row in (row for row in kinds.values() if len(row) >= DEEP):
                yield row[0], run.places.sizes[row[-1]][1] / run.places.sizes[row[0]][0], len(row)


def faint(run, roots):
    """What says that next to nothing gets through the first weights, or ''."""
    module, gain, blocks = min([("", 1.0, 0), *_rows(run, roots)], key=lambda found: found[1])
    line = "from %s on values shrink to a %.0fth on their way through %d blocks"
    return line % (module, 1.0 / gain, blocks) if 0.0 < gain < 0.01 else ""


def growing(run):
    """The modules whose output was more than ten times their input."""
    return tuple(name for name, gain in run.places.gains.items() if gain > 10.0)


def changed_mode(slot, state, names):
    """The name of the first module with buffers that was trained, or not, when the slot was taken, and is not, or is,
    now; ''."""
    pairs = zip(state.modules, slot.rest["modes"])
    return next((names.get(id(m), "") for m, mode in pairs if m.training != mode and m._buffers), "")


FAINT = 0.3


def hopeless_start(roots):
    """What keeps a signal from getting through the first weights: most layers far below their default, or all weights
    of several matrices alike; '' where nothing does."""
    ratios, alike = [], []
    for module in {id(m): m for root in roots for m in root.modules()}.values():
        weight = getattr(module, "weight", None)
        if not hasattr(module, "reset_parameters") or not isinstance(weight, torch.Tensor) or weight.dim() < 2:
            continue
        if not isinstance(module, torch.nn.Embedding):
            ratios.append(typical(weight) * (3.0 * max(1, weight[0].numel())) ** 0.5)
        values = weight.detach().flatten()
        alike.append(values.numel() > 1 and bool(values[0] != 0) and bool((values == values[0]).all()))
    if sum(alike) >= 2:
        return "the weights of %d layers are all one and the same number" % sum(alike)
    if len(ratios) >= 4 and sum(ratio < FAINT for ratio in ratios) > len(ratios) / 2:
        return "the weights of most layers are below %g times what the layer's default gives" % FAINT
    return ""


def zero_matrices(roots):
    """The names of the weights of two or more dimensions that are entirely 0."""
    named = [pair for root in roots for pair in root.named_parameters()]
    return tuple(name for name, p in named if p.dim() > 1 and p.requires_grad and not bool(p.detach().any()))


def bell_shaped(roots, name):
    """Whether the weights of a layer are spread like a normal distribution with a standard deviation of 10 or more."""
    for root in roots:
        module = dict(root.named_modules()).get(name)
        if module is not None and isinstance(getattr(module, "weight", None), torch.Tensor):
            values = module.weight.detach().float().flatten()
            values = values - values.mean()
            spread = float(values.pow(2).mean().sqrt())
            return spread > 10.0 and 2.4 < float(values.pow(4).mean()) / spread**4 < 3.8
    return False


def guilty_operand(name, tensors):
    """The index of the operand that breaks the operation: the divisor, or the argument itself."""
    floats = [i for i, t in enumerate(tensors) if t.is_floating_point()]
    if not floats:
        return None
    if name.startswith(("div", "true_divide", "fmod", "remainder")) and len(tensors) > 1:
        return 1
    if "addcdiv" in name:
        return 2 if len(tensors) > 2 else floats[-1]
    with_zero = [i for i in floats if bool((tensors[i] == 0).any())]
    return with_zero[0] if with_zero else floats[0]


def lost_zero(guilty, tensors, shadows):
    """Whether the guilty operand is 0 somewhere where its float64 shadow is not."""
    if guilty is None or guilty >= len(shadows) or shadows[guilty] is None:
        return False
    return bool(((tensors[guilty] == 0) & (shadows[guilty] != 0)).any())


def running_below(name, args):
    """Whether a batch norm was given a running variance that is below 0 somewhere."""
    running = args[4] if name in ("native_batch_norm", "batch_norm") and len(args) > 4 else None
    return isinstance(running, torch.Tensor) and bool((running < 0).any())


def single_value(name, tensors, output):
    """Whether a variance was taken over one value."""
    if name not in opfacts.STATISTICS or not tensors:
        return False
    if "batch_norm" in name:
        return tensors[0].numel() == tensors[0].shape[1]
    return output is not None and tensors[0].numel() == output.numel()


def full_mask(name, tensors, producers, args):
    """Whether a softmax had a row of nothing but -inf, or a mask of +inf; also when it is written out as x - max(x)."""
    if name in ("sub", "sub_") and set(producers) & {"amax", "max", "logsumexp"}:
        return any(t.is_floating_point() and bool((t == float("-inf")).any()) for t in tensors)
    if name not in opfacts.SOFTMAX:
        return False
    for tensor in tensors:
        if tensor.is_floating_point() and bool((tensor == float("inf")).any()):
            return True  # a mask of the wrong sign: an infinity that was computed would be the birth itself
        solid = tensor.is_floating_point() and tensor.numel() and tensor.dim()
        if solid and opfacts.hides_a_row(tensor == float("-inf"), name, args):
            return True
        if tensor.dtype == torch.bool and tensor.dim() and bool((~tensor).all(-1).any()):
            return True
    return False


def bad_sample(output, batch_size):
    """The first index along the batch where the output is not finite."""
    if output is None or not output.dim() or output.shape[0] != batch_size or batch_size < 2:
        return None
    bad = (~torch.isfinite(output)).reshape(batch_size, -1).any(1)
    return int(bad.nonzero()[0]) if bool(bad.any()) and not bool(bad.all()) else None


def batch_size(args, kwargs):
    sizes = [t.shape[0] for _path, t in trees.leaves(args) + trees.leaves(kwargs) if t.dim()]
    return sizes[0] if sizes else 0


def outlier(steps, inputs):
    """The Outlier of the largest ratio in the batches of these steps, among the model's inputs and the labels."""
    worst = Outlier()
    for saved in steps:
        for path, tensor in trees.leaves(saved.args) + trees.leaves(saved.kwargs):
            path = "batch" + path
            label = is_label(path, inputs)
            wanted = tensor.is_floating_point() and trees.is_plain(tensor) and tensor.dim() > (0 if label else 1)
            if wanted and tensor.shape[0] > 2:
                sample, ratio = _largest_sample(tensor)
                if 1.0 < ratio < float("inf") and ratio > worst.ratio:
                    worst = Outlier(path, saved.number, sample, ratio, label)
    return worst


def _largest_sample(tensor):
    """(index, how many times larger than the median one) of the sample with the largest element."""
    sizes = tensor.detach().double().abs().reshape(tensor.shape[0], -1).amax(1)
    middle = float(sizes.median())
    return int(sizes.argmax()), float(sizes.max()) / middle if middle > 0.0 else 0.0


def input_max(args, kwargs, inputs):
    """The largest finite magnitude among the float (or byte) tensors that the model was given."""
    found = [0.0]
    for prefix in (args, kwargs):
        for path, tensor in trees.leaves(prefix):
            wanted = "batch" + path in inputs if inputs else not is_label("batch" + path, inputs)
            wanted = wanted and trees.is_plain(tensor)
            if wanted and tensor.numel() and (tensor.is_floating_point() or tensor.dtype == torch.uint8):
                values = tensor.detach().float().abs()
                found.append(float(values[torch.isfinite(values)].max()) if bool(torch.isfinite(values).any()) else 0.0)
    return max(found)


def one_number(steps, inputs):
    """The number that every element of every input of the model is in all of these steps; None where they differ."""
    found = set()
    for saved in steps:
        for path, tensor in trees.leaves(saved.args):
            if "batch" + path in inputs and trees.is_plain(tensor) and tensor.numel() and not tensor.is_complex():
                found |= {float(tensor.min()), float(tensor.max())}
                if len(found) > 1:
                    return None
    return found.pop() if found and len(steps) > 1 else None


def optimizer_facts(optimizers):
    """Of the parameter group with the largest learning rate."""
    groups = [(o, g) for o in optimizers for g in o.param_groups]
    if not groups:
        return OptimizerFacts()
    optimizer, group = max(groups, key=lambda pair: float(pair[1].get("lr", 0.0) or 0.0))
    types = {p.dtype for p in group["params"]}
    eps = group.get("eps")
    eps = float(eps) if isinstance(eps, (int, float)) else None
    vanishes = eps is not None and any(float(torch.tensor(eps, dtype=t)) == 0.0 for t in types if t.is_floating_point)
    betas = group.get("betas")
    return OptimizerFacts(
        name=type(optimizer).__name__,
        lr=float(group.get("lr", 0.0) or 0.0),
        weight_decay=decay_of(group),
        eps=eps,
        momentum=float(betas[0] if betas else group.get("momentum", 0.0) or 0.0),
        half=torch.float16 in types,
        eps_vanishes=vanishes,
    )


def weight_outlier(roots):
    """(module name, how many times larger its weights are than the layer's own default makes them)."""
    return max([("", 0.0), *_layer_outliers(roots), *_custom_outliers(roots)], key=lambda pair: pair[1])


def wide_layers(roots, ratio):
    """The number of layers whose weights are more than `ratio` times larger than their own default."""
    return len({name for name, found in _layer_outliers(roots) if found > ratio})


def _layer_outliers(roots):
    """(module name, ratio) for the weights and for the biases of layers that have a default."""
    for root in roots:
        for name, module in root.named_modules():
            weight = getattr(module, "weight", None)
            if not hasattr(module, "reset_parameters") or not isinstance(weight, torch.Tensor) or weight.dim() < 2:
                continue
            fan = max(1, weight[0].numel()) if not isinstance(module, torch.nn.Embedding) else 1.0 / 3.0
            for tensor in (weight, getattr(module, "bias", None)):  # both begin within 1 / sqrt(fan) by default
                if isinstance(tensor, torch.Tensor):
                    yield name, typical(tensor) * (3.0 * fan) ** 0.5


def _custom_outliers(roots):
    """(module name, how many times its parameters exceed 1) for modules that know no default to return to."""
    for root in roots:
        for name, module in root.named_modules():
            if not hasattr(module, "reset_parameters"):
                for parameter in module._parameters.values():
                    if parameter is not None and parameter.is_floating_point() and parameter.numel():
                        yield name, typical(parameter)


def typical(tensor):
    """The root mean square of a tensor's elements, in float64: squares of 1e38 do not fit float32."""
    return float(tensor.detach().double().square().mean().sqrt())
