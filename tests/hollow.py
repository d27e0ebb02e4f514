"""A workplace for tests of what never loads a weight: real tokenizers and configurations, hollow weights, a recipe."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import Plan
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from tokenizers import Tokenizer, models, pre_tokenizers

SPECIAL = ["<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _write(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


def _weights(path: Path) -> None:
    header = b"{}      "
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def critic(folder: Path, positions: int = 256, seed: int = 0) -> Path:
    """A Qwen2.5-VL folder whose tokenizer has one token for every byte."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(SPECIAL)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    _write(folder / "tokenizer_config.json", {"eos_token": "<|im_end|>", "seed": seed})
    _write(folder / "preprocessor_config.json", {
        "patch_size": 8, "merge_size": 2, "temporal_patch_size": 2, "min_pixels": 256, "max_pixels": 65536,
    })  # fmt: skip
    _write(folder / "config.json", {
        "model_type": "qwen2_5_vl", "image_token_id": tokenizer.token_to_id("<|image_pad|>"),
        "text_config": {"max_position_embeddings": positions},
    })  # fmt: skip
    _weights(folder / "model.safetensors")
    return folder


def generator(folder: Path, kind: str = "FluxPipeline") -> Path:
    """A generator's folder for pictures of 64×64, with a sequence encoder of 32 tokens."""
    _write(folder / "model_index.json", {"_class_name": kind})
    _write(folder / "vae" / "config.json", {"sample_size": 64, "block_out_channels": [8, 8, 8]})
    _write(folder / "tokenizer_2" / "tokenizer_config.json", {"model_max_length": 32})
    _weights(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    return folder


RECIPE = """\
recipe: 1
name: horizon_low
vars: {height: 0.80}
generator: {model: ./generator}
critics:
  eyes: {model: ./critic}
judges:
  second: {model: ./judge}
visuals:
  ruler: {line: {y: "{{ height }}", color: red}}
  card: {image: assets/card.png, height: 0.15}
prompts:
  train:
    template: "a {{ color }} {{ thing }}"
    for: {color: [red, blue], thing: [ball, house, tree, tent, box]}
  test: [{prompt: a white ball, color: white, thing: ball}]
questions:
  aligned:
    ask: ["Is the line aligned?", "Does it lie on the horizon?"]
    suffix: "Answer with Yes or No."
    see: ruler
    answer: "Yes"
    against: "No"
  still_there:
    ask: "Is there a {{ color }} {{ thing }}?"
    answer: "Yes"
    hold: 0.75
measures:
  horizon: {horizon_row: {near: "{{ height }}", within: 0.06}}
  named: {factors: {keep: [thing, color]}}
goal: {measure: horizon, question: aligned}
expect:
  horizon: {at_least: 0.9}
  still_there: {judge: second, at_least: 0.95}
"""

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)


def workplace(folder: Path) -> Path:
    """A folder with models, an asset and `r.yaml`, a recipe in which nothing is wrong; returns the recipe's path."""
    generator(folder / "generator")
    critic(folder / "critic")
    critic(folder / "judge", positions=1024, seed=1)
    (folder / "assets").mkdir()
    (folder / "assets" / "card.png").write_bytes(PNG)
    (folder / "r.yaml").write_text(RECIPE, encoding="utf-8")
    return folder / "r.yaml"


def changed(*changes: tuple[str, str], text: str = RECIPE) -> str:
    """A recipe after the first place of some text of it was replaced."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def resolved(file: Path, *changes: tuple[str, str], text: str = RECIPE) -> Plan:
    """What the changed recipe, written to `file`, resolves to."""
    file.write_text(changed(*changes, text=text), encoding="utf-8")
    return resolve(read(file))


def problems(file: Path, *changes: tuple[str, str], text: str = RECIPE) -> list[str]:
    """What is said of the changed recipe: `line:column: key: message` and hints; nothing where nothing is wrong."""
    return told(lambda: resolved(file, *changes, text=text), f"{file}:")


def told(work: Callable[[], object], without: str) -> list[str]:
    """The problems that some work raises, as texts without the name of a file or folder in them."""
    try:
        work()
    except InputError as error:
        return [str(problem).replace(without, "") for problem in error.problems]
    return []
