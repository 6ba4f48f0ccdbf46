"""What a probe sees of the machine: a device, a dtype, a level, a seed, and the few verbs a probe needs."""

import contextlib

from . import inputs, judge, rounding


class PreconditionError(Exception):
    """The probe's own assumption does not hold: our bug, never a verdict about the device."""


class Context:
    """Handed to `cases(ctx)`. One Context serves one probe in one dtype on one device."""

    def __init__(
        self, torch, device, dtype_name, probe_id="", level="standard", seed=0, memory_limit=None, load_seconds=None,
        on_progress=None,
    ):  # fmt: skip
        self.torch = torch
        self.device = torch.device(device)
        self.dtype_name = dtype_name
        self.dtype = getattr(torch, dtype_name)
        self.format = rounding.FORMATS.get(dtype_name)
        self.probe_id = probe_id
        self.level = level
        self.seed = seed
        self.memory_limit = memory_limit  # bytes this probe may allocate; None: ask the device
        self.load_seconds = load_seconds or 20.0  # how long a load test lasts in one dtype
        self.on_progress = on_progress

    # --- what kind of place this is -----------------------------------------------------------------------------------
    @property
    def kind(self):
        """cpu, cuda (NVIDIA and ROCm alike), mps or xpu."""
        return self.device.type

    @property
    def large(self):
        """True where the enlarged shapes belong: on an accelerator."""
        return self.kind != "cpu"

    @property
    def precision(self):
        """Significand bits of the dtype under test, the hidden one included."""
        assert self.format is not None, "%s is no floating-point format" % self.dtype_name
        return self.format.precision

    def at_least(self, level):
        """True when the run's level includes `level`."""
        order = ("quick", "standard", "full")
        return order.index(self.level) >= order.index(level)

    def progress(self, share, seconds_left=None):
        """Say that `share` (0 to 1) of a long probe is done; whoever waits also learns that it is alive."""
        if self.on_progress:
            self.on_progress(share, seconds_left)

    # --- inputs -------------------------------------------------------------------------------------------------------
    def key(self, *words):
        return inputs.key_of(self.seed, self.probe_id, *words)

    def integers(self, shape, low, high, *words):
        """int64 CPU integers in [low, high]; `words` name the operand, so that each has its own stream."""
        return inputs.integers(self.torch, tuple(shape), low, high, self.key(*words))

    def uniform(self, shape, *words):
        """float64 CPU numbers in [0, 1)."""
        return inputs.uniform(self.torch, tuple(shape), self.key(*words))

    def normal(self, shape, *words):
        """float64 CPU numbers of roughly standard normal shape."""
        return inputs.normal(self.torch, tuple(shape), self.key(*words))

    def rounded(self, values):
        """`values` (float64) rounded to the dtype under test, as float64: what the operand will really hold."""
        return rounding.rn(self.torch, values, self.format)

    def tensor(self, values, grad=False, dtype_name=None):
        """`values` (int64 or float64, CPU) correctly rounded to the dtype under test, on the device, as a leaf.

        Made from bit codes, so the casts of the device are not used; `dtype_name` overrides the dtype.
        """
        fmt = rounding.FORMATS[dtype_name or self.dtype_name]
        if values.dtype == self.torch.int64:
            codes = rounding.encode_integers(self.torch, values, fmt)
        else:
            codes = rounding.encode(self.torch, values.to(self.torch.float64), fmt)
        tensor = rounding.from_codes(self.torch, codes, fmt).to(self.device)
        return tensor.requires_grad_() if grad else tensor

    def repeated(self, pattern, shape):
        """A large operand: element [i, j, ...] is pattern[i % P, j % Q, ...], spread on the CPU by moving bits."""
        codes = rounding.encode(self.torch, pattern.to(self.torch.float64), self.format)
        small = rounding.bits_of(self.torch, rounding.from_codes(self.torch, codes, self.format), self.format)
        return inputs.spread(self.torch, small, shape).view(self.dtype).to(self.device)

    def from_codes(self, codes, dtype_name=None):
        """Bit codes (int64, CPU) as a tensor of the dtype under test on the device."""
        fmt = rounding.FORMATS[dtype_name or self.dtype_name]
        return rounding.from_codes(self.torch, codes, fmt).to(self.device)

    def require(self, holds, precondition):
        """Assert the precondition of a rule, for example K * a**2 <= 2**p."""
        if not holds:
            raise PreconditionError(precondition)

    def require_exact_sums(self, absolute_sums):
        """Assert rule R1: the sums of absolute products (float64) stay within 2**p, so no order of adding rounds."""
        self.require(float(absolute_sums.max()) <= 2.0**self.precision, "sum of absolute products <= 2**p")

    # --- judging ------------------------------------------------------------------------------------------------------
    def host(self, tensor):
        """The tensor on the CPU, detached, its bits untouched."""
        return tensor.detach().to("cpu")

    def values(self, tensor):
        """float64 values of a float16, bfloat16 or float32 device tensor, decoded from its bits on the CPU."""
        host = self.host(tensor)
        fmt = rounding.FORMATS[str(host.dtype).replace("torch.", "")]
        return rounding.values_of(self.torch, rounding.codes_of(self.torch, host, fmt), fmt)

    def exact(self, got, expected, signed_zero=False, note=""):
        """EXACT: `got` (device tensor) against int64/float64 `expected` (CPU), bit by bit."""
        return judge.exact(self.torch, self.host(got), expected, signed_zero, note)

    def exact_integers(self, got, expected, note=""):
        """EXACT for index, mask and count tensors."""
        return judge.exact_integers(self.torch, self.host(got), expected, note)

    def interval(self, got, reference, bound, note=""):
        """INTERVAL: `got` (device tensor) against float64 `reference` and `bound` (CPU)."""
        return judge.interval(self.torch, self.host(got), reference, bound, note)

    def exact_repeated(self, got, pattern, note=""):
        """EXACT for large outputs: got[i, j, ...] must be pattern[i % P, j % Q, ...] (pattern on the CPU)."""
        return judge.repeated(self.torch, self.host(got), pattern, note)

    def exact_or_flushed(self, got, expected, *flushed):
        """FEATURE: every element is as expected, or as one of `flushed`, where subnormals count as zero."""
        note = "take subnormal numbers as zero"
        return judge.one_of(self.torch, self.host(got), expected, flushed, {"subnormals_flushed": True}, note)

    @staticmethod
    def all_of(*judgements):
        """One judgement for several outputs of one case: the first that is bad decides, digests are chained."""
        return combine(judgements)

    # --- device care --------------------------------------------------------------------------------------------------
    def synchronize(self):
        """Wait for the device, so that an asynchronous error is blamed on the operation that caused it."""
        synchronize(self.torch, self.device)

    def fits(self, nbytes):
        """True if `nbytes` stay within 80 % of the memory free now."""
        return nbytes <= 0.8 * free_memory(self.torch, self.device, self.memory_limit)

    def free_bytes(self):
        """Memory free on the device now, capped by the run's limit."""
        return free_memory(self.torch, self.device, self.memory_limit)

    @contextlib.contextmanager
    def strict_accumulation(self):
        """cuBLAS may not reduce in 16 bits inside (reduced split-K and fp16 accumulation off)."""
        matmul = self.torch.backends.cuda.matmul
        names = (
            "allow_fp16_reduced_precision_reduction",
            "allow_bf16_reduced_precision_reduction",
            "allow_fp16_accumulation",
        )
        saved = {}
        for name in names:
            try:
                saved[name] = getattr(matmul, name)
                setattr(matmul, name, False)
            except (AssertionError, AttributeError, RuntimeError):  # torch 1.12 asserts that it knows the name
                saved.pop(name, None)  # a release without this switch has nothing to switch off
        try:
            yield
        finally:
            for name, value in saved.items():
                setattr(matmul, name, value)


def combine(judgements):
    """The first bad judgement, else a pass (or feature) that chains the digests and joins the data."""
    for judgement in judgements:
        if judgement.status not in ("pass", "feature"):
            return judgement
    status = "pass" if any(j.status == "pass" for j in judgements) else "feature"
    digest = "".join(j.digest for j in judgements)
    data = {}
    for judgement in judgements:
        data.update(judgement.data)
    detail = "; ".join(j.detail for j in judgements if j.detail)
    return judge.Judgement(status, detail, sum(j.checked for j in judgements), digest, data)


def synchronize(torch, device):
    module = getattr(torch, device.type, None)
    if device.type != "cpu" and module is not None and hasattr(module, "synchronize"):
        module.synchronize(device) if device.type in ("cuda", "xpu") else module.synchronize()


def free_memory(torch, device, limit=None):
    """Bytes free on `device` now; `limit` (bytes) caps the answer. Unknown: 2 GiB, the least any supported card has."""
    free = 2**31
    if device.type == "cuda":
        with contextlib.suppress(Exception):
            free = torch.cuda.mem_get_info(device)[0]
    return free if limit is None else min(free, limit)
