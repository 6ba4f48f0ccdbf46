"""The shape of the package: import layers, a light start, an island that stands alone."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hwcompat.probes import catalogue

PACKAGE = Path(__file__).resolve().parents[1] / "hwcompat"
REPOSITORY = PACKAGE.parent

# A module imports only from rows below its own; modules of one row do not know each other.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("commands",),
    ("columns",),
    ("present", "explain", "console"),
    ("site",),
    ("fleet",),
    ("diagnose",),
    ("sweep",),
    ("api",),
    ("target", "measure", "contribute", "recapture"),
    ("emitters", "policy", "repair"),
    ("coverage", "evidence", "environment", "query", "resolver", "report", "sql"),
    ("runner", "asked", "circumstances", "export", "lint"),
    ("gates", "consensus"),
    ("nearness", "cardnames", "knownfaults"),
    ("session", "matrix", "tables", "verdicts", "digests", "telemetry"),
    (
        "bulk",
        "merging",
        "child",
        "store",
        "nvml",
        "system",
        "interpreter",
        "schema",
        "tablefiles",
        "tablerows",
        "spelling",
    ),
    ("redaction", "wording", "markdown", "watching"),
    ("model", "errors", "collectives", "probes", "replay"),
)
HEIGHT = {name: len(LAYERS) - n for n, row in enumerate(LAYERS) for name in row}


def _modules() -> list[Path]:
    return sorted(
        p
        for p in PACKAGE.rglob("*.py")
        if p.relative_to(PACKAGE).parts[0] not in ("collectives", "probes", "replay") and p.name != "__init__.py"
    )


def _room(path: Path) -> str:
    """The module, or the folder of siblings, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """The hwcompat modules that `path` imports anywhere, also inside functions; typing-only imports count too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("hwcompat.")}
        elif isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == "hwcompat"):
            found |= _targets(node)
    return found


def _targets(node: ast.ImportFrom) -> set[str]:
    """The modules a `from` import reaches; names taken from the package or a sibling folder itself are no modules."""
    parts = [p for p in (node.module or "").split(".") if p and p != "hwcompat"]
    names = parts[:1] or [alias.name for alias in node.names]
    return {name for name in names if name in HEIGHT or (PACKAGE / f"{name}.py").exists()}


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_from_lower_layers(path: Path) -> None:
    room = _room(path)
    assert room in HEIGHT, f"{room} has no layer: add it to LAYERS"
    siblings = {p.stem for p in path.parent.glob("*.py")} if path.parent != PACKAGE else set()
    wrong = [name for name in _imports(path) if name != room and name not in siblings and HEIGHT[name] >= HEIGHT[room]]
    assert not wrong


def test_no_public_function_shares_its_name_with_a_module() -> None:
    import hwcompat

    assert not {p.stem for p in PACKAGE.glob("*.py")} & set(hwcompat.__all__)


@pytest.mark.parametrize("statement", ["import hwcompat", "import hwcompat.cli", "import hwcompat.api"])
def test_importing_stays_light(statement: str) -> None:
    """Neither torch nor pandas nor rich, nor the emitters, come with the package or its command line."""
    heavy = "[m for m in sys.modules if m in ('torch', 'pandas', 'numpy', 'rich', 'hwcompat.emitters.yaml')]"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {statement}; print({heavy})"],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    assert done.stdout.strip() == "[]"


def test_recommend_for_a_named_card_imports_neither_torch_nor_pandas() -> None:
    code = (
        "import sys\nfrom hwcompat.cli import run\n"
        "try:\n    run(['recommend', '--gpu', 'Tesla T4', '--driver', '570.86', '--os', 'linux', '--python', '3.11'])\n"
        "except SystemExit as end:\n"
        "    heavy = [m for m in sys.modules if m in ('torch', 'pandas', 'numpy', 'rich')]\n"
        "    print(end.code, heavy, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stderr.strip().splitlines()[-1] == "0 []"


def test_no_file_grows_past_450_lines_and_no_function_past_60() -> None:
    long = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 450:
            long.append(f"{path.name}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno >= 60:
                long.append(f"{path.name}: {node.name}")
    assert not long


def test_nothing_speaks_of_where_it_was_made() -> None:
    """No absolute home or workplace path in anything that is shipped."""
    pattern = re.compile(r"(?<![\w.])/(?:work|root|home/[a-z]+|opt/(?:pypi|wheels))/[\w.]")
    files = [
        p
        for folder in ("hwcompat", "matrix", "scripts", "docs")
        for p in (REPOSITORY / folder).rglob("*")
        if p.suffix in (".py", ".md", ".csv", ".yaml", ".json")
    ]
    assert not [p.name for p in files if pattern.search(p.read_text(encoding="utf-8"))]


# What a docstring may name as its source instead of linking to it.
DOCUMENTS = (
    "C11",
    "CUDA C Programming Guide",
    "CUDA C++ Programming Guide",
    "Figueroa",
    "Higham 2002",
    "IEEE 754",
    "Intel SDM",
    "Open Compute Project",
)


@pytest.mark.parametrize("probe", catalogue.listing(), ids=lambda probe: str(probe.id))
def test_a_probe_says_what_it_hunts_by_which_rule_and_on_whose_word(probe: catalogue.Probe) -> None:
    told = catalogue.described(probe)
    assert told.summary.endswith(".")
    assert ". " not in told.summary
    assert told.hunts
    assert re.findall(r"\w+", told.rule)[:1] == [probe.rule], "the text begins with the word of the attribute RULE"
    assert told.links or any(name in told.hunts + told.rule + told.source for name in DOCUMENTS)
    parts = {"Hunts": told.hunts, "Rule": told.rule, "Source": told.source}
    markers = re.findall(r"\b(Hunts|Rule|Source):\s", probe.doc)
    assert markers == [name for name, text in parts.items() if text], "each once, in this order, at the start of a line"


@pytest.mark.parametrize("script", ["probe_docs.py", "client_docs.py"])
def test_the_generated_pages_are_up_to_date(script: str) -> None:
    command = [sys.executable, str(REPOSITORY / "scripts" / script), "--check"]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    assert done.returncode == 0, f"run scripts/{script}"
