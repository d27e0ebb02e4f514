"""The tables of docs/composing.md: how much of each control is left where several become one adapter.

    python tests/bench/composed.py RECIPE… --against RECIPE --work runs/bench/composed --out docs/figures/composed.json

Each recipe is trained alone, then made one in every way there is: side by side, with tuned weights, polished, by peft's
`linear`, `cat`, `svd`, `ties` and `dare_ties`, one training after the other, and one training of all. Every adapter is
then measured by pixels on each recipe's held-out prompts. `--against` names the recipe that contradicts the first one.

One JSON object on stdout and in `--out`, of which `python docs/build.py --write` makes the tables. What is done stays
in the work folder: the same command goes on where it was stopped. Recipes of the gallery are copied there, and trained
as `--set` has them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import gradient
import torch
from control_recipes.engine import (
    adapter,
    building,
    console,
    evaluate,
    files,
    foreign,
    gallery,
    generators,
    interference,
    jobs,
    showing,
    training,
)
from control_recipes.engine import plan as plans
from control_recipes.engine.compose import compose
from control_recipes.engine.console import Talk
from control_recipes.engine.errors import ControlError, InputError, Place, Problem
from control_recipes.engine.gallery import Source
from control_recipes.engine.plan import Plan
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from control_recipes.engine.schema import Schema
from control_recipes.engine.streams import derived
from control_recipes.engine.values import POLISH_STEPS

PEFT = ("linear", "cat", "svd", "ties", "dare_ties")
DENSITY = 0.5  # of what `ties` and `dare_ties` keep
SEED = 2506  # of what `dare_ties` drops
PICTURES = 1000  # of each figure, at least: its 95 % interval is then 6 points wide at most, or hardly more
LOOK = "evaluate.seeds=4"  # of what runs and compositions look at by themselves, beside what is measured here
Shares = dict[str, dict[str, Any]]  # of a recipe: measure -> share, interval, pictures


@dataclass(frozen=True)
class Bench:
    """What is compared, by how many pictures, and where."""

    names: list[str]
    against: str | None
    pictures: int
    sets: list[str]
    polish_steps: int
    talk: Talk

    @cached_property
    def plans(self) -> dict[str, Plan]:
        names = [*self.names, *([self.against] if self.against else [])]
        return {name: resolve(read(Path(f"{name}.yaml"), self.sets)) for name in names}

    def plan(self, name: str) -> Plan:
        return self.plans[name]

    def adapters(self, names: Sequence[str]) -> list[Path]:
        return [Path("runs", name, f"{name}.safetensors") for name in names]


def run(name: str, sets: Sequence[str], talk: Talk) -> Path:
    """Train a recipe of this folder, or go on with it; its adapter."""
    source = Source(Path(f"{name}.yaml"), False)
    job = jobs.job(source, None, sets, "keep", lambda one, given: read(one.path, given), False, talk.say)
    building.build(job, talk)
    return job.folder / f"{job.plan.name}.safetensors"


# --- ways to make one of several ---


def by_peft(bench: Bench) -> dict[str, Path]:
    """peft's own ways, each adapter at weight 1; matrices that one lacks, and ranks, are filled up with zeros."""
    made = {way: Path("peft", f"{way}.safetensors") for way in PEFT}
    if all(path.exists() for path in made.values()):
        return made
    from peft import LoraConfig, LoraModel

    chosen = bench.plan(bench.names[0]).generator
    backbone, prefix = generators.load(chosen).backbone, generators.names_of(chosen.model.family).PREFIX
    parts = [foreign.read(path, chosen.model.family)[0] for path in bench.adapters(bench.names)]
    modules = sorted({name for one in parts for name in one})
    rank = max(len(down) for one in parts for down, _ in one.values())
    inner = [name.removeprefix(f"{prefix}.") for name in modules]
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=inner)
    model: Any = LoraModel(backbone, config, "0")
    for number in range(1, len(parts)):
        model.peft_config[str(number)] = LoraConfig(r=rank, lora_alpha=rank, target_modules=inner)
        model.inject_adapter(model.model, str(number))
    for number, part in enumerate(parts):
        for module, name in zip(modules, inner, strict=True):
            layer = model.model.get_submodule(name)
            down, up = layer.lora_A[str(number)].weight.data.zero_(), layer.lora_B[str(number)].weight.data.zero_()
            if module in part:
                down[: len(part[module][0])] = part[module][0]
                up[:, : len(part[module][0])] = part[module][1]
    names = [str(number) for number in range(len(parts))]
    for way, path in made.items():
        torch.manual_seed(SEED)
        more: dict[str, Any] = {"svd": {"svd_rank": rank}}.get(way, {"density": DENSITY} if "ties" in way else {})
        model.add_weighted_adapter(names, [1.0] * len(names), way, combination_type=way, **more)
        tensors: dict[str, torch.Tensor] = {}
        for module, name in zip(modules, inner, strict=True):
            layer = model.model.get_submodule(name)
            tensors[f"{module}.lora_A.weight"] = layer.lora_A[way].weight.detach().clone()
            tensors[f"{module}.lora_B.weight"] = layer.lora_B[way].weight.detach() * layer.scaling[way]
        adapter.save(path, tensors, {"format": "pt"})
    return made


def one_after_the_other(bench: Bench) -> Path:
    """The second recipe trained from what the first one came to, and so on."""
    path = bench.adapters(bench.names)[0]
    for name in bench.names[1:]:
        plan, folder = bench.plan(name), Path("sequential", name)
        folder.mkdir(parents=True, exist_ok=True)
        begin = _widened(plan, adapter.load(path)[0])
        path = training.train(plan, folder, bench.talk.step, say=bench.talk.say, begin=begin).adapter
    return path


def _widened(plan: Plan, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """An adapter with fresh factors, which do nothing yet, for the matrices that a recipe trains besides."""
    generator = generators.load(plan.generator)
    fresh = adapter.tensors(adapter.inject(generator, plan.adapter, derived(plan.train.seed, "adapter")))
    return {**fresh, **tensors}


def joint(bench: Bench) -> Path:
    """One training of all recipes by `combine`, of as many steps as they have together; else as the first one says."""
    first = read(Path(f"{bench.names[0]}.yaml"), bench.sets).schema
    assert isinstance(first, Schema)
    own: dict[str, Any] = {
        key: getattr(first, key).model_dump(mode="json", by_alias=True) if getattr(first, key) is not None else None
        for key in ("generator", "stay", "adapter", "train", "evaluate")
    }
    own["train"]["stop"] = None  # it would name one recipe's questions
    own["train"]["steps"] = sum(bench.plan(name).train.steps for name in bench.names)
    if any(bench.plan(name).adapter.targets == "all" for name in bench.names):
        own["adapter"]["targets"] = "all"
    for name in bench.names:  # with the overrides that hold for all
        files.write(Path(f"{name}.joint.yaml"), showing.text(read(Path(f"{name}.yaml"), bench.sets)).encode())
    recipes = {f"{name}.joint.yaml": 1.0 for name in bench.names}
    schemas = [read(Path(f"{name}.yaml"), bench.sets).schema for name in bench.names]
    inherited = {key for one in schemas for key in ("stay", "expect") if getattr(one, key)}
    # `~` takes away what is inherited: what each of them was to reach alone is not expected here
    kept = {**own, "expect": None}
    kept = {key: value for key, value in kept.items() if value is not None or key in inherited}
    text = {"recipe": 1, "name": "joint", "combine": {"recipes": recipes}, **kept}
    files.write(Path("joint.yaml"), json.dumps(text, indent=1).encode())
    return run("joint", (), bench.talk)


def composed(bench: Bench, name: str, names: Sequence[str], **more: Any) -> Path:
    """What `recipe compose` makes of some recipes' adapters; nothing anew where it was done already."""
    folder = Path("composed", name)
    if not (folder / "report.html").exists():  # which is written last
        compose(bench.adapters(names), name, folder, listener=bench.talk, **more)
    return folder / f"{name}.safetensors"


def ways(bench: Bench) -> dict[str, Callable[[], Path]]:
    """Every way, by its name in the table; what makes an adapter, or finds it made."""
    plans_of, steps = [bench.plan(name) for name in bench.names], bench.polish_steps

    def ours(name: str, **more: Any) -> Callable[[], Path]:
        return lambda: composed(bench, name, bench.names, **more)

    alone = zip(bench.names, bench.adapters(bench.names), strict=True)
    made: dict[str, Callable[[], Path]] = {f"{name} alone": lambda path=path: path for name, path in alone}
    made |= {
        "exact": ours("exact"),
        "exact, `--tune`": ours("tuned", tune=plans_of),
        "exact, `--polish`": ours("polished", polish=plans_of, steps=steps),
        "exact, `--tune --polish`": ours("both", tune=plans_of, polish=plans_of, steps=steps),
    }
    made |= {f"peft's `{way}`": lambda way=way: by_peft(bench)[way] for way in PEFT}
    made |= {
        "one training after the other": lambda: one_after_the_other(bench),
        "one training of all (`combine`)": lambda: joint(bench),
    }
    return made


# --- what is left of each control ---


def measured(bench: Bench, path: Path, name: str) -> Shares:
    """Every measure of a recipe, on its own held-out prompts, by pixels alone; its goal's in `bench.pictures`."""
    plan = bench.plan(name)
    rows = tuple(replace(row, asks=()) for row in plan.test_rows)
    aimed = sum(any(one.measure == plan.goal_measure for one in row.targets) for row in rows)
    looked = replace(plan.evaluate, seeds=tuple(range(-(-bench.pictures // aimed))), scales=(1.0,))
    bare = replace(plan, critics=(), judges=(), questions=(), drawings=(), expect=(), test_rows=rows, evaluate=looked)
    seen = evaluate.evaluate(bare, path, listen=bench.talk.looked)
    return {
        one.name: {
            "goal": one.name == plan.goal_measure,
            "before": one.before,
            "share": one.after,
            "interval": one.interval,
            "pictures": one.pictures,
        }
        for one in seen.measures
    }


@dataclass(frozen=True)
class Kept:
    """What was measured so far, and the file that it is kept in after every figure."""

    path: Path
    data: dict[str, Any]

    def measure(
        self, key: str, names: Sequence[str], made: Callable[[], Path], measure: Callable[[Path, str], Shares]
    ) -> None:
        """Measure what is missing of an adapter, by recipe; it is made only where something is."""
        found: dict[str, Shares] = self.data["ways"].setdefault(key, {})
        missing = [name for name in names if name not in found]
        path = made() if missing else Path()
        for name in missing:
            found[name] = measure(path, name)
            self.write()

    def write(self) -> None:
        files.write(self.path, json.dumps(self.data).encode())


def kept(path: Path, settings: Mapping[str, Any]) -> Kept:
    """What a work folder has of this comparison; InputError where it has another one's."""
    data: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {"settings": settings, "ways": {}}
    if differ := [key for key, value in settings.items() if data["settings"].get(key) != value]:
        said = f"holds a comparison of other {', '.join(differ)}"
        raise InputError([Problem(Place(str(path)), "", said, "give another --work")])
    return Kept(path, data)


def contradiction(bench: Bench, found: Kept) -> dict[str, Any]:
    """The first recipe with the one that contradicts it: what is said of the two, and what is left of each."""
    pair = [bench.names[0], str(bench.against)]
    for name in pair:
        path = bench.adapters([name])[0]
        found.measure(f"{name} alone", [name], lambda path=path: path, lambda path, name: measured(bench, path, name))
    path = composed(bench, "pair", pair)
    found.measure("pair", pair, lambda: path, lambda path, name: measured(bench, path, name))
    together = interference.read(path.parent)
    assert together is not None
    return {"recipes": pair, "warnings": together.data()["warnings"], "matrix": together.data()["matrix"]}


def checked(bench: Bench) -> dict[str, str]:
    """The digests of the recipes' plans; InputError where one has no goal that pixels measure."""
    for name, plan in bench.plans.items():
        if not plan.goal_measure:
            message = "has no goal that pixels measure: nothing can be said of what is left of it"
            raise InputError([Problem(Place(f"{name}.yaml"), "goal", message)])
    return {name: plans.digest(plan) for name, plan in bench.plans.items()}


def copied(recipe: str, folder: Path) -> str:
    """Copy a recipe and the assets beside it into the folder; its name there."""
    path = gallery.find(recipe if recipe.endswith(".yaml") else f"{recipe}.yaml").path
    shutil.copyfile(path, folder / path.name)
    for name in ("assets", "flux", "critic", "second"):  # the models of recipes that have theirs beside them
        if (path.parent / name).is_dir():
            shutil.copytree(path.parent / name, folder / name, dirs_exist_ok=True)
    return path.stem


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", metavar="RECIPE", help="a path, or the name of a gallery recipe")
    parser.add_argument("--against", metavar="RECIPE", help="contradicts the first one")
    parser.add_argument("--work", type=Path, default=Path("runs/bench/composed"), metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE", help="what the tables of the docs are made of")
    parser.add_argument("--pictures", type=int, default=PICTURES, metavar="N", help="of each control, at least")
    parser.add_argument("--polish-steps", type=int, default=POLISH_STEPS, metavar="N")
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE", help="of every recipe")
    return parser.parse_args(words)


def compared(bench: Bench, found: Kept) -> dict[str, Any]:
    """All figures, those that are there already not anew."""
    for name in bench.plans:
        run(name, bench.sets, bench.talk)
    for way, made in ways(bench).items():
        bench.talk.say(f"== {way}")
        found.measure(way, bench.names, made, lambda path, name: measured(bench, path, name))
    if bench.against is not None:
        bench.talk.say(f"== {bench.names[0]} against {bench.against}")
        found.data["pair"] = contradiction(bench, found)
        found.write()
    return found.data


def main(words: Sequence[str]) -> None:
    chosen = arguments(words)
    work, out = chosen.work.absolute(), chosen.out and chosen.out.absolute()
    work.mkdir(parents=True, exist_ok=True)
    names = [copied(recipe, work) for recipe in chosen.recipes]
    against = copied(chosen.against, work) if chosen.against else None
    os.chdir(work)
    with Talk(quiet=False) as talk:
        bench = Bench(names, against, chosen.pictures, [LOOK, *chosen.sets], chosen.polish_steps, talk)
        settings = {
            "recipes": names, "against": against, "pictures": chosen.pictures,
            "polish_steps": chosen.polish_steps, "sets": chosen.sets, "plans": checked(bench),
        }  # fmt: skip
        data = compared(bench, kept(Path("results.json"), settings))
    quick = bool(chosen.sets) or chosen.pictures < PICTURES
    told = json.dumps({**data, "quick": quick, "machine": gradient.machine()}, indent=1)
    if out:
        files.write(out, f"{told}\n".encode())
    print(told)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ControlError as error:
        console.show(error)
        sys.exit(error.exit_status)
