"""Visual prompts: what is drawn, where, and how much of each pixel it covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from control_recipes.critics import View
from control_recipes.critics.asking import laid_over
from control_recipes.engine import visuals
from control_recipes.engine.plan import Drawing
from PIL import Image


def drawing(kind: str, source: str = "", **parameters: object) -> Drawing:
    return Drawing(kind, kind, tuple(sorted(parameters.items())), "", "", source)


def test_line_covers_rows_by_fraction():
    drawn = visuals.draw(drawing("line", y=0.5, thickness=0.05, color="#ff0000ff"), 8, 10)
    assert drawn.shape == (10, 8, 4)
    assert drawn[:, 0, 3] == pytest.approx([0, 0, 0, 0, 0.25, 0.25, 0, 0, 0, 0])
    assert drawn[4, 3, :3].tolist() == [1, 0, 0]


def test_line_moves_by_less_than_a_pixel():
    low, high = (visuals.draw(drawing("line", y=y, thickness=0.02, color="red"), 64, 64)[..., 3] for y in (0.8, 0.803))
    assert low.sum() == pytest.approx(high.sum(), rel=1e-5)
    assert not np.array_equal(low, high)


def test_upright_line_stands_upright():
    drawn = visuals.draw(drawing("line", x=0.25, thickness=0.5, color="#00ff0080"), 8, 4)
    assert drawn[0, :, 3] == pytest.approx(np.array([1, 1, 1, 1, 0, 0, 0, 0]) * 128 / 255)


def test_line_at_the_edge_is_cut():
    assert visuals.draw(drawing("line", y=1.0, thickness=0.1, color="red"), 4, 10)[-1, 0, 3] == pytest.approx(0.5)


def test_region_is_an_outline():
    drawn = visuals.draw(drawing("region", x=(0.1, 0.9), y=(0.1, 0.9), color="red"), 100, 100)[..., 3]
    assert drawn[11, 50] == 1
    assert drawn[50, 50] == 0
    assert drawn[50, 11] == 1
    assert drawn[5, 5] == 0


def test_palette_stands_in_its_band():
    swatches = ("#d9822b", "#c23030", "#f5e8c7")
    drawn = visuals.draw(drawing("palette", palette=swatches, at="bottom", height=0.25), 9, 8)
    assert drawn[:6, :, 3].max() == 0
    assert drawn[7, 0, :3] == pytest.approx([0xD9 / 255, 0x82 / 255, 0x2B / 255])
    assert drawn[7, 8, :3] == pytest.approx([0xF5 / 255, 0xE8 / 255, 0xC7 / 255])


def test_points_and_their_names_are_drawn():
    drawn = visuals.draw(drawing("points", points=("A", 0.3, 0.8, "B", 0.7, 0.4), radius=0.03, color="red"), 128, 128)
    alpha = drawn[..., 3]
    assert alpha[int(0.8 * 128), int(0.3 * 128)] == 1
    assert alpha[int(0.4 * 128), int(0.7 * 128)] == 1
    assert alpha[int(0.66 * 128) : int(0.76 * 128), 30:50].max() > 0.5  # the letter above its dot


def test_text_is_in_its_place():
    alpha = visuals.draw(drawing("text", text="A", at=(0.25, 0.75), height=0.3, color="white"), 64, 64)[..., 3]
    rows, columns = np.nonzero(alpha > 0.5)
    assert rows.mean() == pytest.approx(48, abs=3)
    assert columns.mean() == pytest.approx(16, abs=3)


def test_image_is_laid_into_its_band(tmp_path: Path):
    Image.new("RGBA", (4, 4), (0, 0, 255, 255)).save(tmp_path / "card.png")
    drawn = visuals.draw(drawing("image", str(tmp_path / "card.png"), at="top", height=0.5, opacity=0.5), 8, 8)
    assert drawn[0, 0].tolist() == [0, 0, 1, 0.5]
    assert drawn[5, 0, 3] == 0


def test_reference_keeps_its_own_size(tmp_path: Path):
    Image.new("RGB", (5, 3), (255, 0, 0)).save(tmp_path / "mood.png")
    drawn = visuals.draw(drawing("reference", str(tmp_path / "mood.png")), 64, 64)
    assert drawn.shape == (3, 5, 3)
    assert drawn.dtype == np.float32


def test_lay_over_and_save(tmp_path: Path):
    ruler = visuals.draw(drawing("line", y=0.5, thickness=1.0, color="#ff000080"), 2, 2)
    mixed = visuals.lay_over(np.zeros((2, 2, 3), np.float32), ruler)
    assert mixed[0, 0] == pytest.approx([128 / 255, 0, 0])
    visuals.save(mixed, tmp_path / "a.png")
    visuals.save(mixed, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_what_is_no_number_is_refused():
    with pytest.raises(TypeError, match="thickness"):
        visuals.draw(drawing("line", y=0.5, thickness=("thick",), color="red"), 4, 4)


def composited(layers: list[np.ndarray], ground: np.ndarray) -> np.ndarray:
    """The layers over an opaque ground, by Pillow, in 8 bits."""
    picture = Image.fromarray(np.rint(ground * 255).astype(np.uint8)).convert("RGBA")
    for layer in layers:
        picture = Image.alpha_composite(picture, Image.fromarray(np.rint(layer * 255).astype(np.uint8)))
    return np.asarray(picture.convert("RGB"), np.float32) / 255


def test_compositing_is_pillows_by_every_path(tmp_path: Path):
    random = np.random.default_rng(0)
    ground = random.random((32, 48, 3), np.float32)
    Image.fromarray(random.integers(0, 255, (32, 48, 4), np.uint8)).save(tmp_path / "card.png")
    card = visuals.draw(drawing("image", str(tmp_path / "card.png"), at="top", height=1.0, opacity=0.6), 48, 32)
    swatch = visuals.draw(drawing("palette", palette=("#d9822b80", "#c23030"), at="bottom", height=0.4), 48, 32)
    dots = visuals.draw(drawing("points", points=("A", 0.5, 0.5), radius=0.1, color="#00ff0080"), 48, 32)
    layers = [card, swatch, dots]
    wanted = composited(layers, ground)
    laid = ground
    for layer in layers:
        laid = visuals.lay_over(laid, layer)
    assert np.abs(laid - wanted).max() <= 3 / 255  # one rounding of 8 bits for each layer
    shown = laid_over([View(channels_first(ground), tuple(map(channels_first, layers)))])[0][0].permute(1, 2, 0)
    assert np.abs(shown.numpy() - laid).max() <= 1e-6
    backwards = composited(layers[::-1], ground)
    assert np.abs(backwards - wanted).max() > 0.1  # the order in which `see` names them shows


def channels_first(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def test_what_is_transparent_lends_no_colour_when_a_picture_shrinks(tmp_path: Path):
    card = np.zeros((64, 64, 4), np.uint8)
    card[..., 1] = 255  # green, and transparent
    card[::2] = (255, 0, 0, 255)
    Image.fromarray(card).save(tmp_path / "card.png")
    drawn = visuals.draw(drawing("image", str(tmp_path / "card.png"), at="top", height=1.0, opacity=1.0), 16, 16)
    assert drawn[4:12, 4:12, 3] == pytest.approx(0.5, abs=0.05)
    assert drawn[4:12, 4:12, 1].max() <= 2 / 255


@pytest.mark.parametrize(
    ("kind", "parameters", "wide", "tall"),
    [
        ("line", {"y": 0.25, "thickness": 0.1, "color": "red"}, (0, 1), (0.2, 0.3)),
        ("line", {"x": 0.25, "thickness": 0.1, "color": "red"}, (0.2, 0.3), (0, 1)),
        ("region", {"x": (0.25, 0.75), "y": (0.5, 1.0), "color": "red"}, (0.25, 0.75), (0.5, 1)),
        ("palette", {"palette": ("red",), "at": "bottom", "height": 0.25}, (0, 1), (0.75, 1)),
    ],
)
@pytest.mark.parametrize(("width", "height"), [(200, 100), (40, 160)])
def test_positions_are_fractions_of_each_side(kind, parameters, wide, tall, width, height):
    rows, columns = np.nonzero(visuals.draw(drawing(kind, **parameters), width, height)[..., 3])
    assert (columns.min() / width, (columns.max() + 1) / width) == pytest.approx(wide, abs=0.01)
    assert (rows.min() / height, (rows.max() + 1) / height) == pytest.approx(tall, abs=0.01)


def test_dots_are_round_whatever_the_picture_is():
    alpha = visuals.draw(drawing("points", points=("A", 0.5, 0.6), radius=0.1, color="red"), 200, 100)[62:, :, 3]
    rows, columns = np.nonzero(alpha > 0.5)
    assert (columns.min(), columns.max()) == pytest.approx((90, 109), abs=1)
    assert rows.max() + 62 == pytest.approx(69, abs=1)


def test_a_mirrored_drawing_marks_the_mirrored_place_and_stays_readable():
    for kind, parameters in (
        ("line", {"x": 0.2, "thickness": 0.1, "color": "red"}),
        ("line", {"y": 0.2, "thickness": 0.1, "color": "red"}),
        ("region", {"x": (0.1, 0.4), "y": (0.5, 0.9), "color": "red"}),
    ):
        one = drawing(kind, **parameters)
        drawn, mirrored = (visuals.draw(each, 60, 40) for each in (one, visuals.mirrored(one)))
        assert drawn[:, ::-1] == pytest.approx(mirrored, abs=1e-6)
    for kind, parameters in (
        ("points", {"points": ("B", 0.25, 0.7), "radius": 0.05, "color": "red"}),
        ("text", {"text": "B", "at": (0.25, 0.7), "height": 0.2, "color": "red"}),
    ):
        one = drawing(kind, **parameters)
        drawn, mirrored = (visuals.draw(each, 64, 64) for each in (one, visuals.mirrored(one)))
        assert np.array_equal(np.roll(drawn, 32, axis=1), mirrored)
    palette = drawing("palette", palette=("red", "blue"), at="top", height=0.5)
    assert visuals.mirrored(palette) == palette
