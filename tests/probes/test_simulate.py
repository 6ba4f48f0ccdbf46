"""The simulated cards show the reported faults, and only those."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

import hwcompat
from hwcompat import api, cli, errors, runner
from hwcompat.probes import catalogue, execute, simulate
from hwcompat.probes.simulate import _alter, _dispatch, _mutation, gtx16xx, rounding, slow_fp16

NAN_SHAPE = (1, 32, 64, 64, 64, 3)  # batch, channels in, height, width, channels out, kernel


def convolve(shape, dtype=torch.float16, bias=True, **options):
    """Output and gradients (x, w, bias) of one convolution on small integers."""
    batch, cin, height, width, cout, kernel = shape
    x = (torch.arange(batch * cin * height * width).reshape(batch, cin, height, width) % 3 - 1).to(dtype)
    w = (torch.arange(cout * cin * kernel * kernel).reshape(cout, cin, kernel, kernel) % 5 - 2).to(dtype)
    b = (torch.arange(cout) % 7 + 1).to(dtype) if bias else None
    leaves = [leaf.requires_grad_() for leaf in (x, w, b) if leaf is not None]
    y = torch.nn.functional.conv2d(x, w, b, padding=kernel // 2, **options)
    y.backward(torch.ones_like(y))
    return [y.detach(), *(leaf.grad for leaf in leaves)]


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("bias", [True, False])
def test_the_reported_shape_gives_nan_planes_beside_constant_ones(bias):
    """As printed in the report: half of the planes NaN, the others constant at the bias."""
    with gtx16xx.mode(torch, times=0):
        y, dx, dw = convolve(NAN_SHAPE, bias=bias)[:3]
    assert torch.isnan(y[:, 0::2]).all()
    expected = (torch.arange(64) % 7 + 1)[1::2] if bias else torch.zeros(32)
    assert torch.equal(y[0, 1::2].float(), expected.float().reshape(-1, 1, 1).expand(32, 64, 64))
    assert torch.isnan(dx[:, 0::2]).all()
    assert torch.isnan(dw[0::2]).all()
    assert torch.isfinite(dw[1::2]).all()


def test_the_backward_pass_can_be_left_right():
    """Nobody has reported a fault of the backward pass by itself: it is an option."""
    healthy = convolve(NAN_SHAPE)
    with gtx16xx.mode(torch, backward=False, times=0):
        faulty = convolve(NAN_SHAPE)
    assert torch.isnan(faulty[0]).any()
    assert same(healthy[1:], faulty[1:])


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((6, 8, 12, 12, 16, 3), {}),
        ((1, 64, 32, 32, 64, 3), {}),
        ((1, 32, 64, 64, 64, 1), {}),
        ((8, 8, 12, 12, 16, 1), {}),
    ],
    ids=["batch 6", "32x32", "1x1", "1x1 batch 8"],
)
def test_shapes_that_users_found_right_are_right(shape, options):
    """One small shape finds nothing: outputs and gradients are bit for bit the healthy ones."""
    healthy = convolve(shape, **options)
    with gtx16xx.mode(torch, times=0):
        assert same(healthy, convolve(shape, **options))


def test_grouped_and_transposed_convolutions_are_right():
    """They were never reported."""
    x, grouped = torch.ones(8, 32, 8, 8).half(), torch.ones(32, 1, 3, 3).half()
    healthy = torch.conv2d(x, grouped, groups=32), torch.conv_transpose2d(x, grouped)
    with gtx16xx.mode(torch, times=0):
        assert same(healthy, (torch.conv2d(x, grouped, groups=32), torch.conv_transpose2d(x, grouped)))


def test_from_batch_seven_on_values_are_wrong_and_finite():
    """No NaN test sees this one."""
    shape = (7, 8, 12, 12, 16, 3)
    healthy = convolve(shape)
    with gtx16xx.mode(torch, times=0):
        faulty = convolve(shape)
    assert all(torch.isfinite(value).all() for value in faulty)
    assert not any(torch.equal(a, b) for a, b in zip(healthy[:3], faulty[:3], strict=True))
    assert torch.equal(healthy[0][:, 0::2], faulty[0][:, 0::2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_dtypes_are_untouched(dtype):
    """The fault is one of fp16 alone."""
    healthy = convolve(NAN_SHAPE, dtype)
    with gtx16xx.mode(torch):
        assert same(healthy, convolve(NAN_SHAPE, dtype))


@pytest.mark.parametrize("fault", [gtx16xx, slow_fp16], ids=["gtx16xx", "slow_fp16"])
def test_matrix_products_are_right(fault):
    """Products are slow and correct, whatever the operator."""
    a = (torch.arange(4 * 8 * 8).reshape(4, 8, 8) % 5 - 2).half()
    b = torch.empty(8, 8).half()

    def products():
        return torch.mm(a[0], a[1]), torch.addmm(a[2], a[0], a[1]), torch.bmm(a, a), torch.baddbmm(a, a, a, beta=2)

    healthy = products()
    with fault.mode(torch):
        assert same(healthy, products())
        torch.mm(a[0], a[1], out=b)
    assert torch.equal(b, healthy[0])


@pytest.mark.parametrize(
    ("operation", "extra"),
    [
        (lambda t: torch.mm(t, t.t()), 3),
        (lambda t: torch.mm(t[:1], t.t()), 0),
        (lambda t: torch.mm(t, t.t(), out=t.new_empty(2, 2)), 3),
        (lambda t: torch.conv2d(t.reshape(1, 1, 2, 4), t.reshape(4, 1, 1, 2)), 3),
        (lambda t: t + t, 0),
    ],
    ids=["two rows", "one row", "out=", "convolution", "addition"],
)
def test_slowness_is_fp32_work_of_the_same_operator(operation, extra):
    """What the fault adds is seen below it: so many fp32 twins of slow fp16 work, nothing for other dtypes."""
    for dtype, expected in ((torch.float16, extra), (torch.bfloat16, 0), (torch.float32, 0)):
        operand, done = torch.ones(2, 4, dtype=dtype), []

        def note(name, func, args, kwargs, out, done=done):
            done.append((name, args[0].dtype))
            return out

        with _dispatch.after_each(torch, note):
            operation(operand)
            healthy = list(done)
            done.clear()
            with slow_fp16.mode(torch, times=3):
                operation(operand)
        added = [entry for entry in done if entry not in healthy and entry[0] not in ("to", "_to_copy")]
        assert len(added) == expected
        assert {entry[1] for entry in added} <= {torch.float32}
        assert {entry[0] for entry in added} <= {name for name, _ in healthy}


def test_an_old_torch_is_told_what_is_missing():
    """Before 1.13 there is no hook to simulate with."""
    for version in ("1.12.1+cu113", "1.10.2"):
        with pytest.raises(RuntimeError, match=r"needs torch 1\.13 or newer, this is torch 1\.1"):
            gtx16xx.mode(SimpleNamespace(__version__=version))


@pytest.mark.parametrize(("dtype", "status"), [("float16", "fail"), ("bfloat16", "pass")])
def test_the_probe_of_known_shapes_finds_the_simulated_card(dtype, status):
    """The quick convolution probe, as it runs on every machine."""
    with gtx16xx.mode(torch, times=0):
        result = execute.run(torch, catalogue.find("conv.shapes"), dtype, level="quick")
    assert result["status"] == status


def test_products_pass_on_the_simulated_card():
    """No matrix product is blamed for what convolutions do."""
    with gtx16xx.mode(torch, times=0):
        assert execute.run(torch, catalogue.find("matmul.integer"), "float16")["status"] == "pass"


# --- the catalogue of faults ------------------------------------------------------------------------------------------

FAULTS = simulate.listing()


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_a_line_with_a_source_and_can_be_made(name):
    line = FAULTS[name]
    assert re.fullmatch(r".{20,}https://[\w./-]+\.[\w./-]+", line), line
    assert "\n" not in line
    mode = simulate.make(torch, name)
    assert hasattr(mode, "__enter__")


def test_every_function_of_a_family_that_makes_a_fault_is_in_its_list():
    """Public functions with `torch` as their only argument are faults; so none is forgotten."""
    for family in {name.partition(".")[0] for name in FAULTS if "." in name}:
        module = importlib.import_module(f"{simulate.__name__}.{family}")
        made = {
            name
            for name, value in vars(module).items()
            if inspect.isfunction(value)
            and value.__module__ == module.__name__
            and not name.startswith("_")
            and list(inspect.signature(value).parameters) == ["torch"]
        }
        assert made == set(module.FAULTS), family


def test_listing_needs_no_torch():
    code = "import sys; from hwcompat.probes import simulate; simulate.listing(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_unknown_faults_are_refused():
    with pytest.raises(KeyError):
        simulate.make(torch, "convolution.no_such_fault")


# --- altering results -------------------------------------------------------------------------------------------------


def _doubled(names, dtypes=("float32",)):
    return _dispatch.on(torch, names, lambda call: _dispatch.mapped(torch, call.out, lambda t: t * 2), dtypes)


@pytest.mark.parametrize(
    ("names", "operation"),
    [
        (("add",), lambda t: t + t),
        (("add",), lambda t: t.clone().add_(t)),
        (("add",), lambda t: torch.add(t, t, out=torch.empty_like(t))),
        (("_foreach_add",), lambda t: torch._foreach_add([t], 1.0)[0]),
        (("native_layer_norm",), lambda t: torch.nn.functional.layer_norm(t, (4,))),
    ],
    ids=["functional", "in place", "out=", "list", "several results"],
)
def test_results_are_altered_in_every_form(names, operation):
    healthy = operation(torch.arange(4.0))
    with _doubled(names) as mode:
        assert torch.equal(operation(torch.arange(4.0)), healthy * 2)
    assert mode.hits[0] == 1
    assert mode.touches == (frozenset(names), ("float32",))


def test_operators_that_return_nothing_are_altered_where_they_write():
    values = [torch.ones(3), torch.ones(2)]
    kept = values[0]
    with _doubled(("_foreach_add",)):
        torch._foreach_add_(values, 1.0)
    assert torch.equal(kept, torch.full((3,), 4.0))
    assert torch.equal(values[1], torch.full((2,), 4.0))


def test_other_dtypes_and_operators_stay_right():
    with _doubled(("add",), ("float16",)) as mode:
        assert torch.equal(torch.ones(2) + 1, torch.full((2,), 2.0))
        assert torch.equal(torch.ones(2).half() * 3, torch.full((2,), 3.0).half())
    assert mode.hits == [0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_one_unit_in_the_last_place_is_one(dtype):
    values = torch.tensor([0.0, 1.0, -3.0], dtype=dtype)
    assert _alter.one_ulp_off(torch, values, 1).tolist() == [0.0, 1.0 + torch.finfo(dtype).eps, -3.0]
    assert _alter.one_ulp_off(torch, values, 0).tolist() == [0.0, 1.0 + torch.finfo(dtype).eps, -3.0]
    assert _alter.one_ulp_off(torch, torch.zeros(3, dtype=dtype), 0) is None


def test_elements_are_counted_in_logical_order():
    damaged = _alter.with_element(torch, torch.zeros(2, 3).t(), 1, 7.0)
    assert damaged[0, 1] == 7.0
    assert _alter.with_element(torch, torch.zeros(3, 2), -1, 7.0)[2, 1] == 7.0


def test_bit_flips_have_their_rate_and_are_the_same_every_time():
    values = torch.ones(200_000, dtype=torch.bfloat16)
    first, again = (_alter.with_bits_flipped(torch, values, _alter.dice(3), 1e-3, 1 << 15) for _ in range(2))
    assert torch.equal(first, again)
    assert 130 < int((first == -1).sum()) < 280
    assert int((first == 1).sum()) + int((first == -1).sum()) == 200_000


def test_faults_leave_the_random_numbers_of_torch_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with simulate.make(torch, "bitflips.sporadic_nan"), simulate.make(torch, "bitflips.sign"):
        for _ in range(50):
            torch.mm(torch.ones(8, 8).half(), torch.ones(8, 8).half())
        assert torch.equal(torch.rand(3), expected)


def test_rounding_toward_zero_and_ties_away_are_what_they_say():
    wide = torch.tensor([1.0, 1.0 + 2**-11, 1.0 + 3 * 2**-11, -1.0 - 3 * 2**-11], dtype=torch.float64)
    nearest = wide.to(torch.float32).half()
    cut, away = rounding.cut(torch, wide, nearest), rounding.away(torch, wide, nearest)
    assert cut.tolist() == [1.0, 1.0, 1.0 + 2**-10, -1.0 - 2**-10]
    assert away.tolist() == [1.0, 1.0 + 2**-10, 1.0 + 2**-9, -1.0 - 2**-9]


@pytest.mark.parametrize("change", _mutation.CHANGES)
def test_every_made_up_change_changes_something(change):
    """Twice an addition of rows of three in channels_last: the one call that is open to every change."""
    image = torch.rand(1, 2, 4, 3).contiguous(memory_format=torch.channels_last)
    with _mutation.mode(torch, "add", "", "float32", 0, change) as mode:
        results = [image + 1, image + 2]
    healthy = [image + 1, image + 2]
    assert mode.hits[0] >= 1
    assert not torch.equal(results[1], healthy[1])
    assert torch.equal(results[0], healthy[0]) == (change in ("later", "stale"))


# --- as users name them -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("convolution.wgrad_nans", "convolution.wgrad_nan"),
        ("wgrad_nan", "convolution.wgrad_nan"),
        ("gtx1660", "gtx16xx"),
        ("atention.dq_tail", "attention.dq_tail"),
    ],
)
def test_a_wrong_name_gets_the_nearest(word, nearest):
    with pytest.raises(errors.UsageError) as refusal:
        runner._check_simulation(word)
    assert refusal.value.hint.startswith(f"nearest: {nearest}")


@pytest.mark.parametrize("name", simulate.NEEDS_PROCESS)
def test_what_would_take_the_process_along_needs_a_worker(name):
    with pytest.raises(errors.UsageError, match="this very process"):
        hwcompat.probe("cpu", only=("cast.widen",), isolate=False, simulate=name)
    runner._check_simulation(name)


def test_the_command_line_lists_every_fault_with_its_source():
    told = CliRunner().invoke(cli.main, ["probe", "--simulate", "list"])
    assert told.exit_code == 0
    assert [line.split("  ")[0] for line in told.stdout.splitlines()] == list(simulate.listing())
    assert json.loads(CliRunner().invoke(cli.main, ["probe", "--simulate", "list", "--json"]).stdout) == FAULTS


def test_a_fault_of_a_family_is_simulated_named_and_no_row():
    report = hwcompat.probe("cpu", only=("cast.widen",), isolate=False, simulate="casts.flush_wide")
    assert report.simulated == "casts.flush_wide"
    assert {result.status for result in report.results if result.dtype == "float16"} == {"fail"}
    with pytest.raises(errors.UsageError):
        api.record(report)
