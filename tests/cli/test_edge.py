"""What ends a command from outside: an interrupt, a closed or full output, a narrow encoding, a package not there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ARCHSPEC = [sys.executable, "-m", "archspec"]
NO_TORCH = (
    "import sys; sys.modules['torch'] = None; sys.argv[0] = 'archspec'; from archspec.__main__ import main; main()"
)
FULL = Path("/dev/full")


def ended(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        preexec_fn=_heeding,
        **options,  # type: ignore[call-overload]
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text("space: 1\nbase: cifar_resnet20\naxes: {depth: {from: 20, to: 99999}}\nwhere: [depth == 1]\n")
    return path


def _heeding() -> None:
    """Has a process be interrupted: one that was started in the background inherits that it is not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("after", [0.05, 0.15, 0.2, 0.3, 1.2])
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_at_any_moment(after: float, jobs: int, space: Path, tmp_path: Path) -> None:
    command = [*ARCHSPEC, "sweep", str(space), "--n", "9", "--out", str(tmp_path / "out"), "--jobs", str(jobs)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0, preexec_fn=_heeding
    )
    time.sleep(after * random.Random(after).uniform(0.9, 1.1))
    if "archspec" not in _imports(process.pid):  # Python itself has not begun: nothing of ours could meet the signal
        while process.poll() is None and "archspec" not in _imports(process.pid):
            time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stderr in ("archspec: interrupted\n", "")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not list processes")
def test_an_interrupt_while_others_work_leaves_nothing_behind(space: Path, tmp_path: Path) -> None:
    """No word of Python's about semaphores, and no process."""
    command = [*ARCHSPEC, "sweep", str(space), "--n", "9", "--out", str(tmp_path / "out"), "--jobs", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0, preexec_fn=_heeding
    )
    while process.poll() is None and sum("archspec" in _imports(pid) for pid in _children(process.pid)) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, "archspec: interrupted\n")
    end = time.monotonic() + 10
    while _alive(process.pid):
        assert time.monotonic() < end
        time.sleep(0.05)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _imports(pid: int) -> str:
    """Whether a process has begun on our files: pydantic's shared library is mapped while they are imported."""
    try:
        return "archspec" if "pydantic_core" in Path(f"/proc/{pid}/maps").read_text() else ""
    except OSError:
        return "archspec"


def test_an_interrupt_while_torch_is_loaded(tmp_path: Path) -> None:
    command = [*ARCHSPEC, "build", "resnet18", "--out", str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heeding,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()  # the table of the summary: torch comes next
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr


def test_an_interrupt_that_an_import_makes_something_else_of() -> None:
    program = (
        "import os, signal, sys, types\n"
        "import archspec.cli.edge as edge\n"
        "def invoke():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        while True: pass\n"
        "    except KeyboardInterrupt:\n"
        "        raise ImportError('cannot load the library') from None\n"
        "edge._invoke = invoke\n"
        "edge.run()\n"
    )
    done = ended([sys.executable, "-c", program])
    assert (done.returncode, done.stderr) == (130, "archspec: interrupted\n")


@pytest.mark.parametrize("command", [["show", "iresnet404", "--graph"], ["summary", "iresnet404", "--depth", "op"]])
def test_a_reader_that_goes_away(command: list[str]) -> None:
    process = subprocess.Popen([*ARCHSPEC, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    told = process.stderr.read()
    assert process.wait(timeout=60) == 141
    assert told == ""


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", [["summary", "resnet18"], ["show", "resnet18"], ["check", "resnet18"], ["--help"]])
def test_a_full_output(command: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run([*ARCHSPEC, *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "archspec: cannot write: No space left on device\n")


@pytest.mark.parametrize(("closed", "told"), [(">&-", True), ("2>&-", False), (">&- 2>&-", False)])
def test_outputs_that_are_closed(closed: str, told: bool) -> None:
    done = ended(["sh", "-c", f'"$0" -m archspec summary resnet18 {closed}', sys.executable])
    assert done.returncode == (0 if closed == "2>&-" else 1)
    assert ("standard output is closed" in done.stderr) == told


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "ascii:strict"])
@pytest.mark.parametrize(
    "command", [["summary", "resnet50"], ["table", "resnet18"], ["show", "wrn28_10"], ["analyze", "resnet18"]]
)
def test_an_encoding_that_lacks_letters(encoding: str, command: list[str]) -> None:
    done = ended([*ARCHSPEC, *command], env={**os.environ, "PYTHONIOENCODING": encoding})
    assert done.returncode == 0
    assert done.stdout


def test_signs_are_typed_where_there_are_none() -> None:
    done = ended([*ARCHSPEC, "summary", "resnet50"], env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert "7x7 conv, 64, /2 * 3x3" in done.stdout


def test_a_problem_with_letters_that_an_encoding_lacks(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("archspec: 1\ninput: {size: [8, 8]}\nstem: [rélu]\n", encoding="utf-8")
    done = ended([*ARCHSPEC, "check", str(path)], env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 1
    assert "there is no operator" in done.stderr


@pytest.mark.parametrize("command", ["check", "summary", "build"])
def test_a_package_that_is_not_there(command: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("archspec: 1\ninput: {size: [8, 8]}\nstem: [module: {type: ReLU}]\n")
    done = ended([sys.executable, "-c", NO_TORCH, command, str(path)])
    assert done.returncode == 1
    assert done.stderr == "archspec: this needs the package 'torch', which is not installed\n"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--version"], 0), (["--help"], 0), ([], 2), (["nothing"], 2), (["check", "nothing"], 2), (["check", "-x"], 2),
     (["check", "resnet18"], 0), (["summary", "resnet18", "--set", "a=1"], 1)],
)  # fmt: skip
def test_other_ends_are_what_they_were(arguments: list[str], status: int) -> None:
    assert ended([*ARCHSPEC, *arguments]).returncode == status


def test_a_fault_of_our_own_is_not_hidden() -> None:
    program = "import archspec.cli.edge as edge\nedge._invoke = lambda: 1 // 0\nedge.run()\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
