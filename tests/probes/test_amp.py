"""The mixed-precision probes are silent on a healthy CPU and see a broken scaler, autocast, gradient or step."""

from __future__ import annotations

import contextlib
import types
from itertools import product

import pytest
import torch
from probes.injected import LOW, PROBES, caught, fault, mutation, outcome

from hwcompat.probes import context, execute, mixed
from hwcompat.probes.simulate import _dispatch
from hwcompat.probes.suite import amp_gradscaler

AMP = [(probe.id, dtype) for probe in PROBES.values() if probe.id.startswith("amp.") for dtype in probe.dtypes]
FP32 = (torch.float32,)
UNSCALE = "_amp_foreach_non_finite_check_and_unscale_"


def called(name, change):
    """`change(args)` after every call of an operator whatever its dtypes, in place."""

    def alter(operator, func, args, kwargs, out):
        if operator == name:
            change(args)
        return out

    return _dispatch.after_each(torch, alter)


# --- healthy ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("probe", "dtype"), AMP)
@pytest.mark.parametrize("seed", [0, 5, 11])
def test_a_healthy_cpu_is_silent(probe, dtype, seed):
    result = outcome(probe, dtype, seed=seed)
    assert (result["status"], result["detail"], result["skipped_cases"]) == ("pass", "", [])


def test_every_amp_probe_feeds_the_amp_capabilities():
    assert all(PROBES[probe].feeds == "amp" for probe, _ in AMP)
    assert {probe for probe, _ in AMP if PROBES[probe].core} == {"amp.gradscaler", "amp.autocast", "amp.train_step"}


def test_the_state_machine_visits_every_place_with_every_kind():
    bad = [step for step in amp_gradscaler.steps() if step is not None]
    assert {step[:2] for step in bad} == set(product(range(3), ("first", "middle", "last")))
    assert {str(step[2]) for step in bad} == {"inf", "-inf", "nan"}
    exponents, state = [], (16, 0)
    for step in amp_gradscaler.steps():
        state = amp_gradscaler._next(*state, step is None)
        exponents.append(state[0])
    assert exponents[:4] == [16, 17, 16, 15], "two finite steps double the scale, each bad one halves it"
    assert max(exponents) > min(exponents) + 4


# --- GradScaler -------------------------------------------------------------------------------------------------------
def never_infinite(args):
    args[1].zero_()


def always_infinite(args):
    args[1].fill_(1.0)


def blind_tail(args):
    """Infinities in the last, incomplete vector of four are missed."""
    missed = all(bool(torch.isfinite(t.flatten()[: t.numel() // 4 * 4]).all()) for t in args[0])
    if missed:
        args[1].zero_()


def wrong_scale(args):
    args[0][1].mul_(2)


def frozen_growth(args):
    args[1].zero_()


SCALER_FAULTS = {
    "never sees an infinity": (UNSCALE, never_infinite),
    "always sees one": (UNSCALE, always_infinite),
    "misses the tail": (UNSCALE, blind_tail),
    "unscales one parameter wrongly": (UNSCALE, wrong_scale),
    "never grows": ("_amp_update_scale_", frozen_growth),
}


@pytest.mark.parametrize("name", SCALER_FAULTS)
def test_a_broken_scaler_is_seen(name):
    assert outcome("amp.gradscaler", "float16", called(*SCALER_FAULTS[name]))["status"] == "fail"


@pytest.mark.parametrize("operator", ["_amp_foreach_non_finite_check_and_unscale", "add"])
@pytest.mark.parametrize("change", ["coarse", "ulp"])
def test_gradients_and_parameters_that_lose_bits_are_seen(operator, change):
    """The gradients of GradScaler.unscale_ and what a step makes of them have more than 11 significant bits."""
    assert outcome("amp.gradscaler", "float16", mutation(operator, change))["status"] == "fail"


def lost_step(called_name, func, args, kwargs, out):
    """The optimizer's update does not arrive."""
    if called_name == "add_" and kwargs.get("alpha") is not None:
        args[0].sub_(args[1], alpha=kwargs["alpha"])
    return out


@pytest.mark.parametrize(
    ("probe", "dtype"), [("amp.gradscaler", "float16"), ("amp.train_step", "float16"), ("amp.train_step", "bfloat16")]
)
def test_a_lost_optimizer_step_is_seen(probe, dtype):
    result = outcome(probe, dtype, _dispatch.after_each(torch, lost_step))
    assert result["status"] == "fail"
    assert "parameter" in result["detail"]


# --- autocast ---------------------------------------------------------------------------------------------------------
class Torch(types.SimpleNamespace):
    """torch with some of its names replaced, as an old or a broken release would have it."""

    def __getattr__(self, name):
        return getattr(torch, name)


def run_with(substitute, probe, dtype):
    return execute.run(substitute, PROBES[probe], dtype)


@pytest.mark.parametrize(("probe", "dtype"), list(product(["amp.autocast", "amp.train_step"], ["float16", "bfloat16"])))
def test_an_autocast_that_does_nothing_is_seen(probe, dtype):
    substitute = Torch(autocast=lambda **options: contextlib.nullcontext())
    result = run_with(substitute, probe, dtype)
    assert result["status"] == "fail"
    assert "float32" in result["detail"]


def test_an_autocast_to_the_wrong_dtype_is_seen():
    def swapped(device_type, dtype=None, enabled=True):
        other = {torch.float16: torch.bfloat16, torch.bfloat16: torch.float16}.get(dtype)
        return torch.autocast(device_type, dtype=other, enabled=enabled)

    for dtype in ("float16", "bfloat16"):
        assert run_with(Torch(autocast=swapped), "amp.autocast", dtype)["status"] == "fail"


def test_on_cuda_sensitive_operations_must_be_float32(monkeypatch):
    """The CPU leaves softmax, exp, log, norm and sum in the low dtype, which on CUDA would be a fault."""

    def as_on_the_cpu(device_type, **options):
        return torch.autocast("cpu", **options)

    monkeypatch.setattr(context.Context, "kind", "cuda")
    result = run_with(Torch(autocast=as_on_the_cpu), "amp.autocast", "bfloat16")
    assert set(result["failed_cases"]) == {f"{op} in float32" for op in ("softmax", "log", "exp", "norm", "sum")}


@pytest.mark.parametrize("operator", ["mm", "addmm", "convolution"])
def test_wrong_values_under_autocast_are_seen(operator):
    for dtype in ("float16", "bfloat16"):
        injected = fault(operator, lambda args, out: out * 0)
        assert outcome("amp.autocast", dtype, injected)["status"] == "fail"


def test_an_old_release_that_refuses_the_dtype_is_unsupported_and_not_faulty():
    """torch 1.10 to 2.x only warn and go on in float32: the card is not to blame."""

    def refusing(device_type, dtype=None, enabled=True):
        import warnings

        warnings.warn("In CPU autocast, but the target dtype is not supported. Disabling autocast.", stacklevel=2)
        return torch.autocast(device_type, enabled=False)

    for probe in ("amp.autocast", "amp.train_step"):
        result = run_with(Torch(autocast=refusing), probe, "float16")
        assert result["status"] == "unsupported", result["detail"]


def test_a_release_without_a_scaler_for_the_device_is_unsupported():
    old = Torch(amp=types.SimpleNamespace())
    assert run_with(old, "amp.gradscaler", "float16")["status"] == "unsupported"


def test_before_torch_2_3_cuda_has_its_own_scaler(monkeypatch):
    made = []

    def scaler(**options):
        made.append(options)
        return torch.amp.GradScaler("cpu", **options)

    monkeypatch.setattr(context.Context, "kind", "cuda")
    old = Torch(amp=types.SimpleNamespace(), cuda=types.SimpleNamespace(amp=types.SimpleNamespace(GradScaler=scaler)))
    assert mixed.grad_scaler(context.Context(old, "cpu", "float16"), init_scale=4.0).get_scale() == 4.0
    assert made == [{"init_scale": 4.0}]


# --- one training step ------------------------------------------------------------------------------------------------
def times(factor, place=None):
    def change(args, out):
        if place is None:
            return out * factor
        return tuple(t * factor if i == place and t is not None else t for i, t in enumerate(out))

    return change


STEP_FAULTS = {
    "forward product": lambda: fault("addmm", times(0)),
    "backward product": lambda: fault("mm", times(2)),
    "convolution": lambda: fault("convolution", times(2)),
    "weight gradient": lambda: fault("convolution_backward", times(float("nan"), 1)),
    "bias gradient of the convolution": lambda: fault("convolution_backward", times(0, 2)),
    "relu": lambda: fault("relu", times(0)),
    "relu backward": lambda: fault("threshold_backward", times(2)),
    "loss": lambda: fault("mse_loss", times(2), FP32),
    "loss backward": lambda: fault("mse_loss_backward", times(0.5), FP32),
    "cast": lambda: fault("_to_copy", lambda args, out: out * 2 if out.dtype in LOW else out, FP32),
}


@pytest.mark.parametrize(("name", "dtype"), list(product(STEP_FAULTS, ["float16", "bfloat16"])))
def test_a_fault_anywhere_in_the_step_is_seen(name, dtype):
    assert outcome("amp.train_step", dtype, STEP_FAULTS[name]())["status"] == "fail"


# --- GradScaler in front of every optimizer ---------------------------------------------------------------------------
def blind_to_the_last(args):
    """Only infinities in the last tensor: not found."""
    if all(bool(torch.isfinite(t).all()) for t in args[0][:-1]):
        args[1].zero_()


def blind_beyond_a_chunk(args):
    if all(bool(torch.isfinite(t.flatten()[:65536]).all()) for t in args[0]):
        args[1].zero_()


OPTIMIZER_FAULTS = {
    "the last parameter is not looked at": (UNSCALE, blind_to_the_last, "SGD, loop"),
    "what lies beyond a chunk is not looked at": (UNSCALE, blind_beyond_a_chunk, "65,536, SGD"),
    "fused AdamW moves its moments": ("_fused_adamw_", lambda args: args[2][1].add_(1), "AdamW, fused"),
    "fused Adam moves its last element": ("_fused_adam_", lambda args: args[0][2][-1].add_(0.25), "Adam, fused"),
    "fused Adam counts skipped steps": ("_fused_adam_", lambda args: args[5][0].add_(1), "Adam, fused"),
    "fused SGD doubles its momentum": ("_fused_sgd_", lambda args: args[2][3].mul_(2), "SGD, fused"),
    "gradients unscaled twice": (UNSCALE, lambda args: [t.mul_(0.5) for t in args[0]], "Adagrad, foreach"),
    "never grows": ("_amp_update_scale_", frozen_growth, "SGD, loop"),
    "clipping": ("_foreach_mul_", lambda args: args[0][0].mul_(2), "clip"),
}


@pytest.mark.parametrize("name", OPTIMIZER_FAULTS)
def test_a_fault_between_scaler_and_optimizer_is_seen(name):
    operator, change, only = OPTIMIZER_FAULTS[name]
    assert caught("amp.optimizers", "float16", called(operator, change), only)


def test_a_fused_step_that_ignores_found_inf_is_seen():
    """As between torch 2.0 and its repair (pytorch#95847): the update happens although an infinity was found."""

    def alter(name, func, args, kwargs, out):
        if name == "_fused_adamw_" and kwargs.get("found_inf") is not None and bool(kwargs["found_inf"]):
            args[0][0].add_(1)
        return out

    assert caught("amp.optimizers", "float16", _dispatch.after_each(torch, alter), "AdamW, fused")


def test_a_second_unscale_that_is_accepted_is_seen(monkeypatch):
    monkeypatch.setattr(torch.amp.GradScaler, "unscale_", lambda self, optimizer: None)
    assert "accepted" in caught("amp.optimizers", "float16", contextlib.nullcontext(), "twice is refused")


# --- regions and lists ------------------------------------------------------------------------------------------------
def stale_cast():
    """The second and later casts of one shape give what the first gave, as a cache that is never cleared."""
    first = {}

    def alter(name, func, args, kwargs, out):
        if name == "_to_copy" and out.dtype in LOW and args[0].dtype == torch.float32:
            return first.setdefault(tuple(out.shape), out)
        return out

    return _dispatch.after_each(torch, alter)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_stale_cast_of_a_weight_is_seen(dtype):
    assert "step 1" in caught("amp.regions", dtype, stale_cast(), "weight changed")


REGION_FAULTS = {
    "gradient cast back wrongly": ("_to_copy", FP32, lambda args, out: out * 2, "used twice"),
    "inside a checkpoint": ("clamp", LOW, lambda args, out: out * 0, "checkpoint"),
    "product of a custom function": ("mm", LOW, lambda args, out: out.roll(1, -1), "custom_fwd"),
    "16-bit input": ("mm", LOW, lambda args, out: out * 2, "16-bit input"),
}


@pytest.mark.parametrize(("name", "dtype"), list(product(REGION_FAULTS, ["float16", "bfloat16"])))
def test_a_fault_inside_a_region_is_seen(name, dtype):
    operator, results, change, only = REGION_FAULTS[name]

    def alter(called_name, func, args, kwargs, out):
        hit = called_name == operator and isinstance(out, torch.Tensor) and out.dtype in results
        return change(args, out) if hit else out

    assert caught("amp.regions", dtype, _dispatch.after_each(torch, alter), only)


def test_regions_that_do_nothing_are_seen():
    substitute = Torch(autocast=lambda **options: contextlib.nullcontext())
    for dtype in ("float16", "bfloat16"):
        assert run_with(substitute, "amp.regions", dtype)["status"] == "fail"


LIST_FAULTS = {
    "convolution": ("convolution", "conv1d"),
    "transposed convolution": ("convolution", "conv_transpose2d"),
    "backward of a convolution": ("convolution_backward", "conv3d"),
    "prelu": ("_prelu_kernel", "prelu"),
    "sum": ("sum", "sums of 4096"),
    "cumulative sum": ("cumsum", "cumsum"),
    "power": ("pow", "pow"),
    "layer norm": ("native_layer_norm", "layer_norm"),
}


@pytest.mark.parametrize("name", LIST_FAULTS)
def test_a_wrong_operator_of_the_lists_is_seen(name):
    operator, only = LIST_FAULTS[name]

    def alter(called_name, func, args, kwargs, out):
        tensors = _dispatch.tensors(torch, out)
        if called_name != operator or not tensors[0].is_floating_point() or tensors[0].dtype == torch.float64:
            return out
        for tensor in tensors[:2]:
            if tensor.numel():
                tensor[tuple(size - 1 for size in tensor.shape)] += 0.5 + tensor.abs().max() / 64
        return out

    for dtype in ("float16", "bfloat16"):
        assert caught("amp.lists", dtype, _dispatch.after_each(torch, alter), only)


def test_on_cuda_the_lists_decide_the_dtypes(monkeypatch):
    def as_on_the_cpu(device_type, **options):
        return torch.autocast("cpu", **options)

    monkeypatch.setattr(context.Context, "kind", "cuda")
    result = run_with(Torch(autocast=as_on_the_cpu), "amp.lists", "bfloat16")
    assert {"layer_norm", "cumsum", "rsqrt"} <= set(result["failed_cases"])


# --- repeatability ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_repeating_is_bit_equal_on_a_healthy_cpu(dtype):
    result = outcome("repeat.bitwise", dtype)
    assert (result["status"], result["detail"]) == ("pass", "")
    assert result["checked"] > 100_000


@pytest.mark.parametrize(
    ("operator", "place", "case"),
    [("mm", None, "mm 192"), ("convolution", None, "conv"), ("convolution_backward", 1, "conv")],
)
def test_one_bit_once_in_eight_runs_is_seen(operator, place, case):
    calls = []

    def change(args, out):
        calls.append(1)
        if len(calls) == 6:
            flat = (out if place is None else out[place]).view(-1)
            flat[5] = torch.nextafter(flat[5], flat[5] + 1)
        return out

    result = outcome("repeat.bitwise", "bfloat16", fault(operator, change))
    assert result["status"] == "fail"
    assert result["case"].startswith(case)
    assert "run 6 differs" in result["detail"]


def test_deterministic_algorithms_are_asked_for_and_the_switch_is_put_back():
    seen = set()

    def look(args, out):
        seen.add(torch.backends.cudnn.deterministic)
        return out

    before = torch.backends.cudnn.deterministic
    outcome("repeat.bitwise", "bfloat16", fault("convolution_backward", look))
    assert seen == {True}
    assert torch.backends.cudnn.deterministic == before
