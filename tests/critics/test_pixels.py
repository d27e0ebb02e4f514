"""Preprocessing against Pillow and the stock `...Pil` processors; overlays; gradients of the resize."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from control_recipes.critics import load, pixels
from control_recipes.engine.errors import InputError
from PIL import Image
from stock import PROCESSORS
from torch import Tensor
from transformers.image_transforms import center_crop

# (height, width) of pictures, and what they become: larger, smaller, one side only, long, odd
RESIZED = [
    ((64, 64), (96, 96)),
    ((97, 61), (48, 31)),
    ((40, 300), (28, 224)),
    ((64, 64), (64, 33)),
    ((33, 64), (200, 64)),
    ((64, 64), (48, 96)),
    ((64, 64), (40, 60)),
]
# Pillow rounds to 8 bits after each of two passes: half a level each, the first spread by the second's negative lobes
LEVELS = 1.3


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    """Pictures [1, 3, height, width] of 8-bit levels: noise in one half, hard edges in the other."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    levels[:, :, width // 2 :] = (levels[:, :, width // 2 :] > 127).to(torch.uint8) * 255
    return levels[None]


def by_pillow(levels: Tensor, height: int, width: int, kernel: int) -> Tensor:
    image = Image.fromarray(levels[0].permute(1, 2, 0).numpy())
    resized = np.array(image.resize((width, height), resample=Image.Resampling(kernel)))
    return torch.tensor(resized).permute(2, 0, 1)[None].double()


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize(("size", "target"), RESIZED)
def test_resize_is_pillows(size: tuple[int, int], target: tuple[int, int], kernel: int) -> None:
    levels = noise(*size)
    ours = pixels.resize(levels.double() / 255, *target, kernel) * 255
    assert (ours - by_pillow(levels, *target, kernel)).abs().max() <= LEVELS


def test_another_kernel_or_no_antialiasing_is_not_pillows() -> None:
    levels = noise(97, 61)
    theirs = by_pillow(levels, 48, 31, 3)
    assert (pixels.resize(levels.double() / 255, 48, 31, 2) * 255 - theirs).abs().max() > 10 * LEVELS
    plain = torch.nn.functional.interpolate(levels.double(), (48, 31), mode="bicubic", align_corners=False)
    assert (plain - theirs).abs().max() > 10 * LEVELS


def test_resize_to_the_same_size_changes_nothing() -> None:
    picture = torch.rand(2, 3, 32, 48)
    assert torch.equal(pixels.resize(picture, 32, 48, 3), picture)


def test_clipped_white_still_learns() -> None:
    white = torch.ones(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    enlarged = pixels.resize(white, 16, 16, 3)
    assert enlarged.max() <= 1
    (gradient,) = torch.autograd.grad(enlarged.sum(), white)
    torch.testing.assert_close(gradient.sum(), torch.tensor(3 * 256.0, dtype=torch.float64))


def test_gradient_of_the_resize() -> None:
    picture = (0.3 + 0.4 * torch.rand(1, 3, 7, 5, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pixels.resize(x, 9, 4, 3), picture)


@pytest.mark.parametrize(("size", "target"), [((9, 9), (4, 6)), ((8, 5), (5, 8)), ((3, 4), (6, 9)), ((7, 7), (7, 7))])
def test_crop_is_the_stock_one(size: tuple[int, int], target: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *size)
    theirs = center_crop(picture[0].numpy(), target)
    assert torch.equal(pixels.crop(picture, *target)[0], torch.tensor(theirs))


# sizes on Qwen's grid of 16 pixels, and on LLaVA's square of 32
@pytest.mark.parametrize(
    ("family", "size"),
    [("qwen2_5_vl", (64, 64)), ("qwen2_5_vl", (32, 80)), ("llava", (32, 32)), ("llava", (32, 50))],
)
def test_unresized_pictures_equal_the_processors(folders: dict[str, Path], family: str, size: tuple[int, int]) -> None:
    ours, theirs = both(folders[family], family, noise(*size))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
@pytest.mark.parametrize("size", [(61, 97), (40, 300), (300, 300), (9, 13), (100, 64)])
def test_resized_pictures_are_near_the_processors(folders: dict[str, Path], family: str, size: tuple[int, int]) -> None:
    ours, theirs = both(folders[family], family, noise(*size))
    # the same levels, divided by the smallest deviation
    torch.testing.assert_close(ours, theirs, rtol=0, atol=LEVELS / 255 / 0.26)


def both(folder: Path, family: str, levels: Tensor) -> tuple[Tensor, Tensor]:
    critic = load(folder, family, "float32", "cpu")
    theirs = PROCESSORS[family].from_pretrained(folder)(images=[levels[0].numpy()], return_tensors="pt")
    return critic.pixel_values(levels.float() / 255).flatten(), theirs["pixel_values"].flatten()


def test_overlay_composes_straight_alpha() -> None:
    picture, layer = torch.rand(1, 3, 4, 4), torch.rand(1, 4, 4, 4)
    alpha = layer[:, 3:]
    torch.testing.assert_close(pixels.overlay(picture, layer), layer[:, :3] * alpha + picture * (1 - alpha))
    assert torch.equal(pixels.overlay(picture, torch.zeros(1, 4, 4, 4)), picture)


@pytest.mark.parametrize(
    ("key", "value"), [("do_resize", False), ("rescale_factor", 1 / 127.5), ("resample", 0), ("do_normalize", None)]
)
def test_steps_that_are_not_reproduced_are_refused(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({key: value}))
    with pytest.raises(InputError, match=key):
        pixels.normal(path, json.loads(path.read_text()))
