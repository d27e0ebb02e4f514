"""What a family of generators does not do: told at its place before anything is loaded, and never advised."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import families
import pico
import pico_flow
import pytest
from control_recipes.engine import advice, capacity, cards, costing, estimate, generators
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import Plan
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve

QWEN = next(case for case in families.CASES if case.name == "qwen-image")
RECIPE = """\
recipe: 1
name: refused
generator:
  model: ./generator
  size: {width: 32, height: 32}
"""
ASKED = """\
critics: {eyes: {model: ./critic}}
prompts: {train: [a ball, a tree], test: [a house]}
questions: {there: {ask: "Is there a ball?", answer: "Yes"}}
"""


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refused")
    QWEN.build(folder / "generator")
    pico.critic_folder(folder / "critic")
    return folder


def problems(folder: Path, *lines: str) -> list[str]:
    """What is wrong with a recipe that says those lines of its generator."""
    path = folder / "r.yaml"
    path.write_text(RECIPE + "".join(f"  {line}\n" for line in lines) + ASKED, encoding="utf-8")
    try:
        resolve(read(path))
    except InputError as error:
        return [str(one).removeprefix(f"{path}:") for one in error.problems]
    return []


def test_tiles_that_are_to_be_computed_again_are_refused_where_they_are_written(qwen: Path):
    message = "generator.checkpointing.decoder: cannot go with `tiling` for this family of generators"
    hint = "\n  hint: leave one of the two out"
    assert problems(qwen, "tiling: true", "checkpointing: {decoder: true}") == [f"7:28: {message}{hint}"]
    assert problems(qwen, "checkpointing: true", "tiling: true") == [f"6:18: {message}{hint}"]
    for lines in (["tiling: true", "checkpointing: {backbone: true}"], ["checkpointing: true"]):
        assert problems(qwen, *lines) == []


def test_guidance_of_a_distilled_model_is_refused_where_it_is_written(tmp_path: Path):
    pico.critic_folder(tmp_path / "critic")
    pico_flow.flux2_klein_folder(tmp_path / "generator", distilled=True)
    said = "6:13: generator.guidance: does nothing for a model that is distilled, found 4\n  hint: leave it out"
    assert problems(tmp_path, "guidance: 4.0") == [said]
    assert problems(tmp_path, "guidance: 1.0") == []
    index = tmp_path / "generator" / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text("utf-8")), "is_distilled": False}), "utf-8")
    assert problems(tmp_path, "guidance: 4.0") == []


def large(folder: Path, **chosen: object) -> Plan:
    """A plan for pictures of 1048 × 1048, whose halves are no multiple of what the model can do."""
    made = QWEN.chosen(folder / "generator", width=1048, height=1048)
    return pico.plan_of(replace(made, **chosen), folder / "critic")


@pytest.mark.parametrize("chosen", [{}, {"tiling": True}, {"checkpoint_decoder": True}])
def test_whatever_is_advised_a_run_takes(qwen: Path, chosen: dict[str, bool]):
    plan = large(qwen, **chosen)
    for one in advice.changes(plan):
        made = one.made(plan).generator
        assert generators.refused(made) == []
        assert made.width % 8 == made.height % 8 == 0
    size = next(one for one in advice.changes(plan) if one.key == "generator.size")
    assert size.value == "{width: 520, height: 520}"
    device = capacity.Device("cuda", "", 2**20, None, 1)  # which nothing fits: all that helps is told
    known, together = {(one.key, one.value): one for one in advice.changes(plan)}, plan
    for one in advice.advice(plan, device, estimate.estimate(plan, device)):
        together = known[one.key, one.value].made(together) if one.value else together
    assert generators.refused(together.generator) == []
    assert together.generator.tiling != together.generator.checkpoint_decoder  # either would help
    costs = costing.Costs(plan)
    for card in cards.cards(plan, costs):
        of_card = [known[one.key, one.value] for one in card.settings]
        assert generators.refused(cards._made(plan, of_card).generator) == []
    everything = {one.key: one.value for one in cards._enough(plan, costs, device, 0)}
    whole = "{backbone: true}" if plan.generator.tiling else "true"
    assert everything["generator.checkpointing"] == whole


def test_a_batch_is_made_no_smaller_than_the_processes_that_share_it(qwen: Path, monkeypatch: pytest.MonkeyPatch):
    plan = pico.plan_of(QWEN.chosen(qwen / "generator"), qwen / "critic", batch=4)

    def batches() -> list[tuple[str, int]]:
        found = [one for one in advice.changes(plan) if one.key == "train.batch"]
        return [(one.value, one.made(plan).train.accumulate) for one in found]

    assert batches() == [("1", 4)]
    for number, wanted in ((2, [("2", 2)]), (3, []), (4, [])):
        for name, value in (("RANK", 0), ("WORLD_SIZE", number), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", 1)):
            monkeypatch.setenv(name, str(value))
        assert batches() == wanted
