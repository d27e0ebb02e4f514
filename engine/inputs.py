"""Inputs: every file and model that a recipe's plan came from, named by its digest, as the lock records them."""

from __future__ import annotations

from pathlib import Path

from . import lock as locks
from . import models
from .errors import InputError, Place, Problem
from .frozen import Thawed
from .lock import Digests, Inputs, Lock, LockedModel
from .plan import Asset, Model, Plan
from .recipe import Recipe


def gathered(recipe: Recipe | Thawed, plan: Plan, old: Lock | None = None) -> Inputs:
    """The lock's inputs for a recipe and its plan; of a lock's plan that is run as it is, what that lock says.

    Of hub models those files are named that are on this machine, and those that the `old` lock knew of the same commit.
    Raises `InputError` where a hub model's file is not what that lock says: a commit's files never change.
    """
    known = None if old is None else old.inputs
    named = _files(plan) if isinstance(recipe, Recipe) else known.files if known else ()
    return locks.inputs(plan, recipe.sha256, recipe.sets, recipe.digests, named, hub(plan, known))


def causes(recipe: Recipe, plan: Plan, old: Inputs) -> list[str]:
    """What changed beside the recipe's own text, in words: other files, and overrides."""
    told = [f"because {name}, which it includes, changed" for name in _changed(old.included, recipe.digests)]
    told += [f"because {name} changed" for name in _changed(old.files, _files(plan))]
    if old.sets != recipe.sets:
        was, now = (
            f"with {' '.join(f'--set {one}' for one in sets)}" if sets else "without --set"
            for sets in (old.sets, recipe.sets)
        )
        told.append(f"because it was locked {was}, and is now read {now}")
    return told


def _changed(old: Digests, new: Digests) -> list[str]:
    """Names that are in both with different digests."""
    before = dict(old)
    return [name for name, sha256 in new if before.get(name, sha256) != sha256]


def hub(plan: Plan, known: Inputs | None) -> list[LockedModel]:
    """The hub models of a plan with what is known of their files; `InputError` as `gathered`."""
    before = {(one.address, one.revision): dict(one.files) for one in known.models} if known else {}
    found = {model.address: model for model in locks.models_of(plan) if model.revision}
    return [_locked(model, before.get((address, model.revision), {})) for address, model in found.items()]


def _locked(model: Model, before: dict[str, str]) -> LockedModel:
    here = dict(models.present(Path(model.folder)))
    changed = [name for name in sorted(here.keys() & before.keys()) if here[name] != before[name]]
    if changed:
        hint = "the copy on this machine is damaged: delete that folder, and it is fetched again"
        where = f"{model.folder}/{changed[0]}"
        raise InputError([Problem(Place(where), "", f"is not what the lock has of {model.address}", hint)])
    return LockedModel(model.address, model.family, model.revision, tuple(sorted({**before, **here}.items())))


def _files(plan: Plan) -> Digests:
    """Prompts, pictures and adapters by the name that the recipe gives them, as they were read for the plan, sorted."""
    found = {one.asset: one.sha256 for one in plan.drawings if one.asset}
    found |= {one.name: one.sha256 for one in assets(plan)}
    found |= dict(plan.prompt_files)
    return tuple(sorted(found.items()))


def assets(plan: Plan) -> tuple[Asset, ...]:
    """The adapters that a plan starts from or keeps beside its own."""
    return (*plan.generator.companions, *plan.adapter.start)
