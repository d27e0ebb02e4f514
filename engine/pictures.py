"""Pictures from an adapter file: the generator that it was trained for, at any scale, for any prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pydantic import ValidationError

from . import adapter_files, digests, files, headers, lengths, made_for, models, paths
from . import plan as plans
from .counting import counted
from .errors import InputError, Place, Problem
from .hub import Listen
from .parts import Companion, Generator
from .schema_models import Generator as Allowed

if TYPE_CHECKING:
    from torch import Tensor


def generate(
    adapter: Path, prompts: Sequence[str], seed: int, scale: float, out: Path, listen: Listen | None = None
) -> list[Path]:
    """Paint every prompt from one seed and write PNGs to `out`; files that are there are not replaced but numbered on.

    The adapter may be an export of it for another tool. Raises `InputError` where it is no adapter of ours, is damaged,
    or its generator is another or not found; before torch is loaded, where its header says so. Raises `WorkError` where
    memory runs out, or weights cannot be had. `listen` is told how far those of the hub have come.
    """
    adapter = adapter_files.found(adapter)
    header = headers.of_adapter(adapter).metadata
    chosen = _generator(adapter, header)
    companions = tuple(_companion(adapter, one) for one in chosen.companions)
    model = models.locate(chosen.model.address, Path(), revision=chosen.model.revision)
    made_for.refuse_another(adapter, header, model)
    digests.refuse_damaged(adapter, header)
    lengths.refuse(prompts, model, Place(str(adapter)))
    models.complete(model, listen)
    files.make(out)
    from . import memory, visuals

    when = f"painting {counted(len(prompts), 'picture')}"
    with memory.told(when, chosen.device, lambda: "fewer prompts at once need less"):
        painted = _painted(adapter, replace(chosen, model=model, companions=companions), prompts, seed, scale)
    paths: list[Path] = []
    for index, picture in enumerate(painted):
        paths.append(_free(out, f"seed{seed}_scale{scale:g}_{index}"))
        visuals.save(picture.permute(1, 2, 0).cpu().numpy(), paths[-1])
    return paths


def _painted(adapter: Path, chosen: Generator, prompts: Sequence[str], seed: int, scale: float) -> Tensor:
    """Pictures [B, 3, H, W], 0 to 1, one for each prompt."""
    import torch

    from . import adapter as adapters
    from . import flow, foreign, generators

    tensors, _ = foreign.tensors(adapter, chosen.model.family)
    generator = generators.load(chosen)
    conditioning = generators.encoded(generator, chosen, prompts)
    adapters.install(generator, tensors, file=str(adapter)).scale(scale)
    with torch.inference_mode():
        noise = generator.noise([seed] * len(prompts))
        paths = flow.paths(noise, [seed] * len(prompts))
        return generator.image(flow.sample(generator, conditioning, noise, chosen.steps, paths)).float()


def _generator(adapter: Path, header: Mapping[str, str]) -> Generator:
    """The generator that an adapter says it is for; `InputError` where no recipe could have asked for it."""
    if "control_recipes.inputs" not in header:
        left_out = "control_recipes.left_out" in header
        ways = "`recipe eval RECIPE --adapter` and, in a recipe, `generator.with` take it"
        others = f"only what `recipe run` wrote, and its exports, do; {ways}"
        hint = "its plan was too long to carry" if left_out else others
        raise _refuse(adapter, "does not say which generator it is for", hint)
    chosen = plans.parse(made_for.carried(adapter, header).plan, str(adapter)).generator
    named = ("steps", "guidance", "negative", "dtype", "device", "offload", "slicing", "tiling")
    size = {"width": chosen.width, "height": chosen.height}
    companions = [{"file": one.name, "weight": one.weight} for one in chosen.companions]
    try:
        Allowed.model_validate(
            {name: getattr(chosen, name) for name in named}
            | {"model": chosen.model.address, "size": size, "with": companions}
        )
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(str(part) for part in found["loc"])
        raise _refuse(adapter, f"asks for a generator that no recipe can: {where}: {found['msg']}", "") from error
    return chosen


def _companion(adapter: Path, one: Companion) -> Companion:
    """A companion of the generator, where the recipe has it as seen from here, or by its name beside the adapter."""
    parts = PurePosixPath(one.name).parts
    # peft's files lie in a folder of their own, and are called alike in each
    for folder, name in ((Path(), one.name), *((adapter.parent, "/".join(parts[-some:])) for some in (2, 1))):
        try:
            found = paths.inside(folder, name, allow_outside=False)
        except paths.Refused:
            continue
        if models.sha256(found) == one.sha256:
            return replace(one, source=str(found))
    message = f"was trained beside {one.name}, which is not here"
    hint = f"put it here, or beside the adapter: the file whose sha256 is {one.sha256}"
    raise _refuse(adapter, message, hint)


def _free(folder: Path, stem: str) -> Path:
    path, number = folder / f"{stem}.png", 1
    while path.exists():
        path, number = folder / f"{stem}.{number}.png", number + 1
    return path


def _refuse(adapter: Path, message: str, hint: str) -> InputError:
    return InputError([Problem(Place(str(adapter)), "", message, hint)])
