"""Showing: a recipe with its defaults filled in, and a plan in a few lines, as text for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from .document import Path
from .plan import Plan, Row, digest
from .recipe import Recipe


def data(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain data, by the language's own words; what has no value is left out."""
    # pydantic warns of templates that stand for numbers
    dumped = recipe.schema.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    return _without_empty(dumped)


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    inner = {key: _without_empty(value) if isinstance(value, dict) else value for key, value in data.items()}
    return {key: value for key, value in inner.items() if value not in ({}, [])}


def text(recipe: Recipe, origins: bool = False) -> str:
    """The recipe as YAML; with `origins`, each value is followed by where it came from."""
    return "\n".join(_lines(recipe, data(recipe), (), origins))


def _lines(recipe: Recipe, value: dict[str, Any], path: Path, origins: bool) -> Iterator[str]:
    indent = "  " * len(path)
    for key, inner in value.items():
        here = (*path, key)
        if isinstance(inner, dict) and inner:
            yield f"{indent}{key}:"
            yield from _lines(recipe, cast(dict[str, Any], inner), here, origins)
        else:
            line = f"{indent}{key}: {json.dumps(inner, ensure_ascii=False)}"
            yield f"{line}  # {_origin(recipe, here)}" if origins else line


def _origin(recipe: Recipe, path: Path) -> str:
    key = ".".join(str(step) for step in path)
    for assignment in reversed(recipe.sets):
        name = assignment.partition("=")[0].strip()
        if key == name or key.startswith(f"{name}."):
            return f"--set {name}"
    inner: object = recipe.document.data
    for step in path:
        if not isinstance(inner, dict) or step not in inner:
            return "default"
        inner = cast(dict[object, object], inner)[step]
    place = recipe.document.place(path)
    return f"{place.file}:{place.line}"


def summary(plan: Plan) -> str:
    """What would run, in a few lines."""
    pictures = plan.train.steps * plan.train.batch * plan.train.accumulate
    looked = len(plan.test_rows) * len(plan.evaluate.seeds)
    views = max((len({ask.see for ask in row.asks}) for row in plan.train_rows), default=0)
    lines = [
        f"{plan.name}  {digest(plan)}",
        f"  generator  {plan.generator.model.address}, {plan.generator.width} × {plan.generator.height}, "
        f"{plan.generator.steps} sampler steps, {_megabytes(plan)} of weights with its critics and judges",
        f"  prompts    {len(plan.train_rows)} to train on, {len(plan.validate_rows)} to look at on the way, "
        f"{len(plan.test_rows)} held out",
        f"  training   at most {plan.train.steps} steps, {pictures} pictures, {views} views of each by every critic",
        f"  evaluation {looked} pictures at scales {', '.join(f'{scale:g}' for scale in plan.evaluate.scales)}",
        "  questions  as the first prompt renders them:",
        *_questions(plan.train_rows[0], plan),
    ]
    return "\n".join(lines)


def _questions(row: Row, plan: Plan) -> Iterator[str]:
    yield f"    “{row.prompt}”"
    kinds = {question.name: question for question in plan.questions}
    for ask in row.asks:
        question = kinds[ask.question]
        role = (
            "watched" if question.watch else f"held at {question.hold:g}" if question.hold else f"× {question.weight:g}"
        )
        against = f", not {' or '.join(ask.against)}" if ask.against else ""
        yield f"    {ask.question} ({role}): {ask.wordings[0]} → {' or '.join(ask.answers)}{against}"


def _megabytes(plan: Plan) -> str:
    import pathlib

    models = {m.folder: m for m in (plan.generator.model, *(c.model for c in (*plan.critics, *plan.judges)))}
    sizes = [
        (pathlib.Path(folder) / name).stat().st_size
        for folder, model in models.items()
        for name, _ in model.files
        if name.endswith(".safetensors")
    ]
    return f"{sum(sizes) / 1e6:.0f} MB"
