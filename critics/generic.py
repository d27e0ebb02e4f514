"""Any other model of images and text whose image processor is a known one: stock class, tokenizer, and pictures.

It loops, a pass for every question, by plain calls of the stock model: nothing of it is taken apart, so that whatever
attention, positions or windows it has are its own. Answers to a question that do not begin alike are rows of that pass,
each with the picture. It is shown several pictures at once as it is shown one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from . import Branch, View, processors
from .chat import Chat, integer, read_chat, read_json, refuse, section
from .configs import DEFAULTS, Config, Json, processor_of, text_tower, vision_tower
from .configs import sizes as sizes_of
from .costs import Sizes
from .processors import Shown
from .reading import stock_model

if TYPE_CHECKING:
    from torch import Tensor

    from .asking import LogProbs
    from .pixels import Normal

PACKS = False


def config(folder: Path) -> Config:
    """`config.json`, and what it leaves out of parts whose stock classes are known here."""
    path = folder / "config.json"
    whole = read_json(path)
    return Config(path, whole, *(_part(section(path, whole, name)) for name in ("text_config", "vision_config")))


def _part(said: Json) -> Json:
    kind = str(said.get("model_type", ""))
    return {
        **DEFAULTS.get(kind, {}),
        **{key: value for key, value in said.items() if value is not None},
        "model_type": kind,
    }


def rows_of(answers: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """What is read of some answers, each without its last token; what begins another is read there."""
    shown = sorted({tuple(answer[:-1]) for answer in answers}, key=lambda one: -len(one))
    return [one for at, one in enumerate(shown) if not any(other[: len(one)] == one for other in shown[:at])]


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    read = config(folder)
    shown = processors.read(folder, read)
    positions = integer(read.path, read.text, "max_position_embeddings")
    spelled = shown.spelled

    def tokens(width: int, height: int) -> int:
        return len(found.picture(width, height)) if spelled else shown.tokens(width, height)

    image = read.integer("image_token_id", "image_token_index")
    found: Chat = read_chat(folder, image, tokens, positions, written=shown.written, spelled=spelled)
    return found


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; `InputError` where its configuration does not say enough."""
    read = config(folder)
    shown = processors.read(folder, read)
    tower = vision_tower(read, 3 if shown.gates else 2)
    made = sizes_of(read, tower, shown.patches, shown.tokens, True, pieces=shown.pieces)
    # plain text order needs no mask
    return dataclasses.replace(made, text=dataclasses.replace(text_tower(read), masked=False))


def load(folder: Path, dtype: str, device: str) -> Generic:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16.

    `InputError` where transformers has no class for it, or that cannot do without a library's own attention.
    """
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as CLASSES

    from .pixels import normal

    read = config(folder)
    kind = CLASSES.get(str(read.whole.get("model_type")))
    if kind is None:
        raise refuse(read.path, f"transformers has no class for {read.whole.get('model_type')!r} that answers in text")
    shown, asked = processors.read(folder, read), chat(folder)
    try:
        model = stock_model(folder, getattr(transformers, kind), dtype, device)
    except ValueError as error:
        raise refuse(folder, f"{kind} cannot be loaded: {error}") from error
    return Generic(model, asked, shown, normal(*processor_of(folder)))


@final
class Generic:
    """A critic made of a stock model, a chat, and how its processor shows pictures. It freezes nothing."""

    packs: ClassVar[bool] = PACKS

    def __init__(self, model: Any, chat: Chat, shown: Shown, normal: Normal) -> None:
        self.model, self.chat, self.shown, self.normal = model, chat, shown, normal

    def pixel_values(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] → values [B, …], as the stock processor makes them."""
        return self.shown.values(pictures, self.normal)

    def ask(self, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> list[list[Tensor]]:
        """Log-probabilities [T] of every answer token, for each view and each of its branches (nats)."""
        return self.log_probs(views, branches).lists()

    def log_probs(self, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> LogProbs:
        """The same in one flat tensor."""
        import torch

        from .asking import LogProbs, laid_over, refuse_unmatched

        refuse_unmatched(views, branches)
        found: list[Tensor] = []
        for view, some in zip(views, branches, strict=True):
            pictures = laid_over([view])
            said: dict[Branch, Tensor] = {}
            for question in dict.fromkeys(branch.question for branch in some):
                turn = [branch for branch in dict.fromkeys(some) if branch.question == question]
                answers = [self.chat.answer(question, branch.answer, branch.closed) for branch in turn]
                said |= zip(turn, self._said(pictures, question, answers), strict=True)
            found += [said[branch] for branch in some]
        lengths = iter([len(one) for one in found])
        return LogProbs(torch.cat(found), tuple(tuple(next(lengths) for _ in some) for some in branches))

    def _said(self, pictures: Sequence[Tensor], question: str, answers: Sequence[tuple[int, ...]]) -> list[Tensor]:
        """Log-probabilities [T] of answers to one question, in one pass."""
        import torch

        read = rows_of(answers)
        longest = max(map(len, read)) + 1
        logits = self.model(
            **self._inputs(pictures, question, read), use_cache=False, logits_to_keep=longest
        ).logits[:, -longest:]  # fmt: skip
        # half precision is too coarse for log-probabilities; double stays double
        values = (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(-1)
        found: list[Tensor] = []
        for answer in answers:
            row = next(at for at, one in enumerate(read) if one[: len(answer) - 1] == answer[:-1])
            tokens = torch.tensor(answer, device=values.device)
            found.append(values[row, : len(answer)].gather(1, tokens[:, None])[:, 0])
        return found

    def _inputs(
        self, pictures: Sequence[Tensor], question: str, read: Sequence[tuple[int, ...]]
    ) -> Mapping[str, Tensor]:
        """What the stock model is called with: a row for each text that is read behind the question, filled up."""
        import torch

        from .asking import head_of

        device, longest = pictures[0].device, max(map(len, read))
        prompt = (*head_of(self.chat, pictures), *self.chat.prompt(question, len(pictures)).tail)
        tokens = torch.tensor([[*prompt, *row, *[0] * (longest - len(row))] for row in read], device=device)
        there = torch.tensor([[1] * (len(prompt) + len(row)) + [0] * (longest - len(row)) for row in read])
        shown = self.shown.inputs([self.pixel_values(picture).to(self.model.dtype) for picture in pictures])
        again = {name: torch.cat([value] * len(read)) for name, value in shown.items()}
        return {"input_ids": tokens, "attention_mask": there.to(device), **again}

    def reply(self, view: View, question: str, limit: int = 32) -> str:
        """The critic's own greedy answer, at most `limit` tokens."""
        import torch

        from .asking import laid_over

        with torch.no_grad():
            inputs = self._inputs(laid_over([view]), question, [()])
            said = self.model.generate(
                **inputs, do_sample=False, max_new_tokens=limit, eos_token_id=sorted(self.chat.ends()), pad_token_id=0
            )
        after = said[0, inputs["input_ids"].shape[1] :].tolist()
        return self.chat.text([token for token in after if token not in self.chat.ends()])
