"""Control recipes: a YAML recipe of questions becomes a named LoRA, taught by a vision-language model's gradients.

    recipe = read(Path("horizon_low.yaml"))
    plan = resolve(recipe)
    trained = train(plan, Path("runs/horizon_low"), listen=print)
    evaluation = evaluate(plan, trained.adapter, Path("runs/horizon_low"))

    found = verify(Path("horizon_low.yaml"))    # against the lock that `recipe run` wrote
    made = compose([trained.adapter, other], "low_warm", weights=[1, 0.8])    # several adapters as one
    file = export(made.adapter, "kohya")        # another tool's file of it

Importing this package imports nothing else: each name is looked up when it is first used, and `read` and `resolve`
never import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine import errors
    from .engine.compose import compose
    from .engine.evaluate import evaluate
    from .engine.export import export
    from .engine.recipe import read
    from .engine.resolve import resolve
    from .engine.training import train
    from .engine.verify import verify

__all__ = ["compose", "errors", "evaluate", "export", "read", "resolve", "train", "verify"]
__version__ = "0.1.0"

_HOMES = {
    "read": "recipe",
    "resolve": "resolve",
    "train": "training",
    "evaluate": "evaluate",
    "compose": "compose",
    "export": "export",
    "verify": "verify",
}


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module(".engine.errors", __name__)
    if name in _HOMES:
        return getattr(import_module(f".engine.{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
