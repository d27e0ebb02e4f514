"""What families have in common: a frozen stock model with `sdpa` attention, its chat, and a language model that reads.

A family says how a picture becomes features (`look`) and how many tokens those are; the rest is here, and a family
says it anew where it differs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from . import Branch, View
from .chat import Chat

if TYPE_CHECKING:
    from torch import Tensor

    from .asking import LogProbs
    from .pixels import Normal


def stock_model(folder: Path, kind: Any, dtype: str, device: str) -> Any:
    """A stock model of the class `kind` from its folder, frozen and in evaluation mode. `dtype` as torch names it."""
    import torch

    model: Any = kind.from_pretrained(
        folder, dtype=getattr(torch, dtype), attn_implementation="sdpa", use_safetensors=True, local_files_only=True
    )
    model.requires_grad_(False).eval()
    torch.nn.Module.to(model, device)  # the stock classes decorate their own, and lose the type
    return model


class Reader(ABC):
    """A critic made of a stock model (with `sdpa` attention), a chat and what its processor does. It freezes nothing.

    Sliding windows are allowed where the chat's limit keeps every question inside one: the tree mask knows none.
    """

    packs: ClassVar[bool] = True  # whether the head's tokens are the same whatever is asked after them

    def __init__(self, model: Any, chat: Chat, normal: Normal) -> None:
        self.model, self.chat, self.normal = model, chat, normal
        config: Any = self.text.config
        window = getattr(config, "sliding_window", None)
        slides = "sliding_attention" in (getattr(config, "layer_types", None) or ["sliding_attention"])
        if config._attn_implementation != "sdpa" or (window and slides and chat.limit() > window):
            raise ValueError("the tree mask needs sdpa attention without sliding windows")

    @property
    def text(self) -> Any:
        """The language model without its head."""
        return self.model.model.language_model

    def ask(self, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> list[list[Tensor]]:
        """Log-probabilities [T] of every answer token, for each view and each of its branches (nats)."""
        return self.log_probs(views, branches).lists()

    def log_probs(self, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> LogProbs:
        """The same in one flat tensor."""
        from .asking import log_probs

        return log_probs(self, views, branches)

    def reply(self, view: View, question: str, limit: int = 32) -> str:
        """The critic's own greedy answer, at most `limit` tokens."""
        from .asking import reply

        return reply(self, view, question, limit)

    @abstractmethod
    def look(self, pictures: Sequence[Tensor]) -> Tensor: ...

    def positions(self, head: Tensor, sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, int]:
        import torch

        return torch.arange(len(head), device=head.device)[None], len(head)

    def visible(self, tree: Tensor, tokens: Tensor, segment: Tensor) -> Tensor:
        """Who sees whom [B, 1, T, T], from who would in plain text order; a model that looks ahead adds to it."""
        return tree

    def embed(self, tokens: Tensor) -> Tensor:
        return self.model.get_input_embeddings()(tokens)

    def read(self, embeddings: Tensor, positions: Tensor, visible: Any, cache: Any = None) -> Tensor:
        return self.text(
            inputs_embeds=embeddings,
            position_ids=positions[0],
            attention_mask=visible,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        return self.model.lm_head(hidden)
