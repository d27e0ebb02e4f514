"""Every family against its stock classes: pictures, tokens, log-probabilities, gradients, replies, costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from control_recipes import critics
from control_recipes.critics import Branch, View, asking
from control_recipes.engine.errors import InputError
from fewer_bits import full
from picos import CASES, Case
from PIL import Image
from stock import BRANCHES, QUESTIONS, same
from torch import Tensor
from transformers.processing_utils import ProcessorMixin

# Pillow rounds to 8 bits after each of two passes, and 0.26 is the smallest deviation that is divided by
LEVELS = 1.3 / 255 / 0.26


def picture(seed: int, height: int = 32, width: int = 32) -> Tensor:
    """A uint8 picture [3, height, width]: noise in one half, hard edges in the other."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    levels[:, :, width // 2 :] = (levels[:, :, width // 2 :] > 127).to(torch.uint8) * 255
    return levels


def whole(case: Case, seed: int) -> Tensor:
    """A picture that the stock processor leaves as it is, or as flat as it is."""
    shown = unit(picture(seed, *case.exact))
    return (shown.mean((1, 2), keepdim=True) * 255).round().div(255).expand_as(shown) if case.flat else shown


def unit(pixels: Tensor) -> Tensor:
    return pixels.double() / 255


class Stock:
    """The stock model, with its processor put together from `AutoTokenizer` and the `...Pil` image processor."""

    def __init__(self, folder: Path, case: Case, patch: pytest.MonkeyPatch) -> None:
        self.model = getattr(transformers, case.model).from_pretrained(folder, dtype=torch.float64)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        # folders may have it in a file of the processor's, which is put together here
        self.tokenizer.chat_template = self.tokenizer.chat_template or case.processes.get("chat_template")
        self.images = case.images_class().from_pretrained(folder)
        # it asks for a video processor, which needs torchvision, and never uses it for pictures
        patch.setattr(ProcessorMixin, "check_argument_for_proper_class", lambda *_: None)
        for module, other in case.stands.items():
            patch.setitem(sys.modules, f"transformers.models.{module}", import_module(f"transformers.models.{other}"))
        for module, name, value in case.patched:
            patch.setattr(import_module(f"transformers.models.{module}"), name, value)
        template = {"chat_template": self.tokenizer.chat_template} if self.tokenizer.chat_template else {}
        parts = {"image_processor": self.images, "tokenizer": self.tokenizer}
        self.processor = case.processor_class()(**{**parts, **case.processes, **template})
        self.case = case
        added = self.tokenizer.added_tokens_decoder.items()
        self.specials = [*self.tokenizer.all_special_ids, *(key for key, token in added if token.special)]

    def inputs(self, question: str, pictures: list[Tensor], answer: str | None = None) -> dict[str, Tensor]:
        """What the stock processor makes of a chat and its pictures."""
        levels = [(p.detach() * 255).round().to(torch.uint8).permute(1, 2, 0).numpy() for p in pictures]
        found = self.case.inputs(self, question, [Image.fromarray(one) for one in levels], answer)
        found["pixel_values"] = found["pixel_values"].double()
        return found

    def log_probs(self, branch: Branch, pictures: list[Tensor], values: Tensor | None = None) -> Tensor:
        """Log-probabilities [T] of the answer's tokens, by one plain call; `values` in the place of the processor's."""
        before = self.inputs(branch.question, pictures)["input_ids"]
        both = self.inputs(branch.question, pictures, branch.answer)
        tokens = both["input_ids"]
        assert torch.equal(tokens[:, : before.shape[1]], before)
        after = tokens[0, before.shape[1] :]
        ends = torch.isin(after, torch.tensor(self.specials)).nonzero()
        end = int(ends[0]) if len(ends) else len(after)
        answer = after[: end + 1] if branch.closed else after[:end]
        if values is not None:
            both["pixel_values"] = values.reshape(both["pixel_values"].shape)
        logits = self.model(**both).logits[0].log_softmax(-1)
        start = before.shape[1] - 1
        return logits[start : start + len(answer)].gather(1, answer[:, None])[:, 0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"": tmp_path_factory.mktemp("families")}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def folder(made: dict[str, Path], case: Case) -> Path:
    if case.name not in made:
        case.build(made[""] / case.name, 1)
        made[case.name] = made[""] / case.name
    return made[case.name]


@pytest.fixture
def critic(folder: Path, case: Case) -> Any:
    return critics.load(folder, case.family, "float64", "cpu")


@pytest.fixture
def stock(folder: Path, case: Case) -> Iterator[Stock]:
    with pytest.MonkeyPatch.context() as patch:
        yield Stock(folder, case, patch)


def values(critic: Any, pictures: list[Tensor]) -> Tensor:
    """What our preprocessing makes of pictures, one after the other."""
    return torch.cat([critic.pixel_values(one[None]).flatten() for one in pictures])


def test_the_family_is_found_by_its_configuration(folder: Path, case: Case) -> None:
    from control_recipes.engine import models

    assert models.locate(str(folder), Path()).family == case.family


def test_pictures_are_the_stock_processors(critic: Any, stock: Stock, case: Case) -> None:
    for at, size in enumerate((case.exact, *case.sizes)):
        shown = whole(case, at) if size == case.exact else unit(picture(at, *size))
        ours, theirs = values(critic, [shown]), stock.inputs(QUESTIONS[0], [shown])["pixel_values"].flatten()
        near = 1e-5 if size == case.exact else case.rounds * LEVELS
        torch.testing.assert_close(ours, theirs, rtol=0, atol=near)


def test_another_kernel_would_be_seen(critic: Any, stock: Stock, case: Case) -> None:
    from dataclasses import replace

    shown = unit(picture(1, *case.sizes[1]))
    critic.normal = replace(critic.normal, kernel=2 if critic.normal.kernel != 2 else 3)
    ours, theirs = values(critic, [shown]), stock.inputs(QUESTIONS[0], [shown])["pixel_values"].flatten()
    assert (ours - theirs).abs().max() > 2 * case.rounds * LEVELS


def test_tokens_are_the_stock_processors(folder: Path, stock: Stock, case: Case) -> None:
    chat = critics.chat_of(folder, case.family)
    for size in (case.exact, *case.sizes):
        for count in (1, 2) if case.several else (1,):
            shown = [unit(picture(0, *size))] * count
            prompt, place = chat.prompt(QUESTIONS[1], count), chat.picture(size[1], size[0])
            head = [token for one in prompt.head for token in (place if one == chat.image_id else (one,))]
            theirs = stock.inputs(QUESTIONS[1], shown)["input_ids"][0].tolist()
            assert [*head, *prompt.tail] == theirs
            assert chat.length(QUESTIONS[1], [(size[1], size[0])] * count) == len(theirs)
            assert len(place) == chat.picture_tokens(size[1], size[0])
    for branch in BRANCHES:
        whole = stock.inputs(branch.question, [unit(picture(0))], branch.answer)["input_ids"][0].tolist()
        before = stock.inputs(branch.question, [unit(picture(0))])["input_ids"][0].tolist()
        tokens = chat.answer_tokens(branch.question, branch.answer, branch.closed)
        assert whole[len(before) :][: len(tokens)] == tokens


def test_several_pictures_are_refused_in_words(folder: Path, case: Case) -> None:
    if not case.several:
        with pytest.raises(InputError, match="2 pictures"):
            critics.chat_of(folder, case.family).prompt("Is it?", 2)


def test_packed_equals_one_by_one(critic: Any, stock: Stock, case: Case) -> None:
    for size in (case.exact, case.sizes[1]):
        x = unit(picture(0, *size)).requires_grad_()
        packed = critic.ask([View(x)], [BRANCHES])[0]
        plain = [stock.log_probs(branch, [x], values(critic, [x])) for branch in BRANCHES]
        assert len({len(answer) for answer in plain}) >= 3
        same(packed, plain, x, 1e-4)


def test_the_stock_processor_gives_the_same(critic: Any, stock: Stock, case: Case) -> None:
    x = whole(case, 3)
    for ours, branch in zip(critic.ask([View(x)], [BRANCHES])[0], BRANCHES, strict=True):
        torch.testing.assert_close(ours, stock.log_probs(branch, [x]), rtol=0, atol=2e-5)  # its values are float32


def test_a_plain_causal_mask_would_not_do(
    critic: Any, stock: Stock, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case.family == critics.GENERIC:  # the stock model is called as a whole, with masks of its own
        return

    def causal(segment: Tensor, parent: Tensor) -> Tensor:
        length = segment.shape[1]
        return torch.ones(len(segment), 1, length, length, dtype=torch.bool).tril()

    monkeypatch.setattr(asking, "mask", causal)
    x = unit(picture(0, *case.exact))
    found = zip(critic.ask([View(x)], [BRANCHES])[0], BRANCHES, strict=True)
    theirs = [(ours, stock.log_probs(branch, [x], values(critic, [x]))) for ours, branch in found]
    assert max(float((ours - plain).detach().abs().max()) for ours, plain in theirs) > 1e-6


def test_several_pictures(critic: Any, stock: Stock, case: Case) -> None:
    if not case.several:
        return
    shown = [[unit(picture(1, *case.exact))], [unit(picture(2, *case.exact)), unit(picture(3, *case.exact))]]
    views = [View(pictures[0], references=tuple(pictures[1:])) for pictures in shown]
    branches = [BRANCHES[:3], BRANCHES[2:5]]
    for pictures, some, ours in zip(shown, branches, critic.ask(views, branches), strict=True):
        for branch, answer in zip(some, ours, strict=True):
            theirs = stock.log_probs(branch, pictures, values(critic, pictures))
            torch.testing.assert_close(answer, theirs, rtol=0, atol=1e-9)


def test_views_together_equal_views_alone(critic: Any, case: Case) -> None:
    size = case.sizes[1]
    layer = torch.rand(4, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    views = [View(unit(picture(1, *size)), (layer,)), View(unit(picture(2, *size)))]
    together = critic.ask(views, [BRANCHES[:3], BRANCHES[1:4]])
    alone = [critic.ask([view], [some])[0] for view, some in zip(views, [BRANCHES[:3], BRANCHES[1:4]], strict=True)]
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-9)


def test_gradient_is_the_slope(critic: Any, case: Case) -> None:
    # norms compute in float32 inside the stock classes: no step is smaller than their noise allows; and the picture is
    # pale, since where resizing clips to [0, 1] the gradient goes straight through
    x = (0.4 + 0.2 * unit(picture(7, *case.sizes[1]))).requires_grad_()

    def loss(pixels: Tensor) -> Tensor:
        return -critic.log_probs([View(pixels)], [BRANCHES]).values.mean()

    gradient = torch.autograd.grad(loss(x), x)[0]
    direction = gradient / gradient.norm()
    errors: list[float] = []
    with torch.no_grad():
        for size in (1e-2, 1e-3, 3e-4, 1e-4, 3e-5):
            near, far = (loss(x + h * direction) - loss(x - h * direction) for h in (size, 2 * size))
            errors.append(abs(float((8 * near - far) / (12 * size) / gradient.norm()) - 1))
    assert min(errors) <= 1e-4, errors


def test_reply_is_the_stock_models_greedy_answer(critic: Any, stock: Stock, case: Case) -> None:
    x = whole(case, 8)
    inputs = stock.inputs(QUESTIONS[1], [x])
    said = stock.model.generate(**inputs, do_sample=False, max_new_tokens=6)
    after = [token for token in said[0, inputs["input_ids"].shape[1] :].tolist() if token not in stock.specials]
    theirs = stock.tokenizer.decode(after).strip()
    assert critic.reply(View(x), QUESTIONS[1], limit=6) == theirs


def test_load_freezes_and_every_weight_matters(critic: Any, case: Case) -> None:
    assert not critic.model.training
    assert not any(weight.requires_grad for weight in critic.model.parameters())
    critic.model.requires_grad_(True)
    critic.log_probs([View(unit(picture(1, *case.sizes[1])))], [BRANCHES]).values.mean().backward()
    missing = [name for name, weight in critic.model.named_parameters() if weight.grad is None]
    assert [name for name in missing if not name.startswith(case.unused)] == []


def test_what_was_asked_without_gradients_can_be_learned_from_later(critic: Any) -> None:
    shown = unit(picture(9, 36, 44))
    with torch.inference_mode():
        critic.ask([View(shown)], [BRANCHES[:1]])
    learned = shown.clone().requires_grad_()
    critic.ask([View(learned)], [BRANCHES[:1]])[0][0].sum().backward()
    assert learned.grad is not None
    assert learned.grad.abs().sum() > 0


def test_recomputing_changes_nothing(folder: Path, case: Case, critic: Any) -> None:
    again = critics.load(folder, case.family, "float64", "cpu", checkpointing=True)
    found: list[tuple[Tensor, Tensor]] = []
    for one in (critic, again):
        x = unit(picture(4, *case.exact)).requires_grad_()
        said = one.log_probs([View(x)], [BRANCHES]).values
        found.append((said.detach(), torch.autograd.grad(said.sum(), x)[0]))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_fewer_bits_have_the_gradient_of_the_weights_they_stand_for(folder: Path, case: Case, critic: Any) -> None:
    stored = critics.load(folder, case.family, "float64", "cpu", quantize="4bit")
    found: list[tuple[Tensor, Tensor]] = []
    for plain in (False, True):
        if plain:
            full(stored.model)
        x = unit(picture(4, *case.exact)).requires_grad_()
        said = stored.log_probs([View(x)], [BRANCHES]).values
        found.append((said.detach(), torch.autograd.grad(said.sum(), x)[0]))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-9, atol=1e-9 * float(found[1][1].abs().max()))
    assert not torch.allclose(found[0][0], critic.log_probs([View(x)], [BRANCHES]).values, rtol=1e-3)


def test_half_precision_gives_whole_log_probabilities(folder: Path, case: Case, critic: Any) -> None:
    half = critics.load(folder, case.family, "bfloat16", "cpu")
    x = unit(picture(1, *case.exact)).float().requires_grad_()
    said = half.log_probs([View(x)], [BRANCHES]).values
    assert said.dtype == torch.float32
    exact = critic.log_probs([View(x.double())], [BRANCHES]).values
    # weights of these models are large, so that a single token may be a nat off
    assert float((said.double() - exact).detach().abs().mean()) <= 0.3
    assert float(exact.detach().std()) > 1.0
    (gradient,) = torch.autograd.grad(said.sum(), x)
    assert gradient.dtype == torch.float32
    assert gradient.isfinite().all()


def test_chats_and_costs_need_no_torch(folder: Path, case: Case) -> None:
    code = (
        "import sys; from control_recipes import critics\n"
        f"critics.chat_of({str(folder)!r}, {case.family!r}).answer_tokens('Is it?', 'Yes', True)\n"
        f"critics.sizes_of({str(folder)!r}, {case.family!r}).ask(64, 64, 100, 5)\n"
        "assert not {'torch', 'transformers'} & set(sys.modules), 'torch came along'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


def test_the_documentation_has_a_row_for_every_family(case: Case) -> None:
    page = (Path(__file__).parents[2] / "docs" / "critics.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if f"`{case.model}`" in line and case.images.rsplit(".", 1)[1] in line]
    (row,) = rows
    assert f"`{case.family}`" in row or f"`{case.name}`" in row
    packs = critics.packs(case.family)
    assert ("| packed |" in row, "| one by one |" in row) == (packs, not packs)
    assert ("| refused |" in row) == (not case.several)


def test_every_word_of_the_table_is_held_to_its_stock_classes() -> None:
    held = {case.family for case in CASES.values()} | {"qwen2_5_vl"}  # the last: test_asking.py, test_pixels.py
    assert held == {*critics.FAMILIES.values(), critics.GENERIC}
