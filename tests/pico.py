"""Pico models for tests: real classes of a few thousand parameters, from their own configs, in the hub's layout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from control_recipes.engine import plan


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch computes in one thread: work this small is done sooner than it is shared out."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def flux_folder(
    folder: Path, *, seed: int = 0, guidance: bool = False, dynamic: bool = False, wide: bool = False
) -> Path:
    """Save a pico `FluxPipeline` of random weights: f = 4, 4 latent channels, text of 16 tokens; return its folder."""
    import pico_parts as parts
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel

    width = parts.WIDE if wide else parts.WIDTH
    channels = {"block_out_channels": parts.WIDE_CHANNELS} if wide else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=dynamic, shift=3.0 if dynamic else 1.0),
            vae=parts.autoencoder(shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False, **channels),
            text_encoder=parts.clip(CLIPTextModel, width=width),
            tokenizer=parts.clip_tokenizer(),
            text_encoder_2=parts.t5(width=width),
            tokenizer_2=parts.t5_tokenizer(),
            transformer=FluxTransformer2DModel(
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=width // 8,
                joint_attention_dim=width,
                pooled_projection_dim=width,
                guidance_embeds=guidance,
                axes_dims_rope=(4, 6, 6),
            ),
        )
        pipeline.set_progress_bar_config(disable=True)
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def generator(folder: Path, *, steps: int = 1, width: int = 32, height: int = 32, guidance: float = 0.0,
              dtype: str = "float32", text_length: int = 16, family: str = "flux") -> plan.Generator:  # fmt: skip
    """The plan's generator for a pico folder."""
    model = plan.Model("./pico", family, "", (), str(folder))
    return plan.Generator(model, steps, width, height, guidance, "", dtype, "cpu", text_length)


QUESTIONS = ("Is the line on the horizon?", "Is there a ball?", "What is in the image?")
ANSWERS = ("Yes", "No", "a red ball")


def critic_folder(folder: Path, *, seed: int = 0) -> Path:
    """Save a pico Qwen2.5-VL of random weights; return its folder."""
    from control_recipes.engine.world import pico_critic

    texts = [*QUESTIONS, *ANSWERS] * 2
    model, tokenizer = pico_critic.build(
        texts, seed, width=32, heads=2, layers=1, vision_width=32, vision_heads=2, vision_layers=1, vocabulary=300
    )
    # with weights of the usual size an untrained critic says almost the same of every picture
    for name, weight in model.named_parameters():
        weight.data.mul_(6 if "visual" in name else 3 if "proj.weight" in name else 1)
    pico_critic.save(model, tokenizer, folder)
    return folder


def plan_of(generator: plan.Generator, critic: Path, **changes: object) -> plan.Plan:
    """A small plan: four prompts, a line, a contrast, a hold and a watched open question, one critic, one judge."""
    model = plan.Model("./critic", "qwen2_5_vl", "", (), str(critic))
    line = (("color", "red"), ("thickness", 0.06), ("y", 0.75))
    asks = (
        plan.Ask("aligned", (QUESTIONS[0], f"{QUESTIONS[0]} Yes?"), ("Yes",), ("No",), ("ruler",)),
        plan.Ask("there", (QUESTIONS[1],), ("Yes",), (), ()),
        plan.Ask("what", (QUESTIONS[2],), ("a red ball", "red ball"), (), ()),
    )
    rows = [plan.Row(f"a {color} {thing}", (), asks, ()) for color in ("red", "blue") for thing in ("ball", "tree")]
    whole = plan.Plan(
        version=1,
        name="pico",
        generator=generator,
        critics=(plan.Critic("eyes", model, 1.0, generator.dtype, "cpu"),),
        judges=(plan.Critic("second", model, 0.0, generator.dtype, "cpu"),),
        drawings=(plan.Drawing("ruler", "line", line, "", "", ""),),
        questions=(
            plan.Question("aligned", 1.0, 0.0, False, ("eyes",)),
            plan.Question("there", 0.5, 0.75, False, ("eyes",)),
            plan.Question("what", 1.0, 0.0, True, ("eyes",)),
        ),
        measures=(),
        order=("aligned", "there", "what"),
        train_rows=tuple(rows[:3]),
        validate_rows=tuple(rows[3:]),
        test_rows=tuple(rows[3:]),
        goal_measure="",
        goal_question="aligned",
        train=plan.Train(
            steps=4,
            batch=2,
            accumulate=1,
            lr=1e-3,
            warmup=0,
            schedule="constant",
            optimizer="adamw",
            clip=1.0,
            seed=100,
            estimate="clean",
            backprop="random_step",
            augment=plan.Augment(0.0, 0.0, 0, False),
            stop=plan.Stop((), 1),
            ema=0.0,
            save_every=2,
            stay=0.1,
        ),
        adapter=plan.Adapter(2, 4.0, "attention"),
        evaluate=plan.Evaluate((0, 1), (0.0, 1.0), 2),
        expect=(),
    )
    train = {name: changes.pop(name) for name in list(changes) if hasattr(whole.train, name)}
    return replace(whole, train=replace(whole.train, **train), **changes)
