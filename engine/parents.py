"""Parents: the recipes whose adapters another recipe composes, and the plan that comes of theirs. No torch.

A parent may compose adapters itself. Paths of a parent's models and files are told as seen from the recipe that names
it, as everything in a plan is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from . import beside, gallery, lock_places, one_picture, united
from . import plan as plans
from .errors import InputError
from .gallery import Source
from .names import expected_of
from .parts import Critic, Model
from .paths import Refused, inside, rebased
from .plan import Composed, Expectation, Plan
from .problems import Problems
from .recipe import Recipe, read
from .schema_composing import ComposingSchema
from .values import MOST_FILES

_DEEPEST = 16  # recipes that compose recipes that compose…
_KEY = ("compose", "recipes")


@dataclass(frozen=True, slots=True)
class Parent:
    """A recipe that is composed."""

    written: str  # as the recipe names it
    path: Path  # from here
    file: Path  # links followed
    weight: float
    recipe: Recipe
    plan: Plan
    parents: tuple[Parent, ...]  # of one that composes itself


def there(recipe: Recipe) -> list[Parent]:
    """The parents of a recipe that composes; none of one that trains. Raises InputError where one is wrong."""
    if not isinstance(recipe.schema, ComposingSchema):
        return []
    problems = Problems(recipe.document)
    found = _of(recipe, recipe.schema, problems)
    problems.raise_if_any()
    return found


def plan(recipe: Recipe, chosen: ComposingSchema, problems: Problems) -> Plan:
    """The plan of a recipe that composes; what is wrong goes to `problems`.

    Raises InputError with all of them where a parent is wrong.
    """
    found = _of(recipe, chosen, problems)
    problems.raise_if_any()
    return _composed(chosen, found, problems)


def _of(recipe: Recipe, chosen: ComposingSchema, problems: Problems) -> list[Parent]:
    """The parents of a recipe in its order, those whose own recipes are right; what is wrong goes to `problems`."""
    here = (recipe.folder / Path(recipe.file).name).resolve()
    found = _Reader().parents(recipe, chosen, problems, (here,), (recipe.file,))
    _refuse_same_names(recipe, found, problems)
    return found


def _composed(chosen: ComposingSchema, found: Sequence[Parent], problems: Problems) -> Plan:
    """The plan that comes of parents that are right; InputError where they cannot be composed."""
    parts = [(one.plan.name, _seen_from_here(one)) for one in found]
    _refuse_pictures(found, problems)
    _refuse_another_generator(found, problems)
    problems.raise_if_any()
    composed = Composed(
        tuple(plans.Parent(one.plan.name, one.weight, "", plans.digest(one.plan)) for one in found),
        chosen.compose.rank or 0,
    )
    side_by_side = sum(one.plan.adapter.rank for one in found)
    rank = min(side_by_side, chosen.compose.rank or side_by_side)
    try:
        made = united.united(chosen.name, parts, composed, rank, _polish(chosen, parts))
    except united.HeldOut as error:
        problems.add(("compose", "polish"), str(error), error.hint, at_key=True)
        problems.raise_if_any()
        raise
    return _own(made, chosen, problems)


_Read = tuple[Recipe, Plan, tuple[Parent, ...]]


@final
class _Reader:
    """Reads the recipes below one, each once."""

    def __init__(self) -> None:
        self._read: dict[Path, _Read | None] = {}
        self._wrong: dict[Path, InputError] = {}

    def parents(
        self,
        recipe: Recipe,
        chosen: ComposingSchema,
        problems: Problems,
        chain: tuple[Path, ...],
        names: tuple[str, ...],
    ) -> list[Parent]:
        """The parents of a recipe; `chain` and `names` are the files that compose each other down to it."""
        found: list[Parent] = []
        files: dict[Path, str] = {}
        for written, weight in chosen.compose.recipes.items():
            at = (*_KEY, written)
            try:
                file = inside(recipe.folder, written, recipe.allow_outside)
            except Refused as error:
                problems.add(at, error.message, gallery.copied(written, "") or error.hint, at_key=True)
                continue
            path = Path(recipe.file).parent / written
            if file in chain:
                circle = " → ".join((*names[chain.index(file) :], str(path)))
                problems.add(at, f"composes itself: {circle}", "one of them must not", at_key=True)
            elif file in files:
                problems.add(at, f"is the same file as `{files[file]}`", "give one weight to it", at_key=True)
            elif len(chain) > _DEEPEST:
                problems.add(at, f"composes recipes more than {_DEEPEST} deep", at_key=True)
            elif file not in self._read and len(self._read) == MOST_FILES:
                problems.add(at, f"is one recipe too many: at most {MOST_FILES} may be composed", at_key=True)
            else:
                files[file] = written
                if (read := self._once(file, path, recipe.allow_outside, problems, chain, names)) is not None:
                    found.append(Parent(written, path, file, weight, *read))
        return found

    def _once(
        self,
        file: Path,
        path: Path,
        allow_outside: bool,
        problems: Problems,
        chain: tuple[Path, ...],
        names: tuple[str, ...],
    ) -> _Read | None:
        """A parent with its plan and its own parents; None where it is wrong, which is told at its own places."""
        if file not in self._read:
            self._read[file] = None  # it is counted while those below it are read
            try:
                self._read[file] = self._first(file, path, allow_outside, chain, names)
            except InputError as error:
                self._wrong[file] = error
        if file in self._wrong:  # whoever composes it is to know
            problems.known(self._wrong[file].problems)
        return self._read[file]

    def _first(
        self, file: Path, path: Path, allow_outside: bool, chain: tuple[Path, ...], names: tuple[str, ...]
    ) -> _Read:
        from .resolve import resolve

        recipe = read(path, (), allow_outside)
        if not isinstance(recipe.schema, ComposingSchema):
            # as its own run has it: what the composing recipe's lock holds is what its parents' locks held
            return recipe, resolve(recipe, lock_places.revisions(Source(path, False))), ()
        problems = Problems(recipe.document)
        own = self.parents(recipe, recipe.schema, problems, (*chain, file), (*names, str(path)))
        problems.raise_if_any()
        made = _composed(recipe.schema, own, problems)
        problems.raise_if_any()
        return recipe, made, tuple(own)


def _refuse_same_names(recipe: Recipe, found: Sequence[Parent], problems: Problems) -> None:
    """Every recipe has a run folder of its own, runs/NAME, those below parents too."""
    taken = {recipe.schema.name: Path(recipe.file)}
    files = {recipe.schema.name: (recipe.folder / Path(recipe.file).name).resolve()}
    for one in found:
        for each in _all(one, set()):
            name = each.plan.name
            if files.setdefault(name, each.file) != each.file:
                said = f"{each.path} is called `{name}`, as {taken[name]} is" if each is not one else ""
                message = said or f"is called `{name}`, as {taken[name]} is"
                problems.add((*_KEY, one.written), message, "names must differ: each has runs/NAME", at_key=True)
            taken.setdefault(name, each.path)


def _all(one: Parent, seen: set[Path]) -> Iterator[Parent]:
    if one.file not in seen:
        seen.add(one.file)
        yield one
        for each in one.parents:
            yield from _all(each, seen)


def _refuse_pictures(found: Sequence[Parent], problems: Problems) -> None:
    for one in found:
        if one_picture.is_meant(one.plan):
            message = "optimises the noise of one picture: there is no adapter to compose"
            problems.add((*_KEY, one.written), message, "leave it out, or train an adapter there", at_key=True)


def _refuse_another_generator(found: Sequence[Parent], problems: Problems) -> None:
    first = found[0].plan.generator.model
    for one in found[1:]:
        model = one.plan.generator.model
        if (model.family, model.revision, model.files) != (first.family, first.revision, first.files):
            other = "another" if model.address == first.address else f"{model.address}, not"
            message = f"is for {other} {first.address}, for which {found[0].plan.name} is"
            hint = "adapters of one generator alone can be composed"
            problems.add((*_KEY, one.written), message, hint, at_key=True)
        elif why := beside.unlike(one.plan.generator, found[0].plan.generator):
            message = f"{why}, unlike {found[0].plan.name}"
            problems.add((*_KEY, one.written), message, beside.HINT, at_key=True)


def _polish(chosen: ComposingSchema, parts: united.Parts) -> united.Polish | None:
    wanted = chosen.compose.polish
    if wanted is None:
        return None
    return united.Polish(tuple(name for name, _ in parts), wanted.steps, wanted.batch or 0, wanted.lr or 0.0)


# --- what the recipe says itself ---


def _own(made: Plan, chosen: ComposingSchema, problems: Problems) -> Plan:
    """The plan with the goal, the evaluation and the expectations that the composing recipe writes."""
    measures, questions = ([one.name for one in part] for part in (made.measures, made.questions))
    if (goal := chosen.goal) is not None:
        for kind, name, known in (("measure", goal.measure, measures), ("question", goal.question, questions)):
            if name is not None and name not in known:
                problems.unknown(("goal", kind), kind, name, known)
        made = replace(made, goal_measure=goal.measure or "", goal_question=goal.question or "")
    return replace(made, evaluate=_evaluate(made.evaluate, chosen), expect=tuple(_expect(made, chosen, problems)))


def _evaluate(first: plans.Evaluate, chosen: ComposingSchema) -> plans.Evaluate:
    if (own := chosen.evaluate) is None:
        return first
    said = own.model_fields_set
    return plans.Evaluate(
        tuple(range(own.seeds)) if "seeds" in said else first.seeds,
        tuple(sorted(set(own.scales))) if "scales" in said else first.scales,
        own.every if "every" in said else first.every,
    )


def _expect(made: Plan, chosen: ComposingSchema, problems: Problems) -> Iterator[Expectation]:
    from .resolve import refuse_unasked

    named = {kind: [one.name for one in getattr(made, kind)] for kind in ("measures", "questions", "judges")}
    asked = {ask.question for row in made.test_rows for ask in row.asks}
    refuse_unasked(chosen.expect, named["questions"], asked, problems)
    for name, wanted in sorted(chosen.expect.items()):
        expected_of(name, {"judge": wanted.judge}, {**named, "critics": []}, [], problems)
        yield Expectation(name, wanted.judge or "", *wanted.bound)


# --- where things lie ---


def _seen_from_here(one: Parent) -> Plan:
    """A parent's plan, the names of its models and files as seen from the folder of the recipe that names it."""
    folder = str(Path(one.written).parent)
    if folder == ".":
        return one.plan
    drawings = tuple(replace(d, asset=rebased(d.asset, folder)) if d.asset else d for d in one.plan.drawings)
    generator = one.plan.generator
    companions = tuple(replace(each, name=rebased(each.name, folder)) for each in generator.companions)
    return replace(
        one.plan,
        generator=replace(generator, model=_moved(generator.model, folder), companions=companions),
        critics=_members(one.plan.critics, folder),
        judges=_members(one.plan.judges, folder),
        drawings=drawings,
        prompt_files=tuple((rebased(name, folder), sha256) for name, sha256 in one.plan.prompt_files),
    )


def _members(members: tuple[Critic, ...], folder: str) -> tuple[Critic, ...]:
    return tuple(replace(one, model=_moved(one.model, folder)) for one in members)


def _moved(model: Model, folder: str) -> Model:
    return replace(model, address=rebased(model.address, folder)) if model.address.startswith(".") else model
