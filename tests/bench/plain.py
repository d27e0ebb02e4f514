"""What the engine is measured against: the same loss with the stock classes called plainly.

    one by one  the paper's algorithm: decoder, vision tower and language model once for each question, all graphs held
    shared      decoder and vision tower once, the language model once for each question

Both take the models that the engine has loaded, so that the same weights lie at the same places in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sized
import torch
from control_recipes.critics.qwen2_5_vl import Qwen
from control_recipes.engine import step as steps
from diffusers import FluxPipeline
from torch import Tensor
from transformers import AutoTokenizer

PICTURE = "<|image_pad|>"


class Plain:
    """A stock Flux and a stock Qwen2.5-VL, and the tokens of the first questions as `AutoTokenizer` makes them."""

    def __init__(self, desk: steps.Desk, critic: Qwen, folder: Path, questions: int) -> None:
        self._transformer: Any = desk.generator.backbone
        self._vae: Any = desk.generator._vae
        self._given: Any = desk.given(desk.plan.train_rows[:1])
        self._critic, self._model = critic, critic.model
        self.side = desk.plan.generator.width
        rows = critic.grid.patches(self.side, self.side)
        self._grid = torch.tensor([[1, *rows]])
        tokenizer = AutoTokenizer.from_pretrained(folder / "critic")
        self._yes = tokenizer("Yes")["input_ids"][0]
        tokens = critic.grid.tokens(self.side, self.side)
        self._asked = [self._tokens(tokenizer, sized.question(at), tokens) for at in range(questions)]

    def _tokens(self, tokenizer: Any, question: str, picture: int) -> Tensor:
        messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return tokenizer(text.replace(PICTURE, PICTURE * picture), return_tensors="pt")["input_ids"]

    def one_by_one(self, pixels: Tensor) -> Tensor:
        """Mean of −log p(Yes) over all questions, in nats: the whole critic once for each."""
        return torch.stack([self._alone(pixels, tokens) for tokens in self._asked]).mean()

    def shared(self, pixels: Tensor) -> Tensor:
        """The same with one pass of the vision tower, whose features all questions are asked of."""
        features = self._model.model.get_image_features(self._values(pixels), self._grid).pooler_output
        return torch.stack([self._seen(torch.cat(list(features)), tokens) for tokens in self._asked]).mean()

    def _alone(self, pixels: Tensor, tokens: Tensor) -> Tensor:
        said = self._model(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            pixel_values=self._values(pixels),
            image_grid_thw=self._grid,
            mm_token_type_ids=self._kinds(tokens),
            use_cache=False,
        )
        return -said.logits[0, -1].float().log_softmax(-1)[self._yes]

    def _seen(self, features: Tensor, tokens: Tensor) -> Tensor:
        kinds = self._kinds(tokens)
        embeddings = self._model.get_input_embeddings()(tokens)
        embeddings = embeddings.masked_scatter(kinds.bool()[..., None].expand_as(embeddings), features)
        positions, _ = self._model.model.get_rope_index(tokens, kinds, image_grid_thw=self._grid)
        said = self._model(
            inputs_embeds=embeddings,
            attention_mask=torch.ones_like(tokens),
            position_ids=positions,
            use_cache=False,
        )
        return -said.logits[0, -1].float().log_softmax(-1)[self._yes]

    def _values(self, pixels: Tensor) -> Tensor:
        return self._critic.pixel_values(pixels).flatten(0, 1)

    def _kinds(self, tokens: Tensor) -> Tensor:
        return (tokens == self._model.config.image_token_id).int()

    def denoised(self, z: Tensor) -> Tensor:
        """x̂0 = z − v of noise at σ = 1."""
        places = FluxPipeline._prepare_latent_image_ids(1, self.side // 16, self.side // 16, z.device, z.dtype)
        velocity = self._transformer(
            hidden_states=z,
            timestep=torch.ones(1),
            pooled_projections=self._given.pooled,
            encoder_hidden_states=self._given.sequence,
            txt_ids=torch.zeros(self._given.sequence.shape[1], 3),
            img_ids=places,
            return_dict=False,
        )[0]
        return z - velocity

    def decoded(self, denoised: Tensor) -> Tensor:
        """Pixels in [0, 1], clamped with a straight-through gradient."""
        latents = FluxPipeline._unpack_latents(denoised, self.side, self.side, 8)
        settings = self._vae.config
        picture = self._vae.decode(latents / settings.scaling_factor + settings.shift_factor, return_dict=False)[0]
        picture = picture / 2 + 0.5
        return picture + (picture.clamp(0, 1) - picture).detach()

    def step(self, z: Tensor, optimizer: torch.optim.Optimizer, weights: Sequence[Tensor]) -> float:
        """One step of the paper's algorithm: everything after the clean estimate once for each question."""
        optimizer.zero_grad()
        denoised = self.denoised(z)
        loss = torch.stack([self._alone(self.decoded(denoised), tokens) for tokens in self._asked]).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1e9)
        optimizer.step()
        return float(loss.detach())
