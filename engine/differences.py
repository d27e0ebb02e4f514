"""Differences: what changed in meaning from one plan to another, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import rowwise
from .plan import Critic, Expectation, Parent, Plan, Question, Replay, digest
from .rowwise import Facts
from .sentences import assets, changed, common, entries, model, of_fields, value

SECTIONS = ("loss", "data", "models", "training", "evaluation")
NO_WORDS = "the plans differ in what no words are known for: compare `recipe plan --json`"


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
    digests = digest(old), digest(new)
    if digests[0] == digests[1]:
        return Differences((), (), (), (), (), digests)
    sets = [(name, rowwise.matched(*(getattr(plan, f"{name}_rows") for plan in (old, new)))) for name in rowwise.SETS]
    asked = rowwise.asked(old, new, [rows for _, rows in sets], _in_both(old, new))
    seen = rowwise.firsts(old), rowwise.firsts(new)
    return Differences(
        loss=tuple(_loss(old, new, asked, seen)),
        data=tuple(line for name, rows in sets for line in rowwise.of_set(name, rows)),
        models=tuple(_models(old, new)),
        training=tuple(_training(old, new)),
        evaluation=tuple(_evaluation(old, new, asked, seen)),
        digests=digests,
    )


def text(found: Differences, same: str) -> str:
    """The differences for people; `same` is what to say where there are none."""
    if found.same:
        return same
    parts = [(name, said) for name in SECTIONS if (said := getattr(found, name))]
    return "\n".join(f"{name}:\n" + "\n".join(f"  {line}" for line in said) for name, said in parts) or NO_WORDS


def lines(found: Differences) -> list[str]:
    """The differences one by one, each behind the name of its section."""
    if found.same:
        return []
    return [f"{name}: {line}" for name in SECTIONS for line in getattr(found, name)] or [NO_WORDS]


def _in_both(old: Plan, new: Plan) -> set[str]:
    """What rows are compared by: questions, measures of one kind, and visuals of both plans."""
    questions = {f"question {one.name}" for one, _ in common(old.questions, new.questions)}
    measures = {f"measure {one.name}" for one, other in common(old.measures, new.measures) if one.kind == other.kind}
    visuals = _visuals(old).keys() & _visuals(new).keys()
    return questions | measures | {f"visual {name}" for name in visuals}


# --- the loss ---


def _loss(old: Plan, new: Plan, asked: dict[str, list[str]], seen: tuple[Facts, Facts]) -> Iterator[str]:
    before, after = seen
    yield from entries(old.questions, new.questions, "question", lambda one: _question(one, {**before, **after}))
    for was, now in common(old.questions, new.questions):
        head = f"question {was.name}"
        yield from changed(f"{head}:", _role(was), _role(now))
        if was.critics != now.critics:
            yield f"{head}: was put to {', '.join(was.critics)}, is now put to {', '.join(now.critics)}"
        yield from changed(f"{head}: flips", was.flips, now.flips)
        yield from asked.get(head, [])
    yield from entries(
        old.critics, new.critics, "critic", lambda one: f"{one.model.address}, weight {value(one.weight)}"
    )
    for was, now in common(old.critics, new.critics):
        yield from changed(f"critic {was.name}: weight", was.weight, now.weight)
    yield from _drawings(old, new, asked)
    yield from changed("stay: weight", old.train.stay, new.train.stay)


def _role(question: Question) -> str:
    if question.watch:
        return f"watched, weight {value(question.weight)}" if question.weight != 1 else "watched"
    return (f"a hold at {value(question.hold)}, " if question.hold else "") + f"weight {value(question.weight)}"


def _question(question: Question, seen: Facts) -> str:
    return f"{_role(question)}; {rowwise.said(seen.get(f'question {question.name}', {}))}"


def _drawings(old: Plan, new: Plan, asked: dict[str, list[str]]) -> Iterator[str]:
    before, after = _visuals(old), _visuals(new)
    yield from (f"visual {name}: is new ({said})" for name, said in after.items() if name not in before)
    yield from (f"visual {name}: is gone ({said})" for name, said in before.items() if name not in after)
    for name in sorted(before.keys() & after.keys()):
        yield from asked.get(f"visual {name}", [])


def _visuals(plan: Plan) -> dict[str, str]:
    """Every visual that a question sees, and what the first of its drawings comes to."""
    found: dict[str, str] = {}
    for one in plan.drawings:
        found.setdefault(one.key.partition("#")[0], rowwise.said(rowwise.drawing(one)).removeprefix("kind "))
    return found


# --- models, training, evaluation ---


def _models(old: Plan, new: Plan) -> Iterator[str]:
    yield from model("generator", old.generator.model, new.generator.model)
    yield from of_fields(old.generator, new.generator, "generator: ", {"model", "companions"})
    yield from assets("generator: with", old.generator.companions, new.generator.companions)
    yield from entries(old.judges, new.judges, "judge", lambda one: one.model.address)
    members: Sequence[tuple[str, tuple[Critic, ...], tuple[Critic, ...]]]
    members = (("critic", old.critics, new.critics), ("judge", old.judges, new.judges))
    for kind, was, now in members:
        for one, other in common(was, now):
            yield from model(f"{kind} {one.name}", one.model, other.model)
            yield from of_fields(one, other, f"{kind} {one.name}: ", {"name", "model", "weight"})
            if kind == "judge":
                yield from changed(f"{kind} {one.name}: weight", one.weight, other.weight)


def _training(old: Plan, new: Plan) -> Iterator[str]:
    yield from changed("recipe (version of the language)", old.version, new.version)
    yield from changed("name", old.name, new.name)
    before, after = old.train, new.train
    switched = (before.backprop == "replay") != (after.backprop == "replay")
    told = {"backprop", "replay"} if switched else {"backprop"}
    yield from changed("backprop", *(_backprop(one.backprop, one.replay, switched) for one in (before, after)))
    yield from of_fields(before, after, "", {"stay", "stop", *told})
    was, now = before.stop, after.stop
    if was.by != now.by:
        yield f"stop: {_thresholds(was.by)} is now {_thresholds(now.by)}"
    yield from changed("stop: patience", was.patience, now.patience)
    yield from of_fields(old.adapter, new.adapter, "adapter: ", {"start"})
    yield from assets("adapter: start", old.adapter.start, new.adapter.start)
    yield from _parents(old.composed.parents, new.composed.parents)
    yield from changed("composed: rank", old.composed.rank or None, new.composed.rank or None)


def _parents(old: Sequence[Parent], new: Sequence[Parent]) -> Iterator[str]:
    names = [one.name for one in old], [one.name for one in new]
    if names[0] != names[1]:
        yield from changed("composed of", ", ".join(names[0]) or None, ", ".join(names[1]) or None)
        return
    for was, now in zip(old, new, strict=True):
        yield from changed(f"composed: weight of {was.name}", was.weight, now.weight)
        if was.plan_sha256 != now.plan_sha256:
            yield f"composed: {was.name} is trained by another plan now"
        elif was.tensors_sha256 != now.tensors_sha256:
            yield f"composed: {was.name} has other tensors now"


def _backprop(word: str, replay: Replay, whole: bool) -> str:
    if not whole or not replay.buffer:
        return word
    lowest, highest = (value(sigma) for sigma in replay.sigma)
    return f"{word} (buffer {replay.buffer}, refresh {replay.refresh}, sigma {lowest} to {highest})"


def _thresholds(by: Sequence[tuple[str, str, float]]) -> str:
    said = (f"{question} ≥ {value(p)}" + (f" by {who}" if who else "") for who, question, p in by)
    return ", ".join(said) or "never early"


def _evaluation(old: Plan, new: Plan, asked: dict[str, list[str]], seen: tuple[Facts, Facts]) -> Iterator[str]:
    yield from changed("goal: measure", old.goal_measure, new.goal_measure)
    yield from changed("goal: question", old.goal_question, new.goal_question)
    before, after = seen

    def measured(name: str, kind: str, seen: Facts) -> str:
        return f"{kind}: {rowwise.said(seen.get(f'measure {name}', {}))}"

    yield from entries(
        old.measures, new.measures, "measure", lambda one: measured(one.name, one.kind, {**before, **after})
    )
    for was, now in common(old.measures, new.measures):
        if was.kind != now.kind:
            said = measured(was.name, was.kind, before), measured(now.name, now.kind, after)
            yield f"measure {was.name}: was {said[0]}, is now {said[1]}"
        yield from asked.get(f"measure {was.name}", [])
    yield from changed("evaluate: seeds", *(_seeds(plan) for plan in (old, new)))
    yield from of_fields(old.evaluate, new.evaluate, "evaluate: ", {"seeds"})
    yield from entries(old.expect, new.expect, "expect", _expected)
    for was, now in common(old.expect, new.expect):
        yield from changed(f"expect {was.name}:", _expected(was), _expected(now))


def _seeds(plan: Plan) -> object:
    seeds = plan.evaluate.seeds
    return len(seeds) if seeds == tuple(range(len(seeds))) else ", ".join(map(str, seeds))


def _expected(one: Expectation) -> str:
    by = f" by {one.judge}" if one.judge else ""
    return f"{one.bound.replace('_', ' ')} {value(one.value)}{by}"
