"""Generators: diffusion and flow models as the engine sees them, three files a family.

`FAMILY.py` computes, `FAMILY_sizes.py` says without torch what that takes, `FAMILY_names.py` what other tools call its
layers; a word in `FAMILIES`, and nothing elsewhere says its name.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .. import plan
from . import branches
from .reading import Reading

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ...critics.costs import Cost
    from ..offloading import Turns
    from .layouts import Layout
    from .levels import Draws

# `_class_name` in a model folder's model_index.json -> the module of this package that knows it
FAMILIES = {
    "FluxPipeline": "flux",
    "StableDiffusionPipeline": "sd",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusion3Pipeline": "sd3",
    "PixArtSigmaPipeline": "pixart",
    "SanaPipeline": "sana",
    "SanaSprintPipeline": "sana_sprint",
    "Lumina2Pipeline": "lumina2",
    "ChromaPipeline": "chroma",
    "ZImagePipeline": "z_image",
    "QwenImagePipeline": "qwen_image",
    "Flux2KleinPipeline": "flux2_klein",
}
# the same -> why a family is none of these, and what to do
REFUSED = {
    "Flux2Pipeline": "its prompts are read by a processor of pictures that needs torchvision; use Flux.2 klein",
}


class Conditioning(Protocol):
    """What the backbone needs of B prompts, computed once; `rows` picks some of them by index."""

    def rows(self, index: Sequence[int]) -> Conditioning: ...


class Generator(Protocol):
    """A family of image generators. z are latents in the family's own packed or plain layout, B first."""

    backbone: nn.Module
    lora_prefix: str  # component name before every key of a saved adapter: transformer, unet
    turns: Turns  # which its parts take on their device, where the plan wants that; critics join in

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        """`attention`, `all` -> suffixes of the names of the linear layers that an adapter takes."""
        ...

    @property
    def lora_metadata(self) -> dict[str, str]:
        """Header entries that say in other tools' words which family an adapter belongs to."""
        ...

    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts (and negatives, where guidance needs them)."""
        ...

    def release_encoders(self) -> None:
        """Drop the text encoders; `condition` cannot be called afterwards."""
        ...

    @property
    def deviation(self) -> float:
        """Standard deviation of `noise`: what the stock pipeline multiplies the `latents` by that it is given."""
        ...

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """z at sigmas[0], one picture a seed, each from its own CPU generator: a seed gives one noise everywhere."""
        ...

    def sigmas(self, steps: int) -> Tensor:
        """Descending noise levels [N + 1], ending at 0, from the family's own scheduler (shift included)."""
        ...

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """The clean estimate x̂0 of latents z at noise level sigma, guidance applied."""
        ...

    def advance(
        self, denoised: Tensor, z: Tensor, sigma: Tensor, next_sigma: Tensor, generator: Draws | None
    ) -> Tensor:
        """One sampler step from sigma to next_sigma: z' = x̂0 + (σ'/σ)(z − x̂0) unless the family's sampler differs."""
        ...

    def level(self, share: Tensor) -> Tensor:
        """The noise level σ at which noise is `share`, in (0, 1], of the sum of picture and noise: itself for flow."""
        ...

    def renoised(self, denoised: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
        """Finished latents made noisy to levels sigma [B]: the family's own forward process."""
        ...

    def image(self, denoised: Tensor) -> Tensor:
        """Decode x̂0 to pixels [B, 3, H, W] in [0, 1], clamped with a straight-through gradient."""
        ...


class Sizes(Protocol):
    """What a generator costs at one picture size, in numbers; every family's own module `FAMILY_sizes`, torch-free.

    Beside it, `TEXT_TOKENS` says how many the family's last text encoder is given at most, as the stock pipeline has
    it; `NEGATIVES`, whether it reads negative prompts; and `grain`, which sizes of pictures it makes. Where a chat
    stands around a prompt, `around` says how many of the tokens are the chat's; where guidance does not count from 1,
    `GUIDED_ABOVE` says from where; `refused`, what else of a plan the family does not do. `before` says what the stock
    pipeline writes before a prompt, `SHARED` whether that takes of the tokens too, and `LOWERED` that prompts are put
    into lower case.
    """

    @property
    def parameters(self) -> float:
        """Of what stays loaded: backbone and autoencoder."""
        ...

    @property
    def encoders(self) -> float:
        """Parameters of the text encoders, which are let go once the prompts are encoded."""
        ...

    @property
    def conditioning(self) -> float:
        """Values kept for one prompt."""
        ...

    @property
    def latents(self) -> float:
        """Values of one picture's latents."""
        ...

    @property
    def decoded(self) -> Cost:
        """One picture decoded, in tiles where the plan wants them."""
        ...

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter."""
        ...

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the backbone for one picture."""
        ...


class Names(Protocol):
    """What other tools call a generator's layers; every family's own module `FAMILY_names`, torch-free."""

    PREFIX: str  # before every key of an adapter, as diffusers writes it

    EXPORTS: Mapping[str, Layout]  # by the tools of `layouts.TOOLS`: what is written for each; none, what cannot be

    def parts(self, original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
        """The layers of diffusers that an original one holds, each with its rows; empty for an unknown name.

        The original is named with `_` for `.`. Rows that end behind its last one go on with its first.
        """
        ...

    def original(self, module: str) -> str:
        """The other way round: the original layer, with `.`, that has a layer's rows; empty for an unknown name."""
        ...


def encoded(generator: Generator, chosen: plan.Generator, prompts: Sequence[str]) -> Conditioning:
    """Prompts, each with the plan's one negative."""
    return generator.condition(prompts, [chosen.negative] * len(prompts))


def names_of(family: str) -> Names:
    """What the layers of a family are called."""
    module: Any = importlib.import_module(f".{family}_names", __name__)
    return module


def exports_of(family: str) -> Mapping[str, Layout]:
    """What can be written of a family's adapters for other tools; nothing of a family that is not known."""
    return names_of(family).EXPORTS if family in FAMILIES.values() else {}


def sizes_of(chosen: plan.Generator) -> Sizes:
    """What the plan's generator costs; raises `InputError` where its configurations do not say."""
    module = importlib.import_module(f".{chosen.model.family}_sizes", __name__)
    return module.sizes(chosen)


def text_tokens(family: str) -> int:
    """Tokens that a family's last text encoder is given at most, whatever its tokenizer says."""
    module: Any = importlib.import_module(f".{family}_sizes", __name__)
    return int(module.TEXT_TOKENS)


def reading_of(family: str, folder: Path, file: Path, tokens: int) -> Reading | None:
    """How a family's last text encoder, whose tokenizer is `file`, reads a prompt, where it is given so many tokens.

    None where the stock pipeline writes something before it that is not known. Raises as `text_room`.
    """
    module: Any = importlib.import_module(f".{family}_sizes", __name__)
    before = module.before() if hasattr(module, "before") else ""
    if before is None:
        return None
    limit, lowered = text_room(family, folder, tokens), bool(getattr(module, "LOWERED", False))
    return Reading(file, limit, before, bool(getattr(module, "SHARED", False)), lowered)


def text_room(family: str, folder: Path, tokens: int) -> int:
    """Of so many tokens that a family's last text encoder is given, those that a prompt may have.

    Raises `InputError` where the chat template in the folder cannot be used.
    """
    module: Any = importlib.import_module(f".{family}_sizes", __name__)
    return tokens - int(module.around(folder)) if hasattr(module, "around") else tokens


def grain(family: str, folder: Path, factor: int) -> int:
    """Pixels that a family's width and height must be a multiple of, where `factor` of them are a latent, 0: unknown.

    Raises `InputError` where a configuration in the folder cannot be read.
    """
    module: Any = importlib.import_module(f".{family}_sizes", __name__)
    return int(module.grain(folder, factor))


def refused(chosen: plan.Generator) -> list[branches.Refusal]:
    """What of the plan's generator its family does not do, as far as the folder's configurations say.

    Raises `InputError` where one of them cannot be read.
    """
    module: Any = importlib.import_module(f".{chosen.model.family}_sizes", __name__)
    above = getattr(module, "GUIDED_ABOVE", branches.NONE)
    unread = branches.negative_problem(chosen, takes=module.NEGATIVES, above=above)
    found = [branches.Refusal("negative", *unread)] if unread else []
    return [*found, *(module.refused(chosen) if hasattr(module, "refused") else ())]


def load(chosen: plan.Generator) -> Generator:
    """Load the model that the plan names, frozen, by its family, with its companions in it.

    Weights of a hub model that are not on this machine are fetched. Raises `InputError` where plan and model, or a
    companion, clash, `WorkError` where a file is not that of the plan any more, or cannot be had.
    """
    from .. import companions, models  # which know the families by this module

    if chosen.model.family not in FAMILIES.values():
        raise ValueError(f"no family of generators is called {chosen.model.family!r}")
    models.ready(chosen.model)
    generator: Generator = importlib.import_module(f".{chosen.model.family}", __name__).load(chosen)
    companions.merge(generator, chosen)
    return generator
