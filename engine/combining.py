"""Combining: several recipes become one, whose questions, measures and visuals carry their recipe's name.

questions, measures, visuals, expect   called RECIPE.NAME; weights of questions multiplied by the recipe's
vars, prompts                          kept apart, under vars.RECIPE and prompts.union.RECIPE (or .cross)
critics, judges                        shared where model and settings are the same, under the first one's name
generator, stay, adapter, train,       one for all: where two recipes differ, the combining recipe has to say what
evaluate                               holds, or it is a conflict
goal, train.stop                       kept where it is the only recipe with a goal; where every one says when to stop
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import final

from pydantic import ValidationError

from . import schema, schema_models, schema_training, scopes
from .document import Data, Node, Path, dotted
from .errors import Place, Problem
from .merging import laid_over
from .values import NAME

_Rename = Callable[[str], str]
_PREFIXED = ("visuals", "questions", "measures", "expect")
_SHARED: dict[str, type[schema.Keys]] = {
    "generator": schema_models.Generator,
    "stay": schema.Stay,
    "adapter": schema_training.Adapter,
    "train": schema_training.Train,
    "evaluate": schema_training.Evaluate,
}
_MEMBERS: dict[str, type[schema.Keys]] = {"critics": schema_models.Critic, "judges": schema_models.Judge}
_OWN = {"name", "vars", "prompts", "goal", *_PREFIXED, *_SHARED, *_MEMBERS}


@dataclass(frozen=True, slots=True)
class Part:
    """One of the recipes that are combined."""

    name: str
    weight: float
    root: Node  # everything it includes merged in
    place: Place  # where the combining recipe names it


_Written = tuple[Part, Node | None]  # a recipe, and what it writes at some key


def combined(parts: list[Part], kind: str, own: Node, problems: list[Problem]) -> Node:
    """What the recipes come to together, before `own`, what the combining recipe writes itself, is laid over it.

    `kind` is `union` or `cross`. Conflicts that `own` does not settle are added to `problems`.
    """
    return _Combination(parts, own, problems).root(kind)


def called(node: Node) -> Node | None:
    """The name of a recipe, where it has a good one."""
    name = (node.children or {}).get("name")
    return name if name is not None and isinstance(name.value, str) and re.match(NAME, name.value) else None


@final
class _Combination:
    def __init__(self, parts: list[Part], own: Node, problems: list[Problem]) -> None:
        self.parts, self.own, self.problems = parts, own, problems
        self.members = {section: self._members(section) for section in _MEMBERS}

    def root(self, kind: str) -> Node:
        first = self.parts[0].place
        made = {key: node for part in reversed(self.parts) for key, node in _children(part.root) if key not in _OWN}
        for section in _SHARED:
            self._put(made, section, self._shared(section))
        for section in _MEMBERS:
            self._put(made, section, _mapping({n: node for n, node, _ in self.members[section].values()}, first))
        for section in _PREFIXED:
            named = {f"{part.name}.{name}": node for part in self.parts for name, node in self._entries(part, section)}
            self._put(made, section, _mapping(named, first, self._keys(section)))
        variables = {scopes.key(part.name): node for part in self.parts if (node := _child(part.root, "vars"))}
        self._put(made, "vars", _mapping(variables, first))
        prompts = {part.name: node for part in self.parts if (node := _child(part.root, "prompts"))}
        if prompts:
            made["prompts"] = Node(first, children={kind: Node(first, children=prompts)})
        self._put(made, "goal", self._goal())
        return Node(first, children=made, keys={key: node.place for key, node in made.items()})

    def _put(self, made: dict[str, Node], section: str, node: Node | None) -> None:
        if node is not None:
            made[section] = node

    # --- what holds for all ---

    def _shared(self, section: str) -> Node | None:
        nodes = [(part, _child(part.root, section)) for part in self.parts]
        there = [node for _, node in nodes if node is not None]
        if not there:
            return None
        bare = [(part, None if node is None else _without(node, "stop")) for part, node in nodes]
        for part, node in bare[1:]:
            self._agree((section,), bare[0], (part, node))
        made = there[0]
        for node in there[1:]:
            made = laid_over(made, node)
        return self._stopping(_without(made, "stop")) if section == "train" else made

    def _agree(self, at: Path, left: _Written, right: _Written) -> None:
        """Adds a problem for every value below `at` in which two recipes differ and `own` says nothing."""
        if left[1] is None and right[1] is None:
            return
        one, other = (dict(_leaves(_filled(str(at[0]), node), ())) for _, node in (left, right))
        for path in sorted({*one, *other}, key=dotted):
            if one.get(path) != other.get(path) and not _settled(self.own, (*at, *path)):
                self._conflict(at, path, left, right, one.get(path), other.get(path))

    def _conflict(self, at: Path, path: Path, left: _Written, right: _Written, was: Data, now: Data) -> None:
        places = [_nearest(node, path) or part.place for part, node in (left, right)]
        key = dotted((*at, *path))
        said = f"{left[0].name} has {_word(was)} ({places[0]}), {right[0].name} has {_word(now)}"
        hint = f"write `{key}` into the combining recipe, whose own word holds"
        self.problems.append(Problem(places[1], key, f"the combined recipes differ: {said}", hint))

    def _stopping(self, train: Node) -> Node:
        """All thresholds of all recipes, where each of them has some: one that has none is not to be cut short."""
        stops = [(part, _child(_child(part.root, "train"), "stop")) for part in self.parts]
        if any(node is None or node.children is None for _, node in stops) or _settled(self.own, ("train", "stop")):
            return train
        made: Node | None = None
        for part, node in stops:
            renamed = self._stop(part, node) if node is not None else None
            made = renamed if made is None or renamed is None else laid_over(made, renamed)
        for part, node in stops[1:]:
            self._agree_on_patience(stops[0], (part, node))
        return train if made is None else _with(train, "stop", made)

    def _agree_on_patience(self, left: _Written, right: _Written) -> None:
        was, now = (node.value if (node := _child(one, "patience")) else 1 for _, one in (left, right))
        if was != now:
            self._conflict(("train", "stop"), ("patience",), left, right, was, now)

    def _stop(self, part: Part, stop: Node) -> Node:
        judge = _child(stop, "judge")
        if (p := _child(stop, "p")) is not None:
            stop = _with(stop, "p", _renamed(p, lambda name: f"{part.name}.{name}"))
        if judge is None or judge.children is None:
            return stop
        inner = {k: _renamed(v, lambda name: f"{part.name}.{name}") for k, v in judge.children.items()}
        judge = Node(judge.place, children=inner, keys=judge.keys)
        return _with(stop, "judge", _renamed(judge, lambda name: self._member("judges", part, name)))

    # --- critics and judges ---

    def _members(self, section: str) -> dict[tuple[str, str], tuple[str, Node, Data]]:
        """(recipe, name there) -> name here, node and settings; members with equal settings share the first's name."""
        found: dict[tuple[str, str], tuple[str, Node, Data]] = {}
        for part in sorted(self.parts, key=lambda one: one.name):  # in whichever order they are listed
            for name, node in _children(_child(part.root, section)):
                settings = _filled(section, node)
                same = next((one for one in found.values() if one[2] == settings), None)
                rivals = (who for who, one in found.items() if one[0] == name and one[2] != settings)
                if same is None and (rival := next(rivals, None)) is not None:
                    self._differ((section, name), (self._named(rival[0]), found[rival][1]), (part, node))
                found[part.name, name] = same or (name, node, settings)
        return found

    def _named(self, recipe: str) -> Part:
        return next(part for part in self.parts if part.name == recipe)

    def _differ(self, at: Path, left: tuple[Part, Node], right: tuple[Part, Node]) -> None:
        if _settled(self.own, at):  # in part, perhaps: the rest of it is not for us to choose
            self._agree(at, left, right)
            return
        said = f"another `{at[1]}` stands in {left[1].place}, with other settings"
        hint = f"give one of them another name, or write `{dotted(at)}` into the combining recipe"
        self.problems.append(Problem(right[1].place, dotted(at), f"the combined recipes differ: {said}", hint))

    def _member(self, section: str, part: Part, name: str) -> str:
        return self.members[section].get((part.name, name), (name,))[0]

    # --- what carries its recipe's name ---

    def _entries(self, part: Part, section: str) -> Iterator[tuple[str, Node]]:
        for name, node in _children(_child(part.root, section)):
            if section == "questions":
                yield name, self._question(part, node)
            elif section == "expect" and (judge := _child(node, "judge")) is not None:
                yield name, _with(node, "judge", _text(judge, lambda one: self._member("judges", part, one)))
            else:
                yield name, node

    def _question(self, part: Part, node: Node) -> Node:
        if node.children is None:
            return node
        if (see := _child(node, "see")) is not None:
            node = _with(node, "see", _text(see, lambda name: f"{part.name}.{name}"))
        critics = _child(node, "critics")
        if critics is not None and (critics.value is not None or critics.items is not None):
            node = _with(node, "critics", _text(critics, lambda name: self._member("critics", part, name)))
        elif (mine := self._critics_of(part)) != {name for name, _, _ in self.members["critics"].values()}:
            names = [Node(node.place, name) for name in sorted(mine)]  # nobody else's critic is to be asked
            node = _with(node, "critics", Node(node.place, items=names))
        weight, watch = _child(node, "weight"), _child(node, "watch")
        value = 1.0 if weight is None else weight.value
        if part.weight == 1 or isinstance(value, bool) or (watch is not None and watch.value is True):
            return node
        if not isinstance(value, (int, float)):
            return node
        return _with(node, "weight", Node(part.place if weight is None else weight.place, value * part.weight))

    def _critics_of(self, part: Part) -> set[str]:
        return {here for (recipe, _), (here, _, _) in self.members["critics"].items() if recipe == part.name}

    def _keys(self, section: str) -> dict[str, Place]:
        sections = ((part, _child(part.root, section)) for part in self.parts)
        return {
            f"{part.name}.{name}": place
            for part, node in sections
            for name, place in (node.keys.items() if node is not None else ())
        }

    def _goal(self) -> Node | None:
        goals = [(part, goal) for part in self.parts if (goal := _child(part.root, "goal")) is not None]
        if len(goals) != 1 or goals[0][1].children is None:
            return None
        part, goal = goals[0]
        named = {kind: _text(node, lambda name: f"{part.name}.{name}") for kind, node in _children(goal)}
        return Node(goal.place, children=named, keys=goal.keys)


def _child(node: Node | None, name: str) -> Node | None:
    return (node.children or {}).get(name) if node is not None else None


def _children(node: Node | None) -> list[tuple[str, Node]]:
    return list((node.children or {}).items()) if node is not None else []


def _mapping(children: Mapping[str, Node], place: Place, keys: Mapping[str, Place] | None = None) -> Node | None:
    where = keys or {name: node.place for name, node in children.items()}
    return Node(place, children=dict(children), keys=dict(where)) if children else None


def _with(node: Node, key: str, value: Node) -> Node:
    keys = {key: value.place, **node.keys}
    return Node(node.place, children={**(node.children or {}), key: value}, keys=keys)


def _without(node: Node, key: str) -> Node:
    if node.children is None or key not in node.children:
        return node
    children = {name: child for name, child in node.children.items() if name != key}
    keys = {name: place for name, place in node.keys.items() if name != key}
    return Node(node.place, children=children, keys=keys)


def _renamed(node: Node, rename: _Rename) -> Node:
    if node.children is None:
        return node
    keys = {rename(name): place for name, place in node.keys.items()}
    return Node(node.place, children={rename(name): child for name, child in node.children.items()}, keys=keys)


def _text(node: Node, change: _Rename) -> Node:
    """A name, or a list of names, changed."""
    if node.items is not None:
        return Node(node.place, items=[_text(item, change) for item in node.items])
    return Node(node.place, change(node.value)) if isinstance(node.value, str) else node


def _filled(section: str, node: Node | None) -> Data:
    """A section with its defaults; as it is written where it is wrong, which is told later."""
    model = {**_SHARED, **_MEMBERS}[section]
    data: Data = {} if node is None else node.data()
    try:
        filled: Data = model.model_validate(data).model_dump(mode="json", by_alias=True)
    except ValidationError:
        return data
    return filled


def _leaves(data: Data, path: Path) -> Iterator[tuple[Path, Data]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _leaves(value, (*path, key))
    else:
        yield path, data


def _settled(own: Node, path: Path) -> bool:
    """Whether the combining recipe says itself what holds at `path`, or says that nothing does."""
    node = own
    for step in path:
        found = node.child(step)
        if found is None:
            return node.children is None
        node = found
    return True


def _nearest(node: Node | None, path: Path) -> Place | None:
    for step in path:
        found = node.child(step) if node is not None else None
        if found is None:
            break
        node = found
    return node.place if node is not None else None


def _word(value: Data) -> str:
    return "nothing" if value is None else str(value)
