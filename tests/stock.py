"""The reference: stock classes called plainly, one question and one answer at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from control_recipes.critics import Branch
from torch import Tensor
from transformers import AutoTokenizer, LlavaForConditionalGeneration, Qwen2_5_VLForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

QUESTIONS = ("Is there a red ball? Answer with Yes or No.", "What is in the image?", "Is the line on the horizon?")
TEXTS = (*QUESTIONS, "Yes", "No", "Maybe", "a red ball in the grass", "Yes it is")
# 1 to 12 tokens and more, open and closed, two answers to one question, one answer twice
BRANCHES = (
    Branch(QUESTIONS[0], "Yes"),
    Branch(QUESTIONS[0], "No"),
    Branch(QUESTIONS[1], "a red ball in the grass", closed=True),
    Branch(QUESTIONS[1], "zqj 7 dogs"),
    Branch(QUESTIONS[2], "Yes", closed=True),
    Branch(QUESTIONS[0], "Yes it is"),
    Branch(QUESTIONS[0], "Yes"),
)

CLASSES = {"qwen2_5_vl": Qwen2_5_VLForConditionalGeneration, "llava": LlavaForConditionalGeneration}
PROCESSORS = {"qwen2_5_vl": Qwen2VLImageProcessorPil, "llava": CLIPImageProcessorPil}
PLACES = {"qwen2_5_vl": "<|image_pad|>", "llava": "<image>"}


class Stock:
    """A stock model, its tokenizer by `AutoTokenizer` and its `...Pil` processor."""

    def __init__(self, folder: Path, family: str) -> None:
        self.family, self.place = family, PLACES[family]
        self.model = CLASSES[family].from_pretrained(folder, dtype=torch.float64)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.processor = PROCESSORS[family].from_pretrained(folder)

    def process(self, pictures: list[Tensor]) -> dict[str, Tensor]:
        """The processor's output for uint8 pictures [3, H, W]."""
        return dict(self.processor(images=[picture.numpy() for picture in pictures], return_tensors="pt"))

    def text(self, question: str, pictures: int, answer: str | None = None) -> str:
        content = [{"type": "image"}] * pictures + [{"type": "text", "text": question}]
        messages = [{"role": "user", "content": content}]
        if answer is not None:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer is None)

    def tokens(self, text: str, inputs: dict[str, Tensor]) -> Tensor:
        """Tokens [1, T] with each picture's place repeated as the stock processors do."""
        first, *rest = text.split(self.place)
        if self.family == "qwen2_5_vl":
            counts = [int(grid.prod()) // self.processor.merge_size**2 for grid in inputs["image_grid_thw"]]
        else:
            counts = [
                (int(p.shape[-1]) // self.model.config.vision_config.patch_size) ** 2 for p in inputs["pixel_values"]
            ]
        text = first + "".join(self.place * count + piece for count, piece in zip(counts, rest, strict=True))
        special = not (self.tokenizer.bos_token and text.startswith(self.tokenizer.bos_token))
        return self.tokenizer(text, return_tensors="pt", add_special_tokens=special)["input_ids"]

    def inputs(self, tokens: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        inputs = {**inputs, "pixel_values": inputs["pixel_values"].double()}
        if self.family == "qwen2_5_vl":
            inputs["mm_token_type_ids"] = (tokens == self.model.config.image_token_id).int()
        return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), **inputs}

    def log_probs(self, branch: Branch, pictures: int, inputs: dict[str, Tensor]) -> Tensor:
        """Log-probabilities [T] of the answer's tokens, by one plain call."""
        before = self.tokens(self.text(branch.question, pictures), inputs)
        both = self.tokens(self.text(branch.question, pictures, branch.answer), inputs)
        assert torch.equal(both[:, : before.shape[1]], before)
        specials = torch.tensor(self.tokenizer.all_special_ids)
        after = both[0, before.shape[1] :]
        end = int(torch.isin(after, specials).nonzero()[0])
        answer = after[: end + 1] if branch.closed else after[:end]
        logits = self.model(**self.inputs(both, inputs)).logits[0].log_softmax(-1)
        start = before.shape[1] - 1
        return logits[start : start + len(answer)].gather(1, answer[:, None])[:, 0]


def same(packed: Sequence[Tensor], plain: Sequence[Tensor], x: Tensor, least: float) -> None:
    """Log-probabilities of each branch, and their gradient on the picture, which is no shorter than `least`."""
    for ours, theirs in zip(packed, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
    ours = torch.autograd.grad(-sum(answer.mean() for answer in packed), x)[0]
    theirs = torch.autograd.grad(-sum(answer.mean() for answer in plain), x)[0]
    assert (ours - theirs).norm() <= 1e-6 * theirs.norm()
    assert theirs.norm() > least
