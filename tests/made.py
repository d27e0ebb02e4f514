"""A finished run folder for tests of the report and the lock: files in their real formats, scenes by the painter."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from control_recipes.engine import figures, lock, visuals
from control_recipes.engine import plan as plans
from control_recipes.engine.world import painter

LINE = 0.8
RECIPE = """\
# Intent: the horizon sits low in the picture, whatever is asked for.
recipe: 1
name: horizon_low
generator: {model: builtin:generator}
critics: {eyes: {model: builtin:critic}}
questions:
  aligned: {ask: "Is the red line aligned with the horizon? <b>&amp;", answer: "Yes", against: "No"}
"""
PROMPTS = [
    "a red ball in the grass",
    "a blue house on the sand",
    "a green tree in the snow",
    "a yellow boat by the sea",
    "a white ball on the sand at night",
    "an orange house in the grass at dusk",
    "a small tree by the sea",
    "a big purple ball in the snow",
]
SCALES = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Story:
    """What the made-up run is to have come to."""

    truth: float = 0.93  # share of pictures whose horizon is right afterwards
    believed: float = 0.96  # share that the critic calls right
    hold: float = 0.86  # p of the hold afterwards
    named: float = 0.97  # share whose factors are kept
    met: bool = True


def plan(prompts: list[str] = PROMPTS) -> plans.Plan:
    """A small plan in every detail that a report looks at."""
    model = plans.Model("builtin:generator", "flux", "", (("model.safetensors", "0" * 64),), "")
    eyes = plans.Critic("eyes", plans.Model("builtin:critic", "qwen2_5_vl", "", (), ""), 1.0, "float32", "cpu")
    second = plans.Critic("second", plans.Model("builtin:judge", "llava", "", (), ""), 0.0, "float32", "cpu")
    line = plans.Drawing("ruler", "line", (("color", "#ff0000ff"), ("thickness", 0.02), ("y", LINE)), "", "", "")
    rows = tuple(_row(prompt) for prompt in prompts)
    return plans.Plan(
        version=1,
        name="horizon_low",
        generator=plans.Generator(model, 1, 64, 64, 0.0, "", "float32", "cpu", 32),
        critics=(eyes,),
        judges=(second,),
        drawings=(line,),
        questions=(
            plans.Question("aligned", 1.0, 0.0, False, ("eyes",)),
            plans.Question("still_there", 0.5, 0.75, False, ("eyes",)),
            plans.Question("what", 1.0, 0.0, True, ("eyes",)),
        ),
        measures=(
            plans.Measure("horizon", "horizon_row"),
            plans.Measure("named", "factors"),
            plans.Measure("sharp", "sharpness"),
        ),
        order=("aligned", "still_there", "what", "horizon", "named", "sharp"),
        train_rows=rows[:4],
        validate_rows=rows[4:6],
        test_rows=rows,
        goal_measure="horizon",
        goal_question="aligned",
        train=plans.Train(
            120,
            4,
            1,
            5e-4,
            0,
            "constant",
            "adamw",
            1.0,
            100,
            "clean",
            "random_step",
            plans.Augment(0.5, 0.02, 2, False),
            plans.Stop((("second", "aligned", 0.9),), 2),
            0.0,
            25,
            0.1,
        ),
        adapter=plans.Adapter(16, 80.0, "attention"),
        evaluate=plans.Evaluate(tuple(range(16)), SCALES, 25),
        expect=(plans.Expectation("horizon", "", "at_least", 0.9),),
    )


def _row(prompt: str) -> plans.Row:
    asks = (
        plans.Ask("aligned", ("Is the red line aligned with the horizon? <b>&amp;",), ("Yes",), ("No",), ("ruler",)),
        plans.Ask("still_there", (f"Is there {prompt}?",), ("Yes",), (), ()),
        plans.Ask("what", ("What is in the image?",), ("a ball", "ball"), (), ()),
    )
    targets = (
        plans.Target("horizon", (("near", LINE), ("within", 0.06))),
        plans.Target("named", (("keep", ("thing", "color", "place")),)),
        plans.Target("sharp", (("at_least", 0.9), ("relative_to", "base"))),
    )
    return plans.Row(prompt, (), asks, targets)


def run_folder(folder: Path, story: Story = Story()) -> Path:
    """Write the folder of a finished run, its lock inside, and return it."""
    made, rng = plan(), random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "plan.json").write_text(plans.dump(made), encoding="utf-8")
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in _metrics(rng)), encoding="utf-8")
    figures.write(evaluation(made, folder, story), folder / "evaluation.json")
    outcome = lock.Outcome(
        "horizon_low.safetensors", "1" * 64, "2" * 64, 120, "steps", (("measures.horizon.after", 0.93),), ()
    )
    place = lock.Platform("cpu", "AVX2", 2, "Linux-x86_64", "3.11.0", False, (("torch", "2.13.0"),))
    lock.write(lock.Lock(lock.inputs(made, "3" * 64), place, outcome), folder / "horizon_low.lock")
    return folder


def _metrics(rng: random.Random) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    for step in range(1, 121):
        aligned = 0.96 / (1 + math.exp(-(step - 35) / 9)) + rng.uniform(-0.03, 0.03)
        kept = 0.93 - 0.2 * math.exp(-(((step - 40) / 15) ** 2)) + rng.uniform(-0.04, 0.04)
        said = {"aligned": aligned, "still_there": kept, "what": 0.4 + rng.uniform(-0.1, 0.1)}
        p = {name: {"eyes": {"p": min(max(value, 1e-3), 0.999), "nats": 0.1}} for name, value in said.items()}
        loss = -math.log(max(aligned, 1e-3)) + rng.uniform(0, 0.1)
        lines.append(
            {"step": step, "loss": loss, "stay": 0.01, "grad_norm": 1.0, "lr": 5e-4, "questions": p, "seconds": 0.3}
        )
        if step % 25 == 0:
            looked = {
                name: {"eyes": p[name]["eyes"], "second": {"p": 0.9 * p[name]["eyes"]["p"], "nats": 0.2}} for name in p
            }
            lines.append({"step": step, "look": looked, "kept": True})
    return lines


def evaluation(made: plans.Plan, folder: Path, story: Story) -> figures.Evaluation:
    """Figures that tell the story, and pictures by the painter that look like it."""
    of = len(made.test_rows) * len(made.evaluate.seeds)
    (folder / "images").mkdir(exist_ok=True)
    strips = [_strip(folder, index, row.prompt, False) for index, row in enumerate(made.test_rows)]
    strips += [_strip(folder, 100, made.test_rows[1].prompt, True)]
    before, after = figures.Share(0.02, 0.004), figures.Share(story.believed, 0.93)
    kept = figures.Share(0.95, 0.93), figures.Share(0.94, story.hold)
    return figures.Evaluation(
        plan=plans.digest(made),
        tensors_sha256="2" * 64,
        scale=1.0,
        rows=len(made.test_rows),
        seeds=len(made.evaluate.seeds),
        beliefs=(
            figures.Belief("aligned", "eyes", False, before, after, of),
            figures.Belief("aligned", "second", True, before, figures.Share(0.91, 0.88), of),
            figures.Belief("still_there", "eyes", False, *kept, of),
            figures.Belief("still_there", "second", True, *kept, of),
            figures.Belief("what", "eyes", False, figures.Share(0.5, 0.42), figures.Share(0.52, 0.41), of),
        ),
        measures=(
            _measured(
                "horizon", "horizon_row", "horizon within 0.06 of 0.8", of, 0.03, story.truth, (0.51, 0.66, 0.79)
            ),
            _measured(
                "named", "factors", "as the prompt names them: thing, color, place", of, 0.98, story.named, (1, 1, 0.99)
            ),
            _measured(
                "sharp", "sharpness", "at least 0.9 × as sharp as the bare picture", of, 1.0, 0.94, (1, 1.02, 1.04)
            ),
        ),
        expect=(figures.Verdict("horizon", "", "at least 0.9", story.truth, story.truth >= 0.9),),
        strips=tuple(strips),
        seconds=12.5,
    )


def _measured(
    name: str, kind: str, wanted: str, of: int, before: float, after: float, scores: tuple[float, ...]
) -> figures.Measured:
    shares = (before, (before + after) / 2, after)
    return figures.Measured(
        name=name,
        kind=kind,
        wanted=wanted,
        unit={"horizon_row": "of the height, from the top", "factors": "of the factors"}.get(
            kind, "× the bare picture"
        ),
        pictures=of,
        before=before,
        after=after,
        before_interval=figures.wilson(round(before * of), of),
        interval=figures.wilson(round(after * of), of),
        change_interval=figures.paired(round(max(0, after - before) * of), round(max(0, before - after) * of), of),
        scales=tuple(figures.AtScale(*at) for at in zip(SCALES, shares, scores, strict=True)),
    )


def _strip(folder: Path, index: int, prompt: str, missed: bool) -> figures.Strip:
    scenes = painter.draw(1, torch.Generator().manual_seed(index))
    start = float(scenes.horizon)
    shots: list[figures.Shot] = []
    for scale in SCALES:
        row = start + ((0.7 if missed else LINE) - start) * min(1.0, scale * 1.05)
        scenes.horizon[:] = row
        file = f"images/row{index:03d}_seed3_scale{scale:g}.png"
        visuals.save(painter.paint(scenes)[0].permute(1, 2, 0).numpy(), folder / file)
        satisfied = (("horizon", abs(row - LINE) < 0.06), ("named", index != 2 or scale < 1), ("sharp", True))
        shots.append(figures.Shot(scale, file, satisfied, (("horizon", row), ("named", 1.0), ("sharp", 1.0))))
    return figures.Strip(prompt, 3, missed, tuple(shots))
