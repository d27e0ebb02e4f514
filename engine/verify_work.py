"""Verifying what was computed: probe pictures painted again, and the training done again, on the lock's own terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from . import adapter as adapters
from . import assembling, platforms, training
from .counting import counted
from .errors import InputError
from .jobs import Say
from .lock import Lock, Outcome
from .plan import Plan
from .probes import TOLERANCE, Compared, compare
from .verification import Composed, Finding, became

_UNKNOWN = ("the lock does not say on what it was made",)


def probes(lock: Lock, outcome: Outcome, plan: Plan, adapter: Path, say: Say) -> Iterator[Finding]:
    """Paint the lock's probes again: bit for bit the same, or, on another platform, within a tolerance."""
    say(f"painting {counted(len(outcome.probes), 'held-out picture')} again")
    with ExitStack() as stack:
        elsewhere = _entered(stack, lock, plan)
        found = compare(plan, adapter, outcome.probes)
    yield from _judged(found, elsewhere)


def _entered(stack: ExitStack, lock: Lock, plan: Plan) -> tuple[str, ...]:
    """Compute as the lock's platform did, as far as it can be told to; what differs nevertheless, in words."""
    locked = lock.platform
    stack.enter_context(platforms.threads(locked.threads if locked else 0))
    fast = locked is not None and not locked.deterministic
    stack.enter_context(platforms.deterministic(plan, fast))
    return platforms.differences(locked, platforms.here(plan, fast)) if locked else _UNKNOWN


def _judged(found: list[Compared], elsewhere: tuple[str, ...]) -> Iterator[Finding]:
    same = sum(one.same for one in found)
    if same == len(found):
        yield Finding("probes", True, f"{counted(len(found), 'picture')} painted again, bit for bit the same")
        return
    if not elsewhere:
        for one in found:
            if not one.same:
                yield Finding("probes", False, f"{one.file} is painted otherwise, on the same platform{_far(one)}")
        return
    where = f"on another platform ({'; '.join(elsewhere)})"
    if unknown := [one for one in found if not one.same and one.distance is None]:
        said = "of version 1, knows them by their bits alone"
        yield Finding(
            "probes", None, f"{counted(len(unknown), 'picture')} cannot be compared {where}: the lock, {said}"
        )
    for one in found:
        if not one.near and one.distance is not None:
            yield Finding("probes", False, f"{one.file} is painted otherwise{_far(one)}, {where}")
    if all(one.near for one in found):
        far = max(one.distance or 0 for one in found)
        bits = f"{same} of {counted(len(found), 'picture')} painted again bit for bit"
        tolerance = f"the others within {TOLERANCE} of 255 in the mean of each 8 × 8 field, by at most {far}"
        yield Finding("probes", True, f"{bits}, {tolerance}, {where}")


def _far(one: Compared) -> str:
    return "" if one.distance is None else f", means off by up to {one.distance} of 255 where {TOLERANCE} are tolerated"


def retrained(
    lock: Lock, outcome: Outcome, plan: Plan, adapter: Path, say: Say, made_of: Composed
) -> Iterator[Finding]:
    """Train again in a folder of its own, with the lock's number of threads, and compare the tensors."""
    if plan.composed.parents:
        yield _composed_again(lock, outcome, plan, say, made_of)
        return
    fast = lock.platform is not None and not lock.platform.deterministic
    with TemporaryDirectory() as folder, ExitStack() as stack:
        elsewhere = _entered(stack, lock, plan)
        say(f"training again: {counted(plan.train.steps, 'step')} at most, in {folder}")
        made = training.train(plan, Path(folder), _telling(say), fast=fast)
        if made.tensors_sha256 == outcome.tensors_sha256:
            yield Finding("retrained", True, f"{counted(made.steps, 'step')}, the same tensors, bit for bit")
            return
        said = f"other tensors: {became(outcome.tensors_sha256, made.tensors_sha256)}{_distance(made.adapter, adapter)}"
    if fast:
        said += "; the lock's were made with --fast, which promises nothing about bits"
    if lock.platform is not None and lock.platform.mixed:
        said += f"; the lock's were made on several platforms ({'; '.join(lock.platform.mixed)})"
    said += f"; this is another platform: {'; '.join(elsewhere)}" if elsewhere else "; on the same platform"
    yield Finding("retrained", False, said)


def _composed_again(lock: Lock, outcome: Outcome, plan: Plan, say: Say, made_of: Composed) -> Finding:
    """Compose the adapters again, told by their tensors."""
    if gone := made_of.missing:
        return Finding("retrained", False, f"not composed again: {', '.join(gone)} cannot be found")
    with ExitStack() as stack:
        elsewhere = _entered(stack, lock, plan)
        made = assembling.again(plan, [made_of.there[made_of.wanted[one.name]] for one in plan.composed.parents])
        sha256 = _polished_again(lock, plan, made, say) if plan.train.steps else adapters.tensors_sha256(made)
    again = (
        f"composed again and polished, {counted(plan.train.steps, 'step')}" if plan.train.steps else "composed again"
    )
    if sha256 == outcome.tensors_sha256:
        return Finding("retrained", True, f"{again}, the same tensors, bit for bit")
    where = f"this is another platform: {'; '.join(elsewhere)}" if elsewhere else "on the same platform"
    return Finding("retrained", False, f"other tensors: {became(outcome.tensors_sha256, sha256)}; {where}")


def _polished_again(lock: Lock, plan: Plan, composed: Mapping[str, Tensor], say: Say) -> str:
    """The digest of what was composed once it is polished again."""
    fast = lock.platform is not None and not lock.platform.deterministic
    with TemporaryDirectory() as folder:
        say(f"polishing again: {counted(plan.train.steps, 'step')}, in {folder}")
        return training.train(plan, Path(folder), _telling(say), fast=fast, begin=composed).tensors_sha256


def _telling(say: Say) -> training.Listen:
    """Says now and then how far a training has come."""

    def listen(step: training.Step) -> None:
        if step.step == step.steps or step.step % max(1, step.steps // 10) == 0:
            say(f"training again {step.step}/{step.steps}  loss {step.loss:.3f}  {step.seconds_left:.0f} s left")

    return listen


def _distance(made: Path, locked: Path) -> str:
    """The largest difference of a weight, in words; nothing where the two cannot be compared."""
    try:
        (new, _), (old, _) = adapters.load(made), adapters.load(locked)
    except InputError:
        return ""
    if {name: value.shape for name, value in new.items()} != {name: value.shape for name, value in old.items()}:
        return ""
    far = max(float((new[name] - old[name]).abs().max()) for name in new)
    largest = max(float(value.abs().max()) for value in old.values())
    return f", weights off by up to {far:.2g} where the largest is {largest:.2g}"
