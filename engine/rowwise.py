"""Rowwise: what changed in rows of prompts, which rows of two plans belong together, and in what is asked of them.

A question that changed changes thousands of rows: it is told once, with the first prompt that shows it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .plan import Drawing, Plan, Row
from .sentences import quoted, value

_EXAMPLES = 3  # prompts that are named where many changed
SETS = ("train", "validate", "test")


@dataclass(frozen=True, slots=True)
class Matched:
    """Rows of two lists: those that belong together, in the order of the new ones, and those that stand alone."""

    pairs: tuple[tuple[Row, Row], ...]
    gone: tuple[Row, ...]
    new: tuple[Row, ...]
    reordered: bool


def matched(old: Sequence[Row], new: Sequence[Row]) -> Matched:
    """Each row with the one that it was: the same, otherwise one alike in its variables, otherwise in its prompt."""
    found: dict[int, int] = {}
    left: set[int] = set(range(len(old)))
    keys: tuple[Callable[[Row], Hashable], ...]
    keys = (lambda row: row, lambda row: (row.prompt, repr(row.variables)), lambda row: row.prompt)
    for key in keys:
        waiting: dict[Hashable, deque[int]] = defaultdict(deque)
        for at in sorted(left):
            waiting[key(old[at])].append(at)
        for at, row in enumerate(new):
            if at not in found and (queue := waiting.get(key(row))):
                found[at] = queue.popleft()
                left.discard(found[at])
    order = [found[at] for at in sorted(found)]
    return Matched(
        pairs=tuple((old[found[at]], new[at]) for at in sorted(found)),
        gone=tuple(old[at] for at in sorted(left)),
        new=tuple(row for at, row in enumerate(new) if at not in found),
        reordered=order != sorted(order),
    )


def of_set(name: str, rows: Matched) -> Iterator[str]:
    """What changed in one set of prompts."""
    yield from _prompts(f"{name}: new", [f"“{row.prompt}”" for row in rows.new])
    yield from _prompts(f"{name}: gone", [f"“{row.prompt}”" for row in rows.gone])
    others = [
        f"“{was.prompt}” ({'; '.join(_variables(was, now))})"
        for was, now in rows.pairs
        if repr(was.variables) != repr(now.variables)
    ]
    yield from _prompts(f"{name}: other variables for", others)
    if rows.reordered:
        yield f"{name}: the prompts stand in another order"


def _prompts(head: str, prompts: list[str]) -> Iterator[str]:
    if prompts:
        more = f" and {len(prompts) - _EXAMPLES} more" if len(prompts) > _EXAMPLES else ""
        plural = "s" if len(prompts) > 1 else ""
        yield f"{head} {len(prompts)} prompt{plural}: {', '.join(prompts[:_EXAMPLES])}{more}"


def _variables(was: Row, now: Row) -> Iterator[str]:
    before, after = dict(was.variables), dict(now.variables)
    for name in sorted(before.keys() | after.keys()):
        first, second = (repr(some[name]) if name in some else "nothing" for some in (before, after))
        if first != second:
            yield f"{name} was {first}, is now {second}"


# --- what is asked and measured ---

Facts = dict[str, dict[str, str]]  # question, visual or measure -> what of it -> what it comes to for a row


def facts(row: Row, drawings: Mapping[str, Drawing]) -> Facts:
    """Everything that is asked and measured of a row's pictures, drawings by what they show and not by their keys."""
    found: Facts = {}
    for ask in row.asks:
        found[f"question {ask.question}"] = {
            "wording": quoted(ask.wordings),
            "answer": quoted(ask.answers),
            "against": quoted(ask.against),
            "sees": ", ".join(_visual(key) for key in ask.see) or "nothing",
        }
        found |= {f"visual {_visual(key)}": drawing(drawings[key]) for key in ask.see if key in drawings}
    for target in row.targets:
        found[f"measure {target.measure}"] = {name: value(one) for name, one in target.parameters}
    return found


def drawing(one: Drawing) -> dict[str, str]:
    """What a drawing comes to."""
    shown = {name: value(parameter) for name, parameter in one.parameters}
    return {
        "kind": one.kind,
        **shown,
        **({"file": one.asset, "picture": one.sha256} if one.asset or one.sha256 else {}),
    }


def said(parts: Mapping[str, str]) -> str:
    """What a question, a visual or a measure comes to, as one text."""
    return ", ".join(f"{name} {text}" for name, text in parts.items() if name != "picture")


def firsts(plan: Plan) -> Facts:
    """For every question, visual and measure what it comes to for the first row that has it."""
    found: Facts = {}
    drawings = {one.key: one for one in plan.drawings}
    for row in (*plan.train_rows, *plan.validate_rows, *plan.test_rows):
        for head, parts in facts(row, drawings).items():
            found.setdefault(head, parts)
    return found


@dataclass(slots=True)
class _Change:
    """One thing that changed in the same manner, or not, for several prompts."""

    was: str
    now: str
    prompt: str
    count: int = 1
    manners: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


def asked(old: Plan, new: Plan, rows: Sequence[Matched], heads: set[str]) -> dict[str, list[str]]:
    """Sentences by head, for those of `heads` (question, visual or measure, in both plans) that changed."""
    drawings = [{one.key: one for one in plan.drawings} for plan in (old, new)]
    changes: dict[tuple[str, str], _Change] = {}
    seen: dict[str, int] = defaultdict(int)  # pairs of rows that have it both
    for was, now in (pair for some in rows for pair in some.pairs):
        before, after = facts(was, drawings[0]), facts(now, drawings[1])
        for head in (before.keys() | after.keys()) & heads:
            first, second = before.get(head), after.get(head)
            seen[head] += first is not None and second is not None
            for part, one, other in _apart(head, first, second):
                change = changes.setdefault((head, part), _Change(one, other, was.prompt, 0))
                change.count += 1
                change.manners.add((one, other))
    alone = [head for head in heads if not seen[head] and (head, "") not in changes]
    before, after = (firsts(plan) for plan in (old, new)) if alone else ({}, {})
    for head in alone:
        for part, one, other in _apart(head, before.get(head), after.get(head)):
            changes[head, part] = _Change(one, other, "", 0)
    found: dict[str, list[str]] = defaultdict(list)
    for (head, part), change in sorted(changes.items()):
        found[head].append(_sentence(head, part, change, everywhere=change.count == seen[head]))
    return found


def _apart(head: str, was: dict[str, str] | None, now: dict[str, str] | None) -> Iterator[tuple[str, str, str]]:
    """The parts that differ; the empty one stands for the whole, asked or measured of one row alone."""
    if was is None or now is None:
        if was != now and not head.startswith("visual "):  # what no question sees any more is told of the question
            yield "", "" if was is None else "there", "" if now is None else "there"
    elif was.get("kind") != now.get("kind"):
        yield "kind", said(was).removeprefix("kind "), said(now).removeprefix("kind ")
    else:
        renamed = was.get("picture") == now.get("picture")
        for part in {**was, **now}:
            if was.get(part) != now.get(part):
                same = ", the same picture" if part == "file" and renamed else ""
                yield part, was.get(part, "nothing"), now.get(part, "nothing") + same


def _sentence(head: str, part: str, change: _Change, everywhere: bool) -> str:
    if part == "":
        verb = "measured" if head.startswith("measure ") else "asked"
        return f"{head}: is {'now' if change.now else 'no longer'} {verb}{_where(change, False)}"
    if part == "picture":
        text = f"{head}: the picture shows something else"
    elif part == "sees":
        text = f"{head}: sees {change.now}, saw {change.was}"
    elif part in ("wording", "answer", "against"):
        text = f"{head}: {part} {change.was} is now {change.now}"
    else:
        text = f"{head}: {part} was {change.was}, is now {change.now}"
    return text + _where(change, everywhere and len(change.manners) == 1)


def _where(change: _Change, everywhere: bool) -> str:
    """For which prompts; nothing where it is so for all of them."""
    if everywhere:
        return ""
    if not change.prompt:
        return " (no prompt is in both)"
    return f" (for “{change.prompt}”" + (f" and {change.count - 1} more)" if change.count > 1 else ")")


def _visual(key: str) -> str:
    return key.partition("#")[0]
