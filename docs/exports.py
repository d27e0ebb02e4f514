"""Writes what export.md says of which tools read which file, from the tables of the generators, between marks."""

from __future__ import annotations

import marked
from control_recipes.engine import generators
from control_recipes.engine.generators.layouts import TOOLS

SCRIPTS, OTHERS = ("sd-scripts", "musubi-tuner"), ("ComfyUI", "diffusers")  # is there a file for one and all of them?


def renewed(text: str) -> str:
    """The page with everything between marks as the tables have it now."""
    return marked.renewed(text, marks())


def wrong(text: str) -> list[str]:
    """What is wrong with the page: a mark that is missing or unknown, or text that is not what the tables say."""
    return marked.wrong("export.md", text, marks(), "the generators' tables say")


def marks() -> dict[str, str]:
    """What belongs behind every mark that the page must have."""
    return {"readers": _readers()}


def _readers() -> str:
    """A row for every family: which tools read each of its files."""
    tools, kinds = " | ".join(f"`--to {tool}`" for tool in TOOLS), ", ".join([" or ".join(SCRIPTS), *OTHERS])
    head = f"| `_class_name` | {tools} | one file for {kinds} |\n"
    return head + "|---" * (len(TOOLS) + 2) + "|\n" + "".join(map(_row, generators.FAMILIES.items()))


def _row(known: tuple[str, str]) -> str:
    name, family = known
    exports = generators.exports_of(family)
    read = [", ".join(exports[tool].readers) if tool in exports else "none" for tool in TOOLS]
    readers = {tool: {*exports[tool].readers} for tool in TOOLS if tool in exports}
    one = next((f"`--to {tool}`" for tool, its in readers.items() if its >= {*OTHERS} and its & {*SCRIPTS}), "no")
    return f"| `{name}` | {' | '.join(read)} | {one} |\n"
