"""Chat templates: honest ones render as transformers renders them, hostile ones end soon and in little memory."""
# ruff: noqa: E501  # a template a line, however long it is

from __future__ import annotations

import resource
import time

import pytest
from control_recipes.critics import sandbox
from control_recipes.critics.chat import Chat
from control_recipes.engine.errors import InputError
from control_recipes.engine.world import pico_critic
from stock import TEXTS

MESSAGES = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "  Is it <low>? "}]},
    {"role": "assistant", "content": [{"type": "text", "text": "Yes & no"}]},
]
HONEST = [
    pico_critic.TEMPLATE,
    "{% for m in messages %}{{ loop.index0 }}{{ '[' + m['role'].upper() + ']' }}{% for c in m.content if c.type == 'text' %}"
    "{{ c.text | trim }}{{ c['text'].strip().split(' ')[-1] }}{% endfor %}{% if not loop.last %}|{% endif %}{% endfor %}",
    "{% set ns = namespace(seen=0, text='') %}{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "{% set ns.seen = ns.seen + 1 %}{% else %}{% set ns.text = ns.text ~ c['text'] %}{% endif %}{% endfor %}{% endfor %}"
    "{{ ns.seen }}{{ ns.text }}",
    "{%- macro said(m, mark='>') -%}{{ mark }}{{ m.content | selectattr('type', 'equalto', 'text') | map(attribute='text')"
    " | join('/') }}{%- endmacro -%}{{ said(messages[0]) }}{{ said(messages[1], mark='=') }}",
    "{{ messages | tojson }}{{ messages[0] | tojson(indent=4) | indent(2) }}{{ messages[0].role[1:] ~ 1 }}",
    "{{ messages | tojson(separators=(',', ': '), indent='>') | indent('- ', true) }}{{ '' | indent }}",
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}{{ bos_token }}{{ messages | length }}",
    "{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ i * 7 % 4 }}{% endfor %}{{ 'a' in 'cat' }}",
    "{% for key, value in messages[0].items() %}{{ key }}={{ value | string | replace('image', 'picture') }};{% endfor %}",
    "{% set content = messages[0].get('content') %}{{ content is iterable and content is not string }}"
    "{{ (content | last).text | replace('low', 'high') | title }}{{ 'x'.join(['a', 'b']) }}{{ 'a-b'.replace('-', '+') }}",
    "{% generation %}{{ messages[-1]['content'][0]['text'].rstrip('no').lower() }}{% endgeneration %}{{ nothing }}",
]  # fmt: skip


@pytest.mark.parametrize("template", HONEST)
def test_an_honest_template_says_what_it_says_in_transformers(template: str):
    from transformers.utils import chat_template_utils

    given = {"messages": MESSAGES, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>"}
    stock = chat_template_utils._compile_jinja_template(template).render(**given)
    assert sandbox.rendered(sandbox.compiled(template), **given) == stock


LOOP = "{% for a in range(1000) %}"
END = "{% endfor %}"
DOUBLED = "{% set ns.x = ns.x ~ ns.x %}"
BIG = "{% set a = '" + "x" * 30000 + "' %}{% set a = a ~ a %}"
SPACE = "{% set ns = namespace(a=1) %}"
GROWN = "{% set more = namespace() %}{% set more.a = ns %}{% set more.b = ns %}{% set ns = more %}"
NUMBERS = "[" + "1, " * 3000 + "]"
HOSTILE = {
    "a long text joined often": BIG + "{{ " + "a ~ " * 4000 + "a }}",
    "more parts than are compiled": BIG + "{{ " + "a ~ " * 8500 + "a }}",
    "many slices of a long text": BIG + "{% set b = [" + "a[1:], " * 1500 + "] %}",
    "an indent that is a text": "{% set a %}" + "\nx" * 10000 + "{% endset %}{{ a | indent('" + "y" * 20000 + "') }}",
    "JSON indented by a text": "{{ " + NUMBERS + " | tojson(indent='" + "y" * 40000 + "') }}",
    "JSON indented deeply": "{{ " + "[" * 30 + NUMBERS + "]" * 30 + " | tojson(indent=1000) }}",
    "JSON separated by a text": "{{ " + NUMBERS + " | tojson(separators=('" + "y" * 40000 + "', ':')) }}",
    "loops in loops": LOOP * 6 + END * 6,
    "loops over nothing": LOOP + "{% for b in range(1000) if false %}{% for c in range(1000) if false %}x{% endfor %}{% endfor %}" * 2 + END,
    "much text in loops": LOOP + LOOP + "x" * 5000 + END * 2,
    "a text doubled": "{% set ns = namespace(x='ab') %}" + LOOP + DOUBLED + END,
    "a text added to itself": "{% set ns = namespace(x='ab') %}" + LOOP + "{% set ns.x = ns.x + ns.x %}" + END,
    "a list doubled": "{% set ns = namespace(x=[1]) %}" + LOOP + "{% set ns.x = ns.x + ns.x %}" + END,
    "a list of itself": "{% set a = [1] %}" + "{% set a = [a, a, a, a, a, a, a, a, a, a] %}" * 12 + "{{ a }}",
    "tuples hashed": "{% set a = (1,) %}" + "{% set a = (a, a, a, a, a, a, a, a, a, a) %}" * 12 + "{{ {a: 1} }}",
    "json of itself": "{% set a = {'b': 1} %}" + "{% set a = {'b': a, 'c': a, 'd': a} %}" * 40 + "{{ a | tojson }}",
    "a namespace of itself": SPACE + "{% set ns = namespace(a=[ns, ns]) %}" * 20 + "{{ ns }}",
    "a namespace of itself as text": SPACE + "{% set ns = namespace(a=[ns, ns]) %}" * 20 + "{% set x = ns | string %}",
    "a namespace that grows": SPACE + GROWN * 20 + "{{ ns }}",
    "a namespace that grows, joined": SPACE + "{% set d = {'a': ns, 'b': 1} %}{% for a in d.values() %}{% if loop.last %}"
    + "{% set ns.x = namespace(a=1) %}" + "{% set ns.x = namespace(a=ns.x, b=ns.x) %}" * 20
    + "{{ [loop] | map(attribute='previtem') | join }}{% endif %}{% endfor %}",
    "values of values": "{% set d = {'a': 1} %}" + "{% set d = {'a': d.values(), 'b': d.values()} %}" * 20 + "{{ d.values() }}",
    "items of items": "{% set d = {'a': 1} %}" + "{% set d = {'a': d.items(), 'b': d.items()} %}" * 20 + "{{ d.items() }}",
    "keys of keys": "{% set d = (1,) %}" + "{% set d = ({d: 1}.keys() | list, {d: 1}.keys() | list) %}" * 20 + "{{ d }}",
    "a cycler of itself": "{% set c = cycler(1) %}" + "{% set c = cycler([c.current, c.current]) %}" * 20 + "{{ c.current }}",
    "a number squared": "{% set ns = namespace(x=9) %}" + LOOP + "{% set ns.x = ns.x * ns.x %}" + END,
    "a number raised": "{{ 9 ** 9 ** 9 }}",
    "a text repeated": "{{ 'a' * 10000000000 }}",
    "a list repeated": "{{ [0] * 10000000000 }}",
    "a width": "{{ 'a'.center(10000000000) }}",
    "a small width": "{{ 'a'.ljust(9) }}",
    "a filter's width": "{{ 'a' | center(10000000000) }}",
    "an indent": "{{ ('a\n' * 3) | indent(10000000000) }}",
    "an indent of many lines": "{{ messages | tojson(indent=100000) }}",
    "a format": "{{ '{:>10000000000}'.format(1) }}",
    "a safe format": "{{ ('{:>10000000000}' | safe).format(1) }}",
    "a percent format": "{{ '%10000000000d' % 1 }}",
    "a filtered format": "{{ '%10000000000d' | format(1) }}",
    "replaced": "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a.replace('a', a) %}" * 8 + "{{ a }}",
    "replaced by a filter": "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a | replace('a', a) %}" * 8 + "{{ a }}",
    "joined": "{% set a = 'a' %}" + "{% set a = a.join(range(1000) | map('string')) %}" * 4 + "{{ a }}",
    "escaped": "{% set a = '&&&&' %}" + "{% set a = (a | escape) ~ '&' | string | escape | string %}" * 40 + "{{ a | replace('&', '&&&&&&&&') }}",
    "a macro of itself": "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "a deep macro": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "a caller": "{% macro m(n) %}{{ caller() }}{{ caller() }}{% endmacro %}" + "{% call m(1) %}" * 18 + "x" + "{% endcall %}" * 18,
    "a block of itself": "{% block b %}{{ self.b() }}{{ self.b() }}{% endblock %}",
    "a recursive loop": "{% for a in range(1000) recursive %}{{ loop(range(1000)) }}{% endfor %}",
    "a recursive loop of lists": "{% set l = [1, 2, 3] %}{% for a in l recursive %}{{ loop(l) }}{% endfor %}",
    "a long range": "{% for a in range(10000000000) %}{% endfor %}",
    "many ranges": "{{ range(1000) | map('string') | list | length }}" * 900,
    "lorem": "{{ lipsum(n=1000) }}",
    "something random": "{{ [1, 2] | random }}",
    "sums": "{{ [[1]] | sum(start=[]) }}",
    "batches": "{{ [1] | batch(10000000000, 0) | list }}",
    "slices": "{{ [1] | slice(10000000000) | list }}",
    "wrapped": "{{ 'a b' | wordwrap(1, wrapstring='x') }}",
    "a class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "a class by filter": "{{ '' | attr('__class__') }}",
    "a class by map": "{{ [''] | map(attribute='__class__') | list | first | string }}{{ raise_exception('seen') }}",
    "globals of a function": "{{ raise_exception.__globals__['os'] }}",
    "globals of a namespace": "{{ namespace.__init__.__globals__['os'] }}",
    "another file": "{% include '/etc/passwd' %}",
    "another template": "{% extends '/etc/passwd' %}",
    "imported": "{% import 'os' as os %}",
    "too many loops to compile": "{% for a in [1] %}" * 25 + END * 25,
    "nested brackets": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "nested lists": "{{ " + "[" * 3000 + "]" * 3000 + " }}",
    "many ifs": "{% if a %}" * 3000 + "{% endif %}" * 3000,
    "nothing to break": "{% break %}",
    "too long": "x" * (sandbox.LONGEST + 1),
    "digits": "{{ '9' * 1 }}{{ " + "9" * 5000 + " }}",
    "dense": "{{ a }}" * 9000 + "{{ raise_exception('seen') }}",
    "filters on filters": "{{ 'a'" + " | upper" * 6000 + " }}{{ raise_exception('seen') }}",
    "concatenated": "{{ " + "'a' ~ " * 10000 + "'a' }}{{ raise_exception('seen') }}",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_ends_soon_and_in_little_memory(name: str):
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(sandbox.FAILS):
        sandbox.rendered(sandbox.compiled(HOSTILE[name]), messages=MESSAGES)
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def test_the_guards_see_a_template_that_takes_long_where_nothing_is_counted():
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    template = ImmutableSandboxedEnvironment().from_string(LOOP * 2 + "x" + END * 2)
    assert len(template.render()) == 10**6 > sandbox.MOST


def test_every_rendering_has_steps_of_its_own():
    template = sandbox.compiled(LOOP + END)
    for _ in range(30):
        assert sandbox.rendered(template) == ""


def test_a_chat_refuses_such_a_template_in_words():
    tokenizer = pico_critic.train_tokenizer(TEXTS, 400, pico_critic.SPECIAL, ())
    image = tokenizer.token_to_id("<|image_pad|>")
    chat = Chat(tokenizer, HOSTILE["loops in loops"], image, lambda width, height: 4, 128)
    with pytest.raises(InputError, match="the chat template fails: it takes more than 20000 steps"):
        chat.prompt("Is it?")
    with pytest.raises(InputError, match=r"cannot be read: No filter named 'random'"):
        Chat(tokenizer, HOSTILE["something random"], image, lambda width, height: 4, 128)
