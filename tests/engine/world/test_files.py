"""Scenes and pictures as files: what was painted is what is read, and mistakes are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from control_recipes.engine.errors import InputError
from control_recipes.engine.world import files
from control_recipes.engine.world.scenes import INDOOR, KINDS, SCALES, WORDS
from PIL import Image
from world_scenes import PLAIN

WANTED = [
    "thing=ball",
    "color=blue",
    "place=sand",
    "time=day",
    "horizon=0.7",
    "size=large",
    "position=0.5",
    "grade=-0.5",
]
SCENE = PLAIN | {"color": "blue", "place": "sand", "horizon": 0.7, "size": 0.2}


def scenes(folder: Path) -> list[files.Entry]:
    return [json.loads(line) for line in (folder / "scenes.jsonl").read_text("utf-8").splitlines()]


def test_what_is_painted_is_read(tmp_path: Path):
    paths = files.paint([], 12, 3, tmp_path)
    assert [path.name for path in paths] == [f"{number:04d}.png" for number in range(12)]
    surely = 0
    for wanted, seen in zip(scenes(tmp_path), files.read(paths), strict=True):
        assert list(wanted) == list(seen.scene) == list(seen.confidence) == [*WORDS, "horizon", *SCALES]
        assert all(0 <= each <= 1 for each in seen.confidence.values())
        sure = [name for name, each in seen.confidence.items() if each > 0.97]
        assert {name: seen.scene[name] for name in sure if name in WORDS} == {
            name: wanted[name] for name in sure if name in WORDS
        }
        for name in {"horizon", "position"} & set(sure):
            assert seen.scene[name] == pytest.approx(wanted[name], abs=0.03)
        surely += len(sure)
        if wanted["place"] not in INDOOR:
            assert seen.confidence["lamp"] == seen.confidence["camera"] == 0  # nothing shows them
    assert surely > 12 * 6


def test_what_is_said_is_painted(tmp_path: Path):
    files.paint(WANTED, 2, 3, tmp_path)
    first, second = scenes(tmp_path)
    said = {
        "thing": "ball",
        "color": "blue",
        "place": "sand",
        "time": "day",
        "horizon": 0.7,
        "size": 0.2,
        "grade": -0.5,
    }
    assert {name: first[name] for name in said} == {name: second[name] for name in said} == said
    assert first["outline"] != second["outline"]  # left open, so drawn


def test_what_a_caption_names_is_painted(tmp_path: Path):
    files.paint(["a large cyan vase behind a red box in the kitchen, by night, drawn with thick lines"], 8, 3, tmp_path)
    named = {
        "thing": "vase", "color": "cyan", "size": 0.2, "other": "box", "other_color": "red", "depth": 0.6,
        "place": "kitchen", "time": "night", "outline": 3.0,
    }  # fmt: skip
    found = scenes(tmp_path)
    for scene in found:
        assert {name: scene[name] for name in named} == named
    for name in {*WORDS, *SCALES} - named.keys() - {"arrangement", "split_x", "split_y"}:
        assert len({scene[name] for scene in found}) > 1, name  # left open, so drawn


def test_a_caption_and_a_factor_say_more_together(tmp_path: Path):
    files.paint(["a red ball", "horizon=0.7"], 3, 1, tmp_path)
    assert {(scene["thing"], scene["color"], scene["horizon"]) for scene in scenes(tmp_path)} == {("ball", "red", 0.7)}


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ("lamp=off", set(INDOOR)),
        ("camera=low", set(INDOOR)),
        ("a lamp that is on", set(INDOOR)),
        ("split_x=left", {"painting"}),
        ("color=red", {*WORDS["place"]} - {"painting"}),
        ("grade=warm", {*WORDS["place"]}),
    ],
)
def test_what_is_asked_for_can_be_seen(wanted: str, places: set[str], tmp_path: Path):
    files.paint([wanted], 100, 4, tmp_path)
    assert {scene["place"] for scene in scenes(tmp_path)} == places


def test_a_second_thing_is_there_where_something_is_said_of_it(tmp_path: Path):
    files.paint(["depth=nearer"], 40, 2, tmp_path)
    assert {scene["other"] for scene in scenes(tmp_path)} == set(KINDS)
    assert {scene["depth"] for scene in scenes(tmp_path)} == {0.6}


def test_a_file_is_painted_as_it_says(tmp_path: Path):
    once = files.paint([], 3, 1, tmp_path / "once")
    written = tmp_path / "once" / "scenes.jsonl"
    again = files.paint([str(written)], 1, 9, tmp_path / "again")
    assert (tmp_path / "again" / "scenes.jsonl").read_bytes() == written.read_bytes()
    assert len(again) == len(once)
    twice = files.paint([str(tmp_path / "again" / "scenes.jsonl")], 1, 0, tmp_path / "twice")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in twice]


def test_what_is_read_can_be_painted(tmp_path: Path):
    extremes = [SCENE | {"size": size, "outline": outline} for size in (0.125, 0.21) for outline in (0.8, 3.2)]
    (tmp_path / "scenes.jsonl").write_text("\n".join(json.dumps(scene) for scene in extremes) + "\n\n", "utf-8")
    found = files.read(files.paint([str(tmp_path / "scenes.jsonl")], 1, 0, tmp_path / "extremes"))
    (tmp_path / "seen.jsonl").write_text("\n".join(json.dumps(seen.entry()) for seen in found), "utf-8")
    assert len(files.paint([str(tmp_path / "seen.jsonl")], 1, 0, tmp_path / "seen")) == 4


def test_what_is_there_stays_and_numbers_go_on(tmp_path: Path):
    first = files.paint([], 2, 1, tmp_path)
    pictures, told = [path.read_bytes() for path in first], scenes(tmp_path)
    more = files.paint(["thing=ball"], 2, 2, tmp_path)
    assert [path.name for path in more] == ["0002.png", "0003.png"]
    assert [path.read_bytes() for path in first] == pictures
    assert scenes(tmp_path)[:2] == told
    assert [entry["thing"] for entry in scenes(tmp_path)[2:]] == ["ball", "ball"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "scenes.jsonl").unlink(), "holds 0000.png, which no scenes.jsonl tells"),
        (lambda folder: (folder / "0002.png").touch(), "holds 0002.png, which its scenes.jsonl does not tell"),
        (lambda folder: (folder / "0001.png").unlink(), "scenes.jsonl: tells 2 scenes, but 0001.png is not there"),
        (lambda folder: (folder / "scenes.jsonl").write_text("{}\n{}\n"), "a scene has exactly the keys"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_and_left(spoil: Callable[[Path], object], message: str, tmp_path: Path):
    files.paint([], 2, 1, tmp_path)
    spoil(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError) as raised:
        files.paint([], 1, 2, tmp_path)
    assert message in str(raised.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_seed_paints_the_same(tmp_path: Path):
    first, second = (files.paint([], 1, 5, tmp_path / name)[0].read_bytes() for name in "ab")
    assert first == second
    assert files.paint([], 1, 6, tmp_path / "c")[0].read_bytes() != first


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["thnig=ball"], "did you mean `thing`"),
        (["thing=dragon"], "`dragon` is no thing"),
        (["horizon=high"], "a number from 0.2 to 0.88"),
        (["horizon=2"], "`2` is no horizon"),
        (["size=huge"], "small, medium, large, or a number"),
        (["size=nan"], "`nan` is no size"),
        (["thing=ball", "color"], "neither FACTOR=VALUE nor a file"),
        (["thing"], "nor a file of scenes\n  hint: did you mean `thing=ball`?"),
        (["horizno"], "did you mean `horizon=0.8`?"),
        (
            ["nowhere.jsonl"],
            'nor a file of scenes\n  hint: such as thing=ball, "a red ball in the grass", or scenes.jsonl',
        ),
        (["."], "nor a file of scenes"),
        (["a red dragon in the grass"], "`dragon` is no word of captions\n  hint: such as `a red ball in the grass`"),
        (["a red bal in the grass"], "`bal` is no word of captions\n  hint: did you mean `ball`?"),
        (["a lamp that is on in a meadow"], "no lamp can be seen in grass\n  hint: it can be in living_room"),
        (["a red ball", "color=blue"], "color=blue: says another color than what is before it"),
        (["thing=ball", "split_x=left"], "no place shows all of thing, split_x"),
    ],
)
def test_what_there_is_not_is_refused(wanted: list[str], message: str, tmp_path: Path):
    with pytest.raises(InputError) as raised:
        files.paint(wanted, 1, 0, tmp_path / "out")
    assert message in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_all_mistakes_of_a_file_are_named(tmp_path: Path):
    lines = [
        json.dumps(SCENE),
        '{"time": day}',
        "",
        json.dumps({"time": "day"}),
        json.dumps(SCENE | {"thing": "dragon", "horizon": 0.95}),
        json.dumps(SCENE | {"size": "large", "outline": True}),
        "[]",
    ]
    path = tmp_path / "scenes.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        files.scenes_from(path)
    found = [(problem.place.line, problem.place.column, problem.key) for problem in raised.value.problems]
    assert found == [(2, 10, ""), (4, 1, ""), (5, 1, "thing"), (5, 1, "horizon"), (6, 1, "outline"), (7, 1, "")]


def test_a_file_without_scenes_is_refused(tmp_path: Path):
    path = tmp_path / "scenes.jsonl"
    path.write_text("\n\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no scene"):
        files.scenes_from(path)


def test_all_files_that_are_no_pictures_of_the_world_are_named(tmp_path: Path):
    Image.new("RGB", (32, 64)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(InputError) as raised:
        files.read([tmp_path / name for name in ("small.png", "text.png", "nowhere.png")])
    assert len(raised.value.problems) == 3
    assert "is 32 × 64 pixels" in str(raised.value)


def test_a_folder_or_nothing_is_told_in_words(tmp_path: Path):
    with pytest.raises(InputError) as raised:
        files.read([tmp_path, tmp_path / "a.png"])
    assert f"{tmp_path}: is a folder, no picture\n  hint: give its pictures, such as {tmp_path}/*.png" in str(
        raised.value
    )
    assert f"{tmp_path / 'a.png'}: there is no such file" in str(raised.value)
    assert "Errno" not in str(raised.value)
