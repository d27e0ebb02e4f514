"""What a plan will do, counted: pictures, questions, views and forward passes, before any weight is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import critics
from . import one_picture
from .plan import Critic, Plan, Row, Train

LOOK_SEEDS = 4  # pictures of each validation row at a look, by the plan's first evaluation seeds
BALANCED_EVERY = 10  # steps between looks at the gradients, for balancing, where a recipe does not say
PIXELS_AT_ONCE = 2**18  # of one batch without gradient: 64 pictures of 64 × 64, one of 512 × 512


@dataclass(frozen=True, slots=True)
class Asked:
    """What one critic or judge does in one part of a run."""

    views: int  # pictures as it is shown them: one picture under two drawings is two views
    questions: int  # asked of those views
    # forward passes, each over all views of a batch, or over one question where they are asked one by one; recomputed
    # ones count, here and below
    passes: int
    rounds: int  # times that a batch is asked all of it: as many where the questions share a pass


@dataclass(frozen=True, slots=True)
class Part:
    """Training, the looks on the way, or the evaluation."""

    pictures: int
    generator: int  # forward passes of the backbone, each over a batch; an expectation where steps are drawn
    decoder: int  # forward passes of the decoder; its tiles are parts of one
    backward: int  # backward passes from pixels to the adapter, or to one picture's noise
    critics: dict[str, Asked]  # by critic or judge
    replayed: int = 0  # finished latents that a replay starts again from, painted beside
    apart: int = 0  # backward passes from one question alone to the pixels, which looks at conflict take


@dataclass(frozen=True, slots=True)
class Workload:
    """All of a run, were every step needed."""

    training: Part
    looks: Part
    evaluation: Part


def workload(plan: Plan) -> Workload:
    """Counts of a plan. Training draws its rows: its views and questions are what they come to on average."""
    return Workload(_training(plan), _looks(plan), _evaluation(plan))


def at_once(plan: Plan) -> int:
    """Pictures of one batch without gradient."""
    return max(1, PIXELS_AT_ONCE // (plan.generator.width * plan.generator.height))


def questions_of(plan: Plan, member: Critic) -> set[str]:
    """The questions that a critic or judge is asked; a judge answers every one."""
    judge = member in plan.judges
    return {question.name for question in plan.questions if judge or member.name in question.critics}


def onlookers(plan: Plan) -> list[Critic]:
    """Who is asked at the looks on the way: the critics, and the judges that may stop the training."""
    stopping = {who for who, _, _ in plan.train.stop.by}
    return [*plan.critics, *(judge for judge in plan.judges if judge.name in stopping)]


def asked_of(plan: Plan, member: Critic, rows: Sequence[Row]) -> tuple[int, int]:
    """Views and questions of one picture of each row."""
    mine = questions_of(plan, member)
    views = questions = 0
    for row in rows:
        seen = [ask.see for ask in row.asks if ask.question in mine]
        views += len(set(seen))
        questions += len(seen)
    return views, questions


def _training(plan: Plan) -> Part:
    train = plan.train
    batches = train.steps * train.accumulate
    pictures = batches * train.batch
    share = pictures / max(1, len(plan.train_rows))
    chosen = plan.generator
    fresh, renewals = _replayed(plan)
    # one step of the sampler at random, and those before it; or all of them now and then, for the replay's buffer
    before = renewals * chosen.steps if train.replay.buffer else batches * (chosen.steps - 1) / 2
    # itself, once more wherever it is recomputed, and the bare generator's for `stay`
    ways = 1 + chosen.checkpoint_backbone + chosen.offload
    passes = before + batches * (ways + (train.stay > 0))
    if one_picture.is_meant(plan):  # every step of the sampler, and its picture as it was once for all
        passes = chosen.steps * (batches * ways + (train.stay > 0))
    decodes = (pictures if chosen.slicing else batches) * (1 + chosen.checkpoint_decoder + chosen.offload)
    every = steps_between_looks_apart(train)
    apart = (train.steps // every + (train.weights == "balanced" and every > 1)) if every else 0
    asked: dict[str, Asked] = {}
    for critic in plan.critics:
        views, questions = asked_of(plan, critic, plan.train_rows)
        rounds = (batches + apart) * (1 + critic.checkpointing) if views else 0
        passes_of = rounds
        if not critics.packs(critic.model.family):
            passes_of = round(rounds * train.batch * questions / max(1, len(plan.train_rows)))
        asked[critic.name] = Asked(round(share * views), round(share * questions), passes_of, rounds)
    taught = {question.name for question in plan.questions if not question.watch}
    alone = apart * sum(len(taught & questions_of(plan, critic)) for critic in plan.critics)
    return Part(pictures, round(passes), decodes, batches, asked, fresh, alone)


def learning_steps(plan: Plan) -> int:
    """Steps of the sampler that a gradient goes through: one of an adapter's, all of one picture's."""
    return plan.generator.steps if one_picture.is_meant(plan) else 1


def steps_between_looks_apart(train: Train) -> int:
    """Steps between looks at how the questions' gradients lie; 0: there are none."""
    return train.conflict or (BALANCED_EVERY if train.weights == "balanced" else 0)


def _replayed(plan: Plan) -> tuple[int, int]:
    """Finished pictures that are painted for a replay, and in how many batches: a whole buffer, then a batch each."""
    train, replay = plan.train, plan.train.replay
    if not replay.buffer:
        return 0, 0
    later = (train.steps - 1) // replay.refresh
    return replay.buffer + later * min(train.batch, replay.buffer), -(-replay.buffer // train.batch) + later


def _looks(plan: Plan) -> Part:
    every, steps = plan.evaluate.every, plan.train.steps
    looks = steps // every + (steps % every > 0)
    seeds = len(plan.evaluate.seeds[:LOOK_SEEDS])
    return _without_gradient(plan, plan.validate_rows, looks, seeds, 1, 1, onlookers(plan))


def _evaluation(plan: Plan) -> Part:
    scales = len({0.0, 1.0, *plan.evaluate.scales})
    return _without_gradient(
        plan, plan.test_rows, 1, len(plan.evaluate.seeds), scales, 2, [*plan.critics, *plan.judges]
    )


def _without_gradient(
    plan: Plan, rows: Sequence[Row], times: int, seeds: int, scales: int, shown: int, members: Sequence[Critic]
) -> Part:
    """Every row from so many seeds, at so many scales; `shown` of them are shown to the panel."""
    pairs = len(rows) * seeds
    batches = times * -(-pairs // at_once(plan))
    asked: dict[str, Asked] = {}
    for member in members:
        views, questions = (times * seeds * shown * count for count in asked_of(plan, member, rows))
        rounds = batches * shown if views else 0
        passes = rounds if critics.packs(member.model.family) else questions
        asked[member.name] = Asked(views, questions, passes, rounds)
    pictures = times * pairs * scales
    decodes = pictures if plan.generator.slicing else batches * scales
    return Part(pictures, batches * scales * plan.generator.steps, decodes, 0, asked)
