"""Pico models of the families of critics: real classes of a few thousand parameters, saved in the hub's layout.

`CASES` says of each what the stock library calls it, and which pictures hold it to that. A picture of `exact` size is
resized by no processor; those of `sizes` are, `rounds` times one after the other, with 8-bit levels in between.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import transformers
from control_recipes.engine.world import pico_critic
from stock import TEXTS
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SIZES = ((32, 32), (61, 97), (40, 130), (100, 64), (9, 13))  # (height, width)


def layers(scale: int) -> int:
    """Few in the smallest model; in a larger one enough for what is beside them to weigh little."""
    return 2 if scale == 1 else 12


def text(scale: int, **own: Any) -> dict[str, Any]:
    """The language model's configuration, `scale` times as wide as the smallest one."""
    sizes = {"hidden_size": 16 * scale, "intermediate_size": 32 * scale, "head_dim": 8 * scale}
    counts = {"num_hidden_layers": layers(scale), "num_attention_heads": 2, "num_key_value_heads": 1}
    return {**sizes, **counts, "max_position_embeddings": 512, **own}


def vision(scale: int, **own: Any) -> dict[str, Any]:
    """The vision tower's, of patches of 8 pixels."""
    sizes = {"hidden_size": 16 * scale, "intermediate_size": 32 * scale, "patch_size": 8}
    return {**sizes, "num_hidden_layers": layers(scale), "num_attention_heads": 2, **own}


TURNS = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}PICTURE"
    "{% else %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Case:
    """One pico model and its stock classes."""

    family: str
    build: Callable[[Path, int], None]
    model: str
    processor: str
    images: str  # the module and class of the `...Pil` processor
    exact: tuple[int, int]  # (height, width)
    sizes: Sequence[tuple[int, int]] = SIZES
    rounds: int = 1
    processes: Mapping[str, Any] = field(default_factory=dict)  # what else the stock processor is made with
    several: bool = True  # pictures at once
    flat: bool = False  # no size is left as it is: a picture of one colour is
    stands: Mapping[str, str] = field(default_factory=dict)  # modules that need torchvision, and what stands for them
    patched: Sequence[tuple[str, str, Any]] = ()  # what the stock processor lacks here: module, name, value
    unused: tuple[str, ...] = ()  # weights that no answer depends on, by how their names begin

    name: str = ""  # of the case; a family may have several

    def images_class(self) -> Any:
        return _named(self.images)

    def processor_class(self) -> Any:
        return _named(self.processor)

    def ended(self, text: str, eos: str) -> str:
        """A chat with an answer, which says how a turn ends."""
        return text

    def inputs(self, stock: Any, question: str, pictures: Sequence[Any], answer: str | None) -> dict[str, Any]:
        """What the stock processor makes of a chat of one question; `stock` has its `processor` and `tokenizer`."""
        content = [{"type": "image"} for _ in pictures] + [{"type": "text", "text": question}]
        messages = [{"role": "user", "content": content}]
        if answer is not None:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        text = stock.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer is None)
        text = self.ended(text, stock.tokenizer.eos_token) if answer is not None else text
        bos = stock.tokenizer.bos_token
        special = not (bos and text.startswith(bos))
        return dict(
            stock.processor(text=[text], images=list(pictures), return_tensors="pt", add_special_tokens=special)
        )


def _named(name: str) -> Any:
    module, kind = name.rsplit(".", 1)
    return getattr(import_module(f"transformers.models.{module}"), kind)


def tokenizer(special: Sequence[str], bos: str = "") -> Tokenizer:
    """A byte-level tokenizer of the tests' own texts; `bos` is written before every text."""
    made = pico_critic.train_tokenizer(TEXTS, 400, special, ("user\n", "assistant\n"))
    if bos:
        start = [(bos, made.token_to_id(bos))]
        made.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=start)
    return made


def lively(model: torch.nn.Module, seed: int = 0) -> None:
    """Weights large enough that a picture changes an untrained model's answers."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 1.5 / weight[0].numel() ** 0.5)


def save(
    folder: Path, model: Any, tokenizer: Tokenizer, template: str, images: Mapping[str, Any], names: Mapping[str, Any],
    joint: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Writes a folder as the hub has it; `names` are the tokenizer's special tokens, `joint` the processor's own."""
    lively(model)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    if template:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    known = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **names}
    for name, data in (("tokenizer_config", known), ("preprocessor_config", images), ("processor_config", joint)):
        if data is not None:
            (folder / f"{name}.json").write_text(json.dumps(data, indent=2), encoding="utf-8")


QWEN = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}


def qwen3_vl(folder: Path, scale: int = 1) -> None:
    made = tokenizer(pico_critic.SPECIAL)
    ids = {name: made.token_to_id(f"<|{name}|>") for name in pico_critic.PLACES}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4 * scale, 2 * scale, 2 * scale]}
    tower = vision(
        scale, depth=layers(scale) + 1, num_heads=2, out_hidden_size=16 * scale, num_position_embeddings=25,
        deepstack_visual_indexes=[0, 1],
    )  # fmt: skip
    config = transformers.Qwen3VLConfig(
        text_config=text(scale, vocab_size=made.get_vocab_size(), head_dim=16 * scale, rope_parameters=rope),
        vision_config=tower,
        image_token_id=ids["image_pad"], video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"], vision_end_token_id=ids["vision_end"],
        tie_word_embeddings=True,
    )  # fmt: skip
    images = {
        "image_processor_type": "Qwen2VLImageProcessorFast", "processor_class": "Qwen3VLProcessor",
        "size": {"shortest_edge": 256, "longest_edge": 65536}, "patch_size": 8, "temporal_patch_size": 2,
        "merge_size": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    save(folder, transformers.Qwen3VLForConditionalGeneration(config), made, pico_critic.TEMPLATE, images, QWEN)


LLAMA = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<pad>"}
TILES = [[32, 32], [32, 64], [64, 32], [64, 64], [96, 32], [32, 96]]
# as published with llava-hf/llava-v1.6-mistral-7b-hf
MISTRAL = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' }}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}"
    "{{ ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ ' ' + content['text'] + '</s>' }}{% endfor %}{% endif %}{% endfor %}"
)


def sentencepiece() -> Tokenizer:
    """A tokenizer as Llama's is laid out: one word, spaces written as a sign, bytes where letters are unknown."""
    learned = Tokenizer(models.BPE(unk_token="<unk>"))
    learned.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learned.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False, min_frequency=1)
    learned.train_from_iterator([f"USER: {one} ASSISTANT: {two}" for one in TEXTS for two in TEXTS], trainer)
    found = json.loads(learned.to_str())["model"]
    made = Tokenizer(
        models.BPE(
            found["vocab"], [tuple(pair) for pair in found["merges"]], unk_token="<unk>", fuse_unk=True,
            byte_fallback=True,
        )
    )  # fmt: skip
    made.normalizer = learned.normalizer
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens(["<unk>", "<s>", "</s>", "<image>", "<pad>"])
    start = [("<s>", made.token_to_id("<s>"))]
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=start
    )  # fmt: skip
    return made


class Vicuna(Case):
    """Whose chat template ends no turn in writing, but by a space: the tokenizer's own end counts."""

    def ended(self, text: str, eos: str) -> str:
        return text.rstrip(" ") + eos


# as published with llava-hf/llava-1.5-7b-hf
VICUNA = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}{# Render all text next #}{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}"
    "{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def llava(folder: Path, scale: int = 1) -> None:
    """LLaVA 1.5 with everything where its folder on the hub has it: a template in JSON, short configurations."""
    made = sentencepiece()
    config = transformers.LlavaConfig(
        text_config=text(scale, model_type="llama", vocab_size=made.get_vocab_size()),
        vision_config=vision(scale, model_type="clip_vision_model", image_size=32, projection_dim=16),
        image_token_index=made.token_to_id("<image>"), vision_feature_layer=-2, image_seq_length=16,
        vision_feature_select_strategy="default", tie_word_embeddings=False,
    )  # fmt: skip
    images = {
        "crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "do_convert_rgb": True,
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_processor_type": "CLIPImageProcessor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
        "processor_class": "LlavaProcessor", "resample": 3, "rescale_factor": 0.00392156862745098,
        "size": {"shortest_edge": 32},
    }  # fmt: skip
    names = {
        **LLAMA, "unk_token": "<unk>", "tokenizer_class": "LlamaTokenizer", "legacy": False, "padding_side": "left",
        "add_bos_token": True, "add_eos_token": False, "clean_up_tokenization_spaces": False,
        "extra_special_tokens": {"image_token": "<image>"},
    }  # fmt: skip
    joint = {"image_token": "<image>", "patch_size": 8, "vision_feature_select_strategy": "default"}
    save(folder, transformers.LlavaForConditionalGeneration(config), made, "", images, names, joint)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": VICUNA}), encoding="utf-8")
    path = folder / "config.json"
    short = json.loads(path.read_text(encoding="utf-8"))
    short["image_token_index"] = short.pop("image_token_id", None) or short["image_token_index"]
    path.write_text(json.dumps(short), encoding="utf-8")


def llava_next(folder: Path, scale: int = 1) -> None:
    made = tokenizer(("<pad>", "<s>", "</s>", "<image>"), "<s>")
    config = transformers.LlavaNextConfig(
        text_config=text(
            scale, model_type="mistral", vocab_size=made.get_vocab_size(), sliding_window=None, pad_token_id=0
        ),
        vision_config=vision(scale, model_type="clip_vision_model", image_size=32, projection_dim=16),
        image_token_index=made.token_to_id("<image>"), image_grid_pinpoints=TILES, vision_feature_layer=-2,
        tie_word_embeddings=False,
    )  # fmt: skip
    images = {
        "image_processor_type": "LlavaNextImageProcessor", "size": {"shortest_edge": 32}, "do_pad": True,
        "crop_size": {"height": 32, "width": 32}, "image_grid_pinpoints": TILES, "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    save(folder, transformers.LlavaNextForConditionalGeneration(config), made, MISTRAL, images, LLAMA)


def llava_onevision(folder: Path, scale: int = 1) -> None:
    made = tokenizer(("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"))
    shapes = [[rows * 32, columns * 32] for rows in range(1, 4) for columns in range(1, 4)]
    config = transformers.LlavaOnevisionConfig(
        text_config=text(scale, model_type="qwen2", vocab_size=made.get_vocab_size()),
        vision_config=vision(scale, model_type="siglip_vision_model", image_size=32, vision_use_head=False),
        image_token_index=made.token_to_id("<image>"), video_token_index=made.token_to_id("<video>"),
        image_grid_pinpoints=shapes, vision_aspect_ratio="anyres_max_4", tie_word_embeddings=True,
    )  # fmt: skip
    images = {
        "image_processor_type": "LlavaOnevisionImageProcessor", "size": {"height": 32, "width": 32}, "do_pad": True,
        "image_grid_pinpoints": shapes, "resample": 3, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    template = TURNS.replace("PICTURE", "<image>\n")
    save(folder, transformers.LlavaOnevisionForConditionalGeneration(config), made, template, images, QWEN)


# as published with HuggingFaceM4/Idefics3-8B-Llama3
UTTERANCES = (
    "<|begin_of_text|>{% for message in messages %}{{message['role'].capitalize()}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
AROUND = "<fake_token_around_image>"
ROWS = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))


def _idefics3(folder: Path, scale: int, kind: str, start: str, end: str, longest: int) -> None:
    special = (start, end, "<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *ROWS)
    made = tokenizer(special, start if kind == "Idefics3" else "")
    config = getattr(transformers, f"{kind}Config")(
        text_config=text(scale, model_type="llama", vocab_size=made.get_vocab_size(), pad_token_id=1),
        vision_config=vision(scale, image_size=32), image_token_id=made.token_to_id("<image>"), scale_factor=2,
        pad_token_id=1, tie_word_embeddings=kind == "SmolVLM",
    )  # fmt: skip
    images = {
        "image_processor_type": f"{kind}ImageProcessor", "size": {"longest_edge": longest}, "resample": 1,
        "max_image_size": {"longest_edge": 32}, "do_image_splitting": True, "do_pad": True,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    names = {"bos_token": start, "eos_token": "<end_of_utterance>", "pad_token": end}
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config)
    joint = {"processor_class": f"{kind}Processor", "image_seq_len": 4}
    save(folder, model, made, UTTERANCES.replace("<|begin_of_text|>", start), images, names, joint)


def idefics2(folder: Path, scale: int = 1, splits: bool = True) -> None:
    made = tokenizer(("<s>", "</s>", "<unk>", AROUND, "<image>", "<end_of_utterance>"), "<s>")
    config = transformers.Idefics2Config(
        text_config=text(scale, model_type="mistral", vocab_size=made.get_vocab_size(), sliding_window=500),
        vision_config=vision(scale, image_size=48), image_token_id=made.token_to_id("<image>"),
        perceiver_config={
            "resampler_n_latents": 4, "resampler_depth": 1, "resampler_n_heads": 2, "resampler_head_dim": 8,
            "num_key_value_heads": 1, "hidden_size": 16 * scale,
        },
    )  # fmt: skip
    images = {
        "image_processor_type": "Idefics2ImageProcessor", "size": {"shortest_edge": 32, "longest_edge": 80},
        "do_image_splitting": splits, "do_pad": True, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}
    model = transformers.Idefics2ForConditionalGeneration(config)
    template = UTTERANCES.removeprefix("<|begin_of_text|>")
    save(folder, model, made, template, images, names, {"processor_class": "Idefics2Processor", "image_seq_len": 4})


def idefics2_whole(folder: Path, scale: int = 1) -> None:
    idefics2(folder, scale, splits=False)


def idefics3(folder: Path, scale: int = 1) -> None:
    _idefics3(folder, scale, "Idefics3", "<|begin_of_text|>", "<|end_of_text|>", 96)


def idefics3_untiled(folder: Path, scale: int = 1) -> None:
    _idefics3(folder, scale, "Idefics3", "<|begin_of_text|>", "<|end_of_text|>", 32)


def smolvlm(folder: Path, scale: int = 1) -> None:
    _idefics3(folder, scale, "SmolVLM", "<|im_start|>", "<|endoftext|>", 64)


# as published with google/gemma-3-4b-it, without what it does for a system's turn
GEMMA = (
    "{{ bos_token }}{%- for message in messages -%}{%- if (message['role'] == 'assistant') -%}"
    "{%- set role = 'model' -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}"
    "{{ '<start_of_turn>' + role + '\n' }}{%- if message['content'] is string -%}{{ message['content'] | trim }}"
    "{%- elif message['content'] is iterable -%}{%- for item in message['content'] -%}"
    "{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}"
    "{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}{%- endif -%}{{ '<end_of_turn>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{'<start_of_turn>model\n'}}{%- endif -%}"
)
SQUARE = {
    "do_resize": True, "size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
}  # fmt: skip


def gemma3(folder: Path, scale: int = 1) -> None:
    turns = ("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")
    made = tokenizer(("<pad>", "<eos>", "<bos>", *turns), "<bos>")
    config = transformers.Gemma3Config(
        text_config=text(
            scale, vocab_size=made.get_vocab_size(), sliding_window=120, query_pre_attn_scalar=8 * scale,
            layer_types=["sliding_attention", "full_attention"] * (layers(scale) // 2),
        ),
        vision_config=vision(scale, model_type="siglip_vision_model", image_size=32, vision_use_head=False),
        mm_tokens_per_image=4, image_token_index=made.token_to_id("<image_soft_token>"),
        boi_token_index=made.token_to_id("<start_of_image>"), eoi_token_index=made.token_to_id("<end_of_image>"),
        eos_token_id=[1, made.token_to_id("<end_of_turn>")],
    )  # fmt: skip
    names = {
        "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
        "extra_special_tokens": {
            "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>",
        },
    }  # fmt: skip
    images = {"image_processor_type": "Gemma3ImageProcessor", "resample": 2, "do_pan_and_scan": None, **SQUARE}
    save(folder, transformers.Gemma3ForConditionalGeneration(config), made, GEMMA, images, names)


def paligemma(folder: Path, scale: int = 1) -> None:
    # the stock processor adds its own tokens for places, if they are not there
    places = [*(f"<loc{at:0>4}>" for at in range(1024)), *(f"<seg{at:0>3}>" for at in range(128))]
    made = tokenizer(("<pad>", "<eos>", "<bos>", "<image>"), "<bos>")
    made.add_tokens(places)
    config = transformers.PaliGemmaConfig(
        text_config=text(scale, model_type="gemma", vocab_size=made.get_vocab_size()),
        vision_config=vision(scale, model_type="siglip_vision_model", image_size=32, vision_use_head=False),
        image_token_index=made.token_to_id("<image>"), projection_dim=16 * scale,
    )  # fmt: skip
    names = {
        "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
        "extra_special_tokens": {"image_token": "<image>"},
    }  # fmt: skip
    images = {"image_processor_type": "SiglipImageProcessor", "image_seq_length": 16, "resample": 3, **SQUARE}
    save(folder, transformers.PaliGemmaForConditionalGeneration(config), made, "", images, names)


class PaliGemma(Case):
    """Without a chat: the stock processor writes the prefix, and the suffix after it."""

    def inputs(self, stock: Any, question: str, pictures: Sequence[Any], answer: str | None) -> dict[str, Any]:
        suffix = {} if answer is None else {"suffix": [answer]}
        text = ["<image>" * len(pictures) + question]
        with warnings.catch_warnings():  # numpy's, of how the stock processor makes its labels
            warnings.simplefilter("ignore", DeprecationWarning)
            made = dict(stock.processor(text=text, images=[list(pictures)], return_tensors="pt", **suffix))
        made.pop("labels", None)
        return made


# as published with mistral-community/pixtral-12b, without tools and system
PIXTRAL = (
    "{{- bos_token }}{%- for message in messages %}{%- if message['role'] == 'user' %}{{- '[INST]' }}"
    "{%- for chunk in message['content'] %}{%- if chunk['type'] == 'text' %}{{- chunk['text'] }}"
    "{%- elif chunk['type'] == 'image' %}{{- '[IMG]' }}{%- endif %}{%- endfor %}{{- '[/INST]' }}"
    "{%- elif message['role'] == 'assistant' %}{%- for chunk in message['content'] %}{{- chunk['text'] }}"
    "{%- endfor %}{{- eos_token }}{%- endif %}{%- endfor %}"
)


def pixtral(folder: Path, scale: int = 1) -> None:
    marks = ("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]")
    made = tokenizer(("<unk>", "<s>", "</s>", "<pad>", *marks), "<s>")
    config = transformers.LlavaConfig(
        text_config=text(scale, model_type="mistral", vocab_size=made.get_vocab_size(), sliding_window=None),
        vision_config=vision(scale, model_type="pixtral", image_size=64, head_dim=8 * scale),
        image_token_index=made.token_to_id("[IMG]"), vision_feature_layer=-1, tie_word_embeddings=False,
        vision_feature_select_strategy="full", image_seq_length=1,
    )  # fmt: skip
    images = {
        "image_processor_type": "PixtralImageProcessor", "size": {"longest_edge": 64}, "resample": 3, "do_pad": True,
        "patch_size": {"height": 8, "width": 8},
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    save(folder, transformers.LlavaForConditionalGeneration(config), made, PIXTRAL, images, names)


def internvl(folder: Path, scale: int = 1) -> None:
    marks = ("<img>", "</img>", "<IMG_CONTEXT>", "<video>")
    made = tokenizer(("<|endoftext|>", "<|im_start|>", "<|im_end|>", *marks))
    config = transformers.InternVLConfig(
        text_config=text(scale, model_type="qwen2", vocab_size=made.get_vocab_size()),
        vision_config=vision(scale, image_size=[32, 32], patch_size=[8, 8], use_qk_norm=False),
        image_token_id=made.token_to_id("<IMG_CONTEXT>"), image_seq_length=4, tie_word_embeddings=False,
    )  # fmt: skip
    images = {
        "image_processor_type": "GotOcr2ImageProcessor", "resample": 3, "crop_to_patches": True, "min_patches": 1,
        "max_patches": 6, **SQUARE,
    }  # fmt: skip
    own = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    names = {**QWEN, "extra_special_tokens": {**own, "video_token": "<video>"}}
    template = TURNS.replace("PICTURE", "<IMG_CONTEXT>\n")
    save(folder, transformers.InternVLForConditionalGeneration(config), made, template, images, names)


def vipllava(folder: Path, scale: int = 1) -> None:
    made = sentencepiece()
    config = transformers.VipLlavaConfig(
        text_config=text(scale, model_type="llama", vocab_size=made.get_vocab_size()),
        vision_config=vision(scale, model_type="clip_vision_model", image_size=32, projection_dim=16),
        image_token_index=made.token_to_id("<image>"), vision_feature_layer=[-1, -2], tie_word_embeddings=False,
    )  # fmt: skip
    images = {
        "image_processor_type": "CLIPImageProcessor", "processor_class": "LlavaProcessor", "resample": 3,
        "crop_size": {"height": 32, "width": 32}, "size": {"shortest_edge": 32},
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    names = {**LLAMA, "unk_token": "<unk>"}
    save(folder, transformers.VipLlavaForConditionalGeneration(config), made, VICUNA, images, names)


# after CohereLabs/aya-vision-8b: turns between tokens of their own, each picture a word that its processor replaces
AYA = (
    "{{ bos_token }}{% for message in messages %}<|START_OF_TURN_TOKEN|>"
    "{% if message['role'] == 'user' %}<|USER_TOKEN|>{% else %}<|CHATBOT_TOKEN|>{% endif %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}<image>{% else %}{{ content['text'] }}"
    "{% endif %}{% endfor %}<|END_OF_TURN_TOKEN|>{% endfor %}"
    "{% if add_generation_prompt %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% endif %}"
)


def aya_vision(folder: Path, scale: int = 1) -> None:
    turns = tuple(f"<|{name}_TOKEN|>" for name in ("START_OF_TURN", "END_OF_TURN", "USER", "CHATBOT"))
    marks = ("<image>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "TILE_GLOBAL")
    tiles = tuple(f"TILE_{tile}" for tile in range(1, 7))
    made = tokenizer(("<PAD>", "<BOS>", *turns, *marks, *tiles))
    config = transformers.AyaVisionConfig(
        text_config=text(
            scale, model_type="cohere2", vocab_size=made.get_vocab_size(), sliding_window=40, logit_scale=1.0,
            layer_types=["sliding_attention", "full_attention"] * (layers(scale) // 2), pad_token_id=0, bos_token_id=1,
            eos_token_id=made.token_to_id(turns[1]),
        ),
        vision_config=vision(scale, model_type="siglip_vision_model", image_size=32, vision_use_head=False),
        image_token_index=made.token_to_id("<|IMG_PATCH|>"), alignment_intermediate_size=32 * scale,
    )  # fmt: skip
    images = {
        "image_processor_type": "GotOcr2ImageProcessor", "resample": 3, "crop_to_patches": True, "min_patches": 1,
        "max_patches": 6, **SQUARE,
    }  # fmt: skip
    names = {"bos_token": "<BOS>", "eos_token": turns[1], "pad_token": "<PAD>"}
    joint = {"processor_class": "AyaVisionProcessor", "img_size": 32, "patch_size": 8, "downsample_factor": 2}
    save(folder, transformers.AyaVisionForConditionalGeneration(config), made, AYA, images, names, joint)


def mistral3(folder: Path, scale: int = 1) -> None:
    marks = ("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]")
    made = tokenizer(("<unk>", "<s>", "</s>", "<pad>", *marks), "<s>")
    config = transformers.Mistral3Config(
        text_config=text(scale, model_type="mistral", vocab_size=made.get_vocab_size(), sliding_window=None),
        vision_config=vision(scale, model_type="pixtral", image_size=64, head_dim=8 * scale),
        image_token_index=made.token_to_id("[IMG]"), vision_feature_layer=-1, tie_word_embeddings=False,
        spatial_merge_size=2,
    )  # fmt: skip
    images = {
        "image_processor_type": "PixtralImageProcessorFast", "size": {"longest_edge": 64}, "resample": 3,
        "do_pad": True, "patch_size": 8,
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    joint = {"processor_class": "PixtralProcessor", "patch_size": 8, "spatial_merge_size": 2}
    save(folder, transformers.Mistral3ForConditionalGeneration(config), made, PIXTRAL, images, names, joint)


CASES = {
    "qwen3_vl": Case(
        "qwen3_vl", qwen3_vl, "Qwen3VLForConditionalGeneration", "qwen3_vl.processing_qwen3_vl.Qwen3VLProcessor",
        "qwen2_vl.image_processing_pil_qwen2_vl.Qwen2VLImageProcessorPil", (32, 48),
        processes={"video_processor": None},
    ),
    "llava": Vicuna(
        "llava", llava, "LlavaForConditionalGeneration", "llava.processing_llava.LlavaProcessor",
        "clip.image_processing_pil_clip.CLIPImageProcessorPil", (32, 32),
        processes={
            "patch_size": 8, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default",
            "chat_template": VICUNA,
        },
        unused=("model.vision_tower.encoder.layers.1", "model.vision_tower.post_layernorm"),
    ),
    "llava_next": Case(
        "llava_next", llava_next, "LlavaNextForConditionalGeneration",
        "llava_next.processing_llava_next.LlavaNextProcessor",
        "llava_next.image_processing_pil_llava_next.LlavaNextImageProcessorPil", (32, 32),
        processes={
            "patch_size": 8, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default",
        },
        # the last layer is none of those that features are taken from
        unused=("model.vision_tower.encoder.layers.1", "model.vision_tower.post_layernorm"),
    ),
    "llava_onevision": Case(
        "llava_onevision", llava_onevision, "LlavaOnevisionForConditionalGeneration",
        "llava_onevision.processing_llava_onevision.LlavaOnevisionProcessor",
        "llava_onevision.image_processing_pil_llava_onevision.LlavaOnevisionImageProcessorPil", (32, 32),
        processes={"num_image_tokens": 16, "vision_feature_select_strategy": "full",
                   "vision_aspect_ratio": "anyres_max_4", "video_processor": None},
        several=False, unused=("model.vision_tower.post_layernorm",),
    ),
    "gemma3": Case(
        "gemma3", gemma3, "Gemma3ForConditionalGeneration", "gemma3.processing_gemma3.Gemma3Processor",
        "gemma3.image_processing_pil_gemma3.Gemma3ImageProcessorPil", (32, 32), processes={"image_seq_length": 4},
    ),
    "paligemma": PaliGemma(
        "paligemma", paligemma, "PaliGemmaForConditionalGeneration",
        "paligemma.processing_paligemma.PaliGemmaProcessor",
        "siglip.image_processing_pil_siglip.SiglipImageProcessorPil", (32, 32),
    ),
    "pixtral": Case(
        "pixtral", pixtral, "LlavaForConditionalGeneration", "pixtral.processing_pixtral.PixtralProcessor",
        "pixtral.image_processing_pil_pixtral.PixtralImageProcessorPil", (32, 48), processes={"patch_size": 8},
        stands={"pixtral.image_processing_pixtral": "pixtral.image_processing_pil_pixtral"},
    ),
    "internvl": Case(
        "internvl", internvl, "InternVLForConditionalGeneration", "internvl.processing_internvl.InternVLProcessor",
        "got_ocr2.image_processing_pil_got_ocr2.GotOcr2ImageProcessorPil", (32, 32),
        processes={"image_seq_length": 4, "video_processor": None},
    ),
    "idefics2": Case(
        "idefics2", idefics2, "Idefics2ForConditionalGeneration", "idefics2.processing_idefics2.Idefics2Processor",
        "idefics2.image_processing_pil_idefics2.Idefics2ImageProcessorPil", (64, 64),
        processes={"image_seq_len": 4},
    ),
    "idefics2_whole": Case(
        "idefics2", idefics2_whole, "Idefics2ForConditionalGeneration",
        "idefics2.processing_idefics2.Idefics2Processor",
        "idefics2.image_processing_pil_idefics2.Idefics2ImageProcessorPil", (32, 40),
        processes={"image_seq_len": 4},
    ),
    "idefics3": Case(
        "idefics3", idefics3, "Idefics3ForConditionalGeneration", "idefics3.processing_idefics3.Idefics3Processor",
        "idefics3.image_processing_pil_idefics3.Idefics3ImageProcessorPil", (96, 96), rounds=3, flat=True,
        processes={"image_seq_len": 4},
    ),
    "idefics3_untiled": Case(
        "idefics3", idefics3_untiled, "Idefics3ForConditionalGeneration",
        "idefics3.processing_idefics3.Idefics3Processor",
        "idefics3.image_processing_pil_idefics3.Idefics3ImageProcessorPil", (32, 32), rounds=3,
        processes={"image_seq_len": 4},
    ),
    "smolvlm": Case(
        "idefics3", smolvlm, "SmolVLMForConditionalGeneration", "smolvlm.processing_smolvlm.SmolVLMProcessor",
        "smolvlm.image_processing_pil_smolvlm.SmolVLMImageProcessorPil", (64, 64), rounds=3, flat=True,
        processes={"image_seq_len": 4, "video_processor": None},
        patched=(("smolvlm.processing_smolvlm", "num2words", str),),  # numbers in words, for videos
    ),
    # without a file of their own: one of each image processor that is known
    "vipllava": Vicuna(
        "generic", vipllava, "VipLlavaForConditionalGeneration", "llava.processing_llava.LlavaProcessor",
        "clip.image_processing_pil_clip.CLIPImageProcessorPil", (32, 32),
        processes={"patch_size": 8, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"},
        unused=("model.vision_tower.post_layernorm",),
    ),
    "aya_vision": Case(
        "generic", aya_vision, "AyaVisionForConditionalGeneration",
        "aya_vision.processing_aya_vision.AyaVisionProcessor",
        "got_ocr2.image_processing_pil_got_ocr2.GotOcr2ImageProcessorPil", (32, 32),
        processes={"img_size": 32, "patch_size": 8, "downsample_factor": 2},
        unused=("model.vision_tower.post_layernorm",),
    ),
    "mistral3": Case(
        "generic", mistral3, "Mistral3ForConditionalGeneration", "pixtral.processing_pixtral.PixtralProcessor",
        "pixtral.image_processing_pil_pixtral.PixtralImageProcessorPil", (32, 48),
        processes={"patch_size": 8, "spatial_merge_size": 2},
        stands={"pixtral.image_processing_pixtral": "pixtral.image_processing_pil_pixtral"},
    ),
}  # fmt: skip
CASES = {name: replace(case, name=name) for name, case in CASES.items()}
