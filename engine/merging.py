"""Merging: one mapping laid over another, key by key, each value keeping the place where it was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .document import Node, Path
from .kinds import MEASURES, VISUALS
from .paths import rebased
from .schema_prompts import SOURCES

# where paths stand that are relative to the file that wrote them; `*` is any name
_PATHS: tuple[tuple[str, ...], ...] = (
    ("generator", "model"), ("generator", "with", "*"), ("generator", "with", "*", "file"),
    ("critics", "*", "model"), ("judges", "*", "model"),
    ("visuals", "*", "image"), ("visuals", "*", "reference"), ("adapter", "start"),
    ("prompts", "*", "file"), ("prompts", "union", "*", "*", "file"), ("prompts", "cross", "*", "*", "file"),
)  # fmt: skip
_COMPOSING = {"recipes", "rank", "polish"}  # keys of the long form of `compose`
_MODEL = "model"  # a model is a path only where it begins with a dot


def laid_over(base: Node, over: Node, path: Path = ()) -> Node:
    """`base` with `over` on top: mappings merge, anything else is replaced whole, `~` removes what is inherited.

    A visual, a measure or a source of prompts that `over` writes as another kind is replaced whole as well: nothing
    of a line is of use to a palette. Keys keep the order of `base`; new ones follow.
    """
    if base.children is None or over.children is None or _another_kind(path, base, over):
        return over
    children, keys = dict(base.children), {**base.keys, **over.keys}
    for name, value in over.children.items():
        if name in children and value.nothing:
            del children[name], keys[name]
        else:
            inherited = children.get(name)
            children[name] = value if inherited is None else laid_over(inherited, value, (*path, name))
    return Node(over.place, children=children, keys=keys)


def moved(node: Node, folder: str) -> Node:
    """What a file of `folder` wrote, its relative paths as seen from the folder above."""
    if folder in ("", "."):
        return node
    for pattern in _PATHS:
        node = _changed(node, pattern, lambda text, last=pattern[-1]: _moved(text, folder, last == _MODEL))
    return _renamed(node, folder)


def spelled_out(root: Node) -> Node:
    """A recipe whose `compose` is in its long form, {recipes: {FILE: WEIGHT}}, in which one file goes over another."""
    node = root.child("compose")
    if node is None or root.children is None:
        return root
    if node.items is not None:
        names = [item.value for item in node.items]
        if len({*names}) < len(names) or not all(isinstance(name, str) for name in names):
            return root  # which is told later
        named = {str(item.value): item for item in node.items}
        children = {name: Node(item.place, 1.0) for name, item in named.items()}
        recipes = Node(node.place, children=children, keys={name: item.place for name, item in named.items()})
    elif node.children is None or _COMPOSING & node.children.keys():
        return root
    else:
        recipes = node
    long = Node(node.place, children={"recipes": recipes}, keys={"recipes": node.place})
    return Node(root.place, children={**root.children, "compose": long}, keys=root.keys)


def _renamed(root: Node, folder: str) -> Node:
    """`root` with the files that it composes as seen from the folder above."""
    compose = root.child("compose")
    recipes = compose.child("recipes") if compose is not None else None
    if root.children is None or compose is None or recipes is None or recipes.children is None:
        return root
    children = {rebased(name, folder): node for name, node in recipes.children.items()}
    keys = {rebased(name, folder): place for name, place in recipes.keys.items()}
    moved_recipes = Node(recipes.place, children=children, keys=keys)
    inner = {**(compose.children or {}), "recipes": moved_recipes}
    over = Node(compose.place, children=inner, keys=compose.keys)
    return Node(root.place, children={**root.children, "compose": over}, keys=root.keys)


def _moved(text: str, folder: str, is_model: bool) -> str:
    return text if is_model and not text.startswith(".") else rebased(text, folder)


def _another_kind(path: Path, base: Node, over: Node) -> bool:
    kinds = _kinds(path)
    was, now = ([kind for kind in kinds if kind in (node.children or {})] for node in (base, over))
    if path[:1] == ("prompts",) and set(over.children or {}) == {"sample"}:
        return "template" not in was  # alone it means what is held back, beside a template how many are drawn
    return bool(now) and now != was


def _kinds(path: Path) -> Mapping[str, object]:
    if len(path) == 2 and path[0] in ("visuals", "measures"):
        return VISUALS if path[0] == "visuals" else MEASURES
    together = path[1:2] in (("union",), ("cross",))
    return SOURCES if path[:1] == ("prompts",) and len(path) == (4 if together else 2) else {}


def _changed(node: Node, pattern: tuple[str, ...], change: Callable[[str], str]) -> Node:
    """A copy of `node` with the texts at `pattern` changed; what is not on the way is shared."""
    if not pattern:
        return Node(node.place, change(node.value)) if isinstance(node.value, str) else node
    step, rest = pattern[0], pattern[1:]
    if node.items is not None:
        items = [_changed(item, rest, change) for item in node.items] if step == "*" else node.items
        return Node(node.place, items=items, count=node.count)
    if node.children is None:
        return _changed(node, (), change) if pattern == ("*",) else node  # a text that stands for a list of one
    names = list(node.children) if step == "*" else [step] if step in node.children else []
    new = {name: _changed(node.children[name], rest, change) for name in names}
    return Node(node.place, children={**node.children, **new}, keys=node.keys, count=node.count)
