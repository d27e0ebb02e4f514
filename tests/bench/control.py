"""What a control costs, and what keeps it honest: trainings of horizon_low.yaml, whole and with something changed.

    python tests/bench/control.py time --work runs/bench --out docs/figures/control.json
        seconds of training until the reader says that 90 % of held-out pictures obey: the recipe as it is, and the
        paper's settings; about 15 minutes on two idle cores
    python tests/bench/control.py tricks --work runs/bench --out docs/figures/tricks.json
        the recipe without each of the means against pleasing the critic alone; about 30 minutes on two idle cores

What was done is kept in the work folder: the same command goes on where it was stopped. `--quick` tries the bench.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import control_recipes
import derived
from control_recipes.engine import figures
from control_recipes.engine.plan import Plan
from rich.console import Console
from rich.table import Table

RECIPE = Path(sys.executable).with_name("recipe")
WANTED = 0.9  # of held-out pictures
LOOKS = 12  # of each training, evenly
SEEDS = 4  # pictures of each held-out prompt at a look
CHECKPOINT = Path("checkpoint", "state.safetensors")
console = Console(stderr=True)


# --- time to a control ----------------------------------------------------------------------------------------------


def timed(work: Path, label: str, quick: bool) -> dict[str, Any]:
    """Train, and look at the adapter on the way: seconds, belief and truth at every look, and what it came to."""
    change = derived.SETTINGS[label]
    path = derived.write(work, label, change, quick)
    steps = control_recipes.resolve(control_recipes.read(path)).train.steps
    every = max(1, steps // LOOKS)
    path = derived.write(work, label, change, quick, save_every=every)
    text = path.read_text(encoding="utf-8")
    plan = control_recipes.resolve(control_recipes.read(path))
    folder = work / "time" / plan.name
    folder.mkdir(parents=True, exist_ok=True)
    _train(plan, folder, text, every)
    looks = [_look(plan, at, text) for at in sorted(folder.glob("at_*"))]
    reached = next((look["seconds"] for look in looks if look["truth"] >= WANTED), None)
    return {"label": label, "steps": steps, "reached": reached, "looks": looks}


def _train(plan: Plan, folder: Path, text: str, every: int) -> None:
    """Train, every checkpoint kept as `at_STEP`. What lies there after the step that follows is that of the step."""

    def keep(step: int) -> None:
        there = folder / f"at_{step:06d}" / CHECKPOINT
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / CHECKPOINT, there)

    def listen(step: Any) -> None:
        if (done := step.step - 1) and done % every == 0:
            keep(done)
        if step.step % every == 0:
            console.print(f"{plan.name}: step {step.step} of {step.steps}, {step.seconds_left:.0f} s to go")

    control_recipes.train(plan, folder, listen, text, say=console.print)
    keep(plan.train.steps)


def _look(plan: Plan, folder: Path, text: str) -> dict[str, Any]:
    """Belief and truth of a kept checkpoint, on fewer pictures than an evaluation has; done once."""
    kept = folder / "look.json"
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    from control_recipes.engine import checkpoint, lock, training
    from control_recipes.engine import step as steps

    desk = steps.prepare(plan)
    state = training._state(desk)
    checkpoint.restore(folder, state)
    trained = training._finish(desk, state, folder, text, {}, lock.text_of(lock.inputs(plan)), 0.0)
    few = replace(plan, evaluate=replace(plan.evaluate, seeds=plan.evaluate.seeds[:SEEDS], scales=(0.0, 1.0)))
    found = control_recipes.evaluate(few, trained.adapter)
    look = {"step": trained.steps, "seconds": trained.seconds, **_summed(found, plan)}
    console.print(f"{plan.name}: step {trained.steps}, belief {look['belief']:.2f}, truth {look['truth']:.2f}")
    kept.write_text(json.dumps(look) + "\n", encoding="utf-8")
    return look


def _summed(found: figures.Evaluation, plan: Plan) -> dict[str, Any]:
    """Belief is the critic's p of the goal's question; truth and the rest are shares of pictures, by their pixels."""
    belief = next(one for one in found.beliefs if one.question == plan.goal_question and one.critic == "eyes")
    shares = {one.name: one for one in found.measures}
    return {
        "belief": belief.after.p,
        "truth": shares["horizon"].after,
        "kept": shares["named"].after,
        "sharp": shares["sharp"].after,
        "interval": list(shares["horizon"].interval),
        "pictures": shares["horizon"].pictures,
    }


# --- what keeps a critic honest -------------------------------------------------------------------------------------


def tried(work: Path, label: str, quick: bool) -> dict[str, Any]:
    """`recipe run` of the changed recipe, and what it came to."""
    path = derived.write(work, label, derived.TRICKS[label], quick)
    words = ["run", str(path), "--out", str(work / "tricks" / path.stem), "--json"]
    done = subprocess.run([RECIPE, *words], stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1):  # 1: the recipe's own expectation is not met, which is what is looked for
        raise SystemExit(f"{label}: recipe run ended with {done.returncode}")
    told: dict[str, Any] = json.loads(done.stdout)
    belief = told["questions"][derived.GOAL]["critics"]["eyes"]
    measures = told["measures"]
    return {
        "label": label,
        "belief": belief["after"]["p"],
        "truth": measures["horizon"]["after"],
        "kept": measures["named"]["after"],
        "sharp": measures["sharp"]["after"],
        "interval": measures["horizon"]["interval"],
        "pictures": measures["horizon"]["pictures"],
        "before": {"belief": belief["before"]["p"], **{to: measures[of]["before"] for to, of in _BEFORE.items()}},
        "seconds": told["seconds"],
    }


_BEFORE = {"truth": "horizon", "kept": "named", "sharp": "sharp"}


# --- the command ----------------------------------------------------------------------------------------------------


def shown(rows: list[dict[str, Any]]) -> Table:
    """What was measured, for whoever waits."""
    table = Table("", "seconds", "belief", "truth", "kept", "sharp")
    for row in rows:
        last: Mapping[str, Any] = row["looks"][-1] if "looks" in row else row
        seconds = row["reached"] if "looks" in row else row["seconds"]
        cells = [f"{last[name]:.2f}" for name in ("belief", "truth", "kept", "sharp")]
        table.add_row(row["label"], "never" if seconds is None else f"{seconds:.0f}", *cells)
    return table


def main(words: list[str] | None = None) -> None:
    """Do what is not done yet, print it, keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("time", "tricks"))
    parser.add_argument("--work", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--out", type=Path, help="where the figures are kept, as JSON")
    parser.add_argument("--only", action="append", help="a label; may be given again; default: all")
    parser.add_argument("--quick", action="store_true", help="two steps of each: whether the bench works")
    given = parser.parse_args(words)
    from gradient import machine

    labels = given.only or list(derived.SETTINGS if given.what == "time" else derived.TRICKS)
    one = timed if given.what == "time" else tried
    rows = [one(given.work.absolute(), label, given.quick) for label in labels]
    console.print(shown(rows))
    print(json.dumps(rows))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        data = {"quick": given.quick, "machine": machine(), "wanted": WANTED, "rows": rows}
        given.out.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
