"""Train the world's VAE: `recipe world train vae`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from ..quiet import quiet
from . import codec, importance, painter, sampling
from .scenes import SIZE
from .training import Course, Report, run

COURSES = (Course(steps=4000, lr=4e-3, save_every=100),)
# from the weights of another VAE
WARM = (
    Course(steps=1000, lr=2e-3, warmup=50, save_every=100),
    Course(steps=2200, lr=2.5e-3, warmup=50, save_every=100, seed=5),
)
CROPPED = 0.85  # of the steps see crops of half the side, where something shows
BATCH = {32: 24, 64: 12}  # pictures of a side


def build(seed: int) -> AutoencoderKL:
    """An untrained VAE: f = 4, four latent channels."""
    stock: Any = AutoencoderKL  # annotated for a single block
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        return stock(
            in_channels=3,
            out_channels=3,
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            block_out_channels=(16, 32, 64),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=8,
            sample_size=SIZE,
            mid_block_add_attention=False,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )


def _crop(pictures: Tensor, scenes: painter.Scenes, side: int, rng: torch.Generator) -> Tensor:
    """Squares around places where some factor of each scene shows."""
    room = SIZE - side
    if not room:
        return pictures
    corners = [(middle - side // 2).clamp(0, room).tolist() for middle in importance.spots(scenes, pictures, rng)]
    return torch.stack(
        [picture[:, y : y + side, x : x + side] for picture, y, x in zip(pictures, *corners, strict=True)]
    )


def courses(start: Path | None) -> tuple[Course, ...]:
    """The courses of a VAE that begins with the weights in a folder, or with none."""
    return COURSES if start is None else WARM


def train(folder: Path, report: Report, start: Path | None = None) -> float:
    """Train in `folder/work`, write the model to `folder`; minutes taken. `start` has weights to begin with."""
    plans = courses(start)
    vae = build(plans[0].seed)
    if start is not None:
        vae.load_state_dict(codec.load(start).state_dict())
    vae.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # three times as fast on a CPU
    minutes = sum(_attend(vae, plan, folder / "work" / str(number), report) for number, plan in enumerate(plans, 1))
    vae.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    mean, deviation = _spread(vae)
    vae.register_to_config(scaling_factor=round(1 / deviation, 4), shift_factor=round(mean, 4))
    with quiet():
        vae.save_pretrained(folder)
    return minutes


def _attend(vae: AutoencoderKL, plan: Course, folder: Path, report: Report) -> float:
    """One course, its state in `folder`; minutes taken."""

    def loss(step: int, rng: torch.Generator) -> Tensor:
        side = 32 if step < CROPPED * plan.steps else SIZE
        scenes = sampling.draw(BATCH[side], rng)
        pictures = _crop(painter.paint(scenes), scenes, side, rng) * 2 - 1
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        posterior = codec.posterior(vae, pictures)
        noise = torch.randn(posterior.mean.shape, generator=rng)
        # a little more noise than the posterior has: the decoder meets estimates that are not exact
        latents = posterior.mean + (posterior.std + 0.03) * noise
        difference = codec.decode(vae, latents) - pictures
        divergence = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
        return difference.abs().mean() + 2 * (difference**2).mean() + 2e-4 * divergence

    return run(vae, loss, plan, folder, report)


@torch.no_grad()
def _spread(vae: AutoencoderKL) -> tuple[float, float]:
    """Mean and deviation of the latents of painted pictures."""
    rng = torch.Generator().manual_seed(1)
    means = torch.cat([codec.posterior(vae, painter.paint(sampling.draw(64, rng)) * 2 - 1).mean for _ in range(16)])
    return means.mean().item(), means.std().item()
