"""Memory that runs out: on which device, and which settings of the recipe would save most."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from safetensors import SafetensorError

from . import devices
from .errors import InputError, WorkError
from .plan import Plan

SHOWN = 3  # settings that are named
_WORTH = 0.02  # of what a stage needs; what saves less is not named
# how torch and what it builds on say it, where they have no class of errors for it; the last are oneDNN's
_SAID = (
    *("allocate memory", "out of memory", "not enough memory", "bad_alloc", "alloc_failed"),
    *("could not create a primitive", "could not create a memory"),
)


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, (RuntimeError, SafetensorError)) and any(words in str(error).lower() for words in _SAID)


@contextmanager
def told(when: str, device: str, hint: Callable[[], str]) -> Generator[None]:
    """Inside, running out of memory on `device`, a word of a recipe, becomes a `WorkError`; `when` begins its message.

    The hint is asked for where it is needed.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError, SafetensorError) as error:
        if not ran_out(error):
            raise
        traceback.clear_frames(error.__traceback__)  # the tensors that they hold are what there is no room beside
        raise WorkError(f"{when}: out of memory on {devices.device(device)}", hint()) from error


@contextmanager
def watched(plan: Plan, stage: str, when: str) -> Generator[None]:
    """As `told`, for the generator's device, with what would save most for a hint.

    `stage` is one of the estimate's: encode | train | look | evaluate.
    """
    with told(when, plan.generator.device, lambda: levers(plan, stage)):
        yield


def levers(plan: Plan, stage: str) -> str:
    """The settings that would save most in a stage of the run, largest first, with what it then needs."""
    from . import advice, capacity, estimate
    from .counting import size

    device = capacity.device(plan.generator.device)

    def needed(of: Plan) -> int:
        return next(one.total for one in estimate.estimate(of, device).stages if one.name == stage)

    try:
        whole = needed(plan)
        saving = sorted(((needed(one.made(plan)), one) for one in advice.changes(plan)), key=lambda pair: pair[0])
    except (InputError, MemoryError):  # configurations that do not say, or no room to read them
        return "generator.checkpointing: true, a smaller train.batch and generator.dtype: bfloat16 save most"
    worth = [(less, one) for less, one in saving if less <= (1 - _WORTH) * whole][:SHOWN]
    if not worth:
        return f"no setting of the recipe saves much: a device with more than {size(whole)} to spare is needed"
    told = [f"{one.key}: {one.value} ({one.note}): {size(less)}" for less, one in worth]
    return f"it needs about {size(whole)} above the framework's own; what saves most: {'; '.join(told)}"
