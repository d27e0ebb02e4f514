"""Writes what reference.md says of the language's keys, from the schema: between a mark and `<!-- end -->`.

    <!-- keys top -->                    the keys of a recipe
    <!-- keys train -->                  a key and everything below it
    <!-- keys visuals: line -->          one kind of what a key may hold
    <!-- filters -->, <!-- limits -->    what templates may use; the constants that bound a recipe

What stands around the marks is written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import marked
from control_recipes.engine import (
    allowed,
    assets,
    hovers,
    nodes,
    prompts,
    reuse,
    template,
    template_cost,
    texts,
    values,
)
from control_recipes.engine.kinds import MEASURES, VISUALS
from control_recipes.engine.schema import json_schema
from control_recipes.engine.schema_prompts import SOURCES

Node = dict[str, Any]

_SCALARS = ("text", "whole number", "number", "`true` or `false`")
_PLURALS = {"text": "texts", "name": "names", "value": "values", "colour": "colours"}

_SCHEMA: Node = json_schema(hovers=False)  # the table has columns for values and defaults
_WHOLE: Node = _SCHEMA["else"]  # of a recipe that builds on no other
# definitions of the schema whose keys stand under a mark of their own
_OWN = {
    **{kind.__name__: f"visuals: {name}" for name, kind in VISUALS.items()},
    **{kind.__name__: f"measures: {name}" for name, kind in MEASURES.items()},
    **{kind.__name__: f"prompts: {name}" for name, kind in SOURCES.items()},
    "PromptSets": "prompts", "Prompt": "prompts: list", "HeldBack": "prompts: sample", "Together": "prompts: combined",
}  # fmt: skip
_PATTERNS = {
    values.NAME: "name", values.PART: "name", values.LABEL: "label", values.VARIABLE: "variable's name",
    values.ADDRESS: "model",
    r"\S": "text", r"\{\{|\{%": "template", "^([A-Za-z]+|#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?)$": "colour",
    "^(auto|cpu|cuda(:[0-9]+)?)$": "`auto`, `cpu`, `cuda` or `cuda:N`",
}  # fmt: skip


def renewed(text: str) -> str:
    """The page with everything between marks as the schema has it now."""
    return marked.renewed(text, marks())


def wrong(text: str) -> list[str]:
    """What is wrong with the page: a mark that is missing or unknown, or text that is not what the schema says."""
    return marked.wrong("reference.md", text, marks(), "the schema says")


def marks() -> dict[str, str]:
    """What belongs behind every mark that the page must have."""
    made = {"keys top": _table(_rows("", _WHOLE, deep=False))}
    for key, node in _WHOLE["properties"].items():
        if rows := list(_below(key, node)):
            made[f"keys {key}"] = _table(rows)
    for name, mark in _OWN.items():
        prefix = "prompts." if mark == "prompts" else ""
        made[f"keys {mark}"] = _table(_rows(prefix, _SCHEMA["$defs"][name]))
    return made | {"filters": _filters(), "limits": _limits()}


# --- tables ---------------------------------------------------------------------------------------------------------


def _table(rows: Iterator[tuple[str, str, str, str]] | list[tuple[str, str, str, str]]) -> str:
    head = "| key | value | default | what it is |\n|---|---|---|---|\n"
    return head + "".join(f"| `{key}` | {value} | {default} | {said} |\n" for key, value, default, said in rows)


def _rows(prefix: str, node: Node, deep: bool = True) -> Iterator[tuple[str, str, str, str]]:
    """A row for every key of a mapping, in the schema's order, and with `deep` for every key below it."""
    for key, inner in node.get("properties", {}).items():
        path = f"{prefix}{key}"
        said = inner.get("description") or _target(inner).get("description", "")
        yield path, _words(inner), _default(inner, key in node.get("required", ())), f"{_escaped(said)}."
        if deep:
            yield from _below(path, inner)


def _below(path: str, node: Node) -> Iterator[tuple[str, str, str, str]]:
    """The keys below a key: of each mapping that it may hold."""
    for one in _alternatives(node):
        if one.get("$ref", "").rpartition("/")[2] in _OWN:
            continue
        target = _target(one)
        if "properties" in target:
            yield from _rows(f"{path}.", target)
        for inner in target.get("patternProperties", {}).values():
            if any("properties" in _target(entry) for entry in _alternatives(inner)):
                yield from _below(f"{path}.NAME", inner)


def _alternatives(node: Node) -> list[Node]:
    """Everything that may stand here, but for `null`: it means that the key is left out."""
    listed = node.get("anyOf") if "properties" not in node else None
    listed = listed or node.get("oneOf") if "properties" not in node else None
    flat = [inner for one in listed for inner in _alternatives(one)] if listed else [node]
    return [one for one in flat if one.get("type") != "null"]


def _target(node: Node) -> Node:
    return _SCHEMA["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _default(node: Node, required: bool) -> str:
    value = node.get("default")
    if required:
        return "required"
    if value in (None, {}, []):
        return ""
    return f"`{value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)}`"


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").rstrip(".")


# --- values in words ------------------------------------------------------------------------------------------------


def _words(node: Node) -> str:
    """What may stand here, in words."""
    return ", or ".join(_kinds(node))


def _kinds(node: Node) -> list[str]:
    found = list(dict.fromkeys(_plain(one) for one in _alternatives(node)))
    if set(_SCALARS) <= set(found):  # what a variable may be
        return ["value", *(word for word in found if word not in _SCALARS)]
    if {"text", "list of texts"} <= set(found):
        return ["text, or list of texts", *(word for word in found if word not in ("text", "list of texts"))]
    links = [word for word in found if word.startswith("[")]
    return [word for word in found if word not in links] + ([_either(links)] if links else [])


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _plain(node: Node) -> str:
    if "$ref" in node:
        mark = _OWN.get(node["$ref"].rpartition("/")[2])
        return f"[{mark.rpartition(': ')[2]}](#{_anchor(mark)})" if mark else "mapping"
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return _either([f"`{word}`" for word in node["enum"]])
    kind = node.get("type")
    if kind == "array":
        return _listed(node)
    if kind == "object":
        return _mapping(node)
    if kind in ("integer", "number"):
        return f"{'whole number' if kind == 'integer' else 'number'} {hovers.range_of(node)}".strip()
    return {"string": _PATTERNS.get(node.get("pattern", ""), "text"), "boolean": "`true` or `false`"}.get(
        kind or "", ""
    )


def _listed(node: Node) -> str:
    inner = node.get("items", {})
    if any(one.get("$ref") == "#/$defs/Prompt" for one in _alternatives(inner)):
        return f"[list](#{_anchor(_OWN['Prompt'])})"
    words = _words(inner)
    if node.get("maxItems") == 2:
        return f"list of two, each {words}"
    words = re.sub("^number", "numbers", _PLURALS.get(words, words)) if len(_kinds(inner)) == 1 else words
    return f"list of {words}" if len(_kinds(inner)) == 1 else f"list, each {words}"


def _mapping(node: Node) -> str:
    pattern, inner = next(iter(node.get("patternProperties", {"": node.get("additionalProperties", {})}).items()))
    key = _PATTERNS.get(pattern, "text")
    if names := node.get("propertyNames", {}).get("enum"):
        key = _either([f"`{name}`" for name in names])
    return f"mapping of {key} to {_words(inner)}"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


# --- templates, limits ----------------------------------------------------------------------------------------------


def _filters() -> str:
    return (
        f"- filters: {_code(allowed.FILTERS)}\n- tests, after `is`: {_code(allowed.TESTS)}\n"
        f"- in a loop: {_code(f'loop.{name}' for name in allowed.LOOP)}\n"
    )


def _code(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _limits() -> str:
    rows = {
        "a recipe, and every file that it includes": f"{texts.LARGEST_RECIPE // 2**20} MiB of UTF-8",
        "a file of prompts": f"{texts.LARGEST_FILE // 2**20} MiB of UTF-8",
        "mappings and lists inside each other": f"{nodes.DEEPEST_VALUE} levels",
        "what aliases (`*name`) add to a file": f"{nodes.UNFOLDED:,} values".replace(",", " "),
        "files that a recipe is made of besides its own (`include`, `combine`)": (
            f"{values.MOST_FILES}, {reuse.DEEPEST_FILE} in a row, {values.MOST_BYTES // 2**20} MiB together"
        ),
        "values that these files bring in": f"{values.MOST_MERGED:,}".replace(",", " "),
        "questions, visuals, measures, critics, judges": f"{values.MOST_NAMED} of each",
        "wordings of a question, and its answers": f"{values.MOST_TEXTS} each",
        "a list that is a variable": f"{template.MOST_ITEMS:,} entries".replace(",", " "),
        "prompts of one set": f"{prompts.MOST_PROMPTS:,}".replace(",", " "),
        "a template, and what it renders to": f"{template.LONGEST_TEXT:,} bytes".replace(",", " "),
        "one rendering of a template": f"{template_cost.MOST_STEPS:,} steps".replace(",", " "),
        "loops inside each other in a template": str(allowed.NESTED_LOOPS),
        "a picture of `image` or `reference`": (
            f"{assets.MEBIBYTES} MiB, {assets.LARGEST_PICTURE // 10**6} million pixels; {', '.join(assets.FORMATS)}"
        ),
    }
    return "| what | at most |\n|---|---|\n" + "".join(f"| {what} | {most} |\n" for what, most in rows.items())
