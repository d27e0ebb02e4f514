"""Results: the figures of a run as the one JSON object that `--json` prints, in the order the recipe writes things."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from . import plan as plans
from .figures import Belief, Evaluation, Share
from .plan import Plan
from .recipe import Recipe
from .schema import Schema


@dataclass(frozen=True, slots=True)
class Goal:
    measure: str | None
    question: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    before: Share
    after: Share


@dataclass(frozen=True, slots=True)
class Question:
    critics: dict[str, Asked]
    judges: dict[str, Asked]


@dataclass(frozen=True, slots=True)
class Measure:
    before: float
    after: float
    pictures: int
    interval: tuple[float, float]  # 95 %, of after


@dataclass(frozen=True, slots=True)
class Expected:
    wanted: str
    got: float
    met: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What a run or an evaluation came to. Paths are absolute, or None where there is none."""

    name: str
    digest: str
    goal: Goal | None
    adapter: str | None
    tensors_sha256: str
    lock: str | None
    report: str | None
    steps: int | None
    stopped: str | None
    seconds: float
    questions: dict[str, Question]
    measures: dict[str, Measure]
    expect: dict[str, Expected]

    @property
    def met(self) -> bool:
        """Whether every expectation holds; true when there are none."""
        return all(expected.met for expected in self.expect.values())

    def json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)


def read(path: Path) -> Result:
    """Read what `Result.json` wrote."""
    return TypeAdapter(Result).validate_json(path.read_bytes())


def result(
    recipe: Recipe | None,
    plan: Plan,
    found: Evaluation,
    *,
    adapter: Path | None,
    lock: Path | None,
    report: Path | None,
    steps: int | None,
    stopped: str | None,
    seconds: float,
) -> Result:
    """Put an evaluation's figures into the recipe's order; without a recipe, into the plan's."""
    measured = {measure.name: measure for measure in found.measures}
    verdicts = {verdict.name: verdict for verdict in found.expect}
    questions, listed, members, expected = _order(recipe, plan)
    return Result(
        name=plan.name,
        digest=plans.digest(plan),
        goal=Goal(plan.goal_measure or None, plan.goal_question or None)
        if plan.goal_measure or plan.goal_question
        else None,
        adapter=_text(adapter),
        tensors_sha256=found.tensors_sha256,
        lock=_text(lock),
        report=_text(report),
        steps=steps,
        stopped=stopped,
        seconds=seconds,
        questions={
            name: _question([belief for belief in found.beliefs if belief.question == name], members)
            for name in questions
        },
        measures={
            name: Measure(measured[name].before, measured[name].after, measured[name].pictures, measured[name].interval)
            for name in listed
        },
        expect={name: Expected(verdicts[name].wanted, verdicts[name].got, verdicts[name].met) for name in expected},
    )


def _order(recipe: Recipe | None, plan: Plan) -> tuple[list[str], list[str], list[str], list[str]]:
    """Names of questions, measures, critics with judges, and expectations, as they are to be listed."""
    written = None if recipe is None else recipe.schema
    if isinstance(written, Schema):
        return [*written.questions], [*written.measures], [*written.critics, *written.judges], [*written.expect]
    parts = (plan.questions, plan.measures, (*plan.critics, *plan.judges), plan.expect)
    questions, listed, members, expected = ([one.name for one in part] for part in parts)
    return questions, listed, members, expected


def _question(beliefs: Iterable[Belief], order: list[str]) -> Question:
    sorted_beliefs = sorted(beliefs, key=lambda belief: order.index(belief.critic))
    return Question(
        {belief.critic: Asked(belief.before, belief.after) for belief in sorted_beliefs if not belief.judge},
        {belief.critic: Asked(belief.before, belief.after) for belief in sorted_beliefs if belief.judge},
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())
