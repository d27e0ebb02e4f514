"""Frozen dataclasses as JSON with sorted keys, bit for bit the same everywhere, and back, strictly.

A field that holds its default is left out, where not the whole is asked for: `plan.py` says why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache, lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Form:
    """How a dataclass is written."""

    left_out: Mapping[type, Set[str]]  # fields that are no part of what one is, by its class
    rows: Sequence[str]  # its fields that hold long tuples: written one item at a time, every field of it
    shared: Sequence[str]  # fields of such an item whose tuples hold what other items hold too
    pairs: Sequence[str]  # fields of such an item whose tuples hold a name and a value each, again and again the same


def pieces(value: object, form: Form, whole: bool) -> Iterator[str]:
    """A dataclass as JSON, bit by bit; `whole` with what is left out otherwise."""
    shared: dict[int, str] = {}  # by identity: what a row shares lives as long as the value
    off = frozenset() if whole else _left_out(type(value), form) | _unused(value)
    for at, name in enumerate(_names(type(value), off)):
        yield f'{"," if at else "{"}"{name}":'
        if name in form.rows:
            rows = cast(tuple[object, ...], getattr(value, name))
            yield "["
            yield from (f"{',' if number else ''}{_row(row, form, shared)}" for number, row in enumerate(rows))
            yield "]"
        else:
            yield _text(_plain(getattr(value, name), form, whole))
    yield "}"


def parse(kind: type[T], text: str, form: Form) -> T:
    """The dataclass that `pieces` wrote; what was left out comes back empty. `ValueError` for anything else."""
    return _made(kind, json.loads(text), form, "")


def _row(row: object, form: Form, shared: dict[int, str]) -> str:
    found: list[str] = []
    for name in _names(type(row)):
        value: tuple[Any, ...] | str = getattr(row, name)
        if name in form.pairs:
            found.append(f'"{name}":[{",".join([_pair(*one) for one in value])}]')
        elif name in form.shared:
            for one in value:
                if id(one) not in shared:
                    shared[id(one)] = _text({key: getattr(one, key) for key in _names(type(one))})
            found.append(f'"{name}":[{",".join([shared[id(one)] for one in value])}]')
        else:
            found.append(f'"{name}":{_text(value)}')
    return f"{{{','.join(found)}}}"


def _left_out(kind: type, form: Form) -> frozenset[str]:
    return frozenset(form.left_out.get(kind, ()))


@cache
def _names(kind: type[Any], left_out: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The keys of a dataclass, sorted."""
    return tuple(sorted(one.name for one in fields(kind) if one.name not in left_out))


def _pair(name: str, value: object) -> str:
    # what is equal for values alone is not always written alike, as 1 and true
    return _known_pair(name, value) if type(value) is str else _text((name, value))


@lru_cache(maxsize=4096)
def _known_pair(name: str, value: str) -> str:
    return _text((name, value))


_text = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _plain(value: object, form: Form, whole: bool) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: _plain(getattr(value, one.name), form, whole)
            for one in fields(value)
            if whole or _counts(value, one, form)
        }
    if isinstance(value, tuple):
        return [_plain(item, form, whole) for item in cast(tuple[object, ...], value)]
    return value


def _counts(value: object, one: Field[Any], form: Form) -> bool:
    """Whether a field is part of what a dataclass is."""
    return one.name not in form.left_out.get(type(value), ()) and getattr(value, one.name) != one.default


def _unused(value: object) -> frozenset[str]:
    """Fields that hold their default."""
    return frozenset(one.name for one in fields(cast(Any, value)) if getattr(value, one.name) == one.default)


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _made(kind: type[T], data: object, form: Form, key: str) -> T:
    """A dataclass from its mapping, strictly: nothing unknown, nothing missing, every type as declared."""
    if not isinstance(data, dict):
        raise ValueError(f"{key or 'the whole'} must be an object")
    found = cast(dict[str, object], data)
    hints, left_out = _hints(kind), _left_out(kind, form)
    if unknown := set(found) - set(hints):
        raise ValueError(f"{key}.{min(unknown)} is not known".lstrip("."))
    off = {one.name for one in fields(cast(Any, kind)) if one.default is not MISSING}
    if missing := set(hints) - set(found) - left_out - off:
        raise ValueError(f"{key}.{min(missing)} is missing".lstrip("."))
    values = {
        name: _value(hints[name], found[name], form, f"{key}.{name}".lstrip(".")) for name in hints if name in found
    }
    empty = {name: () if get_origin(hints[name]) is tuple else "" for name in left_out - set(found)}
    return kind(**values, **empty)


def _value(hint: Any, data: object, form: Form, key: str) -> object:
    if is_dataclass(hint):
        return _made(cast(type[Any], hint), data, form, key)
    if get_origin(hint) in (Union, UnionType):
        choices = get_args(hint)
        if isinstance(data, list):
            return _value(next(choice for choice in choices if get_origin(choice) is tuple), data, form, key)
        if type(data) in choices:
            return data
    elif get_origin(hint) is tuple and isinstance(data, list):
        items, kinds = cast(list[object], data), get_args(hint)
        kinds = (kinds[0],) * len(items) if kinds[-1] is Ellipsis else kinds
        if len(kinds) == len(items):
            return tuple(
                _value(one, item, form, f"{key}.{at}") for at, (one, item) in enumerate(zip(kinds, items, strict=True))
            )
    elif type(data) is hint:
        return data
    raise ValueError(f"{key} has another type than {hint}")
