"""Extracting: the recipe, what it includes and the lock's inputs that an adapter carries, given back byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter, ValidationError

from . import files, headers, made_for
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

    @property
    def missing(self) -> tuple[str, ...]:
        """Files that the recipe names and no adapter carries: prompts, pictures, adapters, models in folders."""
        folders = (one.address for one in self.inputs.models if one.address.startswith((".", "/")))
        return (*(name for name, _ in self.inputs.files), *folders)

    def text(self) -> str:
        """All of it as one stream of YAML: the recipe word for word, then what it includes, then the inputs."""
        parts = [self.recipe.removesuffix("\n")] if self.recipe else []
        parts += [f"--- # {name}\n{text.removesuffix(chr(10))}" for name, text in self.included.items()]
        return "\n".join([*parts, f"--- # inputs\n{locks.text_of(self.inputs)}"])

    def json(self) -> str:
        """All of it as one line of JSON."""
        told = {"name": self.name, "recipe": self.recipe, "included": self.included}
        return json.dumps({**told, "inputs": json.loads(locks.text_of(self.inputs))}, ensure_ascii=False)


def extract(adapter: Path) -> Carried:
    """What an adapter carries; `InputError` where it is none of ours, or its texts are not those of its digests."""
    metadata = headers.read(adapter).metadata
    inputs = made_for.carried(adapter, metadata)
    name = plans.parse(inputs.plan, str(adapter)).name
    if not re.fullmatch(NAME, name):
        raise _refused(adapter, "is called in a way that no recipe can be called")
    recipe, texts = metadata.get("control_recipes.recipe", ""), included(adapter, metadata)
    _check(adapter, recipe, texts, inputs)
    return Carried(name, recipe, texts, inputs)


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
    from there does: what it includes keeps its path, or the recipe would not find it. The lock holds the inputs alone:
    `recipe run --frozen` runs them, `recipe lock --check` says what differs here.
    """
    stem = _stem(carried)
    lock, texts = PurePosixPath(f"{stem}.lock"), _texts(carried, stem)
    wanted = {lock, *texts}
    if len(wanted) < 1 + bool(carried.recipe) + len(carried.included):
        raise _refused(folder, "would get two files of one name")
    if both := sorted(wanted & {above for name in wanted for above in name.parents}):
        raise _refused(folder, f"would get a file and a folder of one name: {both[0]}")
    for name in (lock, *texts):
        _check_free(folder, name)
    for name, data in texts.items():
        files.write(folder / name, data)
    locks.write(Lock(carried.inputs, recipe=f"{stem}.yaml" if carried.recipe else ""), folder / lock)
    return [*(folder / name for name in texts), folder / lock]


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
    for name in found:
        if not below(name).name or "\0" in name:
            raise _refused(adapter, f"names a file that cannot be: {name!r}")
    return found


def _refused(path: Path, message: str) -> InputError:
    return InputError([Problem(Place(str(path)), "", message)])
