"""How much memory some work takes, counted at the allocator: exact, and the same on every run."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch._C._profiler import _EventType


def peak_allocated(work: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """The most bytes of tensors that `work()` holds at any moment, above those held when it starts.

    On the CPU every allocation of torch's allocator is counted, on the calling thread and autograd's; what oneDNN
    takes for itself is not, and memory held before the start does not count when `work` frees it. On CUDA it is the
    caching allocator's own peak of bytes in use by tensors.
    """
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    live = peak = 0
    held: set[int] = set()
    for _, address, size in _allocations(work):
        if size > 0:
            held.add(address)
        elif address not in held:  # of something that was there before
            continue
        else:
            held.discard(address)
        live += size
        peak = max(peak, live)
    return peak


def _allocations(work: Callable[[], object]) -> list[tuple[int, int, int]]:
    """Time in ns, address and size of every allocation; sizes of what is freed are negative."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        work()
    found = []
    waiting = list(profile.profiler.kineto_results.experimental_event_tree())
    while waiting:
        event = waiting.pop()
        waiting.extend(event.children)
        if event.tag == _EventType.Allocation:
            fields = event.extra_fields
            if fields.device.type == "cpu":
                found.append((event.start_time_ns, fields.ptr, fields.alloc_size))
    return sorted(found)
