"""The worker's protocol, its exit codes, and what it reads of torch."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from hwcompat.probes import catalogue, execute, facts, judge, worker

WORKER = Path(worker.__file__).with_name("__main__.py")
JOB = {"job": "probes", "device": "cpu", "folder": "selftest", "level": "quick", "seed": 0, "tasks": []}


def _work(tmp_path: Path, job: Any, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and lines of one worker."""
    (tmp_path / "job.json").write_text(job if isinstance(job, str) else json.dumps(job), encoding="utf-8")
    command = [sys.executable, str(WORKER), str(tmp_path / "job.json"), str(tmp_path / "out.jsonl")]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **environment}, cwd=tmp_path, check=False)
    out = tmp_path / "out.jsonl"
    lines = out.read_bytes().split(b"\n") if out.exists() else []
    return done.returncode, [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]


# --- the protocol -----------------------------------------------------------------------------------------------------


def test_a_job_is_told_from_start_to_done(tmp_path: Path) -> None:
    code, lines = _work(tmp_path, {**JOB, "tasks": [["selftest.pass", "float32"], ["selftest.wrong", "float32"]]})
    words = [line["event"] for line in lines]
    task = ["begin", "case", "case", "end"]
    assert (code, words) == (0, ["start", "ready", "preflight", *task, *task, "done"])
    assert [line["status"] for line in lines if line["event"] == "end"] == ["pass", "fail"]
    assert lines[2]["slowness"] >= 1.0


def test_a_preflight_alone_runs_no_task(tmp_path: Path) -> None:
    code, lines = _work(tmp_path, {**JOB, "job": "preflight", "tasks": [["selftest.pass", "float32"]]})
    assert (code, [line["event"] for line in lines]) == (0, ["start", "ready", "preflight", "done"])


def test_info_is_one_line(tmp_path: Path) -> None:
    code, lines = _work(tmp_path, {"job": "info"})
    assert (code, [line["event"] for line in lines]) == (0, ["start", "info", "done"])
    assert lines[1]["torch"] == torch.__version__


def test_the_file_is_ascii_whatever_the_texts_are(tmp_path: Path) -> None:
    write = worker.writer(str(tmp_path / "out"))
    write("case", label="Größe 显卡", number=float("nan"))
    assert json.loads((tmp_path / "out").read_bytes().decode("ascii"))["label"] == "Größe 显卡"


def test_a_half_line_spoils_only_itself(tmp_path: Path) -> None:
    write = worker.writer(str(tmp_path / "out"))
    write("begin", index=0)
    with (tmp_path / "out").open("ab") as handle:
        handle.write(b'{"event": "end", "ind')
    write("end", index=0)
    lines = [line for line in (tmp_path / "out").read_bytes().split(b"\n") if line]
    assert [line for line in lines if line.endswith(b"}")] == [lines[0], lines[2]]


def test_a_probe_that_no_file_holds_is_told_as_such() -> None:
    with pytest.raises(KeyError, match=r"no probe conv\.nonsense"):
        catalogue.find("conv.nonsense")


def test_find_reads_the_same_probe_as_the_listing() -> None:
    for probe in catalogue.listing("selftest"):
        assert catalogue.find(probe.id, "selftest") == probe


# --- exit codes -------------------------------------------------------------------------------------------------------


def test_wrong_arguments_and_unreadable_jobs_have_their_code(tmp_path: Path) -> None:
    bare = subprocess.run([sys.executable, str(WORKER)], capture_output=True, encoding="utf-8", check=False)
    assert (bare.returncode, bare.stderr.startswith("usage:")) == (worker.USAGE, True)
    assert _work(tmp_path, "{not json")[0] == worker.USAGE


def test_no_torch_has_its_code_and_its_reason(tmp_path: Path) -> None:
    (tmp_path / "lib" / "torch").mkdir(parents=True)
    (tmp_path / "lib" / "torch" / "__init__.py").write_text("raise ImportError('DLL load failed')", encoding="utf-8")
    code, lines = _work(tmp_path, JOB, PYTHONPATH=str(tmp_path / "lib"))
    assert (code, lines[-1]) == (worker.NO_TORCH, {"event": "refused", "error": "ImportError: DLL load failed"})


def test_a_device_that_does_not_answer_has_its_code(tmp_path: Path) -> None:
    code, lines = _work(tmp_path, {**JOB, "device": "cuda:99"})
    assert (code, lines[-1]["event"], lines[-1]["ok"]) == (worker.NO_DEVICE, "preflight", False)
    assert lines[-1]["error"]


def test_a_lost_device_has_its_code_and_ends_the_job(tmp_path: Path) -> None:
    code, lines = _work(tmp_path, {**JOB, "tasks": [["selftest.sticky", "float32"], ["selftest.pass", "float32"]]})
    assert (code, [line["event"] for line in lines][-2:]) == (worker.DEVICE_LOST, ["end", "lost"])
    assert lines[-2]["status"] == "crash"


def test_a_fault_model_that_cannot_run_has_its_code(tmp_path: Path) -> None:
    code, lines = _work(tmp_path, {**JOB, "simulate": "no_such_model"})
    assert (code, lines[-1]["event"]) == (worker.NO_SIMULATION, "refused")


if os.name == "posix":  # elsewhere the parent's job object ends the worker

    def test_a_worker_whose_parent_is_gone_ends_itself(tmp_path: Path) -> None:
        """Its parent, a shell, exits at once; the hanging worker must follow, so its lock on the pipe must end."""
        job = {**JOB, "tasks": [["selftest.hang", "float32"]]}
        (tmp_path / "job.json").write_text(json.dumps({**job, "parent": None}), encoding="utf-8")
        code = (
            "import json, os, subprocess, sys, time\n"
            "folder, worker = sys.argv[1:]\n"
            "job = json.load(open(folder + '/job.json'))\n"
            "json.dump(dict(job, parent=os.getpid()), open(folder + '/job.json', 'w'))\n"
            "subprocess.Popen([sys.executable, worker, folder + '/job.json', folder + '/out.jsonl'])\n"
            "while not (os.path.exists(folder + '/out.jsonl') and 'begin' in open(folder + '/out.jsonl').read()):\n"
            "    time.sleep(0.05)\n"
            "os._exit(0)\n"
        )
        # Returns when every holder of the pipe is gone: the parent, and then the worker that inherited it.
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), str(WORKER)], capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0

    def test_alive_tells_a_process_from_none() -> None:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        assert worker.alive(process.pid)
        process.kill()
        process.wait()
        assert not worker.alive(process.pid)


# --- executing a probe ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), "oom"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "oom"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "oom"),
        (RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'"), "unsupported"),
        (RuntimeError("derivative for channel_shuffle is not implemented"), "unsupported"),
        (RuntimeError("mixed dtype (CPU): all inputs must share same datatype."), "unsupported"),
        (
            RuntimeError(
                "Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, Float,"
                " Double; but got CPUBFloat16Type instead"
            ),
            "unsupported",
        ),
        (NotImplementedError("Could not run 'aten::mm' with arguments from the 'MPS' backend"), "unsupported"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling"), "unsupported"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "crash"),
        (RuntimeError("CUDA error: operation not supported"), "crash"),
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), "crash"),
        (AttributeError("module 'torch' has no attribute 'float8_e4m3fn'"), "unsupported"),
        (AttributeError("module 'torch.nn.functional' has no attribute 'scaled_dot_product_attention'"), "unsupported"),
        (TypeError("mm() got an unexpected keyword argument 'out_dtype'"), "unsupported"),
        (ImportError("cannot import name 'GradScaler' from 'torch.amp' (x.py)"), "unsupported"),
        (ModuleNotFoundError("No module named 'torch.amp.grad_scaler'"), "unsupported"),
        (AttributeError("'Context' object has no attribute 'uniforn'"), "error"),
        (ValueError("too many values to unpack"), "error"),
        (ModuleNotFoundError("No module named 'numpy'"), "error"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{type(value).__name__} {str(value)[:40]}",
)
def test_exceptions_get_their_status(error: Exception, status: str) -> None:
    assert execute.classify(error) == status


def _probe(tmp_path: Path, body: str) -> catalogue.Probe:
    """A probe of one file in a throw-away folder whose name is its own."""
    folder = tmp_path / f"throwaway_{abs(hash(str(tmp_path)))}"
    folder.mkdir(exist_ok=True)
    path = folder / "made_up.py"
    path.write_text(f'"""Made up."""\nGROUP = "made"\nDTYPES = ("float32",)\n{body}', encoding="utf-8")
    return catalogue._read(str(path))


def test_a_broken_probe_file_is_an_error_result_not_an_exception(tmp_path: Path) -> None:
    found = execute.run(torch, _probe(tmp_path, "def cases(ctx):\n    raise KeyError('x')\n    yield\n"), "float32")
    assert (found["status"], found["case"]) == ("error", "set-up")
    found = execute.run(torch, _probe(tmp_path / "..", "import no_such_module_here\n"), "float32")
    assert (found["status"], "no_such_module_here" in found["detail"]) == ("error", True)


def test_a_probe_that_leaves_by_sys_exit_is_an_error_result(tmp_path: Path) -> None:
    body = "import sys\ndef cases(ctx):\n    yield 'leave', sys.exit\n"
    assert execute.run(torch, _probe(tmp_path, body), "float32")["status"] == "error"


def test_cases_after_a_failing_one_still_run_and_the_worst_decides(tmp_path: Path) -> None:
    body = (
        "from _hwcompat_test import judge\n"
        "def boom():\n    raise ValueError('boom')\n"
        "def cases(ctx):\n"
        "    yield 'a', boom\n"
        "    yield 'b', lambda: judge.failed('wrong', 3)\n"
        "    yield 'c', lambda: judge.passed(5)\n"
    )
    package = ModuleType("_hwcompat_test")
    package.judge = judge  # type: ignore[attr-defined]
    sys.modules["_hwcompat_test"] = package
    try:
        found = execute.run(torch, _probe(tmp_path, body), "float32")
    finally:
        del sys.modules["_hwcompat_test"]
    assert (found["status"], found["case"], found["failed_cases"]) == ("fail", "b", ["a", "b"])
    assert (found["cases"], found["checked"], found["detail"]) == (3, 8, "wrong (2 of 3 cases)")


def test_memory_that_a_failed_case_held_is_let_go(tmp_path: Path) -> None:
    """The next case sees that the list of the one before is gone."""
    body = (
        "import weakref\nclass Block: pass\nkept = []\n"
        "def eat():\n    hoard = [Block()]\n    kept.append(weakref.ref(hoard[0]))\n    raise MemoryError('mine')\n"
        "def look():\n    assert kept[0]() is None\n"
        "def cases(ctx):\n    yield 'eat', eat\n    yield 'look', look\n"
    )
    found = execute.run(torch, _probe(tmp_path, body), "float32")
    assert (found["status"], found["failed_cases"][0]) == (
        "error",
        "eat",
    )  # look() gives no Judgement, which is an error
    assert "AssertionError" not in found["detail"]


def test_a_state_that_cannot_be_put_back_still_gives_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a lost device even restoring the random state raises."""

    @contextlib.contextmanager
    def broken(_torch: Any) -> Iterator[None]:
        yield
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(execute.torch_state, "preserved", broken)
    found = execute.run(torch, catalogue.find("selftest.pass", "selftest"), "float32", level="quick")
    assert (found["status"], found["case"]) == ("crash", "torch's state")
    monkeypatch.setattr(execute, "healthy", lambda _torch, _device: False)
    with pytest.raises(execute.DeviceLost) as caught:
        execute.run(torch, catalogue.find("selftest.operator", "selftest"), "float32", level="quick")
    assert caught.value.result["case"] == "raise"


def test_torchs_state_is_as_before(tmp_path: Path) -> None:
    body = (
        "from functools import partial\n"
        "def cases(ctx):\n"
        "    torch = ctx.torch\n"
        "    yield 'a', partial(torch.manual_seed, 9)\n"
        "    torch.set_default_dtype(torch.float64)\n"
        "    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True\n"
        "    torch.set_grad_enabled(True)\n"
    )

    def state() -> tuple[Any, ...]:
        switches = (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark, torch.is_grad_enabled())
        return (torch.get_rng_state().tolist(), torch.get_default_dtype(), *switches)

    with torch.no_grad():
        before = state()
        execute.run(torch, _probe(tmp_path, body), "float32", level="quick")
        assert state() == before


def test_a_simulation_is_in_force_only_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []

    @contextlib.contextmanager
    def mode(_torch: Any) -> Iterator[None]:
        inside.append(True)
        yield
        inside.pop()

    name = f"{worker.__package__}.simulate.made_up"
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(mode=mode))  # type: ignore[arg-type]
    with worker.simulation(torch, "made_up"):
        assert inside
    assert not inside
    with worker.simulation(torch, None):
        assert not inside


# --- facts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text"), [(7605, "7.6.5"), (8902, "8.9.2"), (91002, "9.10.2"), (90100, "9.1.0"), (92400, "9.24.0")]
)
def test_cudnn_numbers_of_both_schemes(number: int, text: str) -> None:
    assert facts.cudnn_text(number) == text


def _torch(**parts: Any) -> Any:
    """As much of a torch as the facts ask for: a CUDA build that sees one card."""
    card = SimpleNamespace(name="NVIDIA GeForce GTX 1660 Ti", major=7, minor=5, total_memory=6 * 2**30)
    whole: dict[str, Any] = {
        "__version__": "2.6.0+cu124",
        "version": SimpleNamespace(cuda="12.4", hip=None, xpu=None),
        "_C": SimpleNamespace(_cuda_getArchFlags=lambda: "sm_50 sm_75 sm_90"),
        "cuda": SimpleNamespace(
            is_available=lambda: True,
            device_count=lambda: 1,
            get_device_properties=lambda index: card,
            init=lambda: None,
        ),
        "backends": SimpleNamespace(cudnn=SimpleNamespace(version=lambda: 90100), mps=SimpleNamespace()),
        "get_num_threads": lambda: 6,
    }
    return SimpleNamespace(**{**whole, **parts, "card": card})


def test_facts_of_a_cuda_build_and_its_card() -> None:
    fake = _torch()
    fake.card.multi_processor_count = 24
    fake.card.pci_domain_id, fake.card.pci_bus_id, fake.card.pci_device_id = 0, 0x65, 0
    found = facts.read(fake)
    assert (found["build"], found["cuda"], found["cudnn"]) == ("cuda", "12.4", "9.1.0")
    assert found["arch_list"] == ["sm_50", "sm_75", "sm_90"]
    assert found["devices"] == [
        {
            "index": 0,
            "name": "NVIDIA GeForce GTX 1660 Ti",
            "compute_capability": "7.5",
            "memory_bytes": 6 * 2**30,
            "pci_bus_id": "0000:65:00.0",
            "sm_count": 24,
            "gcn_arch": None,
        }
    ]
    assert found["cuda_error"] is None


def test_a_driver_too_old_is_told_in_torchs_words() -> None:
    words = "The NVIDIA driver on your system is too old (found version 11040)."

    def refuse() -> None:
        raise RuntimeError(words)

    cuda = SimpleNamespace(is_available=lambda: False, init=refuse)
    found = facts.read(_torch(cuda=cuda))
    assert (found["devices"], found["cuda_error"]) == ([], words)
    assert found["arch_list"]


def test_a_rocm_build_gives_its_architecture_and_no_cudnn() -> None:
    fake = _torch(version=SimpleNamespace(cuda=None, hip="6.2.41133", xpu=None))
    fake.card.gcnArchName = "gfx90a:sramecc+:xnack-"
    found = facts.read(fake)
    assert (found["build"], found["hip"], found["cudnn"]) == ("rocm", "6.2.41133", None)
    assert (found["devices"][0]["gcn_arch"], found["devices"][0]["compute_capability"]) == ("gfx90a", None)


def test_a_device_whose_properties_raise_is_an_error_text_not_an_exception() -> None:
    def broken(_index: int) -> None:
        raise RuntimeError("CUDA error: unknown error")

    fake = _torch()
    fake.cuda.get_device_properties = broken
    assert (facts.read(fake)["devices"], facts.read(fake)["cuda_error"]) == (
        [],
        "RuntimeError: CUDA error: unknown error",
    )


def test_missing_torch_is_a_fact() -> None:
    found = facts.read(None, "no module")
    assert (found["torch"], found["error"], found["devices"]) == (None, "no module", [])
    assert set(found) == set(facts.read(torch))


def test_the_bus_id_comes_from_the_driver_where_torch_is_too_old_to_know() -> None:
    def device_get(device: Any, ordinal: int) -> int:
        ctypes.cast(device, ctypes.POINTER(ctypes.c_int))[0] = ordinal + 5
        return 0

    def bus_id(text: Any, size: int, device: Any) -> int:
        text.value = b"0000:%02X:00.0" % (device.value + 0x5A)
        return 0

    library = SimpleNamespace(cuDeviceGet=device_get, cuDeviceGetPCIBusId=bus_id)
    assert facts.driver_bus_id(0, library) == "0000:5f:00.0"
    assert facts.driver_bus_id(0, SimpleNamespace(cuDeviceGet=lambda *_: 100)) is None


@pytest.mark.parametrize(
    ("text", "normal"), [("00000000:0A:00.0", "0000:0a:00.0"), ("0000:0a:00.0", "0000:0a:00.0"), ("nonsense", None)]
)
def test_bus_ids_of_both_widths_are_one(text: str, normal: str | None) -> None:
    assert facts.normal_bus_id(text) == normal


def test_client_versions_are_read_without_importing_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "ultralytics-8.4.190.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ultralytics\nVersion: 8.4.190\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert facts.clients()["ultralytics"] == "8.4.190"
    assert "ultralytics" not in sys.modules


def test_a_probe_gets_its_environment_before_torch_is_imported_and_the_users_own_stays(monkeypatch):
    from hwcompat.probes import worker

    job = {"tasks": [["fingerprint.random", "float16"]]}
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is put back as it was
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    worker.prepare_environment(job)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    worker.prepare_environment(job)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
