"""The files under .github/: valid for GitHub, and safe where strangers open pull requests and issues."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from hwcompat import contribute, matrix
from hwcompat.model import Row

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))

import matrix_change

GITHUB = Path(__file__).resolve().parents[1] / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
OURS = [path for path in WORKFLOWS if path.stem.startswith("matrix")]


def loaded(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["on"] = document.pop(True)  # YAML 1.1 reads the word on as true
    return document


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in loaded(path)["jobs"].values() for step in job["steps"]]


def program(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


# --- what the tools say -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "files"),
    [("github-workflows", WORKFLOWS), ("github-issue-forms", [GITHUB / "ISSUE_TEMPLATE" / "row.yml"])],
)
def test_they_follow_githubs_schemas(schema: str, files: list[Path]):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_an_auditor_of_workflows_finds_nothing(path: Path):
    """https://docs.zizmor.sh/audits/"""
    command = [program("zizmor"), "--offline", "--no-progress", "--format", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert json.loads(done.stdout) == [], done.stderr


# --- what they must not do --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_value_of_a_pull_request_is_pasted_into_a_shell_line(path: Path):
    assert not [step["run"] for step in steps(path) if "${{" in step.get("run", "")]


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_actions_are_githubs_own_and_cannot_change(path: Path):
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name) for name in used)


def test_the_run_for_strangers_can_only_read():
    document = loaded(GITHUB / "workflows" / "matrix.yml")
    assert list(document["on"]) == ["pull_request"]
    assert document["permissions"] == {}
    assert [job["permissions"] for job in document["jobs"].values()] == [{"contents": "read"}]
    assert "secrets" not in (GITHUB / "workflows" / "matrix.yml").read_text(encoding="utf-8")
    assert not any("torch" in step.get("run", "") for step in steps(GITHUB / "workflows" / "matrix.yml"))


def test_the_run_that_writes_runs_nothing_of_a_pull_request():
    document = loaded(GITHUB / "workflows" / "matrix-comment.yml")
    assert list(document["on"]) == ["workflow_run"]
    assert document["on"]["workflow_run"]["workflows"] == [loaded(GITHUB / "workflows" / "matrix.yml")["name"]]
    assert document["permissions"] == {}
    compare, comment = document["jobs"]["compare"], document["jobs"]["comment"]
    assert set(compare["permissions"].values()) == {"read"}
    assert comment["permissions"] == {"pull-requests": "write"}
    [checkout] = [step for step in compare["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["with"] == {"persist-credentials": False}, "the main branch, not what the pull request names"
    assert not [step for step in comment["steps"] if "checkout" in step.get("uses", "")]
    [script] = [step["run"] for step in compare["steps"] if "run" in step]
    assert script.startswith("python3 -I -S scripts/matrix_change.py ")
    assert f"grep -q '^{matrix_change.NOTHING.rstrip('.')}'" in script
    assert matrix_change.MARK in comment["steps"][-1]["run"], "by it the comment is found again"
    [rows] = [step["with"]["path"] for step in compare["steps"] if "download" in step.get("uses", "")]
    assert rows.startswith("${{ runner.temp }}/"), "outside of the checkout"


@pytest.mark.skipif(os.name == "nt", reason="GitHub runs this step under Linux")
@pytest.mark.parametrize("changed", [False, True])
def test_a_comment_is_wanted_only_where_rows_change(tmp_path: Path, changed: bool):
    root, output = GITHUB.parent, tmp_path / "output"
    shutil.copytree(root / "matrix" / "results", tmp_path / "rows")
    if changed:
        matrix.append_row(tmp_path / "rows" / "cpu.csv", Row(gpu="@ann", chip="cpu", fp16="ok", source="measured"))
    [script] = [step["run"] for step in loaded(OURS[0])["jobs"]["compare"]["steps"] if "run" in step]
    env = {**os.environ, "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(output)}
    subprocess.run(["bash", "-e", "-c", script], env=env, cwd=root, check=True)
    assert output.exists() == changed
    assert not changed or output.read_text(encoding="utf-8") == "told=true\n"
    assert (tmp_path / "comment.md").read_text(encoding="utf-8").startswith(matrix_change.MARK)


# --- the step that writes, with a GitHub that only takes notes --------------------------------------------------------

FAKE_GH = """#!{python}
import json, os, shutil, subprocess, sys
with open(os.environ["NOTES"], "a") as notes:
    notes.write(json.dumps(sys.argv[1:]) + chr(10))
asked = "comments" if "--paginate" in sys.argv else "pulls"
if "--jq" in sys.argv and shutil.which("jq"):
    query = sys.argv[sys.argv.index("--jq") + 1]
    done = subprocess.run(["jq", "-r", query], input=os.environ[asked], text=True, capture_output=True, check=True)
    print(done.stdout, end="")
elif "--jq" in sys.argv and asked == "pulls":
    print(*[one["number"] for one in json.loads(os.environ[asked]) if one["head"]["sha"] == os.environ["HEAD_SHA"]])
elif "--jq" in sys.argv:
    print(*[one["id"] for one in json.loads(os.environ[asked]) if one["user"]["login"] == "github-actions[bot]"])
"""


@pytest.fixture
def post(tmp_path: Path):
    """Runs the step; returns what was asked of GitHub."""
    if os.name == "nt":
        pytest.skip("GitHub runs this step under Linux")
    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(FAKE_GH.format(python=sys.executable), encoding="utf-8")
    gh.chmod(0o755)
    job = loaded(GITHUB / "workflows" / "matrix-comment.yml")["jobs"]["comment"]
    [script] = [step["run"] for step in job["steps"] if "run" in step]

    def run(pulls: list[dict[str, Any]], comments: list[dict[str, Any]], branch: str = "topic") -> list[list[str]]:
        notes = tmp_path / "notes"
        notes.write_text("", encoding="utf-8")
        env = {
            **os.environ, "PATH": f"{gh.parent}{os.pathsep}{os.environ['PATH']}", "NOTES": str(notes),
            "GITHUB_REPOSITORY": "owner/name", "RUNNER_TEMP": str(tmp_path), "HEAD_OWNER": "ann", "HEAD_BRANCH": branch,
            "HEAD_SHA": "a" * 40, "pulls": json.dumps(pulls), "comments": json.dumps(comments),
        }  # fmt: skip
        subprocess.run(["bash", "-e", "-c", script], env=env, cwd=tmp_path, check=True)
        return [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]

    return run


PULL = {"number": 7, "head": {"sha": "a" * 40}}


def test_a_comment_is_written_once_and_then_replaced(post):
    mine = {"id": 5, "user": {"login": "github-actions[bot]"}, "body": "<!-- matrix change -->\nold"}
    forged = {"id": 6, "user": {"login": "eve"}, "body": "<!-- matrix change -->\nold"}
    *_, first = post([PULL], [forged])
    assert first[first.index("--method") + 1 :][:2] == ["POST", "repos/owner/name/issues/7/comments"]
    *_, second = post([{"number": 6, "head": {"sha": "b" * 40}}, PULL], [forged, mine])
    assert second[second.index("--method") + 1 :][:2] == ["PATCH", "repos/owner/name/issues/comments/5"]


def test_a_branch_is_only_a_name(post, tmp_path: Path):
    branch = '$(touch hit)`touch hit`"; touch hit; #'
    asked, *_ = post([], [], branch)
    assert f"head=ann:{branch}" in asked
    assert not (tmp_path / "hit").exists()


def test_without_an_open_pull_request_of_this_commit_nothing_is_written(post):
    assert len(post([{"number": 7, "head": {"sha": "b" * 40}}], [])) == 1
    assert len(post([], [])) == 1


# --- the form ---------------------------------------------------------------------------------------------------------


def test_the_link_and_the_script_know_the_forms_fields():
    form = loaded_form()
    fields = {part["id"]: part["attributes"]["label"] for part in form["body"] if "id" in part}
    url = contribute.issue_link((Row(gpu="x"),)).url
    assert set(re.findall(r"[?&](\w+)=", url)) - {"template", "title"} <= set(fields)
    assert fields["row"] == "Row", "the heading that scripts/row_from_issue.py looks for"
    assert "template=row.yml" in url
    [row] = [part for part in form["body"] if part.get("id") == "row"]
    assert row["attributes"]["render"] == "csv"
    assert row["validations"] == {"required": True}


def loaded_form() -> dict[str, Any]:
    form: dict[str, Any] = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "row.yml").read_text(encoding="utf-8"))
    return form
