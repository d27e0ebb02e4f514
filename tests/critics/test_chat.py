"""Chats without torch: tokens as the stock tokenizers give them, lengths, turn ends, and folders that are refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from control_recipes import critics
from control_recipes.critics import qwen2_5_vl
from control_recipes.critics.chat import Chat
from control_recipes.engine.errors import InputError
from control_recipes.engine.world import pico_critic
from picos import VICUNA
from stock import BRANCHES, QUESTIONS, TEXTS, Stock
from tokenizers import Tokenizer

FAMILIES = ("qwen2_5_vl", "llava")  # the others: test_families.py


def chat(template: str = pico_critic.TEMPLATE, **names: str) -> Chat:
    tokenizer = pico_critic.train_tokenizer(TEXTS, 400, (*pico_critic.SPECIAL, "</s>", "<image>"), ())
    image = "<image>" if template == VICUNA else "<|image_pad|>"
    return Chat(tokenizer, template, tokenizer.token_to_id(image), lambda width, height: 4, 128, **names)


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_the_stock_tokenizers(folders: dict[str, Path], family: str) -> None:
    stock, ours = Stock(folders[family], family), critics.chat_of(folders[family], family)
    for branch in BRANCHES:
        before, both = (
            stock.tokenizer(stock.text(branch.question, 2, answer))["input_ids"] for answer in (None, branch.answer)
        )
        prompt = ours.prompt(branch.question, 2)
        assert [*prompt.head, *prompt.tail] == before
        tokens = ours.answer_tokens(branch.question, branch.answer, branch.closed)
        assert both[len(before) :][: len(tokens)] == tokens
        assert (tokens[-1] in stock.tokenizer.all_special_ids) == branch.closed


@pytest.mark.parametrize("family", FAMILIES)
def test_lengths(folders: dict[str, Path], family: str) -> None:
    ours = critics.chat_of(folders[family], family)
    prompt = ours.prompt(QUESTIONS[0], 2)
    # 32x32 pixels: 2x2 merged patches of Qwen, 4x4 patches of LLaVA
    each = {"qwen2_5_vl": 4, "llava": 16}[family]
    assert ours.length(QUESTIONS[0], [(32, 32)] * 2) == len(prompt.head) + len(prompt.tail) + 2 * (each - 1)
    assert ours.limit() == 512
    assert prompt.head == ours.prompt(QUESTIONS[1], 2).head


def test_head_takes_the_marks_behind_the_picture_along() -> None:
    ours = chat()
    assert ours.tokenizer.decode(list(ours.head(1)), skip_special_tokens=False).endswith("<|image_pad|><|vision_end|>")


def test_llavas_own_template() -> None:
    ours = chat(VICUNA, eos="</s>")
    shown = ours.tokenizer.decode([*ours.head(1), *ours.prompt("Why?").tail], skip_special_tokens=False)
    assert shown == "USER: <image>\nWhy? ASSISTANT:"
    assert ours.tokenizer.decode(ours.answer_tokens("Why?", "Yes it is")) == " Yes it is"
    # its template ends no turn in writing: the tokenizer's own end counts
    assert ours.answer_tokens("Why?", "Yes", closed=True)[-1] == ours.tokenizer.token_to_id("</s>")
    with pytest.raises(InputError, match="how a turn ends"):
        chat(VICUNA).answer_tokens("Why?", "Yes", closed=True)


def test_a_system_turn_belongs_to_the_head() -> None:
    system = "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe brief.<|im_end|>\n{% endif %}"
    ours = chat(system + pico_critic.TEMPLATE)
    assert "Be brief." in ours.tokenizer.decode(list(ours.head(1)))


def test_a_written_first_token_is_not_doubled() -> None:
    tokenizer = Tokenizer.from_str(chat().tokenizer.to_str())
    from tokenizers.processors import TemplateProcessing

    start = tokenizer.token_to_id("<|endoftext|>")
    tokenizer.post_processor = TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", start)])
    for template in (pico_critic.TEMPLATE, "{{ bos_token }}" + pico_critic.TEMPLATE):
        image = tokenizer.token_to_id("<|image_pad|>")
        ours = Chat(tokenizer, template, image, lambda width, height: 4, 128, bos="<|endoftext|>")
        assert ours.head(1).count(start) == 1


@pytest.mark.parametrize(
    ("template", "question", "answer", "message"),
    [
        (pico_critic.TEMPLATE, "Is <|image_pad|> it?", "Yes", "pictures' place"),
        (pico_critic.TEMPLATE, "Is it?", "", "continue"),
        ("{{ messages[0]['content'][-1]['text'] }}", "Is it?", "Yes", "0 of 1 picture"),
        ("{{ raise_exception('no such role') }}", "Is it?", "Yes", "no such role"),
    ],
)
def test_what_cannot_be_asked_is_refused(template: str, question: str, answer: str, message: str) -> None:
    ours = chat(template)
    with pytest.raises(InputError, match=message):
        _ = ours.prompt(question), ours.answer_tokens(question, answer)


def test_a_broken_template_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        chat("{% for %}")


def test_an_answer_that_melts_into_the_chat_is_refused() -> None:
    # "assistant:" + "Yes" is one word to this tokenizer, where a chat would have put a space
    glued = "<|image_pad|>{{ messages[0]['content'][-1]['text'] }} Y{% if not add_generation_prompt %}{{ messages[1]['content'][0]['text'] }}{% endif %}"  # noqa: E501
    with pytest.raises(InputError, match="tokens of its own"):
        chat(glued).answer_tokens("Is it?", "es")


@pytest.mark.parametrize("missing", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"])
@pytest.mark.parametrize("family", FAMILIES)
def test_incomplete_folders_are_refused(folders: dict[str, Path], tmp_path: Path, family: str, missing: str) -> None:
    folder = shutil.copytree(folders[family], tmp_path / family)
    (folder / missing).unlink()
    with pytest.raises(InputError, match=missing):
        critics.chat_of(folder, family)


def test_an_older_folder_keeps_its_template_elsewhere(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["qwen2_5_vl"], tmp_path / "old")
    expected = critics.chat_of(folder, "qwen2_5_vl").prompt(QUESTIONS[0])
    (folder / "chat_template.jinja").rename(folder / "chat_template.txt")
    template = {"chat_template": (folder / "chat_template.txt").read_text()}
    (folder / "chat_template.json").write_text(json.dumps(template))
    assert critics.chat_of(folder, "qwen2_5_vl").prompt(QUESTIONS[0]) == expected


def test_unknown_families_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="qwen2_5_vl"):
        critics.chat_of(tmp_path, "blip")


# on the grid, off it, too small, too large, exactly half a patch
@pytest.mark.parametrize("size", [(64, 64), (61, 97), (5, 900), (2000, 1000), (40, 24)])
def test_qwens_grid_is_the_stock_one(size: tuple[int, int]) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    height, width = size
    assert qwen2_5_vl.Grid(8, 2, 2, 256, 65536).size(width, height) == smart_resize(height, width, 16, 256, 65536)


def test_a_picture_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="too long"):
        qwen2_5_vl.Grid(8, 2, 2, 256, 65536).size(201, 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_chats_need_no_torch(folders: dict[str, Path], family: str) -> None:
    code = (
        "import sys; from control_recipes import critics\n"
        f"critics.chat_of({str(folders[family])!r}, {family!r}).answer_tokens('Is it?', 'Yes', True)\n"
        "assert not {'torch', 'transformers'} & set(sys.modules), 'torch came along'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folders[family])
