"""Picture files of every sort: the same colours come out, and what is no picture is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from control_recipes.engine import assets, visuals
from control_recipes.engine.plan import Drawing
from PIL import Image

RAMP = np.linspace(0, 255, 16, dtype=np.uint8)[None, :].repeat(4, axis=0)


def saved(folder: Path, picture: Image.Image, name: str = "a.png", **options: object) -> Path:
    picture.save(folder / name, **options)
    return folder / name


def test_grey_of_16_bits_is_scaled_and_not_cut_off(tmp_path: Path) -> None:
    deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    path = saved(tmp_path, deep)
    found = np.asarray(assets.rgba(path))
    for channel in range(3):
        assert np.array_equal(found[..., channel], RAMP)
    with Image.open(path) as plain:  # the twin: Pillow's own conversion
        assert np.asarray(plain.convert("RGBA"))[0, 2, 0] != RAMP[0, 2]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "1", "P"])
def test_every_mode_of_png(tmp_path: Path, mode: str) -> None:
    colour = Image.new("RGB", (4, 4), "#d9822b")
    path = saved(tmp_path, colour.convert(mode))
    found = np.asarray(assets.rgba(path))
    wanted = np.asarray(colour.convert(mode).convert("RGBA"))
    assert found.shape == (4, 4, 4)
    assert np.abs(found.astype(int) - wanted).max() == 0


def test_a_palette_keeps_its_transparent_colour(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    found = np.asarray(assets.rgba(saved(tmp_path, picture, transparency=1)))
    assert found[0].tolist() == [[255, 0, 0, 255], [0, 0, 255, 0]]


def test_jpeg_is_read_and_turned_as_the_camera_says(tmp_path: Path) -> None:
    picture = Image.new("RGB", (16, 8), "blue")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    path = saved(tmp_path, picture, "a.jpg", exif=exif, quality=95)
    assert assets.size(path) == assets.rgb(path).size == (8, 16)
    assert np.abs(np.asarray(assets.rgb(path)).astype(int) - [0, 0, 255]).max() <= 3
    assert assets.size(saved(tmp_path, picture.convert("CMYK"), "b.jpg")) == (16, 8)


def test_what_is_transparent_beside_the_picture_is_white(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("RGBA", (4, 4), (255, 0, 0, 128)))
    shown = visuals.draw(Drawing("mood", "reference", (), "a.png", "", str(path)), 64, 64)
    assert shown[0, 0] == pytest.approx([1, 127 / 255, 127 / 255], abs=1 / 255)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no picture"),
        (b"GIF8 but no more", "picture"),
        (b"%PDF-1.4", "is no picture"),
        ("cut", "is no picture that can be read to its end"),
        ("large", "is too large: 6000 × 6000 pixels"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes | str, said: str) -> None:
    path = tmp_path / "a.png"
    if content == "large":
        Image.new("1", (6000, 6000)).save(path)
    elif content == "cut":
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:5000])
    else:
        path.write_bytes(content if isinstance(content, bytes) else b"")
    with pytest.raises(ValueError, match=said):
        assets.size(path)
