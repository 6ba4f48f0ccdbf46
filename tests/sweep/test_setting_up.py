"""One environment that stays, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sweeping import HERE, MakeWheel, candidate

from hwcompat import tables
from hwcompat.errors import MachineError, NoBuildError, UsageError
from hwcompat.model import Environment, Gpu
from hwcompat.sweep import setting_up
from hwcompat.sweep.asking import Here
from hwcompat.sweep.installer import Uv, python_in
from hwcompat.sweep.planning import Place, Python
from hwcompat.sweep.sources import sources

KNOWN = tables.load_tables(Path(__file__).resolve().parents[2] / "matrix")
UvFor = Callable[[Path | None], Uv]


def made(folder: Path, version: str, wheels: tuple[Path, ...], uv: UvFor) -> list[str]:
    """What was told while an environment was made, and kept."""
    told: list[str] = []
    chosen = candidate(version)
    with setting_up.cleared(folder):
        places = sources(chosen, index_base="http://127.0.0.1:9/whl", wheels=wheels)
        setting_up.make(folder, chosen, places, uv(None), told.append)
        setting_up.finished(folder)
    return told


def test_an_environment_is_made_with_its_pip_and_stays(tmp_path: Path, make_wheel: MakeWheel, uv: UvFor) -> None:
    folder = tmp_path / "my env"
    made(folder, "2.7.0", (make_wheel("2.7.0+cpu"),), uv)
    assert python_in(folder).exists()
    assert list(folder.rglob("torch/__init__.py"))
    assert list(folder.rglob("pip/__init__.py"))
    assert not (folder / setting_up.MARKER).exists()
    with pytest.raises(UsageError) as error:
        setting_up.check_folder(folder)
    assert "not empty" in error.value.message


@pytest.mark.parametrize(("code", "said"), [("raise OSError('no libcudart')", "no libcudart"), (None, "127.0.0.1:9")])
@pytest.mark.parametrize("existing", [False, True])
def test_a_setup_that_fails_leaves_the_folder_as_it_was(
    tmp_path: Path, make_wheel: MakeWheel, uv: UvFor, code: str | None, said: str, existing: bool
) -> None:
    folder = tmp_path / "env"
    if existing:
        folder.mkdir()
    wheels = (make_wheel("2.7.0+cpu", code),) if code else ()
    with pytest.raises(MachineError) as error:
        made(folder, "2.7.0", wheels, uv)
    assert said in error.value.message
    assert error.value.hint
    assert folder.exists() is existing
    assert not existing or not list(folder.iterdir())


def stopped(folder: Path) -> None:
    with setting_up.cleared(folder):
        folder.mkdir()
        (folder / setting_up.MARKER).touch()
        raise KeyboardInterrupt


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        stopped(tmp_path / "env")
    assert not (tmp_path / "env").exists()


def test_what_a_killed_setup_left_is_begun_anew(tmp_path: Path) -> None:
    folder = tmp_path / "env"
    (folder / "lib").mkdir(parents=True)
    (folder / setting_up.MARKER).touch()
    setting_up.check_folder(folder)
    with setting_up.cleared(folder):
        assert not folder.exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "env").touch()
    with pytest.raises(UsageError):
        setting_up.check_folder(tmp_path / "env")


# --- which build ------------------------------------------------------------------------------------------------------


def here(*gpus: Gpu, driver: str | None = None, python: str = "3.11") -> Here:
    env = Environment("linux", "x86_64", python=f"{python}.1", driver=driver, gpus=gpus)
    return Here(env, Place(gpus, driver, "linux", "x86_64"), (Python(python, python),), (), ())


def test_a_bare_machine_gets_the_resolvers_build() -> None:
    card = Gpu(name="NVIDIA GeForce GTX 1080 Ti", chip="GP102", compute_capability="6.1", pci_id="10de:1b06")
    chosen, because = setting_up.build_for(here(card, driver="570.86"), None, (), KNOWN)
    assert chosen.tag == "cu126"
    assert "wheel" in because[0]
    assert setting_up.companions(chosen, KNOWN)[0][0] == "torchvision"


def test_a_build_named_with_its_tag_is_taken_at_its_word_where_it_runs() -> None:
    chosen, _ = setting_up.build_for(here(python="3.8"), "1.12.1+cu102", (), KNOWN)
    assert (chosen.build, chosen.python.version, chosen.on_package_index) == ("1.12.1+cu102", "3.8", True)
    with pytest.raises(NoBuildError):
        setting_up.build_for(here(python="3.14"), "1.12.1+cu102", (), KNOWN)


def test_a_wish_without_tag_is_the_resolvers() -> None:
    chosen, _ = setting_up.build_for(here(), "2.7", (), KNOWN)
    assert chosen.build == "2.7.1+cpu"
    assert not chosen.on_package_index


# --- words ------------------------------------------------------------------------------------------------------------


def test_activation_on_every_system() -> None:
    folder = Path("my env")
    windows = setting_up.activation(folder, windows=True)
    assert windows[0].startswith('PowerShell: & "my env')
    assert windows[1].startswith('cmd: "my env')
    assert windows[1].endswith('activate.bat"')
    posix = setting_up.activation(folder, windows=False)
    assert posix[0].startswith("bash, zsh: source 'my env")
    assert setting_up.quoted("C:\\my env\\python.exe", windows=True) == '"C:\\my env\\python.exe"'
    assert setting_up.quoted("3.11", windows=True) == setting_up.quoted("3.11", windows=False) == "3.11"


def test_the_interpreter_is_where_this_system_has_it() -> None:
    assert python_in(Path("env")).name in ("python", "python.exe")
    assert HERE.version.startswith("3.")
