"""Companions: merged as exactly as the dtype allows, part of the bare generator, told to whoever takes the adapter."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import conftest
import factors
import pico
import pytest
import torch
from commandline import recipe
from control_recipes.engine import (
    adapter,
    beside,
    composing,
    differences,
    flow,
    generators,
    headers,
    latents,
    lock,
    plan,
    showing,
    training,
    verify,
)
from control_recipes.engine import step as steps
from control_recipes.engine.errors import InputError, WorkError
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from safetensors.torch import save_file

PROMPTS = ["a red ball", "a blue house"]
TINY = Path("tiny.yaml")
BESIDE = conftest.RECIPE.replace("height: 64}}", "height: 64}, with: styles/style.safetensors}").replace(
    "steps: 3,", "steps: 2,"
)


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pico.flux_folder(tmp_path_factory.mktemp("models") / "flux")


def pictures(generator: generators.Generator) -> torch.Tensor:
    given = generator.condition(PROMPTS, ["", ""])
    with torch.no_grad():
        return generator.image(flow.sample(generator, given, generator.noise([3, 4]), 1)).float()


@pytest.mark.parametrize(("dtype", "unit"), [("float32", 2**-24), ("bfloat16", 2**-8), ("float64", 2**-53)])
def test_each_weight_is_the_sum_rounded_once(flux: Path, tmp_path: Path, dtype: str, unit: float):
    chosen = pico.generator(flux, dtype=dtype)
    bare = generators.load(chosen)
    sets = [factors.drawn(bare, ends, rank, seed) for ends, rank, seed in ((["to_q"], 2, 1), (["to_q", "to_k"], 3, 2))]
    files = tuple(factors.written(tmp_path / f"{at}.safetensors", one) for at, one in enumerate(sets))
    with_them = generators.load(replace(chosen, companions=files))
    was, now = dict(bare.backbone.named_parameters()), dict(with_them.backbone.named_parameters())
    changed = {name for name in was if not torch.equal(was[name], now[name])}
    assert changed == {f"{name.removeprefix('transformer.')}.weight" for name in {*sets[0], *sets[1]}}
    assert not any(weight.requires_grad for weight in now.values())
    for name in changed:
        parts = [one[key] for one in sets if (key := f"transformer.{name.removesuffix('.weight')}") in one]
        exact = was[name].double() + sum(up.double() @ down.double() for down, up in parts)
        # beside that rounding, those of the products, in the dtype in which they are summed
        summed = 1e-15 if dtype == "float64" else 1e-6
        assert ((now[name].double() - exact).abs() <= unit * exact.abs() + summed).all()
        assert (exact - was[name].double()).abs().max() > 1e-2
    assert torch.equal(pictures(generators.load(chosen)), pictures(bare))  # what was loaded before is untouched


def test_they_come_with_a_generator_whose_parts_take_turns(flux: Path, tmp_path: Path):
    chosen = pico.generator(flux)
    drawn = factors.drawn(generators.load(chosen), ["to_q"], 2, 1)
    beside_one = replace(chosen, companions=(factors.written(tmp_path / "one.safetensors", drawn),))
    with_it, in_turns = (pictures(generators.load(replace(beside_one, offload=off))) for off in (False, True))
    assert torch.equal(with_it, in_turns)
    assert not torch.equal(with_it, pictures(generators.load(chosen)))


def test_half_precision_stays_near_what_is_laid_on(flux: Path, tmp_path: Path):
    """Against the same factors, not merged, as another tool would use them."""
    chosen = pico.generator(flux, dtype="bfloat16")
    laid_on = generators.load(chosen)
    bare = pictures(laid_on)
    made = factors.drawn(laid_on, ["to_v", "to_out.0"], size=1.0)
    file = factors.written(tmp_path / "a.safetensors", made)
    adapter.install(laid_on, composing.tensors(made))
    merged = pictures(generators.load(replace(chosen, companions=(file,))))
    far, apart = ((merged - one).abs().mean() for one in (pictures(laid_on), bare))
    assert far < 2**-8  # a unit in the last place of a pixel near 1
    assert apart > 3 * far


def test_the_embedded_world_beside_and_begun(tmp_path: Path):
    """Merged, or begun with, a file gives the pictures that it gives when it is laid on."""
    from control_recipes.engine import model_facts, models, starting

    model = models.locate("builtin:generator", tmp_path)
    chosen = plan.Generator(model, 1, 64, 64, 0.0, "", "float32", "cpu", model_facts.text_length(model))
    generator = generators.load(chosen)
    bare = pictures(generator)
    made = factors.drawn(generator, ["to_q", "to_k", "to_v", "to_out.0"], size=0.05)
    file = factors.written(tmp_path / "a.safetensors", made)
    lora = adapter.install(generator, composing.tensors(made))
    laid_on = pictures(generator)
    assert (laid_on - bare).abs().max() > 0.01
    adapter.eject(lora)
    merged = generators.load(replace(chosen, companions=(file,)))
    torch.testing.assert_close(pictures(merged), laid_on, rtol=0, atol=2e-5)
    begun = pico.plan_of(chosen, Path("critic"), adapter=plan.Adapter(8, 40.0, "attention", (file,)))
    lora = starting.begin(generator, begun)
    torch.testing.assert_close(pictures(generator), laid_on, rtol=0, atol=2e-5)
    lora.scale(0)
    assert torch.equal(pictures(generator), bare)


def test_weights_are_those_of_stock(flux: Path, tmp_path: Path):
    """Against the stock pipeline with both files laid on at these weights."""
    from diffusers import FluxPipeline

    chosen = pico.generator(flux)
    bare = generators.load(chosen)
    drawn = [factors.drawn(bare, ends, 2, seed, 0.3) for ends, seed in ((["to_q", "to_v"], 1), (["to_q"], 2))]
    weights, names = [0.7, -0.4], ["one", "two"]
    stock = FluxPipeline.from_pretrained(flux)
    stock.set_progress_bar_config(disable=True)
    for name, made in zip(names, drawn, strict=True):
        factors.written(tmp_path / f"{name}.safetensors", made)
        with warnings.catch_warnings():  # of peft, that there are several
            warnings.simplefilter("ignore")
            stock.load_lora_weights(tmp_path, weight_name=f"{name}.safetensors", adapter_name=name)
    stock.set_adapters(names, weights)
    called: dict[str, Any] = {"height": 32, "width": 32, "guidance_scale": 0.0, "max_sequence_length": 16}
    theirs = torch.cat(
        [
            stock(
                prompt, num_inference_steps=1, generator=torch.Generator().manual_seed(seed), output_type="pt", **called
            ).images
            for prompt, seed in zip(PROMPTS, (3, 4), strict=True)
        ]
    )

    def merged(weights: Sequence[float]) -> torch.Tensor:
        pairs = zip(names, weights, strict=True)
        files = tuple(factors.asset(tmp_path / f"{name}.safetensors", weight) for name, weight in pairs)
        return pictures(generators.load(replace(chosen, companions=files)))

    assert (merged(weights) - theirs).abs().max() <= 1e-5
    assert (merged([1.0, 1.0]) - theirs).abs().max() > 1e-3  # the comparison can fail


def test_what_does_not_fit_is_refused_before_anything_is_changed(flux: Path, tmp_path: Path):
    chosen = pico.generator(flux)
    made = factors.drawn(generators.load(chosen), ["to_q"])
    (name, (down, up)), *_ = made.items()
    cases = [
        ({"transformer.nowhere": (down, up)}, "transformer.nowhere fits no linear layer of this generator"),
        ({name: (down[:, 1:], up)}, "has the wrong shape: 31 → 32, not 32 → 32"),
        ({f"unet.{name}": (down, up)}, "is no layer of this generator"),
    ]
    for at, (wrong, said) in enumerate(cases):
        file = factors.written(tmp_path / f"{at}.safetensors", wrong)
        with pytest.raises(InputError, match=said) as caught:
            generators.load(replace(chosen, companions=(file,)))
        assert f"{at}.safetensors" in str(caught.value)
    file = factors.written(tmp_path / "a.safetensors", made)
    factors.written(tmp_path / "a.safetensors", {name: (down, 2 * up)})
    with pytest.raises(WorkError, match=r"a\.safetensors: has changed since this run was planned"):
        generators.load(replace(chosen, companions=(file,)))


def test_the_noise_of_one_picture_says_what_it_was_optimised_beside(flux: Path, tmp_path: Path):
    file = factors.written(tmp_path / "a.safetensors", factors.drawn(generators.load(pico.generator(flux)), ["to_q"]))
    chosen = pico.plan_of(replace(pico.generator(flux), companions=(file,)), Path("critic"))
    told = latents.metadata(chosen, "{}", "", {})
    assert json.loads(told[beside.KEY]) == [{"name": "a.safetensors", "sha256": file.sha256}]


# --- a recipe ---


@pytest.fixture
def styled(tiny: Path) -> Path:
    """The recipe of the tests beside a companion."""
    Path("styles").mkdir()
    made = factors.drawn(generators.load(pico.generator(Path("flux"))), ["to_q", "to_k", "to_v"], size=0.3)
    factors.written(Path("styles/style.safetensors"), made)
    tiny.write_text(BESIDE, encoding="utf-8")
    return tiny


def test_from_the_recipe_to_whoever_takes_the_adapter(styled: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("plan", "tiny.yaml") == 0
    assert "\n  beside     styles/style.safetensors\n" in capsys.readouterr().out
    assert recipe("run", "tiny.yaml", "--quiet") == 0
    made = Path("runs/tiny/tiny.safetensors")
    said = headers.read(made).metadata
    sha256 = factors.asset(Path("styles/style.safetensors")).sha256
    assert json.loads(said[beside.KEY]) == [{"name": "styles/style.safetensors", "sha256": sha256}]
    assert said["modelspec.usage_hint"] == (
        f"trained beside style.safetensors (sha256 {sha256[:12]}…): load it too, at weight 1"
    )
    assert not any("to_q" in name and "style" in name for name in headers.read(made).shapes)
    assert dict(lock.read(Path("tiny.lock")).inputs.files)["styles/style.safetensors"] == sha256
    assert recipe("export", str(made), "--to", "diffusers") == 0
    assert "; trained beside style.safetensors (sha256 " in capsys.readouterr().err
    found = verify.verify(TINY, retrain=True)
    assert found.verified, found.text()
    assert "the same tensors, bit for bit" in found.text()

    # pictures of the adapter are pictures beside the companion, and cannot be made without
    assert recipe("generate", str(made), "a ball", "--scale", "0", "--out", "beside", "--quiet") == 0
    plain = conftest.RECIPE.replace("name: tiny", "name: plain")
    Path("plain.yaml").write_text(plain.replace("steps: 3,", "steps: 1,"), encoding="utf-8")
    capsys.readouterr()
    assert recipe("eval", "plain.yaml", "--adapter", str(made)) == 0
    told = capsys.readouterr().err
    assert f"warning: {made} was trained beside styles/style.safetensors: its figures are of another generator" in told
    other = training.train(resolve(read(Path("plain.yaml"))), Path("plain")).adapter
    assert recipe("generate", str(other), "a ball", "--scale", "0", "--out", "alone", "--quiet") == 0
    name = "seed0_scale0_0.png"
    assert Path("beside", name).read_bytes() != Path("alone", name).read_bytes()
    capsys.readouterr()
    for words in ((str(made), str(other)), (str(other), str(made))):
        assert recipe("compose", *words, "--name", "both", "--quiet") == 2
    told = capsys.readouterr().err
    assert f"{other}: was not trained beside styles/style.safetensors, unlike {made}" in told
    assert f"{made}: was trained beside styles/style.safetensors, unlike {other}" in told
    assert "hint: what is composed has one generator: train them beside the same `generator.with`" in told
    assert not Path("runs/both").exists()
    # beside the same it is composed as ever, on that generator, and says so
    assert recipe("compose", str(made), "--weights", "0.5", "--name", "half", "--quiet") == 0
    half = Path("runs/half/half.safetensors")
    assert headers.read(half).metadata[beside.KEY] == said[beside.KEY]
    found = verify.verify(half.with_suffix(".lock"))
    assert found.verified, found.text()
    assert "styles/style.safetensors" in half.with_suffix(".lock").read_text("utf-8")

    Path("styles/style.safetensors").rename("style.safetensors")
    assert recipe("generate", str(made), "a ball", "--out", "gone", "--quiet") == 2
    told = capsys.readouterr().err
    assert f"{made}: was trained beside styles/style.safetensors, which is not here" in told
    assert sha256 in told
    assert not Path("gone").exists()
    Path("style.safetensors").rename(made.with_name("style.safetensors"))
    assert recipe("generate", str(made), "a ball", "--scale", "0", "--out", "again", "--quiet") == 0
    assert Path("again", name).read_bytes() == Path("beside", name).read_bytes()
    assert recipe("verify", "tiny.yaml", "--quiet") == 1


def test_stay_and_scale_0_are_the_generator_with_it(styled: Path):
    """A step of a fresh adapter is at no distance from it, and what is bare is not the model's own picture."""
    styled.write_text(BESIDE.replace("goal:", "stay: {weight: 1}\ngoal:"), encoding="utf-8")
    made = resolve(read(styled))
    desk = steps.prepare(made)
    z, sigma = desk.generator.noise([1]), desk.generator.sigmas(1)[0]
    given = desk.given(made.train_rows[:1])
    with torch.no_grad():
        fresh = desk.generator.denoised(z, sigma, given)
        desk.learned.scale(0)
        assert torch.equal(desk.generator.denoised(z, sigma, given), fresh)
        model = steps.prepare(replace(made, generator=replace(made.generator, companions=())))
        assert not torch.allclose(model.generator.denoised(z, sigma, given), fresh, atol=1e-3)


def test_mistakes_stand_at_their_place(styled: Path):
    def told(text: str) -> str:
        styled.write_text(text, encoding="utf-8")
        with pytest.raises(InputError) as caught:
            resolve(read(styled))
        return str(caught.value)

    twice = BESIDE.replace("with: styles/style.safetensors", "with: [styles/style.safetensors, copy.safetensors]")
    Path("copy.safetensors").write_bytes(Path("styles/style.safetensors").read_bytes())
    assert "tiny.yaml:5:102: generator.with.1: copy.safetensors is the same adapter as styles/style" in told(twice)
    Path("styles/style.safetensors").write_bytes(b"{}")
    found = told(BESIDE)
    assert "generator.with" in found
    assert "styles/style.safetensors is no safetensors file: it is cut short" in found


WEIGHED = BESIDE.replace("with: styles/style.safetensors", "with: [{file: styles/style.safetensors, weight: 0.7}]")


def test_a_weight_goes_from_the_recipe_to_whoever_takes_the_adapter(
    styled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    at_1 = resolve(read(styled))
    for alone in (WEIGHED, WEIGHED.replace("with: [{", "with: {").replace("0.7}]", "0.7}")):
        styled.write_text(alone, encoding="utf-8")
        assert resolve(read(styled)).generator.companions == (replace(at_1.generator.companions[0], weight=0.7),)
    made = resolve(read(styled))
    assert plan.parse(plan.canonical(made), "r").generator.companions[0].weight == 0.7
    styled.write_text(WEIGHED.replace("weight: 0.7", "weight: 1"), encoding="utf-8")
    assert plan.digest(resolve(read(styled))) == plan.digest(at_1) != plan.digest(made)
    found = differences.lines(differences.between(at_1, made))
    assert found == ["models: generator: with: weight of styles/style.safetensors was 1, is now 0.7"]
    assert showing.data(read(styled))["generator"]["with"] == ["styles/style.safetensors"]
    styled.write_text(WEIGHED, encoding="utf-8")
    assert showing.data(read(styled))["generator"]["with"] == [{"file": "styles/style.safetensors", "weight": 0.7}]
    assert recipe("plan", "tiny.yaml") == 0
    assert "\n  beside     styles/style.safetensors at weight 0.7\n" in capsys.readouterr().out
    said = beside.metadata(made.generator)
    assert json.loads(said[beside.KEY]) == [
        {"name": "styles/style.safetensors", "sha256": made.generator.companions[0].sha256, "weight": 0.7}
    ]
    assert said["modelspec.usage_hint"].endswith("…): load it too, at weight 0.7")
    unlike = "was trained beside styles/style.safetensors at weight 0.7, and not beside styles/style.safetensors at"
    assert beside.unlike(made.generator, at_1.generator) == f"{unlike} weight 1"
    assert beside.unlike(made.generator, made.generator) == ""
    two = replace(made.generator.companions[0], name="b.safetensors", sha256="b" * 64, weight=1.0)
    hint = beside.metadata(replace(made.generator, companions=(*made.generator.companions, two)))
    assert (
        "…, weight 0.7), b.safetensors (sha256 bbbbbbbbbbbb…, weight 1): load them too, each at its weight"
        in (hint["modelspec.usage_hint"])
    )


def test_what_fits_no_layer_is_refused_before_an_older_run_makes_room(styled: Path, capsys: pytest.CaptureFixture[str]):
    folder = Path("runs/tiny")
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(plan.canonical(resolve(read(styled))), "utf-8")
    name = "transformer.nowhere.lora"
    save_file({f"{name}_A.weight": torch.ones(2, 4), f"{name}_B.weight": torch.ones(4, 2)}, "styles/junk.safetensors")
    styled.write_text(BESIDE.replace("styles/style", "styles/junk"), encoding="utf-8")
    assert recipe("run", "tiny.yaml") == 2
    said = capsys.readouterr().err
    assert "generator.with: transformer.nowhere fits no linear layer of this generator" in " ".join(said.split())
    assert sorted(path.name for path in Path("runs").iterdir()) == ["tiny"]


@pytest.mark.parametrize(
    ("written", "at", "said"),
    [
        (
            "[{file: styles/style.safetensors, weight: 0}]",
            "0}",
            "0.weight: must not be 0, which leaves the adapter out",
        ),
        ("[{file: styles/style.safetensors, weight: much}]", "much", "0.weight: must be a number"),
        ("[{file: styles/style.safetensors, weight: 101}]", "101", "0.weight: must be less than or equal to 100"),
        ("[{file: styles/style.safetensors, wight: 1}]", "wight", "0.wight: unknown key `wight`"),
        ("[{weight: 1}]", "{w", "0.file: is missing"),
        ("[{file: gone.safetensors}]", "gone", "0.file: there is no file gone.safetensors"),
        ("{file: styles/style.safetensors, wieght: 1}", "wieght", "wieght: unknown key `wieght`"),
        ("{file: styles/style.safetensors, weight: much}", "much", "weight: must be a number"),
        ("{weight: 1}", "{w", "file: is missing"),
        ("{file: gone.safetensors}", "gone", "file: there is no file gone.safetensors"),
        (
            "[styles/style.safetensors, {file: copy.safetensors}]",
            "copy",
            "1.file: copy.safetensors is the same adapter",
        ),
        ("['']", "''", "0: is empty"),
    ],
)
def test_mistakes_of_weights_stand_at_their_place(styled: Path, written: str, at: str, said: str):
    Path("copy.safetensors").write_bytes(Path("styles/style.safetensors").read_bytes())
    styled.write_text(BESIDE.replace("with: styles/style.safetensors", f"with: {written}"), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        resolve(read(styled))
    column = styled.read_text("utf-8").splitlines()[4].rindex(at) + 1
    assert str(caught.value).startswith(f"tiny.yaml:5:{column}: generator.with.{said}")


def test_what_is_no_companion_is_told_what_one_is(styled: Path):
    styled.write_text(BESIDE.replace("with: styles/style.safetensors", "with: 5"), encoding="utf-8")
    with pytest.raises(InputError, match=r"generator\.with: must be an adapter's file, \{file: NAME, weight: W\}, or"):
        resolve(read(styled))


def test_an_included_file_names_it_as_it_sees_it(styled: Path):
    whole = resolve(read(styled)).generator.companions
    text = BESIDE.replace(", with: styles/style.safetensors", "")
    styled.write_text(f"include: styles/base.yaml\n{text}", encoding="utf-8")
    for written in (
        "style.safetensors",
        "[style.safetensors]",
        "{file: style.safetensors}",
        "[{file: style.safetensors}]",
    ):
        Path("styles/base.yaml").write_text(f"generator: {{with: {written}}}\n", encoding="utf-8")
        assert resolve(read(styled)).generator.companions == whole


def test_recipes_that_are_composed_have_the_same(styled: Path):
    Path("below").mkdir()
    for name, text in (("one", BESIDE), ("two", BESIDE.replace(", with: styles/style.safetensors", ""))):
        seen = text.replace("name: tiny", f"name: {name}").replace("./", "../").replace("styles/", "../styles/")
        Path(f"below/{name}.yaml").write_text(seen, encoding="utf-8")
    path = Path("both.yaml")
    path.write_text("recipe: 1\nname: both\ncompose: [below/one.yaml, below/two.yaml]\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        resolve(read(path, (), allow_outside=True))
    assert str(caught.value).startswith(
        "both.yaml:3:27: compose.recipes.below/two.yaml: was not trained beside ../styles/style.safetensors, unlike one"
    )
    path.write_text("recipe: 1\nname: both\ncompose: [below/one.yaml]\n", encoding="utf-8")
    (companion,) = resolve(read(path, (), allow_outside=True)).generator.companions
    assert companion.name == "./below/../styles/style.safetensors"
