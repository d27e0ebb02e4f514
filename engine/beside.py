"""Beside: the companions of an adapter, which were part of its generator while it was trained. Free of torch.

`control_recipes.with` of an adapter's header is JSON: name and sha256 of every file, in the recipe's order, and its
weight, where that is not 1. Other tools show `modelspec.usage_hint`, which says the same in words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from . import made_for
from . import plan as plans
from .factor_names import FACTORS
from .parts import Asset, Companion, Generator

KEY = "control_recipes.with"
USAGE = "modelspec.usage_hint"
HINT = "what is composed has one generator: train them beside the same `generator.with`"


def files(assets: Sequence[Asset]) -> tuple[Asset, ...]:
    """The adapters among the files of a plan: what peft wrote beside one, of its scale, is none."""
    return tuple(one for one in assets if one.name.endswith(".safetensors"))


def companions(chosen: Generator) -> tuple[Companion, ...]:
    """The adapters that are part of a generator, in the recipe's order."""
    there = files(chosen.companions)
    return tuple(one for one in chosen.companions if one in there)


def shown(one: Asset) -> str:
    """The file of an adapter in words, with the weight of a companion where that is not 1."""
    return f"{one.name} at weight {one.weight:g}" if isinstance(one, Companion) and one.weight != 1 else one.name


def group(assets: Sequence[Asset], file: Asset) -> tuple[Asset, ...]:
    """An adapter, and what peft wrote beside it, of the files of a plan."""
    folder = Path(file.name).parent
    return (file, *(one for one in assets if one not in files(assets) and Path(one.name).parent == folder))


def _brief(one: Companion) -> str:
    """What a companion is called: its file, or the folder of peft's."""
    path = Path(one.name)
    return path.parent.name or path.name if path.name == FACTORS else path.name


def metadata(chosen: Generator) -> dict[str, str]:
    """The entries of the header of what was trained on this generator; none where it had no companions."""
    there = companions(chosen)
    if not there:
        return {}
    weights = {one.weight for one in there}
    alike = len(weights) == 1
    told = ", ".join(
        f"{_brief(one)} (sha256 {one.sha256[:12]}…{'' if alike else f', weight {one.weight:g}'})" for one in there
    )
    at = f"at weight {weights.pop():g}" if alike else "each at its weight"
    hint = f"trained beside {told}: load {'it' if len(there) == 1 else 'them'} too, {at}"
    listed = [
        {"name": one.name, "sha256": one.sha256, **({"weight": one.weight} if one.weight != 1 else {})} for one in there
    ]
    return {KEY: json.dumps(listed, ensure_ascii=False), USAGE: hint}


def unlike(trained: Generator, here: Generator) -> str:
    """In words, how the companions that an adapter was trained beside are not those of a generator; empty if they are.

    Files are told apart by what they hold; a sum has no order.
    """
    was, now = ({(one.sha256, one.weight): one for one in each.companions} for each in (trained, here))
    if was.keys() == now.keys() and len(trained.companions) == len(here.companions):
        return ""
    files = {sha256 for sha256, _ in was} & {sha256 for sha256, _ in now}
    gone = [_told(one, files) for key, one in was.items() if key not in now]
    new = [_told(one, files) for key, one in now.items() if key not in was]
    if gone:
        return f"was trained beside {', '.join(gone)}" + (f", and not beside {', '.join(new)}" if new else "")
    return f"was not trained beside {', '.join(new)}"


def _told(one: Companion, files: Set[str]) -> str:
    """A companion in words, with the weight of one whose file is on both sides."""
    return f"{one.name} at weight {one.weight:g}" if one.sha256 in files else shown(one)


def told(path: Path, metadata: Mapping[str, str], here: Generator) -> str:
    """`unlike` of an adapter that says what it was trained beside; empty for one that says nothing of itself."""
    if "control_recipes.inputs" not in metadata:
        return ""
    return unlike(plans.parse(made_for.carried(path, metadata).plan, str(path)).generator, here)
