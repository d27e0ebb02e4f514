"""Recipe → Plan: every default filled, every template rendered, every file and model named by digest. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from . import answers, document, models, paths, plan, prompts, rendering, schema, schema_models, schema_training
from .errors import InputError
from .kinds import MEASURES, OF_THE_WORLD
from .problems import Problems, shown
from .recipe import Recipe
from .rows import Row, Rows
from .scopes import owner
from .template import is_template
from .world.scenes import SIZE as WORLD_SIZE


def resolve(recipe: Recipe) -> plan.Plan:
    """The plan of a recipe. Raises InputError with every mistake that shows only now."""
    problems = Problems(recipe.document)
    made = gather(recipe, problems)
    problems.raise_if_any()
    return made


def gather(recipe: Recipe, problems: Problems) -> plan.Plan:
    """The plan as far as it can be made; what is wrong goes to `problems`, and only without any is the plan good."""
    chosen = recipe.schema
    located = _models(recipe, problems)
    opened = _Files(recipe, problems)
    generator = _generator(chosen.generator, located.get(("generator",)), opened, problems)
    prompts.check_variables(chosen.vars, problems)
    if is_template(chosen.generator.negative):
        problems.add(("generator", "negative"), prompts.NO_TEMPLATE, prompts.HINT)
    sets = prompts.rows(chosen.prompts, chosen.vars, chosen.train.seed, opened, problems)
    # variables of prompts that are wrong themselves are no second mistake
    complain = not any(path[:1] in ((), ("prompts",), ("vars",)) for path in recipe.lost) and bool(sets.train)
    data = document.plain(recipe.document.data)
    rows = Rows(
        chosen, rendering.Renderer(data, opened, problems, complain), _readers(chosen, located, generator), problems
    )
    found = {name: [rows.row(row) for row in listed] for name, listed in _named(sets)}
    _used(chosen, found, problems)
    critics = tuple(
        plan.Critic(
            name=name,
            model=located.get(("critics", name), _NOWHERE),
            weight=critic.weight,
            dtype=critic.dtype,
            device=critic.device,
            checkpointing=critic.checkpointing,
            quantize=critic.quantize or "",
        )
        for name, critic in sorted(chosen.critics.items())
    )
    judges = tuple(
        plan.Critic(
            name=name,
            model=located.get(("judges", name), _NOWHERE),
            weight=0.0,
            dtype=judge.dtype,
            device=judge.device,
            quantize=judge.quantize or "",
        )
        for name, judge in sorted(chosen.judges.items())
    )
    _measurable(chosen, data, generator, problems)
    _no_critic_judges(chosen, critics, judges, problems)
    goal = chosen.goal or schema.Goal.model_construct()
    return plan.Plan(
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
        adapter=_adapter(chosen.adapter, opened),
        evaluate=plan.Evaluate(
            tuple(range(chosen.evaluate.seeds)), tuple(sorted(set(chosen.evaluate.scales))), chosen.evaluate.every
        ),
        expect=_expect(chosen, found["test"], problems),
    )


_NOWHERE = plan.Model("", "", "", (), "")


def _named(sets: prompts.Sets) -> list[tuple[str, list[prompts.Prompted]]]:
    return [("train", sets.train), ("validate", sets.validation), ("test", sets.test)]


def _models(recipe: Recipe, problems: Problems) -> dict[document.Path, plan.Model]:
    """Every model of the recipe, by the path of what names it; those that cannot be had are left out."""
    chosen = recipe.schema
    wanted: dict[document.Path, str] = {("generator",): chosen.generator.model}
    wanted |= {("critics", name): critic.model for name, critic in chosen.critics.items()}
    wanted |= {("judges", name): judge.model for name, judge in chosen.judges.items()}
    digested: dict[str, plan.Model] = {}
    found: dict[document.Path, plan.Model] = {}
    for path, address in wanted.items():
        if (*path, "model") in recipe.lost or not recipe.document.has((*path, "model")):
            continue
        try:
            if address not in digested:
                digested[address] = models.locate(address, recipe.folder)
        except InputError as error:
            for problem in error.problems:
                problems.add((*path, "model"), problem.message, problem.hint)
            continue
        model = digested[address]
        if models.is_generator(model) != (path == ("generator",)):
            wrong = "a generator, no critic" if models.is_generator(model) else "a critic, no generator"
            problems.add((*path, "model"), f"{address} is {wrong}")
        else:
            found[path] = model
    return found


def _generator(
    chosen: schema_models.Generator, model: plan.Model | None, opened: _Files, problems: Problems
) -> plan.Generator:
    side = models.picture_size(model) if model else None
    width, height = (chosen.size.width, chosen.size.height) if chosen.size else (side or 0, side or 0)
    if model and not width:
        problems.add(("generator",), "`size` is missing: the model does not say its own")
    for name, pixels in (("width", width), ("height", height)):
        if model and chosen.size and pixels % models.grid(model):
            problems.add(("generator", "size", name), f"must be a multiple of {models.grid(model)}, found {pixels}")
    return plan.Generator(
        model=model or _NOWHERE,
        steps=chosen.steps,
        width=width,
        height=height,
        guidance=chosen.guidance,
        negative=chosen.negative,
        dtype=chosen.dtype,
        device=chosen.device,
        text_length=models.text_length(model) if model else 0,
        companions=tuple(
            found
            for at, name in enumerate(chosen.companions)
            if (found := opened.adapter(("generator", "with", at), name)) is not None
        ),
        offload=chosen.offload,
        slicing=chosen.slicing,
        tiling=chosen.tiling,
        checkpoint_backbone=chosen.checkpointing.backbone,
        checkpoint_decoder=chosen.checkpointing.decoder,
    )


class _Files:
    """The files that a recipe names, where it may read them."""

    def __init__(self, recipe: Recipe, problems: Problems) -> None:
        self.recipe, self.problems = recipe, problems

    def __call__(self, path: document.Path, name: str) -> Path | None:
        try:
            return paths.inside(self.recipe.folder, name, self.recipe.allow_outside)
        except paths.Refused as error:
            self.problems.add(path, error.message, error.hint)
            return None

    def adapter(self, path: document.Path, name: str) -> plan.Asset | None:
        """An adapter's file, named by its digest."""
        found = self(path if self.problems.document.has(path) else path[:-1], name)
        if found is not None and found.suffix != ".safetensors":
            self.problems.add(path, f"is no adapter, found {shown(name)}", "only .safetensors files are read")
            return None
        return None if found is None else plan.Asset(name, models.sha256(found), str(found))


def _readers(
    chosen: schema.Schema, located: Mapping[document.Path, plan.Model], generator: plan.Generator
) -> list[answers.Reader]:
    names: list[tuple[str, str]] = [("critics", name) for name in chosen.critics] + [
        ("judges", name) for name in chosen.judges
    ]
    wanted = [(path, located[path]) for path in names if path in located]
    size = (generator.width, generator.height)
    return [answers.Reader(str(path[1]), answers.chat(model), *size) for path, model in wanted] if all(size) else []


def _used(chosen: schema.Schema, found: Mapping[str, Sequence[Row]], problems: Problems) -> None:
    """What came from a combined recipe may be left out of a row that lacks its variables, but not of all of them."""
    if problems.found or not all(found.values()):
        return
    for part, set_name, there in (
        ("questions", "train", {posed.name for row in found["train"] for posed in row.asks}),
        ("measures", "test", {target.measure for row in found["test"] for target in row.targets}),
    ):
        for name in chosen.questions if part == "questions" else chosen.measures:
            if owner(name) and name not in there:
                hint = "its templates use variables that none of them has"
                problems.add((part, name), f"is left out of every {set_name} prompt", hint, at_key=True)


def _kind(data: Mapping[str, document.Data], measure: str) -> str:
    keys = document.plain(document.plain(data["measures"])[measure])
    return next(kind for kind in MEASURES if kind in keys)


def _measurable(
    chosen: schema.Schema, data: Mapping[str, document.Data], generator: plan.Generator, problems: Problems
) -> None:
    """Measures that read the embedded world can read only pictures of its size."""
    if generator.model.address and (generator.width, generator.height) != (WORLD_SIZE, WORLD_SIZE):
        for name in chosen.measures:
            if (kind := _kind(data, name)) in OF_THE_WORLD:
                hint = f"this generator makes {generator.width} × {generator.height}"
                problems.add(("measures", name, kind), f"reads pictures of {WORLD_SIZE} × {WORLD_SIZE} alone", hint)


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
        lr=train.lr,
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


def _adapter(adapter: schema_training.Adapter, opened: _Files) -> plan.Adapter:
    start = opened.adapter(("adapter", "start"), adapter.start) if adapter.start else None
    return plan.Adapter(
        rank=adapter.rank,
        # five times the rank, as the authors of arXiv 2506.01955 advise
        alpha=5.0 * adapter.rank if adapter.alpha is None else adapter.alpha,
        targets=adapter.targets,
        start=() if start is None else (start,),
    )


def _expect(chosen: schema.Schema, tested: Sequence[Row], problems: Problems) -> tuple[plan.Expectation, ...]:
    asked = {posed.name for row in tested for posed in row.asks}
    for name in chosen.expect:
        if tested and not problems.found and name in chosen.questions and name not in asked:
            problems.add(("expect", name), "is asked of no test prompt", "its `ask` renders to nothing for all of them")
    return tuple(
        plan.Expectation(name, wanted.judge or "", "at_most", wanted.at_most)
        if wanted.at_most is not None
        else plan.Expectation(name, wanted.judge or "", "at_least", wanted.at_least or 0.0)
        for name, wanted in sorted(chosen.expect.items())
    )


def _no_critic_judges(
    chosen: schema.Schema, critics: tuple[plan.Critic, ...], judges: tuple[plan.Critic, ...], problems: Problems
) -> None:
    """The same weights under another name are still what trained the adapter, or what stopped its training."""

    def weights(one: plan.Critic) -> tuple[object, str]:
        return one.model.files or one.model.address, one.model.revision

    trained = {weights(critic): critic.name for critic in critics if critic.model.address}
    for judge in judges:
        if critic := trained.get(weights(judge)):
            message = f"`{judge.name}` is the same model as the critic `{critic}`"
            problems.add(("judges", judge.name, "model"), message, "a judge is one that did not train the adapter")
    stopping = chosen.train.stop.judge if chosen.train.stop else {}
    stops = {weights(judge): judge.name for judge in judges if judge.name in stopping and judge.model.address}
    named = {judge.name: stops[weights(judge)] for judge in judges if weights(judge) in stops}
    for name, wanted in chosen.expect.items():
        if (other := named.get(wanted.judge or "")) not in (None, wanted.judge):
            message = f"`{wanted.judge}` is the same model as `{other}`, which decides when training stops"
            problems.add(("expect", name, "judge"), message, "judge by another, or stop by `p`")
