"""Writes what models.md shows of full-size models, from their published configurations in tests/facts/models.json.

    <!-- sizes generators -->    <!-- sizes critics -->

The figures are those that `recipe plan` counts with. What stands around the marks is written by hand.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import marked
from control_recipes import critics
from control_recipes.critics import costs
from control_recipes.engine import costing, generators, plan
from control_recipes.engine.generators import autoencoder_sizes, deep_autoencoder_sizes, qwen_autoencoder_sizes

FACTS = Path(__file__).parent.parent / "tests" / "facts" / "models.json"
RANK, TARGETS = 16, "attention"
SIDE = 512  # pixels of a picture that a critic is asked about
CHAT = 60  # tokens around the picture: the chat, one question and its answer
AUTOENCODERS = {
    "AutoencoderDC": deep_autoencoder_sizes.autoencoder,
    "AutoencoderKLQwenImage": qwen_autoencoder_sizes.autoencoder,
}
HALF = costing.BYTES["bfloat16"]


def renewed(text: str) -> str:
    """The page with everything between marks as the configurations have it now."""
    return marked.renewed(text, marks())


def wrong(text: str) -> list[str]:
    """What is wrong with the page: a mark that is missing or unknown, or what is not what the configurations say."""
    return marked.wrong("models.md", text, marks(), "the models' configurations say")


@cache
def marks() -> Mapping[str, str]:
    """What belongs behind every mark that the page must have."""
    known = json.loads(FACTS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="sizes-") as scratch:
        painters = [_generator(Path(scratch) / str(at), *one) for at, one in enumerate(known["generators"].items())]
        lookers = [_critic(Path(scratch) / f"c{at}", *one) for at, one in enumerate(known["critics"].items())]
    heads = ("backbone", "decoder and encoder", "text encoders", "stay", "let go", "a step keeps", "recomputed")
    asked = ("parameters", "in layers", "bfloat16", "8bit", "4bit", "tokens", "a question keeps", "recomputed")
    return {
        "sizes generators": _table(("generator", "side", *heads), painters),
        "sizes critics": _table(("critic", *asked), lookers),
    }


def chosen(folder: Path, fact: Mapping[str, Any]) -> plan.Generator:
    """The generator of a plan, with the configurations of a model written below `folder`."""
    for part, config in fact["parts"].items():
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = plan.Model("", fact["family"], "", (), str(folder))
    side = fact["side"]
    return plan.Generator(model, 1, side, side, fact["guidance"], "", "bfloat16", "cpu", fact["text"])


def autoencoder_parameters(one: plan.Generator, fact: Mapping[str, Any]) -> float:
    """Of decoder and encoder, by the class that the configuration names."""
    return AUTOENCODERS.get(fact["parts"]["vae"]["_class_name"], autoencoder_sizes.autoencoder)(one).parameters


def _generator(folder: Path, name: str, fact: Mapping[str, Any]) -> Sequence[str]:
    one = chosen(folder, fact)
    sizes, autoencoder = generators.sizes_of(one), autoencoder_parameters(one, fact)
    denoised, decoded = sizes.denoised(RANK, TARGETS), sizes.decoded
    again = max(denoised.held(True) + decoded.most(True), denoised.most(True))
    counts = (sizes.parameters - autoencoder, autoencoder, sizes.encoders)
    held = (sizes.parameters, sizes.encoders, denoised.kept + decoded.kept, again)
    return [name, str(fact["side"]), *map(_count, counts), *(_gibibytes(HALF * values) for values in held)]


def _critic(folder: Path, name: str, fact: Mapping[str, Any]) -> Sequence[str]:
    folder.mkdir()
    written = {"config": fact["config"], "preprocessor_config": fact["processor"]}
    for file, data in (written | {"processor_config": fact.get("writer", {})}).items():
        (folder / f"{file}.json").write_text(json.dumps(data), encoding="utf-8")
    sizes = critics.sizes_of(folder, fact["family"])
    model = plan.Model("", fact["family"], "", (), str(folder))
    weights = costing.weights(plan.Critic(name, model, 1.0, "bfloat16", "cpu"))
    stored = [
        weights.bytes(plan.Critic(name, model, 1.0, "bfloat16", "cpu", False, bits)) for bits in ("", "8bit", "4bit")
    ]
    seen = sizes.tokens(SIDE, SIDE)
    cost: costs.Cost = sizes.ask(SIDE, SIDE, seen + CHAT, 2)
    kept = (cost.kept, cost.most(True))
    layers = f"{weights.linear / (weights.linear + weights.rest):.0%}"
    sums = (*stored, *(HALF * values for values in kept))
    found = [_gibibytes(size) for size in sums]
    return [name, _count(weights.linear + weights.rest), layers, *found[:3], str(seen), *found[3:]]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _count(parameters: float) -> str:
    """Parameters in words: 11.9 B, 84 M."""
    return f"{parameters / 1e9:.3g} B" if parameters >= 1e9 else f"{parameters / 1e6:.0f} M"


def _gibibytes(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
