"""Rows of the plan: a prompt, what is asked and measured of its pictures, and the drawings that questions see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from . import answers, plan, prompts, rendering, schema
from .problems import Problems, shown
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
        self.checked: set[tuple[str, rendering.Asked, int]] = set()

    def row(self, row: prompts.Prompted) -> Row:
        variables: dict[str, Value] = {**self.chosen.vars, **row.variables, "prompt": row.prompt}
        visuals = {name: self.renderer.visual(name, variables) for name in self.chosen.visuals}
        asks: list[tuple[str, rendering.Asked]] = []
        see: dict[str, tuple[tuple[str, rendering.Drawn], ...]] = {}
        for name, question in sorted(self.chosen.questions.items()):
            asked = self.renderer.question(name, question, variables)
            if asked is None:
                continue
            seen = [(visual, drawn) for visual in question.see if (drawn := visuals.get(visual)) is not None]
            self._check(name, question, asked, sum(drawn.kind == "reference" for _, drawn in seen), row.prompt)
            for visual, drawn in seen:
                self.drawn[visual].add(drawn)
            asks.append((name, asked))
            see[name] = tuple(seen)
        targets = [(name, self.renderer.measure(name, variables)) for name in sorted(self.chosen.measures)]
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

    def _check(
        self, name: str, question: schema.Question, asked: rendering.Asked, references: int, prompt: str
    ) -> None:
        if (name, asked, references) in self.checked:
            return
        self.checked.add((name, asked, references))
        silent = set(self.chosen.critics) - set(question.critics or self.chosen.critics)
        readers = [one for one in self.readers if one.name not in silent]
        answers.check(name, asked, references, readers, self.problems, f"for the prompt {shown(prompt)}")
