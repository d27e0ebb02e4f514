"""Extracting: what went into an adapter comes out byte for byte, and nothing is written where it should not be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from control_recipes.engine import adapter, extract, lock
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import digest
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve

ADAPTER = Path("runs/tiny/tiny.safetensors")


def changed(**entries: str) -> Path:
    """The adapter with other entries in its header."""
    tensors, metadata = adapter.load(ADAPTER)
    adapter.save(ADAPTER, tensors, {**metadata, **{f"control_recipes.{key}": text for key, text in entries.items()}})
    return ADAPTER


def test_every_text_comes_back_byte_for_byte(here: Path):
    paths = extract.write(extract.extract(ADAPTER), Path("out"))
    assert paths == [Path("out/tiny.yaml"), Path("out/base.yaml"), Path("out/tiny.lock")]
    for name in ("tiny.yaml", "base.yaml"):
        assert Path("out", name).read_bytes() == Path(name).read_bytes()
    assert lock.read(Path("out/tiny.lock")) == lock.Lock(lock.read(Path("tiny.lock")).inputs, recipe="tiny.yaml")


def test_what_is_extracted_runs_again_where_its_models_are(here: Path):
    wanted = lock.read(Path("tiny.lock")).inputs.plan_sha256
    for name in ("tiny.yaml", "base.yaml", "tiny.lock"):
        Path(name).unlink()
    extract.write(extract.extract(ADAPTER), Path())
    assert digest(resolve(read(Path("tiny.yaml")))) == wanted


def test_line_ends_and_a_byte_order_mark_are_kept(here: Path):
    text = Path("tiny.yaml").read_text("utf-8").replace("\n", "\r\n")
    for recipe in (text, "\ufeff" + text):
        sha256 = hashlib.sha256(recipe.encode()).hexdigest()
        inputs = json.loads(adapter.load(ADAPTER)[1]["control_recipes.inputs"])
        changed(recipe=recipe, inputs=json.dumps({**inputs, "recipe_sha256": sha256}))
        out = here / sha256
        extract.write(extract.extract(ADAPTER), out)
        assert (out / "tiny.yaml").read_bytes() == recipe.encode()


def test_as_one_stream_the_recipe_stands_first_word_for_word(here: Path):
    import yaml

    text = extract.extract(ADAPTER).text()
    assert text.startswith(Path("tiny.yaml").read_text("utf-8"))
    recipe, base, inputs = yaml.safe_load_all(text)
    assert (recipe["name"], base) == ("tiny", {"stay": {"weight": 0.05}})
    assert inputs["plan_sha256"] == lock.read(Path("tiny.lock")).inputs.plan_sha256
    told = json.loads(extract.extract(ADAPTER).json())
    assert told["recipe"] == Path("tiny.yaml").read_text("utf-8")
    assert told["inputs"] == inputs


@pytest.mark.parametrize(
    ("included", "stem"),
    [
        (["base.yaml"], "tiny"),
        (["tiny.yaml"], "tiny.recipe"),
        (["tiny.lock"], "tiny.recipe"),
        (["tiny.yaml/b"], "tiny.recipe"),
        (["tiny.yaml", "tiny.recipe.yaml"], "tiny.recipe2"),
    ],
)
def test_a_recipe_that_is_called_as_what_it_includes_gets_a_name_of_its_own(here: Path, included: list[str], stem: str):
    carried = extract.extract(ADAPTER)
    texts = dict.fromkeys(included, "a: 1\n")
    paths = extract.write(extract.Carried("tiny", carried.recipe, texts, carried.inputs), here / "out")
    assert [path.relative_to(here / "out").as_posix() for path in paths] == [f"{stem}.yaml", *included, f"{stem}.lock"]
    assert lock.read(paths[-1]).recipe == f"{stem}.yaml"


def test_a_recipe_that_has_its_name_from_what_it_includes_runs_from_what_is_extracted(here: Path):
    Path("tiny.yaml").rename("base.yaml")
    text = Path("base.yaml").read_text("utf-8").replace("include: [base.yaml]\n", "")
    Path("base.yaml").write_text(text, "utf-8")
    Path("tall.yaml").write_text("include: base.yaml\ntrain: {steps: 1}\n", "utf-8")
    recipe = read(Path("tall.yaml"))
    plan = resolve(recipe)
    inputs = lock.inputs(plan, recipe.sha256, (), recipe.digests)
    carried = extract.Carried(plan.name, recipe.text, {one.name: one.text for one in recipe.included}, inputs)
    Path("base.yaml").rename("base.before")
    extract.write(replace(carried, name="base"), Path())
    assert digest(resolve(read(Path("base.recipe.yaml")))) == digest(plan)


def test_nothing_is_replaced(here: Path):
    before = sorted(here.rglob("*"))
    with pytest.raises(InputError, match=r"tiny\.lock: is there already"):
        extract.write(extract.extract(ADAPTER), Path())
    assert sorted(here.rglob("*")) == before


def test_a_text_that_is_not_what_its_digest_says_is_refused(here: Path):
    extract.extract(ADAPTER)
    with pytest.raises(InputError, match="not what its digest says: the recipe"):
        extract.extract(changed(recipe="recipe: 1\n"))


def test_an_included_text_is_held_to_its_digest_too(here: Path):
    with pytest.raises(InputError, match=r"not what its digest says: base\.yaml"):
        extract.extract(changed(included='{"base.yaml": "stay: {weight: 9.0}"}'))


@pytest.mark.parametrize("recipe", [True, False])
def test_an_included_text_that_the_inputs_do_not_list_is_refused(here: Path, recipe: bool):
    texts = {"base.yaml": Path("base.yaml").read_text("utf-8"), "more.yaml": "a: 1\n"}
    without = {} if recipe else {"recipe": ""}
    with pytest.raises(InputError, match=r"its recipe does not include: 'more\.yaml'"):
        extract.extract(changed(included=json.dumps(texts), **without))
    del texts["more.yaml"]
    assert list(extract.extract(changed(included=json.dumps(texts), **without)).included) == ["base.yaml"]


def test_an_included_text_that_is_missing_is_refused(here: Path):
    with pytest.raises(InputError, match=r"lacks a text that its recipe includes: 'base\.yaml'"):
        extract.extract(changed(included="{}"))


@pytest.mark.parametrize(
    ("included", "said"),
    [
        ({"../a": "a", "up/a": "b"}, "two files of one name"),
        ({"a": "a", "a/b": "b"}, "a file and a folder of one name: a"),
    ],
)
def test_files_that_take_one_anothers_place_are_refused_before_any_is_written(
    here: Path, included: dict[str, str], said
):
    carried = extract.extract(ADAPTER)
    with pytest.raises(InputError, match=said):
        extract.write(extract.Carried(carried.name, carried.recipe, included, carried.inputs), here / "out")
    assert not (here / "out").exists()


def test_neither_a_file_above_nor_a_broken_link_is_written_over(here: Path):
    carried, out = extract.extract(ADAPTER), here / "out"
    out.mkdir()
    (out / "sub").write_bytes(b"a person's own")
    with pytest.raises(InputError, match="sub: is there already"):
        extract.write(extract.Carried(carried.name, carried.recipe, {"sub/base.yaml": "a"}, carried.inputs), out)
    (out / "base.yaml").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"base\.yaml: is there already"):
        extract.write(carried, out)
    assert sorted(path.name for path in out.iterdir()) == ["base.yaml", "sub"]


@pytest.mark.parametrize("included", ["[]", "no json", '{"base.yaml": 3}', '{"": "a"}', '{"..": "a"}', "[" * 100_000])
def test_what_names_no_files_is_refused(here: Path, included: str):
    with pytest.raises(InputError):
        extract.extract(changed(included=included))


def test_files_stay_below_the_folder(here: Path):
    carried = extract.extract(ADAPTER)
    hostile = {"../../up.yaml": "a", "/etc/passwd": "b", "base.yaml": "c"}
    extract.write(extract.Carried(carried.name, carried.recipe, hostile, carried.inputs), here / "out")
    written = {path.relative_to(here / "out").as_posix() for path in (here / "out").rglob("*") if path.is_file()}
    assert written == {"up/up/up.yaml", "etc/passwd", "base.yaml", "tiny.yaml", "tiny.lock"}


def test_a_name_that_leads_elsewhere_is_refused(here: Path):
    metadata = adapter.load(ADAPTER)[1]
    plan = lock.inputs_of(metadata["control_recipes.inputs"], "x").plan
    extract.extract(changed(inputs=plan, included="{}"))  # of before there were inputs: the plan alone
    with pytest.raises(InputError, match="no recipe can be called"):
        extract.extract(changed(inputs=plan.replace('"name":"tiny"', '"name":"../tiny"')))


def test_what_carries_nothing_is_refused(tmp_path: Path):
    import torch

    adapter.save(tmp_path / "a.safetensors", {"a": torch.zeros(1)}, {})
    with pytest.raises(InputError, match="carries no recipe"):
        extract.extract(tmp_path / "a.safetensors")
