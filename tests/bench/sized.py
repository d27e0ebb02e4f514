"""The models of the gradient's bench: real classes of random weights, large enough that arithmetic is what takes time.

`FULL` takes seconds a step on two cores: a picture of 448 × 448 is 1024 patches to the vision tower and 256 tokens to
the language model. `QUICK` is some ten thousand parameters, to try the bench itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pico
import torch
from control_recipes.engine import loss, plan
from control_recipes.engine import step as steps
from control_recipes.engine.world import pico_critic

MOST_QUESTIONS = 32
QUESTION_TOKENS = 30
PROMPT = "a red ball"
_TEXT = (
    "is the small red ball in this picture round and near a house that stands on green grass by some old tree "
    "under one dark cloud at night or does it lie far away behind two high walls where no light falls"
)
WORDS = _TEXT.split()


@dataclass(frozen=True, slots=True)
class Size:
    """What the models are made with; numbers by their names in the stock configurations."""

    side: int  # of the pictures, pixels
    text: dict[str, int]
    mrope: tuple[int, int, int]  # shares of time, height and width in half a head
    vision: dict[str, int]
    full_attention: tuple[int, ...]  # blocks of the vision tower that look beyond their windows
    flux: dict[str, int]
    axes: tuple[int, int, int]  # of Flux's rotary embedding; they sum to the width of a head
    vae: tuple[int, ...]  # channels of the decoder's blocks


FULL = Size(
    side=448,
    text={
        "vocab_size": 16384, "hidden_size": 640, "intermediate_size": 1792, "num_hidden_layers": 12,
        "num_attention_heads": 10, "num_key_value_heads": 2,
    },
    mrope=(8, 12, 12),
    vision={"depth": 8, "hidden_size": 512, "intermediate_size": 1408, "num_heads": 8},
    full_attention=(3, 7),
    flux={"num_layers": 2, "num_single_layers": 6, "num_attention_heads": 8, "attention_head_dim": 64},
    axes=(16, 24, 24),
    vae=(16, 32, 64, 64),
)  # fmt: skip
QUICK = Size(
    side=112,
    text={
        "vocab_size": 512, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1,
    },
    mrope=(2, 3, 3),
    vision={"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2},
    full_attention=(1,),
    flux={"num_layers": 1, "num_single_layers": 1, "num_attention_heads": 2, "attention_head_dim": 16},
    axes=(4, 6, 6),
    vae=(8, 8, 8, 8),
)  # fmt: skip


def question(number: int) -> str:
    """Question number so-and-so, as many tokens long as all others: every word is one, and so is the mark."""
    turn = number % len(WORDS)
    return " ".join([*WORDS[turn:], *WORDS[:turn]][: QUESTION_TOKENS - 1]) + "?"


def critic(folder: Path, size: Size) -> None:
    """Save the critic: a Qwen2.5-VL whose tokenizer knows the questions' words."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    texts = [*(question(number) for number in range(len(WORDS))), *(f" {word}" for word in WORDS), "Yes", "No"] * 2
    tokenizer = pico_critic.train_tokenizer(texts, 500, pico_critic.SPECIAL, ("user\n", "assistant\n"))
    tokens = {name: tokenizer.token_to_id(f"<|{name}|>") for name in pico_critic.PLACES}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": list(size.mrope)}
    vision = {
        "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112,
        "out_hidden_size": size.text["hidden_size"], "fullatt_block_indexes": list(size.full_attention),
    }  # fmt: skip
    ends = {
        "bos_token_id": None,
        "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
        "pad_token_id": tokenizer.token_to_id("<|endoftext|>"),
    }
    config = Qwen2_5_VLConfig(
        text_config={**size.text, **ends, "max_position_embeddings": 4096, "rope_parameters": rope},
        vision_config={**size.vision, **vision},
        image_token_id=tokens["image_pad"],
        video_token_id=tokens["video_pad"],
        vision_start_token_id=tokens["vision_start"],
        vision_end_token_id=tokens["vision_end"],
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen2_5_VLForConditionalGeneration(config)
    pico_critic.save(model, tokenizer, folder)
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["size"] = {"shortest_edge": 28 * 28, "longest_edge": 1024 * 1024}
    path.write_text(json.dumps(settings), encoding="utf-8")


def generator(folder: Path, size: Size) -> None:
    """Save the generator: the pico pipeline with a transformer and an autoencoder of this size in their places."""
    from diffusers import AutoencoderKL, FluxTransformer2DModel

    pico.flux_folder(folder)
    blocks = len(size.vae)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        transformer = FluxTransformer2DModel(
            **size.flux, in_channels=64, joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=size.axes
        )
        vae = AutoencoderKL(
            block_out_channels=size.vae,
            down_block_types=("DownEncoderBlock2D",) * blocks,
            up_block_types=("UpDecoderBlock2D",) * blocks,
            latent_channels=16,
            layers_per_block=1,
            norm_num_groups=4,
            mid_block_add_attention=True,
            use_quant_conv=False,
            use_post_quant_conv=False,
            scaling_factor=0.3611,
            shift_factor=0.1159,
        )
    transformer.save_pretrained(folder / "transformer")
    vae.save_pretrained(folder / "vae")


def models(folder: Path, size: Size) -> None:
    """Save both, as `folder`/flux and `folder`/critic."""
    generator(folder / "flux", size)
    critic(folder / "critic", size)


def planned(folder: Path, size: Size, side: int = 0, checkpointing: bool = False) -> plan.Plan:
    """A plan of one prompt with all questions, one picture a step, nothing but the questions' loss."""
    side = side or size.side
    whole = pico.plan_of(
        replace(
            pico.generator(folder / "flux", width=side, height=side),
            checkpoint_backbone=checkpointing,
            checkpoint_decoder=checkpointing,
        ),
        folder / "critic",
        batch=1,
        stay=0.0,
        lr=1e-6,
        clip=1e9,
    )
    names = [f"q{number:02d}" for number in range(MOST_QUESTIONS)]
    asks = tuple(plan.Ask(name, (question(number),), ("Yes",), (), ()) for number, name in enumerate(names))
    row = plan.Row(PROMPT, (), asks, ())
    return replace(
        whole,
        critics=tuple(replace(one, checkpointing=checkpointing) for one in whole.critics),
        judges=(),
        drawings=(),
        questions=tuple(plan.Question(name, 1.0, 0.0, False, ("eyes",)) for name in names),
        train_rows=(row,),
        validate_rows=(row,),
        test_rows=(row,),
        adapter=plan.Adapter(16, 16.0, "attention"),
    )


def asked(desk: steps.Desk, questions: int, pictures: int = 1) -> steps.Desk:
    """The desk of a plan that asks the first so many questions, of so many pictures a step."""
    row = replace(desk.plan.train_rows[0], asks=desk.plan.train_rows[0].asks[:questions])
    whole = replace(desk.plan, train_rows=(row,), train=replace(desk.plan.train, batch=pictures))
    return replace(desk, plan=whole, weighing={0: loss.weights(row, whole)})
