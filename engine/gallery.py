"""The gallery: recipes that come with the package, found by name, listed, and copied to start from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from . import files
from .document import scalar
from .errors import InputError, Place, Problem
from .paths import refuse_unwritable
from .values import NAME

FOLDER = Path(__file__).parent.parent / "recipes"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a recipe is read from."""

    path: Path
    gallery: bool  # named, not given as a path: everything it makes goes under runs/


def find(file: str) -> Source:
    """The recipe that a command line names: a path, or else the name of a gallery recipe; `InputError` for neither.

    It is raised too where its lock could not be called as it is, before a run finds that out at its end.
    """
    if not Path(file).name or Path(file).is_dir():
        what = "is a folder" if file else "is no name of a file"
        raise InputError([Problem(Place(file or "FILE"), "", what, "give a recipe, such as horizon_low.yaml")])
    refuse_unwritable(Path(file).with_suffix(".lock"))
    # a lock can be run from where its recipe is gone
    if any(path.exists() for path in (Path(file), Path(file).with_suffix(".lock"))) or Path(file).name != file:
        return Source(Path(file), False)
    named = _gallery(file)
    if named is None:
        raise _unknown(file)
    return Source(named, True)


def copied(name: str, folder: str) -> str:
    """A hint for who names a gallery recipe inside of a recipe of `folder`; empty where `name` is none.

    The command line alone finds them by name: a recipe is made of the files beside it, which do not change with the
    package.
    """
    named = _gallery(name) or _gallery(f"{name}.yaml")
    if named is None:
        return ""
    there = "" if folder in ("", ".") else f" in {folder}"
    return f"the gallery has one, which `recipe init {named.stem} --from {named.stem}`{there} copies to {named.name}"


def _gallery(name: str) -> Path | None:
    return next((path for path in recipes() if path.name == name), None)


def _unknown(name: str) -> InputError:
    close = get_close_matches(name, [path.name for path in recipes()], 1)
    hint = (
        f"did you mean {close[0]}, of the gallery?" if close else "`recipe gallery` lists those that are always there"
    )
    return InputError(
        [Problem(Place(name), "", "there is no such file, and no recipe of that name in the gallery", hint)]
    )


def recipes() -> list[Path]:
    """All of them, sorted by name."""
    return sorted(FOLDER.glob("*.yaml"))


def intent(text: str) -> str:
    """What a recipe's text says it is for: the line `# Intent: ...` at its head; empty where it says nothing."""
    found = re.search(r"^#\s*Intent:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else ""


def init(name: str, origin: str, folder: Path) -> list[Path]:
    """Copy a gallery recipe, under a name of its own, and the assets it names; never over a file that is there."""
    source = _gallery(origin) or _gallery(f"{origin}.yaml")
    if source is None:
        raise _unknown(origin)
    if not re.fullmatch(NAME, name):
        raise InputError([Problem(Place(name), "", "is no name for a recipe", f"it must match {NAME}")])
    text = source.read_text(encoding="utf-8")
    # `null` and `true` are names of files, but in YAML only with quotes
    said = name if isinstance(scalar(name), str) else f'"{name}"'
    text = re.sub(r"^name:.*$", f"name: {said}", text, count=1, flags=re.MULTILINE)
    text = text.replace(f"recipe run {source.name}", f"recipe run {name}.yaml")
    wanted = {folder / f"{name}.yaml": text.encode()}
    for asset in sorted(set(re.findall(r"assets/[\w./-]+", text))):
        if not (folder / asset).exists():
            wanted[folder / asset] = (FOLDER / asset).read_bytes()
    there = next((path for path in wanted if path.exists()), None)
    if there is not None:
        raise InputError([Problem(Place(str(there)), "", "is there already", "choose another name, or move it away")])
    for path, data in wanted.items():
        files.write(path, data)
    return list(wanted)
