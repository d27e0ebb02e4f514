"""Rows of the plan: a prompt, what is asked and measured of its pictures, and the drawings that questions see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from . import answers, plan, prompts, rendering, schema
from .problems import Problems
from .scopes import owner, variables
from .template import Value


@dataclass(frozen=True, slots=True)
class Row:
    """A row whose asks still name visuals."""

    prompted: prompts.Prompted
    asks: tuple[tuple[str, rendering.Asked], ...]
    see: Mapping[str, tuple[tuple[str, rendering.Drawn], ...]]  # by question
    targets: tuple[plan.Target, ...]

    def finished(self, keys: Mapping[tuple[str, rendering.Drawn], str]) -> plan.Row:
        asks = (
            plan.Ask(name, asked.wordings, asked.answers, asked.against, tuple(keys[seen] for seen in self.see[name]))
            for name, asked in self.asks
        )
        plainly = {
            name: value for name, value in self.prompted.variables.items() if not isinstance(value, (list, tuple))
        }
        return plan.Row(self.prompted.prompt, tuple(sorted(plainly.items())), tuple(asks), self.targets)


@final
class Rows:
    """Renders row after row, and gathers the drawings that its questions see."""

    def __init__(
        self, chosen: schema.Schema, renderer: rendering.Renderer, readers: list[answers.Reader], problems: Problems
    ) -> None:
        self.chosen, self.renderer, self.readers, self.problems = chosen, renderer, readers, problems
        self.drawn: dict[str, set[rendering.Drawn]] = defaultdict(set)
        self.checked: set[tuple[str, rendering.Asked, answers.Sizes]] = set()

    def row(self, row: prompts.Prompted) -> Row:
        scoped: dict[str, dict[str, Value]] = {}

        def seen_by(name: str) -> dict[str, Value]:
            recipe = owner(name)
            if recipe not in scoped:
                scoped[recipe] = {**variables(self.chosen.vars, recipe), **row.variables, "prompt": row.prompt}
            # another recipe's row may lack variables: then nothing of this one is asked there
            self.renderer.lenient = recipe != "" and recipe not in row.of
            return scoped[recipe]

        visuals = {name: self.renderer.visual(name, seen_by(name)) for name in self.chosen.visuals}
        asks: list[tuple[str, rendering.Asked]] = []
        see: dict[str, tuple[tuple[str, rendering.Drawn], ...]] = {}
        for name, question in sorted(self.chosen.questions.items()):
            asked = self.renderer.question(name, question, seen_by(name))
            if asked is None or (self.renderer.lenient and any(visuals.get(visual) is None for visual in question.see)):
                continue
            seen = [(visual, drawn) for visual in question.see if (drawn := visuals.get(visual)) is not None]
            self._check(name, question, asked, tuple(drawn.beside for _, drawn in seen if drawn.kind == "reference"))
            for visual, drawn in seen:
                self.drawn[visual].add(drawn)
            asks.append((name, asked))
            see[name] = tuple(seen)
        targets = [(name, self.renderer.measure(name, seen_by(name))) for name in sorted(self.chosen.measures)]
        made = tuple(plan.Target(name, parameters) for name, parameters in targets if parameters is not None)
        return Row(row, tuple(asks), see, made)

    def drawings(self) -> tuple[tuple[plan.Drawing, ...], dict[tuple[str, rendering.Drawn], str]]:
        """All drawings, sorted by key, and the key of each."""
        keys = {
            (visual, drawn): visual if len(drawings) == 1 else f"{visual}#{rendering.key(drawn)}"
            for visual, drawings in self.drawn.items()
            for drawn in drawings
        }
        made = (
            plan.Drawing(key, one.kind, one.parameters, one.asset, one.sha256, one.source)
            for (_, one), key in keys.items()
        )
        return tuple(sorted(made, key=lambda drawing: drawing.key)), keys

    def _check(self, name: str, question: schema.Question, asked: rendering.Asked, references: answers.Sizes) -> None:
        if (name, asked, references) in self.checked:
            return
        self.checked.add((name, asked, references))
        silent = set(self.chosen.critics) - set(question.critics or self.chosen.critics)
        answers.check(name, asked, references, [one for one in self.readers if one.name not in silent], self.problems)
