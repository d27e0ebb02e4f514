"""Assembling: adapter files become one, polished where its plan says so, and evaluated, on one generator.

    DIR/NAME.safetensors   the adapter              DIR/evaluation.json    what was found out
    DIR/interference.json  what the parts do to each other, alone, in pairs and all together
    DIR/checkpoint/, DIR/metrics.jsonl              of polishing, to go on from

`composing.py` has the mathematics. No torch is imported before something is computed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import carrying, files, headers, interference, made_for, run_folder
from . import plan as plans
from .compositions import Reduction
from .errors import InputError, Place, Problem
from .figures import Evaluation
from .interference import Interference
from .plan import Parent, Plan

if TYPE_CHECKING:
    from torch import Tensor

    from .composing import Adapter
    from .generators import Generator
    from .meeting import Meeting
    from .running import Listener
    from .training import Trained

STOPPED = "composed"  # why no step was trained
_TRAINED = re.compile(r"ss_(?!v2|output_name|network_|base_model|sd_model|guidance|resolution)")


@dataclass(frozen=True, slots=True)
class Part:
    """One adapter that is to be composed."""

    path: Path
    parent: Parent
    metadata: Mapping[str, str]
    plan: Plan | None  # that trained it, found on this machine; None for another tool's


@dataclass(frozen=True, slots=True)
class Texts:
    """What an adapter is to carry of the recipe that composes it."""

    inputs: str  # of its lock
    recipe: str = ""
    included: Mapping[str, str] = field(default_factory=dict[str, str])  # the files that the recipe includes


@dataclass(frozen=True, slots=True)
class Assembled:
    """What came of it."""

    adapter: Path
    found: Evaluation
    together: Interference | None  # None of one that was trained
    steps: int  # of training, or of polishing
    stopped: str  # composed, where there was none
    before: float = 0.0  # seconds of these steps, in earlier sessions


def factors(parts: Sequence[Part], family: str, rank: int) -> tuple[Adapter, Reduction | None]:
    """The factors of the adapters as one, of that rank unless it is 0, and what that cost.

    Raises `InputError` where they cannot be one.
    """
    from . import composing, foreign

    read = [foreign.read(part.path, family)[0] for part in parts]
    try:
        whole = composing.exact(read, [part.parent.weight for part in parts])
    except ValueError as error:
        raise InputError([Problem(Place("adapters"), "", str(error))]) from error
    if not rank:
        return whole, None
    low = composing.reduced(whole, rank)
    matrices = tuple((one.module, one.lost, one.enough) for one in low.matrices)
    return low.adapter, Reduction(low.lost, low.enough, matrices)


def parts_of_runs(plan: Plan, runs: Sequence[run_folder.Trained]) -> list[Part]:
    """The adapters of the plan's parents, in its order; `InputError` where one is for another generator."""
    parts: list[Part] = []
    for parent, one in zip(plan.composed.parents, runs, strict=True):
        metadata = headers.of_adapter(one.path).metadata
        made_for.refuse_another(one.path, metadata, plan.generator.model)
        known = replace(parent, tensors_sha256=one.tensors_sha256)
        parts.append(Part(one.path, known, metadata, one.plan))
    return parts


def again(plan: Plan, adapters: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors that are composed, before any polishing, from the files of a plan's parents in their order."""
    from . import composing

    parents = plan.composed.parents
    parts = [Part(path, parent, {}, None) for path, parent in zip(adapters, parents, strict=True)]
    return composing.tensors(factors(parts, plan.generator.model.family, plan.composed.rank)[0])


def meeting(plan: Plan, parts: Sequence[Part], whole: Adapter, listener: Listener) -> Meeting:
    """The adapters on their generator; `InputError` where one does not fit it."""
    from . import foreign
    from . import meeting as meetings

    members: list[meetings.Member] = []
    for part in parts:
        name, own = part.parent.name, part.plan
        aims = tuple(interference.controls(name, own, ancestor(part).parents)) if own else ()
        measured = [f"{name}.{one.name}" for one in own.measures] if own else []
        others = tuple(one for one in measured if one not in aims)
        read, _ = foreign.read(part.path, plan.generator.model.family)
        members.append(meetings.Member(name, part.parent.weight, read, aims, others))
    return meetings.Meeting(plan, members, whole, listener.looked)


def clear(folder: Path, plan: Plan) -> None:
    """Forget what was composed in a folder before; what polishing of this very plan can go on from stays."""
    for name in ("images", "included"):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
    if run_folder.digest_of_checkpoint(folder) != plans.digest(plan):
        run_folder.clear(folder, plan)


def assemble(
    plan: Plan,
    parts: Sequence[Part],
    whole: Adapter,
    together: Meeting,
    folder: Path,
    texts: Texts,
    listener: Listener,
    fast: bool = False,
) -> Assembled:
    """Write the adapter that `whole` is, polished where the plan trains, show what its parts do, and evaluate it."""
    from . import composing
    from .evaluate import evaluate

    tensors, steps, stopped, before = composing.tensors(whole), 0, STOPPED, 0.0
    if plan.train.steps:
        together.leave()
        trained = _polished(plan, tensors, together, folder, listener, fast)
        tensors, steps, stopped = _tensors(trained.adapter), trained.steps, trained.stopped
        before = trained.before
        together.enter()
        together.settle({part.parent.name: part.parent.weight for part in parts}, composing.factors(tensors))
    path = _saved(folder, plan, parts, tensors, together.stage.generator, texts, steps)
    met = _met(together, folder, listener)
    together.leave()
    found = evaluate(plan, path, folder, listener.looked, on=together.stage)
    return Assembled(path, found, met, steps, stopped, before)


def _polished(
    plan: Plan, tensors: Mapping[str, Tensor], together: Meeting, folder: Path, listener: Listener, fast: bool
) -> Trained:
    from .training import train

    return train(plan, folder, listener.step, say=listener.say, fast=fast, begin=tensors, on=together.stage)


def _tensors(path: Path) -> dict[str, Tensor]:
    from . import adapter as adapters

    return adapters.load(path)[0]


def _met(together: Meeting, folder: Path, listener: Listener) -> Interference:
    from .meeting import meet

    found = meet(together, folder)
    interference.write(found, folder)
    for fight in found.fights:
        listener.say(f"warning: {fight.text()}")
    return found


def _saved(
    folder: Path,
    plan: Plan,
    parts: Sequence[Part],
    tensors: Mapping[str, Tensor],
    generator: Generator,
    texts: Texts,
    steps: int,
) -> Path:
    """Write the adapter, with all that its parents carry."""
    from . import adapter as adapters

    own = adapters.metadata(generator, plan, texts.inputs, texts.recipe, tensors, texts.included, steps)
    merged = ", ".join(f"{part.parent.name} × {part.parent.weight:g}" for part in parts)
    told = {name: text for name, text in own.items() if steps or not _TRAINED.match(name)}
    told |= {"modelspec.merged_from": merged, carrying.KEY: carrying.text([ancestor(part) for part in parts])}
    path = folder / f"{plan.name}.safetensors"
    adapters.save(path, tensors, adapters.fitted(told))
    return path


def ancestor(part: Part) -> carrying.Ancestor:
    """A part as the adapter that is made of it carries it."""
    try:
        return carrying.ancestor(part.parent, part.metadata)
    except (ValueError, RecursionError) as error:
        raise InputError([Problem(Place(str(part.path)), "", "does not say well what it was made from")]) from error


def keep_recipes(parts: Sequence[Part], folder: Path) -> None:
    """Write the recipes that the parts carry, below the folder, by the parts' names."""
    for part in parts:
        path = folder / "included" / f"{part.parent.name}.yaml"
        if (recipe := part.metadata.get("control_recipes.recipe", "")) and not path.exists():
            files.write(path, recipe.encode())
