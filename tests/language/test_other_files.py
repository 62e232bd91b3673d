"""A spec may be a link to any file, or extend one: of what is no spec, nothing is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from archspec.cli import main

SECRETS = {
    "a list of users": b"root:x:0:0:hunter2:/root:/bin/bash\ndaemon:x:1:1\n",
    "a key": b"-----BEGIN PRIVATE KEY-----\nhunter2==\n",
    "settings": b"[default]\npassword = hunter2\n",
    "YAML of something else": b"password: hunter2\nusers: [hunter2, on, 010]\nhunter2: 1\nhunter2: 2\n",
    "a scalar": b"hunter2\n",
    "a list": b"- hunter2\n- no\n",
    "broken YAML": b"a: 'hunter2\n",
    "a tag": b"!hunter2 x\n",
    "an alias": b"a: *hunter2\n",
    "not UTF-8": b"hunter2\n\xff\xfe hunter2\n",
    "zeros": b"hunter2\0\0\n",
    "JSON": b'{"password": "hunter2"}\n',
    "a mention": b"# see archspec: hunter2\npassword: hunter2\n",
}


def _link(secret: Path, folder: Path) -> list[str]:
    (folder / "spec.yaml").symlink_to(secret)
    return ["check", str(folder / "spec.yaml")]


def _extended(secret: Path, folder: Path) -> list[str]:
    (folder / "base.yaml").symlink_to(secret)
    (folder / "spec.yaml").write_text("archspec: 1\nextends: base.yaml\n")
    return ["summary", str(folder / "spec.yaml")]


def _outside(secret: Path, folder: Path) -> list[str]:
    (folder / "spec.yaml").write_text(f"archspec: 1\nextends: ../{secret.name}\n")
    return ["show", str(folder / "spec.yaml")]


def _space(secret: Path, folder: Path) -> list[str]:
    (folder / "space.yaml").symlink_to(secret)
    return ["sweep", str(folder / "space.yaml"), "--out", str(folder / "out")]


def _base(secret: Path, folder: Path) -> list[str]:
    (folder / "base.yaml").symlink_to(secret)
    (folder / "space.yaml").write_text("space: 1\nbase: base.yaml\naxes: {depth: [20]}\n")
    return ["sweep", str(folder / "space.yaml"), "--out", str(folder / "out")]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("way", [_link, _extended, _outside, _space, _base])
def test_nothing_of_a_file_that_is_no_spec_is_shown(
    way: Callable[[Path, Path], list[str]], name: str, tmp_path: Path
) -> None:  # fmt: skip
    secret, folder = tmp_path / "secret.yaml", tmp_path / "folder"
    secret.write_bytes(SECRETS[name])
    folder.mkdir()
    run = CliRunner().invoke(main, way(secret, folder))
    assert run.exit_code == 1
    assert isinstance(run.exception, SystemExit)
    assert run.output.strip()
    assert "hunter2" not in run.output


@pytest.mark.parametrize(
    "start",
    ["archspec: 1", "\ufeffarchspec: 1", "# a\n\narchspec: 1", "{archspec: 1", "'archspec': 1", "a: 1\narchspec: 1"],
)
def test_what_has_begun_as_a_spec_is_quoted(start: str, tmp_path: Path) -> None:
    end = ", nothing: 1}" if start.startswith("{") else "\nnothing: 1"
    (tmp_path / "spec.yaml").write_text(f"{start}{end}\n", encoding="utf-8")
    run = CliRunner().invoke(main, ["check", str(tmp_path / "spec.yaml")])
    assert run.exit_code == 1
    assert "there is no field 'nothing' here" in run.output
    assert "nothing: 1" in run.output
