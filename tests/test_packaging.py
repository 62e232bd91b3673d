"""The wheel: nothing but archspec at its top level, the zoo as data, usable from an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from archspec.language import zoo

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # A copy of what is tracked, so that no build folder appears in the checkout.
    source = tmp_path_factory.mktemp("source")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_symlink():
                (source / name).symlink_to(os.readlink(ROOT / name))
            else:
                (source / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = out.glob("*.whl")
    return found


def test_top_level(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"archspec"}
    assert "archspec/compiler/expand/spec.py" in names
    assert "archspec/language/standard.yaml" in names
    assert "archspec/py.typed" in names
    assert {f"archspec/specs/{name}.yaml" for name in zoo.names()} <= set(names)
    assert not [name for name in names if "test" in name]


def test_use_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        f"import archspec, torch; assert archspec.__file__.startswith({str(site)!r}), archspec.__file__\n"
        "spec = archspec.load('iresnet404'); assert archspec.summarize(spec).params == 124524328\n"
        "model = archspec.build('ror3_110', device='meta')\n"
        "assert sum(p.numel() for p in model.parameters()) == archspec.summarize('ror3_110').params\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=empty,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *_elsewhere()])},
    )
    assert done.returncode == 0, done.stderr


def _elsewhere() -> list[str]:
    """Folders of PYTHONPATH outside of this checkout: where dependencies may lie."""
    folders = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return [folder for folder in folders if not Path(folder).resolve().is_relative_to(ROOT)]


def test_what_lies_on_the_path_beside_this_checkout_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folders = [str(ROOT), str(tmp_path), "", str(ROOT / "tests"), str(ROOT.parent)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
    assert _elsewhere() == [str(tmp_path), str(ROOT.parent)]
