"""The process that measures: its children's time, its caches, its memory, what it says of errors."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from archspec.bench.caches import NAME, caches
from archspec.bench.machine import describe_machine, measure_ceiling
from archspec.bench.process import children_seconds
from archspec.bench.rival import told

BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_children_count_while_they_run_and_after() -> None:
    before = children_seconds()
    with subprocess.Popen([sys.executable, "-c", BUSY + "print(flush=True)\ninput()"], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        running = children_seconds() - before
        child.communicate(b"\n")
    ended = children_seconds() - before
    assert running >= 0.28
    assert running - 0.02 <= ended < running + 1  # counted once, not twice


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_kept_memory_faults_no_more() -> None:
    program = (
        "import resource, torch\n"
        "from archspec.bench.process import keep_memory\n"
        "assert keep_memory()\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(10): torch.zeros(4_000_000)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "faults(); print(faults())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000  # ten times 16 MB are 39,000 pages


def test_caches_are_empty_and_go_afterwards(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(NAME, "/the/user's")
    folders = []
    with caches(warm=False) as own:
        assert own.cold
        for _ in range(2):
            with own.empty():
                folders.append(os.environ[NAME])
                assert os.listdir(folders[-1]) == []
        with pytest.raises(KeyError), own.empty():
            raise KeyError("passes through")
    assert "kept" not in caplog.text
    assert len({*folders}) == 2
    assert not any(os.path.exists(folder) for folder in folders)
    assert os.environ[NAME] == "/the/user's"
    with caches(warm=True) as theirs:
        assert not theirs.cold
        with theirs.empty():
            assert os.environ[NAME] == "/the/user's"


def test_the_ceiling_and_the_machine() -> None:
    ceiling = measure_ceiling(torch.device("cpu"), torch.float32, seconds=0.02)
    assert ceiling.flops_per_second > 1e8
    assert (ceiling.size in (512, 1024, 2048), ceiling.dtype, ceiling.tf32) == (True, "float32", False)
    machine = describe_machine(torch.device("cpu"), memory_kept=True)
    assert machine.name
    assert machine.threads == torch.get_num_threads()


def test_errors_in_one_line() -> None:
    assert told(RuntimeError("first\nsecond")) == "first"
    assert told(torch.OutOfMemoryError("CUDA out of memory. Tried")) == "out of memory: CUDA out of memory. Tried"
    assert told(RuntimeError("DefaultCPUAllocator: can't allocate memory: x")).startswith("out of memory: ")
    assert told(MemoryError()) == "out of memory"
    assert told(KeyError("name")) == "KeyError: 'name'"
    assert told(RuntimeError()) == "RuntimeError"
