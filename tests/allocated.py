"""What torch holds at most while something runs, counted by its own allocator: no other process moves the figure."""

from __future__ import annotations

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile


def peak(work: Callable[[], object]) -> int:
    """Bytes on the processor above those that were held before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    changes = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(changes, key=lambda one: one.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
