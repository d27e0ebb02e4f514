"""Hostile templates, in every place where one may stand."""
# ruff: noqa: E501  # a case a line, however long it is

from __future__ import annotations

from collections.abc import Iterator

from hostile_cases import Case, changed

_N = 10_000
ESCAPES = [
    "{{ ''.__class__ }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ ''['__class__'] }}",
    "{{ [].__class__.__base__ }}", "{{ color.__init__.__globals__ }}", "{{ color|attr('__class__') }}",
    "{{ color['__cl' ~ 'ass__'] }}", "{{ mro }}", "{{ cycler.__init__ }}", "{{ cycler('a', 'b').next() }}",
    "{{ joiner() }}", "{{ lipsum() }}", "{{ lipsum(n=1000000) }}", "{{ namespace() }}", "{{ namespace(a=1).a }}",
    "{{ dict() }}", "{{ range(3) }}", "{{ range(10**9)|list }}", "{{ range(999999999)|join }}", "{{ self }}",
    "{{ self._TemplateReference__context }}", "{{ self.__init__ }}", "{{ loop }}", "{{ loop.index }}", "{{ caller() }}",
    "{{ varargs }}", "{{ kwargs }}", "{{ super() }}", "{{ config }}", "{{ request.application }}", "{{ _() }}",
    "{{ gettext('x') }}", "{% for x in 'ab' %}{{ loop.__class__ }}{% endfor %}",
    "{% for x in ['a'] %}{{ loop.cycle('a') }}{% endfor %}", "{% for x in ['a'] %}{{ loop['__class__'] }}{% endfor %}",
    "{% for x in ['a'] %}{{ loop }}{% endfor %}", "{% for x in ['a'] recursive %}{{ loop(x) }}{% endfor %}",
    "{% for x in ['a'] %}{{ loop.previtem }}{% endfor %}", "{% for x in ['a'] %}{{ loop.changed(x) }}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% set x = 1 %}{{ x }}", "{% set x %}a{% endset %}",
    "{% import 'os' as os %}", "{% from 'os' import system %}", "{% include '/etc/passwd' %}", "{% extends 'a' %}",
    "{% block a %}{% endblock %}", "{% with a = 1 %}{% endwith %}", "{% filter upper %}a{% endfilter %}",
    "{% call m() %}{% endcall %}", "{% raw %}{{ x }}", "{% do 1 %}", "{% break %}", "{% continue %}", "{% debug %}",
    "{% autoescape true %}{% endautoescape %}", "{% trans %}a{% endtrans %}", "{% generation %}a{% endgeneration %}",
    "{{ color.format() }}", "{{ '{0.__class__}'.format(color) }}", "{{ '%s'|format(color) }}",
    "{{ 'x'|center(1000000000) }}", "{{ 'x'|indent(1000000000) }}", "{{ 'x'|wordwrap(1) }}", "{{ 'x'|truncate(9) }}",
    "{{ 'x'|replace('', 'y') }}", "{{ ('x' ~ color)|replace('x', 'y')|replace('y', 'yyyyyyyy') }}",
    "{{ 'x'|urlize }}", "{{ 'x'|xmlattr }}", "{{ 'x'|tojson }}", "{{ 'x'|pprint }}", "{{ [1,2]|batch(1)|list }}",
    "{{ [1,2]|slice(1000000)|list }}", "{{ 'x'|map('upper')|list }}", "{{ 'x'|select|list }}", "{{ 'x'|groupby(0) }}",
    "{{ 'x'|safe }}", "{{ 'x'|escape }}", "{{ 'x'|striptags }}", "{{ 'x'|filesizeformat }}", "{{ [1]|random }}",
    "{{ [1]|sum }}", "{{ 'x'|dictsort }}", "{{ 'x'|items|list }}", "{{ 'x' is callable }}", "{{ 'x' is sameas 'x' }}",
    "{{ 'x' is divisibleby 0 }}", "{{ 'x' is in 'y' }}", "{{ 'x' is filter }}", "{{ color|upper|lower|nothing }}",
    "{{ 'x'|default(boolean=true, default_value=self) }}", "{{ [1,2]|join(attribute='__class__') }}",
    "{{ [color]|sort(attribute='__class__') }}", "{{ [color]|sort(attribute='upper')|join }}",
    "{{ [color]|unique(attribute='__class__')|join }}", "{{ [color]|max(attribute='__class__') }}",
    "{{ [color]|join(attribute='__class__.__mro__') }}", "{{ [color]|min(attribute='__doc__') }}",
    "{{ [color]|map(attribute='__class__')|join }}", "{{ height|round(method='__class__') }}",
    "{{ height|round(1000000000) }}", "{{ height|round(precision=-400) }}", "{{ 'x'|int(base=99999999) }}",
    "{{ color|int(default=self) }}", "{{ color|title(1) }}", "{{ color|default }}", "{{ 1|float(default=self) }}",
]  # fmt: skip
BOMBS = [
    "{{ 'x' * 1000000000 }}", "{{ 'x' * 10 ** 9 }}", "{{ [1] * 1000000000 }}", "{{ 10 ** 10 ** 10 }}", "{{ 2 ** 100000 }}",
    "{{ '%1000000000d' % 1 }}", "{{ '%*d' % (1000000000, 1) }}", "{{ 'x'|center(width=10**9) }}",
    "{{ '{:1000000000}'.format(1) }}", "{{ 'x'|ljust(10**9) }}", "{{ " + "~".join(["color"] * 800) + " }}",
    "{{ " + "~".join(["'" + "x" * 100 + "'"] * 70) + " }}", "{{ (" + "~".join(["'xxxxxxxxxx'"] * 400) + ")|join(" + "~".join(["'xxxxxxxxxx'"] * 150) + ") }}",
    "{{ ('x'|join('y'))|join(('x'|join('y'))) }}",
    "{{ " + "(" * 500 + "color" + "~color)" * 500 + " }}",
    "{% for a in l %}{% for b in l %}{{ a }}{% endfor %}{% endfor %}",
    "{% for a in l %}{% for b in l %}{% for c in l %}{{ a }}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in l %}{% for b in l %}{% if a == 'never' %}{{ a }}{% endif %}{% endfor %}{% endfor %}",
    "{% for a in l %}{% for b in l %}{% if l|sort|join == 'never' %}x{% endif %}{% endfor %}{% endfor %}",
    "{% for a in l %}{% for b in l %}{% if l|join|join(l|join) == 'never' %}x{% endif %}{% endfor %}{% endfor %}",
    "{% for a in l %}{% for b in l %}{% if l|unique|sort|reverse|list|length == 1 %}x{% endif %}{% endfor %}{% endfor %}",
    "{% for a in l if a in l %}{% for b in l if b in l %}{% endfor %}{% endfor %}",
    "{% for a in [" + "1," * 1500 + "] %}{% for b in [" + "1," * 1500 + "] %}{% endfor %}{% endfor %}",
    "{{ l|join(l|join) }}", "{{ l|join(l|join(l|join(l|join(l|join)))) }}", "{{ l + l + l + l + l + l + l + l + l }}",
    "{{ (l + l)|join|length }}", "{{ " + "+".join(["l"] * 1000) + " }}", "{{ [l, l, l]|join }}",
    "{{ [" + ",".join(["[" + ",".join(["l"] * 40) + "]"] * 40) + "]|join|length }}", "{{ l|string }}", "{{ [l,l,l,l]|string|length }}",
    "{{ " + "9" * 4000 + " }}", "{{ " + "9" * 5000 + " }}", "{{ " + "9" * 4000 + " ~ 1 }}", "{{ 1e308 + 1e308 }}",
    "{{ " + "9" * 3000 + "|string|length }}", "{{ " + "9" * 4299 + " + " + "9" * 4299 + " }}", "{{ '" + "9" * 6000 + "'|int }}", "{{ ('" + "9" * 4000 + "'|int) + 1 }}",
    "{{ '" + "f" * 6000 + "'|int(base=16) }}", "{{ ('" + "f" * 6000 + "'|int(base=16))|string }}", "{{ " + "9" * 4000 + " / 3 }}", "{{ " + "9" * 4000 + "|float }}",
    "{{ " + "9" * 4000 + "|round }}", "{{ " + "9" * 4000 + "|abs }}", "{{ 0x" + "f" * 4000 + " }}", "{{ 1 // 0 }}", "{{ 1 / 0 }}", "{{ 0.0 // 0 }}", "{{ -'x' }}", "{{ 'x' + 1 }}", "{{ 'x' < 1 }}", "{{ l < 1 }}",
]  # fmt: skip
DEEP = [
    "{{ " + "(" * _N + "1" + ")" * _N + " }}", "{{ " + "(" * 100 + "1" + ")" * 100 + " }}",
    "{{ " + "(" * 1000 + "1" + ")" * 1000 + " }}", "{{ " + "[" * 2000 + "1" + "]" * 2000 + " }}",
    "{{ " + "not " * 1900 + "1 }}", "{{ " + "-" * 4000 + "1 }}", "{{ 1" + "+1" * 3900 + " }}", "{{ 1" + "|abs" * 1900 + " }}",
    "{{ 1" + " if 1 else 1" * 600 + " }}", "{{ color" + "[0]" * 2000 + " }}", "{{ color" + ".a" * 3000 + " }}",
    "{{ 1" + " and 1" * 1200 + " }}", "{{ 1" + " == 1" * 1500 + " }}", "{{ 1" + "~1" * 3900 + " }}", "{% if 1 %}" * 500 + "{% endif %}" * 300,
    "{% if 1 %}" * 380 + "{% endif %}" * 380, "{% for x in l %}" * 200 + "{% endfor %}" * 200, "{% if 1 %}" + "{% elif 1 %}" * 600 + "{% endif %}",
    "{{ {" * 2000, "{{" * 4000, "{%" * 4000, "{#" * 4000, "{{ '" + "\\\\" * 3000 + "' }}", "{{ " + "{'a':" * 500 + "1" + "}" * 500 + " }}", "x" * 7000 + "{{ 1 }}", "x" * 9000 + "{{ 1 }}",
    "{{ 1 }}" * 1100, "{{ color }}" * 740, "{# " + "x" * 8000 + " #}", "{% if 0 %}" + "x" * 8000 + "{% endif %}",
]  # fmt: skip
BROKEN = [
    "{{", "}}", "{{ }}", "{%", "{% %}", "{#", "{{ color", "{{ color }", "{{ 'open }}", "{% if %}", "{% if color %}", "{% endif %}",
    "{% for %}", "{% for x %}", "{% for x in %}", "{% for x in color %}a{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for x, y in l %}{% endfor %}", "{% for x in l|list %}{% endfor %}",
    "{% else %}", "{% unknown %}", "{{ color | }}", "{{ | upper }}", "{{ color || upper }}", "{{ color | upper( }}", "{{ color.1 }}", "{{ color[ }}", "{{ color[:] }}", "{{ color[::-1] }}",
    "{{ l[0:1000000] }}", "{{ $ }}", "{{ @ }}", "{{ \\ }}", "{{ ` }}", "{{ = }}", "{{ color = 1 }}", "{{ lambda: 1 }}", "{{ import os }}", "{{ color; 1 }}", "{{ await color }}", "{{ yield }}", "{{ *l }}", "{{ **l }}",
    "{{ colour }}", "{{ hieght }}", "{{ None }}", "{{ none }}", "{{ true }}", "{{ l }}", "{{ () }}", "{{ (1, 2) }}", "{{ {} }}", "{{ [] }}", "{{ l[99] }}", "{{ l['x'] }}", "{{ color['x'] }}", "{{ color[0][0][0] }}", "{{ height[0] }}", "{{ é }}", "{{ '\U0001f600' }}", "{{ 1.5.5 }}", "{{ 1e5e5 }}", "{{ 1__0 }}", "{{ 0777 }}",
    "{{ color }}{{ '\u2028' }}", "# for x in l", "{{- color -}}", "{{+ color +}}", "{{ not_there is defined }}", "{{ not_there|default }}", "{{ not_there.a.b }}", "{{ not_there|default(self) }}", "{{ True.real }}",
]  # fmt: skip
PLACES = {
    "ask": ('"Is there a {{ color }} {{ thing }}?"', "{}"),
    "suffix": ('"Answer with Yes or No."', "{}"),
    "answer": ('"Yes"\n    hold', "{}\n    hold"),
    "against": ('against: "No"', "against: {}"),
    "prompt": ('"a {{ color }} {{ thing }}"', "{}"),
    "line": ('y: "{{ height }}", color', "y: {}, color"),
    "colour": ("color: red}}", "color: {}}}}}"),
    "text": ('{line: {y: "{{ height }}", color: red}}', "{{text: {}, at: [0.5, 0.5]}}"),
    "file": ("image: assets/card.png", "image: {}"),
    "measure": ('near: "{{ height }}"', "near: {}"),
    "word": ("{keep: [thing, color]}", "{{is: {{color: {}}}}}"),
}
VARS = ("vars: {height: 0.80}", "vars: {height: 0.80, l: [" + ", ".join(f"'{i:09d}'" for i in range(1000)) + "]}")


def cases() -> Iterator[Case]:
    for name, templates in (("escape", ESCAPES), ("bomb", BOMBS), ("depth", DEEP), ("broken", BROKEN)):
        places = ["ask", "answer", "prompt", "line", "measure"] if name == "bomb" else []
        for at, template in enumerate(templates):
            # every bomb in several places; the others where their number happens to fall, and in the question
            chosen = places or ["ask", list(PLACES)[at % len(PLACES)]]
            for place in dict.fromkeys(chosen):
                yield Case(f"template {name} {at} {place} {template[:30]}", placed(template, place), "either")


def placed(template: str, place: str) -> bytes:
    """The right recipe with `template` at a place, and a list of a thousand texts among its variables."""
    old, new = PLACES[place]
    quoted = '"' + template.replace("\\", "\\\\").replace('"', '\\"') + '"'
    text = changed(old, new.format(quoted)).decode()
    return text.replace(*VARS).encode()
