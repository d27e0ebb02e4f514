"""Model folders: from an address to a folder whose every file is named by its digest, without torch.

An address is `builtin:NAME` (comes with the package), `org/name@revision` (of the hub, from its local cache where it is
there), `./folder` (relative to the recipe) or `/folder`.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import cast

from .. import critics
from . import generators, headers, hub, model_facts
from . import lock as locks
from .errors import InputError, Place, Problem, WorkError, changed, cut
from .plan import Model, Plan
from .problems import did_you_mean

CHECKPOINTS = Path(__file__).parent / "world" / "checkpoints"

# what a model is made of; cards, pictures and other frameworks' weights are not part of it
_PARTS = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
_LIGHT = ("*.json", "*.jinja", "*.txt", "*.model")  # what `check` and `plan` need
_OWN = {"diffusers", "transformers"}  # whose classes a pipeline is put together from; another's would be code
# diffusers' own, by the name of a part of it; never loaded
_CHECKER = ("safety_checker", ["stable_diffusion", "StableDiffusionSafetyChecker"])
_RESTED_NANOSECONDS = 2 * 10**9


def builtin() -> list[str]:
    """Names of the models that come with the package, sorted."""
    return sorted(entry.name for entry in CHECKPOINTS.iterdir() if _is_model(entry)) if CHECKPOINTS.is_dir() else []


def locate(address: str, folder: Path, place: Place | None = None, key: str = "", revision: str = "") -> Model:
    """The model that `address` means in a recipe of `folder`: family, revision, files with digests, local folder.

    `revision`, a commit, is taken for a hub model whatever its branch has come to since.
    Raises InputError, at `place` and `key`, where there is none, where nothing here knows its family, and where its
    weights are pickled.
    """
    try:
        return _located(address, folder, revision)
    except OSError as error:
        message = f"{cut(address)} cannot be read: {error.strerror}"
        raise InputError([Problem(place or Place(address), key, message)]) from error
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        raise InputError([Problem(place or Place(address), key, message, hint)]) from error


def _located(address: str, folder: Path, commit: str) -> Model:
    revision = ""
    if address.startswith("builtin:"):
        name = address.removeprefix("builtin:")
        at = CHECKPOINTS / name
        if name not in builtin():
            raise ValueError(f"there is no builtin model `{name}`; {did_you_mean(name, builtin())}")
    elif address.startswith((".", "/")):
        at = (folder / address).resolve()
        if at.is_file() and at.suffix.lower() in headers.PICKLES:
            raise ValueError(f"{address} is a pickle; {headers.WHY}")
        if not at.is_dir():
            raise ValueError(f"there is no folder {address}")
    else:
        at = hub.snapshot(f"{address.partition('@')[0]}@{commit}" if commit else address, _LIGHT, kept=True)
        revision = at.name
    if not _is_model(at):
        raise ValueError(f"{address} holds no model: neither model_index.json nor config.json")
    _refuse_code(at, address)
    # a hub commit names the content already, and check must not wait for gigabytes
    files = () if revision else _digests(at, address)
    model = Model(address, _family(at, address), revision, files, str(at))
    if is_generator(model):
        model_facts.refuse_unreadable(model)
    return model


def complete(model: Model, listen: hub.Listen | None = None) -> Model:
    """The same model with its weights on this machine: downloads those of a hub model that are not there yet.

    `listen` is told how far a download has come.
    Raises WorkError where they cannot be had or are pickles, `InputError` where they are damaged.
    """
    if model.revision:
        try:
            fetched(model.address, Path(), model.revision, listen)
            _refuse_pickles(_files(Path(model.folder)), model.address)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            raise WorkError(message, hint) from error
    for path in sorted(Path(model.folder).rglob("*.safetensors")):
        headers.read(path)
    return model


def fetch(plan: Plan, listen: hub.Listen | None = None) -> None:
    """Have the weights of all models of a plan on this machine before work with them begins; raises as `complete`."""
    for model in dict.fromkeys(locks.models_of(plan)):
        complete(model, listen)


def ready(model: Model) -> None:
    """What everything that loads a model calls first: it is what it was named by, and its weights are here.

    Raises as `refuse_changed` and `complete`.
    """
    refuse_changed(model)
    complete(model)


def refuse_changed(model: Model) -> None:
    """Raises `WorkError` where a model's folder does not hold any more what the model was named by.

    What stands there untouched, by size and times, is not read again. A commit of the hub names its files itself.
    """
    if not model.files:
        return
    here = dict(present(Path(model.folder)))
    differ = sorted(name for name, _ in set(model.files) ^ set(here.items()))
    if differ:
        raise changed(f"{model.address}: {differ[0]}")


def fetched(address: str, folder: Path, revision: str, listen: hub.Listen | None = None) -> Path:
    """The folder of a model at a hub commit, its weights included, or of one that is here anyway.

    Raises ValueError, saying why, where it cannot be had.
    """
    if revision:
        return hub.snapshot(f"{address.partition('@')[0]}@{revision}", _PARTS, False, listen)
    at = CHECKPOINTS / address.removeprefix("builtin:") if address.startswith("builtin:") else folder / address
    if not at.is_dir():
        raise ValueError(f"there is no {address}")
    return at


def present(folder: Path) -> tuple[tuple[str, str], ...]:
    """Name and digest of every file in a folder that a model is made of, sorted."""
    return tuple((name, sha256(path)) for name, path in _parts(folder).items())


def _is_model(folder: Path) -> bool:
    return (folder / "model_index.json").is_file() or (folder / "config.json").is_file()


def _family(folder: Path, address: str) -> str:
    """The word that says which file of ours knows this model."""
    index = folder / "model_index.json"
    if index.is_file():
        word, kind = str(model_facts.json_of(index).get("_class_name", "")), "generators"
        if word in generators.REFUSED:
            raise ValueError(f"{address} is a `{word}`: {generators.REFUSED[word]}")
        found, known = generators.FAMILIES.get(word), ", ".join(generators.FAMILIES)
    else:
        config = model_facts.json_of(folder / "config.json")
        word, kind = str(config.get("model_type", "")), "critics"
        found = critics.family_of(config) or critics.generic_of(folder)
        shown = ", ".join(critics.known_processors())
        known = f"{', '.join(critics.FAMILIES)}, and any other whose image processor is one of {shown}"
    if found is None:
        raise ValueError(f"{address} is of a family of {kind} not known here: `{word}`; known are {known}")
    return found


def _refuse_code(folder: Path, address: str) -> None:
    """Raises ValueError for a folder whose own files name code that is not the libraries': it is never run."""
    index = folder / "model_index.json"
    for path in [
        folder / "None.py",
        *(path for own in sorted({*_OWN, _CHECKER[1][0]}) for path in folder.glob(f"*/{own}.py")),
    ]:
        if index.is_file() and path.exists():
            said = f"{address}: {path.relative_to(folder)} is code in the place of a library's"
            raise ValueError(f"{said}; code of a model's folder is never run")
    for name, part in model_facts.json_of(index).items() if index.is_file() else ():
        if (name, part) == _CHECKER:
            continue
        if isinstance(part, list) and part[:1] not in ([None], *([one] for one in _OWN)):
            named = cut(str(cast(list[object], part)))
            raise ValueError(f"{address}: {name} is of {named}; only classes of {' and '.join(sorted(_OWN))} are used")
    for path in sorted(folder.glob("**/config.json")):
        for kernel in _kernels(model_facts.json_of(path)):
            said = f"{address}: {path.relative_to(folder)} names {cut(kernel)}, code from the hub"
            raise ValueError(f"{said}; a model's attention is one of the libraries'")


def _kernels(config: object) -> Iterator[str]:
    """Ways to compute attention that a configuration names and the libraries do not have: they would be downloaded."""
    left = [config]
    while left:
        value = left.pop()
        for key, inner in cast(dict[object, object], value).items() if isinstance(value, dict) else ():
            left.append(inner)
            if str(key).lstrip("_").startswith("attn_implementation") and "/" in str(inner):
                yield str(inner)


def _files(folder: Path) -> dict[str, Path]:
    """Every file under a folder by its relative path, sorted."""
    found = {
        (Path(at) / name).relative_to(folder).as_posix(): Path(at) / name
        for at, _, names in os.walk(folder)
        for name in names
    }
    return dict(sorted(found.items()))


def _refuse_pickles(files: Mapping[str, Path], address: str) -> None:
    """Raises ValueError for a folder whose weights are there as pickles alone: loading those runs their code."""
    safe = {path.parent for path in files.values() if path.suffix == ".safetensors"}
    for name, path in files.items():
        if path.suffix.lower() in headers.PICKLES and path.parent not in safe:
            raise ValueError(f"{address} holds pickled weights: {name}; {headers.WHY}")


def _parts(folder: Path) -> dict[str, Path]:
    """What a model is made of, under its folder, by relative path, sorted."""
    parts = {pattern.removeprefix("*") for pattern in _PARTS}
    visible = {
        name: path for name, path in _files(folder).items() if not any(part[0] == "." for part in name.split("/"))
    }
    return {name: path for name, path in visible.items() if path.suffix in parts and path.is_file()}


def _digests(folder: Path, address: str) -> tuple[tuple[str, str], ...]:
    _refuse_pickles(_files(folder), address)
    found = _parts(folder)
    if not any(name.endswith(".safetensors") for name in found):
        raise ValueError(f"{address} holds no weights; safetensors are expected")
    return tuple((name, sha256(path)) for name, path in found.items())


def sha256(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal; of a file that has rested, kept while the process lives."""
    now = path.stat()
    stood = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
    # within the clock's own grain a file may change and still look as it was
    rested = time.time_ns() - max(now.st_mtime_ns, now.st_ctime_ns) > _RESTED_NANOSECONDS
    return _sha256_as_it_stood(path, stood) if rested else _sha256(path)


@lru_cache(maxsize=4096)
def _sha256_as_it_stood(path: Path, stood: tuple[int, ...]) -> str:
    return _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_generator(model: Model) -> bool:
    """Whether a model makes pictures; otherwise it answers questions about them."""
    return model.family in generators.FAMILIES.values()
