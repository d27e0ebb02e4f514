"""What an adapter says of its training in the words of other tools: sd-scripts' `ss_…` keys and ModelSpec 1.0.1.

All values are texts, as those tools write them. Times are left out, and so are paths: the same training says the same.
"""

from __future__ import annotations

from .gallery import intent
from .plan import Plan

_PRECISION = {"float32": "no", "float64": "no", "bfloat16": "bf16"}


def training(plan: Plan, steps: int, recipe: str) -> dict[str, str]:
    """The entries of an adapter that was trained for so many `steps`; `recipe` is the recipe's text."""
    train, generator = plan.train, plan.generator
    numbers = {
        "ss_batch_size_per_device": train.batch,
        "ss_gradient_accumulation_steps": train.accumulate,
        "ss_guidance_scale": generator.guidance,
        "ss_learning_rate": train.lr,
        "ss_lr_warmup_steps": train.warmup,
        "ss_max_grad_norm": train.clip,
        "ss_max_train_steps": train.steps,
        "ss_num_train_images": len(plan.train_rows),
        "ss_seed": train.seed,
        "ss_steps": steps,
        "ss_total_batch_size": train.batch * train.accumulate,
        "ss_unet_lr": train.lr,
    }
    told = intent(recipe)
    return {
        **{name: str(number) for name, number in numbers.items()},
        "ss_full_fp16": "False",
        "ss_gradient_checkpointing": str(generator.checkpoint_backbone),
        "ss_lr_scheduler": train.schedule,
        "ss_mixed_precision": _PRECISION[generator.dtype],
        "ss_network_dropout": "None",
        "ss_optimizer": "torch.optim.adamw.AdamW(weight_decay=0.0)",
        "ss_resolution": str((generator.width, generator.height)),
        "ss_sd_model_name": _name(generator.model.address),
        "ss_text_encoder_lr": "None",
        "modelspec.resolution": f"{generator.width}x{generator.height}",
        **({"modelspec.description": told, "ss_training_comment": told} if told else {}),
    }


def _name(address: str) -> str:
    """A model's own name: of a hub's without its owner and revision, of a folder's the last part."""
    return address.partition("@")[0].rstrip("/").rpartition("/")[2]
