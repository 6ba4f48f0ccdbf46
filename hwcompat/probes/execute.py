"""Runs one probe in one dtype in this very process and says what came of it.

Used by the worker (one process a group) and, with `isolate=False`, inside the caller's own process and thread.
"""

import contextlib
import gc
import hashlib
import importlib.machinery
import importlib.util
import re
import sys
import time
import traceback
from functools import partial

from . import context, judge, torch_state

_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|bad_alloc", re.I)
_UNSUPPORTED = re.compile(
    r"not implemented for|not supported|unsupported|no kernel found|could not run '|is not available|"
    r"no viable backend for|no available kernel|only supports?|does not support|undefined value|"
    r"expected scalar type|CPU autocast|_STATUS_NOT_SUPPORTED|"
    r"derivative for \S+ is not implemented|to have one of the following scalar types|"
    r"all inputs must share same datatype",
    re.I,
)
_DEVICE_FAULT = re.compile(
    r"CUDNN_STATUS_(?!NOT_SUPPORTED)|CUBLAS_STATUS_(?!NOT_SUPPORTED)|"
    r"CUDA error(?!: CUBLAS_STATUS_NOT_SUPPORTED)|HIP error",
    re.I,
)
_TOO_OLD = re.compile(
    r"^module 'torch[\w.]*' has no attribute|^'Tensor' object has no attribute|unexpected keyword argument|"
    r"^cannot import name '\w+' from 'torch|^No module named 'torch\."
)
"""What an older torch says of an operation or option that it does not have yet."""
_LOST = "lost "


class DeviceLost(Exception):
    """After an error no call on the device works any more; only a new process can go on. `result`: what was found."""

    def __init__(self, result):
        Exception.__init__(self, result["detail"])
        self.result = result


def load(probe):
    """The probe's module, imported from its file under this package's name so that it reaches its siblings."""
    package = __name__.rpartition(".")[0]
    folder, stem = probe.path.replace("\\", "/").rsplit("/", 2)[-2:]
    name = "%s.%s.%s" % (package, folder, stem[:-3])
    if name not in sys.modules:
        loader = importlib.machinery.SourceFileLoader(name, probe.path)
        spec = importlib.machinery.ModuleSpec(name, loader, origin=probe.path)
        spec.has_location = True
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def run(
    torch, probe, dtype_name, device="cpu", level="standard", seed=0, memory_limit=None, on_case=None,
    load_seconds=None, on_progress=None,
):  # fmt: skip
    """The result of `probe` as a dict: probe, dtype, status and the rest of `summarise`.

    on_case(label) is called before each case, on_progress(share, seconds left or None) inside long ones;
    load_seconds is how long a load test lasts.

    Raises DeviceLost (with the result in `.result`) when the device answers nothing after an error.
    """
    started = time.perf_counter()
    outcomes, lost = [], False
    try:
        with torch_state.preserved(torch):
            torch_state.judging(torch)
            ctx = partial(
                context.Context,
                torch,
                device,
                dtype_name,
                probe.id,
                level,
                seed,
                memory_limit,
                load_seconds,
                on_progress,
            )
            for label, judgement in _outcomes(torch, probe, device, ctx, on_case):
                lost = judgement.status.startswith(_LOST)
                outcomes.append((label, judgement._replace(status=judgement.status.replace(_LOST, ""))))
                if lost:
                    break
    except Exception as error:  # torch's state can be neither read nor put back: usual after a lost device
        if not lost:
            judgement = _explain(torch, error, device)
            lost = judgement.status.startswith(_LOST)
            outcomes.append(("torch's state", judgement._replace(status=judgement.status.replace(_LOST, ""))))
    result = summarise(probe, dtype_name, outcomes, time.perf_counter() - started)
    if lost:
        raise DeviceLost(result)
    return result


def _outcomes(torch, probe, device, make_context, on_case):
    """(label, Judgement) a case; an exception becomes the Judgement that describes it."""
    label = "set-up"
    try:
        ctx = make_context()
        cases = iter(load(probe).cases(ctx))
    except (Exception, SystemExit) as error:
        yield label, _explain(torch, error, device)
        return
    while True:
        label = "set-up"
        try:
            label, function = next(cases)
            if on_case:
                on_case(label)
            judgement = function()
            ctx.synchronize()
        except StopIteration:
            return
        except (Exception, SystemExit) as error:
            judgement = _explain(torch, error, device)
        yield label, judgement
        if label == "set-up":
            return


def _explain(torch, error, device):
    """The Judgement that describes `error`; its status begins with _LOST when the device answers nothing any more."""
    text = "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:500])
    status = classify(error)
    if status == "oom":
        _let_go(torch, error)
    if not healthy(torch, device):
        status = _LOST + ("crash" if status in ("error", "unsupported") else status)
    return judge.Judgement(status, text, 0, "", {})


def _let_go(torch, error):
    """Free what the failed frames still hold, or there is no memory to go on with."""
    traceback.clear_frames(error.__traceback__)
    gc.collect()
    with contextlib.suppress(Exception):
        torch.cuda.empty_cache()


def classify(error):
    """The status word of an exception that came out of a probe."""
    text = str(error)
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(text):
        return "oom"
    if _TOO_OLD.search(text) and isinstance(error, (AttributeError, ImportError, TypeError)):
        return "unsupported"
    if isinstance(error, (NotImplementedError, RuntimeError)):
        if isinstance(error, NotImplementedError) or (_UNSUPPORTED.search(text) and not _DEVICE_FAULT.search(text)):
            return "unsupported"
        return "crash"  # an operator raised: torch, a library or the device, not this suite's Python
    return "error"


def healthy(torch, device):
    """True if a tiny addition on the device still gives the right answer."""
    try:
        total = int((torch.ones(4, dtype=torch.int32, device=device) + 1).sum().item())
        context.synchronize(torch, torch.device(device))
        return total == 8
    except Exception:
        return False


_RANK = ("fail", "crash", "error", "oom", "pass", "feature", "unsupported", "skipped")


def summarise(probe, dtype_name, outcomes, seconds):
    """One result of all cases: the worst status decides and names its first case."""
    statuses = [judgement.status for _, judgement in outcomes]
    status = next((s for s in _RANK if s in statuses), "skipped")
    decisive = next(((label, j) for label, j in outcomes if j.status == status), ("", None))
    bad = [label for label, j in outcomes if j.status in ("fail", "crash", "error", "oom")]
    missed = ["%s: %s" % (label, j.detail) for label, j in outcomes if j.status in ("skipped", "unsupported")]
    quiet = status == "pass"
    detail = "" if quiet or decisive[1] is None else decisive[1].detail
    if len(bad) > 1:
        detail += " (%d of %d cases)" % (len(bad), len(outcomes))
    return {
        "probe": probe.id,
        "dtype": dtype_name,
        "status": status,
        "case": "" if quiet else decisive[0],
        "detail": detail,
        "seconds": round(seconds, 4),
        "failed_cases": bad,
        "skipped_cases": missed,
        "cases": len(outcomes),
        "checked": sum(j.checked for _, j in outcomes),
        "data": _joined(j.data for _, j in outcomes),
        "features": ["%s: %s" % (label, j.detail) for label, j in outcomes if j.status == "feature"],
        "digest": _chain(outcomes) if set(statuses) == {"pass"} else "",  # a legal variation has no constant
        "version": probe.version,
    }


def _joined(mappings):
    """All facts of the cases; of a number that several cases report, the largest (bound_used, say)."""
    joined = {}  # type: dict[str, object]
    for mapping in mappings:
        for key, value in mapping.items():
            both_numbers = isinstance(value, (int, float)) and isinstance(joined.get(key), (int, float))
            joined[key] = max(value, joined[key]) if both_numbers else value
    return joined


def _chain(outcomes):
    """One digest of a probe's exact outputs; empty when no case has any."""
    digests = ["%s=%s" % (label, j.digest) for label, j in outcomes if j.digest]
    return hashlib.sha256("\n".join(digests).encode("utf-8")).hexdigest() if digests else ""
