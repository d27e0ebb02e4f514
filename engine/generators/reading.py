"""How a family's last text encoder is given a prompt: what stands before it, and how many tokens are read. Torch-free.

Text that a stock pipeline puts before prompts is read from its source: to import that takes torch.
"""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reading:
    """What becomes of a prompt."""

    file: Path  # the tokenizer's
    limit: int  # tokens that are read
    before: str = ""  # that the stock pipeline writes before a prompt
    shared: bool = False  # whether what stands before takes its tokens of `limit` too
    lowered: bool = False  # put into lower case, without space around it

    def text(self, prompt: str) -> str:
        """A prompt as it is tokenised, without what stands before it."""
        return prompt.lower().strip() if self.lowered else prompt


@cache
def stock_text(module: str, name: str) -> str | None:
    """What `diffusers.pipelines.MODULE` sets an attribute `name` to, or an argument, a list of lines, by default.

    None where its source does not say so.
    """
    spec = importlib.util.find_spec("diffusers")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0], "pipelines", *module.split(".")).with_suffix(".py") if folders else None
    if path is None or not path.is_file():
        return None
    found = (_literal(one) for node in ast.walk(ast.parse(path.read_text("utf-8"))) for one in _given(node, name))
    return next((text for text in found if text is not None), None)


def _given(node: ast.AST, name: str) -> list[ast.expr]:
    """What a piece of source gives to an attribute or an argument of that name."""
    if isinstance(node, ast.Assign):
        return [node.value for to in node.targets if isinstance(to, ast.Attribute) and to.attr == name]
    if isinstance(node, ast.arguments):
        named = node.args[len(node.args) - len(node.defaults) :]
        return [given for to, given in zip(named, node.defaults, strict=True) if to.arg == name]
    return []


def _literal(node: ast.expr) -> str | None:
    """The text that is written there, lines of a list joined."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    lines = [_literal(one) for one in node.elts] if isinstance(node, ast.List) else []
    told = [line for line in lines if line is not None]
    return "\n".join(told) if told and len(told) == len(lines) else None
