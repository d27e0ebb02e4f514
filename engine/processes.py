"""Several processes of one training, as `torchrun` or `accelerate launch` start them: one leads, the others help.

A command is the first one's own: it alone reads, decides, writes and speaks. The others wait for a training of its,
work out their share of every batch, and end when it does. They are connected by torch's gloo, whatever they compute on:
what goes between them is as large as an adapter. No torch is imported here before they are.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from .counting import counted
from .document import Document
from .errors import ControlError, InputError, Place, Problem, WorkError
from .plan import Plan

if TYPE_CHECKING:
    from torch import Tensor

    from .streams import Share

_T = TypeVar("_T")
_LAUNCHED = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}  # torch's own names for what a launcher says
_PATIENCE = timedelta(days=30)  # for what another does alone: who is gone is noticed at once


class _Gone(WorkError):
    """Another process ended in the middle of the work."""


def started() -> int:
    """How many processes a launcher started, this one included."""
    return int(os.environ["WORLD_SIZE"]) if os.environ.keys() >= _LAUNCHED else 1


def rank() -> int:
    """Which of them this is, from 0, the one that leads."""
    return int(os.environ["RANK"]) if started() > 1 else 0


def local_rank() -> int:
    """Which of them this is on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0")) if started() > 1 else 0


def count() -> int:
    """How many processes share the work: those that are connected."""
    if started() == 1:
        return 1
    from torch import distributed

    return distributed.get_world_size() if distributed.is_initialized() else 1


def refuse_idle(plan: Plan, document: Document | None = None) -> None:
    """Raises `InputError`, at its place in the recipe, where a batch has not a picture for each process."""
    number = count()
    if not plan.train.steps or (pictures := at_once(plan)) >= number:
        return
    one = plan.train.optimize != "adapter"
    path = ("train", "optimize") if one else ("train", "batch")
    place = Place(plan.name) if document is None else document.place(path)
    message = f"{number} processes are to share a batch of {counted(pictures, 'picture')}"
    hint = "start one" if one else f"start {pictures} at most, or let train.batch be {number}"
    raise InputError([Problem(place, ".".join(path), message, hint)])


def at_once(plan: Plan) -> int:
    """How many pictures a batch has: of a replay's buffer none is drawn twice."""
    batch, buffer = plan.train.batch, plan.train.replay.buffer
    return min(batch, buffer) if buffer else batch


@contextmanager
def connected() -> Generator[None]:
    """Inside, the processes that a launcher started are connected; a single one needs nothing.

    Raises `WorkError` where they do not find each other.
    """
    if started() == 1:
        yield
        return
    from torch import distributed

    try:
        distributed.init_process_group("gloo", timeout=_PATIENCE)
    except RuntimeError as error:
        raise WorkError(f"the {started()} processes cannot be connected: {error}") from error
    try:
        yield
    finally:
        distributed.destroy_process_group()


def follow(serve: Callable[[], None]) -> None:
    """Follow the leader from order to order until it ends, of whatever; Ctrl-C and SIGTERM are for it to hear."""
    with connected():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        while True:
            try:
                serve()
            except _Gone:
                return
            except ControlError:  # which the leader has been told, and tells
                continue


def tell(order: object) -> None:
    """Let the helpers know what to do next."""
    if count() > 1:
        _from_leader([order])


def told() -> Any:
    """What the leader says is to be done next."""
    heard: list[Any] = [None]
    _from_leader(heard)
    return heard[0]


def agreed(work: Callable[[], _T]) -> _T:
    """What `work` comes to in this process, once it is done in all of them; where it failed in one, all raise that."""
    if count() == 1:
        return work()
    failed: ControlError | None = None
    done: list[_T] = []
    try:
        done.append(work())
    except ControlError as error:
        failed = error
    for which, one in enumerate(gathered(failed)):
        if one is not None:
            raise failed if failed is not None and which == rank() else one
    return done[0]


def gathered(own: _T) -> list[_T]:
    """What each process has, in their order."""
    if count() == 1:
        return [own]
    from torch import distributed

    found: list[Any] = [None] * count()
    with _together():
        distributed.all_gather_object(found, own)
    return found


def share(pictures: int) -> Share:
    """The share of a batch that is this process's; the first ones have one more where it does not come out even."""
    from .streams import Share

    size, more = divmod(pictures, count())
    start = rank() * size + min(rank(), more) if count() > 1 else 0
    return Share(start, start + size + (rank() < more), pictures)


def whole(part: Tensor, share: Share) -> Tensor:
    """The batch [B, …] of which every process has its share."""
    if count() == 1:
        return part
    found = part.new_zeros(share.of, *part.shape[1:], device="cpu")
    found[share.start : share.end] = part.cpu()
    _sum(found)
    return found.to(part.device)


def sum_gradients(weights: Iterable[Tensor]) -> None:
    """Let the gradients of weights be their sums over all processes."""
    if count() == 1:
        return
    import torch

    found = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
    flat = torch.cat([one.detach().cpu().flatten() for one in found])
    _sum(flat)
    for weight, summed in zip(weights, flat.split([one.numel() for one in found]), strict=True):
        weight.grad = summed.view(weight.shape).to(weight)


def spread(tensors: Iterable[Tensor]) -> None:
    """Let tensors that all processes have, of one dtype, hold what the leader's hold."""
    if count() == 1:
        return
    import torch
    from torch import distributed

    listed = list(tensors)
    flat = torch.cat([one.detach().cpu().flatten() for one in listed])
    with _together():
        distributed.broadcast(flat, src=0)
    if rank():
        for one, same in zip(listed, flat.split([each.numel() for each in listed]), strict=True):
            one.detach().copy_(same.view(one.shape))


def _from_leader(objects: list[Any]) -> None:
    from torch import distributed

    with _together():
        distributed.broadcast_object_list(objects, src=0)


def _sum(found: Tensor) -> None:
    from torch import distributed

    with _together():
        distributed.all_reduce(found)


@contextmanager
def _together() -> Generator[None]:
    """Inside, that a process does not answer any more is said in words."""
    try:
        yield
    except RuntimeError as error:
        hint = "what it ended of stands above, where it could say so; the same command goes on"
        raise _Gone(f"one of the {started()} processes ended", hint) from error
