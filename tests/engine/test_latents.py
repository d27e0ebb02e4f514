"""Latents: the noise of one picture optimised in an adapter's place, from the recipe to the report."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import commandline
import families
import pico
import pytest
import torch
from control_recipes.engine import (
    adapter,
    evaluate,
    flow,
    generators,
    headers,
    latents,
    lock,
    one_picture,
    plan,
    training,
    workload,
)
from control_recipes.engine import step as steps
from control_recipes.engine.errors import InputError
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from control_recipes.engine.verify import verify
from torch.optim import AdamW

TRAIN = "train: {steps: 4, batch: 2, lr: 0.05, save_every: 1, optimize: latents}"
WRITTEN = Path("runs/tiny/tiny.safetensors")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


def planned(models: tuple[Path, Path], *, sampler: int = 1, dtype: str = "float32", **changes: Any) -> plan.Plan:
    """The small plan of one picture, as `resolve` makes it."""
    flux, critic = models
    changes = {"lr": 0.05, "stay": 0.0, "optimize": "latents"} | changes
    small = pico.plan_of(pico.generator(flux, steps=sampler, dtype=dtype), critic, **changes)
    first = small.train_rows[:1]
    return one_picture.of(replace(small, train_rows=first, validate_rows=first, test_rows=first))


@pytest.fixture
def one(tiny: Path) -> Path:
    """The recipe of the tests, its picture's noise to be optimised."""
    text = tiny.read_text("utf-8")
    old = "train: {steps: 3, batch: 2, lr: 1e-3, save_every: 1}"
    assert old in text
    tiny.write_text(text.replace(old, TRAIN), "utf-8")
    return tiny


# --- the recipe ---


def test_the_plan_is_that_of_the_first_prompt_and_the_training_seed(one: Path):
    made = resolve(read(one))
    assert [row.prompt for row in made.train_rows] == ["a red ball"]
    assert made.train_rows == made.validate_rows == made.test_rows
    assert (made.evaluate.seeds, made.train.batch, made.adapter.rank) == ((100,), 1, 0)
    assert plan.parse(plan.dump(made)) == made


def test_noise_has_a_rate_of_its_own_where_the_recipe_says_none(one: Path):
    text = one.read_text("utf-8").replace("lr: 0.05, ", "")
    one.write_text(text, "utf-8")
    assert resolve(read(one)).train.lr == 0.05
    one.write_text(text.replace(", optimize: latents", ""), "utf-8")
    assert resolve(read(one)).train.lr == 5e-5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("adapter: {rank: 2, alpha: 4}", "adapter: {rank: 4, targets: all}"),
        ("batch: 2, ", "batch: 3, "),
        ("{seeds: 2, every: 3}", "{seeds: 5, every: 3}"),
        ("thing: [ball, tree, house]", "thing: [ball, tree]"),
        ("a green tree", "a tiny tree"),
    ],
)
def test_what_plays_no_part_is_no_part_of_the_plan(one: Path, old: str, new: str):
    before, text = plan.digest(resolve(read(one))), one.read_text("utf-8")
    assert text.count(old) == 1
    one.write_text(text.replace(old, new), "utf-8")
    assert plan.digest(resolve(read(one))) == before
    one.write_text(text.replace("lr: 0.05", "lr: 0.05, seed: 7"), "utf-8")
    assert plan.digest(resolve(read(one))) != before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("batch: 2", "ema: 0.9", "22:24: train.ema: a moving average of noise is smoother than noise is"),
        ("batch: 2", "backprop: replay", "22:29: train.backprop: a replay starts from finished pictures"),
        ("batch: 2", "backprop: {replay: {buffer: 8}}", "22:29: train.backprop: a replay starts from finished"),
        ("alpha: 4", "start: a.safetensors", "21:27: adapter.start: `train.optimize: latents` trains no adapter"),
    ],
)
def test_what_contradicts_it_is_refused_at_its_place(
    one: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
):
    text = one.read_text("utf-8").replace(old, new)
    adapter.save(Path("a.safetensors"), {"x": torch.zeros(1, 1)}, {})
    one.write_text(text, "utf-8")
    assert commandline.recipe("check", str(one)) == 2
    told = capsys.readouterr().err
    assert f"tiny.yaml:{said}" in told
    assert "hint: leave it out, or `optimize: adapter`" in told
    one.write_text(text.replace(", optimize: latents", ""), "utf-8")
    assert commandline.recipe("check", str(one)) == 0  # alone it is fine


def test_keys_that_play_no_part_are_named(one: Path):
    text = one.read_text("utf-8").replace("batch: 2, ", "batch: 2, backprop: random_step, ")
    one.write_text(text, "utf-8")
    recipe = read(one)
    told = one_picture.told(resolve(recipe), recipe.document)
    assert told.endswith("; adapter, train.batch, train.backprop and evaluate.seeds play no part")


def test_a_combined_recipe_that_does_not_reach_the_picture_is_told(one: Path, capsys: pytest.CaptureFixture[str]):
    text = one.read_text("utf-8")
    train = '{template: "a {{ color }} {{ thing }}", for: {color: [red, blue], thing: [ball, tree, house]}}'
    test = '[{prompt: "a green ball", color: green, thing: ball}, {prompt: "a green tree", color: green, thing: tree}]'
    other = text.replace("name: tiny", "name: other").replace(TRAIN, "").replace("{{ color }} ball", "{{ hue }}")
    other = other.replace(train, '{template: "a {{ hue }} sky", for: {hue: [red, blue]}}')
    Path("other.yaml").write_text(other.replace(test, '[{prompt: "a black sky", hue: black}]'), "utf-8")
    Path("first.yaml").write_text(text.replace(TRAIN, "").replace("name: tiny", "name: first"), "utf-8")
    both = "recipe: 1\nname: both\ncombine: [first.yaml, other.yaml]\ntrain: {optimize: latents}\n"
    Path("both.yaml").write_text(both, "utf-8")
    assert commandline.recipe("check", "both.yaml") == 2
    assert "is left out of the one picture that is optimised" in capsys.readouterr().err


def test_a_picture_that_nothing_is_asked_of_is_refused(one: Path, capsys: pytest.CaptureFixture[str]):
    text = one.read_text("utf-8")
    for old in ("Is the line on the horizon?", "Is there a ball?"):
        text = text.replace(old, f"{{% if thing != 'ball' %}}{old}{{% endif %}}")
    one.write_text(text, "utf-8")
    assert commandline.recipe("check", str(one)) == 2
    assert "22:64: train.optimize: no question teaches the first training prompt" in capsys.readouterr().err
    one.write_text(text.replace("thing: [ball, tree, house]", "thing: [tree, ball, house]"), "utf-8")
    assert commandline.recipe("check", str(one)) == 0


# --- the run ---


def test_a_run_writes_the_noise_and_the_picture_before_and_after(one: Path, capsys: pytest.CaptureFixture[str]):
    assert commandline.recipe("run", str(one), "--json") == 0
    told = capsys.readouterr()
    said = "optimises the noise of one picture, seed 100 of “a red ball”; adapter, train.batch and evaluate.seeds play"
    assert said in told.err
    assert json.loads(told.out)["measures"]["sharp"]["pictures"] == 1
    tensors, metadata = adapter.load(WRITTEN)
    assert (set(tensors), tensors["latents"].shape, tensors["latents"].dtype) == (
        {"latents"}, (1, 64, 16), torch.float32,
    )  # fmt: skip
    assert (metadata["control_recipes.prompt"], metadata["control_recipes.seed"]) == ("a red ball", "100")
    assert not any(name.startswith(("ss_", "modelspec.")) for name in metadata)
    names = ["row000_seed100_scale0.5.png", "row000_seed100_scale0.png", "row000_seed100_scale1.png"]
    assert sorted(path.name for path in Path("runs/tiny/images").iterdir()) == names
    pictures = {path.read_bytes() for path in Path("runs/tiny/images").iterdir()}
    assert len(pictures) == 3
    lines = [json.loads(line) for line in Path("runs/tiny/metrics.jsonl").read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]
    page = Path("runs/tiny/report.html").read_text("utf-8")
    assert "No adapter: the noise of one picture was optimised, seed 100 of “a red ball”." in page
    assert page.count("data:image/png") >= 3
    assert "adapter at" not in page
    assert lock.read(Path("tiny.lock")).outcome.adapter == WRITTEN.as_posix()
    assert commandline.recipe("run", str(one)) == 0
    assert "up to date" in capsys.readouterr().err


def test_every_command_knows_what_it_is(one: Path, capsys: pytest.CaptureFixture[str]):
    assert commandline.recipe("run", str(one), "--quiet") == 0
    before, first = WRITTEN.read_bytes(), json.loads(Path("runs/tiny/result.json").read_text("utf-8"))
    found = verify(one, retrain=True)
    assert [(finding.part, finding.ok) for finding in found.findings] == [
        (part, True) for part in ("lock", "recipe", "files", "models", "adapter", "probes", "retrained")
    ]
    capsys.readouterr()
    assert commandline.recipe("eval", str(one), "--json", "--quiet") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["questions"], again["measures"]) == (first["questions"], first["measures"])
    assert commandline.recipe("eval", str(one), "--scale", "0", "--json", "--quiet") == 0
    still = json.loads(capsys.readouterr().out)["questions"]["zed"]["critics"]["eyes"]
    assert still["before"] == still["after"] == again["questions"]["zed"]["critics"]["eyes"]["before"]
    assert commandline.recipe("extract", str(WRITTEN)) == 0
    assert "optimize: latents" in capsys.readouterr().out
    assert commandline.recipe("report", "runs/tiny") == 0
    assert commandline.recipe("diff", str(WRITTEN), "tiny.lock") == 0
    assert commandline.recipe("plan", str(one), "--measure") == 0
    assert "    a step     " in capsys.readouterr().out
    assert commandline.recipe("plan", str(one)) == 0
    assert "  picture    one, whose noise is optimised: seed 100 of “a red ball”\n" in capsys.readouterr().out
    assert commandline.recipe("run", str(one), "--quiet", "--again") == 0
    assert WRITTEN.read_bytes() == before


def test_where_an_adapter_is_wanted_it_is_refused_in_a_sentence(one: Path, capsys: pytest.CaptureFixture[str]):
    assert commandline.recipe("run", str(one), "--quiet") == 0
    plain = Path("plain.yaml")
    plain.write_text(one.read_text("utf-8").replace(", optimize: latents", ""), "utf-8")
    before = sorted(Path().rglob("*"))
    capsys.readouterr()
    for words in (
        ("generate", str(WRITTEN), "a red ball"),
        ("compose", str(WRITTEN), str(WRITTEN), "--name", "two"),
        ("eval", str(plain), "--adapter", str(WRITTEN)),
    ):
        assert commandline.recipe(*words) == 2
        told = capsys.readouterr().err
        assert f"{WRITTEN}: holds the noise of one picture, and no adapter\n  hint: its picture lies beside" in told
    assert sorted(Path().rglob("*")) == before
    with pytest.raises(InputError, match="holds the noise of one picture, and no adapter"):
        evaluate.evaluate(replace(resolve(read(plain))), WRITTEN)


def test_where_noise_is_wanted_an_adapter_is_refused(one: Path, capsys: pytest.CaptureFixture[str]):
    made = resolve(read(one))
    generator = generators.load(made.generator)
    lora = adapter.inject(generator, plan.Adapter(1, 1.0, "attention"), 0)
    adapter.save(Path("lora.safetensors"), adapter.tensors(lora), {})
    assert commandline.recipe("eval", str(one), "--adapter", "lora.safetensors") == 2
    assert "lora.safetensors: holds no noise of a picture, which is what this recipe" in capsys.readouterr().err
    adapter.save(Path("other.safetensors"), {headers.LATENTS: torch.zeros(1, 9, 16)}, {})
    assert commandline.recipe("eval", str(one), "--adapter", "other.safetensors") == 2
    told = capsys.readouterr().err
    assert "latents: must be noise of shape [1, 64, 16] for this generator, found float32 [1, 9, 16]" in told


def test_killed_and_run_again_it_ends_as_if_nothing_had_happened(one: Path):
    one.write_text(one.read_text("utf-8").replace("steps: 4", "steps: 12"), "utf-8")
    assert commandline.recipe("run", str(one), "--quiet", "--out", "calm") == 0
    process = commandline.start("run", str(one), "--quiet", env={**os.environ})
    seen, metrics = 0, Path("runs/tiny/metrics.jsonl")
    while seen < 3 and process.poll() is None:
        time.sleep(0.01)
        seen = metrics.read_bytes().count(b"\n") if metrics.exists() else 0
    process.send_signal(signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        pipe.close()
    assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
    assert not Path("runs/tiny/result.json").exists()
    assert commandline.recipe("run", str(one), "--quiet") == 0
    for name in ("tiny.safetensors", "images/row000_seed100_scale1.png"):
        assert Path("runs/tiny", name).read_bytes() == Path("calm", name).read_bytes()


# --- what it computes ---


@pytest.mark.parametrize("sampler", [1, 3])
@pytest.mark.parametrize("case", families.CASES, ids=lambda case: case.name)
def test_stock_paints_the_same_picture_from_the_saved_noise(
    models: tuple[Path, Path], tmp_path: Path, case: families.Case, sampler: int
):
    from diffusers import DiffusionPipeline

    folder = case.build(tmp_path / "model")
    chosen = replace(planned(models, steps=2), generator=case.chosen(folder, steps=sampler))
    trained = training.train(chosen, tmp_path)
    noise, _ = adapter.load(trained.adapter)
    pipeline = DiffusionPipeline.from_pretrained(folder, **dict.fromkeys(case.without))
    pipeline.set_progress_bar_config(disable=True)
    prompt = chosen.train_rows[0].prompt
    generator = generators.load(chosen.generator)
    behind, again = (flow.paths(generator.noise([100]), [100]) for _ in range(2))  # stochastic samplers draw from them
    stock = pipeline(
        prompt=prompt, latents=noise["latents"], generator=behind[0], **case.calls(chosen.generator)
    ).images
    given = generator.condition([prompt], [chosen.generator.negative])
    learned = latents.installed(generator, chosen, trained.adapter, noise)
    with torch.no_grad():
        ours = generator.image(flow.sample(generator, given, learned.start(generator.noise([100])), sampler, again))
    torch.testing.assert_close(ours, stock, rtol=0, atol=max(1e-5, 2 * case.tolerance))
    with torch.no_grad():  # what is optimised is that very picture
        optimised = generator.image(steps._unrolled(chosen, generator, given, learned).decoded)
    assert torch.equal(ours, optimised)
    learned.scale(0)
    assert torch.equal(learned.start(generator.noise([100])), generator.noise([100]))


@pytest.mark.parametrize("case", families.CASES, ids=lambda case: case.name)
def test_what_is_optimised_has_a_standard_deviation_of_one_and_moves_by_the_rate(
    models: tuple[Path, Path], tmp_path: Path, case: families.Case
):
    chosen = replace(planned(models, steps=2), generator=case.chosen(case.build(tmp_path / "model"), steps=2))
    noise, _ = adapter.load(training.train(chosen, tmp_path).adapter)
    generator = generators.load(chosen.generator)
    (before,) = latents.begin(generator, chosen).weights().values()
    assert 0.8 < float(before.detach().std()) < 1.2
    torch.testing.assert_close(before.detach() * generator.deviation, generator.noise([100]))
    moved = (noise["latents"] - before.detach()).abs()
    assert 0.05 < float(moved.max()) <= 2 * 0.05 + 1e-3  # AdamW's two steps


def test_a_scale_between_lies_on_the_line(models: tuple[Path, Path]):
    chosen = planned(models)
    generator = generators.load(chosen.generator)
    start, moved = generator.noise([100]), generator.noise([5])
    assert generator.deviation == 1
    learned = latents.installed(generator, chosen, Path("x"), {"latents": moved})
    for scale in (0.25, 0.5, 2.0):
        learned.scale(scale)
        torch.testing.assert_close(learned.start(generator.noise([100])), start + scale * (moved - start))
    learned.scale(1)
    assert torch.equal(learned.start(generator.noise([100])), moved)
    with pytest.raises(ValueError, match="the noise of one picture, and not of 2"):
        learned.start(generator.noise([1, 2]))


@pytest.mark.parametrize(
    "changes",
    [{}, {"sampler": 3}, {"stay": 2.0}, {"augment": plan.Augment(0.7, 0.01, 2, False), "accumulate": 2}],
)
def test_the_gradient_is_that_of_the_picture_that_is_painted(models: tuple[Path, Path], changes: dict[str, Any]):
    """Against finite differences, through all of the sampler's steps, in float64."""
    desk = steps.prepare(planned(models, dtype="float64", clip=1e9, **changes))
    desk.generator._vae.decoder.conv_out.weight.data.mul_(0.4)  # away from black and white, where the clamp bites
    state = training._state(desk)
    (weight,) = state.weights.values()
    start = weight.detach() + 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)).double()

    def loss(moved: torch.Tensor) -> float:
        weight.data.copy_(moved)
        frozen = AdamW([weight], lr=0.0, weight_decay=0.0)
        return steps.take(desk, type(state)(state.weights, frozen, state.progress), 1).loss

    loss(start)
    gradient = weight.grad.clone()
    norm = float(gradient.norm())
    assert norm > 1e-6
    errors = []
    for size in (3e-2, 1e-2, 3e-3):
        near, far = (loss(start + by * gradient / norm) - loss(start - by * gradient / norm) for by in (size, 2 * size))
        errors.append(abs((8 * near - far) / (12 * size) - norm) / norm)
    assert min(errors) <= 1e-4


def test_of_several_steps_one_alone_would_not_be_the_gradient(models: tuple[Path, Path]):
    """The twin: a clean estimate at one step of the sampler pulls the noise elsewhere."""
    chosen = planned(models, sampler=3, dtype="float64")
    generator = generators.load(chosen.generator)
    given = generator.condition([chosen.train_rows[0].prompt], [""])
    pulled = []
    for whole in (True, False):
        z = generator.noise([100]).requires_grad_()
        if whole:
            found = flow.unrolled(generator, given, z, 3, torch.Generator())
        else:
            found = flow.clean_estimate(generator, given, z, 1, torch.Generator())
        found.denoised.square().sum().backward()
        pulled.append(z.grad.flatten())
    assert torch.nn.functional.cosine_similarity(*pulled, 0) < 0.999


@pytest.mark.parametrize("switches", [{"checkpoint_backbone": True}, {"checkpoint_decoder": True}])
def test_recomputing_gives_the_same_noise_to_the_last_bit(
    models: tuple[Path, Path], tmp_path: Path, switches: dict[str, bool]
):
    chosen = planned(models, sampler=2)
    again = replace(chosen, generator=replace(chosen.generator, **switches))
    made = [training.train(each, tmp_path / str(at)).tensors_sha256 for at, each in enumerate((chosen, again))]
    assert made[0] == made[1]


def test_steps_lower_the_loss_and_stay_holds_the_picture(models: tuple[Path, Path], tmp_path: Path):
    losses = {}
    for stay in (0.0, 50.0):
        chosen = planned(models, steps=12, stay=stay)
        training.train(chosen, tmp_path / f"{stay}")
        lines = [json.loads(line) for line in (tmp_path / f"{stay}" / training.METRICS).read_text().splitlines()]
        told = [line["loss"] - line["stay"] for line in lines if "loss" in line]
        losses[stay] = told[0] - told[-1]
    assert losses[0.0] > 1e-3
    desk = steps.prepare(planned(models, stay=1.0))
    with torch.no_grad():
        far = [float((_picture(desk, tmp_path / f"{stay}") - desk.untouched).square().mean()) for stay in (0.0, 50.0)]
    assert 0 < far[1] < 0.5 * far[0]


def _picture(desk: steps.Desk, folder: Path) -> torch.Tensor:
    tensors, _ = adapter.load(folder / "pico.safetensors")
    learned = latents.installed(desk.generator, desk.plan, folder, tensors)
    z = learned.start(desk.generator.noise([desk.plan.train.seed]))
    return flow.sample(desk.generator, desk.given(desk.plan.train_rows), z, 1)


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_noise_is_kept_in_at_least_float32(models: tuple[Path, Path], tmp_path: Path, dtype: str):
    tensors, _ = adapter.load(training.train(planned(models, dtype=dtype, steps=2), tmp_path).adapter)
    assert tensors["latents"].dtype == (torch.float64 if dtype == "float64" else torch.float32)


def test_a_gradient_that_is_not_finite_is_that_of_the_noise(models: tuple[Path, Path]):
    from control_recipes.engine import finite
    from control_recipes.engine.errors import WorkError

    chosen = planned(models)
    with pytest.raises(WorkError, match="step 2: the gradient of the noise is nan"):
        finite.gradient(torch.tensor(torch.nan), chosen, "step 2")
    with pytest.raises(WorkError, match="step 2: the noise became inf"):
        finite.weights([torch.tensor([1.0, torch.inf])], chosen, "step 2")


def test_the_best_look_is_kept_and_stops_it(models: tuple[Path, Path], tmp_path: Path):
    chosen = planned(models, steps=9, stop=plan.Stop((("", "there", 1e-6),), 2))
    trained = training.train(replace(chosen, evaluate=replace(chosen.evaluate, every=2)), tmp_path)
    assert (trained.stopped, trained.steps) == ("p", 4)
    assert trained.kept in (2, 4)


def test_passes_are_those_of_every_step_of_the_sampler(models: tuple[Path, Path]):
    chosen = planned(models, sampler=3, stay=0.1, steps=4)
    calls = 0
    desk = steps.prepare(replace(chosen, train=replace(chosen.train, stay=0.0)))

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    desk.generator.backbone.register_forward_hook(count)
    state = training._state(desk)
    for step in range(1, 5):
        steps.take(desk, state, step)
    assert calls + 3 == workload.workload(chosen).training.generator  # and once the picture as it was
