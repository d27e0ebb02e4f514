"""Carrying: what a composed adapter says of the adapters that it was made of, theirs with all that they carry.

`control_recipes.parents` is JSON: of every parent its name, weight and digest of tensors, and, where it was one of
ours, the texts and inputs that it carried, and its own parents. Free of torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from . import lockfile
from .plan import Parent

KEY = "control_recipes.parents"
_DEEPEST = 16  # adapters composed of adapters composed of…


class Ancestor(BaseModel):
    """A parent of a composed adapter, as its header has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$", max_length=200)
    weight: float
    tensors_sha256: str
    recipe: str = ""
    included: dict[str, str] = {}
    inputs: dict[str, Any] | None = None  # of a lock; None where it carried none
    parents: list[Ancestor] = []

    @property
    def inputs_text(self) -> str:
        """The inputs as the adapter carried them."""
        return lockfile.compact(self.inputs) if self.inputs is not None else ""


class _Listed(BaseModel):
    model_config = ConfigDict(strict=True)

    version: Literal[1]
    parents: list[Ancestor]


def ancestor(parent: Parent, metadata: Mapping[str, str]) -> Ancestor:
    """A parent with what its own header carries; raises ValueError where that is nothing of ours."""
    inputs = metadata.get("control_recipes.inputs")
    return Ancestor(
        name=parent.name,
        weight=parent.weight,
        tensors_sha256=parent.tensors_sha256,
        recipe=metadata.get("control_recipes.recipe", ""),
        included=json.loads(metadata.get("control_recipes.included", "{}")),
        inputs=None if inputs is None else json.loads(inputs),
        parents=list(parents(metadata)),
    )


def parents(metadata: Mapping[str, str]) -> tuple[Ancestor, ...]:
    """The parents that a header names; none where the adapter is not composed. Raises ValueError for what is none."""
    if KEY not in metadata:
        return ()
    try:
        found = tuple(_Listed.model_validate_json(metadata[KEY]).parents)
    except (ValidationError, RecursionError) as error:
        raise ValueError("does not say what it is composed of") from error
    if len({one.name for one in found}) < len(found):
        raise ValueError("is composed of two adapters of one name")
    if _depth(found) > _DEEPEST:
        raise ValueError("is composed of adapters that are composed of others too often")
    return found


def text(found: Sequence[Ancestor]) -> str:
    """What is written of parents into a header."""
    return lockfile.compact({"version": 1, "parents": [one.model_dump(exclude_defaults=True) for one in found]})


def _depth(found: Sequence[Ancestor]) -> int:
    return 1 + max((_depth(one.parents) for one in found), default=0)
