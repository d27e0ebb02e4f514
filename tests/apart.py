"""Two devices on one processor: `cpu`, and `cpu:0`, to which torch copies as to any other; who mixes them is refused.

torch computes on both alike, and forgets of a tensor which of them it is on. Inside `Devices` that is kept, by storage:
tensors say it, `to` goes by it, and operations that no two real devices could take part in raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

HERE, THERE = torch.device("cpu"), torch.device("cpu:0")
# which take tensors of two devices: what is copied, and indices in main memory
_ACROSS = {
    "aten::copy_",
    "aten::_to_copy",
    "aten::index.Tensor",
    "aten::index_put",
    "aten::index_put_",
    "aten::_index_put_impl_",
}


class Mixed(AssertionError):
    """An operation was given tensors of two devices."""


@final
class _Places:
    def __init__(self) -> None:
        self._known: dict[int, tuple[StorageWeakRef, torch.device]] = {}

    def of(self, tensor: Tensor) -> torch.device:
        """Where a tensor is; in main memory unless it came elsewhere."""
        return self.known(tensor) or HERE

    def known(self, tensor: Tensor) -> torch.device | None:
        """The same; None of what torch made itself, in a backward pass."""
        if tensor.is_meta:  # as models are before their weights come
            return torch.device("meta")
        found = self._known.get(tensor.untyped_storage()._cdata)
        return None if found is None or found[0].expired() else found[1]

    def put(self, tensor: Tensor, place: torch.device, *, anew: bool = False) -> None:
        """Say where a tensor is, whose storage has no place yet, or is to have another one `anew`."""
        storage = tensor.untyped_storage()
        found = self._known.get(storage._cdata)
        if anew or found is None or found[0].expired():
            # as long as the reference is kept, no other storage has its address
            self._known[storage._cdata] = StorageWeakRef(storage), place


_PLACES = _Places()  # what is kept from one time to the next, as caches are, stays where it is


class _Operations(TorchDispatchMode):
    def __init__(self, places: _Places) -> None:
        super().__init__()
        self.places = places

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        tensors = [one for one in tree_leaves((args, given)) if isinstance(one, Tensor)]
        # a number in main memory goes with everything
        places = {place for one in tensors if one.dim() and (place := self.places.known(one))}
        if len(places) > 1 and func.name() not in _ACROSS:
            raise Mixed(f"{func.name()}: {[(tuple(one.shape), str(self.places.of(one))) for one in tensors]}")
        made = func(*args, **given)
        # others are told the device by torch itself, which knows of one
        place = given.get("device") if func.name() == "aten::_to_copy" else None
        place = place or next((found for one in tensors if (found := self.places.known(one)) in places), None)
        for one in tree_leaves(made):
            if place is not None and isinstance(one, Tensor):
                self.places.put(one, place)
        return made


class _Words(TorchFunctionMode):
    def __init__(self, places: _Places) -> None:
        super().__init__()
        self.places = places

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func == Tensor.device.__get__:
            return self.places.of(args[0])
        if func is Tensor.to and len(args) > 1 and isinstance(args[1], Tensor):
            return self._moved((args[0], self.places.of(args[1]), args[1].dtype), given)
        if func is Tensor.to:
            return self._moved(args, given)
        made = func(*args, **given)
        name = getattr(func, "__name__", "")
        asked = given.get("device")
        if asked is None and (name.startswith("new_") or name.endswith("_like")):
            asked = self.places.of(args[0])
        if asked is None and not any(isinstance(one, Tensor) for one in tree_leaves((args, given))):
            asked = HERE
        if asked is not None and isinstance(made, Tensor) and not made.is_meta:
            self.places.put(made, torch.device(asked), anew=True)
        return made

    def _moved(self, args: Sequence[Any], given: Mapping[str, Any]) -> Any:
        """As torch moves, but that it takes what is there already for what is in main memory."""
        tensor, asked = args[0], (*args[1:], given.get("device"), given.get("dtype"))
        named = [torch.device(one) for one in asked if isinstance(one, (str, torch.device))]
        dtype = next((one for one in asked if isinstance(one, torch.dtype)), tensor.dtype)
        if not named or named[0] == self.places.of(tensor):
            made = Tensor.to(tensor, dtype)
            self.places.put(made, self.places.of(tensor))
            return made
        made = Tensor.to(tensor, device=named[0], dtype=dtype, copy=True)
        self.places.put(made, named[0], anew=True)
        return made


@contextmanager
def devices() -> Iterator[Callable[[Tensor], torch.device]]:
    """Inside, `cpu` and `cpu:0` are two devices; gives what says where a tensor is."""
    with _Words(_PLACES), _Operations(_PLACES):
        yield _PLACES.of
