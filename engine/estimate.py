"""What a run needs, from configurations alone: memory above the framework's own, and time as a range.

A step holds weights, the adapter (itself, its gradient, two moments of AdamW), the encoded prompts, and what autograd
keeps of the backbone, of the decoder and of the critic that keeps most: critics are asked one after the other. A look
or the evaluation keeps nothing: weights, prompts, and the widest moment of a batch. Where parts take turns on the
device (`generator.offload`), each is there alone, with what is kept of it alone. On a processor, a critic that is
stored in fewer bits is there in full as well while it is loaded. Allocators hold more than they are
asked for: `SLACK`, and on a processor what libraries set up once, `LIBRARIES`, and pieces below `KEPT_PIECES`, which
the C library does not give back between training and evaluation.

Time is operations / rate, both ends of `RATES` told. A backward pass through frozen weights costs about what the
forward pass costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .. import critics
from ..critics.costs import Cost
from . import one_picture, workload
from .capacity import Device
from .costing import BYTES, Costs
from .plan import Critic, Plan

SLACK = 1.5  # held for what is asked for
LIBRARIES = {"cpu": 64 * 2**20, "cuda": 600 * 2**20}  # bytes: kernels and their scratch; a CUDA context
KEPT_PIECES = 32 * 2**20  # bytes; glibc's largest threshold for memory that goes back at once
STARTED_SECONDS = (10.0, 60.0)  # to load libraries and models of this size; large models take as long as their disk
# operations a second, (least, most): of a processor's core, of a card; small models reach the least, or less
RATES = {
    ("cpu", "float32"): (4e9, 40e9),
    ("cpu", "bfloat16"): (2e9, 60e9),
    ("cpu", "float64"): (2e9, 20e9),
    ("cuda", "float32"): (5e12, 50e12),
    ("cuda", "bfloat16"): (30e12, 400e12),
    ("cuda", "float64"): (0.5e12, 30e12),
}
# seconds that a forward pass takes at least, however small its model: the framework's own work for each layer
PASS_SECONDS = (0.004, 0.04)
MOVED = (2e9, 20e9)  # bytes a second, (least, most), from main memory to a card


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a run and the bytes it holds."""

    name: str  # encode | train | look | evaluate
    weights: int  # that are there at once
    adapter: int  # weights, gradients and moments of the adapter, or of one picture's noise
    prompts: int  # encoded
    backbone: int  # what autograd keeps of the generator, or holds at once where it keeps nothing
    decoder: int
    critics: int  # of the one that keeps most
    total: int  # slack, libraries and what is held over from the stage before included


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes above the framework's own, and seconds from least to most."""

    stages: tuple[Stage, ...]
    memory_bytes: int  # of the stage that needs most
    step_seconds: tuple[float, float]
    seconds: tuple[float, float]  # of the whole run


def estimate(plan: Plan, device: Device, costs: Costs | None = None) -> Estimate:
    """What a plan needs, by its costs where they are known by now.

    Raises `InputError` where a model's configuration does not say what is needed.
    """
    costs = costs or Costs(plan)
    found = stages(plan, costs, device)
    step, whole = _seconds(plan, costs, device)
    return Estimate(found, max(stage.total for stage in found), step, whole)


def stages(plan: Plan, costs: Costs, device: Device) -> tuple[Stage, ...]:
    """What each part of a run holds, by costs of this plan, or of one that saves memory in other ways."""
    train = _stage("train", plan, costs, device, plan.train.batch, keeps=True)
    pairs = max(1, len(plan.test_rows) * len(plan.evaluate.seeds))
    glanced = max(1, len(plan.validate_rows) * len(plan.evaluate.seeds[: workload.LOOK_SEEDS]))
    look = _stage("look", plan, costs, device, min(workload.at_once(plan), glanced), keeps=False)
    evaluation = _stage("evaluate", plan, costs, device, min(workload.at_once(plan), pairs), keeps=False)
    evaluation = dataclasses.replace(evaluation, total=evaluation.total + _left_over(plan, costs, device))
    # what is composed alone trains nothing
    return (_encode(plan, costs, device), *((train, look) if plan.train.steps else ()), evaluation)


def _learned(plan: Plan, costs: Costs) -> float:
    """Values that are trained: of an adapter, or of one picture's noise."""
    if one_picture.is_meant(plan):
        return costs.generator.latents
    return costs.generator.lora(plan.adapter.rank, plan.adapter.targets)


def _apart(plan: Plan, device: Device) -> bool:
    """Whether the weights of parts that take turns are elsewhere meanwhile: a processor has one memory."""
    return plan.generator.offload and device.kind != "cpu"


def _encode(plan: Plan, costs: Costs, device: Device) -> Stage:
    element = BYTES[plan.generator.dtype]
    weights = element * (costs.pipeline - costs.kept if _apart(plan, device) else costs.pipeline)
    prompts = round(element * costs.trained_prompts * costs.generator.conditioning)
    held = round(SLACK * prompts) + weights + LIBRARIES[device.kind]
    return Stage("encode", weights, 0, prompts, 0, 0, 0, held)


def _stage(name: str, plan: Plan, costs: Costs, device: Device, pictures: int, *, keeps: bool) -> Stage:
    members = workload.onlookers(plan) if keeps else [*plan.critics, *plan.judges]
    lora = _learned(plan, costs)
    # float32 whatever the model's dtype: weights, gradients, two moments; an average and the best look's weights
    copies = 4 + (plan.train.ema > 0) + bool(plan.train.stop.by) if keeps else 1
    count = costs.trained_prompts if keeps else costs.tested_prompts
    prompts = round(BYTES[plan.generator.dtype] * count * costs.generator.conditioning)
    work = _learning(plan, costs, pictures) if keeps else _looking(plan, costs, pictures, members)
    weights = {member.name: costs.weights[member.name].bytes(member) for member in members}
    moments = [*_moments(plan, costs, device, work, weights), *_arrivals(plan, costs, device, members, weights)]
    there, busy = max(moments, key=lambda moment: moment[0] + SLACK * moment[1])
    more = 0 if keeps else _painted(plan, pictures)
    held = there + round(4 * copies * lora) + prompts + round(SLACK * (busy + more)) + LIBRARIES[device.kind]
    if keeps:
        held += _buffer(plan, costs)
    asked = max(work.critics.values(), default=0)
    return Stage(name, there, round(4 * copies * lora), prompts, work.backbone.most, work.decoder.most, asked, held)


@dataclass(frozen=True, slots=True)
class _Part:
    """Bytes of one network in a step of training."""

    held: int  # from its forward pass until its backward pass
    most: int  # in its backward pass


@dataclass(frozen=True, slots=True)
class _Work:
    """Bytes that the networks hold beside their weights."""

    backbone: _Part
    decoder: _Part
    critics: dict[str, int]  # by name, at most

    def at_once(self) -> int:
        """At most: each network in its backward pass, with those before it as they are held."""
        before = self.backbone.held + self.decoder.held
        asked = max(self.critics.values(), default=0)
        return max(before + asked, self.backbone.held + self.decoder.most, self.backbone.most)


def _moments(
    plan: Plan, costs: Costs, device: Device, work: _Work, members: dict[str, int]
) -> Iterator[tuple[int, int]]:
    """Bytes of weights on the device and of what is at work there, at all moments that may be the fullest."""
    element = BYTES[plan.generator.dtype]
    everything = element * costs.kept + sum(members.values())
    if not plan.generator.offload:
        yield everything, work.at_once()
        return
    apart = _apart(plan, device)
    yield (element * (costs.kept - costs.decoder) if apart else everything), work.backbone.most
    yield (element * costs.decoder if apart else everything), work.decoder.most
    for name, asked in work.critics.items():
        yield (members[name] if apart else everything), asked


def _arrivals(
    plan: Plan, costs: Costs, device: Device, members: Sequence[Critic], weights: dict[str, int]
) -> Iterator[tuple[int, int]]:
    """As `_moments`, while critics are loaded one after the other: weights are stored in fewer bits in main memory."""
    there = BYTES[plan.generator.dtype] * costs.kept
    for member in members if device.kind == "cpu" else ():
        if member.quantize:
            yield there + costs.weights[member.name].read(member), 0
        there += weights[member.name]


def _learning(plan: Plan, costs: Costs, pictures: int) -> _Work:
    """A step with that many pictures."""
    chosen = plan.generator
    element = BYTES[chosen.dtype]
    decoded = costs.generator.decoded
    # one picture after the other is recomputed, too
    pieces = decoded.most(True) - decoded.given if chosen.checkpoint_decoder else 0.0
    kept = decoded.held(chosen.checkpoint_decoder)
    spread = 1 if chosen.slicing else pictures
    asked = {
        one.name: costs.weights[one.name].scratch(one)
        + round(BYTES[one.dtype] * _held_asking(one, costs.critics[one.name], pictures))
        for one in plan.critics
    }
    held = costs.denoised.held(chosen.checkpoint_backbone)
    # what the sampler's other steps keep meanwhile, unless each of them is computed again as a whole
    others = 0.0 if chosen.offload else (workload.learning_steps(plan) - 1) * held
    backbone = others + held, others + costs.denoised.most(chosen.checkpoint_backbone)
    return _Work(
        _Part(*(round(element * pictures * values) for values in backbone)),
        _Part(round(element * pictures * kept), round(element * (pictures * kept + spread * pieces))),
        asked,
    )


def _looking(plan: Plan, costs: Costs, pictures: int, members: Sequence[Critic]) -> _Work:
    """A batch of that many pictures, nothing of which is kept: one network after the other."""
    element = BYTES[plan.generator.dtype]
    decoded = 1 if plan.generator.slicing else pictures
    return _Work(
        _Part(0, round(element * pictures * costs.denoised.widest)),
        _Part(0, round(element * decoded * costs.generator.decoded.widest)),
        {
            one.name: costs.weights[one.name].scratch(one)
            + round(BYTES[one.dtype] * _in_a_pass(one, pictures) * costs.critics[one.name].widest)
            for one in members
        },
    )


def _in_a_pass(member: Critic, pictures: int) -> int:
    """Pictures that a critic is shown in one pass."""
    return pictures if critics.packs(member.model.family) else 1


def _held_asking(member: Critic, cost: Cost, pictures: int) -> float:
    """Values that autograd holds at most of a critic that is asked about so many pictures."""
    if not member.checkpointing:
        return pictures * cost.kept
    return pictures * cost.given + _in_a_pass(member, pictures) * (cost.most(True) - cost.given)


def _left_over(plan: Plan, costs: Costs, device: Device) -> int:
    """Bytes that a processor's C library has not given back when the evaluation begins."""
    piece = BYTES[plan.generator.dtype] * plan.train.batch * costs.generator.decoded.widest / 4
    small = device.kind == "cpu" and piece < KEPT_PIECES
    work = _learning(plan, costs, plan.train.batch)
    return round(SLACK * max(busy for _, busy in _moments(plan, costs, device, work, {}))) if small else 0


def _buffer(plan: Plan, costs: Costs) -> int:
    """Bytes of the pictures kept for replay, float32; while some are painted anew, they are there twice."""
    return round(2 * 4 * plan.train.replay.buffer * costs.generator.latents)


def _painted(plan: Plan, pictures: int) -> int:
    """Bytes of a batch's pictures at every scale, float32."""
    scales = len({0.0, 1.0, *plan.evaluate.scales})
    return 4 * pictures * scales * 3 * plan.generator.width * plan.generator.height


def _seconds(plan: Plan, costs: Costs, device: Device) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of one step, and of the whole run."""
    work = workload.workload(plan)
    slow, fast = RATES[device.kind, plan.generator.dtype]
    cores = device.cores if device.kind == "cpu" else 1
    found: list[tuple[float, float]] = []
    ends = ((fast * cores, PASS_SECONDS[0], MOVED[1]), (slow * cores, PASS_SECONDS[1], MOVED[0]))
    for rate, floor, moved in ends:
        parts = [
            _operations(plan, costs, part) / rate
            + _passes(plan, part) * floor
            + _apart(plan, device) * _carried(plan, costs, part) / moved
            for part in (work.training, work.looks, work.evaluation)
        ]
        found.append((parts[0] / max(1, plan.train.steps), sum(parts)))
    (least_step, least), (most_step, most) = found
    return (least_step, most_step), (least + STARTED_SECONDS[0], most + STARTED_SECONDS[1])


def _operations(plan: Plan, costs: Costs, part: workload.Part) -> float:
    """Of one part of a run: a backward pass costs what a forward pass does, a recomputed forward pass as well."""
    chosen, learns = plan.generator, part.backward > 0
    batch = plan.train.batch if learns else part.pictures * chosen.steps / max(1, part.generator)
    decoded = part.pictures * (1 + learns * (1 + chosen.checkpoint_decoder + chosen.offload))
    denoised = part.generator + part.backward * workload.learning_steps(plan)
    flops = denoised * batch * costs.denoised.flops + decoded * costs.generator.decoded.flops
    for member in (*plan.critics, *plan.judges):
        if member.name in part.critics:
            rounds = part.critics[member.name].rounds + part.backward + part.apart / len(plan.critics)
            flops += rounds * batch * costs.critics[member.name].flops
    return flops


def _passes(plan: Plan, part: workload.Part) -> float:
    """Forward and backward, through every network."""
    again = plan.generator.checkpoint_decoder + plan.generator.offload
    decodes = part.decoder * (1 + (part.backward > 0) / (1 + again))
    asked = part.apart + sum(
        one.passes + part.backward * one.passes / max(1, one.rounds) for one in part.critics.values()
    )
    return part.generator + part.backward * workload.learning_steps(plan) + decodes + asked


def _carried(plan: Plan, costs: Costs, part: workload.Part) -> float:
    """Bytes of weights that come to the device where parts take turns, the generator's twice in a step."""
    painted = 2 * part.backward or part.generator / plan.generator.steps
    members = {member.name: member for member in (*plan.critics, *plan.judges)}
    asked = sum(one.rounds * costs.weights[name].bytes(members[name]) for name, one in part.critics.items())
    return painted * BYTES[plan.generator.dtype] * costs.kept + asked
