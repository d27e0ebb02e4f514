"""Rows of the plan: a prompt, what is asked and measured of its pictures, and the drawings that questions see.

A plan may have 100,000 rows: what is alike between them is rendered, checked and held once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, final

from . import answers, plan, prompts, rendering, schema
from .kept import Kept
from .problems import Problems
from .scopes import hidden, owner, variables
from .template import Value

T = TypeVar("T")
Key = tuple[str, rendering.Drawn]  # a visual, and what it comes to


@dataclass(frozen=True, slots=True, eq=False)  # the same one for all rows alike: told apart by identity, at no cost
class Posed:
    """A question as it is asked of rows, still naming visuals."""

    name: str
    asked: rendering.Asked
    seen: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row whose asks still name visuals."""

    prompted: prompts.Prompted
    asks: tuple[Posed, ...]
    targets: tuple[plan.Target, ...]


@final
class Rows:
    """Renders row after row, and gathers the drawings that its questions see."""

    def __init__(
        self, chosen: schema.Schema, renderer: rendering.Renderer, readers: list[answers.Reader], problems: Problems
    ) -> None:
        self.chosen, self.renderer, self.readers, self.problems = chosen, renderer, readers, problems
        self.drawn: dict[str, set[rendering.Drawn]] = defaultdict(set)
        self.visuals = {
            name: Kept(renderer.texts("visuals", name), partial(renderer.visual, name)) for name in chosen.visuals
        }
        self.questions = {
            name: Kept(_texts(question), partial(self._question, name, question))
            for name, question in sorted(chosen.questions.items())
        }
        self.measures = {
            name: Kept(renderer.texts("measures", name), partial(self._target, name))
            for name in sorted(chosen.measures)
        }
        # by identity: what is kept stays one object for all rows alike, which tells it apart at no cost
        self._seen: dict[tuple[int, ...], tuple[Key, ...]] = {}
        self._posed: dict[tuple[int, int], Posed] = {}
        self._owners = {name: owner(name) for part in (self.visuals, self.questions, self.measures) for name in part}
        self._variables = {recipe: variables(chosen.vars, recipe) for recipe in set(self._owners.values())}
        self._hidden = {recipe for recipe in self._variables if recipe and hidden(chosen.vars, recipe)}
        self._see = {name: question.see for name, question in chosen.questions.items()}
        self._asked_by = {name: self._readers_of(question) for name, question in chosen.questions.items()}

    def row(self, row: prompts.Prompted) -> Row:
        scopes = {recipe: self._scope(recipe, row) for recipe in self._variables}

        def told(name: str, kept: Kept[T]) -> T:
            """What a part comes to for this row, in the scope of the recipe that it came from."""
            scope, self.renderer.lenient = scopes[owners[name]]
            return kept(scope, self.renderer.lenient)

        owners = self._owners
        # those that nothing sees may be wrong too
        visuals = {name: told(name, kept) for name, kept in self.visuals.items()}
        asks: list[Posed] = []
        for name, kept in self.questions.items():
            posed, see = told(name, kept), self._see[name]
            if posed is None:
                continue
            if see:
                if self.renderer.lenient and any(visuals.get(visual) is None for visual in see):
                    continue
                posed = self._seeing(posed, self._shown(see, visuals), row.prompt, kept.of_one_row)
            asks.append(posed)
        targets = [target for name, kept in self.measures.items() if (target := told(name, kept)) is not None]
        return Row(row, tuple(asks), tuple(targets))

    def _scope(self, recipe: str, row: prompts.Prompted) -> tuple[dict[str, Value], bool]:
        """The variables that a combined recipe's parts see, and whether this row may lack some of them."""
        # another recipe's row may lack variables: then nothing of this one is asked there
        lenient = recipe != "" and (recipe not in row.of or recipe in self._hidden)
        return {**self._variables[recipe], **row.variables, "prompt": row.prompt}, lenient

    def drawings(self) -> tuple[plan.Drawing, ...]:
        """All drawings, sorted by key."""
        made = (
            plan.Drawing(key, one.kind, one.parameters, one.asset, one.sha256, one.source)
            for (_, one), key in self._keys().items()
        )
        return tuple(sorted(made, key=lambda drawing: drawing.key))

    def finished(self, rows: Iterable[Row]) -> tuple[plan.Row, ...]:
        """Rows as the plan has them, once all are rendered: a drawing's key says whether there are others."""
        keys, made = self._keys(), dict[Posed, plan.Ask]()
        see = {id(seen): tuple([keys[one] for one in seen]) for seen in self._seen.values()}
        return tuple([_finished(row, see, made) for row in rows])

    def _keys(self) -> dict[Key, str]:
        return {
            (visual, drawn): visual if len(drawings) == 1 else f"{visual}#{rendering.key(drawn)}"
            for visual, drawings in self.drawn.items()
            for drawn in drawings
        }

    def _question(self, name: str, question: schema.Question, variables: Mapping[str, Value]) -> Posed | None:
        """A question as it is asked; one that sees visuals is checked once it is known what these come to."""
        asked = self.renderer.question(name, question, variables)
        if asked is not None and not question.see:
            self._check(name, asked, (), variables["prompt"])
        return None if asked is None else Posed(name, asked, ())

    def _shown(self, see: Iterable[str], visuals: Mapping[str, rendering.Drawn | None]) -> tuple[Key, ...]:
        """The drawings that a question sees of a row; one object for all rows that show it the same."""
        found = [(visual, drawn) for visual in see if (drawn := visuals.get(visual)) is not None]
        key = tuple([id(drawn) for _, drawn in found])
        if key not in self._seen:
            self._seen[key] = tuple(found)
            for visual, drawn in found:
                self.drawn[visual].add(drawn)
        return self._seen[key]

    def _seeing(self, posed: Posed, seen: tuple[Key, ...], prompt: str, of_one_row: bool) -> Posed:
        """A question with what it sees; one object for all rows alike in both."""
        key = id(posed), id(seen)
        if not of_one_row and key in self._posed:
            return self._posed[key]
        beside = tuple([drawn.beside for _, drawn in seen if drawn.kind == "reference"])
        self._check(posed.name, posed.asked, beside, prompt)
        made = Posed(posed.name, posed.asked, seen)
        if not of_one_row:
            self._posed[key] = made
        return made

    def _target(self, name: str, variables: Mapping[str, Value]) -> plan.Target | None:
        parameters = self.renderer.measure(name, variables)
        return None if parameters is None else plan.Target(name, parameters)

    def _readers_of(self, question: schema.Question) -> list[answers.Reader]:
        silent = set(self.chosen.critics) - set(question.critics or self.chosen.critics)
        return [one for one in self.readers if one.name not in silent]

    def _check(self, name: str, asked: rendering.Asked, references: answers.Sizes, prompt: Value) -> None:
        answers.check(name, asked, references, self._asked_by[name], self.problems, prompt)


def _texts(question: schema.Question) -> list[str]:
    return [*question.ask, question.suffix, *question.answer, *(question.against or ())]


def _finished(row: Row, see: Mapping[int, tuple[str, ...]], made: dict[Posed, plan.Ask]) -> plan.Row:
    for posed in row.asks:
        if posed not in made:
            asked = posed.asked
            made[posed] = plan.Ask(
                posed.name, asked.wordings, asked.answers, asked.against, see.get(id(posed.seen), ())
            )
    plainly = [(name, value) for name, value in row.prompted.variables.items() if not isinstance(value, (list, tuple))]
    asks = tuple([made[posed] for posed in row.asks])
    return plan.Row(row.prompted.prompt, tuple(sorted(plainly)), asks, row.targets)
