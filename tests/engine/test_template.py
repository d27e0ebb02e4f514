"""Templates: what renders, what is refused, and that nothing multiplies."""

from __future__ import annotations

import time

import pytest
from control_recipes.engine import template
from control_recipes.engine.template import BadTemplate, render

ROW = {"color": "red", "height": 0.8, "things": ["ball", "tree"], "on": True}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("no template, {braces} 100 %", "no template, {braces} 100 %"),
        ("a {{ color }} ball", "a red ball"),
        ("{{ height }}", "0.8"),
        ("{{ (height + 0.1) | round(2) }}", "0.9"),
        ("{{ color | upper ~ '!' }}", "RED!"),
        ("{% if on and color == 'red' %}yes{% else %}no{% endif %}", "yes"),
        (
            "{% for x in things %}{{ loop.index }} {{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1 ball, 2 tree",
        ),
        ("{{ things | join(' and ') }}", "ball and tree"),
        ("{{ missing | default('none') }}{% if missing is defined %}!{% endif %}", "none"),
        ("{{ things[0] }}{# a comment #}", "ball"),
        ("{{ things[-1][0] }}{% for x in things %}{{ things[loop.index0] }}{% endfor %}", "tballtree"),
        ("{{ things[7] | default('none') }}{{ things | sort(true) | join }}", "nonetreeball"),
    ],
)
def test_renders(text: str, rendered: str) -> None:
    assert render(text, ROW) == rendered


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ colour }}", "unknown variable `colour`"),
        ("{{ 'a' * 9 }}", "`*`"),
        ("{{ 2 ** 9 }}", "`**`"),
        ("{{ '%s' % color }}", "`%`"),
        ("{{ color.upper() }}", "a call"),
        ("{{ color.upper }}", "`.upper`"),
        ("{{ range(3) }}", "a call"),
        ("{{ ''.__class__ }}", "`.__class__`"),
        ("{{ color['__class__'] }}", "no entry"),
        ("{{ none }}", "prints nothing"),
        ("{{ self }}", "`self` is a word of templates"),
        ("{{ self ~ '' }}", "`self` is a word of templates"),
        ("{% for x in things %}{{ loop ~ x }}{% endfor %}", "`loop.index`"),
        ("{{ color['upper'] | string }}", "as `colors[0]`"),
        ("{{ things['append'] ~ '' }}", "as `colors[0]`"),
        ("{{ color['up' ~ 'per'] ~ '' }}", "whole number"),
        ("{{ things[on] }}", "whole number"),
        ("{{ things | join(attribute='upper') }}", "write `join(', ')` of"),
        ("{{ things | join(', ', 'upper') }}", "takes no attribute"),
        ("{{ things | sort(false, false, 'upper') | join }}", "takes no attribute"),
        ("{{ things | max(attribute='upper') }}", "takes no attribute"),
        ("{{ things | join(*things) }}", "`*` is not allowed"),
        ("fine\n{{ color['upper'] }}", "no entry"),
        ("{{ color | attr('x') }}", "`attr`"),
        ("{{ color | uper }}", "did you mean `upper`"),
        ("{% set x = 1 %}", "`set`"),
        ("{% include 'x' %}", "`include`"),
        ("{% macro m() %}{% endmacro %}", "`macro`"),
        ("{% for x in things | sort %}{% endfor %}", "`for`"),
        ("{% for x in color[:1] %}{% endfor %}", "`for`"),
        ("{{ things }}", "prints a list"),
        ("{{ 1 / 0 }}", "division"),
        ("{{ color / 2 }}", "unsupported"),
        ("{{ color", "cannot be read as a template"),
        ("{% if on %}", "cannot be read as a template"),
        ("{{ things[7] }}", "not there"),
        ("{{ " + "(" * 4000 + "1" + ")" * 4000 + " }}", "template"),
        ("x" * 9000 + "{{ color }}", "too long"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(BadTemplate) as caught:
        render(text, ROW)
    assert said in f"{caught.value.message}"


def test_an_unknown_variable_names_its_line_and_the_variables_there_are() -> None:
    with pytest.raises(BadTemplate) as caught:
        render("a {{ color }}\nball of {{ hieght }}\n", ROW)
    assert "line 2" in caught.value.message
    assert caught.value.hint == "did you mean `height`? there are color, height, on, things"


def test_one_variable_is_told_as_one() -> None:
    with pytest.raises(BadTemplate) as caught:
        render("{{ x }}", {"prompt": "a ball"})
    assert caught.value.hint == "there is only prompt"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("is there a fox\nnear the box of {{ x }}", 2),
        ("{% for x in things %}{{ x }}{% endfor %}\n{{ x is defined }}{{ x | default('') }}\n{{ x }}", 3),
        ("{% for y in things %}\n{{ x }}{% endfor %}\n{{ x }}", 2),
    ],
)
def test_the_line_is_that_of_the_use(text: str, line: int) -> None:
    with pytest.raises(BadTemplate, match=f"unknown variable `x` in a template, in line {line} of"):
        render(text, ROW)


def test_a_refusal_names_its_line() -> None:
    with pytest.raises(BadTemplate) as caught:
        render("fine\n{{ color['upper'] }}", ROW)
    assert caught.value.hint == "in line 2 of the template"


def test_variables_may_be_called_as_the_arguments_of_a_function_are() -> None:
    names: dict[str, template.Value] = {"self": 1, "args": "a", "environment": "e", "context": "c", "l": ["b", "c"]}
    assert render("{{ l | join(', ') }} {{ args }} {{ environment }} {{ context }}", names) == "b, c a e c"


@pytest.mark.parametrize(
    "bomb",
    [
        "{% for a in l %}{% for b in l %}" + "x" * 50 + "{% endfor %}{% endfor %}",
        "{% for a in l %}{% for b in l %}{% for c in l %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ l|join(l|join(l|join(l|join('x')))) }}",
        "{{ (" + "~".join(["s"] * 50) + ")|join(s)|join(s)|join(s) }}",
        "{{ 10**10**10 }}",
        "{{ 'x' * 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
    ],
)
def test_bombs_end_soon(bomb: str) -> None:
    started = time.process_time()
    with pytest.raises(BadTemplate):
        render(bomb, {"l": ["y" * 9] * 1000, "s": "z" * 1000})
    assert time.process_time() - started < 5


ADDRESSES = (
    "{{ color['upper'] | string }}",
    "{{ color.upper | string }}",
    "{{ color.upper ~ '' }}",
    "{{ things | join(attribute='upper') }}",
    "{{ things | sort(attribute='upper') | join }}",
    "{{ self | string }}",
    "{{ [things['append']] | join }}",
)


def test_the_sandbox_alone_refuses_what_the_reading_lets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    # the second wall, seen by taking the first one down
    monkeypatch.setattr(template.allowed, "check", lambda tree: None)
    template._compiled_once.cache_clear()
    try:
        for text in ("{{ color * height }}", "{{ color ** 2 }}", "{{ color % 2 }}", "{{ color.upper() }}", *ADDRESSES):
            with pytest.raises(BadTemplate):
                render(text, ROW)
    finally:
        template._compiled_once.cache_clear()


def test_values_that_are_equal_and_print_otherwise_are_told_apart() -> None:
    texts = ("{{ x | string }}", "{% if true %}{{ x }}{% endif %}")
    values = (0.0, -0.0, 0, False, 1, 1.0, True, "1", "0.0")
    for _ in range(2):  # the second time all of them are kept
        for text in texts:
            assert [render(text, {"x": value}) for value in values] == [str(value) for value in values]
    lists = ((1, 0.0), (1.0, -0.0), (True, 0), ("1", "0.0"))
    assert [render("{{ x | join(' ') }}", {"x": x}) for x in lists] == ["1 0.0", "1.0 -0.0", "True 0", "1 0.0"]
