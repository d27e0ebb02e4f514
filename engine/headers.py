"""Headers of safetensors files: which tensors there are, and what is said of them, read without torch.

8 bytes little-endian length, then JSON of that length (https://huggingface.co/docs/safetensors, Format).
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from .errors import InputError, Place, Problem

LARGEST_HEADER = 100 * 2**20  # bytes; what the format allows


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the tensors of a file."""

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]

    @property
    def values(self) -> int:
        """How many numbers the file holds."""
        return sum(math.prod(shape) for shape in self.shapes.values())


class _Tensor(BaseModel):
    model_config = ConfigDict(strict=True)

    shape: list[NonNegativeInt]


_METADATA = TypeAdapter(dict[str, str])
_TENSORS = TypeAdapter(dict[str, _Tensor])


def read(path: Path) -> Header:
    """The header of a safetensors file; `InputError` where it has none that can be read."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(LARGEST_HEADER, path.stat().st_size - 8):
                raise ValueError("its header is longer than it can be")
            data: object = json.loads(file.read(length))
        if not isinstance(data, dict):
            raise ValueError("its header is no JSON object")
        metadata = _METADATA.validate_python(data.pop("__metadata__", {}))
        tensors = _TENSORS.validate_python(data)
    except ValidationError as error:
        raise _refused(path, f"{error.errors()[0]['msg']} in its header") from error
    except (OSError, ValueError, RecursionError, struct.error) as error:
        raise _refused(path, str(error)) from error
    return Header({name: tuple(one.shape) for name, one in tensors.items()}, metadata)


def _refused(path: Path, why: str) -> InputError:
    return InputError([Problem(Place(str(path)), "", f"is no safetensors file that can be read: {why}")])
