"""One picture: what a recipe comes to where the noise of a single picture is optimised, and no adapter. Free of torch.

The alternative of Dual-Process Image Generation (arXiv 2506.01955): the same composite loss, its gradient taken on to
the noise that the sampler starts from. The picture is that of the first training prompt, its noise begins as what seed
`train.seed` gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from .document import Document, dotted
from .document import Path as KeyPath
from .errors import InputError, Place, Problem
from .headers import LATENTS
from .plan import Adapter, Plan
from .prompted import Sets

OPTIMIZED = "latents"  # `train.optimize`
_NONE = Adapter(0, 0.0, "attention")
# keys of a recipe that say something of an adapter, or of more pictures than one
_IDLE: tuple[KeyPath, ...] = (("adapter",), ("train", "batch"), ("train", "backprop"), ("evaluate", "seeds"))


def is_meant(plan: Plan) -> bool:
    """Whether a plan optimises the noise of one picture."""
    return plan.train.optimize == OPTIMIZED


def learner(plan: Plan) -> str:
    """What a plan trains, as messages call it."""
    return "the noise" if is_meant(plan) else "the adapter"


def only(sets: Sets) -> Sets:
    """Of all prompts the first one to train on, which is looked at on the way and tested as well."""
    first = sets.train[:1]
    return Sets(first, first, first)


def of(plan: Plan) -> Plan:
    """The plan of one picture, without what plays no part: the seed of its noise is the one that is looked at."""
    looked_at = replace(plan.evaluate, seeds=(plan.train.seed,))
    return replace(plan, train=replace(plan.train, batch=1), adapter=_NONE, evaluate=looked_at)


def told(plan: Plan, document: Document | None) -> str:
    """Which picture it is, and which keys of the recipe play no part, in words."""
    idle = [dotted(path) for path in _idle(document)] if document is not None else []
    parts = f"; {' and '.join([', '.join(idle[:-1]), idle[-1]] if idle[1:] else idle)} play no part" if idle else ""
    return f"{plan.name}: optimises the noise of one picture, seed {plan.train.seed} of “{prompt(plan)}”{parts}"


def prompt(plan: Plan) -> str:
    """Of the one picture."""
    return plan.train_rows[0].prompt


def _idle(document: Document) -> Iterator[KeyPath]:
    yield from (path for path in _IDLE if document.has(path))


def refuse_another(adapter: Path, tensors: Iterable[str]) -> None:
    """Raises `InputError` for a file whose tensors are not the noise of a picture, by their names."""
    if set(tensors) == {LATENTS}:
        return
    message = "holds no noise of a picture, which is what this recipe optimises (`train.optimize: latents`)"
    hint = f"`recipe run` writes one, whose one tensor is called `{LATENTS}`"
    raise InputError([Problem(Place(str(adapter)), "", message, hint)])
