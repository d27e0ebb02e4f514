"""Formatting: comments, order and meaning stay; what is tidy already is left alone."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest
from control_recipes.engine import document, formatting, plan
from control_recipes.engine.errors import InputError
from control_recipes.engine.gallery import recipes
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from hypothesis import given, settings
from hypothesis import strategies as st

UNTIDY = """\
# Intent: nothing
recipe:   1
name: x   # the name


vars: {a: 1,b: [1,2 , 3]}
words: [Yes, 0x1F, 5e-5, 12:30, off, 1_000, 010, 0o17, 0.80, +3, 2024-01-01]
list:
- 1
-   {a: ~}
text: |
  keptXX

XX


  as it is
quoted: 'a'
nothing:
# the end
""".replace("XX", "  ")
TIDY = """\
# Intent: nothing
recipe: 1
name: x   # the name

vars: {a: 1, b: [1, 2, 3]}
"""


def test_what_is_untidy_becomes_tidy():
    made = formatting.tidy(UNTIDY.replace("  \n", "\n").replace("\n\n\n\n\n", "\n"), "r.yaml")
    assert made.startswith(TIDY)
    for line in ("words: [Yes, 0x1F, 5e-5, 12:30, off, 1_000, 010, 0o17, 0.80, +3, 2024-01-01]", "  - 1", "  - {a: ~}",
                 "quoted: 'a'", "nothing: ~", "# the end"):  # fmt: skip
        assert line in made.splitlines()


def test_blanks_that_mean_something_stay():
    made = formatting.tidy(UNTIDY, "r.yaml")
    assert document.parse(made, "").data["text"] == "kept  \n\n\n\n\nas it is\n"


@pytest.mark.parametrize(
    "text",
    [
        "a: [1,   # one\n  2]\n",  # a comment that a round trip would lose
        "a: [" + ", ".join(["word word"] * 8) + ",\n  " + ", ".join(["word word"] * 8) + "]\n",  # a line of 176
        'a: "x # y"  # z\n',
        "a: 1 \r\nb: 2\r\n",
        "\ufeffa: 1\n",
        "<<: 1\na: &b {c: 1}\nd: *b\n",
        "? a\n: b\n",
        "a: >-\n  folded\n  text\n",
    ],
)
def test_nothing_is_lost_and_a_second_time_changes_nothing(text: str):
    made = formatting.tidy(text, "r.yaml")
    assert repr(document.parse(made, "").data) == repr(document.parse(text, "").data)
    assert made.count("#") == text.count("#")
    assert max(map(len, made.splitlines())) <= 120
    assert formatting.tidy(made, "r.yaml") == made


HAND_MADE = """\
# head

recipe: 1                      # version
vars: {a:   1}                 # for templates

# between
generator:
    model: builtin:generator   # or another
    # steps: 2                 # one is enough
    size:                      # of a picture
        width: 64

critics: &c                    # frozen
    eyes: {model: &m builtin:critic}   # one
list:
- a ball     # first
  # inside
- a tree     # second
  # the list ends
text: |      # a block
    kept  # not a comment
# the end
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_comments_stay_where_a_person_put_them(mark: str, newline: str):
    made = formatting.tidy(mark + HAND_MADE.replace("\n", newline), "r.yaml")
    was, now = ([line for line in text.splitlines() if line.strip()] for text in (HAND_MADE, made))
    assert [line.split() for line in was if "#" in line] == [line.split() for line in now if "#" in line]
    columns = [(one.index(" # "), two.index(" # ")) for one, two in zip(was, now, strict=True) if " # " in one.strip()]
    assert [one - two for one, two in columns if one != two] in ([], [2])  # but for the block's own text
    assert "    width: 64" in now
    assert "critics: &c                    # frozen" in now
    assert "\r" not in made
    assert formatting.tidy(made, "r.yaml") == made


def test_the_guard_sees_a_comment_that_moves_to_a_line_of_its_own():
    before = document.parse("a: &x  # of a\n  b: 1\n", "r.yaml")
    assert formatting._same("a: &x  # of a\n  b: 1\n", before, "a: &x  # of a\n  b: 1\n")
    for worse in ("a: &x\n  # of a\n  b: 1\n", "a:  # of a\n  b: 1\n"):
        assert not formatting._same(worse, before, "a: &x  # of a\n  b: 1\n")


@pytest.mark.parametrize("path", recipes(), ids=lambda path: path.stem)
def test_the_gallery_is_tidy(path: Path):
    assert formatting.tidied([path]) == {}


@pytest.mark.parametrize("path", [*recipes(), None], ids=lambda path: path.stem if path else "hollow")
def test_tidying_changes_no_digest(path: Path | None, tmp_path: Path):
    file = hollow.workplace(tmp_path)
    text = path.read_text("utf-8") if path else hollow.RECIPE
    if path:
        (tmp_path / "assets" / "card.png").unlink()
        (tmp_path / "assets").rmdir()
        (tmp_path / "assets").symlink_to(path.parent / "assets")
    digests: set[str] = set()
    for one in (text, text.replace(": ", ":   ").replace("{", "{  "), formatting.tidy(text.replace(": ", ":  "), "")):
        file.write_text(one.replace("{  {", "{{").replace("{  %", "{%"), "utf-8")
        digests.add(plan.digest(resolve(read(file, allow_outside=True))))
    assert len(digests) == 1


SCALARS = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.none(),
    st.text(max_size=12),
    st.sampled_from(["Yes", "~", "0x1F", "1_000", "a # b", "{{ x }}", "- a", "a: b", " x "]),
)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(["name", "vars", "a b", "x"]), DATA, min_size=1), st.booleans(), st.booleans())
def test_generated_recipes_keep_their_meaning(data: dict[str, object], flow: bool, comment: bool):
    import yaml

    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)
    text = f"# head\n{text}# tail  \n" if comment else text
    try:
        before = document.parse(text, "r.yaml")
    except InputError:
        return
    if before.problems:
        return
    made = formatting.tidy(text, "r.yaml")
    assert repr(document.parse(made, "r.yaml").data) == repr(before.data)
    assert formatting.tidy(made, "r.yaml") == made
    assert made.count("#") == text.count("#")


def test_what_cannot_be_read_is_left_alone(tmp_path: Path):
    for name, text in (("a.yaml", "a: 1\na: 2\n"), ("b.yaml", "a: [\n"), ("c.yaml", "a:   1\n")):
        (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(InputError) as caught:
        formatting.tidied([tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml", "none.yaml")])
    assert len(caught.value.problems) == 3
    assert (tmp_path / "c.yaml").read_text("utf-8") == "a:   1\n"
