"""The models and files of a recipe, as the plan has them: found, told apart by digest, fit for what they are asked."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path

from . import (
    adapter_files,
    answers,
    digests,
    document,
    factor_names,
    generators,
    headers,
    made_for,
    model_facts,
    models,
    paths,
    plan,
    schema,
    schema_models,
)
from .errors import InputError
from .problems import Problems, shown
from .recipe import Recipe
from .template import is_template


class Files:
    """The files that a recipe names, where it may read them."""

    def __init__(self, recipe: Recipe, problems: Problems) -> None:
        self.recipe, self.problems = recipe, problems

    def __call__(self, path: document.Path, name: str) -> Path | None:
        try:
            return paths.inside(self.recipe.folder, name, self.recipe.allow_outside)
        except paths.Refused as error:
            self.problems.add(path, error.message, error.hint)
            return None

    def adapter(self, path: document.Path, name: str, model: plan.Model | None) -> tuple[plan.Asset, ...]:
        """An adapter for this generator, a file or peft's folder, by its digest, and what tells of its scale beside it.

        Nothing where there is none that can be read, which goes to the problems.
        """
        path = self.problems.document.written(path)
        if adapter_files.is_folder(self.recipe.folder / name):
            name = posixpath.join(name, factor_names.FACTORS)
        found = self(path, name)
        if found is not None and found.suffix.lower() in headers.PICKLES:
            self.problems.add(path, f"is a pickle, found {shown(name)}", headers.WHY)
            return ()
        if found is not None and found.suffix != ".safetensors":
            self.problems.add(path, f"is no adapter, found {shown(name)}", "only .safetensors files are read")
            return ()
        if found is None:
            return ()
        try:
            header = headers.of_adapter(found)
            digests.refuse_damaged(found, header.metadata)
            if model is not None:
                made_for.refuse_another(Path(name), header.metadata, model)
        except InputError as error:
            for one in error.problems:
                self.problems.add(path, f"{name} {one.message}", one.hint)
            return ()
        return (plan.Asset(name, models.sha256(found), str(found)), *self._beside(path, name, header))

    def _beside(self, path: document.Path, name: str, header: headers.Header) -> tuple[plan.Asset, ...]:
        """Peft's settings, where the scale of an adapter stands in them."""
        if not factor_names.scaled_beside(header):
            return ()
        beside = posixpath.join(posixpath.dirname(name), factor_names.SETTINGS)
        found = self(path, beside)
        return () if found is None else (plan.Asset(beside, models.sha256(found), str(found)),)


NOWHERE = plan.Model("", "", "", (), "")


def locate(
    recipe: Recipe, chosen: schema.Schema, problems: Problems, revisions: Mapping[str, str]
) -> dict[document.Path, plan.Model]:
    """Every model of the recipe, by the path of what names it; those that cannot be had are left out.

    A hub model stays at the commit that `revisions` has for its address.
    """
    wanted: dict[document.Path, str] = {("generator",): chosen.generator.model}
    wanted |= {("critics", name): critic.model for name, critic in chosen.critics.items()}
    wanted |= {("judges", name): judge.model for name, judge in chosen.judges.items()}
    digested: dict[str, plan.Model] = {}
    found: dict[document.Path, plan.Model] = {}
    for path, address in wanted.items():
        if (*path, "model") in recipe.lost or not recipe.document.has((*path, "model")):
            continue
        try:
            if address not in digested:
                digested[address] = models.locate(address, recipe.folder, revision=revisions.get(address, ""))
        except InputError as error:
            for problem in error.problems:
                problems.add((*path, "model"), problem.message, problem.hint)
            continue
        model = digested[address]
        if models.is_generator(model) != (path == ("generator",)):
            wrong = "a generator, no critic" if models.is_generator(model) else "a critic, no generator"
            problems.add((*path, "model"), f"{address} is {wrong}")
        else:
            found[path] = model
    return found


def generator(
    chosen: schema_models.Generator, model: plan.Model | None, opened: Files, problems: Problems
) -> plan.Generator:
    """The generator as the plan has it, its size fit for the model; what is wrong with it goes to `problems`."""
    side = model_facts.picture_size(model) if model else None
    width, height = (chosen.size.width, chosen.size.height) if chosen.size else (side or 0, side or 0)
    if model and not width:
        problems.add(("generator",), "`size` is missing: the model does not say its own")
    grid = model_facts.grid(model) if model and chosen.size else 1
    for name, pixels in (("width", width), ("height", height)):
        if pixels % grid:
            problems.add(("generator", "size", name), f"must be a multiple of {grid}, found {pixels}")
    made = plan.Generator(
        model=model or NOWHERE,
        steps=chosen.steps,
        width=width,
        height=height,
        guidance=chosen.guidance,
        negative=chosen.negative,
        dtype=chosen.dtype,
        device=chosen.device,
        text_length=model_facts.text_length(model) if model else 0,
        companions=_companions(chosen, model, opened, problems),
        offload=chosen.offload,
        slicing=chosen.slicing,
        tiling=chosen.tiling,
        checkpoint_backbone=chosen.checkpointing.backbone,
        checkpoint_decoder=chosen.checkpointing.decoder,
    )
    known = model and ("generator", "guidance") not in opened.recipe.lost and not is_template(chosen.negative)
    for one in generators.refused(made) if known else ():
        problems.add(("generator", *one.key.split(".")), one.message, one.hint)
    return made


def _companions(
    chosen: schema_models.Generator, model: plan.Model | None, opened: Files, problems: Problems
) -> tuple[plan.Companion, ...]:
    """The generator's companions, each once; what is wrong with them goes to `problems`."""
    found: list[plan.Companion] = []
    for at, one in enumerate(chosen.companions):
        path = problems.document.written(("generator", "with", at, "file"))
        made = opened.adapter(path, one.file, model)
        known = {other.sha256: other.name for other in found}
        if made and made[0].sha256 in known:
            message = f"{one.file} is the same adapter as {known[made[0].sha256]}"
            problems.add(path, message, "give it once: what is there twice acts twice")
        named = [
            plan.Companion(file.name, file.sha256, file.source, 1.0 if at else one.weight)
            for at, file in enumerate(made)
        ]
        found += [file for file in named if file not in found]
    return tuple(found)


def critics(chosen: schema.Schema, located: Mapping[document.Path, plan.Model]) -> tuple[plan.Critic, ...]:
    """The critics as the plan has them, sorted by name."""
    return tuple(
        plan.Critic(
            name=name,
            model=located.get(("critics", name), NOWHERE),
            weight=critic.weight,
            dtype=critic.dtype,
            device=critic.device,
            checkpointing=critic.checkpointing,
            quantize=critic.quantize or "",
        )
        for name, critic in sorted(chosen.critics.items())
    )


def judges(chosen: schema.Schema, located: Mapping[document.Path, plan.Model]) -> tuple[plan.Critic, ...]:
    """The judges as the plan has them, sorted by name; nothing that they say is in a loss."""
    return tuple(
        plan.Critic(
            name=name,
            model=located.get(("judges", name), NOWHERE),
            weight=0.0,
            dtype=judge.dtype,
            device=judge.device,
            quantize=judge.quantize or "",
        )
        for name, judge in sorted(chosen.judges.items())
    )


def readers(
    chosen: schema.Schema, located: Mapping[document.Path, plan.Model], generator: plan.Generator
) -> list[answers.Reader]:
    """Who reads the questions, each with its tokenizer; none while the size of a picture is not known."""
    names: list[tuple[str, str]] = [("critics", name) for name in chosen.critics] + [
        ("judges", name) for name in chosen.judges
    ]
    wanted = [(path, located[path]) for path in names if path in located]
    size = (generator.width, generator.height)
    return [answers.Reader(str(path[1]), answers.chat(model), *size) for path, model in wanted] if all(size) else []


def no_critic_judges(
    chosen: schema.Schema, critics: tuple[plan.Critic, ...], judges: tuple[plan.Critic, ...], problems: Problems
) -> None:
    """The same weights under another name are still what trained the adapter, or what stopped its training."""

    def weights(one: plan.Critic) -> tuple[object, str]:
        return one.model.files or one.model.address, one.model.revision

    trained = {weights(critic): critic.name for critic in critics if critic.model.address}
    for judge in judges:
        if critic := trained.get(weights(judge)):
            message = f"`{judge.name}` is the same model as the critic `{critic}`"
            problems.add(("judges", judge.name, "model"), message, "a judge is one that did not train the adapter")
    stopping = chosen.train.stop.judge if chosen.train.stop else {}
    stops = {weights(judge): judge.name for judge in judges if judge.name in stopping and judge.model.address}
    named = {judge.name: stops[weights(judge)] for judge in judges if weights(judge) in stops}
    for name, wanted in chosen.expect.items():
        if (other := named.get(wanted.judge or "")) not in (None, wanted.judge):
            message = f"`{wanted.judge}` is the same model as `{other}`, which decides when training stops"
            problems.add(("expect", name, "judge"), message, "judge by another, or stop by `p`")
