"""The table of docs/composing.md: how much of each control is left where several become one adapter.

    python tests/bench/composed.py RECIPE… --against RECIPE --out build/composed > build/composed.json

Each recipe is trained alone, then made one in every way there is: side by side, with tuned weights, polished, by peft's
`linear`, `cat`, `svd`, `ties` and `dare_ties`, one training after the other, and one training of all. Every adapter is
then measured by pixels on each recipe's held-out prompts. `--against` names the recipe that contradicts the first one.

One JSON object on stdout; the table as Markdown on stderr. What is done stays in the folder: a run that was stopped
goes on. Recipes of the gallery are copied there, and trained as `--set` has them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import control_recipes
import torch
from control_recipes.engine import (
    adapter,
    building,
    console,
    evaluate,
    files,
    foreign,
    generators,
    jobs,
    showing,
    training,
)
from control_recipes.engine.compose import compose
from control_recipes.engine.console import Talk
from control_recipes.engine.errors import ControlError
from control_recipes.engine.gallery import Source
from control_recipes.engine.plan import Plan
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from control_recipes.engine.schema import Schema
from control_recipes.engine.streams import derived

PEFT = ("linear", "cat", "svd", "ties", "dare_ties")
DENSITY = 0.5  # of what `ties` and `dare_ties` keep
SEED = 2506  # of what `dare_ties` drops
GALLERY = Path(control_recipes.__file__).parent / "recipes"
Shares = dict[str, dict[str, dict[str, Any]]]  # recipe -> measure -> share, interval, pictures


@dataclass(frozen=True)
class Bench:
    """What is compared, by how many pictures, and where."""

    names: list[str]
    against: str | None
    pictures: int
    sets: list[str]
    polish_steps: int
    talk: Talk

    @property
    def plans(self) -> dict[str, Plan]:
        return {name: self.plan(name) for name in [*self.names, *([self.against] if self.against else [])]}

    def plan(self, name: str) -> Plan:
        return resolve(read(Path(f"{name}.yaml"), self.sets))

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


def ways(bench: Bench) -> dict[str, Callable[[], Path]]:
    """Every way, by its name in the table."""
    adapters, plans = bench.adapters(bench.names), [bench.plan(name) for name in bench.names]
    small = [replace(one, evaluate=replace(one.evaluate, seeds=one.evaluate.seeds[:4])) for one in plans]

    def ours(name: str, **more: Any) -> Path:
        return compose(adapters, name, Path("composed", name), listener=bench.talk, **more).adapter

    made: dict[str, Callable[[], Path]] = {
        f"{name} alone": lambda path=path: path for name, path in zip(bench.names, adapters, strict=True)
    }
    made |= {
        "exact": lambda: ours("exact"),
        "exact, `--tune`": lambda: ours("tuned", tune=small),
        "exact, `--polish`": lambda: ours("polished", polish=small, steps=bench.polish_steps),
        "exact, `--tune --polish`": lambda: ours("both", tune=small, polish=small, steps=bench.polish_steps),
    }
    made |= {f"peft's `{way}`": lambda way=way: by_peft(bench)[way] for way in PEFT}
    made |= {
        "one training after the other": lambda: one_after_the_other(bench),
        "one training of all (`combine`)": lambda: joint(bench),
    }
    return made


# --- what is left of each control ---


def measured(bench: Bench, path: Path, names: Sequence[str]) -> Shares:
    """Every measure of every recipe, on its own held-out prompts, by pixels alone."""
    found: Shares = {}
    for name in names:
        plan = bench.plan(name)
        seeds = tuple(range(-(-bench.pictures // len(plan.test_rows))))
        rows = tuple(replace(row, asks=()) for row in plan.test_rows)
        bare = replace(plan, critics=(), judges=(), questions=(), drawings=(), expect=(), test_rows=rows)
        seen = evaluate.evaluate(replace(bare, evaluate=replace(plan.evaluate, seeds=seeds, scales=(1.0,))), path)
        found[name] = {
            one.name: {
                "goal": one.name == plan.goal_measure,
                "before": one.before,
                "share": one.after,
                "interval": one.interval,
                "pictures": one.pictures,
            }
            for one in seen.measures
        }
    return found


def contradiction(bench: Bench) -> dict[str, Any]:
    """The first recipe with the one that contradicts it: what is said of the two, and what is left of each."""
    pair = [bench.names[0], str(bench.against)]
    made = compose(bench.adapters(pair), "pair", Path("composed", "pair"), listener=bench.talk)
    together = made.together.data()
    return {
        "recipes": pair,
        "warnings": together["warnings"],
        "matrix": together["matrix"],
        "alone": {name: measured(bench, path, [name]) for name, path in zip(pair, bench.adapters(pair), strict=True)},
        "together": measured(bench, made.adapter, pair),
    }


def table(names: Sequence[str], found: Mapping[str, Shares]) -> str:
    """Markdown: of every control the share of pictures, and how much that is of what it reaches alone."""

    def goal(shares: Shares, name: str) -> float:
        return next((one["share"] for one in shares[name].values() if one["goal"]), float("nan"))

    head = f"| | {' | '.join(names)} | the least |\n|---|{'---|' * (len(names) + 1)}\n"
    alone = {name: goal(found[f"{name} alone"], name) for name in names}
    lines: list[str] = []
    for way, shares in found.items():
        kept = {name: goal(shares, name) / alone[name] if alone[name] else 0.0 for name in names}
        cells = " | ".join(f"{goal(shares, name):.1%} ({kept[name]:.0%})" for name in names)
        lines.append(f"| {way} | {cells} | {min(kept.values()):.0%} |")
    return head + "\n".join(lines)


def copied(recipe: Path, folder: Path) -> str:
    """Copy a recipe and the assets beside it into the folder; its name there."""
    source = recipe if recipe.is_file() else GALLERY / recipe.name
    shutil.copyfile(source, folder / source.name)
    if (source.parent / "assets").is_dir():
        shutil.copytree(source.parent / "assets", folder / "assets", dirs_exist_ok=True)
    for model in ("flux", "critic", "second"):  # of recipes for models in folders beside them
        if (source.parent / model).is_dir():
            shutil.copytree(source.parent / model, folder / model, dirs_exist_ok=True)
    return source.stem


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "recipes", nargs="+", type=Path, metavar="RECIPE", help="a path, or the name of a gallery recipe"
    )
    parser.add_argument("--against", type=Path, metavar="RECIPE", help="contradicts the first one")
    parser.add_argument("--out", type=Path, default=Path("build/composed"), metavar="DIR")
    parser.add_argument("--pictures", type=int, default=1000, metavar="N", help="of each control, at least")
    parser.add_argument("--polish-steps", type=int, default=50, metavar="N")
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE", help="of every recipe")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> None:
    chosen = arguments(words)
    chosen.out.mkdir(parents=True, exist_ok=True)
    names = [copied(recipe, chosen.out) for recipe in chosen.recipes]
    against = copied(chosen.against, chosen.out) if chosen.against else None
    os.chdir(chosen.out)
    settings = {
        "recipes": names, "against": against, "pictures": chosen.pictures,
        "polish_steps": chosen.polish_steps, "sets": chosen.sets,
    }  # fmt: skip
    kept = Path("results.json")
    known: dict[str, Any] = json.loads(kept.read_bytes()) if kept.exists() else {"settings": settings, "ways": {}}
    if known["settings"] != settings:
        sys.exit(f"{chosen.out} holds a comparison of {known['settings']}: give another --out")
    with Talk(quiet=False) as talk:
        bench = Bench(names, against, chosen.pictures, chosen.sets, chosen.polish_steps, talk)
        for name in bench.plans:
            run(name, bench.sets, talk)
        for way, made in ways(bench).items():
            if way not in known["ways"]:
                talk.say(f"== {way}")
                known["ways"][way] = measured(bench, made(), names)
                files.write(kept, json.dumps(known).encode())
        if against and "pair" not in known:
            known["pair"] = contradiction(bench)
            files.write(kept, json.dumps(known).encode())
        talk.say(table(names, known["ways"]))
    print(json.dumps(known))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ControlError as error:
        console.show(error)
        sys.exit(error.exit_status)
