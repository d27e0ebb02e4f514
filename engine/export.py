"""Export: an adapter as another tool's file. What it does stays what it was, unless fewer digits are asked for.

    kohya      NAME.kohya.safetensors       sd-scripts' names, fused layers as one, `.alpha`
    comfyui    NAME.comfyui.safetensors     what ComfyUI reads of this family
    diffusers  NAME.diffusers.safetensors   what `load_lora_weights` reads
    peft       NAME.peft/                   what `PeftModel.from_pretrained` reads

The same adapter gives the same file. What it carries stays in the header: `extract`, `compose` and `export` take it.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import adapter_files, digests, factor_names, files, generators, headers, made_for, meant
from . import plan as plans
from .beside import USAGE
from .errors import InputError, Place, Problem
from .generators.layouts import TOOLS, Layout
from .plan import Model

if TYPE_CHECKING:
    from torch import Tensor

    from .composing import Adapter

DTYPES = ("float32", "bfloat16", "float16")
_FROM = "control_recipes.exported_from"
_KEPT = re.compile(r"format$|control_recipes\.|ss_|modelspec\.")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    adapter: Path  # the file, or peft's folder
    tool: str
    readers: tuple[str, ...]  # tools that load it as it is
    unread: str  # which tools of this form do not, and why; empty where all do
    tensors_sha256: str
    dtype: str  # that was asked for; empty: as trained
    rounding: float  # ‖ΔW' − ΔW‖ / ‖ΔW‖ over all layers, 0 where nothing was rounded
    beside: str  # what has to be loaded too, in words: it was trained beside it; empty where there is nothing

    def json(self) -> str:
        """As one line of JSON."""
        told = {"adapter": str(self.adapter.absolute()), "tool": self.tool, "readers": self.readers}
        told |= {"unread": self.unread, "tensors_sha256": self.tensors_sha256}
        told |= {"dtype": self.dtype or None, "rounding": self.rounding, "beside": self.beside or None}
        return json.dumps(told, ensure_ascii=False)

    def text(self) -> str:
        """In words."""
        rounded = f"; {self.dtype} rounds what it does by {100 * self.rounding:.2g} %" if self.rounding else ""
        more = "".join(f"; {said}" for said in (self.unread, self.beside) if said)
        return f"{self.adapter}: loads in {', '.join(self.readers)}{more}{rounded}"


def export(adapter: Path, to: str, out: Path | None = None, dtype: str = "") -> Exported:
    """Write an adapter for the tool `to`, into `out`: a file, of peft a folder; by default beside the adapter.

    `dtype` is one of `DTYPES`, as trained where it is empty. Raises `InputError` where the file is no adapter of ours,
    holds the noise of one picture or is damaged, where the tool has no file for its generator, where a file is there
    already, and for a number that the dtype has not.
    """
    if dtype and dtype not in DTYPES:
        raise _refused("--dtype", f"must be one of {', '.join(DTYPES)}, found {dtype!r}", meant.word(dtype, DTYPES))
    if to not in TOOLS:
        raise _refused("--to", f"must be one of {', '.join(TOOLS)}, found {to!r}", meant.word(to, TOOLS))
    given, adapter = adapter, adapter_files.found(adapter)
    metadata = headers.of_adapter(adapter).metadata
    model = plans.parse(made_for.carried(adapter, metadata).plan, str(adapter)).generator.model
    layout = _layout(adapter, to, model.family)
    beside = given if given.name.strip(".") else given.resolve()
    path = out or beside.with_name(f"{beside.stem}.{to}" + ("" if layout.folder else ".safetensors"))
    target = path / factor_names.FACTORS if layout.folder else path
    for place in [target, *([path / factor_names.SETTINGS] if layout.folder else [])]:
        if os.path.lexists(place):
            raise _refused(str(place), "is there already", "name another place with --out, or move it away")
    if target.suffix != ".safetensors":
        raise _refused(str(target), "is not called as tools know such a file", "let its name end in .safetensors")
    digests.refuse_damaged(adapter, metadata)

    from . import adapter as adapters
    from . import foreign, fusing

    trained, _ = foreign.read(adapter, model.family)
    try:
        factors, rounding = _rounded(trained, dtype)
        tensors = fusing.laid_out(factors, generators.names_of(model.family), layout)
    except ValueError as error:
        raise _refused(str(adapter), f"cannot be written for {to}: {error}") from error
    if layout.folder:
        files.write(path / factor_names.SETTINGS, _config(tensors, layout, model).encode())
    adapters.save(target, tensors, adapters.fitted(_told(metadata, tensors, layout)))
    widths = {down.shape[1] for down, _ in trained.values()}
    readers = layout.loads(widths), layout.unread(widths)
    return Exported(path, to, *readers, adapters.tensors_sha256(tensors), dtype, rounding, metadata.get(USAGE, ""))


def _refused(place: str, message: str, hint: str = "") -> InputError:
    return InputError([Problem(Place(place), "", message, hint)])


def _layout(adapter: Path, to: str, family: str) -> Layout:
    known = generators.exports_of(family)
    if to in known:
        return known[to]
    hint = f"what there is for it: --to {', '.join(known)}" if known else "this version does not know it"
    raise _refused(str(adapter), f"is of a generator, {family!r}, for which there is no file of {to}", hint)


def _rounded(adapter: Adapter, dtype: str) -> tuple[Adapter, float]:
    """The factors in another dtype, and the error; ValueError where it has not their numbers."""
    if not dtype:
        return adapter, 0.0
    import torch

    kind: torch.dtype = getattr(torch, dtype)
    rounded = {module: (down.to(kind), up.to(kind)) for module, (down, up) in adapter.items()}
    for module, pair in rounded.items():
        if not all(bool(value.isfinite().all()) for value in pair):
            raise ValueError(f"{module} holds numbers that {dtype} has not")
    error = whole = 0.0
    for module, pair in adapter.items():
        (down, up), (new_down, new_up) = ([value.double() for value in one] for one in (pair, rounded[module]))
        # B'A' − BA = (B' − B) A' + B (A' − A): nothing is taken from something that is as large
        error += _squared(torch.cat([new_up - up, up], dim=1), torch.cat([new_down, new_down - down]))
        whole += _squared(up, down)
    return rounded, math.sqrt(error / whole) if whole else 0.0


def _squared(up: Tensor, down: Tensor) -> float:
    """‖B A‖², without the matrix [out, in]."""
    return max(0.0, float(((up.T @ up) * (down @ down.T)).sum()))


def _told(metadata: Mapping[str, str], tensors: Mapping[str, Tensor], layout: Layout) -> dict[str, str]:
    """The header: what the adapter says of itself, with ranks and digests of this file's tensors."""
    from . import adapter as adapters

    ranks = {str(len(value)) for name, value in tensors.items() if name.endswith(layout.ends[0])}
    rank = ranks.pop() if len(ranks) == 1 else "Dynamic"
    body = adapters.body_sha256(tensors)
    return {
        **{name: text for name, text in metadata.items() if _KEPT.match(name)},
        "format": "pt",
        digests.SAID: adapters.tensors_sha256(tensors),
        _FROM: metadata.get(_FROM, metadata.get(digests.SAID, "")),
        "modelspec.hash_sha256": f"0x{body}",
        "ss_network_dim": rank,
        "ss_network_alpha": rank,
        **({"sshs_model_hash": body} if layout.alpha else {}),
    }


def _config(tensors: Mapping[str, Tensor], layout: Layout, model: Model) -> str:
    """peft's settings: alpha is the rank of every layer, so that nothing is scaled."""
    down = layout.ends[0]
    ranks = {
        name.removeprefix(layout.head).removesuffix(down): len(value)
        for name, value in sorted(tensors.items())
        if name.endswith(down)
    }
    most = Counter(ranks.values()).most_common(1)[0][0]
    others = {re.escape(name): rank for name, rank in ranks.items() if rank != most}
    told = {
        "peft_type": "LORA",
        "task_type": None,
        # of the hub alone: a path here would be another one there
        "base_model_name_or_path": model.address.partition("@")[0] if model.revision else None,
        "revision": model.revision or None,
        "inference_mode": True,
        "r": most,
        "lora_alpha": most,
        "rank_pattern": others,
        "alpha_pattern": others,
        "target_modules": list(ranks),
        "lora_dropout": 0.0,
        "bias": "none",
    }
    return json.dumps(told, indent=2) + "\n"
