"""What a generator's own files say of it: how long a prompt it reads, and of what size its pictures are. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from . import generators
from .generators.reading import Reading
from .plan import Model


def json_of(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file; `ValueError` where it cannot be read, or is none."""
    try:
        data: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path.name} holds no JSON object")
    return cast(Mapping[str, Any], data)


def refuse_unreadable(model: Model) -> None:
    """Raises `ValueError` where a file of a generator cannot be read that a plan asks."""
    _ = picture_size(model), grid(model), text_length(model), reads(model)


def text_length(model: Model) -> int:
    """Tokens that the last text encoder of a generator pads to; 0 where it has no tokenizer.

    What the tokenizer says, but never more than the family's stock pipeline gives it: many say 10^30.
    """
    config = _last_tokenizer(model)
    return _longest(config, model) if config else 0


def reads(model: Model) -> Reading | None:
    """How a generator's last text encoder reads a prompt; None where there is no file of its tokenizer.

    Several encoders are numbered by the stock pipelines: the last one is that of the whole text.
    """
    config = _last_tokenizer(model)
    file = config.with_name("tokenizer.json") if config else None
    if not (config and file and file.is_file()):
        return None
    return generators.reading_of(model.family, Path(model.folder), file, _longest(config, model))


def _last_tokenizer(model: Model) -> Path | None:
    """The configuration of a generator's last tokenizer."""
    paths = (Path(model.folder) / f"tokenizer{number}" / "tokenizer_config.json" for number in ("_3", "_2", ""))
    return next((path for path in paths if path.is_file()), None)


def _longest(path: Path, model: Model) -> int:
    most, longest = generators.text_tokens(model.family), json_of(path).get("model_max_length")
    return int(longest) if isinstance(longest, (int, float)) and 1 <= longest <= most else most


def picture_size(model: Model) -> int | None:
    """The side, in pixels, of the pictures that a generator was made for; None where it does not say.

    Its backbone says so in latents, where it does; otherwise its decoder says for which pictures that was made.
    """
    latents = [_config(model, part).get("sample_size") for part in ("unet", "transformer")]
    told = next((size for size in latents if isinstance(size, int) and size > 0), None)
    if told is not None:
        return told * max(1, _factor(model))
    size = _config(model, "vae").get("sample_size")
    return size if isinstance(size, int) and size > 0 else None


def grid(model: Model) -> int:
    """Pixels that width and height must be a multiple of, as the family says by the decoder's factor."""
    return generators.grain(model.family, Path(model.folder), _factor(model))


def _factor(model: Model) -> int:
    """Pixels to a latent, in width and in height; 0 where the decoder does not say."""
    config = _config(model, "vae")
    named = ("block_out_channels", "encoder_block_out_channels", "dim_mult")
    channels = next((config[name] for name in named if name in config), None)
    return 2 ** len(cast(list[object], channels)) // 2 if isinstance(channels, list) else 0


def _config(model: Model, part: str) -> Mapping[str, Any]:
    path = Path(model.folder) / part / "config.json"
    return json_of(path) if path.is_file() else {}
