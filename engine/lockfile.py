"""A lock's text: sorted JSON, a row or an entry a line, with a digest of its own; and the first version, still read.

What many rows of a plan hold alike stands once: `asks`, `targets` and `models` are tables, and a row or a critic names
an entry of them, `thing`, or `thing#2` for the second form that a question of that name takes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Object = dict[str, Json]

VERSION = 2
_ROWS = ("train_rows", "validate_rows", "test_rows")  # in which forms are counted
_UNSIGNED = f'"digest": "{"0" * 64}"'


def text(body: Object) -> str:
    """The text of a lock's body, which says its own digest: sha256 of the text with 64 zeros in the digest's place."""
    written = f"{_text({**body, 'digest': '0' * 64}, ())}\n"
    return written.replace(_UNSIGNED, f'"digest": "{_sha256(written)}"', 1)


def digest(written: str) -> str:
    """The digest that a lock's text says."""
    return str(cast(Object, json.loads(written))["digest"])


def parse(written: str) -> tuple[int, Object]:
    """The version and the body of a lock's text. Raises ValueError where it is none, or not as it was written."""
    try:
        data: Json = json.loads(written)
    except RecursionError as error:
        raise ValueError("is no lock: it nests too deep") from error
    except ValueError as error:
        raise ValueError(f"is no lock: {error}") from error
    if not isinstance(data, dict):
        raise ValueError("is no lock: an object is expected")
    version, digest = data.get("lock"), data.pop("digest", None)
    if version not in (1, VERSION) or isinstance(version, bool):
        raise ValueError(f"is no lock of a version known here: {VERSION} is expected, found {version!r}")
    found = _sha256(compact(data)) if version == 1 else _sha256(written.replace(f'"digest": "{digest}"', _UNSIGNED, 1))
    if digest != found:
        raise ValueError("does not match its own digest: it was edited or cut short")
    return cast(int, version), data


def compact(data: Json) -> str:
    """JSON with sorted keys and no space, as a plan's canonical form is."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _sha256(written: str) -> str:
    return hashlib.sha256(written.encode()).hexdigest()


def _text(value: Json, path: tuple[str, ...]) -> str:
    """A value in the lock's layout; `path` is where it stands."""
    if not value or not isinstance(value, list | dict) or not _opened(path):
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    pad = " " * len(path)
    if isinstance(value, dict):
        lines = [f"{json.dumps(key, ensure_ascii=False)}: {_text(value[key], (*path, key))}" for key in sorted(value)]
    else:
        lines = [_text(item, (*path, "")) for item in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return f"{start}\n" + ",\n".join(f"{pad} {line}" for line in lines) + f"\n{pad}{end}"


def _opened(path: tuple[str, ...]) -> bool:
    """Whether what stands at `path` is spread over lines, one for each of its entries."""
    return len(path) < 3 or path[1] == "models" or (path[1] == "plan" and len(path) == 3)


# --- what stands in the file, and what the program holds ---


def body(lock: Mapping[str, Any]) -> Object:
    """What is written of a lock, of which `lock` is the plain data."""
    outcome = cast(dict[str, Any] | None, lock["outcome"])
    if outcome is not None:
        probes = {one["file"]: {key: one[key] for key in ("sha256", "means")} for one in outcome["probes"]}
        outcome = {**_objects_for_pairs(outcome), "probes": probes}
    platform = None if lock["platform"] is None else _objects_for_pairs(lock["platform"])
    plain: Object = json.loads(json.dumps({"outcome": outcome, "platform": platform, "recipe": lock["recipe"]}))
    return {**plain, "inputs": inputs(lock["inputs"]), "lock": VERSION}


def inputs(data: Mapping[str, Any]) -> Object:
    """What is written of a lock's inputs, of which `data` are the plain data."""
    plan, models = shortened(json.loads(data["plan"]))
    for one in data["models"]:
        models[one["address"]] = _objects_for_pairs(one)
    rest = {key: value for key, value in data.items() if key not in ("plan", "models")}
    return {**json.loads(json.dumps(_objects_for_pairs(rest))), "plan": plan, "models": models}


def flat(version: int, body: Object) -> dict[str, Any]:
    """The plain data of a lock that its body holds. Raises ValueError where something is missing."""
    try:
        made: dict[str, Any] = {key: body.get(key) for key in ("outcome", "platform")}
        for key, part in made.items():
            made[key] = part and _pairs_for_objects(part)
        if made["outcome"]:
            probes = made["outcome"]["probes"]
            made["outcome"]["probes"] = [_probe(*one) for one in (probes if version == 1 else sorted(probes.items()))]
        found = cast(dict[str, Any], body["inputs"])
        made["inputs"] = _old_inputs(found) if version == 1 else _new_inputs(found)
        return {**made, "recipe": body.get("recipe", "")}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"lacks what a lock holds: {error}") from error


def flat_inputs(written: str) -> dict[str, Any]:
    """The plain data of the inputs that `text` holds, or of the plan alone that it is. Raises ValueError."""
    try:
        data = json.loads(written)
        return _new_inputs(data) if "plan_sha256" in data else _old_inputs({"plan": data})
    except RecursionError as error:
        raise ValueError("it nests too deep") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it lacks {error}") from error


def _new_inputs(data: dict[str, Any]) -> dict[str, Any]:
    plan = compact(whole(data["plan"], data["models"]))
    if _sha256(plan) != data["plan_sha256"]:
        raise ValueError("the plan does not match its digest")
    models = [_pairs_for_objects(one) for _, one in sorted(data["models"].items())]
    return {**_pairs_for_objects(data), "plan": plan, "models": models}


def _old_inputs(data: dict[str, Any]) -> dict[str, Any]:
    plan = compact(data["plan"])
    members = [data["plan"]["generator"], *data["plan"]["critics"], *data["plan"]["judges"]]
    models = sorted({one["model"]["address"]: one["model"] for one in members}.items())
    known = {"recipe_sha256": "", "sets": [], "plan_sha256": _sha256(plan)}
    return {**known, **data, "plan": plan, "models": [model for _, model in models]}


def _probe(name: str, known: Any) -> dict[str, str]:
    """A picture by its name and what is known of it; the first version knew its digest alone."""
    return {"file": name, **({"sha256": known} if isinstance(known, str) else known)}


_PAIRED = ("included", "files", "versions", "flags", "figures")


def _objects_for_pairs(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: dict(value) if key in _PAIRED else value for key, value in data.items()}


def _pairs_for_objects(data: Mapping[str, Any]) -> dict[str, Any]:
    """Pairs sorted by name where the file has an object; those of the first version are pairs already."""
    return {
        key: sorted(cast(dict[str, Any], value).items()) if key in _PAIRED and isinstance(value, dict) else value
        for key, value in data.items()
    }


# --- a plan, short and whole ---


def shortened(plan: Object) -> tuple[Object, Object]:
    """A canonical plan with its rows' asks and targets as names, and the table of its models."""
    asks, targets, models = _Table("question"), _Table("measure"), _Table("address")
    made = dict(plan)
    for name in _ROWS:
        made[name] = [_row(row, asks.name, targets.name) for row in _objects(plan[name])]
    made = _with_models(made, models.name)
    return {**made, "asks": asks.entries, "targets": targets.entries}, models.entries


def whole(plan: Object, models: Mapping[str, Json]) -> Object:
    """The canonical plan that `shortened` took. Raises KeyError where a name means nothing."""
    made = {name: value for name, value in plan.items() if name not in ("asks", "targets")}
    asks, targets = cast(Object, plan["asks"]), cast(Object, plan["targets"])
    for name in _ROWS:
        made[name] = [_row(row, asks.__getitem__, targets.__getitem__) for row in _objects(plan[name])]
    return _with_models(made, lambda name: _planned(cast(Object, models[cast(str, name)])))


def _planned(model: Object) -> Object:
    """A model as a plan has it: a hub's is named by its commit, and its files are the lock's alone."""
    files = {} if model["revision"] else cast(dict[str, str], model["files"])
    return {**model, "files": [[name, sha256] for name, sha256 in sorted(files.items())]}


def _objects(value: Json) -> list[Object]:
    return cast(list[Object], value)


def _row(row: Object, ask: Callable[[Any], Json], target: Callable[[Any], Json]) -> Object:
    return {
        **row,
        "asks": [ask(one) for one in cast(list[Json], row["asks"])],
        "targets": [target(one) for one in cast(list[Json], row["targets"])],
    }


def _with_models(plan: Object, named: Callable[[Json], Json]) -> Object:
    def one(member: Json) -> Object:
        entry = cast(Object, member)
        return {**entry, "model": named(entry["model"])}

    others: Object = {part: [one(member) for member in _objects(plan[part])] for part in ("critics", "judges")}
    return {**plan, **others, "generator": one(plan["generator"])}


class _Table:
    """Entries that many places name: the first form of a thing by its own name, the others numbered."""

    def __init__(self, by: str) -> None:
        self.by, self.entries = by, cast(Object, {})
        self._names: dict[str, str] = {}
        self._forms: dict[str, int] = {}

    def name(self, entry: Json) -> str:
        """What an entry is called, put into the table where it is new."""
        said = compact(entry)
        if said not in self._names:
            thing = str(cast(Object, entry)[self.by])
            number = self._forms[thing] = self._forms.get(thing, 0) + 1
            self._names[said] = thing if number == 1 else f"{thing}#{number}"
            self.entries[self._names[said]] = self._kept(cast(Object, entry))
        return self._names[said]

    def _kept(self, entry: Object) -> Object:
        files = entry.get("files")
        return {**entry, "files": dict(cast(Any, files))} if isinstance(files, list) else entry
