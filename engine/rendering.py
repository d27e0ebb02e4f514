"""Rendering: what every question, visual prompt and measure comes to for one row of variables."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final

from pydantic import ValidationError

from . import assets, document, plan, schema
from .document import Data
from .kinds import MEASURES, VISUALS
from .models import sha256
from .names import check_words
from .problems import Problems, shown
from .template import BadTemplate, Value, is_template, render
from .values import RENDERED

_UNKNOWN = "?"  # stands for a question that cannot be rendered
_ENOUGH = 20  # rows for which a template fails; it is not rendered for the others

Parameters = tuple[tuple[str, plan.Scalar | tuple[plan.Scalar, ...]], ...]
Open = Callable[[document.Path, str], Path | None]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A visual prompt for one row, before it has its key."""

    kind: str
    parameters: Parameters
    asset: str
    sha256: str
    source: str
    beside: tuple[int, int] = (0, 0)  # pixels of a reference, which a critic reads as a picture of its own


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for one row, rendered."""

    wordings: tuple[str, ...]
    answers: tuple[str, ...]
    against: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts at one place of a question."""

    placed: tuple[tuple[document.Path, str], ...]  # each with its own place
    plain: tuple[str, ...] | None  # as they are for every row, where none of them is a template


@dataclass(frozen=True, slots=True)
class _Question:
    """What of a question is rendered."""

    suffix: _Texts  # one
    ask: _Texts
    answer: _Texts
    against: _Texts


@final
class Renderer:
    """Renders the parts of one recipe; a problem of a part is gathered once, and the part is then None."""

    def __init__(
        self, chosen: schema.Schema, data: Mapping[str, Data], opened: Open, problems: Problems, complain: bool
    ) -> None:
        """`complain` is False where variables are missing for a reason that is reported already."""
        self.data, self.opened, self.problems, self.complain = data, opened, problems, complain
        self.models: dict[str, Mapping[str, schema.Keys]] = {"visuals": chosen.visuals, "measures": chosen.measures}
        self.lenient = False  # while rendering for a row that need not have the variables: without them, nothing
        self._failed: Counter[document.Path] = Counter()
        self._parts: dict[tuple[str, str], _Part] = {}
        self._made: dict[tuple[str, str, str], Drawn | Parameters | None] = {}
        self._wrong: set[tuple[str, str]] = set()
        self._questions: dict[str, _Question] = {}

    def question(self, name: str, question: schema.Question, variables: Mapping[str, Value]) -> Asked | None:
        """The question as it is asked of a row; None where it renders to nothing but white space, or is wrong."""
        if name not in self._questions:
            self._questions[name] = _question(name, question, self.problems.document)
        texts = self._questions[name]
        suffix, asks = self._rendered(texts.suffix, variables), self._rendered(texts.ask, variables)
        if suffix is not None and asks is not None:
            wordings = tuple([f"{ask} {suffix[0]}".strip() for ask in asks if ask])
        else:  # wrong, which is told: the answers may be wrong as well
            wordings = () if self.lenient else (_UNKNOWN,)
        if not wordings:
            return None
        answers, against = self._answers(texts.answer, variables), self._answers(texts.against, variables)
        return None if answers is None or against is None else Asked(wordings, answers, against)

    def visual(self, name: str, variables: Mapping[str, Value]) -> Drawn | None:
        """A visual prompt with its asset found and digested."""
        return cast(Drawn | None, self._made_of("visuals", name, variables, VISUALS, self._drawn))

    def measure(self, name: str, variables: Mapping[str, Value]) -> Parameters | None:
        """A measure's parameters."""
        return cast(Parameters | None, self._made_of("measures", name, variables, MEASURES, _measured))

    def texts(self, section: str, name: str) -> list[str]:
        """The templates in a visual prompt or a measure."""
        return [text for _, text in self._part(section, name).templates]

    def _part(self, section: str, name: str) -> _Part:
        if (section, name) not in self._parts:
            self._parts[section, name] = _Part(self.data[section], name)
        return self._parts[section, name]

    def _made_of(
        self,
        section: str,
        name: str,
        variables: Mapping[str, Value],
        kinds: Mapping[str, type[schema.Keys]],
        make: Callable[[str, Any], Any],
    ) -> Any:
        part = self._part(section, name)
        rendered = self._data((section, name), part, variables)
        if rendered is None:
            return None
        key = (section, name, json.dumps(rendered, sort_keys=True) if part.templates else "")
        if key not in self._made:
            try:
                model = self.models[section][name]  # which was checked as it is written
                if part.templates:
                    kind = next(kind for kind in kinds if kind in document.plain(rendered))
                    model = kinds[kind].model_validate(rendered, context=RENDERED)
                self._made[key] = make(name, model)
                if section == "measures":
                    check_words(name, rendered, self.problems)
            except ValidationError as error:
                if (section, name) not in self._wrong:  # one row shows what is wrong: more would hide what else is
                    self.problems.invalid(error, (section, name))
                self._wrong.add((section, name))
                self._made[key] = None
        return self._made[key]

    def _data(self, path: document.Path, part: _Part, variables: Mapping[str, Value]) -> Data:
        if not part.templates:
            return part.data
        texts = [self._text((*path, *leaf), text, variables) for leaf, text in part.templates]
        if None in texts:
            return None
        return _replaced(part.data, iter(cast(list[str], texts)))

    def _drawn(self, name: str, model: schema.Keys) -> Drawn | None:
        kind, parameters = _flat(model)
        if kind not in {"image", "reference"}:
            return Drawn(kind, _sorted(parameters), "", "", "")
        asset = str(parameters.pop(kind))
        path: document.Path = ("visuals", name, kind)
        found = self.opened(path, asset)
        if found is None:
            return None
        try:
            size = assets.size(found)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            self.problems.add(path, f"{message}: {asset}", hint)
            return None
        beside = size if kind == "reference" else (0, 0)
        return Drawn(kind, _sorted(parameters), asset, sha256(found), str(found), beside)

    def _text(self, path: document.Path, text: str, variables: Mapping[str, Value]) -> str | None:
        if self._failed.get(path, 0) >= _ENOUGH:
            return None
        try:
            return render(text, variables).strip()
        except BadTemplate as error:
            unknown = error.message.startswith("unknown variable")
            if unknown and self.lenient:
                return None
            self._failed[path] += 1
            if not unknown or self.complain:
                hint = f"{error.hint}; for the prompt {shown(variables['prompt'])}" if error.hint else ""
                self.problems.add(path, error.message, hint)
            return None

    def _rendered(self, texts: _Texts, variables: Mapping[str, Value]) -> tuple[str, ...] | None:
        if texts.plain is not None:
            return texts.plain
        found = tuple([self._text(place, text, variables) for place, text in texts.placed])
        return None if None in found else cast(tuple[str, ...], found)

    def _answers(self, texts: _Texts, variables: Mapping[str, Value]) -> tuple[str, ...] | None:
        found = self._rendered(texts, variables)
        if found is not None and "" in found:
            self.problems.add(texts.placed[found.index("")][0], "renders to an empty text", f"for {_row(variables)}")
            return None
        return found


def _row(variables: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} = {shown(value)}" for name, value in variables.items())


def _question(name: str, question: schema.Question, written: document.Document) -> _Question:
    def texts(key: str, listed: list[str]) -> _Texts:
        path: document.Path = ("questions", name, key)
        of_a_list = written.has((*path, 0))
        placed = tuple(((*path, at) if of_a_list else path, text) for at, text in enumerate(listed))
        return _Texts(placed, None if any(map(is_template, listed)) else tuple(text.strip() for text in listed))

    return _Question(
        texts("suffix", [question.suffix]),
        texts("ask", question.ask),
        texts("answer", question.answer),
        texts("against", question.against or []),
    )


class _Part:
    """One visual or measure as data, and the texts in it that are templates."""

    def __init__(self, section: Data, name: str) -> None:
        self.data: Data = document.plain(section)[name]
        self.templates = [(path, text) for path, text in _texts(self.data, ()) if is_template(text)]


def _texts(data: Data, path: document.Path) -> Iterator[tuple[document.Path, str]]:
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _texts(value, (*path, key))
    elif isinstance(data, list):
        for at, value in enumerate(data):
            yield from _texts(value, (*path, at))


def _replaced(data: Data, texts: Iterator[str]) -> Data:
    """The data with its templates replaced by `texts`, in the order of `_texts`."""
    if isinstance(data, str):
        return next(texts) if is_template(data) else data
    if isinstance(data, dict):
        return {key: _replaced(value, texts) for key, value in data.items()}
    if isinstance(data, list):
        return [_replaced(value, texts) for value in data]
    return data


def _flat(model: schema.Keys) -> tuple[str, dict[str, Any]]:
    """The kind, and its parameters beside each other: a kind's own mapping is opened, coordinates become tuples."""
    parameters: dict[str, Any] = model.model_dump(by_alias=True, exclude_none=True)
    kind = next(kind for kind in (*VISUALS, *MEASURES) if kind in parameters)
    if kind == "points":
        points = cast(dict[str, list[float]], parameters["points"])
        parameters["points"] = [item for label, at in sorted(points.items()) for item in (label, *at)]
    elif isinstance(parameters[kind], dict):
        parameters |= parameters.pop(kind)
    if "is" in parameters:
        words = cast(dict[str, str], parameters["is"])
        parameters["is"] = [item for factor in sorted(words) if words[factor] for item in (factor, words[factor])]
    return kind, parameters


def _sorted(parameters: Mapping[str, Any]) -> Parameters:
    return tuple(
        (name, tuple(cast(list[plan.Scalar], value)) if isinstance(value, list) else value)
        for name, value in sorted(parameters.items())
        if value != []  # what is left out asks nothing
    )


def _measured(name: str, model: schema.Keys) -> Parameters | None:
    """A measure's parameters; None where it rendered to nothing that could be measured."""
    kind, parameters = _flat(model)
    if kind == "factors" and not parameters["keep"] and not parameters.get("is"):
        return None
    if not parameters.get("together", "counts"):
        del parameters["together"]
    return _sorted(parameters)


def key(drawn: Drawn) -> str:
    """Eight characters that tell apart the drawings of one visual."""
    said = json.dumps([drawn.kind, drawn.parameters, drawn.asset, drawn.sha256], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:8]
