"""Composing: side by side is exact, a lower rank is the best there is and says what it costs, as peft has it too."""

from __future__ import annotations

from typing import Any

import pico
import pytest
import torch
from control_recipes.engine import adapter, composing, flow, generators
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, LoraModel

MODULES = ("transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.to_k", "single_transformer_blocks.0.proj_mlp")
PROMPTS = ["a red ball in the grass", "a blue house"]


def drawn(seed: int, shapes: dict[str, tuple[int, int, int]], dtype: torch.dtype = torch.float32):
    """Random factors: module -> (rank, in, out)."""
    stream = torch.Generator().manual_seed(seed)

    def one(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=stream).to(dtype)

    return {name: (one(rank, inner), 0.1 * one(outer, rank)) for name, (rank, inner, outer) in shapes.items()}


def product(factors: composing.Factors) -> torch.Tensor:
    return factors[1].double() @ factors[0].double()


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory):
    return generators.load(pico.generator(pico.flux_folder(tmp_path_factory.mktemp("models") / "flux"), steps=2))


@pytest.fixture
def linear(generator) -> dict[str, tuple[int, int]]:
    """In and out of the modules."""
    found = {name: generator.backbone.get_submodule(name) for name in MODULES}
    return {name: (part.in_features, part.out_features) for name, part in found.items()}


@pytest.fixture
def three(linear):
    """Adapters of different ranks, targets and dtypes."""
    first = drawn(1, {name: (2, *linear[name]) for name in MODULES[:2]})
    second = drawn(2, {name: (3, *linear[name]) for name in MODULES[1:]}, torch.bfloat16)
    third = drawn(3, {MODULES[1]: (1, *linear[MODULES[1]])}, torch.float16)
    return [first, second, third]


WEIGHTS = [1.0, 0.8, -0.5]


def pictures(generator):
    conditioning = generator.condition(PROMPTS, ["", ""])
    return generator.image(flow.sample(generator, conditioning, generator.noise([1, 2]), 2))


def file(factors):
    return composing.tensors({f"transformer.{name}": pair for name, pair in factors.items()})


def tuned(generator, adapters, weights):
    """The backbone with every adapter as a peft adapter of its own: an instance of peft's own class."""
    configs = []
    for one in adapters:
        ranks = {name: len(down) for name, (down, _) in one.items()}
        configs.append(
            LoraConfig(r=1, rank_pattern=ranks, alpha_pattern=ranks, target_modules=list(ranks), lora_alpha=1)
        )
    model: Any = LoraModel(generator.backbone, configs[0], "0")
    for number, config in enumerate(configs[1:], 1):
        model.peft_config[str(number)] = config
        model.inject_adapter(model.model, str(number))
    for number, (one, weight) in enumerate(zip(adapters, weights, strict=True)):
        for name, (down, up) in one.items():
            layer = model.model.get_submodule(name)
            layer.lora_A[str(number)].weight.data.copy_(down)
            layer.lora_B[str(number)].weight.data.copy_(up)
            layer.scaling[str(number)] *= weight
    return model


@pytest.fixture
def peft(generator, three):
    model = tuned(generator, three, WEIGHTS)
    yield model
    model.unload()


def test_exact_is_applying_all_at_once(generator, three, peft):
    peft.set_adapter(["0", "1", "2"])
    both = pictures(generator)
    peft.unload()
    bare = pictures(generator)
    lora = adapter.install(generator, file(composing.exact(three, WEIGHTS)))
    composed = pictures(generator)
    adapter.eject(lora)
    assert (composed - both).abs().max() <= 1e-6
    assert (composed - bare).abs().max() > 1e-3  # the comparison can fail
    less = adapter.install(generator, file(composing.exact(three, [1.0, 0.8, 0.0])))
    assert (pictures(generator) - both).abs().max() > 1e-5
    adapter.eject(less)


def test_ranks_add_up_and_the_result_is_float32(three, linear):
    found = composing.exact(three, WEIGHTS)
    assert {name: len(down) for name, (down, _) in found.items()} == dict(zip(sorted(MODULES), [3, 6, 2], strict=True))
    assert {value.dtype for pair in found.values() for value in pair} == {torch.float32}
    assert list(found) == sorted(MODULES)
    assert composing.exact([drawn(1, {"a": (1, 2, 2)}, torch.float64)], [1.0])["a"][0].dtype == torch.float64


def delta(model, name: str) -> torch.Tensor:
    layer = model.model.get_submodule(MODULES[1])
    return layer.get_delta_weight(name).double()


def test_cat_and_svd_of_peft_agree(three, linear):
    """peft combines adapters that share their modules: here one."""
    few = [{MODULES[1]: one[MODULES[1]]} for one in three]
    weights = [1.0, 0.8, 0.5]  # peft takes the root of a weight for each factor: none below 0
    ours = composing.exact(few, weights)
    low = composing.reduced(ours, 2)
    inner = torch.nn.Module()
    holder: Any = inner
    *path, leaf = MODULES[1].split(".")
    for part in path:
        child = torch.nn.Module()
        holder.add_module(part, child)
        holder = child
    holder.add_module(leaf, torch.nn.Linear(*linear[MODULES[1]]))
    whole: Any = torch.nn.Module()
    whole.backbone = inner
    model = tuned(whole, few, [1.0, 1.0, 1.0])
    names = ["0", "1", "2"]
    model.add_weighted_adapter(names, weights, "cat", combination_type="cat")
    model.add_weighted_adapter(names, weights, "svd", combination_type="svd", svd_rank=2)
    torch.testing.assert_close(delta(model, "cat"), product(ours[MODULES[1]]), rtol=0, atol=1e-6)
    torch.testing.assert_close(delta(model, "svd"), product(low.adapter[MODULES[1]]), rtol=0, atol=1e-5)
    assert (delta(model, "svd") - delta(model, "cat")).abs().max() > 1e-2  # the comparison can fail


sizes = st.integers(1, 9)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, sizes, sizes, st.integers(1, 20), st.integers(0, 2**31))
def test_of_any_shape_the_lower_rank_is_the_best_and_the_loss_is_true(one, other, inner, outer, rank, seed):
    shapes = [{"m": (one, inner, outer)}, {"m": (other, inner, outer)}]
    parts = [drawn(seed, shapes[0]), drawn(seed + 1, shapes[1])]
    whole = composing.exact(parts, [1.0, -0.7])
    wanted = product(parts[0]["m"]) - 0.7 * product(parts[1]["m"])
    torch.testing.assert_close(product(whole["m"]), wanted, rtol=0, atol=1e-6)
    low = composing.reduced(whole, rank)
    (kept,) = low.matrices
    spectrum = torch.linalg.svdvals(wanted).square()
    rest = spectrum[rank:].sum() if rank < one + other else torch.zeros(())
    assert kept.rank == len(low.adapter["m"][0]) <= max(rank, min(inner, outer, one + other))
    found = (product(low.adapter["m"]) - wanted).square().sum()
    torch.testing.assert_close(found, rest.double(), rtol=1e-3, atol=1e-6 * float(spectrum.sum()))
    assert kept.lost == pytest.approx(float(rest / spectrum.sum()), abs=1e-5)
    assert low.lost == pytest.approx(kept.lost)
    shares = spectrum.cumsum(0) / spectrum.sum()
    assert shares[kept.enough - 1] >= 0.99 - 1e-5
    assert kept.enough == 1 or shares[kept.enough - 2] < 0.99 + 1e-5


def test_one_rank_that_keeps_enough_is_of_all_matrices_together():
    big, small = torch.diag(torch.tensor([10.0, 0.1, 0.1])), torch.diag(torch.tensor([0.1, 0.1, 0.1]))
    found = composing.reduced({"big": (torch.eye(3), big), "small": (torch.eye(3), small)}, 1)
    assert [one.enough for one in found.matrices] == [1, 3]
    assert found.enough == 1
    assert found.lost == pytest.approx(0.04 / 100.05, rel=1e-4)
    assert found.matrices[1].lost == pytest.approx(2 / 3, rel=1e-4)


def test_what_does_nothing_can_be_reduced_too():
    found = composing.reduced({"m": (torch.ones(3, 4), torch.zeros(5, 3))}, 1)
    assert (found.lost, found.enough, found.matrices[0].rank) == (0.0, 1, 1)
    assert not product(found.adapter["m"]).any()


def test_shapes_that_differ_and_nothing_at_all_are_refused():
    with pytest.raises(ValueError, match="m differs in its shape: 4 → 5 and 4 → 6"):
        composing.exact([drawn(1, {"m": (2, 4, 5)}), drawn(2, {"m": (2, 4, 6)})], [1.0, 1.0])
    with pytest.raises(ValueError, match="every weight is 0"):
        composing.exact([drawn(1, {"m": (2, 4, 5)})], [0.0])


def test_overlap_is_1_with_itself_0_when_apart_and_chance_between_strangers():
    one = drawn(1, {"m": (2, 40, 30), "alone": (1, 2, 2)})
    (same,) = composing.overlaps(one, {"m": one["m"]})
    assert (same.reads, same.writes, same.cosine) == pytest.approx((1, 1, 1))
    down, up = one["m"]
    (undone,) = composing.overlaps(one, {"m": (down, -3 * up)})
    assert undone.cosine == pytest.approx(-1)
    apart = (torch.eye(40)[:1], torch.eye(30)[:, :1]), (torch.eye(40)[1:3], torch.eye(30)[:, 1:3])
    (far,) = composing.overlaps({"m": apart[0]}, {"m": apart[1]})
    assert (far.reads, far.writes, far.cosine) == (0, 0, 0)
    (nothing,) = composing.overlaps(one, {"m": (down, torch.zeros_like(up))})
    assert (nothing.writes, nothing.cosine) == (0, 0)
    strangers = [composing.overlaps(one, drawn(seed, {"m": (3, 40, 30)}))[0] for seed in range(2, 80)]
    assert sum(each.reads for each in strangers) / len(strangers) == pytest.approx(strangers[0].reads_chance, rel=0.15)
    assert strangers[0].reads_chance == pytest.approx(3 / 40)
    assert strangers[0].writes_chance == pytest.approx(3 / 30)
