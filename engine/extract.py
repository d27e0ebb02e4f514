"""Extracting: the recipe, what it includes and the lock's inputs that an adapter carries, given back byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter, ValidationError

from . import adapter_files, carrying, files, headers, made_for
from . import lock as locks
from . import plan as plans
from .errors import InputError, Place, Problem
from .frozen import below
from .lock import Inputs, Lock
from .values import NAME

_TEXTS = TypeAdapter(dict[str, str])


@dataclass(frozen=True, slots=True)
class Carried:
    """What an adapter says it was made from."""

    name: str  # of the recipe, and so of its file
    recipe: str  # its text; empty where it was run from a lock whose recipe had changed
    included: dict[str, str]  # texts of the files it includes, by their paths from the recipe
    inputs: Inputs
    parents: tuple[Origin, ...] = ()  # of a composed adapter

    @property
    def missing(self) -> tuple[str, ...]:
        """Files that the recipe names and no adapter carries: prompts, pictures, adapters, models in folders."""
        folders = (one.address for one in self.inputs.models if one.address.startswith((".", "/")))
        return (*(name for name, _ in self.inputs.files), *folders)

    def text(self) -> str:
        """All of it as one stream of YAML: the recipe word for word, then what it includes, then the inputs."""
        parts = [self.recipe.removesuffix("\n")] if self.recipe else []
        parts += [f"--- # {name}\n{text.removesuffix(chr(10))}" for name, text in self.included.items()]
        parts.append(f"--- # inputs\n{locks.text_of(self.inputs)}")
        for one in self.parents:
            said = one.carried.text() if one.carried else "--- # another tool's, which says nothing of itself"
            parts.append(f"--- # composed of {one.name}, weight {one.weight:g}\n{said}")
        return "\n".join(parts)

    def json(self) -> str:
        """All of it as one line of JSON."""
        return json.dumps(self.data(), ensure_ascii=False)

    def data(self) -> dict[str, object]:
        """All of it as JSON has it."""
        told = {"name": self.name, "recipe": self.recipe, "included": self.included}
        inputs: object = json.loads(locks.text_of(self.inputs))
        parents = [one.data() for one in self.parents]
        return {**told, "inputs": inputs, **({"parents": parents} if parents else {})}


@dataclass(frozen=True, slots=True)
class Origin:
    """An adapter that one is composed of."""

    name: str
    weight: float
    tensors_sha256: str
    carried: Carried | None  # None for another tool's

    def data(self) -> dict[str, object]:
        """As JSON has it."""
        told = {"name": self.name, "weight": self.weight, "tensors_sha256": self.tensors_sha256}
        return {**told, "carried": self.carried.data() if self.carried else None}


def extract(adapter: Path) -> Carried:
    """What an adapter carries; `InputError` where it is none of ours, or its texts are not those of its digests."""
    adapter = adapter_files.found(adapter)
    metadata = headers.read(adapter).metadata
    inputs = made_for.carried(adapter, metadata)
    name = plans.parse(inputs.plan, str(adapter)).name
    if not re.fullmatch(NAME, name):
        raise _refused(adapter, "is called in a way that no recipe can be called")
    recipe, texts = metadata.get("control_recipes.recipe", ""), included(adapter, metadata)
    _check(adapter, recipe, texts, inputs)
    try:
        parents = carrying.parents(metadata)
    except ValueError as error:
        raise _refused(adapter, str(error)) from error
    return Carried(name, recipe, texts, inputs, tuple(_origin(adapter, one) for one in parents))


def _origin(adapter: Path, one: carrying.Ancestor) -> Origin:
    """A parent with what it carried; `InputError` as `extract`."""
    if one.inputs is None:
        return Origin(one.name, one.weight, one.tensors_sha256, None)
    inputs = locks.inputs_of(one.inputs_text, str(adapter))
    name = plans.parse(inputs.plan, str(adapter)).name
    if not re.fullmatch(NAME, name):
        raise _refused(adapter, "is composed of one that is called in a way that no recipe can be called")
    _refuse_places(adapter, one.included)
    _check(adapter, one.recipe, one.included, inputs)
    parents = tuple(_origin(adapter, each) for each in one.parents)
    return Origin(one.name, one.weight, one.tensors_sha256, Carried(name, one.recipe, one.included, inputs, parents))


def _check(adapter: Path, recipe: str, included: Mapping[str, str], inputs: Inputs) -> None:
    """Every text that is carried has its digest; beside a recipe all that it includes are carried."""
    digests = dict(inputs.included)
    if strange := sorted(included.keys() - digests.keys()):
        raise _refused(adapter, f"carries a text that its recipe does not include: {strange[0]!r}")
    if recipe and (missing := sorted(digests.keys() - included.keys())):
        raise _refused(adapter, f"lacks a text that its recipe includes: {missing[0]!r}")
    texts = dict(included)
    if recipe and inputs.recipe_sha256:
        texts, digests = texts | {"": recipe}, digests | {"": inputs.recipe_sha256}
    for file, text in texts.items():
        if hashlib.sha256(text.encode()).hexdigest() != digests[file]:
            raise _refused(adapter, f"carries a text that is not what its digest says: {file or 'the recipe'}")


def write(carried: Carried, folder: Path) -> list[Path]:
    """Write NAME.yaml, what it includes and NAME.lock into a folder; `InputError` where one would take a file's place.

    NAME.recipe.yaml and NAME.recipe.lock where the recipe includes a file that is called so, as one that has its name
    from there does: what it includes keeps its path, or the recipe would not find it. What a composed adapter is made
    of goes into folders below it, by their names. A lock holds the inputs alone: `recipe run --frozen` runs them,
    `recipe lock --check` says what differs here.
    """
    _check_places(carried, folder)
    stem = _stem(carried)
    texts = _texts(carried, stem)
    for name, data in texts.items():
        files.write(folder / name, data)
    lock = folder / f"{stem}.lock"
    locks.write(Lock(carried.inputs, recipe=f"{stem}.yaml" if carried.recipe else ""), lock)
    parents = [path for one in carried.parents if one.carried for path in write(one.carried, folder / one.name)]
    return [*(folder / name for name in texts), lock, *parents]


def _check_places(carried: Carried, folder: Path) -> None:
    """Every file has a place of its own, and nothing stands there; those of the parents too."""
    stem = _stem(carried)
    lock, texts = PurePosixPath(f"{stem}.lock"), _texts(carried, stem)
    wanted = {lock, *texts}
    if len(wanted) < 1 + bool(carried.recipe) + len(carried.included):
        raise _refused(folder, "would get two files of one name")
    if both := sorted(wanted & {above for name in wanted for above in name.parents}):
        raise _refused(folder, f"would get a file and a folder of one name: {both[0]}")
    for name in (lock, *texts):
        _check_free(folder, name)
    for one in carried.parents:
        if one.carried:
            _check_places(one.carried, folder / one.name)


def _stem(carried: Carried) -> str:
    """What recipe and lock are called, so that neither is called as something that the recipe includes."""
    paths = [below(name) for name in carried.included]
    taken = {str(one) for path in paths for one in (path, *path.parents)}
    stems = (f"{carried.name}{end}" for end in chain(("", ".recipe"), (f".recipe{at}" for at in count(2))))
    return next(stem for stem in stems if taken.isdisjoint((f"{stem}.yaml", f"{stem}.lock")))


def _texts(carried: Carried, stem: str) -> dict[PurePosixPath, bytes]:
    """What is written beside the lock; of two files of one name, one."""
    own = {PurePosixPath(f"{stem}.yaml"): carried.recipe.encode()} if carried.recipe else {}
    return own | {below(name): text.encode() for name, text in carried.included.items()}


def _check_free(folder: Path, name: PurePosixPath) -> None:
    """Nothing stands where the file is to be, nor a file where it needs a folder."""
    path = folder / name
    above = [folder / one for one in name.parents if os.path.lexists(folder / one) and not (folder / one).is_dir()]
    if taken := [*above, *([path] if os.path.lexists(path) else [])]:
        hint = "give another folder with --out, or move it away"
        raise InputError([Problem(Place(str(taken[0])), "", "is there already", hint)])


def included(adapter: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """The texts that a carried recipe includes, by their paths from it; `InputError` where that cannot be read."""
    try:
        found = _TEXTS.validate_json(metadata.get("control_recipes.included", "{}"))
    except ValidationError as error:
        raise _refused(adapter, "does not say what its recipe includes") from error
    _refuse_places(adapter, found)
    return found


def _refuse_places(adapter: Path, names: Iterable[str]) -> None:
    for name in names:
        if not below(name).name or "\0" in name:
            raise _refused(adapter, f"names a file that cannot be: {name!r}")


def _refused(path: Path, message: str) -> InputError:
    return InputError([Problem(Place(str(path)), "", message)])
