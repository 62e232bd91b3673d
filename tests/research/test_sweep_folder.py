"""A sweep's folder, changed in every way between two runs: found again, what was there kept aside, told by name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from archspec.cli import main
from archspec.research import Space, SpaceError, load_space, read_results, sweep

SPACE = """\
space: 1
name: s
base: cifar_resnet20
change:
  params: {density: 0.1, seed: 0}
  skips: [{rule: random, probability: density, seed: seed, path: B}]
axes:
  density: [0.1, 0.3]
  seed: {from: 0, to: 999999}
"""
FIRST, N = 8, 12


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "s.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def space(file: Path) -> Space:
    return load_space(file)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "aside" not in path.parts and path.name != ".lock"
    }


@pytest.fixture(scope="module")
def whole(space: Space, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole") / "out"
    sweep(space, N, folder)
    return _files(folder)


def _line(number: int, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        results = folder / "results.jsonl"
        lines = results.read_bytes().splitlines(keepends=True)
        lines[number] = change(lines[number])
        results.write_bytes(b"".join(lines))

    return damage


def _results(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        results = folder / "results.jsonl"
        results.write_bytes(change(results.read_bytes()))

    return damage


def _figure(name: str, value: object) -> Callable[[bytes], bytes]:
    return lambda line: json.dumps({**json.loads(line), name: value}, separators=(",", ":")).encode() + b"\n"


DAMAGES = {
    "a line lost": _line(3, lambda line: b""),
    "the first line lost": _line(0, lambda line: b""),
    "a line doubled": _line(3, lambda line: line * 2),
    "lines exchanged": _results(lambda text: b"".join(sorted(text.splitlines(keepends=True), reverse=True))),
    "a figure changed": _line(3, _figure("params", 1)),
    "a signature changed": _line(3, _figure("signature", "00" * 16)),
    "a number changed": _line(3, _figure("number", 4)),
    "a choice changed": _line(3, _figure("choice", {})),
    "a field more": _line(3, _figure("more", 1)),
    "a check changed": _line(3, _figure("check", "00" * 8)),
    "the last figure changed": _line(FIRST - 1, _figure("params", 1)),
    "a letter changed": _line(3, lambda line: line.replace(b"1", b"2", 1)),
    "spaces": _line(3, lambda line: line.replace(b":", b": ")),
    "CRLF": _results(lambda text: text.replace(b"\n", b"\r\n")),
    "a byte order mark": _results(lambda text: b"\xef\xbb\xbf" + text),
    "not UTF-8": _line(3, lambda line: b"\xff\n"),
    "no JSON": _line(3, lambda line: b"not json\n"),
    "no mapping": _line(3, lambda line: b"[]\n"),
    "an empty line": _line(3, lambda line: b"\n"),
    "deeply nested": _line(3, lambda line: b"[" * 100_000 + b"]" * 100_000 + b"\n"),
    "a number of many digits": _line(3, lambda line: b'{"number":' + b"9" * 5_000 + b"}\n"),
    "a zero byte": _line(3, lambda line: b"\0" + line),
}
UNTOLD = {
    "cut off": _results(lambda text: text[:-7]),
    "nothing left": _results(lambda text: b""),
    "only half a line": _results(lambda text: text[:40]),
    "no specs": lambda folder: [path.unlink() for path in (folder / "specs").iterdir()],
    "a spec lost": lambda folder: min((folder / "specs").iterdir()).unlink(),
    "a spec half written": lambda folder: (path := min((folder / "specs").iterdir())).write_bytes(
        path.read_bytes()[:50]
    ),
    "a spec begun": lambda folder: min((folder / "specs").iterdir()).write_bytes(b""),
    "the settings with other line ends": lambda folder: (path := folder / "sweep.json").write_bytes(
        b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")
    ),
    "parts left by a kill": lambda folder: (folder / ".sweep.json.part").write_bytes(b"{"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_was_changed_is_found_again(
    name: str, space: Space, whole: dict[str, bytes], tmp_path: Path
) -> None:  # fmt: skip
    sweep(space, FIRST, tmp_path / "out")
    DAMAGES[name](tmp_path / "out")
    changed = (tmp_path / "out" / "results.jsonl").read_bytes()
    with pytest.raises(SpaceError, match=r"line \d+, is not as a sweep wrote it"):
        list(read_results(tmp_path / "out"))
    done = sweep(space, N, tmp_path / "out")
    (note,) = done.notes
    assert "results.jsonl" in note
    kept = tmp_path / "out" / "aside" / "results.jsonl.1"
    assert str(kept) in note
    assert kept.read_bytes() == changed
    assert _files(tmp_path / "out") == whole
    assert len(list(read_results(tmp_path / "out"))) == done.found == N


@pytest.mark.parametrize("name", UNTOLD)
def test_what_a_kill_may_leave_is_mended(name: str, space: Space, whole: dict[str, bytes], tmp_path: Path) -> None:
    sweep(space, FIRST, tmp_path / "out")
    UNTOLD[name](tmp_path / "out")
    done = sweep(space, N, tmp_path / "out")
    assert done.notes == ()
    (tmp_path / "out" / ".sweep.json.part").unlink(missing_ok=True)
    assert _files(tmp_path / "out") == whole


def test_specs_that_were_left_out_at_first(space: Space, whole: dict[str, bytes], tmp_path: Path) -> None:
    sweep(space, FIRST, tmp_path / "out", specs=False)
    assert not list((tmp_path / "out" / "specs").iterdir())
    sweep(space, N, tmp_path / "out")
    assert _files(tmp_path / "out") == whole


def test_a_spec_that_someone_changed_is_kept(space: Space, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    sweep(space, FIRST, out)
    path = min((out / "specs").iterdir())
    for number in (1, 2):
        path.write_text("archspec: 1\n# mine\n")
        done = sweep(space, N, out)
        (note,) = done.notes
        assert path.name in note
        assert (out / "aside" / f"{path.name}.{number}").read_text() == "archspec: 1\n# mine\n"
    assert _files(out) == whole


def test_nothing_is_written_through_a_link(space: Space, whole: dict[str, bytes], tmp_path: Path) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    mine.write_text("mine")
    sweep(space, FIRST, out)
    path = min((out / "specs").iterdir())
    path.unlink()
    path.symlink_to(mine)
    assert len(sweep(space, N, out).notes) == 1
    assert not path.is_symlink()
    assert mine.read_text() == "mine"
    (out / ".lock").unlink()
    (out / ".lock").symlink_to(mine)
    with pytest.raises(SpaceError, match="cannot be written"):
        sweep(space, N, out)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("settings", [b"\xff\xfe", b"", b"{", b"[]", b"[" * 100_000, b'{"space": "s"}', b"1" * 5_000])
def test_settings_that_are_none(settings: bytes, space: Space, tmp_path: Path) -> None:
    sweep(space, 2, tmp_path)
    before = (tmp_path / "results.jsonl").read_bytes()
    (tmp_path / "sweep.json").write_bytes(settings)
    with pytest.raises(SpaceError, match="holds another sweep"):
        sweep(space, 3, tmp_path)
    assert (tmp_path / "results.jsonl").read_bytes() == before
    assert (tmp_path / "sweep.json").read_bytes() == settings


def test_lines_of_another_sweep_are_not_believed(space: Space, whole: dict[str, bytes], tmp_path: Path) -> None:
    sweep(space, FIRST, tmp_path / "out")
    sweep(space, FIRST, tmp_path / "other", seed=1)
    os.replace(tmp_path / "other" / "results.jsonl", tmp_path / "out" / "results.jsonl")
    assert len(sweep(space, N, tmp_path / "out").notes) == 1
    assert _files(tmp_path / "out") == whole


def test_the_command_tells(file: Path, tmp_path: Path) -> None:
    command = ["sweep", str(file), "--n", "4", "--out", str(tmp_path / "out"), "--no-plot"]
    assert CliRunner().invoke(main, command).exit_code == 0
    DAMAGES["a figure changed"](tmp_path / "out")
    run = CliRunner().invoke(main, command)
    assert run.exit_code == 0
    assert "line 4, is not as the sweep wrote it" in run.output


@pytest.mark.parametrize(
    "name", ["../../../pwn", "/abs/path", "a: b", "a\nb", "", ".hidden", "a/b", "x" * 61, "é", "a\0"]
)
def test_a_space_cannot_be_called_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="cannot be a space's name"):
        Space("cifar_resnet20", {"depth": [20]}, name=name)
    path = tmp_path / "s.yaml"
    path.write_text(f"space: 1\nname: {json.dumps(name)}\nbase: cifar_resnet20\naxes: {{depth: [20]}}\n")
    run = CliRunner().invoke(
        main, ["sweep", str(path), "--n", "1", "--out", str(tmp_path / "out" / "deep"), "--no-plot"]
    )
    assert run.exit_code == 1
    assert "cannot be a space's name" in run.output
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["s.yaml"]


def test_a_file_whose_name_names_no_space(tmp_path: Path) -> None:
    path = tmp_path / "my space.yaml"
    path.write_text("space: 1\nbase: cifar_resnet20\naxes: {depth: [20]}\n")
    run = CliRunner().invoke(main, ["sweep", str(path), "--n", "1", "--out", str(tmp_path / "out")])
    assert run.exit_code == 1
    assert "unless it says `name: ...`" in run.output
