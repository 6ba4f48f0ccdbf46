"""Whatever a probe does to its process, it gets the blame, and everything else reports."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hwcompat import child, runner, session
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Result
from hwcompat.probes import catalogue, worker

REPOSITORY = Path(__file__).resolve().parents[1]
PROBES = {probe.id: probe for probe in catalogue.listing("selftest")}
PASS = PROBES["selftest.pass"]
SPARE_DTYPES = ("float32", "float16", "bfloat16", "float64", "int32", "int64")


def _task(name: str, dtype: str = "float32") -> runner.Task:
    return PROBES[f"selftest.{name}"], dtype


def _start(tasks: list[runner.Task], **options: Any) -> Generator[Result, None, None]:
    settings = {"python": sys.executable, "device": "cpu", "level": "quick", "seed": 0, "folder": "selftest"}
    return runner.run(tasks, **{**settings, **options})  # type: ignore[return-value]


def _run(tasks: list[runner.Task], **options: Any) -> list[Result]:
    return list(_start(tasks, **options))


def _mixed_tasks() -> list[runner.Task]:
    """Every misbehaving probe, with honest ones in between."""
    names = [name for name in PROBES if name != PASS.id]
    spare = list(SPARE_DTYPES)
    tasks: list[runner.Task] = []
    for name in names:
        tasks.append((PROBES[name], "float32"))
        tasks += [(PASS, spare.pop())] if spare else []
    return tasks


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """One run of everything that misbehaves, in one group."""
    tasks = _mixed_tasks()
    progress: list[tuple[int, int, str]] = []
    events: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "SHORTEST_DEADLINE", 3.0)
        patch.setenv("HWCOMPAT_SELFTEST_MARKER", str(tmp_path_factory.mktemp("marker") / "ran"))
        results = _run(
            tasks,
            memory_limit=2**29,
            progress=lambda *seen: progress.append(seen),
            on_event=events.append,
        )
    return SimpleNamespace(tasks=tasks, results=results, progress=progress, events=events)


EXPECTED = {
    "selftest.alive": ("pass", ""),
    "selftest.exit": ("crash", "exit code 0"),
    "selftest.flaky": ("flaky", "fail at first (the first run fails), pass when repeated"),
    "selftest.flood": ("pass", ""),
    "selftest.garbage": ("pass", ""),
    "selftest.halfline": ("pass", ""),
    "selftest.hang": ("hang", "no answer for"),
    "selftest.memory": ("oom" if sys.platform == "linux" else "skipped", ""),
    "selftest.operator": ("crash", "CUDNN_STATUS_EXECUTION_FAILED"),
    "selftest.raise": ("error", "ValueError: raised on purpose"),
    "selftest.segfault": ("crash", "access violation" if os.name == "nt" else "SIGSEGV"),
    "selftest.sticky": ("crash", "illegal memory access"),
    "selftest.wrong": ("fail", "1 of 1 wrong"),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_misbehaviour_is_blamed_on_its_own_probe(mixed: SimpleNamespace, name: str) -> None:
    status, words = EXPECTED[name]
    (result,) = [r for r in mixed.results if r.probe == name]
    assert (result.status, words in result.detail) == (status, True), result


def test_every_kind_of_misbehaviour_has_an_expectation() -> None:
    assert set(EXPECTED) | {PASS.id} == set(PROBES)


def test_honest_probes_between_the_culprits_all_pass(mixed: SimpleNamespace) -> None:
    honest = [r for r in mixed.results if r.probe == PASS.id]
    assert {r.dtype for r in honest} == set(SPARE_DTYPES)
    assert {r.status for r in honest} == {"pass"}


def test_every_task_gets_exactly_one_result(mixed: SimpleNamespace) -> None:
    asked = sorted((probe.id, dtype) for probe, dtype in mixed.tasks)
    assert sorted((r.probe, r.dtype) for r in mixed.results) == asked


def test_results_come_in_task_order_with_the_repeated_ones_last(mixed: SimpleNamespace) -> None:
    order = [(probe.id, dtype) for probe, dtype in mixed.tasks]
    late = [r.status in ("fail", "crash", "flaky") for r in mixed.results]
    assert late == sorted(late)
    for wanted in (False, True):
        part = [
            order.index((r.probe, r.dtype)) for r, is_late in zip(mixed.results, late, strict=True) if is_late == wanted
        ]
        assert part == sorted(part)


def test_a_culprit_names_the_case_it_died_in(mixed: SimpleNamespace) -> None:
    cases = {r.probe: r.case for r in mixed.results}
    assert (cases["selftest.segfault"], cases["selftest.hang"]) == ("segfault", "hang")


def test_a_failure_of_one_case_counts_the_others(mixed: SimpleNamespace) -> None:
    (wrong,) = [r for r in mixed.results if r.probe == "selftest.wrong"]
    assert (wrong.cases, wrong.failed_cases, wrong.data["checked"]) == (2, ("wrong",), 2)


def test_progress_rises_from_nothing_to_everything(mixed: SimpleNamespace) -> None:
    done = [seen[0] for seen in mixed.progress]
    assert done == sorted(done)
    assert (done[0], done[-1], {seen[1] for seen in mixed.progress}) == (0, len(mixed.tasks), {len(mixed.tasks)})


def test_only_what_died_costs_a_new_process(mixed: SimpleNamespace) -> None:
    """Four probes end their process (exit, hang, segfault, sticky); three of them do so again when repeated."""
    starts = [event for event in mixed.events if event["event"] == "start"]
    assert len(starts) == (1 + 4) + (1 + 3)


def test_no_temporary_folder_and_no_child_is_left(mixed: SimpleNamespace) -> None:
    assert not any(_alive(event["pid"]) for event in mixed.events if event["event"] == "start")


# --- groups, limits, options ------------------------------------------------------------------------------------------


def test_a_standard_run_gives_each_group_its_own_process_and_a_quick_run_has_one() -> None:
    tasks = [(PASS, "float32"), (PASS._replace(group="other"), "float16"), (PASS, "int32")]
    for level, processes in (("standard", 2), ("quick", 1)):
        events: list[Any] = []
        results = _run(tasks, level=level, on_event=events.append)
        assert [r.status for r in results] == ["pass"] * 3
        assert len({e["pid"] for e in events if e["event"] == "start"}) == processes


def test_a_group_that_used_up_its_time_skips_the_rest_and_says_so() -> None:
    results = {r.probe: r for r in _run([_task("hang"), _task("pass")], timeout=1.0)}
    assert results["selftest.hang"].status == "hang"
    assert results["selftest.pass"].status == "skipped"
    assert "1 s" in results["selftest.pass"].detail


def test_a_probe_cut_off_before_its_usual_time_is_skipped_not_blamed() -> None:
    slow = PROBES["selftest.hang"]._replace(seconds=500.0)
    (result,) = _run([(slow, "float32")], timeout=1.0)
    assert (result.status, "used up" in result.detail) == ("skipped", True)


def test_the_temporary_folder_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert [r.status for r in _run([_task("pass"), _task("segfault")])] == ["pass", "crash"]
    assert list(tmp_path.iterdir()) == []


def test_folders_with_blanks_and_letters_beyond_ascii_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tête à tête 显卡"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert [r.status for r in _run([_task("pass")])] == ["pass"]


@pytest.mark.parametrize("path", ["", os.pathsep, "."], ids=["unset", "empty entry", "dot"])
def test_a_users_own_inspect_py_shadows_nothing(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inspect.py").write_text("raise SystemExit('shadowed')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", path)
    assert [r.status for r in _run([_task("pass")])] == ["pass"]


def test_settings_that_would_hang_another_interpreter_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONINSPECT", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    passed = child._environment(os.environ)
    assert "PYTHONINSPECT" not in passed
    assert passed["CUDA_VISIBLE_DEVICES"] == ""


def test_threads_spin_only_briefly_unless_the_user_says_otherwise() -> None:
    assert child._environment({})["GOMP_SPINCOUNT"] == "10000"
    assert child._environment({"OMP_WAIT_POLICY": "ACTIVE"}).keys().isdisjoint({"GOMP_SPINCOUNT"})
    assert child._environment({"GOMP_SPINCOUNT": "7"})["GOMP_SPINCOUNT"] == "7"


def test_an_unknown_fault_model_is_refused_before_anything_starts() -> None:
    with pytest.raises(UsageError, match="no fault model 'nonsense'"):
        _run([_task("pass")], simulate="nonsense")


# --- machines on which nothing can run --------------------------------------------------------------------------------


def _fake_torch(folder: Path, code: str) -> str:
    package = folder / "torch"
    package.mkdir()
    (package / "__init__.py").write_text(textwrap.dedent(code), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ModuleNotFoundError(\"No module named 'torch'\")", "No module named 'torch'"),
        ("raise OSError('libcudart.so.13: cannot open shared object file')", "libcudart.so.13"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
    ids=["missing", "library missing", "leaves"],
)
def test_a_torch_that_cannot_be_imported_is_a_fact_and_stops_a_run(
    code: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", _fake_torch(tmp_path, code))
    facts = runner.info(sys.executable)
    assert facts["torch"] is None
    assert words in facts["error"]
    with pytest.raises(MachineError, match="torch cannot be imported") as caught:
        _run([_task("pass")])
    assert caught.value.hint


def test_a_torch_whose_import_kills_the_process_is_tried_twice_then_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "starts"
    code = f"import os, signal; open({str(log)!r}, 'a').write('x'); print('dying'); os._exit(9)"
    monkeypatch.setenv("PYTHONPATH", _fake_torch(tmp_path, code))
    facts = runner.info(sys.executable)
    assert (facts["torch"], "exit code 9" in facts["error"]) == (None, True)
    log.unlink()
    with pytest.raises(MachineError, match="exit code 9"):
        _run([_task("pass")])
    assert log.read_text(encoding="utf-8") == "xx"


def test_a_torch_that_never_finishes_importing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", _fake_torch(tmp_path, "import time; time.sleep(600)"))
    monkeypatch.setattr(session, "START_SECONDS", 1.0)
    with pytest.raises(MachineError, match="did not get past its start"):
        _run([_task("pass")])
    assert "took more than 1 s" in runner.info(sys.executable, timeout=1)["error"]


def test_a_failed_preflight_stops_the_run_with_torchs_own_words() -> None:
    import torch

    if torch.cuda.is_available():
        device, words = "cuda:99", "cuda:99 does not answer"
    else:
        device, words = "cuda:0", "cuda:0 does not answer: (AssertionError|RuntimeError)"
    with pytest.raises(MachineError, match=words) as caught:
        _run([_task("pass")], device=device)
    assert caught.value.exit_code == 3


def test_a_device_that_stops_answering_half_way_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process of the run fails its preflight: the rest is skipped, nothing is raised."""
    ok = '{"event": "preflight", "ok": true, "error": "", "seconds": 0, "slowness": 1}'
    bad = '{"event": "preflight", "ok": false, "error": "CUDA error: unspecified launch failure", "seconds": 0}'
    begin = '{"event": "begin", "index": 0, "probe": "selftest.pass", "dtype": "float32"}'
    worker = tmp_path / "worker.py"
    worker.write_text(
        f"import pathlib, sys, os\nmark = pathlib.Path({str(tmp_path / 'second')!r})\n"
        f"lines = {bad!r} if mark.exists() else {ok!r} + chr(10) + {begin!r}\n"
        "open(sys.argv[2], 'a').write(lines + chr(10))\nmark.touch()\nos._exit(7)\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(session, "WORKER", worker)
    results = _run([_task("pass"), _task("wrong")])
    assert [(r.probe, r.status) for r in results] == [("selftest.wrong", "skipped"), ("selftest.pass", "crash")]
    assert "unspecified launch failure" in results[0].detail


@pytest.mark.parametrize("python", ["", "no-such-python-anywhere", str(REPOSITORY)], ids=["empty", "missing", "folder"])
def test_an_interpreter_that_cannot_be_started_is_a_machine_error(python: str) -> None:
    with pytest.raises(MachineError) as caught:
        runner.info(python)
    assert caught.value.hint


def test_a_program_that_is_no_worker_is_a_machine_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("print('hello')\n", encoding="utf-8")
    monkeypatch.setattr(session, "WORKER", worker)
    with pytest.raises(MachineError, match="cannot be used"):
        runner.info(sys.executable)
    with pytest.raises(MachineError, match="before any probe began"):
        _run([_task("pass")])


def test_info_reads_this_interpreters_torch() -> None:
    import torch

    facts = runner.info(sys.executable)
    assert facts["torch"] == torch.__version__
    assert facts["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert facts["flags"]["num_threads"] >= 1
    assert "event" not in facts


# --- ending early -----------------------------------------------------------------------------------------------------


def _alive(pid: int) -> bool:
    """True while the process runs; a zombie that nobody reaps does not."""
    if os.name == "nt":
        handle = ctypes.windll.kernel32.OpenProcess(0x100000, False, pid)  # type: ignore[attr-defined]
        if not handle:
            return False
        waits = ctypes.windll.kernel32.WaitForSingleObject(handle, 0) == 0x102  # type: ignore[attr-defined]
        ctypes.windll.kernel32.CloseHandle(handle)  # type: ignore[attr-defined]
        return waits
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z")


def _gone(pid: int) -> bool:
    """Waits for the end of a process, patiently: only a process that stays is a failure."""
    end = time.monotonic() + 30
    while _alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not _alive(pid)


def test_ctrl_c_keeps_finished_results_and_failures_not_yet_repeated() -> None:
    pids: list[int] = []

    def interrupt(_done: int, _total: int, label: str) -> None:
        if label == "selftest.hang float32":
            raise KeyboardInterrupt

    def note(event: Any) -> None:
        pids.extend([event["pid"]] if event["event"] == "start" else [])

    kept: list[str] = []
    tasks = [_task("pass"), _task("wrong"), _task("hang"), _task("raise")]
    results = _start(tasks, progress=interrupt, on_event=note)
    with pytest.raises(KeyboardInterrupt):
        kept.extend(f"{result.probe} {result.status}" for result in results)
    assert kept == ["selftest.pass pass", "selftest.wrong fail"]
    assert len(pids) == 1
    assert _gone(pids[0])


def test_a_closed_generator_ends_its_child() -> None:
    pids: list[int] = []
    note = lambda event: pids.extend([event["pid"]] if event["event"] == "start" else [])  # noqa: E731
    results = _start([_task("pass"), _task("hang")], on_event=note)
    assert next(results).status == "pass"
    results.close()
    assert _gone(pids[0])


PARENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
sys.path.insert(0, {repository!r})
from hwcompat import runner
from hwcompat.probes import catalogue, worker
probes = {{probe.id: probe for probe in catalogue.listing("selftest")}}
tasks = [(probes["selftest." + name], "float32") for name in ("pass", "wrong", "hang")]
say = lambda *words: print(*words, flush=True)
events = lambda e: say(e["event"], e.get("pid") or e.get("label") or "")
try:
    for result in runner.run(tasks, python=sys.executable, device="cpu", level="quick", seed=0, folder="selftest",
                             on_event=events):
        say("result", result.probe, result.status)
except KeyboardInterrupt:
    say("interrupted")
"""


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A process whose worker has just begun to hang, the worker's id, and what the process said so far."""
    code = PARENT.format(repository=str(REPOSITORY))
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(tmp_path))}
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=environment)
    assert process.stdout
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line.strip())
            if line.strip() == "case hang":
                break
        worker = int(next(line for line in said if line.startswith("start ")).split()[1])
        yield SimpleNamespace(process=process, worker=worker, said=said, temporary=tmp_path)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_killed_parent_leaves_no_worker(hanging: SimpleNamespace) -> None:
    assert _alive(hanging.worker)
    hanging.process.kill()
    hanging.process.wait()
    assert _gone(hanging.worker)
    if os.name == "posix":  # on Windows the system ends the worker, which then cannot tidy up
        assert list(hanging.temporary.iterdir()) == []


if os.name == "posix":  # Windows cannot send Ctrl-C to one process only

    def test_a_real_ctrl_c_ends_the_worker_and_keeps_results(hanging: SimpleNamespace) -> None:
        hanging.process.send_signal(signal.SIGINT)
        rest = hanging.process.stdout.read().split("\n")
        assert "result selftest.pass pass" in hanging.said
        assert "result selftest.wrong fail" in rest
        assert "interrupted" in rest
        assert _gone(hanging.worker)


# --- in this very process ---------------------------------------------------------------------------------------------


def _here(tasks: list[runner.Task], **options: Any) -> list[Result]:
    import torch

    return list(runner.run_here(torch, tasks, **{"device": "cpu", "level": "quick", "seed": 0, **options}))


def test_in_process_a_failure_is_repeated_on_the_spot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWCOMPAT_SELFTEST_MARKER", str(tmp_path / "ran"))
    results = _here([_task("flaky"), _task("pass"), _task("wrong"), _task("raise"), _task("operator")])
    assert [r.status for r in results] == ["flaky", "pass", "fail", "error", "crash"]


def test_in_process_probes_run_under_the_callers_dispatch_mode() -> None:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    seen: list[str] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen.append(str(function))
            return function(*args, **(kwargs or {}))

    with Watch():
        assert [r.status for r in _here([_task("pass")])] == ["pass"]
    assert any("add" in name for name in seen)
    assert torch.is_grad_enabled()


def test_in_process_a_lost_device_skips_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwcompat.probes import execute

    answers = iter([True])  # to the preflight; afterwards the device is gone
    monkeypatch.setattr(execute, "healthy", lambda torch, device: next(answers, False))
    results = _here([_task("operator"), _task("pass")])
    assert [r.status for r in results] == ["crash", "skipped"]
    assert "selftest.operator float32" in results[1].detail


def test_in_process_progress_is_told_each_task() -> None:
    seen: list[tuple[int, int, str]] = []
    _here([_task("pass"), _task("pass", "int32")], progress=lambda *words: seen.append(words))
    assert seen == [(0, 2, "selftest.pass float32"), (1, 2, "selftest.pass int32")]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"event": "begin"}, ""),
        ({"event": "progress", "share": 0.25, "seconds_left": 90.4}, " 25%, about 1:30 left"),
        ({"event": "progress", "share": 0.5, "seconds_left": None}, " 50%"),
    ],
)
def test_how_far_a_long_probe_is_in_words(event: dict[str, object], words: str) -> None:
    assert runner._how_far(event) == words


def test_a_probe_that_shows_it_is_alive_outlives_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwcompat import session

    monkeypatch.setattr(session, "SHORTEST_DEADLINE", 3.0)
    monkeypatch.setitem(session.DEADLINE_FACTOR, "quick", 0.0)
    [alive] = _run([_task("alive")])
    assert alive.status == "pass", alive.detail
    assert alive.seconds > 3.0


def test_both_ways_of_running_agree() -> None:
    tasks = [_task("pass"), _task("raise")]
    apart, here = _run(tasks), _here(tasks)
    fields = ("probe", "dtype", "status", "case", "detail", "cases", "digest", "version")
    assert [[getattr(r, f) for f in fields] for r in apart] == [[getattr(r, f) for f in fields] for r in here]


# --- a worker that is started before its turn -------------------------------------------------------------------------


def _two_groups() -> list[runner.Task]:
    probe, dtype = _task("pass")
    return [(probe, dtype), (probe._replace(group="second"), "int32")]


def _starts(monkeypatch: pytest.MonkeyPatch) -> list[session.Ahead]:
    """Every worker that is started ahead, as it is started."""
    made: list[session.Ahead] = []

    class Seen(session.Ahead):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(session, "Ahead", Seen)
    return made


def test_the_next_worker_is_started_ahead_and_takes_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _starts(monkeypatch)
    assert [r.status for r in _run(_two_groups(), level="standard")] == ["pass", "pass"]
    assert len(made) == 1
    assert made[0]._worker[0].process.poll() is not None
    assert not made[0]._worker[1].parent.exists()


def test_a_worker_started_ahead_does_nothing_before_its_turn() -> None:
    settings = session.Settings(sys.executable, "cpu", "standard", 0, None, "selftest", None, None, lambda event: None)
    ahead = session.Ahead([_task("pass")], settings)
    try:
        written = ahead._worker[1]
        while '"ready"' not in written.read_text():
            time.sleep(0.05)
        time.sleep(0.5)
        assert "preflight" not in written.read_text()
        with ahead as (process, out):
            words = [event["event"] for event in session.events(process, out) if event]
        assert words[:4] == ["start", "ready", "preflight", "begin"]
        assert words[-1] == "done"
    finally:
        ahead.close()


def test_on_a_processor_two_groups_are_at_work_at_once_with_half_the_threads_each() -> None:
    settings = session.Settings(
        sys.executable, "cpu", "standard", 0, None, "selftest", None, None, lambda event: None, paired=True
    )
    ahead = session.Ahead([_task("pass")], settings)
    try:
        written = ahead._worker[1]
        while '"done"' not in written.read_text():  # its turn has not come
            time.sleep(0.05)
        with ahead as (process, out):
            words = [event["event"] for event in session.events(process, out) if event]
        assert words[-1] == "done"
    finally:
        ahead.close()


@pytest.mark.parametrize(
    ("device", "level", "rules", "paired"),
    [
        ("cpu", "standard", ("EXACT", "EXACT"), [True, True]),
        ("cpu", "standard", ("EXACT", "SPEED"), [True, False]),
        ("cpu", "standard", ("EXACT",), [False]),
        ("cpu", "full", ("EXACT", "EXACT"), [False, False]),
        ("cuda:0", "standard", ("EXACT", "EXACT"), [False, False]),
    ],
)
def test_which_groups_run_side_by_side(
    device: str, level: str, rules: tuple[str, ...], paired: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def follow(group: Any, settings: session.Settings, *_rest: Any) -> Any:
        told.append(settings.paired)
        yield from ((n, session.skipped(probe, dtype, "")) for n, (probe, dtype) in enumerate(group))

    monkeypatch.setattr(session, "follow", follow)
    monkeypatch.setattr(session, "Ahead", lambda group, settings: None)
    probe, dtype = _task("pass")
    tasks = [(probe._replace(group=str(n), rule=rule), dtype) for n, rule in enumerate(rules)]
    _run(tasks, device=device, level=level)
    assert told == paired


def test_half_the_threads_are_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def run_tasks(torch: Any, _job: Any, _write: Any) -> int:
        told.append(torch.get_num_threads())
        return 0

    monkeypatch.setattr(worker, "run_tasks", run_tasks)
    import torch

    before = torch.get_num_threads()
    try:
        for threads in (1, 5):
            torch.set_num_threads(threads)
            job = {"job": "probes", "device": "cpu", "tasks": [], "paired": True}
            assert worker.do_probes(job, lambda *_words, **_fields: None) == 0
        assert told == [1, 2]
    finally:
        torch.set_num_threads(before)


def test_no_worker_is_started_beside_a_speed_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _starts(monkeypatch)
    first, second = _two_groups()
    assert len(_run([(first[0]._replace(rule="SPEED"), first[1]), second], level="standard")) == 2
    assert not made


def test_a_worker_started_ahead_ends_with_a_run_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _starts(monkeypatch)
    run = _start(_two_groups(), level="standard")
    next(run)
    [ahead] = made
    assert ahead._worker[0].process.poll() is None
    run.close()
    assert ahead._worker[0].process.poll() is not None


def test_a_crash_in_one_group_leaves_the_worker_started_ahead_alone() -> None:
    probe, dtype = _task("segfault")
    results = _run([(probe, dtype), *_two_groups()[1:]], level="standard")
    assert sorted(r.status for r in results) == ["crash", "pass"]


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (67, "exit code 67"),
        (-9 if os.name == "posix" else 5, "SIGKILL" if os.name == "posix" else "exit code 5"),
        (134 if os.name == "posix" else 6, "SIGABRT" if os.name == "posix" else "exit code 6"),
        (0xC0000005, "access violation (0xC0000005)"),
        (-1073741819, "access violation (0xC0000005)"),
    ],
)
def test_endings_in_words(code: int, words: str) -> None:
    assert child.ending(code) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('File "/home/ann/a b/x.py", line 3', 'File "x.py", line 3'),
        (r'File "C:\Users\Ann Lee\x.py", line 3', 'File "x.py", line 3'),
        ("cannot open /usr/lib/libcudart.so.12: no such file", "cannot open libcudart.so.12: no such file"),
        ("see https://pytorch.org/docs/stable/notes.html", "see https://pytorch.org/docs/stable/notes.html"),
        ("mm 256x512/2 and/or 3 / 4", "mm 256x512/2 and/or 3 / 4"),
    ],
)
def test_texts_lose_their_folders_and_keep_the_rest(text: str, shown: str) -> None:
    assert child.without_folders(text) == shown


def test_the_home_folder_goes_even_when_its_name_has_a_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/zoe lee")
    assert "zoe" not in child.without_folders("cannot read /home/zoe lee/x.py now")


def test_last_words_are_short_and_prefer_the_fault_handler(tmp_path: Path) -> None:
    output = tmp_path / "output.txt"
    frames = "".join(f'  File "/a/b/f{n}.py", line {n} in g\n' for n in range(20))
    threads = (
        "Thread 0x1 (most recent call first):\n" + frames + "Current thread 0x2 (most recent call first):\n" + frames
    )
    output.write_text("x" * 10**6 + "\nFatal Python error: Aborted\n\n" + threads, encoding="utf-8")
    words = child.last_words(output)
    assert words == 'Fatal Python error: Aborted | File "f0.py", line 0 in g | File "f1.py", line 1 in g'


def test_last_words_begin_where_the_culprit_began(tmp_path: Path) -> None:
    output = tmp_path / "output.txt"
    output.write_text("somebody else's error\n", encoding="utf-8")
    since = output.stat().st_size
    assert child.last_words(output, since) == ""


@pytest.mark.parametrize(
    ("again", "status"), [("pass", "flaky"), ("feature", "flaky"), ("fail", "fail"), ("unsupported", "fail")]
)
def test_a_repetition_clears_only_by_passing(again: str, status: str) -> None:
    first = Result("conv.forward", "float16", "fail", detail="first", seconds=1.0)
    assert runner.settle(first, Result("conv.forward", "float16", again, detail="second")).status == status
