"""By hand: what was painted is what is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_recipes.engine.errors import InputError
from control_recipes.engine.world import hands
from PIL import Image


def test_what_is_painted_is_read(tmp_path: Path):
    wanted = ["thing=ball", "color=blue", "place=sand", "time=day", "horizon=0.7", "size=large", "position=0.5"]
    paths = hands.paint(wanted, 2, 3, tmp_path)
    assert [path.name for path in paths] == ["scene3_000.png", "scene3_001.png"]
    for seen in hands.read(paths):
        assert {name: seen[name] for name in ("thing", "color", "place", "time")} == {
            "thing": "ball", "color": "blue", "place": "sand", "time": "day",
        }  # fmt: skip
        assert seen["horizon"] == pytest.approx(0.7, abs=0.02)


def test_the_same_seed_paints_the_same(tmp_path: Path):
    first, second = (hands.paint([], 1, 5, tmp_path / name)[0].read_bytes() for name in "ab")
    assert first == second
    assert hands.paint([], 1, 6, tmp_path / "c")[0].read_bytes() != first


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("thnig=ball", "did you mean `thing`"),
        ("thing=dragon", "`dragon` is no thing"),
        ("horizon=high", "a number from 0.2 to 0.88"),
        ("horizon=2", "`2` is no horizon"),
        ("size=huge", "small, medium, large, or a number"),
        ("thing", "`` is no thing"),
    ],
)
def test_what_there_is_not_is_refused(wanted: str, message: str, tmp_path: Path):
    with pytest.raises(InputError) as raised:
        hands.paint([wanted], 1, 0, tmp_path / "out")
    assert message in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_only_pictures_of_the_worlds_size_are_read(tmp_path: Path):
    Image.new("RGB", (32, 64)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("no picture", "utf-8")
    for name, message in (("small.png", "is 32 × 64"), ("text.png", "no picture"), ("nowhere.png", "no picture")):
        with pytest.raises(InputError, match=message):
            hands.read([tmp_path / name])
