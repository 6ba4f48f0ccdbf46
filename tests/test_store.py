"""The local store: atomic files, locks among processes, and the private sidecar."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hwcompat import store
from hwcompat.errors import MachineError, UsageError

ROOT = Path(__file__).resolve().parents[1]
REPORT_ID = "0123456789abcdef"


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A real process that imports this tree."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def temporaries(folder: Path) -> list[Path]:
    return list(folder.glob(".*.tmp"))


# --- home -------------------------------------------------------------------------------------------------------------


def test_home_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HWCOMPAT_HOME", str(tmp_path / "hérè"))
    assert store.home() == tmp_path / "hérè"


@pytest.mark.parametrize("xdg", [None, "", "  ", "relative/place", "/an/absolute/place", "/place with blank "])
def test_home_is_the_platforms_data_folder_otherwise(monkeypatch: pytest.MonkeyPatch, xdg: str | None):
    import platformdirs

    monkeypatch.delenv("HWCOMPAT_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if xdg is not None:
        monkeypatch.setenv("XDG_DATA_HOME", xdg)
    assert store.home() == Path(platformdirs.user_data_dir("hwcompat", appauthor=False))
    assert store.home().parts.count("hwcompat") == 1


def test_home_of_a_user_who_does_not_exist_is_a_usage_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HWCOMPAT_HOME", "~nobody-has-this-name/x")
    with pytest.raises(UsageError):
        store.home()


def test_a_home_that_cannot_be_made_is_a_machine_error_with_a_way_out(monkeypatch, tmp_path: Path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("HWCOMPAT_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(MachineError) as caught:
        store.save_report(REPORT_ID, "{}", {})
    assert "--no-record" in caught.value.hint
    with pytest.raises(MachineError), store.lock(store.matrix_dir() / "results" / "tu116.csv"):
        pass


# --- atomic writing ---------------------------------------------------------------------------------------------------


def test_text_is_written_as_utf8_without_bom_and_with_its_own_line_ends(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "x.txt"
    store.write_atomic(path, "é\nb\n")
    assert path.read_bytes() == b"\xc3\xa9\nb\n"
    assert temporaries(path.parent) == []


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "x.txt"
    store.write_atomic(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="No space left"):
        store.write_atomic(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


if os.name != "nt":  # there are no permission bits there, and links need a privilege

    def test_permissions_are_kept_and_new_files_follow_the_umask(tmp_path: Path):
        path = tmp_path / "x.txt"
        old = os.umask(0o027)
        try:
            store.write_atomic(path, "a")
            assert stat.S_IMODE(path.stat().st_mode) == 0o640
            path.chmod(0o604)
            store.write_atomic(path, "b")
            assert stat.S_IMODE(path.stat().st_mode) == 0o604
        finally:
            os.umask(old)

    def test_a_link_stays_a_link_and_a_device_stays_a_device(tmp_path: Path):
        (tmp_path / "real.txt").write_text("old", encoding="utf-8")
        link = tmp_path / "link.txt"
        link.symlink_to(tmp_path / "real.txt")
        store.write_atomic(link, "new")
        assert link.is_symlink()
        assert (tmp_path / "real.txt").read_text(encoding="utf-8") == "new"
        store.write_atomic(Path(os.devnull), "gone")
        assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_windows_refusals_are_waited_out_but_not_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "_WINDOWS", True)
    pauses: list[float] = []

    def refuse_thrice() -> str:
        if len(pauses) < 3:
            raise PermissionError(13, "Access is denied")
        return "done"

    def refuse() -> str:
        raise PermissionError(13, "Access is denied")

    assert store._patiently(refuse_thrice, pauses.append) == "done"
    assert len(pauses) == 3
    with pytest.raises(PermissionError):
        store._patiently(refuse, pauses.append)


def test_a_reader_never_sees_a_part_while_a_writer_is_killed_again_and_again(tmp_path: Path):
    """The file holds 4 MiB of one letter; whatever moment the kill hits, all of it is one letter."""
    path = tmp_path / "x.txt"
    store.write_atomic(path, "a" * 2**22)
    code = """
import sys
from pathlib import Path
from hwcompat import store
print("go", flush=True)
while True:
    for letter in "bcdefgh":
        store.write_atomic(Path(sys.argv[1]), letter * 2**22)
"""
    for delay in (0.002, 0.01, 0.03, 0.05, 0.08):
        writer = python(code, path)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "go\n"
        time.sleep(delay)
        assert_whole(path)
        writer.kill()
        writer.communicate()
        assert_whole(path)
    with store.lock(path):
        store.sweep_temporaries(path)
    assert temporaries(tmp_path) == []
    assert_whole(path)


def assert_whole(path: Path) -> None:
    content = store.read_bytes(path)
    assert len(content) == 2**22
    assert len(set(content)) == 1


# --- locks ------------------------------------------------------------------------------------------------------------


def test_a_held_lock_ends_in_a_machine_error_that_names_no_record(tmp_path: Path):
    path = tmp_path / "x.csv"
    code = """
import sys, time
from pathlib import Path
from hwcompat import store
with store.lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
    holder = python(code, path)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(MachineError) as caught, store.lock(path, timeout=0.2):
            pass
        assert "--no-record" in caught.value.hint
        holder.kill()
        holder.communicate()
        with store.lock(path, timeout=10):  # a killed holder's lock is free
            pass
    finally:
        holder.kill()
        holder.communicate()


def test_threads_of_one_process_exclude_each_other(tmp_path: Path):
    path, seen = tmp_path / "x", []

    def work() -> None:
        with store.lock(path):
            seen.append("in")
            time.sleep(0.01)
            seen.append("out")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["in", "out"] * 6


@pytest.mark.parametrize(
    "refusal", [NotImplementedError("no flock"), OSError(errno.ENOLCK, "No locks available")], ids=repr
)
def test_a_share_without_hard_locks_gets_a_soft_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal):
    import filelock

    def acquire(*_: object, **__: object) -> None:
        raise refusal

    monkeypatch.setattr(filelock.FileLock, "_acquire", acquire)
    path = tmp_path / "x.csv"
    with store.lock(path):
        assert (tmp_path / ".x.csv.softlock").exists()
        with pytest.raises(MachineError), store.lock(path, timeout=0.1):
            pass
    with store.lock(path, timeout=1):
        pass


# --- reports ----------------------------------------------------------------------------------------------------------


def test_a_report_has_a_sidecar_that_only_its_owner_can_read(private_home: Path):
    path = store.save_report(REPORT_ID, '{"schema": 1}\n', store.sidecar("0000:01:00.0", "/usr/bin/python3"))
    assert path == private_home / "reports" / f"{REPORT_ID}.json"
    assert path.read_text(encoding="utf-8") == '{"schema": 1}\n'
    sidecar = path.with_name(f"{REPORT_ID}.private.json")
    assert json.loads(sidecar.read_text(encoding="utf-8")) == store.read_sidecar(REPORT_ID)
    assert store.read_sidecar(REPORT_ID)["pci_bus_id"] == "0000:01:00.0"
    if os.name != "nt":
        assert stat.S_IMODE(sidecar.stat().st_mode) == 0o600


def test_the_card_id_is_stable_here_and_different_elsewhere(private_home: Path, monkeypatch, tmp_path: Path):
    first = store.card_id("node1", "0000:01:00.0")
    assert len(first) == 64
    assert first == store.card_id("node1", "0000:01:00.0")
    assert len({first, store.card_id("node1", "0000:02:00.0"), store.card_id("node2", "0000:01:00.0")}) == 3
    monkeypatch.setenv("HWCOMPAT_HOME", str(tmp_path))
    assert store.card_id("node1", "0000:01:00.0") != first


def test_processes_that_start_together_agree_on_one_salt():
    code = "from hwcompat import store; print(store.card_id('h', '0000:01:00.0'))"
    answers = {process.communicate()[0] for process in [python(code) for _ in range(8)]}
    assert len(answers) == 1
    assert len(answers.pop().strip()) == 64


def test_saved_reports_are_listed_newest_first_without_sidecars(private_home: Path):
    assert store.saved_reports() == ()
    ids = ["00000000000000aa", "00000000000000bb", "00000000000000cc"]
    for age, report_id in enumerate(ids):
        path = store.save_report(report_id, "{}", {})
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    (private_home / "reports" / "notes.json").write_text("{}", encoding="utf-8")
    assert [path.stem for path in store.saved_reports()] == ids


@pytest.mark.parametrize("report_id", ["", "../../etc/passwd", "0123456789ABCDEF", "0123456789abcdef\n", "a" * 17])
def test_an_id_never_reaches_another_folder(report_id: str):
    with pytest.raises(UsageError):
        store.save_report(report_id, "{}", {})


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000], ids=["empty", "list", "half", "bytes", "deep"]
)
def test_a_broken_sidecar_reads_as_empty(private_home: Path, content: bytes):
    store.save_report(REPORT_ID, "{}", {})
    (private_home / "reports" / f"{REPORT_ID}.private.json").write_bytes(content)
    assert store.read_sidecar(REPORT_ID) == {}
