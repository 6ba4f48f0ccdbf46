"""Real uv on wheels that a test makes itself: a few lines of Python that call themselves torch."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sweeping import WORKING, MakeWheel

from hwcompat.sweep.installer import Uv, find_uv


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture(autouse=True)
def own_uv(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this user's settings of uv nor their cache; no patience with servers that do not answer."""
    for name, value in {
        "UV_CACHE_DIR": str(shared_cache),
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_HTTP_RETRIES": "0",
        "UV_HTTP_TIMEOUT": "5",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def make_wheel(tmp_path: Path) -> MakeWheel:
    """A wheel of `torch` with that code, in a folder of this test; gives the file."""
    folder = tmp_path / "wheels"
    folder.mkdir()

    def make(version: str, code: str = WORKING, padding: int = 0, name: str = "torch") -> Path:
        path = folder / f"{name}-{version}-py3-none-any.whl"
        facts = f"{name}-{version}.dist-info"
        files = {
            f"{name}/__init__.py": code.replace("{version}", version).encode(),
            f"{name}/padding.bin": bytes(padding),
            f"{facts}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{facts}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{inside},,\n" for inside in [*files, f"{facts}/RECORD"])
        with zipfile.ZipFile(path, "w") as archive:
            for inside, content in {**files, f"{facts}/RECORD": record.encode()}.items():
                archive.writestr(inside, content)
        return path

    return make


@pytest.fixture
def uv() -> Callable[[Path | None], Uv]:
    return lambda cache: Uv(find_uv(), cache)
