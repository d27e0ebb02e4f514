"""The report: a run folder becomes one self-contained page that a person looks at.

Pictures and curves are inside the page; it needs no network and no script, and its own policy allows it neither: what
recipes and models say is escaped, and would do nothing if it were not. Free of torch.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from . import assets, beside, charts, figures, files, history, interference, one_picture
from . import lock as locks
from .counting import counted
from .errors import InputError, Place, Problem
from .figures import Belief, Evaluation, Interval, Measured, Shot, Strip
from .gallery import intent
from .notes import OPPOSED, notes, percent
from .parts import Asset
from .plan import Plan, digest

_TEMPLATE = Path(__file__).with_name("report.html")
_SMALL = 128  # pixels: pictures up to this size are enlarged pixel by pixel and kept as PNG
_STYLES = ("belief", "second")
_HOLDS = ("does not hold", "holds")


@dataclass(frozen=True, slots=True)
class _Goal:
    measure: str
    wanted: str
    pictures: str
    interval: str
    truth_before: str
    truth_after: str
    truth_width: str
    truth_was: str
    question: str = ""
    critic: str = ""
    p: str = ""  # mean, before and after
    belief_before: str = ""
    belief_after: str = ""
    belief_width: str = ""
    belief_was: str = ""


@dataclass(frozen=True, slots=True)
class _Shot:
    data: str
    width: int
    height: int
    pixelated: bool
    scale: str
    label: str
    score: str  # of the goal's measure; empty where it has none
    hit: bool
    failed: tuple[str, ...]  # other measures that this picture fails


@dataclass(frozen=True, slots=True)
class _Strip:
    prompt: str
    seed: int
    marks: tuple[str, ...]  # heights, per cent, at which the goal's line lies
    shots: tuple[_Shot, ...]
    control: str = ""  # the measure that the shots are marked by, where it is not the goal's


@dataclass(frozen=True, slots=True)
class _Measure:
    name: str
    wanted: str
    unit: str
    chart: Markup
    before: str
    before_interval: str
    after: str
    interval: str
    change: str
    change_interval: str
    between: tuple[str, ...]  # shares at the scales between bare and "after"
    scores: str  # mean, before → after


@dataclass(frozen=True, slots=True)
class _Curve:
    title: str
    note: str
    svg: Markup
    legend: Sequence[charts.Line] = ()


@dataclass(frozen=True, slots=True)
class _Belief:
    question: str
    wording: str
    critic: str
    judge: bool
    role: str
    right_before: str
    right_after: str
    p_before: str
    p_after: str


@dataclass(frozen=True, slots=True)
class _Pull:
    """How strongly one question pulls, and how its gradient lies to those of the others."""

    question: str
    norm: str
    cosines: tuple[tuple[str, str], ...]  # text and a class of the page, for every question


def report(folder: Path, plan: Plan, lock: Path | None = None) -> Path:
    """Write `folder`/report.html from what a run of `plan` left there, and from its lock where there is one.

    A lock of another plan says nothing here. Raises FileNotFoundError where the folder holds no evaluation.json,
    `InputError` where a text of the recipe cannot be read.
    """
    found = figures.read(folder / "evaluation.json")
    texts = recipe_texts(folder, bool(plan.composed.parents))
    locked = None if lock is None else locks.there(lock)
    if locked is not None and locked.inputs.plan_sha256 != digest(plan):
        locked = None
    together = interference.read(folder) if plan.composed.parents else None
    page = render(plan, found, history.read(folder / "metrics.jsonl"), texts, folder, locked, together)
    path = folder / "report.html"
    files.write(path, page.encode())
    return path


def recipe_texts(folder: Path, composed: bool = False) -> dict[str, str]:
    """The recipe of a run folder and every file that it is made of, by name, its own first.

    What is `composed` of adapters may have no recipe but theirs.
    """
    below = folder / "included"
    # links may lead out of the folder, which may come from somebody else
    found = (path for path in below.rglob("*") if path.is_file() and path.resolve().is_relative_to(folder.resolve()))
    others = sorted((path.relative_to(below).as_posix(), path) for path in found)
    path = folder / "recipe.yaml"
    own = [] if composed and not path.exists() else [("recipe.yaml", path)]
    return {name: _text(path) for name, path in [*own, *others]}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InputError([Problem(Place(str(path)), "", f"is no text: {error}", "bring it back as it was")]) from error


def render(
    plan: Plan,
    found: Evaluation,
    past: history.History,
    recipe: Mapping[str, str],
    folder: Path,
    lock: locks.Lock | None,
    together: interference.Interference | None = None,
) -> str:
    """The page as text; `recipe` has the texts of all files that the recipe is made of by name, its own first."""
    template = _TEMPLATE.read_text(encoding="utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(template)
    ordered = [measure for name in _order(plan) for measure in found.measures if measure.name == name]
    return page.render(
        policy=policy(template),
        name=plan.name,
        headline=_headline(plan, next(iter(recipe.values()), "")),
        asked=_asked(plan),
        intro=_intro(plan, found),
        goal=_goal(plan, found),
        notes=[
            {"text": note.text, "tone": "good" if note.good else "bad"} for note in notes(plan, found, past.cosines)
        ],
        grid_text=_grid_text(plan, found),
        strips=[_strip(plan, strip, folder) for strip in found.strips if not strip.missed],
        misses=[_strip(plan, strip, folder) for strip in found.strips if strip.missed],
        pictures=f"{found.rows * found.seeds:,}",
        measures=[_measure(measure, found.scale) for measure in ordered],
        scales=[_scale(at.scale) for at in ordered[0].scales if at.scale not in (0, found.scale)] if ordered else [],
        units="; ".join(f"{measure.name}, {measure.unit}" for measure in ordered),
        training=_training(plan, past, lock),
        curves=_curves(plan, past),
        pulls=_pulls(past),
        beliefs=[_belief(plan, belief) for name in _order(plan) for belief in found.beliefs if belief.question == name],
        facts=_facts(plan, found, lock),
        together=together and _together(together, folder),
        composed=bool(plan.composed.parents),
        one_picture=one_picture.is_meant(plan),
        recipe=list(recipe.items()),
    )


def policy(page: str) -> Markup:
    """The content policy of a page (https://www.w3.org/TR/CSP3/): its one sheet of styles, pictures inside it, no more.

    Styles are told by the digest of their text, so that no attribute and no other sheet styles anything.
    """
    styles = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    allowed = f"img-src data:; style-src 'sha256-{digest}'"
    return Markup(f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'")


def _together(found: interference.Interference, folder: Path) -> dict[str, object]:
    """What adapters do to each other, as the page shows it."""
    labels = [column.label for column in found.columns]
    return {
        "columns": labels,
        "rows": [_row(control, cells, found.columns) for control, cells in found.rows(True)],
        "others": [_row(control, cells, found.columns) for control, cells in found.rows(False)],
        "pictures": ", ".join(sorted({f"{len(row[0].hits):,}" for row in found.cells})),
        "warnings": [fight.text() for fight in found.fights],
        "strips": [_met(strip, labels, folder) for strip in found.strips],
        "pairings": [
            {
                "name": f"{pair.one} + {pair.other}",
                "cosine": f"{pair.cosine:+.3f}",
                "matrices": [
                    {
                        "module": one.module,
                        "reads": f"{one.reads:.3f} ({one.reads_chance:.3f})",
                        "writes": f"{one.writes:.3f} ({one.writes_chance:.3f})",
                        "cosine": f"{one.cosine:+.3f}",
                    }
                    for one in sorted(pair.matrices, key=lambda each: each.cosine)
                ],
            }
            for pair in found.pairings
        ],
    }


def _row(
    control: interference.Control, cells: Mapping[str, interference.Cell], columns: Sequence[interference.Column]
) -> dict[str, object]:
    """A row of the matrix; a cell fell where its control holds less often there than with its own adapter alone."""
    alone, applied = cells[control.adapter], [column.label for column in columns if control.adapter in column.adapters]
    made = [
        {
            "share": percent(cell.share),
            "interval": _interval(cell.interval),
            "tone": "" if label not in applied else "fell" if interference.fallen(alone, cell) else "truth",
        }
        for label, cell in cells.items()
    ]
    return {"measure": control.measure, "wanted": control.wanted, "cells": made}


def _met(strip: interference.Strip, labels: Sequence[str], folder: Path) -> _Strip:
    shots: list[_Shot] = []
    for label, file, hit in zip(labels, strip.files, strip.hits, strict=True):
        data, width, height = _picture(folder, file)
        shots.append(_Shot(data, width, height, max(width, height) <= _SMALL, label, label, _HOLDS[hit], hit, ()))
    return _Strip(strip.prompt, strip.seed, (), tuple(shots), strip.control)


def _order(plan: Plan) -> Sequence[str]:
    """Names as the recipe writes them; a plan that was read back from its canonical text has lost that."""
    named = [question.name for question in plan.questions] + [measure.name for measure in plan.measures]
    return plan.order or named


def _headline(plan: Plan, recipe: str) -> str:
    made_of = " + ".join(f"{one.weight:g} × {one.name}" for one in plan.composed.parents)
    text = made_of or intent(recipe).rstrip(".") or plan.name.replace("_", " ")
    return text[:1].upper() + text[1:]


def _asked(plan: Plan) -> str:
    """What the goal's question asks, in the words of the first picture that it is asked of; empty without one."""
    asks = [ask for row in plan.test_rows for ask in row.asks if ask.question == plan.goal_question]
    said = list(dict.fromkeys((ask.wordings[0], ask.answers, ask.against) for ask in asks))
    if not said:
        return ""
    wording, answers, against = said[0]
    opposite = f", not {' or '.join(f'“{one}”' for one in against)}" if against else ""
    example = ", for example" if len(said) > 1 else ""
    return f"Critics were asked{example}: “{wording}” Wanted: {' or '.join(f'“{one}”' for one in answers)}{opposite}."


def _intro(plan: Plan, found: Evaluation) -> str:
    if one_picture.is_meant(plan):
        return (
            f"No adapter: the noise of one picture was optimised, seed {plan.train.seed} of "
            f"“{one_picture.prompt(plan)}”. It says nothing of other pictures."
        )
    at = "" if found.scale == 1 else f", adapter at scale {found.scale:g}"
    return (
        f"{_prompts(plan, found.rows)}, {counted(found.seeds, 'seed')} each: "
        f"{found.rows * found.seeds:,} pictures beside the bare generator's own{at}."
    )


def _prompts(plan: Plan, rows: int) -> str:
    """What the tested prompts are to the adapter: a recipe without held-out prompts may test on what it trained on."""
    trained = {row.prompt for row in plan.train_rows}
    seen = sum(row.prompt in trained for row in plan.test_rows)
    prompts = counted(rows, "prompt")
    if not seen:
        return f"{prompts} the adapter was never trained on"
    return f"{prompts} the adapter was trained on" if seen == len(plan.test_rows) else f"{prompts}, {seen} trained on"


def _goal(plan: Plan, found: Evaluation) -> _Goal | None:
    measure = found.measured(plan.goal_measure)
    if measure is None:
        return None
    truth = _Goal(
        measure=measure.name,
        wanted=measure.wanted,
        pictures=f"{measure.pictures:,}",
        interval=_interval(measure.interval),
        truth_before=percent(measure.before),
        truth_after=percent(measure.after),
        truth_width=_width(measure.after),
        truth_was=_width(min(measure.before, measure.after)),
    )
    asked = [belief for belief in found.beliefs if belief.question == plan.goal_question and not belief.judge]
    if not asked:
        return truth
    return _with_belief(truth, asked)


def _with_belief(truth: _Goal, asked: Sequence[Belief]) -> _Goal:
    before, p_before = fmean(one.before.right for one in asked), fmean(one.before.p for one in asked)
    after, p_after = fmean(one.after.right for one in asked), fmean(one.after.p for one in asked)
    return replace(
        truth,
        question=asked[0].question,
        critic=" and ".join(belief.critic for belief in asked),
        p=f"{p_before:.2f} → {p_after:.2f}",
        belief_before=percent(before),
        belief_after=percent(after),
        belief_width=_width(after),
        belief_was=_width(min(before, after)),
    )


def _grid_text(plan: Plan, found: Evaluation) -> str:
    scales = [shot.scale for strip in found.strips[:1] for shot in strip.shots]
    columns = ", ".join(_scale(scale) for scale in scales)
    marks = " The red ticks mark the row that the goal asks for." if any(_marks(plan, s) for s in found.strips) else ""
    shown, pictures = sum(not strip.missed for strip in found.strips), found.rows * found.seeds
    some = f"{shown} of the {pictures:,} pictures. " if shown < pictures else ""
    if one_picture.is_meant(plan):
        return f"Columns: its noise at scale {columns}, where 0 is what its seed gives, 1 what came of it.{marks}"
    return f"{some}Columns: the adapter at scale {columns}, where 0 is the bare generator.{marks}"


def _strip(plan: Plan, strip: Strip, folder: Path) -> _Strip:
    shots = tuple(_shot(plan, shot, folder) for shot in strip.shots)
    return _Strip(strip.prompt, strip.seed, _marks(plan, strip), shots)


def _marks(plan: Plan, strip: Strip) -> tuple[str, ...]:
    """Where the lines lie that the goal's question is asked about: beside the picture, they let the eye measure."""
    seen = {
        key
        for row in plan.test_rows
        if row.prompt == strip.prompt
        for ask in row.asks
        if ask.question == plan.goal_question
        for key in ask.see
    }
    heights = [dict(d.parameters).get("y") for d in plan.drawings if d.key in seen and d.kind == "line"]
    return tuple(f"{100 * height:.2f}" for height in heights if isinstance(height, (int, float)))


def _shot(plan: Plan, shot: Shot, folder: Path) -> _Shot:
    data, width, height = _picture(folder, shot.file)
    satisfied, scores = dict(shot.satisfied), dict(shot.scores)
    return _Shot(
        data=data,
        width=width,
        height=height,
        pixelated=max(width, height) <= _SMALL,
        scale=f"{shot.scale:g}",
        label=("as it was" if one_picture.is_meant(plan) else "bare")
        if shot.scale == 0
        else f"scale {_scale(shot.scale)}",
        score=f"{plan.goal_measure} {scores[plan.goal_measure]:.2f}" if plan.goal_measure in scores else "",
        hit=satisfied.get(plan.goal_measure, False),
        failed=tuple(name for name, good in satisfied.items() if not good and name != plan.goal_measure),
    )


def _picture(folder: Path, name: str) -> tuple[str, int, int]:
    """A picture of the folder as a data URI; large ones as JPEG, so that the page stays one that a person can send.

    Raises `InputError` where it is none, or lies elsewhere: a run folder may come from somebody else.
    """
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError("lies outside of the run folder")
        picture, data, kind = assets.rgb(path), path.read_bytes(), "png"
    except (OSError, ValueError) as error:
        hint = "delete result.json beside it: then `recipe run` paints again, without training"
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError([Problem(Place(str(path)), "", f"{said or error}", hint)]) from error
    if max(picture.size) > _SMALL:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        data, kind = buffer.getvalue(), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}", *picture.size


def _measure(measure: Measured, after: float) -> _Measure:
    change = 100 * (measure.after - measure.before)
    low, high = measure.change_interval
    return _Measure(
        name=measure.name,
        wanted=measure.wanted,
        unit=measure.unit,
        chart=charts.dumbbell(measure),
        before=percent(measure.before),
        before_interval=_interval(measure.before_interval),
        after=percent(measure.after),
        interval=_interval(measure.interval),
        change=f"{change:+.1f}",
        change_interval=f"{100 * low:+.1f} … {100 * high:+.1f}",
        between=tuple(percent(at.share) for at in measure.scales if at.scale not in (0, after)),
        scores=" → ".join(f"{at.score:.2f}" for at in measure.scales if at.scale in (0, after)),
    )


def _training(plan: Plan, past: history.History, lock: locks.Lock | None) -> str:
    stopped = lock.outcome.stopped if lock is not None and lock.outcome is not None else ""
    why = {"p": ", stopped early by its critics", "judge": ", stopped early by a held-out judge"}.get(stopped, "")
    pictures = counted(plan.train.batch * plan.train.accumulate, "picture")
    return (
        f"{counted(past.steps, 'step')} of {pictures}{why}. "
        "Thin: each step. Bold: smoothed. Dashed: the probability that a hold keeps."
    )


def _curves(plan: Plan, past: history.History) -> list[_Curve]:
    if not past.loss:
        return []
    kinds = {question.name: question for question in plan.questions}
    curves = [
        _Curve("loss", "nats", charts.curve("loss", [charts.Line("loss", past.loss, "loss")], past.steps, unit=False))
    ]
    for name in (name for name in _order(plan) if name in kinds):
        seen = {critic: points for (question, critic), points in past.p.items() if question == name}
        looked = {who: points for (question, who), points in past.looks.items() if question == name}
        judges = {judge.name for judge in plan.judges}
        lines = [charts.Line(critic, points, _STYLES[i % 2]) for i, (critic, points) in enumerate(seen.items())]
        lines += [charts.Line(who, points, "judge") for who, points in looked.items() if who in judges]
        question = kinds[name]
        note = "watched" if question.watch else f"hold p ≥ {question.hold:g}" if question.hold else "taught"
        drawn = charts.curve(f"p of {name}", lines, past.steps, question.hold)
        curves.append(_Curve(name, note, drawn, lines if len(lines) > 1 else ()))
    return curves


def _belief(plan: Plan, belief: Belief) -> _Belief:
    asks = [ask for row in plan.test_rows for ask in row.asks if ask.question == belief.question]
    stops = {who for who, _, _ in plan.train.stop.by}
    return _Belief(
        question=belief.question,
        wording=asks[0].wordings[0] if asks else "",
        critic=belief.critic,
        judge=belief.judge,
        role="judge; said when to stop" if belief.judge and belief.critic in stops else "judge" if belief.judge else "",
        right_before=percent(belief.before.right),
        right_after=percent(belief.after.right),
        p_before=_p(belief.before.p),
        p_after=_p(belief.after.p),
    )


def _pulls(past: history.History) -> list[_Pull]:
    """Means over all looks at the questions' own gradients; empty where there were none."""
    found: list[_Pull] = []
    for question, norms in past.norms.items():
        cosines: list[tuple[str, str]] = []
        for other in past.norms:
            points = past.cosines.get((question, other)) or past.cosines.get((other, question)) or ()
            mean = fmean(value for _, value in points) if points else 0.0
            tone = "against" if mean <= OPPOSED else "along" if mean >= -OPPOSED else ""
            cosines.append((f"{mean:+.2f}".replace("-", "−"), tone) if points else ("", ""))
        found.append(_Pull(question, f"{fmean(value for _, value in norms):.2g}", tuple(cosines)))
    return found


def _facts(plan: Plan, found: Evaluation, lock: locks.Lock | None) -> list[dict[str, str]]:
    models = [("generator", plan.generator.model), *((c.name, c.model) for c in (*plan.critics, *plan.judges))]
    facts = {name: f"{model.address} {model.revision}".strip() for name, model in models}
    if companions := beside.files(plan.generator.companions):
        facts["beside"] = _files(companions)
    if one_picture.is_meant(plan):
        facts["noise"] = f"seed {plan.train.seed}, of “{one_picture.prompt(plan)}”"
    else:
        inside = f" of {', '.join(plan.adapter.blocks)}" if plan.adapter.blocks else ""
        facts["adapter"] = f"rank {plan.adapter.rank}, alpha {plan.adapter.alpha:g}, {plan.adapter.targets}{inside}"
    if start := beside.files(plan.adapter.start):
        facts["began as"] = _files(start)
    facts["plan"] = found.plan
    facts["tensors"] = found.tensors_sha256
    if lock is not None and lock.platform is not None:
        here = lock.platform
        versions = ", ".join(f"{name} {version}" for name, version in here.versions)
        shared = f" in each of {here.processes} processes" if here.processes > 1 else ""
        threads = f"{counted(here.threads, 'thread')}{shared}"
        facts["platform"] = f"{here.system}, {here.device}, {here.instruction_set}, {threads}"
        facts["versions"] = f"python {here.python}, {versions}"
    if lock is not None:
        facts["lock"] = locks.digest(lock)
    return [{"name": name, "value": value} for name, value in facts.items()]


def _files(found: Sequence[Asset]) -> str:
    return ", ".join(f"{beside.shown(one)} ({one.sha256[:12]}…)" for one in found)


def _scale(scale: float) -> str:
    return {0.25: "¼", 0.5: "½", 0.75: "¾"}.get(scale, f"{scale:g}")


def _interval(interval: Interval) -> str:
    return f"{100 * interval[0]:.1f} … {100 * interval[1]:.1f} %"


def _width(share: float) -> str:
    return f"{100 * share:.1f}"


def _p(p: float) -> str:
    return f"{p:.3f}" if p < 0.1 or p > 0.99 else f"{p:.2f}"
