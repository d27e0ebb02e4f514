"""Offloading: parts of models take turns on a device, each of them whole; who waits does so in main memory.

Weights are frozen, so the copy in main memory stays good, and who leaves is only forgotten by the device. What autograd
keeps of a part keeps its weights too. A part whose backward pass is yet to come therefore runs without being kept, and
once more in the backward pass (gradient checkpointing, arXiv 1604.06174): the same numbers to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


@final
class Turns:
    """A device, and the parts of models that work there: one group of them at a time, or all of them always."""

    def __init__(self, device: torch.device, taken: bool) -> None:
        """Where turns are not `taken`, every part is on the device from the beginning, and stays there."""
        self.device, self.taken = device, taken
        self.there: tuple[nn.Module, ...] = ()  # whose turn it is
        self._groups: list[tuple[nn.Module, ...]] = []
        self._frozen: dict[int, list[Tensor]] = {}  # of a part
        self._copies: list[tuple[Tensor, Tensor]] = []  # of those that are there, as main memory has them

    def meet(self, device: torch.device) -> bool:
        """Whether turns are taken on that very device."""
        one, other = ((each.type, each.index or 0) for each in (device, self.device))
        return self.taken and one == other

    def add(self, *parts: nn.Module) -> None:
        """Take in frozen parts that work together; they come to the device now, or when it is their turn."""
        self._groups.append(parts)
        for part in parts:
            if self.taken:
                self._frozen[id(part)] = [*part.parameters(), *part.buffers()]
            else:
                part.to(self.device)

    def take(self, part: nn.Module) -> None:
        """It is the turn of a part: its group comes to the device, and whoever was there leaves.

        Who was not taken in is where it works already. What is added to a part while it is there, to be trained, stays.
        """
        group = next((one for one in self._groups if part in one), None)
        if not self.taken or group is None or group is self.there:
            return
        self._leave()
        # what moves while nothing is computed with it is no part of any graph, nor of an inference
        with torch.inference_mode(False):
            for one in group:
                for tensor in self._frozen[id(one)]:
                    self._copies.append((tensor, tensor.data))
                    tensor.data = tensor.data.to(self.device)
        self.there = group

    def drop(self, *parts: nn.Module) -> None:
        """Forget parts that nobody needs any more, their copies too."""
        if set(parts) & set(self.there):
            self._leave()
        self._groups = [group for group in self._groups if not set(parts) & set(group)]
        for part in parts:
            self._frozen.pop(id(part), None)

    def led(self, part: nn.Module, method: str) -> None:
        """Let a method of a part begin with its turn, and be run again in the backward pass where it has one."""
        if not self.taken:
            return
        run: Callable[..., Any] = getattr(part, method)

        def led(*given: object, **named: object) -> Any:
            def turn() -> Any:
                self.take(part)
                return run(*given, **named)

            if not torch.is_grad_enabled():
                return turn()
            return checkpoint(turn, use_reentrant=False, preserve_rng_state=False)

        setattr(part, method, led)

    def _leave(self) -> None:
        with torch.inference_mode(False):
            for tensor, copy in self._copies:
                tensor.data = copy
        self.there, self._copies = (), []
