"""Adapter files: which file is meant by what a person gives for an adapter. No torch.

An adapter is one file, but for peft, which writes a folder: the factors, and beside them settings with their scale.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from .errors import InputError, Place, Problem
from .factor_names import FACTORS

_ENDING = ".safetensors"
_LISTED = 3  # files in a hint


def is_folder(given: Path) -> bool:
    """Whether this is a folder that peft wrote."""
    return (given / FACTORS).is_file()


def found(given: Path) -> Path:
    """The file of an adapter: what is given, or the factors in peft's folder.

    Raises `InputError` where nothing is there, or another folder; what the file holds is not looked at.
    """
    if is_folder(given):
        return given / FACTORS
    if given.is_dir():
        inside = sorted((path for path in given.iterdir() if path.suffix == _ENDING), key=lambda path: len(path.name))
        hint = f"give its adapter: {', '.join(map(str, inside[:_LISTED]))}" if inside else _written()
        raise InputError([Problem(Place(str(given)), "", "is a folder, and none that peft wrote", hint)])
    if not os.path.lexists(given):
        raise InputError([Problem(Place(str(given)), "", "there is no such adapter", _close(given) or _written())])
    return given


def called(path: Path) -> str:
    """What an adapter is called, by its file."""
    return (path.absolute().parent if path.name == FACTORS else path).stem


def _written() -> str:
    return "give the file that `recipe run` writes, runs/NAME/NAME.safetensors, or another tool's"


def _close(given: Path) -> str:
    """What is there by nearly the same name, as a hint."""
    folder = given.parent
    if not folder.is_dir():
        return ""
    there = [path.name for path in folder.iterdir() if path.suffix == _ENDING or is_folder(path)]
    close = get_close_matches(given.name, there, 1)
    return f"did you mean {folder / close[0]}?" if close else ""
