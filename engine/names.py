"""Names that must exist: what a recipe's parts call each other, checked on the plain data.

On the data, not on the model, so that one wrong part does not hide what is wrong with the names of the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from . import scopes
from .document import Data, Path, plain
from .problems import Problems, did_you_mean
from .template import is_template
from .values import FACTORS, VARIABLE


def check_names(problems: Problems) -> None:
    """Adds a problem for every name that nothing has, that two things share, or that may not stand where it does."""
    data = plain(problems.document.data)
    _scopes(data, problems)
    parts = {part: list(plain(data.get(part))) for part in ("critics", "judges", "visuals", "questions", "measures")}
    _shared(parts, problems)
    for name in parts["questions"]:
        _question(name, plain(plain(data["questions"])[name]), parts, problems)
    _loss(plain(data.get("questions")), problems)
    for part, kind in (("measures", "measure"), ("questions", "question")):
        wanted = plain(data.get("goal")).get(kind)
        if isinstance(wanted, str) and wanted not in parts[part]:
            problems.unknown(("goal", kind), kind, wanted, parts[part])
    stop = plain(plain(data.get("train")).get("stop"))
    _stop(stop, parts, problems)
    for name, expected in plain(data.get("expect")).items():
        expected_of(name, plain(expected), parts, list(plain(stop.get("judge"))), problems)
    for name, measure in plain(data.get("measures")).items():
        check_words(name, measure, problems)


def _scopes(data: Mapping[str, Data], problems: Problems) -> None:
    """A mapping of variables is those of a combined recipe, of which something must be there."""
    named = [name for part in ("visuals", "questions", "measures") for name in plain(data.get(part))]
    combined = {*problems.document.combined, *(scopes.owner(name) for name in named if "." in name)}
    known = {scopes.key(name) for name in combined}
    for name, value in plain(data.get("vars")).items():
        if not isinstance(value, dict) and value is not None and name in known:
            message = f"`{name}` is a combined recipe, whose variables stand here"
            problems.add(
                ("vars", name), message, f"take another name, or write `{name}: {{VARIABLE: VALUE}}`", at_key=True
            )
        if isinstance(value, dict) and name not in known and re.match(VARIABLE, name):
            message = f"is a mapping, but no combined recipe is called `{name}`"
            problems.add(("vars", name), message, did_you_mean(name, sorted(known)) if known else "", at_key=True)
    for kind in ("union", "cross") if problems.document.combined else ():
        for name in plain(plain(data.get("prompts")).get(kind)):
            if name not in combined:
                problems.unknown(("prompts", kind, name), "combined recipe", name, sorted(combined), at_key=True)


def _shared(parts: dict[str, list[str]], problems: Problems) -> None:
    for first, second in (("questions", "measures"), ("critics", "judges")):
        for name in parts[second]:
            if name in parts[first]:
                message = f"`{name}` stands in {first} too"
                problems.add((second, name), message, "each needs a name of its own", at_key=True)


def _listed(path: Path, value: Data) -> Iterator[tuple[Path, str]]:
    """The names of a list, or the one that stands for a list of one."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for at, name in enumerate(value):
            if isinstance(name, str):
                yield (*path, at), name


def _question(name: str, question: Mapping[str, Data], parts: dict[str, list[str]], problems: Problems) -> None:
    for key, part, kind in (("see", "visuals", "visual"), ("critics", "critics", "critic")):
        for path, wanted in _listed(("questions", name, key), question.get(key)):
            if wanted not in parts[part]:
                problems.unknown(path, kind, wanted, parts[part])


def _loss(questions: Mapping[str, Data], problems: Problems) -> None:
    if questions and all(plain(question).get("watch") is True for question in questions.values()):
        problems.add(("questions",), "every question is only watched: there is nothing to learn from", at_key=True)


def _stop(stop: Mapping[str, Data], parts: dict[str, list[str]], problems: Problems) -> None:
    base: Path = ("train", "stop")
    for name in plain(stop.get("p")):
        if name not in parts["questions"]:
            problems.unknown((*base, "p", name), "question", name, parts["questions"], at_key=True)
    for judge, thresholds in plain(stop.get("judge")).items():
        if judge not in parts["judges"]:
            problems.unknown((*base, "judge", judge), "judge", judge, parts["judges"], at_key=True)
        for name in plain(thresholds):
            if name not in parts["questions"]:
                path = (*base, "judge", judge, name)
                problems.unknown(path, "question", name, parts["questions"], at_key=True)


def expected_of(
    name: str, expected: Mapping[str, Data], parts: Mapping[str, list[str]], stopping: list[str], problems: Problems
) -> None:
    """Adds what is wrong with an entry of `expect`: what it names, or who is to judge it."""
    path: Path = ("expect", name)
    judge = expected.get("judge")
    if name in parts["measures"]:
        if judge is not None:
            problems.add((*path, "judge"), f"`{name}` is a measure: no one judges it", "leave `judge` out", at_key=True)
    elif name not in parts["questions"]:
        known = parts["measures"] + parts["questions"]
        problems.unknown(path, "measure or question", name, known, at_key=True)
    elif judge is None:
        hint = f"judges: {', '.join(parts['judges'])}" if parts["judges"] else "name one under `judges`"
        problems.add(path, f"`{name}` is a question: it needs a `judge`", hint)
    elif isinstance(judge, str) and judge in parts["critics"]:
        message = f"`{judge}` is a critic: what trained the adapter does not judge it"
        problems.add((*path, "judge"), message, did_you_mean(judge, parts["judges"]))
    elif isinstance(judge, str) and judge not in parts["judges"]:
        problems.unknown((*path, "judge"), "judge", judge, parts["judges"])
    elif judge in stopping:
        message = f"`{judge}` decides when training stops: it cannot judge what came of it"
        problems.add((*path, "judge"), message, "judge by another, or stop by `p`")


def check_words(name: str, measure: Data, problems: Problems) -> None:
    """Adds a problem for every word of a measure's `is` that the embedded world does not know; templates wait."""
    wanted = plain(plain(plain(measure).get("factors")).get("is"))
    if not wanted:
        return
    from .world.scenes import SCALES, WORDS

    for factor, word in wanted.items():
        if not isinstance(word, str) or is_template(word) or not word:
            continue
        known = list(WORDS.get(factor) or SCALES[factor].words) if factor in FACTORS else []
        if known and word not in known:
            problems.unknown(("measures", name, "factors", "is", factor), factor, word, known)
