"""Beside: the companions of an adapter, which were part of its generator while it was trained. Free of torch.

`control_recipes.with` of an adapter's header is JSON: name and sha256 of every file, in the recipe's order. Other
tools show `modelspec.usage_hint`, which says the same in words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import made_for
from . import plan as plans
from .parts import Asset, Generator

KEY = "control_recipes.with"
HINT = "what is composed has one generator: train them beside the same `generator.with`"


def files(assets: Sequence[Asset]) -> tuple[Asset, ...]:
    """The adapters among the files of a plan: what peft wrote beside one, of its scale, is none."""
    return tuple(one for one in assets if one.name.endswith(".safetensors"))


def group(assets: Sequence[Asset], file: Asset) -> tuple[Asset, ...]:
    """An adapter, and what peft wrote beside it, of the files of a plan."""
    folder = Path(file.name).parent
    return (file, *(one for one in assets if one not in files(assets) and Path(one.name).parent == folder))


def metadata(chosen: Generator) -> dict[str, str]:
    """The entries of the header of what was trained on this generator; none where it had no companions."""
    there = files(chosen.companions)
    if not there:
        return {}
    told = ", ".join(f"{Path(one.name).name} (sha256 {one.sha256[:12]}…)" for one in there)
    listed = [{"name": one.name, "sha256": one.sha256} for one in there]
    hint = f"trained beside {told}: load {'it' if len(there) == 1 else 'them'} too, at weight 1"
    return {KEY: json.dumps(listed, ensure_ascii=False), "modelspec.usage_hint": hint}


def unlike(trained: Generator, here: Generator) -> str:
    """In words, how the companions that an adapter was trained beside are not those of a generator; empty if they are.

    Files are told apart by what they hold; a sum has no order.
    """
    was, now = ({one.sha256: one.name for one in each.companions} for each in (trained, here))
    if sorted(one.sha256 for one in trained.companions) == sorted(one.sha256 for one in here.companions):
        return ""
    gone = [name for sha256, name in was.items() if sha256 not in now]
    new = [name for sha256, name in now.items() if sha256 not in was]
    if gone:
        return f"was trained beside {', '.join(gone)}" + (f", and not beside {', '.join(new)}" if new else "")
    return f"was not trained beside {', '.join(new)}"


def told(path: Path, metadata: Mapping[str, str], here: Generator) -> str:
    """`unlike` of an adapter that says what it was trained beside; empty for one that says nothing of itself."""
    if "control_recipes.inputs" not in metadata:
        return ""
    return unlike(plans.parse(made_for.carried(path, metadata).plan, str(path)).generator, here)
