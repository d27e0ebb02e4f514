"""Packed questions against stock models asked one by one: values, gradients, several pictures, replies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from control_recipes import critics
from control_recipes.critics import Branch, View, asking
from stock import BRANCHES, QUESTIONS, Stock, same
from torch import Tensor

FAMILIES = ("qwen2_5_vl", "llava")


def picture(seed: int, height: int = 32, width: int = 32) -> Tensor:
    """A uint8 picture [3, height, width]."""
    return torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def unit(pixels: Tensor) -> Tensor:
    return pixels.double() / 255


def differentiable(critic: asking.Family, stock: Stock, pictures: list[Tensor]) -> dict[str, Tensor]:
    """The stock model's inputs, pixel values differentiable in `pictures` (that the two agree: test_pixels)."""
    inputs = stock.process([(p.detach() * 255).round().to(torch.uint8) for p in pictures])
    values = [critic.pixel_values(p[None]) for p in pictures]
    return {**inputs, "pixel_values": torch.cat([v[0] if stock.family == "qwen2_5_vl" else v for v in values])}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def critic(folders: dict[str, Path], family: str):
    return critics.load(folders[family], family, "float64", "cpu")


@pytest.fixture
def stock(folders: dict[str, Path], family: str) -> Stock:
    return Stock(folders[family], family)


def test_packed_equals_one_by_one(critic, stock: Stock) -> None:
    x = unit(picture(0)).requires_grad_()
    packed = critic.ask([View(x)], [BRANCHES])[0]
    plain = [stock.log_probs(branch, 1, differentiable(critic, stock, [x])) for branch in BRANCHES]
    assert {len(answer) for answer in plain} >= {1, 2}
    same(packed, plain, x, 1e-3)


@pytest.mark.parametrize("letters", range(1, 13))
def test_answers_of_any_length(critic, stock: Stock, letters: int) -> None:
    # letters apart from each other are a token or two each, whatever the tokenizer learnt
    x = unit(picture(letters))
    branches = [Branch(QUESTIONS[1], " ".join("zqjxwkvpgfby"[:letters]), closed) for closed in (False, True)]
    packed = critic.ask([View(x)], [branches])[0]
    assert len(packed[1]) == len(packed[0]) + 1 >= letters
    for ours, branch in zip(packed, branches, strict=True):
        theirs = stock.log_probs(branch, 1, differentiable(critic, stock, [x]))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_the_stock_processor_gives_the_same(critic, stock: Stock) -> None:
    pixels = picture(3)
    packed = critic.ask([View(unit(pixels))], [BRANCHES])[0]
    for ours, branch in zip(packed, BRANCHES, strict=True):
        # its values are float32
        torch.testing.assert_close(ours, stock.log_probs(branch, 1, stock.process([pixels])), rtol=0, atol=1e-5)


def test_a_plain_causal_mask_would_not_do(critic, stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    def causal(segment: Tensor, parent: Tensor) -> Tensor:
        return torch.ones(1, 1, segment.shape[1], segment.shape[1], dtype=torch.bool).tril()

    monkeypatch.setattr(asking, "mask", causal)
    x = unit(picture(0))
    ours = critic.ask([View(x)], [BRANCHES])[0][4]
    theirs = stock.log_probs(BRANCHES[4], 1, differentiable(critic, stock, [x]))
    assert (ours - theirs).abs().max() > 1e-6


def test_several_pictures_of_several_sizes(critic, stock: Stock) -> None:
    references = [unit(picture(5, 32, 48)), unit(picture(6))]
    views = [
        View(unit(picture(1))),
        View(unit(picture(2, 48, 32)), references=(references[0],)),
        View(unit(picture(3))),
        View(unit(picture(4)), references=tuple(references)),
    ]
    branches = [BRANCHES[:3], BRANCHES[2:4], BRANCHES[1:2], BRANCHES]
    answers = critic.log_probs(views, branches)
    assert answers.values.shape == (sum(map(sum, answers.sizes)),)
    for view, some, ours in zip(views, branches, answers.lists(), strict=True):
        pictures = [view.picture, *view.references]
        inputs = differentiable(critic, stock, pictures)
        for branch, answer in zip(some, ours, strict=True):
            torch.testing.assert_close(answer, stock.log_probs(branch, len(pictures), inputs), rtol=0, atol=1e-9)


def test_views_differ_in_their_overlays(critic) -> None:
    x, layer = unit(picture(1)), torch.rand(4, 32, 32, dtype=torch.float64)
    flat = x + layer[3] * (layer[:3] - x)
    together = critic.ask([View(x, (layer,)), View(x)], [BRANCHES[:2]] * 2)
    alone = critic.ask([View(flat), View(x)], [BRANCHES[:2]] * 2)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_gradient_is_the_slope(critic) -> None:
    # norms compute in float32 inside the stock classes: no step is smaller than their noise allows
    x = (0.25 + 0.5 * unit(picture(7))).requires_grad_()

    def loss(pixels: Tensor) -> Tensor:
        return -critic.log_probs([View(pixels)], [BRANCHES]).values.mean()

    gradient = torch.autograd.grad(loss(x), x)[0]
    direction = gradient / gradient.norm()
    with torch.no_grad():
        slopes = [(loss(x + h * direction) - loss(x - h * direction)) / (2 * h) for h in (1e-3, 3e-4, 1e-4, 3e-5)]
    errors = [abs(float(slope / gradient.norm()) - 1) for slope in slopes]
    assert min(errors) <= 1e-4, errors


def test_reply_is_the_stock_models_greedy_answer(critic, stock: Stock) -> None:
    pixels = picture(8)
    inputs = stock.process([pixels])
    tokens = stock.tokens(stock.text(QUESTIONS[1], 1), inputs)
    said = stock.model.generate(**stock.inputs(tokens, inputs), do_sample=False, max_new_tokens=6)
    theirs = stock.tokenizer.decode(said[0, tokens.shape[1] :], skip_special_tokens=True).strip()
    assert critic.reply(View(unit(pixels)), QUESTIONS[1], limit=6) == theirs


def test_load_freezes_and_asking_does_not(critic) -> None:
    assert not critic.model.training
    assert not any(weight.requires_grad for weight in critic.model.parameters())
    critic.model.requires_grad_(True)
    critic.log_probs([View(unit(picture(1)))], [BRANCHES]).values.mean().backward()
    missing = [name for name, weight in critic.model.named_parameters() if weight.grad is None]
    # LLaVA leaves the tower's last norm out, which sees only the class token
    assert missing in ([], ["model.vision_tower.post_layernorm.weight", "model.vision_tower.post_layernorm.bias"])


def test_what_was_asked_without_gradients_can_be_learned_from_later(critic) -> None:
    shown = unit(picture(9, 36, 44))  # a size that nothing else here has: what is kept of it is made in this test
    with torch.inference_mode():
        critic.ask([View(shown)], [BRANCHES[:1]])
    learned = shown.clone().requires_grad_()
    critic.ask([View(learned)], [BRANCHES[:1]])[0][0].sum().backward()
    assert learned.grad is not None
    assert learned.grad.abs().sum() > 0


def test_questions_without_views_are_refused(critic) -> None:
    with pytest.raises(ValueError, match="branches"):
        critic.ask([View(unit(picture(1)))], [[]])


def test_half_precision_gives_whole_log_probabilities(folders: dict[str, Path], family: str, critic) -> None:
    half = critics.load(folders[family], family, "bfloat16", "cpu")
    x = unit(picture(1)).float().requires_grad_()
    values = half.log_probs([View(x)], [BRANCHES]).values
    assert values.dtype == torch.float32
    torch.testing.assert_close(
        values.double(), critic.log_probs([View(x.double())], [BRANCHES]).values, rtol=0, atol=0.5
    )
    (gradient,) = torch.autograd.grad(values.sum(), x)
    assert gradient.dtype == torch.float32
    assert gradient.isfinite().all()
