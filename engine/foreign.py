"""Adapters of any tool, read as folded factors: what is not understood to the last tensor is refused, never guessed.

Where the scale of the product B A comes from, one source a file:
    ours                     folded already: 1
    `lora_adapter_metadata`  diffusers: alpha / rank, with rslora alpha / √rank, by module where there are patterns
    adapter_config.json      peft, beside the file: the same
    `….alpha`                sd-scripts, musubi, ComfyUI: alpha / rank; a module without one has 1
    nothing                  1, as diffusers and ComfyUI read it
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from . import adapter as adapters
from . import composing, devices, digests, factor_names, fusing, generators, headers, made_for, models
from .composing import Factors
from .errors import InputError, Place, Problem, changed, cut
from .factor_names import PEFT, SETTINGS, SIDES
from .generators import Names
from .parts import Asset, Model

_ALPHA = ".alpha"
_OURS = (".lora_A.weight", ".lora_B.weight")  # how names end of what this program writes
# what in a tensor's name says that it is more, or other, than a plain LoRA of the generator
_OTHERWISE = {
    "dora_scale": "is a DoRA, whose magnitudes no sum of factors has",
    "lora_magnitude_vector": "is a DoRA, whose magnitudes no sum of factors has",
    "hada_": "is a LoHa, no LoRA",
    "lokr_": "is a LoKr, no LoRA",
    "oft_": "is an OFT, no LoRA",
    "lora_mid": "is a LoRA of convolutions",
    "lora_B.bias": "is a LoRA with biases",
    "lora_bias": "is a LoRA with biases",
    "lora_te": "changes a text encoder, and not the image generator alone",
    "text_encoder": "changes a text encoder, and not the image generator alone",
}
_SETTINGS = {"use_dora": "is a DoRA, whose magnitudes no sum of factors has", "lora_bias": "is a LoRA with biases"}
_HINT = "give one that is a plain LoRA of the generator's linear layers"


@dataclass(frozen=True, slots=True)
class _Scaling:
    """What peft says of how an adapter is applied."""

    alpha: float
    alphas: Mapping[str, float]  # by the end of a module's name
    rooted: bool  # rslora, arXiv 2312.03732

    def of(self, module: str, rank: int) -> float:
        """The scale of a module's product."""
        matched = (value for key, value in self.alphas.items() if f".{module}".endswith(f".{key}"))
        return next(matched, self.alpha) / (math.sqrt(rank) if self.rooted else rank)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    names: Names
    settings: Path  # of peft: where its scale stands, if the names are peft's

    def refused(self, message: str, key: str = "") -> InputError:
        return InputError([Problem(Place(str(self.path)), cut(key), message, _HINT)])


def read(path: Path, family: str, settings: Path | None = None) -> tuple[dict[str, Factors], dict[str, str]]:
    """The factors of an adapter of this family of generators, by module with its prefix, sorted; and its metadata.

    Peft's `settings` are those beside it, unless others are given. Raises `InputError` for a file that is no adapter,
    and for whatever in it is not understood.
    """
    tensors, metadata = adapters.load(path)
    file = _File(path, generators.names_of(family), settings or path.with_name(SETTINGS))
    return _understood(file, tensors, metadata), metadata


def _understood(file: _File, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Factors]:
    _refuse_otherwise(file, tensors)
    scaling = None if digests.SAID in metadata else _scaling(file, metadata, tensors)
    pairs, alphas = _sorted_out(file, tensors)
    if scaling is not None and alphas:
        raise file.refused("says its scale twice, by `.alpha` and by its settings")
    found: dict[str, Factors] = {}
    for module, pair in pairs.items():
        for name, factors in _named(file, module, _folded(file, module, pair, alphas, scaling)):
            if name in found:
                raise file.refused("is there twice, under two names", name)
            found[name] = factors
    if not found:
        raise file.refused("holds no factors of a LoRA")
    return dict(sorted(found.items()))


def tensors(path: Path, family: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of an adapter of whichever tool, in this program's names and folded; and its metadata. As `read`."""
    headers.of_adapter(path)  # which says so where it is the noise of a picture
    found, metadata = adapters.load(path)
    file = _File(path, generators.names_of(family), path.with_name(SETTINGS))
    head = f"{file.names.PREFIX}."
    if digests.SAID in metadata and all(key.startswith(head) and key.endswith(_OURS) for key in found):
        return found, metadata
    return composing.tensors(_understood(file, found, metadata)), metadata


def of_plan(assets: Sequence[Asset], model: Model) -> dict[str, Factors]:
    """`read` of an adapter that a plan names for its generator; behind it in `assets`, what peft wrote beside it.

    Raises `InputError` besides for one of ours that was trained for another generator, or is damaged; `WorkError` where
    a file is not what it was when the plan was made.
    """
    for one in assets:
        if not Path(one.source).is_file() or models.sha256(Path(one.source)) != one.sha256:
            raise changed(shown(one))
    path = Path(shown(assets[0]))
    found, metadata = read(path, model.family, *(Path(one.source) for one in assets[1:]))
    made_for.refuse_another(path, metadata, model)
    digests.refuse_damaged(path, metadata)
    return found


def shown(asset: Asset) -> str:
    """Where a plan's file lies, as seen from here."""
    return os.path.relpath(asset.source) if asset.source else asset.name


def _refuse_otherwise(file: _File, tensors: Mapping[str, Tensor]) -> None:
    for key in tensors:
        for word, why in _OTHERWISE.items():
            if word in key:
                raise file.refused(why, key)


def _sorted_out(file: _File, tensors: Mapping[str, Tensor]) -> tuple[dict[str, dict[str, Tensor]], dict[str, float]]:
    """Both factors of every module, and its alpha where it has one, by the name that the file gives it."""
    pairs: dict[str, dict[str, Tensor]] = {}
    alphas: dict[str, float] = {}
    for key, value in tensors.items():
        end = next((end for end in SIDES if key.endswith(end)), "")
        if end:
            pairs.setdefault(key.removesuffix(end), {})[SIDES[end]] = value
        elif key.endswith(_ALPHA) and value.numel() == 1:
            alphas[key.removesuffix(_ALPHA)] = float(value)
        else:
            raise file.refused("is no factor of a LoRA", key)
    for module, pair in pairs.items():
        shapes = [list(value.shape) for value in pair.values()]
        plain = all(value.ndim == 2 and value.is_floating_point() and value.numel() for value in pair.values())
        if len(pair) != 2 or not plain or pair["A"].shape[0] != pair["B"].shape[1]:
            raise file.refused(f"is no pair of factors [R, in] and [out, R], found {shapes}", module)
        if not all(bool(value.isfinite().all()) for value in pair.values()):
            raise file.refused("holds numbers that are not finite", module)
    if lonely := sorted(alphas.keys() - pairs.keys()):
        raise file.refused("is the scale of a module that is not there", f"{lonely[0]}{_ALPHA}")
    return pairs, alphas


def _folded(
    file: _File, module: str, pair: Mapping[str, Tensor], alphas: Mapping[str, float], scaling: _Scaling | None
) -> Factors:
    """A and B with its scale folded into B."""
    down, up = pair["A"], pair["B"]
    rank = len(down)
    scale = scaling.of(module.removeprefix(PEFT), rank) if scaling else alphas.get(module, float(rank)) / rank
    if not math.isfinite(scale):
        raise file.refused(f"has a scale that is not finite, found {scale}", module)
    return down, up if scale == 1 else up.to(devices.precise(up.dtype)) * scale


def _named(file: _File, module: str, factors: Factors) -> Iterator[tuple[str, Factors]]:
    """The layers of diffusers that a module is, each with its factors: a fused one is cut, which is exact."""
    prefix, (down, up) = f"{file.names.PREFIX}.", factors
    if module.startswith(prefix):
        yield module, factors
        return
    if module.startswith(PEFT):
        yield f"{prefix}{module.removeprefix(PEFT)}", factors
        return
    original = factor_names.original(module)
    parts = file.names.parts(original, len(up), down.shape[1]) if original else {}
    if not parts:
        raise file.refused("is no layer of this generator that is known by that name", module)
    rows = [end - start for start, end in parts.values()]
    # of the last two of two or three parts, keys and values, neither has more rows
    if min(rows) < 1 or (len(rows) in (2, 3) and rows[-1] != rows[-2]):
        raise file.refused(f"cannot be cut into {', '.join(parts)}: it has {len(up)} rows", module)
    for name, part in fusing.cut(factors, parts).items():
        yield f"{prefix}{name}", part


def _scaling(file: _File, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> _Scaling | None:
    """What the file's header, or a peft configuration beside it, says; None where nothing does."""
    head = f"{file.names.PREFIX}."
    if "lora_adapter_metadata" in metadata:
        told = _object(file, metadata["lora_adapter_metadata"])
        return _settings(file, {key.removeprefix(head): value for key, value in told.items() if key.startswith(head)})
    if not any(key.startswith(PEFT) for key in tensors):
        return None
    if not file.settings.is_file():
        raise file.refused("is peft's, whose scale stands in adapter_config.json, and none lies beside it")
    try:
        text = file.settings.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise file.refused(f"has settings that cannot be read, {file.settings}") from error
    return _settings(file, _object(file, text))


def _object(file: _File, text: str) -> dict[str, Any]:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise file.refused("has settings that are no JSON") from error
    if not isinstance(found, dict):
        raise file.refused("has settings that are no object of JSON")
    return cast(dict[str, Any], found)


def _settings(file: _File, told: Mapping[str, Any]) -> _Scaling:
    for key, why in _SETTINGS.items():
        if told.get(key):
            raise file.refused(why, key)
    alpha, patterns = told.get("lora_alpha"), told.get("alpha_pattern") or {}
    if type(alpha) not in (int, float) or not isinstance(patterns, dict):
        raise file.refused("does not say its scale: lora_alpha is no number", "lora_alpha")
    alphas = cast(dict[str, Any], patterns)
    if any(type(value) not in (int, float) for value in alphas.values()):
        raise file.refused("does not say its scale: alpha_pattern holds no numbers", "alpha_pattern")
    # peft takes them for regular expressions; those of a stranger could run for ever, and tools write names
    named = {re.sub(r"^\^|\$$|\\(?=\.)", "", key): float(value) for key, value in alphas.items()}
    if strange := next((key for key in named if not re.fullmatch(r"[\w.]+", key)), None):
        raise file.refused("has an alpha_pattern that is no name of a module", strange)
    return _Scaling(float(cast(float, alpha)), named, bool(told.get("use_rslora")))
