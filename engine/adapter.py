"""LoRA adapters: inject into a frozen backbone, eject without a trace, save so that other tools load them as they are.

LoRA (arXiv 2106.09685): W x + s (alpha / rank) B A x, with A [R, in], B [out, R] and the scale s: 0 bare, 1 as trained.
Saved factors are folded: B carries alpha / rank, so that every loader at scale 1 gives what was trained.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from . import beside, devices, digests, files, headers, other_tools, plan
from .errors import InputError, Place, Problem, cut
from .generators import Generator

NAME = "default"  # peft's name for the one adapter of a model
_ANOTHER = "give an adapter of this generator, of its very size"
DTYPE_WORDS = {torch.float32: "F32", torch.float64: "F64", torch.bfloat16: "BF16", torch.float16: "F16"}


@dataclass(frozen=True, slots=True)
class Lora:
    """An adapter inside a backbone: module names -> peft's layers, sorted by name."""

    backbone: nn.Module
    prefix: str
    layers: Mapping[str, Any]

    def scale(self, value: float) -> None:
        """Apply the adapter at `value`: 1 as trained, 0 bitwise the bare backbone. Holds until it is set again."""
        for layer in self.layers.values():
            layer.enable_adapters(
                value != 0
            )  # not a product with 0: the bare layer alone runs, so the bits are its own
            layer.set_scale(NAME, value)

    def start(self, noise: Tensor) -> Tensor:
        """What the sampler starts from, of the generator's own noise [B, …]: that itself, whatever the scale."""
        return noise

    def weights(self) -> dict[str, nn.Parameter]:
        """The trained factors, unfolded: `<module>.lora_A` [R, in] and `<module>.lora_B` [out, R], at least float32."""
        found: dict[str, nn.Parameter] = {}
        for name, layer in self.layers.items():
            found[f"{name}.lora_A"] = layer.lora_A[NAME].weight
            found[f"{name}.lora_B"] = layer.lora_B[NAME].weight
        return found


def inject(generator: Generator, chosen: plan.Adapter, seed: int) -> Lora:
    """Add a fresh adapter at scale 1: A uniform within 1 / √in (Kaiming, a = √5), B zero, drawn from `seed` alone."""
    names = targeted(generator, chosen.targets, chosen.blocks)
    lora = _inject(generator, dict.fromkeys(names, chosen.rank), dict.fromkeys(names, chosen.alpha))
    stream = torch.Generator("cpu").manual_seed(seed)
    for name, weight in lora.weights().items():
        if name.endswith(".lora_A"):
            bound = 1 / math.sqrt(weight.shape[1])
            weight.data.copy_(torch.empty(weight.shape).uniform_(-bound, bound, generator=stream))
        else:
            weight.data.zero_()
    return lora


def targeted(generator: Generator, targets: str, blocks: Sequence[str] = ()) -> list[str]:
    """The linear layers of a bare backbone that an adapter of these targets takes, sorted; of `blocks` alone, if any.

    Raises `InputError` for a block that has none of them.
    """
    suffixes = tuple(f".{suffix}" for suffix in generator.lora_targets[targets])
    layers = sorted(
        name
        for name, module in generator.backbone.named_modules()
        if isinstance(module, nn.Linear) and name.endswith(suffixes)
    )
    inside = {block: [name for name in layers if name.startswith(f"{block}.")] for block in blocks}
    for block, found in inside.items():
        if not found:
            message = f"nothing in `{block}` takes an adapter of `targets: {targets}`"
            raise InputError([Problem(Place("recipe"), "adapter.blocks", message, "name a part around such layers")])
    return sorted({name for found in inside.values() for name in found}) if blocks else layers


def install(generator: Generator, tensors: Mapping[str, Tensor], factor: float = 1.0, file: str = "adapter") -> Lora:
    """Add a saved adapter at scale 1; ranks are read from the tensors, alpha = rank because the factors are folded.

    To train it further, `factor` is the alpha / rank that is taken out of B again: the product stays what it is.
    `file` is what messages call it. Raises `InputError` for a tensor that fits no linear layer of the backbone: nothing
    is left out silently.
    """
    if not tensors or headers.LATENTS in tensors:
        found = "holds the noise of one picture, and" if tensors else "holds"
        raise InputError([Problem(Place(file), "", f"{found} no factors of a LoRA")])
    head = f"{generator.lora_prefix}."
    factors = {key.removeprefix(head).removesuffix(".weight"): value for key, value in tensors.items()}
    linear = linear_layers(generator)
    downs = {key.removesuffix(".lora_A"): value for key, value in factors.items() if key.endswith(".lora_A")}
    expected = {f"{head}{name}.lora_{side}.weight" for name in downs for side in "AB"}
    for key, value in tensors.items():
        if value.dtype not in DTYPE_WORDS or value.ndim != 2 or not value.numel():
            found = f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
            raise InputError([Problem(Place(file), cut(key), f"is no factor of a LoRA, found {found}")])
    strange = sorted((expected ^ set(tensors)) | ({f"{head}{name}" for name in downs} - set(linear)))
    if strange:
        raise InputError([Problem(Place(file), cut(strange[0]), "fits no linear layer of this generator", _ANOTHER)])
    for name, down in downs.items():
        up, part = factors[f"{name}.lora_B"], linear[f"{head}{name}"]
        if down.shape != (up.shape[1], part.in_features) or up.shape[0] != part.out_features:
            shapes = f"{list(down.shape)} and {list(up.shape)}"
            message = f"has the wrong shape, found {shapes}"
            raise InputError([Problem(Place(file), f"{head}{name}", message, _ANOTHER)])
    ranks = {name: len(downs[name]) for name in sorted(downs)}
    lora = _inject(generator, ranks, {name: factor * rank for name, rank in ranks.items()})
    for name, weight in lora.weights().items():
        weight.data.copy_(factors[name] if name.endswith(".lora_A") or factor == 1 else factors[name] / factor)
    return lora


def linear_layers(generator: Generator) -> dict[str, nn.Linear]:
    """The linear layers of a bare backbone, by their names in a file."""
    parts = generator.backbone.named_modules()
    return {f"{generator.lora_prefix}.{name}": part for name, part in parts if isinstance(part, nn.Linear)}


def layers(generator: Generator) -> dict[str, tuple[int, int]]:
    """How many numbers each of them reads and writes."""
    return {name: (part.in_features, part.out_features) for name, part in linear_layers(generator).items()}


def _inject(generator: Generator, ranks: Mapping[str, int], alphas: Mapping[str, float]) -> Lora:
    """Let peft put its layers in place, weights not yet meant."""
    from peft import LoraConfig, inject_adapter_in_model  # pyright: ignore[reportUnknownVariableType]

    if not ranks:
        raise ValueError("an adapter needs at least one layer")
    generator.turns.take(generator.backbone)  # peft puts its layers where the backbone's weights are
    patterns = {re.escape(name): rank for name, rank in ranks.items()}
    scaled = {re.escape(name): alpha for name, alpha in alphas.items()}
    config: Any = LoraConfig(
        r=1, lora_alpha=1, rank_pattern=patterns, alpha_pattern=scaled,
        target_modules=list(ranks), init_lora_weights=False, lora_dropout=0.0, bias="none",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):  # peft's layers draw weights, which we overwrite, from the global state
        inject_adapter_in_model(config, generator.backbone, NAME)
    layers: dict[str, Any] = {name: generator.backbone.get_submodule(name) for name in ranks}
    for layer in layers.values():
        for factor in (layer.lora_A[NAME], layer.lora_B[NAME]):
            factor.to(devices.precise(layer.base_layer.weight.dtype))
            factor.requires_grad_(True)
    return Lora(generator.backbone, generator.lora_prefix, layers)


def eject(lora: Lora) -> None:
    """Put every layer back as it was before `inject`: the same modules, nothing added."""
    for name, layer in lora.layers.items():
        parent, _, leaf = name.rpartition(".")
        setattr(lora.backbone.get_submodule(parent), leaf, layer.base_layer)
    del lora.backbone.peft_config


def tensors(lora: Lora) -> dict[str, Tensor]:
    """Folded copies on the CPU, `transformer.<module>.lora_A.weight` [R, in] and `…lora_B.weight` [out, R]."""
    folded: dict[str, Tensor] = {}
    for name, layer in lora.layers.items():
        down, up = (factors[NAME].weight.detach() for factors in (layer.lora_A, layer.lora_B))
        folded[f"{lora.prefix}.{name}.lora_A.weight"] = down.cpu().clone()
        folded[f"{lora.prefix}.{name}.lora_B.weight"] = (up * (layer.lora_alpha[NAME] / layer.r[NAME])).cpu()
    return folded


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Digest of what an adapter is: sorted name, dtype, shape and bytes of every tensor, nothing of its header."""
    whole = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        whole.update(json.dumps([name, DTYPE_WORDS[value.dtype], list(value.shape)]).encode())
        whole.update(_bytes(value))
    return whole.hexdigest()


def body_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Digest of a file's bytes behind its header, which ModelSpec and sd-scripts write into that."""
    whole = hashlib.sha256()
    for name in _order(tensors):
        whole.update(_bytes(tensors[name]))
    return whole.hexdigest()


def metadata(
    generator: Generator,
    chosen: plan.Plan,
    inputs: str,
    recipe: str,
    tensors: Mapping[str, Tensor],
    included: Mapping[str, str] = MappingProxyType({}),
    steps: int = 0,
) -> dict[str, str]:
    """The header of an adapter: our own entries, then what ModelSpec 1.0.1 and sd-scripts ask for. No times, no paths.

    `inputs` is the lock's inputs as text, `recipe` the recipe's text, `included` the texts of the files it includes, by
    name (an entry only where there are any), `steps` what was trained. The other tools' rank and alpha are the file's
    (folded: equal); the trained ones are in our own.
    """
    rank = str(chosen.adapter.rank)
    return {
        **own_metadata(inputs, recipe, tensors, included),
        "control_recipes.rank": rank,
        "control_recipes.alpha": repr(chosen.adapter.alpha),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.title": chosen.name,
        "modelspec.hash_sha256": "0x" + body_sha256(tensors),
        "ss_output_name": chosen.name,
        "ss_v2": "False",
        "ss_network_dim": rank,
        "ss_network_alpha": rank,
        "ss_network_args": "{}",
        **other_tools.training(chosen, steps, recipe),
        **generator.lora_metadata,
        **beside.metadata(chosen.generator),
    }  # fmt: skip


def own_metadata(
    inputs: str, recipe: str, tensors: Mapping[str, Tensor], included: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """The entries of ours that the header of everything has that a run makes; parameters as in `metadata`."""
    return {
        "format": "pt",
        "control_recipes.recipe": recipe,
        **({"control_recipes.included": json.dumps(dict(sorted(included.items())))} if included else {}),
        "control_recipes.inputs": inputs,
        digests.SAID: tensors_sha256(tensors),
    }


def fitted(metadata: Mapping[str, str]) -> dict[str, str]:
    """The entries without those of ours that are too long for a header that is read again, the longest left out first.

    `control_recipes.left_out` names them: a plan of tens of thousands of prompts is longer than any header may be.
    """
    kept, left_out = dict(metadata), list[str]()
    room = headers.LARGEST_HEADER - 2**20  # beside it stand the tensors' own entries
    while len(json.dumps(kept)) > room:
        longest = max((name for name in kept if name.startswith("control_recipes.")), key=lambda name: len(kept[name]))
        del kept[longest]
        left_out.append(longest)
        kept["control_recipes.left_out"] = " ".join(left_out)
    return kept


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], keep: Path | None = None) -> None:
    """Write a safetensors file whose bytes depend on its arguments alone: keys sorted, 8-byte aligned, in one step.

    With `keep` the file that was there goes to that place. Format: 8 bytes little-endian length, a JSON header padded
    with spaces, the tensors' bytes in the header's order.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    body: list[bytes] = []
    end = 0
    for name in _order(tensors):
        value = tensors[name]
        start, end = end, end + value.nbytes
        header[name] = {"dtype": DTYPE_WORDS[value.dtype], "shape": list(value.shape), "data_offsets": [start, end]}
        body.append(_bytes(value))
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    files.write(path, b"".join([struct.pack("<Q", len(text)), text, *body]), keep)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file, on the CPU; raises `InputError` for anything else."""
    from safetensors import SafetensorError, safe_open

    headers.read(path)  # bounded, where the library would parse whatever there is
    try:
        with safe_open(path, framework="pt", device="cpu") as file:  # pyright: ignore[reportUnknownVariableType]
            opened: Any = file
            return {name: opened.get_tensor(name) for name in list(opened.keys())}, dict(opened.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise headers.refused(path, error) from error


def _order(tensors: Mapping[str, Tensor]) -> list[str]:
    """The order of tensors in a file: wide ones first, so that all are aligned, then by name."""
    return sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))


def _bytes(value: Tensor) -> bytes:
    return value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
