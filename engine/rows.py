"""Rows of the plan: a prompt, what is asked and measured of its pictures, and the drawings that questions see.

A plan may have 100,000 rows: what is alike between them is rendered, checked and held once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import final

from . import answers, plan, prompts, rendering, schema
from .kept import Kept
from .problems import Problems
from .template import Value

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
        self.checked: set[tuple[str, rendering.Asked, int]] = set()
        self.visuals = {
            name: Kept(renderer.texts("visuals", name), partial(renderer.visual, name)) for name in chosen.visuals
        }
        self.questions = [
            Kept(self._texts(question), partial(self._posed, name, question))
            for name, question in sorted(chosen.questions.items())
        ]
        self.measures = [
            Kept(renderer.texts("measures", name), partial(self._target, name)) for name in sorted(chosen.measures)
        ]

    def row(self, row: prompts.Prompted) -> Row:
        variables: dict[str, Value] = {**self.chosen.vars, **row.variables, "prompt": row.prompt}
        for visual in self.visuals.values():  # those that nothing sees may be wrong too
            visual(variables)
        asks = [posed for question in self.questions if (posed := question(variables)) is not None]
        targets = [target for measure in self.measures if (target := measure(variables)) is not None]
        return Row(row, tuple(asks), tuple(targets))

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
        return tuple(_finished(row, keys, made) for row in rows)

    def _keys(self) -> dict[Key, str]:
        return {
            (visual, drawn): visual if len(drawings) == 1 else f"{visual}#{rendering.key(drawn)}"
            for visual, drawings in self.drawn.items()
            for drawn in drawings
        }

    def _texts(self, question: schema.Question) -> list[str]:
        of_visuals = [
            text for visual in question.see if visual in self.visuals for text in self.renderer.texts("visuals", visual)
        ]
        return [*question.ask, question.suffix, *question.answer, *(question.against or ()), *of_visuals]

    def _posed(self, name: str, question: schema.Question, variables: Mapping[str, Value]) -> Posed | None:
        asked = self.renderer.question(name, question, variables)
        if asked is None:
            return None
        visuals = [(visual, self.visuals[visual](variables)) for visual in question.see if visual in self.visuals]
        seen = tuple((visual, drawn) for visual, drawn in visuals if drawn is not None)
        self._check(name, question, asked, sum(drawn.kind == "reference" for _, drawn in seen))
        for visual, drawn in seen:
            self.drawn[visual].add(drawn)
        return Posed(name, asked, seen)

    def _target(self, name: str, variables: Mapping[str, Value]) -> plan.Target | None:
        parameters = self.renderer.measure(name, variables)
        return None if parameters is None else plan.Target(name, parameters)

    def _check(self, name: str, question: schema.Question, asked: rendering.Asked, references: int) -> None:
        if (name, asked, references) in self.checked:
            return
        self.checked.add((name, asked, references))
        silent = set(self.chosen.critics) - set(question.critics or self.chosen.critics)
        answers.check(name, asked, references, [one for one in self.readers if one.name not in silent], self.problems)


def _finished(row: Row, keys: Mapping[Key, str], made: dict[Posed, plan.Ask]) -> plan.Row:
    for posed in row.asks:
        if posed not in made:
            asked = posed.asked
            see = tuple(keys[seen] for seen in posed.seen)
            made[posed] = plan.Ask(posed.name, asked.wordings, asked.answers, asked.against, see)
    plainly = [(name, value) for name, value in row.prompted.variables.items() if not isinstance(value, (list, tuple))]
    asks = tuple([made[posed] for posed in row.asks])
    return plan.Row(row.prompted.prompt, tuple(sorted(plainly)), asks, row.targets)
