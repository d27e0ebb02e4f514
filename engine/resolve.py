"""Recipe → Plan: every default filled, every template rendered, every file and model named by digest. No torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from . import (
    document,
    factor_names,
    headers,
    lengths,
    one_picture,
    plan,
    prompts,
    rendering,
    resolve_models,
    schema,
    schema_training,
)
from .kinds import MEASURES, OF_THE_WORLD, WORLD_SIZE
from .problems import Problems
from .recipe import Recipe
from .rows import Row, Rows
from .schema_composing import ComposingSchema
from .scopes import owner
from .template import is_template


def resolve(recipe: Recipe, revisions: Mapping[str, str] = MappingProxyType({})) -> plan.Plan:
    """The plan of a recipe. Raises InputError with every mistake that shows only now.

    A hub model stays at the commit that `revisions` has for its address, as a lock does; others are asked of the hub.
    """
    problems = Problems(recipe.document)
    made = look_on(recipe, problems, revisions)
    problems.raise_if_any()
    return made


def look_on(recipe: Recipe, problems: Problems, revisions: Mapping[str, str] = MappingProxyType({})) -> plan.Plan:
    """The plan as far as it can be made; what is wrong goes to `problems`, and only without any is the plan good."""
    if isinstance(recipe.schema, ComposingSchema):
        from .parents import plan as composed  # which reads other recipes

        return composed(recipe, recipe.schema, problems)
    return gather(recipe, recipe.schema, problems, revisions)


def gather(recipe: Recipe, chosen: schema.Schema, problems: Problems, revisions: Mapping[str, str]) -> plan.Plan:
    """`look_on` for a recipe that trains."""
    located = resolve_models.locate(recipe, chosen, problems, revisions)
    opened = resolve_models.Files(recipe, problems)
    generator = resolve_models.generator(chosen.generator, located.get(("generator",)), opened, problems)
    _no_templates(chosen, problems)
    read: dict[str, str] = {}
    sets = prompts.rows(chosen.prompts, chosen.vars, chosen.train.seed, opened, problems, read)
    # variables of prompts that are wrong themselves are no second mistake; no mistake is listed once problems are full
    complain = not problems.full and not any(map(_of_variables, recipe.lost)) and bool(sets.train)
    if generator.model.folder:
        lengths.check(sets, generator, problems)
    if problems.found and not sets.train:
        sets = prompts.STAND_IN  # what hangs on no row of theirs may be wrong as well
    if chosen.train.optimize == one_picture.OPTIMIZED:
        sets = one_picture.only(sets)
    data = document.plain(recipe.document.data)
    rows = Rows(
        chosen,
        rendering.Renderer(chosen, data, opened, problems, complain),
        resolve_models.readers(chosen, located, generator),
        problems,
    )
    found = {name: [rows.row(row) for row in listed] for name, listed in _named(sets)}
    _used(chosen, found, problems)
    _taught(chosen, found, problems)
    critics, judges = resolve_models.critics(chosen, located), resolve_models.judges(chosen, located)
    _measurable(chosen, data, generator, problems)
    resolve_models.no_critic_judges(chosen, critics, judges, problems)
    goal = chosen.goal or schema.Goal.model_construct()
    made = plan.Plan(
        version=1,
        name=chosen.name,
        generator=generator,
        critics=critics,
        judges=judges,
        drawings=rows.drawings(),
        questions=_questions(chosen),
        measures=tuple(plan.Measure(name, _kind(data, name)) for name in sorted(chosen.measures)),
        order=(*chosen.questions, *chosen.measures),
        train_rows=rows.finished(found["train"]),
        validate_rows=rows.finished(found["validate"]),
        test_rows=rows.finished(found["test"]),
        goal_measure=goal.measure or "",
        goal_question=goal.question or "",
        train=_train(chosen),
        adapter=_adapter(chosen.adapter, generator.model, opened, problems),
        evaluate=plan.Evaluate(
            tuple(range(chosen.evaluate.seeds)), tuple(sorted(set(chosen.evaluate.scales))), chosen.evaluate.every
        ),
        expect=_expect(chosen, found["test"], problems),
        prompt_files=tuple(sorted(read.items())),
    )
    return one_picture.of(made) if one_picture.is_meant(made) else made


def _of_variables(lost: document.Path) -> bool:
    """Whether variables may be missing because this is: the whole, or a part that has them, under whichever name."""
    return not lost or bool(get_close_matches(str(lost[0]), ("prompts", "vars"), 1))


def _no_templates(chosen: schema.Schema, problems: Problems) -> None:
    """Adds a problem for what is there before any row is, and so cannot be rendered for one."""
    prompts.check_variables(chosen.vars, problems)
    if is_template(chosen.generator.negative):
        problems.add(("generator", "negative"), prompts.NO_TEMPLATE, prompts.HINT)


def _named(sets: prompts.Sets) -> list[tuple[str, list[prompts.Prompted]]]:
    return [("train", sets.train), ("validate", sets.validation), ("test", sets.test)]


def _used(chosen: schema.Schema, found: Mapping[str, Sequence[Row]], problems: Problems) -> None:
    """What a row lacks the variables for, or leaves open, may be left out there, but not of all rows."""
    if problems.found or not all(found.values()):
        return
    for part, set_name, there in (
        ("questions", "train", {posed.name for row in found["train"] for posed in row.asks}),
        ("measures", "test", {target.measure for row in found["test"] for target in row.targets}),
    ):
        for name in chosen.questions if part == "questions" else chosen.measures:
            if name not in there and (owner(name) or part == "measures"):
                message = f"is left out of every {set_name} prompt"
                hint = "its templates use variables that none of them has"
                if not owner(name):
                    hint = "all of `is` renders to nothing"
                elif chosen.train.optimize == one_picture.OPTIMIZED:
                    message = "is left out of the one picture that is optimised"
                    hint = "its templates use variables that the first training prompt has not"
                problems.add((part, name), message, hint, at_key=True)


def _taught(chosen: schema.Schema, found: Mapping[str, Sequence[Row]], problems: Problems) -> None:
    """One picture has to be asked something that teaches: of several prompts some may be asked nothing."""
    if chosen.train.optimize != one_picture.OPTIMIZED or problems.found:
        return
    if all(chosen.questions[posed.name].watch for row in found["train"] for posed in row.asks):
        message = "no question teaches the first training prompt, whose picture `latents` optimises"
        hint = "each `ask` renders to nothing there, or is only watched: put another prompt first"
        problems.add(("train", "optimize"), message, hint)


def _kind(data: Mapping[str, document.Data], measure: str) -> str:
    keys = document.plain(document.plain(data["measures"])[measure])
    return next(kind for kind in MEASURES if kind in keys)


def _measurable(
    chosen: schema.Schema, data: Mapping[str, document.Data], generator: plan.Generator, problems: Problems
) -> None:
    """Measures that read the embedded world can read only pictures of its size."""
    made, read = f"{generator.width} × {generator.height}", f"{WORLD_SIZE} × {WORLD_SIZE}"
    of_the_world = {name: kind for name in chosen.measures if (kind := _kind(data, name)) in OF_THE_WORLD}
    if not generator.model.address or not of_the_world or made == read:
        return
    anywhere = " and ".join(kind for kind in MEASURES if kind not in OF_THE_WORLD)
    if chosen.generator.size:
        pixels = {"width": generator.width, "height": generator.height}
        wrong = [side for side, found in pixels.items() if found != WORLD_SIZE]
        message = f"pictures of {made} cannot be read by {', '.join(f'`measures.{name}`' for name in of_the_world)}"
        hint = f"make them {read}, or leave these measures out: {anywhere} hold at any size"
        problems.add(("generator", "size", *(wrong if len(wrong) == 1 else ())), message, hint)
        return
    for name, kind in of_the_world.items():
        hint = f"this generator makes {made}; {anywhere} hold at any size"
        problems.add(("measures", name, kind), f"reads pictures of {read} alone", hint)


def _questions(chosen: schema.Schema) -> tuple[plan.Question, ...]:
    return tuple(
        plan.Question(
            name=name,
            weight=question.weight,
            hold=question.hold or 0.0,
            watch=question.watch,
            critics=tuple(sorted(question.critics or chosen.critics)),
            flips=question.flips,
        )
        for name, question in sorted(chosen.questions.items())
    )


def _train(chosen: schema.Schema) -> plan.Train:
    train, augment, stop = chosen.train, chosen.train.augment, chosen.train.stop
    by = [("", name, p) for name, p in stop.p.items()] if stop else []
    by += [(judge, name, p) for judge, of in stop.judge.items() for name, p in of.items()] if stop else []
    return plan.Train(
        steps=train.steps,
        batch=train.batch,
        accumulate=train.accumulate,
        lr=train.lr_in_effect,
        warmup=train.warmup,
        schedule=train.schedule,
        optimizer=train.optimizer,
        clip=train.clip,
        seed=train.seed,
        estimate=train.estimate,
        backprop="replay" if train.backprop.replay else "random_step",
        augment=plan.Augment(augment.blur, augment.noise, augment.shift, augment.flip),
        stop=plan.Stop(tuple(sorted(by)), stop.patience if stop else 1),
        ema=train.ema or 0.0,
        save_every=train.save_every,
        stay=chosen.stay.weight if chosen.stay else 0.0,
        replay=_replay(train.backprop.replay),
        weights=train.weights,
        conflict=train.conflict.every if train.conflict else 0,
        optimize=train.optimize,
    )


def _replay(replay: schema_training.Replay | None) -> plan.Replay:
    if replay is None:
        return plan.Replay()
    return plan.Replay(replay.buffer, replay.refresh, (replay.sigma[0], replay.sigma[1]))


def _adapter(
    adapter: schema_training.Adapter, model: plan.Model, opened: resolve_models.Files, problems: Problems
) -> plan.Adapter:
    known = model if model.address else None
    start = opened.adapter(("adapter", "start"), adapter.start, known) if adapter.start else ()
    for one in start[:1]:
        if (rank := _rank(Path(one.source), model.family, adapter.rank)) > adapter.rank:
            message = f"{one.name} is of rank {rank}, of which `rank: {adapter.rank}` would lose some"
            problems.add(("adapter", "start"), message, f"write `rank: {rank}`, or more")
    return plan.Adapter(
        rank=adapter.rank,
        alpha=adapter.alpha_in_effect,
        targets=adapter.targets,
        start=start,
    )


def _rank(path: Path, family: str, wanted: int) -> int:
    """The rank of an adapter's file: from its header where that is no more than `wanted`, else by what it holds.

    0 where the family is not known, and so neither what is fused.
    """
    told = factor_names.rank(headers.read(path))
    if told <= wanted or not family:
        return told if family else 0
    from . import ranks  # which loads numpy

    return ranks.rank(path, family)


def _expect(chosen: schema.Schema, tested: Sequence[Row], problems: Problems) -> tuple[plan.Expectation, ...]:
    if tested and not problems.found:
        refuse_unasked(chosen.expect, chosen.questions, {posed.name for row in tested for posed in row.asks}, problems)
    return tuple(
        plan.Expectation(name, wanted.judge or "", *wanted.bound) for name, wanted in sorted(chosen.expect.items())
    )


def refuse_unasked(
    expected: Iterable[str], questions: Collection[str], asked: Collection[str], problems: Problems
) -> None:
    """Adds a problem for every expectation of a question that is not `asked` of any test prompt."""
    for name in expected:
        if name in questions and name not in asked:
            problems.add(("expect", name), "is asked of no test prompt", "its `ask` renders to nothing for all of them")
