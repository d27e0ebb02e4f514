"""Prompts that a generator would cut are refused where they are written, by the tokens of its own text encoder."""

from __future__ import annotations

import random
import shutil
import string
from pathlib import Path

import families
import hollow
import pico
import pytest
from commandline import recipe
from control_recipes.engine import generators, lengths, model_facts, models
from control_recipes.engine.errors import InputError
from control_recipes.engine.generators import lumina2_sizes, reading, sana_text
from control_recipes.engine.generators.reading import Reading
from diffusers import DiffusionPipeline
from tokenizers import Tokenizer

WORLD = ("./generator", "builtin:generator")
LONG = (
    "a small red ball in the grass by day with thin outlines and a large blue house in the snow at night on the left "
    "and a car behind a vase in front of a tree in the office by day"
)
TEST = "[{prompt: a white ball, color: white, thing: ball}]"


@pytest.fixture(scope="module")
def world() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(models.CHECKPOINTS / "generator" / "tokenizer_2" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return hollow.workplace(tmp_path)


def test_a_long_prompt_is_named_at_its_place_with_its_tokens(file: Path, world: Tokenizer):
    count = len(world.encode(LONG).ids)
    assert count > 40
    row = f"{{prompt: {LONG}, color: white, thing: ball}}"
    said = f"the prompt '{LONG[:57]}...' is too long: {count} tokens, the generator reads 40"
    assert hollow.problems(file, WORLD, (TEST, f"[{row}]")) == [f"16:10: prompts.test.0: {said}"]
    (file.parent / "p.txt").write_text(f"a white ball\n{LONG}\n", "utf-8")
    told = hollow.problems(file, WORLD, (TEST, "{file: p.txt}"), (" {{ color }} {{ thing }}?", " ball?"),
                           ("factors: {keep: [thing, color]}", "factors: {keep: [place]}"))  # fmt: skip
    assert [one.removeprefix(f"{file.parent}/") for one in told] == [f"p.txt:2:1: prompt: {said}"]


def test_the_longest_prompt_of_a_template_is_named_once(file: Path):
    (told,) = hollow.problems(file, WORLD, ("thing: [ball, house, tree, tent, box]", f"thing: [ball, box, '{LONG}']"))
    assert told.startswith("14:15: prompts.train.template: the prompt 'a red a small red ball in the grass")
    assert "; 1 other prompt of it is too long as well" in told
    assert "\n  hint: for thing=a small" in told


def test_what_fits_is_read_to_its_last_token(file: Path, world: Tokenizer):
    fits = " ".join(["ball"] * 39)
    assert len(world.encode(fits).ids) == 40
    for prompt, wrong in ((fits, 0), (f"{fits} ball", 1)):
        row = f"[{{prompt: {prompt}, color: white, thing: ball}}]"
        assert len(hollow.problems(file, WORLD, (TEST, row))) == wrong


def test_crossed_prompts_are_measured_as_they_are_joined(file: Path):
    for name, last in (("one", "tree"), ("two", "house")):
        row = f"[{{prompt: {'ball ' * 21}{last}, color: white, thing: ball}}]"
        text = hollow.changed(WORLD, (TEST, row), ("name: horizon_low", f"name: {name}"))
        assert hollow.problems(file.parent / f"{name}.yaml", text=text) == []
    both = "recipe: 1\nname: both\ncombine: {recipes: {one.yaml: 1, two.yaml: 1}, prompts: cross}\n"
    (told,) = hollow.problems(file, text=both)
    assert "prompts.cross: the prompt 'ball ball" in told
    assert "is too long: 46 tokens, the generator reads 40\n  hint: for color=white, thing=ball" in told


def test_the_estimate_by_words_overlooks_nothing(world: Tokenizer):
    draw = random.Random(0)
    letters = string.ascii_lowercase + " " * 8 + "é-"
    prompts = ["".join(draw.choices(letters, k=draw.randrange(5, 100))) for _ in range(2000)]
    reads = model_facts.reads(models.locate("builtin:generator", Path()))
    assert reads is not None
    assert reads.limit == 40
    exact = {prompt: count for prompt in prompts if (count := len(world.encode(prompt).ids)) > 40}
    assert {prompt: one.tokens for prompt, one in lengths._too_long(prompts, reads).items()} == exact
    assert 100 < len(exact) < 1900


def test_nothing_is_loaded_for_prompts_that_are_short_by_their_letters(tmp_path: Path):
    (tmp_path / "none.json").write_text("{", "utf-8")
    reads = Reading(tmp_path / "none.json", 24)
    assert lengths._too_long(["a red ball"], reads) == {}
    with pytest.raises(InputError, match="is no tokenizer"):
        lengths._too_long(["a red ball in the grass"], reads)


def test_a_tokenizer_that_cannot_be_read_is_told_of_the_generator(file: Path):
    (file.parent / "generator" / "tokenizer_2" / "tokenizer.json").write_text("{", "utf-8")
    row = f"[{{prompt: {LONG}, color: white, thing: ball}}]"
    (told,) = hollow.problems(file, (TEST, row))
    assert "generator.model: ./generator: tokenizer_2/tokenizer.json is no tokenizer" in told


BEHIND = """\
recipe: 1
name: behind
generator: {model: ./generator, size: {width: 32, height: 32}, guidance: 4.0, negative: "NEGATIVE"}
critics: {eyes: {model: ./critic}}
prompts: {train: ["TRAIN", a house], test: [a tent]}
questions: {there: {ask: "Is it there?", answer: "Yes"}}
"""


@pytest.mark.parametrize("name", ["sana", "sana-sprint", "lumina2"])
def test_a_prompt_is_measured_behind_what_stock_writes_before_it(name: str, tmp_path: Path):
    """Gemma's pico tokenizer has a token for each letter and space, and the limit is that of `condition`."""
    case = next(one for one in families.CASES if one.name == name)
    folder = case.build(tmp_path / "generator")
    hollow.critic(tmp_path / "critic")
    stock, reads = DiffusionPipeline.from_pretrained(folder), model_facts.reads(models.locate(str(folder), Path()))
    assert reads is not None
    if name == "lumina2":
        assert reads.before == f"{stock.system_prompt} <Prompt Start> "
    else:
        assert reads.before == "\n".join(sana_text.instruction(type(stock)))
    takes, generator = name != "sana-sprint", generators.load(case.chosen(folder))

    def told(train: str, negative: str) -> list[str]:
        text = BEHIND.replace("TRAIN", train).replace("NEGATIVE", negative if takes else "")
        return hollow.problems(tmp_path / "r.yaml", text=text)

    assert told("A tent in snow", "a tent in the f") == []
    generator.condition(["A tent in snow"], ["a tent in the f" if takes else ""])
    count = "is too long: 15 tokens, the generator reads 14"
    assert told("A tent in snow.", "") == [f"5:19: prompts.train.0: the prompt 'A tent in snow.' {count}"]
    with pytest.raises(InputError, match=count):
        generator.condition(["A tent in snow."], [""])
    # nothing stands before a negative one
    said = "3:89: generator.negative: is too long: 17 tokens, the generator reads 16"
    assert told("a sea", "a tent in the fo") == ([said] if takes else [])


def test_a_text_that_stock_does_not_write_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert reading.stock_text("sana.pipeline_sana", "no_such_argument") is None
    assert reading.stock_text("sana.no_such_pipeline", "complex_human_instruction") is None
    folder = families.CASES[0].build(tmp_path / "generator")
    model = models.locate(str(folder), Path())
    assert generators.reading_of("lumina2", folder, tmp_path, 16) is not None
    monkeypatch.setattr(lumina2_sizes, "before", lambda: None)  # the pipeline itself says it when it is loaded
    assert generators.reading_of("lumina2", folder, tmp_path, 16) is None
    assert model_facts.reads(model) is not None


def test_clip_beside_t5_is_cut_without_a_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    folder = pico.flux_folder(tmp_path / "flux")
    chosen = pico.generator(folder, text_length=16)
    generator = generators.load(chosen)
    generator._pipeline.tokenizer_max_length = 4
    capfd.readouterr()
    generator.condition(["a red ball"], [""])
    assert capfd.readouterr() == ("", "")


def test_without_the_file_of_a_tokenizer_a_run_refuses_what_would_be_cut(tmp_path: Path):
    folder = pico.flux_folder(tmp_path / "flux")
    generator = generators.load(pico.generator(folder))
    generator.condition(["a red ball in the grass"], [""])  # known to be too long before a run begins
    shutil.move(folder / "tokenizer_2" / "tokenizer.json", tmp_path)
    with pytest.raises(InputError, match=r"the prompt 'a red ball in the grass' is too long: 25 tokens, .* reads 16"):
        generator.condition(["a red ball in the grass"], [""])


def test_generate_refuses_a_prompt_that_would_be_cut(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("run", str(tiny), "--set", "train.steps=1", "--quiet") == 0
    assert recipe("generate", "runs/tiny/tiny.safetensors", "a red ball", "a red ball in the grass") == 2
    told = capsys.readouterr()
    assert told.err == (
        "runs/tiny/tiny.safetensors: the prompt 'a red ball in the grass' is too long: "
        "25 tokens, the generator reads 16\n"
        "  hint: a word that the generator's tokenizer does not know counts as several tokens: "
        "red 4, ball 5, the 4, grass 6\n"
    )
    assert not Path("pictures").exists()
