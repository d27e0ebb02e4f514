"""Pictures to latents and back by stock `AutoencoderKL`, typed where stock annotations say less than there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor

from ..quiet import quiet


def load(folder: Path) -> AutoencoderKL:
    """The VAE of a folder, for inference."""
    with quiet():
        return AutoencoderKL.from_pretrained(folder)


def posterior(vae: AutoencoderKL, pictures: Tensor) -> DiagonalGaussianDistribution:
    """A normal distribution over latents [B, 4, H / 4, W / 4] for pictures [B, 3, H, W] in [-1, 1]."""
    encoded: Any = vae.encode(pictures)
    return encoded.latent_dist


def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] of latents [B, 4, H / 4, W / 4]; about in [-1, 1], not clamped."""
    decoded: Any = vae.decode(latents)  # pyright: ignore[reportArgumentType]
    return decoded.sample


def standardised(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """The mean latents [B, 4, H / 4, W / 4] of pictures in [-1, 1], shifted and scaled as a generator sees them."""
    return (posterior(vae, pictures).mean - vae.config["shift_factor"]) * vae.config["scaling_factor"]


def reconstructed(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] in [0, 1] through the VAE and back."""
    return (decode(vae, posterior(vae, pictures * 2 - 1).mean) / 2 + 0.5).clamp(0, 1)
