"""What the language has words for and this program cannot do yet: refused before anything is loaded, never ignored.

`check`, `show`, `plan` and `lock` take these keys as any other, and the plan holds them. Whoever builds one deletes its
line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .document import Document, Path, dotted
from .errors import InputError, Place, Problem
from .plan import Critic, Plan

# a key of the recipe -> whether a plan uses it
TABLE: dict[Path, Callable[[Plan], bool]] = {
    ("generator", "with"): lambda plan: bool(plan.generator.companions),
    ("adapter", "start"): lambda plan: bool(plan.adapter.start),
}
# a key of each critic and judge -> whether one uses it
OF_EACH: dict[str, Callable[[Critic], bool]] = {}


def refuse(plan: Plan, document: Document | None = None) -> None:
    """Raises `InputError` with every key that the plan uses and nothing here does, at its place in the recipe."""
    if found := list(used(plan)):
        raise InputError(Problem(_place(plan, path, document), dotted(path), "is not built yet") for path in found)


def used(plan: Plan) -> Iterator[Path]:
    """The keys that a plan uses and nothing here does."""
    yield from (path for path, uses in TABLE.items() if uses(plan))
    for part, members in (("critics", plan.critics), ("judges", plan.judges)):
        for member in members:
            yield from ((part, member.name, key) for key, uses in OF_EACH.items() if uses(member))


def _place(plan: Plan, path: Path, document: Document | None) -> Place:
    return Place(plan.name) if document is None else document.place(path)
