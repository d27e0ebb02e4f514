"""The untrained critic and judge: the same seed gives the same folder, and stock classes load it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from control_recipes.engine.world import pico_critic, pico_judge
from transformers import AutoConfig, AutoTokenizer, LlavaForConditionalGeneration, Qwen2_5_VLForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

TEXTS = ("Is there a red ball? Answer with Yes or No.", "Yes", "No", "a red ball in the grass")
SMALL = {"width": 16, "heads": 2, "layers": 1, "vision_width": 16, "vision_heads": 2, "vision_layers": 1}
MODULES = (pico_critic, pico_judge)


def saved(module: ModuleType, folder: Path, seed: int) -> dict[str, bytes]:
    module.save(*module.build(TEXTS, seed, **SMALL), folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("module", MODULES)
def test_a_seed_is_a_folder(module: ModuleType, tmp_path: Path) -> None:
    first = saved(module, tmp_path / "first", 0)
    # the header of stock weights holds nothing that varies, so that whole files are compared
    assert saved(module, tmp_path / "second", 0) == first
    assert saved(module, tmp_path / "third", 1)["model.safetensors"] != first["model.safetensors"]


@pytest.mark.parametrize(
    ("module", "model", "processor"),
    [
        (pico_critic, Qwen2_5_VLForConditionalGeneration, Qwen2VLImageProcessorPil),
        (pico_judge, LlavaForConditionalGeneration, CLIPImageProcessorPil),
    ],
)
def test_stock_classes_load_the_folder(module: ModuleType, model: type, processor: type, tmp_path: Path) -> None:
    saved(module, tmp_path, 0)
    loaded, report = model.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert len(tokenizer) == AutoConfig.from_pretrained(tmp_path).text_config.vocab_size
    ends = loaded.generation_config.eos_token_id
    assert tokenizer.eos_token_id in (ends if isinstance(ends, list) else [ends])
    assert processor.from_pretrained(tmp_path).image_mean == pytest.approx(pico_critic.MEAN)


@pytest.mark.parametrize("module", MODULES)
def test_words_of_the_texts_are_one_token_in_the_chat(module: ModuleType) -> None:
    chat = module.critic(*module.build(TEXTS * 2, 0, **SMALL)).chat
    assert len(chat.answer_tokens("Is there a red ball?", "Yes")) == 1
    assert len(chat.answer_tokens("Is there a red ball?", "No")) == 1
