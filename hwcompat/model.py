"""The frozen values everybody shares. No behaviour beyond reading oneself; no I/O; imports nothing heavy.

Rows of tables are named tuples: there are thousands of them, and making one is far cheaper than a frozen dataclass.

Units are in the names (`_bytes`, `_c`, `_mhz`, `seconds`). A fact nobody could read is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

CAPABILITIES = ("fp32", "tf32", "fp16", "bf16", "fp8", "amp_fp16", "amp_bf16", "memory")
"""What a user decides about."""

VERDICTS = ("ok", "emulated", "slow", "unknown", "unsupported", "faulty")
"""Best to worst: `worst_verdict` relies on this order; a failing row can only move right."""

STATUSES = (
    "pass",
    "feature",
    "skipped",
    "unsupported",
    "flaky",
    "oom",
    "error",
    "hang",
    "crash",
    "fail",
)
BAD_STATUSES = frozenset({"fail", "flaky", "crash", "hang", "error"})
"""A result with one of these makes `Report.ok` false."""

_EMPTY: Mapping[str, Any] = MappingProxyType({})


def worst_verdict(verdicts: list[str]) -> str:
    """The worst of `verdicts` by the order of `VERDICTS`; `unknown` for none."""
    return max(verdicts, key=VERDICTS.index, default="unknown")


@dataclass(frozen=True)
class Gpu:
    """One accelerator as NVML, the operating system or torch sees it."""

    name: str
    vendor: str = "nvidia"  # nvidia amd intel apple
    pci_id: str | None = None  # vendor:device in lower case, "10de:2182"
    pci_subsystem: str | None = None  # "1458:3fc7"
    chip: str | None = None  # "TU116"; from gpus.csv, by PCI id first
    compute_capability: str | None = None  # "7.5"; AMD: "gfx1100"
    vram_bytes: int | None = None
    mig_profile: str | None = None  # "1g.10gb" when this is a MIG slice
    ecc_uncorrected: int | None = None
    retired_pages: int | None = None  # of memory, for whatever cause; up to Volta and Turing
    remapped_rows: int | None = None  # of memory, after uncorrectable errors; from Ampere on
    row_remapping: str | None = None  # "ok", "pending" (a reset is needed) or "failed"
    temperature_c: int | None = None
    sm_clock_mhz: int | None = None
    sm_clock_max_mhz: int | None = None
    throttle_reasons: tuple[str, ...] = ()
    other_processes: int | None = None
    torch_index: int | None = None  # N of cuda:N in the chosen interpreter; None: torch does not see it
    pci_bus_id: str | None = None  # private: joins NVML to torch; never leaves the machine
    hidden: bool = False  # the user keeps it from torch (CUDA_VISIBLE_DEVICES)


@dataclass(frozen=True)
class TorchFacts:
    """What the worker's info job read in the chosen interpreter. `executable` is private."""

    version: str  # "2.13.0+cpu"
    build: str  # cpu cuda rocm xpu mps
    cuda: str | None = None  # "12.6": CUDA (or HIP) the build was made with
    cudnn: str | None = None  # "9.10.2"
    arch_list: tuple[str, ...] = ()
    flags: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)  # allow_tf32 ... as found
    devices: tuple[Mapping[str, Any], ...] = ()  # one mapping a device torch sees
    clients: Mapping[str, str] = field(default_factory=lambda: _EMPTY)  # {"ultralytics": "8.4.190"}
    error: str | None = None  # torch's own words about why it sees no device


@dataclass(frozen=True)
class Environment:
    """Everything known of a machine and of the interpreter whose torch is meant."""

    os: str  # linux windows macos
    arch: str  # x86_64 aarch64 arm64
    os_version: str | None = None
    wsl: bool = False
    cpu: str | None = None
    cpu_count: int | None = None
    memory_bytes: int | None = None
    python: str | None = None  # version of the chosen interpreter, "3.11.7"
    executable: str | None = None  # its path: private
    driver: str | None = None
    driver_cuda: str | None = None  # newest CUDA the driver announces
    gpus: tuple[Gpu, ...] = ()
    torch: TorchFacts | None = None
    notes: tuple[str, ...] = ()

    @property
    def row_os(self) -> str:
        """The word in the matrix's `os` column: `wsl` apart from `linux`, since speed and driver differ."""
        return "wsl" if self.wsl else self.os


@dataclass(frozen=True)
class Result:
    """What one probe found in one dtype."""

    probe: str  # "conv.forward"
    dtype: str  # "float16"
    status: str  # one of STATUSES
    case: str = ""  # the first case that decided the status: operation, shape, layout
    detail: str = ""  # numbers: how many elements, where, got, expected, bound
    seconds: float = 0.0
    failed_cases: tuple[str, ...] = ()
    skipped_cases: tuple[str, ...] = ()  # shrunk or left out: what this run did not cover
    cases: int = 0
    data: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)  # measurements of speed probes
    digest: str = ""  # SHA-256 over the exact outputs of this probe and dtype
    version: int = 1  # of the probe


@dataclass(frozen=True)
class Caution:
    """A fault confined to one backend, operation or shape, or a known hazard: the dtype stays usable."""

    operation: str
    detail: str
    workaround: str = ""
    source: str = ""  # probe id, fault id or URL


@dataclass(frozen=True)
class Verdict:
    """One capability's verdict and the sentences that led to it."""

    value: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measurement:
    """Median of repeated timings with its spread (`low`, `high`: the quartiles) and count."""

    value: float
    unit: str
    low: float
    high: float
    count: int
    note: str = ""


@dataclass(frozen=True)
class Report:
    """One probe run on one device. `others` holds the same run's reports on further devices."""

    id: str
    date: str  # UTC, ISO 8601
    hwcompat: str
    suite: str  # version of the probe suite
    level: str
    seed: int
    device: str  # cpu cuda:0 mps xpu
    environment: Environment
    gpu: Gpu | None = None
    results: tuple[Result, ...] = ()
    capabilities: Mapping[str, Verdict] = field(default_factory=lambda: _EMPTY)
    cautions: tuple[Caution, ...] = ()
    speed: Mapping[str, Measurement] = field(default_factory=lambda: _EMPTY)
    digests: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    telemetry: Mapping[str, Measurement] = field(default_factory=lambda: _EMPTY)  # the card under test, by the second
    simulated: str | None = None
    interrupted: bool = False
    partial: bool = False  # not every core probe of the level ran: it may find a fault, it clears none
    notes: tuple[str, ...] = ()
    others: tuple[Report, ...] = ()

    @property
    def ok(self) -> bool:
        """True if something was measured on every device and nothing failed, flaked, crashed, hung or broke."""
        passed = any(r.status in ("pass", "feature") for r in self.results)
        return passed and not self._bad and all(r.ok for r in self.others)

    @property
    def measured(self) -> bool:
        """True if any probe came to a result about any device, good or bad."""
        return any(r.status not in ("skipped", "unsupported") for one in (self, *self.others) for r in one.results)

    @property
    def _bad(self) -> tuple[Result, ...]:
        return tuple(r for r in self.results if r.status in BAD_STATUSES)

    @property
    def failures(self) -> tuple[Result, ...]:
        """Every bad result, this device's first."""
        return self._bad + tuple(f for r in self.others for f in r.failures)

    def verdict(self, capability: str) -> str:
        """The worst verdict of `capability` over all devices of the run."""
        if capability not in CAPABILITIES:
            raise KeyError(f"{capability!r} is not a capability: {', '.join(CAPABILITIES)}")
        mine = self.capabilities.get(capability)
        return worst_verdict([mine.value if mine else "unknown", *(r.verdict(capability) for r in self.others)])


class Row(NamedTuple):
    """One line of the matrix: every cell is text as it stands in the CSV; empty means unknown."""

    gpu: str = ""
    pci_id: str = ""
    pci_subsystem: str = ""
    chip: str = ""
    compute_capability: str = ""
    vram_gb: str = ""
    driver: str = ""
    os: str = ""  # linux windows macos wsl
    arch: str = ""
    python: str = ""
    torch: str = ""  # "2.13.0+cpu"
    cuda: str = ""  # tag: cpu cu126 rocm6.2
    cudnn: str = ""
    fp32: str = ""
    tf32: str = ""
    fp16: str = ""
    bf16: str = ""
    fp8: str = ""
    amp_fp16: str = ""
    amp_bf16: str = ""
    memory: str = ""
    fp32_tflops: str = ""
    tf32_tflops: str = ""
    fp16_tflops: str = ""
    bf16_tflops: str = ""
    amp_fp16_speedup: str = ""
    amp_bf16_speedup: str = ""
    bandwidth_gbs: str = ""
    failures: str = ""  # "conv.forward:float16:fail conv.wgrad:float16:fail"
    exact_digest: str = ""
    fingerprint_digest: str = ""
    source: str = ""  # measured | reported
    url: str = ""
    contributor: str = ""
    date: str = ""  # YYYY-MM-DD
    hwcompat: str = ""
    suite: str = ""
    level: str = ""
    report_id: str = ""  # of rows merged into one: their ids, sorted, separated by spaces
    supersedes: str = ""  # ids of the reports whose rows this one replaces
    retracted: str = ""  # why the row is withdrawn; empty: it is valid
    note: str = ""


# --- what the tables under matrix/ say -------------------------------------------------------------------------------


class Card(NamedTuple):
    """A line of gpus.csv: one product name on one chip."""

    name: str
    pci_ids: tuple[str, ...]  # "10de:2182", or with the subsystem "10de:233a:10de:183a"
    chip: str
    architecture: str
    compute_capability: str
    vram_gb: tuple[float, ...]
    tensor_cores: bool
    fp16_rate: float | None  # plain (non-tensor) fp16 over fp32; None: no fp16 arithmetic or unknown
    bf16_native: bool
    fp8: bool
    segment: str
    source: str
    verified: str  # yes inferred no


class Build(NamedTuple):
    """A line of torch_builds.csv: one wheel family."""

    torch: str
    tag: str  # cpu cu126 rocm6.2
    os: str  # linux windows macos
    arch: str  # x86_64 aarch64 arm64
    archs: tuple[str, ...]  # cubins: ("sm_75", "sm_80"); AMD: ("gfx1100",)
    ptx: tuple[str, ...]  # ("sm_120",) only where really present
    cudnn: str
    python_min: str
    python_max: str
    default_on_pypi: bool
    release_date: str
    source: str
    verified: str  # yes inferred no


class ToolkitDriver(NamedTuple):
    """A line of cuda_drivers.csv: what one CUDA toolkit asks of the driver. Empty text: unknown or not applicable."""

    cuda: str  # "12.6.3"
    toolkit_linux: str  # driver shipped with the toolkit; the least that accepts its PTX
    toolkit_windows: str
    floor_linux: str  # least driver that loads its runtime by minor-version compatibility; empty before CUDA 11
    floor_windows: str
    removed_archs: tuple[str, ...]  # ("sm_37", ...): nvcc of this toolkit cannot build for them
    source: str


class LastBuild(NamedTuple):
    """The last torch with kernels for a capability that no row of torch_builds.csv serves; `torch` empty: none ever."""

    compute_capability: str
    os: str
    torch: str
    python_min: str
    python_max: str


class Companion(NamedTuple):
    """A line of torch_companions.csv; `torchvision` or `torchaudio` is empty where no release fits."""

    torch: str
    torchvision: str
    torchaudio: str
    source: str
    note: str


class PrecisionDefault(NamedTuple):
    """A line of precision_defaults.csv: what to assume of a chip or architecture before anyone measured it."""

    match: str  # pci_id | chip | compute_capability | architecture | device
    value: str  # "TU116", "Pascal", "6.1", "mps"
    fp16_gemm: str  # native emulated fp32-rate unknown
    bf16: str  # native emulated unsupported unknown
    default_amp: str  # float16 bfloat16 off unknown
    because: str
    source: str


class Fault(NamedTuple):
    """An entry of faults.yaml."""

    id: str
    title: str
    effect: str  # avoid: the resolver prefers builds without it; warn: a caution only
    symptom: str
    workaround: str
    citations: tuple[str, ...]
    verdicts: Mapping[str, str]  # capability -> verdict to assume on an affected machine until it is measured
    detected_by: tuple[str, ...]  # probe ids
    chips: tuple[str, ...] = ()  # empty tuples and strings: any
    pci_ids: tuple[str, ...] = ()
    compute_capabilities: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()  # nvidia amd intel apple, and cpu
    os: tuple[str, ...] = ()
    torch: str = ""  # ">=2.11,<2.14"
    cuda: str = ""
    cudnn: str = ""
    clients: Mapping[str, str] = _EMPTY  # {"ultralytics": "<8.2.96"}: a fault of these programs; one of them is enough
    uses: tuple[str, ...] = ()  # capabilities that they use whatever they are told; harmless where these are right
    cards: int = 1  # a fault between cards: at least so many


# --- answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pin:
    """A torch build that exists and runs here, with the reasons and what was refused."""

    torch: str  # "2.14.1"
    tag: str  # "cu126"
    index_url: str
    torchvision: str | None = None
    torchaudio: str | None = None
    because: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()  # "2.15.0+cu132: no kernel for 6.1"
    verified: str = "yes"  # yes inferred no
    cudnn: str = ""
    installed: bool = False  # it is the build already there
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """One line of a configuration: the value and the sentence that justifies it."""

    value: Any
    because: str
    considered: tuple[str, ...] = ()  # what lost, each with its reason
    change: tuple[str, ...] = ()  # what would lead to another value


@dataclass(frozen=True)
class Recommendation:
    """What to set and install for one machine, with the evidence."""

    settings: Mapping[str, Setting]
    pin: Pin | None
    verdicts: Mapping[str, Verdict]
    gpus: tuple[Gpu, ...] = ()  # empty: CPU
    device: str = "cuda"  # cuda cpu mps xpu rocm
    os: str = ""
    arch: str = ""
    python: str = ""
    driver: str = ""
    evidence: tuple[str, ...] = ()  # one sentence a source, strongest first
    cautions: tuple[Caution, ...] = ()
    next_steps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    clients: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    date: str = ""  # UTC day
    trainable: bool = True  # False: fp32 itself is faulty, no training settings are given
    repair: tuple[str, ...] = ()  # what is installed and blocks, then the line that repairs it; empty: nothing does

    @property
    def amp(self) -> bool | None:
        value: bool | None = self._value("amp")
        return value

    @property
    def half(self) -> bool | None:
        value: bool | None = self._value("half")
        return value

    @property
    def dtype(self) -> str | None:
        value: str | None = self._value("dtype")
        return value

    def _value(self, name: str) -> Any:
        setting = self.settings.get(name)
        return setting.value if setting else None
