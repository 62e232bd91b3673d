"""The command line, as a user sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from archspec.cli import main
from archspec.language import zoo

SMALL = """\
archspec: 1
input: {channels: 3, size: [8, 8]}
params: {depth: 2, classes: 5}
require: [{that: depth > 1, else: a depth of at least two}]
stem: [conv: {out: 4, kernel: 3}, bn, relu]
stages: {repeat: depth, width: [4, 8], stride: [1, 2], blocks: basic}
blocks:
  basic:
    branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
    shortcut: B
    after: [relu]
head: [global_avg_pool, linear: {out: classes}]
expect: {params: 1409, output: [5]}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_build_counts_proves_runs_and_writes(small: Path) -> None:
    result = run("build", "small.yaml", "--device", "cpu", "--batch", "2")
    assert result.exit_code == 0, result.output
    assert "[3×3, 4] ×2" in result.output
    assert "1,409" in result.output
    assert "proved params 1,409, output 5" in result.output
    assert "2x3x8x8 -> 2x5 on cpu, float32" in result.output
    assert "ms a pass" in result.output
    folder = small.parent / "build" / "small"
    assert json.loads((folder / "summary.json").read_text())["params"] == 1409
    graph = json.loads((folder / "graph.json").read_text())
    assert {node["id"] for node in graph["nodes"]} >= {"input", "stem.conv", "stage2.0.shortcut.conv", "head.linear"}


def test_the_resolved_spec_stands_on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run("show", "ror3_110", "--set", "depth=32")
    assert shown.exit_code == 0
    (tmp_path / "flat.yaml").write_text(shown.output)
    assert "extends" not in yaml.safe_load(shown.output)
    ours = json.loads(run("summary", "flat.yaml", "--json").output)
    theirs = json.loads(run("summary", "ror3_110", "--set", "depth=32", "--json").output)
    assert ours == theirs


def test_build_prints_one_json_object(small: Path) -> None:
    result = run("build", "small.yaml", "--device", "cpu", "--json", "--dtype", "float64", "--out", "elsewhere")
    data = json.loads(result.output)
    assert data["summary"]["params"] == 1409
    assert data["run"]["run"]["outputs"] == {"output": [1, 5]}
    assert data["run"]["run"]["dtype"] == "float64"
    assert all(claim["holds"] for claim in data["claims"])
    assert all(Path(file).is_file() and file.startswith("elsewhere") for file in data["files"])


def test_build_on_meta_and_by_operator(small: Path) -> None:
    assert "not run: the meta device" in run("build", "small.yaml", "--device", "meta").output
    assert "operators in" in run("build", "small.yaml", "--device", "cpu", "--granularity", "op").output


def test_build_refuses_what_cannot_be(small: Path) -> None:
    unknown = run("build", "small.yaml", "--device", "quantum")
    assert unknown.exit_code == 2
    assert "quantum" in unknown.output
    assert run("build", "small.yaml", "--granularity", "op", "--compile").exit_code == 2
    assert run("build", "small.yaml", "--batch", "0").exit_code == 2
    assert run("build", "nothing.yaml").exit_code == 2
    misspelt = run("build", "resnet5O")
    assert misspelt.exit_code == 2
    assert "resnet50" in misspelt.output


def test_a_failed_claim_fails_the_build(small: Path) -> None:
    small.write_text(SMALL.replace("1409", "1410"))
    result = run("build", "small.yaml", "--device", "cpu")
    assert result.exit_code == 1
    assert "FAILED params" in result.output
    assert "small.yaml:13:18: the spec expects 1,410 parameters, and the graph has 1,409" in result.output


def test_overrides_void_claims_and_say_so(small: Path) -> None:
    result = run("build", "small.yaml", "--set", "classes=7", "--device", "meta")
    assert "not checked: values were overridden" in result.output
    assert result.exit_code == 0
    refused = run("summary", "small.yaml", "--set", "depth=1")
    assert refused.exit_code == 1
    assert "a depth of at least two" in refused.output
    assert "here depth = 1" in refused.output
    assert run("summary", "small.yaml", "--set", "depth").exit_code == 1


def test_a_broken_spec_is_told_whole_and_without_traceback(small: Path) -> None:
    small.write_text(SMALL.replace("kernel: 3}, bn, relu]", "kernl: 3}, bn, rleu]").replace("linear:", "linaer:"))
    result = run("build", "small.yaml")
    assert result.exit_code == 1
    for text in (
        "small.yaml:5:23: conv has no field 'kernl'",
        "did you mean 'kernel'?",
        "rleu",
        "linaer",
        "3 problems",
    ):
        assert text in result.output
    assert "Traceback" not in result.output
    assert "^" in result.output


def test_summary_forms(small: Path) -> None:
    assert run("summary", "small.yaml", "--depth", "op").output.count("stage1.") == 8
    assert json.loads(run("summary", "small.yaml", "--json").output)["layers"] == 6
    assert json.loads(run("summary", "small.yaml", "--json", "--depth", "op").output)["graph"]["params"] == 1409
    markdown = run("summary", "small.yaml", "--markdown").output.splitlines()
    assert markdown[0] == "| stage | output | layers | blocks | params | MACs |"
    assert {line.count("|") for line in markdown} == {7}
    latex = run("summary", "small.yaml", "--latex").output
    assert latex.startswith(r"\begin{tabular}{lllrrr}")
    assert r"3$\times$3" in latex


def test_check_reports_every_file(small: Path) -> None:
    good, bad = small, small.with_name("bad.yaml")
    bad.write_text(SMALL.replace("1409", "1.7k"))
    worse = small.with_name("worse.yaml")
    worse.write_text("archspec: 1\ninput: {size: [8, 8]}\nhead: [reul]\n")
    result = run("check", str(good), str(bad), str(worse))
    assert result.exit_code == 1
    assert "ok  small" in result.output
    assert "bad.yaml:13:18: the spec expects 1.7k parameters, and the graph has 1,409" in result.output
    assert "there is no operator 'reul'" in result.output
    assert "1 of 3 specs hold" in result.output
    data = json.loads(run("check", str(small.parent), "--json").output)
    assert [spec["ok"] for spec in data["specs"]] == [False, True, False]
    (small.parent / "empty").mkdir()
    assert run("check", "empty").exit_code == 2


def test_show(small: Path) -> None:
    assert yaml.safe_load(run("show", "small.yaml").output)["params"] == {"depth": 2, "classes": 5}
    assert run("show", "small.yaml", "--params").output == "depth = 2\nclasses = 5\n"
    flat = run("show", "small.yaml", "--graph").output
    assert "  stage2.0.add: {from: [stage2.0.branch.bn, stage2.0.shortcut.bn], ops: [add]}" in flat
    code = run("show", "small.yaml", "--code").output
    assert code.count("def forward") == 6  # the network, stem, head, and three kinds of blocks
    dropping = run("show", "small.yaml", "--set", "drop_path={survival: 0.5}", "--code").output
    assert "# with its branch dropped\ndef forward(self, x):\n" in dropping
    assert dropping.count("def forward") == 6 + 3
    assert json.loads(run("show", "small.yaml", "--json").output)["directed"] is True


def test_the_schema_accepts_the_zoo_and_refuses_slips(small: Path) -> None:
    schema = json.loads(run("schema").output)
    validator = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in [small, *zoo.ROOT.glob("*.yaml"), *zoo.ROOT.glob("bases/*.yaml")]:
        assert not list(validator.iter_errors(yaml.safe_load(path.read_text()))), path.name
    for slip in (
        "archspec: 1\nsteem: []", "archspec: 2", "archspec: 1\nstem: [rleu]", "archspec: 1\nstem: [conv: {outt: 3}]",
        "archspec: 1\nskips: [{join: sum}]", "archspec: 1\nblocks: {a: {brunch: []}}", "input: {size: [1, 1]}",
    ):  # fmt: skip
        assert list(validator.iter_errors(yaml.safe_load(slip))), slip
    assert schema["$defs"]["Levels"]["properties"]["m"]["description"]


@pytest.mark.parametrize("command", ["check", "summary"])
def test_what_a_spec_says_to_no_effect_is_noted(command: str, small: Path) -> None:
    rules = "\nskips: [{rule: dense, path: B}, {rule: every, step: 2, path: B}]\n"
    small.write_text(SMALL.replace("params: 1409, ", "") + rules)
    result = run(command, "small.yaml")
    assert result.exit_code == 0, result.output
    note = "note: small.yaml:15:33: the rule 'every' adds 0 of its 2 skips: 2 are there already (as stem -> stage1.1)\n"
    assert note in result.stderr
    assert "note" not in run(command, "cifar_resnet20").output


def test_strict_takes_notes_for_errors(small: Path) -> None:
    small.write_text(SMALL.replace("params: {", "params: {unread: 1, "))
    assert run("check", "small.yaml").exit_code == 0
    assert "note: small.yaml:" in run("check", "small.yaml").stderr
    strict = run("check", "--strict", "small.yaml")
    assert strict.exit_code == 1
    assert "error: small.yaml:" in strict.stderr
    assert "nothing reads the param 'unread'" in strict.stderr
    assert json.loads(run("check", "--strict", "--json", "small.yaml").output)["ok"] is False
    small.write_text(SMALL)
    assert run("check", "--strict", "small.yaml").exit_code == 0


def test_a_folder_tells_what_was_not_looked_at(small: Path) -> None:
    folder = small.parent / "many"
    for name in ("a.yaml", "b.YAML", "c.Yml", "below/deeper/d.yml", "bare/readme.md", ".hidden/e.yaml", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(SMALL)
    result = run("check", "many")
    assert result.exit_code == 0, result.output
    assert "3 of 3 specs hold" in result.output
    assert result.stderr == f"not looked at: the specs in {Path('many/below')}; give the folder itself\n"
    told = json.loads(run("check", "--json", "many").output)
    assert [Path(row["spec"]).name for row in told["specs"]] == ["a.yaml", "b.YAML", "c.Yml"]
    assert told["skipped"] == [str(Path("many/below"))]
    above = run("check", "many/below")
    assert above.exit_code == 2
    assert f"there are in {Path('many/below/deeper')}" in above.output
    assert run("summary", "many/b.YAML").exit_code == 0


@pytest.mark.parametrize("where", ["parms <= 2M", "params <=", "1 < 2"])
def test_a_bad_condition_of_the_command_line_is_blamed_on_itself(where: str, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("space: 1\nbase: cifar_resnet20\naxes: {depth: [20, 26]}\nwhere: [params <= 1M]\n")
    result = run("sweep", str(space), "--out", str(tmp_path / "out"), "--where", where)
    assert result.exit_code == 1
    assert f"the condition '{where}'" in result.stderr
    assert "space.yaml" not in result.stderr
    for line, text in ((3, "axes: {depth: {from: 20}}"), (4, f"where: [params <= 1M, {where}]")):
        lines = space.read_text().split("\n")
        space.write_text("\n".join([*lines[: line - 1], text, *lines[line:]]))
        result = run("sweep", str(space), "--out", str(tmp_path / "out"))
        assert f"space.yaml:{line}:" in result.stderr
        space.write_text("\n".join(lines))


def test_list_names_the_zoo() -> None:
    rows = json.loads(run("list", "--json").output)
    assert [row["name"] for row in rows] == zoo.names()
    found = {row["name"]: row for row in rows}
    assert found["iresnet404"]["params"] == 124524328
    assert found["iresnet404"]["layers"] == 404
    some = run("list", "iresnet", "404").output
    assert "124.52 M" in some
    assert "resnet18" not in some


def test_checking_and_summarising_import_no_torch(small: Path) -> None:
    code = (
        "import sys\nfrom archspec.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\nassert 'torch' not in sys.modules, 'torch was imported'"
    )
    for arguments in (
        ["check", "small.yaml"],
        ["summary", "small.yaml"],
        ["show", "small.yaml", "--graph"],
        ["schema"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=small.parent
        )
        assert done.returncode == 0, done.stderr
