"""Sentences about what changed: values in words, and fields of the plan by the keys that a recipe writes them with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import TypeVar, cast

from .plan import Asset, Companion, Critic, Expectation, Measure, Model, Question

T = TypeVar("T", Question, Critic, Measure, Expectation)
_KEYS = {  # fields of the plan that a recipe calls otherwise
    "width": "size.width",
    "height": "size.height",
    "text_length": "tokens of a prompt",
    "checkpoint_backbone": "checkpointing.backbone",
    "checkpoint_decoder": "checkpointing.decoder",
    "conflict": "conflict.every",
}
_NONE_AT_ZERO = {"ema", "conflict"}
_LISTED = 8  # values; more are counted
_FILES = 3  # of a model, that are named


def changed(what: str, was: object, now: object) -> Iterator[str]:
    """The one sentence for two values, or none where they are the same to the digest."""
    if (type(was), repr(was)) != (type(now), repr(now)):
        many = _many(was) or _many(now)  # of many values their number is told, which is no value itself
        yield (
            f"{what}: {value(was)} before, {value(now)} now"
            if many
            else f"{what} was {value(was)}, is now {value(now)}"
        )


def _many(one: object) -> bool:
    return isinstance(one, tuple) and len(cast(tuple[object, ...], one)) > _LISTED


def of_fields(old: object, new: object, head: str, left_out: set[str] = frozenset()) -> Iterator[str]:  # pyright: ignore[reportArgumentType]
    """Every plain field of two dataclasses of one type that differs, those within them as well."""
    if not is_dataclass(old):
        return
    for field in fields(old):
        was, now = getattr(old, field.name), getattr(new, field.name)
        if field.name in left_out:
            continue
        if is_dataclass(was):
            yield from of_fields(was, now, f"{head}{field.name}: ")
        elif field.name in _NONE_AT_ZERO:
            yield from changed(f"{head}{_KEYS.get(field.name, field.name)}", was or None, now or None)
        else:
            yield from changed(f"{head}{_KEYS.get(field.name, field.name)}", was, now)


def entries(old: Sequence[T], new: Sequence[T], kind: str, said: Callable[[T], str]) -> Iterator[str]:
    """What is new and what is gone, by name."""
    before, after = {one.name for one in old}, {one.name for one in new}
    yield from (f"{kind} {one.name}: is new ({said(one)})" for one in new if one.name not in before)
    yield from (f"{kind} {one.name}: is gone ({said(one)})" for one in old if one.name not in after)


def common(old: Sequence[T], new: Sequence[T]) -> list[tuple[T, T]]:
    """What is in both, by name."""
    later = {one.name: one for one in new}
    return [(one, later[one.name]) for one in old if one.name in later]


def model(head: str, was: Model, now: Model) -> Iterator[str]:
    """What became of a model; where it lies on this machine is nobody's business."""
    alike = (was.family, was.revision, was.files) == (now.family, now.revision, now.files)
    if was.address != now.address:
        same = ", which holds the same files" if alike and was.files else ""
        yield f"{head}: model was {was.address}, is now {now.address}{same}"
        return
    yield from changed(f"{head}: revision of {was.address}", was.revision, now.revision)
    yield from changed(f"{head}: family of {was.address}", was.family, now.family)
    if was.files != now.files:
        names = sorted({name for name, _ in set(was.files) ^ set(now.files)})
        more = f" and {len(names) - _FILES} more" if len(names) > _FILES else ""
        yield f"{head}: model {was.address} holds other files ({', '.join(names[:_FILES])}{more})"


def assets(what: str, was: Sequence[Asset], now: Sequence[Asset]) -> Iterator[str]:
    """What became of the files that a key names, by what they hold, and of the weights that some have."""
    weights, others = ({one.name: one.weight for one in some if isinstance(one, Companion)} for some in (was, now))
    for name in [name for name in weights if name in others]:
        yield from changed(f"{what}: weight of {name}", weights[name], others[name])
    if [(one.name, one.sha256) for one in was] == [(one.name, one.sha256) for one in now]:
        return
    before, after = ([one.name for one in some] for some in (was, now))
    if before == after:
        names = [one.name for one, other in zip(was, now, strict=True) if one.sha256 != other.sha256]
        yield f"{what}: {', '.join(names)} holds something else now"
        return
    same = [one.sha256 for one in was] == [one.sha256 for one in now]
    yield from (
        f"{line}{', the same by content' if same else ''}" for line in changed(what, tuple(before), tuple(after))
    )


def quoted(texts: Sequence[str]) -> str:
    """Texts as they stand, in quotation marks."""
    return " / ".join(f"“{one}”" for one in texts) or "none"


def value(one: object) -> str:
    """A value as a recipe would write it, no digit lost."""
    if isinstance(one, tuple):
        listed = cast(tuple[object, ...], one)
        return f"{len(listed)} values" if _many(listed) else ", ".join(value(item) for item in listed) or "nothing"
    if isinstance(one, bool):
        return str(one).lower()
    if isinstance(one, float):
        return f"{one:g}" if float(f"{one:g}") == one else repr(one)
    return "nothing" if one in (None, "") else str(one)
