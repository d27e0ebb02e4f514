"""What a run needs, from configurations alone: memory above the framework's own, and time as a range.

A step holds weights, the adapter (itself, its gradient, two moments of AdamW), the encoded prompts, and what autograd
keeps of the backbone, of the decoder and of the critic that keeps most: critics are asked one after the other. A look
or the evaluation keeps nothing: weights, prompts, and the widest moment of a batch. Allocators hold more than they are
asked for: `SLACK`, and on a processor what libraries set up once, `LIBRARIES`, and pieces below `KEPT_PIECES`, which
the C library does not give back between training and evaluation.

Time is operations / rate, both ends of `RATES` told. A backward pass through frozen weights costs about what the
forward pass costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import critics
from ..critics.costs import NOTHING, Cost, together
from . import answers, generators, headers, one_picture, workload
from .capacity import Device
from .plan import Ask, Critic, Model, Plan, Row

BYTES = {"float32": 4, "bfloat16": 2, "float64": 8}
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
_STOCK_NAMES = ("model", "diffusion_pytorch_model")  # how transformers' and diffusers' own files of weights begin
_LOOKED_AT = 32  # rows whose views are tokenised, evenly from the list


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a run and the bytes it holds."""

    name: str  # encode | train | look | evaluate
    weights: int
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


def estimate(plan: Plan, device: Device) -> Estimate:
    """Raises `InputError` where a model's configuration does not say what is needed."""
    costs = _Costs(plan)
    train = _stage("train", plan, costs, device, plan.train.batch, keeps=True)
    pairs = max(1, len(plan.test_rows) * len(plan.evaluate.seeds))
    glanced = max(1, len(plan.validate_rows) * len(plan.evaluate.seeds[: workload.LOOK_SEEDS]))
    look = _stage("look", plan, costs, device, min(workload.at_once(plan), glanced), keeps=False)
    evaluation = _stage("evaluate", plan, costs, device, min(workload.at_once(plan), pairs), keeps=False)
    evaluation = dataclasses.replace(evaluation, total=evaluation.total + _left_over(plan, costs, device))
    # what is composed alone trains nothing
    stages = (_encode(plan, costs, device), *((train, look) if plan.train.steps else ()), evaluation)
    step, whole = _seconds(plan, costs, device)
    return Estimate(stages, max(stage.total for stage in stages), step, whole)


def weights_bytes(model: Model, dtype: str, parameters: float) -> int:
    """Of a model in memory: what its files hold, in the plan's dtype; from `parameters` where they are not here yet."""
    counted = sum(headers.read(path).values for path in _loaded(Path(model.folder)))
    return round(BYTES[dtype] * (counted or parameters))


def _loaded(folder: Path) -> list[Path]:
    """The weights that libraries load of a folder.

    Published ones hold them once more: in one file under another name, or in half precision, `model.fp16`; and what
    looks at pictures afterwards, which is never loaded.
    """
    files = sorted(folder.rglob("*.safetensors"))
    named = [path for path in files if path.name.startswith(_STOCK_NAMES) and "." not in path.stem]
    return [path for path in named if path.parent.name != "safety_checker"]


class _Costs:
    """What the models of a plan cost: one picture's pass of each."""

    def __init__(self, plan: Plan) -> None:
        self.generator = generators.sizes_of(plan.generator)
        self.denoised = self.generator.denoised(plan.adapter.rank, plan.adapter.targets)
        self.critics = {member.name: _asked(plan, member) for member in (*plan.critics, *plan.judges)}
        self.weights = {
            member.name: weights_bytes(
                member.model, member.dtype, critics.sizes_of(member.model.folder, member.model.family).parameters()
            )
            for member in (*plan.critics, *plan.judges)
        }
        everything = self.generator.parameters + self.generator.encoders
        self.pipeline = weights_bytes(plan.generator.model, plan.generator.dtype, everything)
        # the files of a pipeline hold its encoders too, which are let go
        self.backbone = round(self.pipeline * self.generator.parameters / everything)


def _asked(plan: Plan, member: Critic) -> Cost:
    """All views of one picture, as the sampled rows ask for them on average.

    Where questions are asked one by one, what is alive at once, and the largest layer, are those of one pass.
    """
    sizes = critics.sizes_of(member.model.folder, member.model.family)
    rows = plan.train_rows[:: max(1, len(plan.train_rows) // _LOOKED_AT)][:_LOOKED_AT]
    mine = workload.questions_of(plan, member)
    beside = {drawing.key for drawing in plan.drawings if drawing.kind == "reference"}
    views: list[tuple[int, int, int]] = []
    for row in rows:
        views += _views([ask for ask in row.asks if ask.question in mine], plan, member, beside)
    if not views:
        return NOTHING
    if not critics.packs(member.model.family):
        each = [sizes.ask(plan.generator.width, plan.generator.height, *view) for view in views]
        whole, share = together(*each), 1 / len(rows)
        return dataclasses.replace(together(whole, times=share), widest=whole.widest, layer=whole.layer)
    # every view of a batch is padded to its longest
    longest, most, pictures = (max(view[at] for view in views) for at in range(3))
    one = sizes.ask(plan.generator.width, plan.generator.height, longest, most, pictures)
    share = len(views) / max(1, len(rows))
    return together(one, times=share)


def _views(asks: Sequence[Ask], plan: Plan, member: Critic, beside: set[str]) -> list[tuple[int, int, int]]:
    """Tokens read, places answered at and pictures shown, for each pass of a row: by view, or by view and question."""
    chat, size = answers.chat(member.model), (plan.generator.width, plan.generator.height)
    by_view: dict[tuple[tuple[str, ...], str], list[Ask]] = {}
    packs = critics.packs(member.model.family)
    for ask in asks:
        by_view.setdefault((ask.see, "" if packs else ask.wordings[0]), []).append(ask)
    found: list[tuple[int, int, int]] = []
    for (see, _), some in by_view.items():
        pictures = 1 + len(beside.intersection(see))
        head = len(chat.prompt(some[0].wordings[0], pictures).head) + pictures * (chat.picture_tokens(*size) - 1)
        read, answered, readings = head, 0, 1
        for ask in some:
            question = ask.wordings[0]
            said = [chat.answer(question, answer) for answer in (*ask.answers, *ask.against)]
            readings = critics.readings(member.model.family, said)  # more than one of a single question alone
            tail, later = len(chat.prompt(question, pictures).tail), sum(len(answer) - 1 for answer in said)
            read += tail + later + (readings - 1) * (head + tail)
            answered += 1 + later
        found.append((read, answered, pictures * readings))
    return found


def _learned(plan: Plan, costs: _Costs) -> float:
    """Values that are trained: of an adapter, or of one picture's noise."""
    if one_picture.is_meant(plan):
        return costs.generator.latents
    return costs.generator.lora(plan.adapter.rank, plan.adapter.targets)


def _prompts(plan: Plan, rows: Sequence[Row]) -> int:
    return len({row.prompt for row in rows})


def _encode(plan: Plan, costs: _Costs, device: Device) -> Stage:
    count = _prompts(plan, (*plan.train_rows, *plan.validate_rows))
    prompts = round(BYTES[plan.generator.dtype] * count * costs.generator.conditioning)
    held = round(SLACK * prompts) + costs.pipeline + LIBRARIES[device.kind]
    return Stage("encode", costs.pipeline, 0, prompts, 0, 0, 0, held)


def _stage(name: str, plan: Plan, costs: _Costs, device: Device, pictures: int, *, keeps: bool) -> Stage:
    element = BYTES[plan.generator.dtype]
    members = workload.onlookers(plan) if keeps else [*plan.critics, *plan.judges]
    weights = costs.backbone + sum(costs.weights[member.name] for member in members)
    lora = _learned(plan, costs)
    # float32 whatever the model's dtype: weights, gradients, two moments; an average and the best look's weights
    copies = 4 + (plan.train.ema > 0) + bool(plan.train.stop.by) if keeps else 1
    rows = (*plan.train_rows, *plan.validate_rows) if keeps else plan.test_rows
    prompts = round(element * _prompts(plan, rows) * costs.generator.conditioning)
    if keeps:
        backbone, decoder, asked = (part.most for part in _kept(plan, costs, pictures))
        busy = _busy(plan, costs, pictures)
    else:
        decoded = 1 if plan.generator.slicing else pictures
        backbone = round(element * pictures * costs.denoised.widest)
        decoder = round(element * decoded * costs.generator.decoded.widest)
        asked = max(
            (round(BYTES[one.dtype] * _in_a_pass(one, pictures) * costs.critics[one.name].widest) for one in members),
            default=0,
        )
        busy = max(backbone, decoder, asked) + _painted(plan, pictures)
    held = weights + round(4 * copies * lora) + prompts + round(SLACK * busy) + LIBRARIES[device.kind]
    if keeps:
        held += _buffer(plan, costs)
    return Stage(name, weights, round(4 * copies * lora), prompts, backbone, decoder, asked, held)


@dataclass(frozen=True, slots=True)
class _Part:
    """Bytes of one network in a step of training."""

    held: int  # from its forward pass until its backward pass
    most: int  # in its backward pass


def _kept(plan: Plan, costs: _Costs, pictures: int) -> tuple[_Part, _Part, _Part]:
    """Backbone, decoder, and the critic that holds most, in a step with that many pictures."""
    chosen = plan.generator
    element = BYTES[chosen.dtype]
    decoded = costs.generator.decoded
    # one picture after the other is recomputed, too
    pieces = decoded.most(True) - decoded.given if chosen.checkpoint_decoder else 0.0
    kept = decoded.held(chosen.checkpoint_decoder)
    spread = 1 if chosen.slicing else pictures
    asked = [round(BYTES[one.dtype] * _held_asking(one, costs.critics[one.name], pictures)) for one in plan.critics]
    held = costs.denoised.held(chosen.checkpoint_backbone)
    others = (workload.learning_steps(plan) - 1) * held  # what the sampler's other steps keep meanwhile
    backbone = others + held, others + costs.denoised.most(chosen.checkpoint_backbone)
    return (
        _Part(*(round(element * pictures * values) for values in backbone)),
        _Part(round(element * pictures * kept), round(element * (pictures * kept + spread * pieces))),
        _Part(0, max(asked, default=0)),
    )


def _in_a_pass(member: Critic, pictures: int) -> int:
    """Pictures that a critic is shown in one pass."""
    return pictures if critics.packs(member.model.family) else 1


def _held_asking(member: Critic, cost: Cost, pictures: int) -> float:
    """Values that autograd holds at most of a critic that is asked about so many pictures."""
    if not member.checkpointing:
        return pictures * cost.kept
    return pictures * cost.given + _in_a_pass(member, pictures) * (cost.most(True) - cost.given)


def _busy(plan: Plan, costs: _Costs, pictures: int) -> int:
    """Bytes that autograd holds at most: each network in its backward pass, with those before it as they are held."""
    backbone, decoder, critic = _kept(plan, costs, pictures)
    return max(backbone.held + decoder.held + critic.most, backbone.held + decoder.most, backbone.most)


def _left_over(plan: Plan, costs: _Costs, device: Device) -> int:
    """Bytes that a processor's C library has not given back when the evaluation begins."""
    piece = BYTES[plan.generator.dtype] * plan.train.batch * costs.generator.decoded.widest / 4
    small = device.kind == "cpu" and piece < KEPT_PIECES
    return round(SLACK * _busy(plan, costs, plan.train.batch)) if small else 0


def _buffer(plan: Plan, costs: _Costs) -> int:
    """Bytes of the pictures kept for replay, float32; while some are painted anew, they are there twice."""
    return round(2 * 4 * plan.train.replay.buffer * costs.generator.latents)


def _painted(plan: Plan, pictures: int) -> int:
    """Bytes of a batch's pictures at every scale, float32."""
    scales = len({0.0, 1.0, *plan.evaluate.scales})
    return 4 * pictures * scales * 3 * plan.generator.width * plan.generator.height


def _seconds(plan: Plan, costs: _Costs, device: Device) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of one step, and of the whole run."""
    work = workload.workload(plan)
    slow, fast = RATES[device.kind, plan.generator.dtype]
    cores = device.cores if device.kind == "cpu" else 1
    found: list[tuple[float, float]] = []
    for rate, floor in ((fast * cores, PASS_SECONDS[0]), (slow * cores, PASS_SECONDS[1])):
        parts = [
            _operations(plan, costs, part) / rate + _passes(plan, part) * floor
            for part in (work.training, work.looks, work.evaluation)
        ]
        found.append((parts[0] / max(1, plan.train.steps), sum(parts)))
    (least_step, least), (most_step, most) = found
    return (least_step, most_step), (least + STARTED_SECONDS[0], most + STARTED_SECONDS[1])


def _operations(plan: Plan, costs: _Costs, part: workload.Part) -> float:
    """Of one part of a run: a backward pass costs what a forward pass does, a recomputed forward pass as well."""
    chosen, learns = plan.generator, part.backward > 0
    batch = plan.train.batch if learns else part.pictures * chosen.steps / max(1, part.generator)
    decoded = part.pictures * (1 + learns * (1 + chosen.checkpoint_decoder))
    denoised = part.generator + part.backward * workload.learning_steps(plan)
    flops = denoised * batch * costs.denoised.flops + decoded * costs.generator.decoded.flops
    for member in (*plan.critics, *plan.judges):
        if member.name in part.critics:
            rounds = part.critics[member.name].rounds + part.backward + part.apart / len(plan.critics)
            flops += rounds * batch * costs.critics[member.name].flops
    return flops


def _passes(plan: Plan, part: workload.Part) -> float:
    """Forward and backward, through every network."""
    decodes = part.decoder * (1 + (part.backward > 0) / (1 + plan.generator.checkpoint_decoder))
    asked = part.apart + sum(
        one.passes + part.backward * one.passes / max(1, one.rounds) for one in part.critics.values()
    )
    return part.generator + part.backward * workload.learning_steps(plan) + decodes + asked
