"""Evaluation: an adapter on prompts it was never trained on, each picture beside the bare generator's own.

Every held-out row is painted from every seed at every scale. Measures look at all of them, critics and judges at the
bare picture and at the adapted one. Nothing here computes a gradient.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from . import adapter as adapters
from . import (
    composing,
    digests,
    figures,
    finite,
    fitting,
    foreign,
    latents,
    made_for,
    measures,
    memory,
    one_picture,
    painting,
    stage,
    visuals,
)
from .errors import Place, WorkError
from .painting import Pair
from .panel import Panel
from .plan import Expectation, Plan, Row, digest
from .stage import Stage

_MISSES = 4  # prompts shown because the goal is missed there

_Key = tuple[str, str, bool]  # critic or judge, question, after
_Counted = tuple[str, int, int]  # what counts as one: a name, a row and a seed
Listen = Callable[["Progress"], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an evaluation has come."""

    done: int  # pairs of prompt and seed
    of: int
    seconds: float  # since it began
    what: str = "evaluating"


@dataclass(slots=True)
class _Tally:
    """Sums over pictures, by measure and scale, and by belief; filled batch by batch."""

    hits: defaultdict[tuple[str, float], list[bool]] = field(default_factory=lambda: defaultdict(list))
    scores: defaultdict[tuple[str, float], list[float]] = field(default_factory=lambda: defaultdict(list))
    # by measure, in the order of hits: what counts as one
    counted: defaultdict[str, list[_Counted]] = field(default_factory=lambda: defaultdict(list))
    right: Counter[_Key] = field(default_factory=Counter)
    p: defaultdict[_Key, float] = field(default_factory=lambda: defaultdict(float))
    asked: Counter[_Key] = field(default_factory=Counter)


def evaluate(
    plan: Plan,
    adapter: Path,
    folder: Path | None = None,
    listen: Listen = lambda progress: None,
    scale: float = 1.0,
    on: Stage | None = None,
) -> figures.Evaluation:
    """Evaluate an adapter file on the plan's test rows, at `scale` against the bare generator (scale 0).

    What stands `on` a stage is not loaded again.
    Writes `folder`/evaluation.json and the pictures of the report under `folder`/images/, unless there is no folder.
    Raises `InputError` where the file is no adapter of the plan's generator, or damaged, `WorkError` where memory runs
    out or a number is not finite, `OSError` where the folder cannot be written.
    """
    with memory.watched(plan, "evaluate", "evaluation"):
        return _evaluate(plan, adapter, folder, listen, scale, on)


def _evaluate(
    plan: Plan, adapter: Path, folder: Path | None, listen: Listen, scale: float, on: Stage | None
) -> figures.Evaluation:
    started = time.monotonic()
    tensors, header = _learnt(plan, adapter)
    made_for.refuse_another(adapter, header, plan.generator.model)
    digests.refuse_damaged(adapter, header)
    generator = stage.loaded(plan) if on is None else on.generator
    conditioning = painting.conditioned(generator, plan) if on is None else on.tests
    learned = latents.installed(generator, plan, adapter, tensors)
    panel = Panel(plan, [judge.name for judge in plan.judges], generator.turns)
    scales = tuple(sorted({0.0, scale, *plan.evaluate.scales}))
    pairs = painting.pairs(plan)
    tally = _Tally()
    strips: list[figures.Strip] = []
    with torch.inference_mode():
        for start, batch in painting.batches(pairs, plan):
            painted = painting.painted(generator, learned, conditioning, batch, scales, plan)
            _refuse_infinite(plan, batch, painted)
            found = _measure(plan, batch, painted, tally)
            for after in (False, True):
                _believe(panel, plan, batch, painted[scale if after else 0.0], after, tally)
            strips += _strips(plan, batch, painted, found, scale, sum(strip.missed for strip in strips), folder)
            listen(Progress(start + len(batch), len(pairs), time.monotonic() - started))
    evaluation = _sum_up(plan, tally, scale, scales, adapters.tensors_sha256(tensors), strips, started)
    if folder is not None:
        figures.write(evaluation, folder / "evaluation.json")
    return evaluation


def _learnt(plan: Plan, adapter: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of what a plan trains, of whichever tool the adapter is, and its header.

    Raises `InputError` where they are of no generator of this shape.
    """
    if one_picture.is_meant(plan):
        return adapters.load(adapter)
    tensors, header = foreign.tensors(adapter, plan.generator.model.family)
    # one of this program is told by its header; before weights are fetched, the generator itself has to tell
    if digests.SAID not in header and (layers := fitting.stored(plan.generator.model)):
        fitting.refuse(composing.factors(tensors), layers, Place(str(adapter)))
    return tensors, header


def _refuse_infinite(plan: Plan, batch: Sequence[Pair], painted: Mapping[float, Tensor]) -> None:
    """Raises `WorkError` where a picture is not finite, the bare generator's own first."""
    prompts = [plan.test_rows[pair.row].prompt for pair in batch]
    for scale, pictures in painted.items():
        finite.pictures(pictures, prompts, plan, f"evaluation, scale {scale:g}", bare=scale == 0)


Findings = Mapping[tuple[str, float], measures.Found]


def _measure(plan: Plan, batch: Sequence[Pair], painted: Mapping[float, Tensor], tally: _Tally) -> Findings:
    rows = [plan.test_rows[pair.row] for pair in batch]
    found: dict[tuple[str, float], measures.Found] = {}
    for scale, pictures in painted.items():
        look = measures.Batch(pictures, painted[0.0], tuple(row.prompt for row in rows))
        for measure in plan.measures:
            targets = [_target(row, measure.name) for row in rows]
            result = _look(measures.KINDS[measure.kind], look, targets)
            found[measure.name, scale] = result
            looked = [b for b, target in enumerate(targets) if target is not None]
            tally.hits[measure.name, scale] += [bool(result.satisfied[b]) for b in looked]
            tally.scores[measure.name, scale] += [float(result.score[b]) for b in looked]
            if scale == 0:
                tally.counted[measure.name] += [_counts_as(plan, batch[b], targets[b]) for b in looked]
    return found


def _look(kind: measures.Kind, look: measures.Batch, targets: Sequence[measures.Parameters | None]) -> measures.Found:
    """What a measure finds in those pictures that it is for; the others neither satisfy it nor have a score."""
    there = [b for b, target in enumerate(targets) if target is not None]
    if len(there) == len(targets):
        return kind.measure(look, [target for target in targets if target is not None])
    found = measures.Found(torch.zeros(len(targets), dtype=torch.bool), torch.full((len(targets),), math.nan))
    if there:
        some = kind.measure(look.some(there), [target for target in targets if target is not None])
        found.satisfied[there] = some.satisfied.cpu()
        found.score[there] = some.score.float().cpu()
    return found


def _target(row: Row, measure: str) -> measures.Parameters | None:
    """What a measure asks of a row's pictures; None where the row is another recipe's."""
    return next((dict(target.parameters) for target in row.targets if target.measure == measure), None)


def _counts_as(plan: Plan, pair: Pair, target: measures.Parameters | None) -> _Counted:
    """What a picture is counted with: those of one seed whose targets name the same; else it counts for itself."""
    name = (target or {}).get("together")
    seed = pair.seed - pair.row * len(plan.evaluate.seeds)
    return ("", pair.row, seed) if name is None else (str(name), -1, seed)


def _believe(panel: Panel, plan: Plan, batch: Sequence[Pair], pictures: Tensor, after: bool, tally: _Tally) -> None:
    try:
        heard = panel.look(pictures, [plan.test_rows[pair.row] for pair in batch])
    except WorkError as error:
        raise WorkError(f"evaluation: {error.message}", error.hint) from error
    for said in heard:
        key = (said.critic, said.question, after)
        tally.asked[key] += 1
        tally.right[key] += said.right
        tally.p[key] += math.exp(-said.nats)


def _strips(
    plan: Plan,
    batch: Sequence[Pair],
    painted: Mapping[float, Tensor],
    found: Findings,
    scale: float,
    misses: int,
    folder: Path | None,
) -> list[figures.Strip]:
    """The pictures of this batch that the report shows, written to the folder: the fixed grid, and some misses."""
    strips: list[figures.Strip] = []
    for index, pair in enumerate(batch):
        goal = found.get((plan.goal_measure, scale))
        asked = _target(plan.test_rows[pair.row], plan.goal_measure) is not None
        missed = goal is not None and asked and not pair.fixed and not bool(goal.satisfied[index]) and misses < _MISSES
        if not (pair.fixed or missed):
            continue
        misses += missed
        shots = [_shot(plan, pair, each, painted[each][index], found, index, folder) for each in sorted(painted)]
        strips.append(figures.Strip(plan.test_rows[pair.row].prompt, pair.seed, missed, tuple(shots)))
    return strips


def _shot(
    plan: Plan, pair: Pair, scale: float, picture: Tensor, found: Findings, index: int, folder: Path | None
) -> figures.Shot:
    file = pair.file(scale)
    if folder is not None:
        visuals.save(picture.permute(1, 2, 0).cpu().numpy(), folder / file)
    row = plan.test_rows[pair.row]
    looked = [(measure.name, found[measure.name, scale]) for measure in plan.measures]
    scores = [(name, float(result.score[index])) for name, result in looked]
    return figures.Shot(
        scale,
        file,
        tuple((name, bool(result.satisfied[index])) for name, result in looked if _target(row, name) is not None),
        tuple((name, score) for name, score in scores if score == score),  # what cannot be measured is nan: left out
    )


def _sum_up(
    plan: Plan,
    tally: _Tally,
    scale: float,
    scales: Sequence[float],
    tensors_sha256: str,
    strips: Sequence[figures.Strip],
    started: float,
) -> figures.Evaluation:
    beliefs = tuple(
        _belief(tally, question.name, member.name, member in plan.judges)
        for question in plan.questions
        for member in (*plan.critics, *plan.judges)
        if tally.asked[member.name, question.name, True]
    )
    measured = tuple(_measured(plan, measure.name, measure.kind, tally, scale, scales) for measure in plan.measures)
    return figures.Evaluation(
        plan=digest(plan),
        tensors_sha256=tensors_sha256,
        scale=scale,
        rows=len(plan.test_rows),
        seeds=len(plan.evaluate.seeds),
        beliefs=beliefs,
        measures=measured,
        expect=tuple(_verdict(expectation, beliefs, measured) for expectation in plan.expect),
        strips=tuple(strips),
        seconds=time.monotonic() - started,
    )


def _belief(tally: _Tally, question: str, critic: str, judge: bool) -> figures.Belief:
    before, after = (_share(tally, (critic, question, now)) for now in (False, True))
    return figures.Belief(question, critic, judge, before, after, tally.asked[critic, question, True])


def _share(tally: _Tally, key: _Key) -> figures.Share:
    return figures.Share(tally.right[key] / tally.asked[key], tally.p[key] / tally.asked[key])


def _measured(
    plan: Plan, name: str, kind: str, tally: _Tally, scale: float, scales: Sequence[float]
) -> figures.Measured:
    hits = {each: _together(tally.hits[name, each], tally.counted[name]) for each in scales}
    before, after = hits[0.0], hits[scale]
    gained = sum(now and not then for then, now in zip(before, after, strict=True))
    lost = sum(then and not now for then, now in zip(before, after, strict=True))
    targets = [_target(row, name) for row in plan.test_rows]
    wanted = {measures.KINDS[kind].wanted(target) for target in targets if target is not None}
    return figures.Measured(
        name=name,
        kind=kind,
        wanted=wanted.pop() if len(wanted) == 1 else "as each row asks",
        unit=measures.KINDS[kind].unit,
        pictures=len(after),
        before=sum(before) / len(before),
        after=sum(after) / len(after),
        before_interval=figures.wilson(sum(before), len(before)),
        interval=figures.wilson(sum(after), len(after)),
        change_interval=figures.paired(gained, lost, len(after)),
        scales=tuple(
            figures.AtScale(each, sum(hits[each]) / len(after), _mean(tally.scores[name, each])) for each in scales
        ),
    )


def _together(hits: Sequence[bool], counted: Sequence[_Counted]) -> list[bool]:
    """Hits of what counts as one: of several pictures, all have to be right."""
    found: dict[_Counted, bool] = {}
    for key, hit in zip(counted, hits, strict=True):
        found[key] = found.get(key, True) and hit
    return list(found.values())


def _mean(scores: Sequence[float]) -> float:
    """The mean of those that could be measured; 0 where none could."""
    there = [score for score in scores if score == score]
    return sum(there) / len(there) if there else 0.0


def _verdict(
    wanted: Expectation, beliefs: Sequence[figures.Belief], measured: Sequence[figures.Measured]
) -> figures.Verdict:
    if wanted.judge:
        said = next(b for b in beliefs if (b.question, b.critic, b.judge) == (wanted.name, wanted.judge, True))
        before, after = said.before.right, said.after.right
    else:
        seen = next(measure for measure in measured if measure.name == wanted.name)
        before, after = seen.before, seen.after
    got = after - before if wanted.bound == "gain" else after
    met = got <= wanted.value if wanted.bound == "at_most" else got >= wanted.value
    words = f"{wanted.bound.replace('_', ' ')} {wanted.value:g}"
    return figures.Verdict(wanted.name, wanted.judge, words, got, met)
