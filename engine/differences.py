"""Differences: what changed in meaning between two recipes, locks or adapters, in words, from their plans alone."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TypeVar, cast

from . import lock as locks
from .errors import InputError, Place, Problem
from .plan import Critic, Drawing, Expectation, Measure, Model, Plan, Question, Row, digest, parse

SECTIONS = ("loss", "data", "models", "training", "evaluation")
_T = TypeVar("_T", Question, Critic, Measure, Expectation)
_EXAMPLES = 3  # prompts that are named where many changed
_LISTED = 8  # values that are listed; of more the number is told
_LARGEST_HEADER = 2**26  # bytes


@dataclass(frozen=True, slots=True)
class Differences:
    """Sentences by section; without any the two plans are one."""

    loss: tuple[str, ...]
    data: tuple[str, ...]
    models: tuple[str, ...]
    training: tuple[str, ...]
    evaluation: tuple[str, ...]
    digests: tuple[str, str]

    @property
    def same(self) -> bool:
        """Whether both mean the same."""
        return self.digests[0] == self.digests[1]


def between(old: Plan, new: Plan) -> Differences:
    """What changed from `old` to `new`."""
    return Differences(
        loss=tuple(_loss(old, new)),
        data=tuple(_data(old, new)),
        models=tuple(_models(old, new)),
        training=(*_fields(old.train, new.train, "", {"stay", "stop"}), *_stop(old, new), *_adapter(old, new)),
        evaluation=tuple(_evaluation(old, new)),
        digests=(digest(old), digest(new)),
    )


def text(found: Differences, prose: str) -> str:
    """The differences for people; `prose` is what to say where there are none."""
    lines = [
        f"{name}:\n" + "\n".join(f"  {line}" for line in said) for name in SECTIONS if (said := getattr(found, name))
    ]
    if found.same:
        return prose
    return "\n".join(lines) or "the plans differ in what no words are known for: compare `recipe plan --json`"


def of_lock(path: Path) -> Plan:
    """The plan that a lock holds; `InputError` where there is none."""
    if not path.is_file():
        raise InputError([Problem(Place(str(path)), "", "there is no such file")])
    return parse(locks.read(path).inputs.plan, str(path))


def of_adapter(path: Path) -> Plan:
    """The plan that an adapter carries inside; `InputError` where the file is none of ours."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header: object = json.loads(file.read(min(size, _LARGEST_HEADER)))
        metadata = cast(Mapping[str, object], header).get("__metadata__") if isinstance(header, dict) else None
    except (OSError, ValueError, RecursionError, struct.error) as error:
        raise InputError([Problem(Place(str(path)), "", f"is no adapter that can be read: {error}")]) from error
    inputs = metadata.get("control_recipes.inputs") if isinstance(metadata, dict) else None
    if not isinstance(inputs, str):
        raise InputError([Problem(Place(str(path)), "", "carries no recipe: `recipe run` did not write it")])
    return parse(inputs, str(path))


# --- the loss ---


def _loss(old: Plan, new: Plan) -> Iterator[str]:
    yield from _entries(old.questions, new.questions, "question", _role)
    for was, now in _common(old.questions, new.questions):
        if _role(was) != _role(now):
            yield f"question {was.name}: was {_role(was)}, is now {_role(now)}"
        if was.critics != now.critics:
            yield f"question {was.name}: was put to {', '.join(was.critics)}, is now put to {', '.join(now.critics)}"
        yield from _asked(was.name, old, new)
    yield from _entries(old.critics, new.critics, "critic", lambda one: f"{one.model.address}, weight {one.weight:g}")
    for was, now in _common(old.critics, new.critics):
        yield from _changed(f"critic {was.name}: weight", was.weight, now.weight)
    yield from _drawings(old, new)
    yield from _changed("stay: weight", old.train.stay, new.train.stay)


def _role(question: Question) -> str:
    if question.watch:
        return "watched"
    return (f"a hold at {question.hold:g}, " if question.hold else "") + f"weight {question.weight:g}"


def _asked(name: str, old: Plan, new: Plan) -> Iterator[str]:
    """How one question's wording, answers and views changed, on the first prompt of both where they did."""
    before, after = _rows(old), _rows(new)
    seen: set[str] = set()
    for prompt in (prompt for prompt in before if prompt in after):
        was, now = ({ask.question: ask for ask in rows[prompt].asks}.get(name) for rows in (before, after))
        if was is None or now is None:
            if was is not now and "asked" not in seen:
                seen.add("asked")
                yield f"question {name}: is {'no longer' if now is None else 'now'} asked for “{prompt}”"
            continue
        for what in ("wordings", "answers", "against"):
            if getattr(was, what) != getattr(now, what) and what not in seen:
                seen.add(what)
                word = {"wordings": "wording", "answers": "answer"}.get(what, what)
                yield f"question {name}: {word} {_quoted(getattr(was, what))} is now {_quoted(getattr(now, what))}"
        views = [tuple(key.partition("#")[0] for key in ask.see) for ask in (was, now)]
        if views[0] != views[1] and "see" not in seen:
            seen.add("see")
            yield f"question {name}: sees {', '.join(views[1]) or 'nothing'}, saw {', '.join(views[0]) or 'nothing'}"


def _quoted(texts: Sequence[str]) -> str:
    return " / ".join(f"“{one}”" for one in texts) or "none"


def _drawings(old: Plan, new: Plan) -> Iterator[str]:
    before, after = _visuals(old), _visuals(new)
    for name in sorted(before.keys() & after.keys()):
        was, now = before[name], after[name]
        if len(was) == len(now) == 1 and was[0].kind == now[0].kind:
            first, second = dict(was[0].parameters), dict(now[0].parameters)
            for key in sorted(first.keys() | second.keys()):
                yield from _changed(f"visual {name}: {key}", first.get(key), second.get(key))
            if was[0].sha256 != now[0].sha256:
                yield f"visual {name}: the picture is another ({was[0].asset}, now {now[0].asset})"
        elif [_shape(one) for one in was] != [_shape(one) for one in now]:
            yield f"visual {name}: is drawn differently"


def _shape(one: Drawing) -> object:
    return one.kind, one.parameters, one.sha256


def _visuals(plan: Plan) -> dict[str, list[Drawing]]:
    found: dict[str, list[Drawing]] = {}
    for one in plan.drawings:
        found.setdefault(one.key.partition("#")[0], []).append(one)
    return found


# --- the data ---


def _rows(plan: Plan) -> dict[str, Row]:
    return {row.prompt: row for row in (*plan.train_rows, *plan.validate_rows, *plan.test_rows)}


def _data(old: Plan, new: Plan) -> Iterator[str]:
    for name, was, now in (
        ("train", old.train_rows, new.train_rows),
        ("validate", old.validate_rows, new.validate_rows),
        ("test", old.test_rows, new.test_rows),
    ):
        before, after = ({row.prompt: row for row in rows} for rows in (was, now))
        yield from _prompts(f"{name}: new", [prompt for prompt in after if prompt not in before])
        yield from _prompts(f"{name}: gone", [prompt for prompt in before if prompt not in after])
        both = [prompt for prompt in before if prompt in after]
        yield from _prompts(
            f"{name}: other variables for", [p for p in both if before[p].variables != after[p].variables]
        )
        if before == after and was != now:
            yield f"{name}: the prompts stand in another order"


def _prompts(head: str, prompts: list[str]) -> Iterator[str]:
    if prompts:
        named = ", ".join(f"“{prompt}”" for prompt in prompts[:_EXAMPLES])
        more = f" and {len(prompts) - _EXAMPLES} more" if len(prompts) > _EXAMPLES else ""
        yield f"{head} {len(prompts)} prompt{'s' if len(prompts) > 1 else ''}: {named}{more}"


# --- models, training, evaluation ---


def _models(old: Plan, new: Plan) -> Iterator[str]:
    yield from _model("generator", old.generator.model, new.generator.model)
    yield from _fields(old.generator, new.generator, "generator: ", {"model"})
    yield from _entries(old.judges, new.judges, "judge", lambda one: one.model.address)
    members: Sequence[tuple[str, tuple[Critic, ...], tuple[Critic, ...]]]
    members = (("critic", old.critics, new.critics), ("judge", old.judges, new.judges))
    for kind, was, now in members:
        for one, other in _common(was, now):
            yield from _model(f"{kind} {one.name}", one.model, other.model)
            yield from _fields(one, other, f"{kind} {one.name}: ", {"name", "model", "weight"})


def _model(head: str, was: Model, now: Model) -> Iterator[str]:
    if was.address != now.address:
        yield f"{head}: {was.address} is now {now.address}"
    elif (was.files, was.revision, was.family) != (now.files, now.revision, now.family):
        yield f"{head}: {was.address} holds other files"


def _stop(old: Plan, new: Plan) -> Iterator[str]:
    was, now = old.train.stop, new.train.stop
    if was.by != now.by:
        yield f"stop: {_thresholds(was.by)} is now {_thresholds(now.by)}"
    yield from _changed("stop: patience", was.patience, now.patience)


def _thresholds(by: Sequence[tuple[str, str, float]]) -> str:
    return ", ".join(f"{question} ≥ {p:g}" + (f" by {who}" if who else "") for who, question, p in by) or "never early"


def _adapter(old: Plan, new: Plan) -> Iterator[str]:
    yield from _fields(old.adapter, new.adapter, "adapter: ", set())


def _evaluation(old: Plan, new: Plan) -> Iterator[str]:
    yield from _changed("name", old.name, new.name)
    yield from _changed("goal: measure", old.goal_measure, new.goal_measure)
    yield from _changed("goal: question", old.goal_question, new.goal_question)
    yield from _entries(old.measures, new.measures, "measure", lambda one: one.kind)
    before, after = ({row.prompt: row for row in plan.test_rows} for plan in (old, new))
    for was, _ in _common(old.measures, new.measures):
        for prompt in (prompt for prompt in before if prompt in after):
            one, other = ({t.measure: t for t in rows[prompt].targets}.get(was.name) for rows in (before, after))
            if one != other:
                first, second = (dict(target.parameters) if target else {} for target in (one, other))
                for key in sorted(first.keys() | second.keys()):
                    yield from _changed(f"measure {was.name}: {key}", first.get(key), second.get(key))
                break
    yield from _fields(old.evaluate, new.evaluate, "", set())
    yield from _entries(
        old.expect, new.expect, "expectation", lambda one: f"{one.bound.replace('_', ' ')} {one.value:g}"
    )
    for was, now in _common(old.expect, new.expect):
        yield from _fields(was, now, f"expect {was.name}: ", {"name"})


# --- words ---


def _common(old: Sequence[_T], new: Sequence[_T]) -> list[tuple[_T, _T]]:
    later = {one.name: one for one in new}
    return [(one, later[one.name]) for one in old if one.name in later]


def _entries(old: Sequence[_T], new: Sequence[_T], kind: str, said: Callable[[_T], str]) -> Iterator[str]:
    before, after = {one.name for one in old}, {one.name for one in new}
    yield from (f"{kind} {one.name}: is new ({said(one)})" for one in new if one.name not in before)
    yield from (f"{kind} {one.name}: is gone ({said(one)})" for one in old if one.name not in after)


def _fields(old: object, new: object, head: str, left_out: set[str]) -> Iterator[str]:
    """Every plain field of two dataclasses of one type that differs, those within them as well."""
    if not is_dataclass(old):
        return
    for field in fields(old):
        was, now = getattr(old, field.name), getattr(new, field.name)
        if field.name in left_out or was == now:
            continue
        if is_dataclass(was):
            yield from _fields(was, now, f"{head}{field.name}: ", set())
        else:
            yield from _changed(f"{head}{field.name}", was, now)


def _changed(what: str, was: object, now: object) -> Iterator[str]:
    if was == now:
        return
    if _many(was) or _many(now):  # of many values their number is told, which is no value itself
        yield f"{what}: {_value(was)} before, {_value(now)} now"
    else:
        yield f"{what} was {_value(was)}, is now {_value(now)}"


def _many(value: object) -> bool:
    return isinstance(value, tuple) and len(cast(tuple[object, ...], value)) > _LISTED


def _value(value: object) -> str:
    if isinstance(value, tuple):
        listed = cast(tuple[object, ...], value)
        return f"{len(listed)} values" if _many(listed) else ", ".join(_value(one) for one in listed) or "nothing"
    if isinstance(value, float):
        return f"{value:g}"
    return "nothing" if value in (None, "") else str(value)
