"""What the models of a plan cost, from configurations alone: parameters, and one picture's pass of each.

None of it depends on how memory is saved: one count serves all the ways of saving it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import final

from .. import critics
from ..critics.costs import NOTHING, Cost, together
from . import answers, generators, headers, workload
from .plan import Ask, Critic, Model, Plan, Row

BYTES = {"float32": 4, "bfloat16": 2, "float64": 8}
_STOCK_NAMES = ("model", "diffusion_pytorch_model")  # how transformers' and diffusers' own files of weights begin
_LOOKED_AT = 32  # rows whose views are tokenised, evenly from the list


@dataclasses.dataclass(frozen=True, slots=True)
class Weights:
    """Values of a critic's weights."""

    linear: float  # in the layers of its towers, which may be quantised
    rest: float
    largest: float  # of one matrix in the layers

    def bytes(self, member: Critic) -> int:
        """In memory, as a plan holds them."""
        element = BYTES[member.dtype]
        return round(element * self.rest + (critics.BYTES_QUANTIZED.get(member.quantize) or element) * self.linear)

    def read(self, member: Critic) -> int:
        """In memory while they are stored in fewer bits: all as they were read, what is stored by then beside them.

        Files are mapped into memory: what was read of one stays there as long as any of its weights is used.
        """
        full = round(BYTES[member.dtype] * (self.linear + self.rest))
        return full + round(critics.BYTES_QUANTIZED[member.quantize] * self.linear) + self.scratch(member)

    def scratch(self, member: Critic) -> int:
        """Bytes of one matrix while it is made full again: in float32, and in the dtype that is multiplied in."""
        return round((4 + BYTES[member.dtype]) * self.largest) if member.quantize else 0


@final
class Costs:
    """What the models of a plan cost, and how many prompts they are given.

    Raises `InputError` where a model's configuration does not say what is needed.
    """

    def __init__(self, plan: Plan) -> None:
        self.generator = generators.sizes_of(plan.generator)
        self.denoised = self.generator.denoised(plan.adapter.rank, plan.adapter.targets)
        members = (*plan.critics, *plan.judges)
        self.critics = {member.name: asked(plan, member) for member in members}
        self.weights = {member.name: weights(member) for member in members}
        # values of the whole pipeline, of what stays of it, and, where its files are here, of the decoder among that
        model, everything = plan.generator.model, self.generator.parameters + self.generator.encoders
        self.pipeline = values(model) or round(everything)
        # the files of a pipeline hold its encoders too, which are let go
        self.kept = round(self.pipeline * self.generator.parameters / everything)
        self.decoder = min(self.kept, values(model, "vae"))
        self.trained_prompts = _prompts((*plan.train_rows, *plan.validate_rows))
        self.tested_prompts = _prompts(plan.test_rows)


def values(model: Model, part: str = "") -> int:
    """Of a model, or of the folder of one part of it: what its files hold; 0 where they are not here yet."""
    return sum(headers.read(path).values for path in _loaded(Path(model.folder) / part))


def shapes(model: Model, part: str) -> dict[str, tuple[int, ...]]:
    """Of every tensor of one part of a model, by its name; none where its files are not here yet."""
    found: dict[str, tuple[int, ...]] = {}
    for path in _loaded(Path(model.folder) / part):
        found |= headers.read(path).shapes
    return found


def _loaded(folder: Path) -> list[Path]:
    """The weights that libraries load of a folder.

    Published ones hold them once more: in one file under another name, or in half precision, `model.fp16`; and what
    looks at pictures afterwards, which is never loaded.
    """
    files = sorted(folder.rglob("*.safetensors"))
    named = [path for path in files if path.name.startswith(_STOCK_NAMES) and "." not in path.stem]
    return [path for path in named if path.parent.name != "safety_checker"]


def weights(member: Critic) -> Weights:
    """Of a critic's model; its layers' share is taken from its configuration."""
    sizes = critics.sizes_of(member.model.folder, member.model.family)
    linear, everything = sizes.vision.parameters() + sizes.text.parameters(), sizes.parameters()
    whole = values(member.model) or everything
    largest = max(tower.width * tower.hidden for tower in (sizes.vision, sizes.text))
    return Weights(whole * linear / everything, whole * (1 - linear / everything), largest)


def asked(plan: Plan, member: Critic) -> Cost:
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


def _prompts(rows: Sequence[Row]) -> int:
    return len({row.prompt for row in rows})
