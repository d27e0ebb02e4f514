"""One step of training, and one look at the validation rows: what happens between a desk of models and a state."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from . import (
    adapter,
    conflict,
    devices,
    finite,
    flow,
    generators,
    latents,
    looks,
    loss,
    memory,
    one_picture,
    orders,
    processes,
    replay,
    stage,
    starting,
    workload,
)
from .augment import augment, may_mirror
from .checkpoint import State
from .errors import WorkError
from .panel import Panel, Said
from .plan import Plan, Row, Train
from .stage import Stage
from .streams import Share, stream


@dataclass(frozen=True, slots=True)
class Desk:
    """What a training works with: frozen models, what it trains in its place, and all prompts encoded."""

    plan: Plan
    generator: generators.Generator
    learned: latents.Learned  # an adapter, or the noise of one picture
    panel: Panel
    conditioning: generators.Conditioning
    prompts: Mapping[str, int]  # prompt -> its place in `conditioning`
    weighing: Mapping[int, Mapping[tuple[str, str], float]]  # place of a training row -> what weighs its answers
    untouched: Tensor | None = None  # x̂0 of the one picture as it was, where `stay` keeps it near

    def given(self, rows: Sequence[Row]) -> generators.Conditioning:
        """The conditioning of B rows."""
        return self.conditioning.rows([self.prompts[row.prompt] for row in rows])


@dataclass(frozen=True, slots=True)
class Done:
    """What a step came to."""

    loss: float  # nats, stay included
    stay: float  # its part of the loss
    grad_norm: float  # of what is trained, before clipping
    lr: float
    beliefs: looks.Beliefs
    conflict: conflict.Conflict | None = None  # how the questions' gradients lie, where that was looked at


def load(
    plan: Plan,
    begin: Mapping[str, Tensor] | None = None,
    on: Stage | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Desk:
    """As `prepare`; `WorkError` where memory runs out."""
    with memory.watched(plan, "encode", "loading the models"):
        return prepare(plan, begin, on, say)


def prepare(
    plan: Plan,
    begin: Mapping[str, Tensor] | None = None,
    on: Stage | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Desk:
    """Load the plan's models, encode its prompts, let the text encoders go, and begin with noise, or an adapter: a
    fresh one, the one that the plan starts with, or the one whose tensors are given to `begin` with. What `on` has is
    not loaded again; `say` is told what of the plan's start is not there.
    """
    generator = stage.loaded(plan) if on is None else on.generator
    prompts = stage.trained_on(plan)
    conditioning = None if on is None else on.training
    if conditioning is None:
        conditioning = generators.encoded(generator, plan.generator, prompts)
        generator.release_encoders()
    untouched = None
    if one_picture.is_meant(plan):
        learned = latents.begin(generator, plan)
        if plan.train.stay:
            with torch.no_grad():
                untouched = _unrolled(plan, generator, conditioning.rows([0]), learned).denoised
    elif begin is None:
        learned = starting.begin(generator, plan, say)
    else:
        learned = adapter.install(generator, begin, plan.adapter.alpha / plan.adapter.rank)
    return Desk(
        plan,
        generator,
        learned,
        Panel(plan, [who for who, _, _ in plan.train.stop.by], generator.turns),
        conditioning,
        {prompt: place for place, prompt in enumerate(prompts)},
        {place: loss.weights(row, plan) for place, row in enumerate(plan.train_rows)},
        untouched,
    )


def _unrolled(
    plan: Plan, generator: generators.Generator, given: generators.Conditioning, learned: latents.Learned
) -> flow.Estimate:
    """The one picture as the evaluation paints it, differentiable in its noise."""
    noise = generator.noise([plan.train.seed])
    paths = flow.paths(noise, [plan.train.seed])
    return flow.unrolled(generator, given, learned.start(noise), plan.generator.steps, paths)


def take(desk: Desk, state: State, step: int) -> Done:
    """Step number `step`, from 1: gradients of all its pictures, clip, update.

    Raises `WorkError`, naming whose it is, for what is not finite; `state` is then good for nothing more.
    """
    settings = desk.plan.train
    factors = {one.question: one.factor for one in state.progress.balance}
    processes.tell(orders.Step(step, factors))
    state.replay, pulls = pull(desk, state.replay, step, factors)
    norm = torch.nn.utils.clip_grad_norm_(state.weights.values(), settings.clip)
    finite.gradient(norm, desk.plan, f"step {step}")
    lr = rate(settings, step)
    for group in state.optimizer.param_groups:
        group["lr"] = lr
    state.optimizer.step()
    finite.weights(state.weights.values(), desk.plan, f"step {step}")
    with torch.no_grad():
        for name, average in state.average.items():
            average.lerp_(state.weights[name], 1 - settings.ema)
    stay = sum(pull.stay for pull in pulls) / len(pulls)
    told = sum(pull.told for pull in pulls) / len(pulls)
    said = [one for pull in pulls for one in pull.said]
    lie, nats = pulls[0].conflict, pulls[0].nats
    if lie is not None and settings.weights == "balanced":
        _balance(desk.plan, state, lie, nats)
    return Done(told + stay, stay, float(norm), lr, looks.beliefs(said), lie)


def _balance(plan: Plan, state: State, lie: conflict.Conflict, nats: Mapping[str, float]) -> None:
    """Let the weights of the questions that neither hold nor watch be others from the next step on."""
    goals = {question.name for question in plan.questions if not (question.hold or question.watch)}
    before = {one.question: one for one in state.progress.balance}
    after = conflict.balanced(before, {name: norm for name, norm in lie.norms if name in goals}, nats)
    state.progress = dataclasses.replace(state.progress, balance=tuple(after[name] for name in sorted(after)))


def rate(settings: Train, step: int) -> float:
    """The learning rate of step number `step`, from 1: a linear rise, then as the schedule says."""
    if step <= settings.warmup:
        return settings.lr * step / settings.warmup
    gone = (step - settings.warmup - 1) / max(1, settings.steps - settings.warmup)  # 0 at first, never quite 1
    left = {"constant": 1.0, "linear": 1 - gone, "cosine": 0.5 * (1 + math.cos(math.pi * gone))}
    return settings.lr * left[settings.schedule]


@dataclass(frozen=True, slots=True)
class Pull:
    """What one batch of a step came to."""

    told: float
    stay: float
    said: list[Said]
    conflict: conflict.Conflict | None
    nats: dict[str, float]  # mean ℓ of each question, where conflict was looked at


@dataclass(frozen=True, slots=True)
class _Part:
    """What a process's share of a batch came to, as a part of what the batch does; its gradient is in the weights."""

    share: Share
    told: float
    stay: float
    said: list[Said]
    apart: dict[str, Tensor] | None  # each question's gradient on the share's pictures, where conflict is looked at
    nats: dict[str, list[float]]  # ℓ of each question, critic and picture, where it is


def pull(desk: Desk, finished: Tensor, step: int, factors: Mapping[str, float]) -> tuple[Tensor, list[Pull]]:
    """What a step comes to before the weights are updated, as all processes do it together: the replay's latents, its
    batches, and the gradient of them all in the weights.

    `finished` are the latents so far, `factors` those of balanced weights, by question.
    """
    weights, settings = list(desk.learned.weights().values()), desk.plan.train
    for weight in weights:
        weight.grad = None
    processes.spread(weights)
    if settings.replay.buffer:
        finished = _renewed(desk, finished, step)

    def own() -> list[_Part]:
        with memory.watched(desk.plan, "train", f"step {step}"):
            return [_pull(desk, finished, step, part, factors) for part in range(settings.accumulate)]

    shares = processes.gathered(processes.agreed(own))
    processes.sum_gradients(weights)
    return finished, [_whole(batch) for batch in zip(*shares, strict=True)]


def _whole(parts: Sequence[_Part]) -> Pull:
    """What a batch came to, of all its shares."""
    looked = [(part.share, part.apart) for part in parts if part.apart is not None]
    names = sorted({name for _, apart in looked for name in apart})
    lie = conflict.between({name: _laid_together(name, looked) for name in names}) if looked else None
    nats = {name: [value for part in parts for value in part.nats.get(name, ())] for name in names}
    said = [one for part in parts for one in part.said]
    told, stay = sum(part.told for part in parts), sum(part.stay for part in parts)
    return Pull(told, stay, said, lie, {name: fmean(values) for name, values in nats.items()})


def _laid_together(name: str, looked: Sequence[tuple[Share, Mapping[str, Tensor]]]) -> Tensor:
    """A question's gradient on all pictures of a batch; none on those of a share that is not asked it."""
    shape = next(apart[name].shape[1:] for _, apart in looked if name in apart)
    return torch.cat([apart.get(name, torch.zeros(share.end - share.start, *shape)) for share, apart in looked])


def _renewed(desk: Desk, finished: Tensor, step: int) -> Tensor:
    """A replay's latents with those that are due before this step, painted as many at once as a batch has."""
    due, size = replay.due(desk.plan.train, step), desk.plan.train.batch
    parts = [due[start : start + size] for start in range(0, len(due), size)]
    given = [desk.given([desk.plan.train_rows[replay.row(desk.plan, number)] for number in part]) for part in parts]
    with memory.watched(desk.plan, "train", f"step {step}"):
        return replay.renew(desk.plan, desk.generator, given, finished, parts)


def _pull(desk: Desk, finished: Tensor, step: int, part: int, factors: Mapping[str, float]) -> _Part:
    """Draw, estimate, decode once, ask everyone; then one backward from pixels and latents to what is trained."""
    settings, generator = desk.plan.train, desk.generator
    begun = replay.start(desk.plan, step, part) if settings.replay.buffer else None
    batch = begun.rows if begun else _places(desk.plan, (step - 1) * settings.accumulate + part)
    share = processes.share(len(batch))
    draws = stream(settings.seed, "draw", step, part, share=share)
    places = share.own(batch)
    rows = [desk.plan.train_rows[place] for place in places]
    seeds = share.own([int(seed) for seed in torch.randint(2**31, (len(batch),), generator=draws)])
    wordings = {question.name: int(torch.randint(2**31, (), generator=draws)) for question in desk.plan.questions}
    given = desk.given(rows)
    if begun:
        estimate = replay.estimate(generator, given, finished[share.own(begun.slots)], settings, draws)
    elif one_picture.is_meant(desk.plan):
        estimate = _unrolled(desk.plan, generator, given, desk.learned)
    else:
        estimate = flow.clean_estimate(generator, given, generator.noise(seeds), desk.plan.generator.steps, draws)
    pixels = generator.image(estimate.decoded)
    finite.pictures(
        pixels, [row.prompt for row in rows], desk.plan, f"step {step}", bare=step == 1 and _fresh(desk.plan)
    )
    # at least float32 from here on: half precision is too coarse for a sum of gradients
    pixels = pixels.to(devices.precise(pixels.dtype))
    mirrors = [may_mirror(row, desk.plan) for row in rows] if settings.augment.flip else None
    shown = augment(pixels, settings.augment, stream(settings.seed, "augment", step, part, share=share), mirrors)
    weighing = [
        loss.weights(row, desk.plan, factors) if factors else desk.weighing[place]
        for row, place in zip(rows, places, strict=True)
    ]
    try:
        told, gradient, said = desk.panel.teach(shown, rows, weighing, wordings)
    except WorkError as error:
        raise WorkError(f"step {step}: {error.message}", error.hint) from error
    apart, nats = None, dict[str, list[float]]()
    if part == 0 and _looks_apart(settings, step):
        gradients, nats = desk.panel.apart(shown, rows, weighing, wordings)
        apart = {name: share.part * one.cpu() for name, one in gradients.items()}
    weight = share.part / settings.accumulate
    stay = settings.stay * loss.stay(estimate.denoised, _bare(desk, estimate, given)) if settings.stay else None
    if stay is not None:
        finite.stay(stay.detach(), desk.plan, f"step {step}")
    ends = [(shown.pictures, weight * gradient)] + ([(weight * stay, None)] if stay is not None else [])
    torch.autograd.backward([end for end, _ in ends], [pull for _, pull in ends])
    kept = share.part * float(stay.detach()) if stay is not None else 0.0
    return _Part(share, share.part * told, kept, said, apart, nats)


def _fresh(plan: Plan) -> bool:
    """Whether what is trained changes no picture before its first step."""
    return not (plan.adapter.start or plan.composed.parents)


def _looks_apart(settings: Train, step: int) -> bool:
    """Whether the questions' gradients are taken apart in this step; balancing begins with the first."""
    every = workload.steps_between_looks_apart(settings)
    return every > 0 and (step % every == 0 or (step == 1 and settings.weights == "balanced"))


def _places(plan: Plan, batch: int) -> list[int]:
    """The training rows of batch number `batch`: every row once, in an order of its own, before any comes again."""
    size, rows = plan.train.batch, len(plan.train_rows)
    orders: dict[int, Tensor] = {}
    found: list[int] = []
    for draw in range(batch * size, (batch + 1) * size):
        epoch, place = divmod(draw, rows)
        if epoch not in orders:
            orders[epoch] = torch.randperm(rows, generator=stream(plan.train.seed, "order", epoch))
        found.append(int(orders[epoch][place]))
    return found


@torch.no_grad()
def _bare(desk: Desk, estimate: flow.Estimate, given: generators.Conditioning) -> Tensor:
    """x̂0 of the generator without the adapter, from the same latents at the same noise level; of the one picture, as
    it was.
    """
    if desk.untouched is not None:
        return desk.untouched
    desk.learned.scale(0)
    bare = desk.generator.denoised(estimate.z, estimate.sigma, given)
    desk.learned.scale(1)
    return bare


def look(desk: Desk, state: State, step: int) -> looks.Beliefs:
    """What the panel believes of fixed pictures of the validation rows; where the plan stops by p, `state` takes note.

    With an average of weights, those are looked at, and kept, in place of the last step's. Raises `WorkError` for what
    is not finite.
    """
    with _averaged(state):
        found = looks.beliefs(_looked(desk, f"step {step}, look"))
        stop = desk.plan.train.stop
        if stop.by:
            critics = [critic.name for critic in desk.plan.critics]
            margin, progress = looks.margin(found, stop, critics), state.progress
            satisfied = progress.satisfied + 1 if margin >= 0 else 0
            if not state.best or margin > progress.best:
                state.best = {name: weight.detach().clone() for name, weight in state.weights.items()}
                progress = dataclasses.replace(progress, best=margin, kept=step)
            reason = "p" if all(who in ("", *critics) for who, _, _ in stop.by) else "judge"
            stopped = reason if satisfied >= stop.patience else ""
            state.progress = dataclasses.replace(progress, satisfied=satisfied, stopped=stopped)
    return found


@torch.no_grad()
def _looked(desk: Desk, when: str) -> Iterator[Said]:
    plan = desk.plan
    pairs = [(row, seed) for row in plan.validate_rows for seed in plan.evaluate.seeds[: workload.LOOK_SEEDS]]
    size = workload.at_once(plan)
    for start in range(0, len(pairs), size):
        rows = [row for row, _ in pairs[start : start + size]]
        seeds = [seed for _, seed in pairs[start : start + size]]
        noise = desk.generator.noise(seeds)
        z, paths = desk.learned.start(noise), flow.paths(noise, seeds)
        denoised = flow.sample(desk.generator, desk.given(rows), z, plan.generator.steps, paths)
        pixels = desk.generator.image(denoised)
        finite.pictures(pixels, [row.prompt for row in rows], plan, when, bare=False)
        try:
            yield from desk.panel.look(pixels.to(devices.precise(pixels.dtype)), rows)
        except WorkError as error:
            raise WorkError(f"{when}: {error.message}", error.hint) from error


@contextmanager
def _averaged(state: State) -> Generator[None]:
    """Inside, the adapter's weights are their average, where one is kept."""
    last = {name: state.weights[name].detach().clone() for name in state.average}
    for name, average in state.average.items():
        state.weights[name].data.copy_(average)
    try:
        yield
    finally:
        for name, weight in last.items():
            state.weights[name].data.copy_(weight)
