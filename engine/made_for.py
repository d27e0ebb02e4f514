"""Made for: whether an adapter was trained for the generator that it is to be laid on, by what it carries inside.

Free of torch. An adapter of another tool says nothing of that, and is told by the names and shapes of its tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import lock as locks
from . import plan as plans
from .errors import InputError, Place, Problem
from .lock import Inputs, LockedModel
from .plan import Model

_NAMED = 3  # files, that a message lists


def carried(path: Path, metadata: Mapping[str, str]) -> Inputs:
    """The inputs that an adapter of ours carries; `InputError` for any other."""
    if "control_recipes.inputs" not in metadata:
        message, hint = "carries no recipe: `recipe run` did not write it", ""
        if "control_recipes.inputs" in metadata.get("control_recipes.left_out", "").split():
            message = "does not carry what it was made from: its plan is too long for a safetensors header"
            hint = "the lock of its run has it"
        raise InputError([Problem(Place(str(path)), "", message, hint)])
    return locks.inputs_of(metadata["control_recipes.inputs"], str(path))


def refuse_another(path: Path, metadata: Mapping[str, str], model: Model) -> None:
    """Raises `InputError` where an adapter says that it was trained for another generator than `model`."""
    if "control_recipes.inputs" in metadata and (why := another(carried(path, metadata), model, str(path))):
        hint = "give it the generator that it was trained for, or train it anew with `recipe run`"
        raise InputError([Problem(Place(str(path)), "", why, hint)])


def another(inputs: Inputs, model: Model, file: str = "adapter") -> str:
    """In words, why an adapter made from `inputs` is for another generator than `model`; empty where it is not.

    `file` is what messages call it.
    """
    trained = plans.parse(inputs.plan, file).generator.model
    if (trained.family, trained.revision, trained.files) == (model.family, model.revision, model.files):
        return ""
    known = next((one for one in inputs.models if one.address == trained.address), None)
    if known is not None and trained.revision and _same_weights(known, model):
        return ""
    if trained.address != model.address:
        return f"was trained for another generator: {_named(trained)}, not {_named(model)}"
    names = sorted({name for name, _ in set(trained.files) ^ set(model.files)})
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    differ = "differs" if len(names) == 1 else "differ"
    found = f": {', '.join(names[:_NAMED])}{more} {differ}" if names else f", {trained.revision}, not {model.revision}"
    return f"was trained for another {model.address}{found}"


def _same_weights(known: LockedModel, model: Model) -> bool:
    """Whether a hub model's files, as far as they are known, are those of a folder."""
    here, there = dict(model.files), dict(known.files)
    weights = {name for name in there if name.endswith(".safetensors")}
    return bool(weights) and all(here.get(name) == there[name] for name in weights)


def _named(model: Model) -> str:
    return f"{model.address} {model.revision[:12]}".strip()
