"""Notes: what a finished run should make its reader wary of, in words. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType

from .figures import Belief, Evaluation
from .history import Points
from .plan import Plan

_CONVINCED = 0.05  # how far a critic's "right" may lie above the measure before the report says so
_MOVED = 0.05  # how much the goal's share must rise, or the report says that it hardly did
_FELL = 0.03  # how far a share may fall before the report says so
_FELL_BELOW_ALL = 0.1  # the same where every bare picture satisfies the measure by definition
_MANY = 3  # notes of one kind; more of them are told as one
OPPOSED = -0.3  # mean cosine of two questions' gradients from which on they are said to pull against each other
_AGAINST_BARE = ("sharpness", "drift")


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence and whether it is good news."""

    text: str
    good: bool = False


def notes(
    plan: Plan, found: Evaluation, cosines: Mapping[tuple[str, str], Points] = MappingProxyType({})
) -> list[Note]:
    """What to say above the pictures: expectations first, then belief against truth, then what was lost and why.

    `cosines` are those of two questions' gradients, over the steps where they were looked at.
    """
    return [
        *_expectations(found),
        *_unmoved(plan, found),
        *_convinced(plan, found),
        *_broken_holds(plan, found),
        *_lost(plan, found),
        *_opposed(cosines),
    ]


def percent(share: float) -> str:
    """A share as a percentage; with a decimal where rounding would claim all or nothing, or a close call."""
    hundred = 100 * share
    plain = hundred in (0, 100) or (1 <= abs(hundred) <= 99)
    return f"{hundred:.0f} %" if plain else f"{hundred:.1f} %"


def _expectations(found: Evaluation) -> list[Note]:
    notes: list[Note] = []
    for verdict in found.expect:
        by = f" by {verdict.judge}" if verdict.judge else ""
        if not verdict.met:
            notes.append(
                Note(f"Not met: {verdict.name}{by} is {_share(verdict.got)}, and {verdict.wanted} was expected.")
            )
    if found.expect and not notes:
        met = ", ".join(f"{verdict.name} {_share(verdict.got)} ({verdict.wanted})" for verdict in found.expect)
        notes.append(Note(f"Everything the recipe expects is met: {met}.", good=True))
    return notes


def _share(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"


def _unmoved(plan: Plan, found: Evaluation) -> list[Note]:
    goal = found.measured(plan.goal_measure)
    if goal is None or goal.before == 1 or goal.after - goal.before >= _MOVED:
        return []
    return [
        Note(
            f"The goal hardly moved: {goal.name} went from {percent(goal.before)} to {percent(goal.after)} of "
            "the pictures. A higher `lr`, more `steps`, or less of what holds it back may help."
        )
    ]


def _convinced(plan: Plan, found: Evaluation) -> list[Note]:
    """A critic that is sure while the pixels disagree: the paper's own failure, and the reason for measures."""
    goal = found.measured(plan.goal_measure)
    asked = [belief for belief in found.beliefs if belief.question == plan.goal_question and not belief.judge]
    if goal is None:
        return []
    return [
        Note(
            f"{belief.critic} calls {percent(belief.after.right)} of the pictures right on “{belief.question}”, "
            f"the pixels {percent(goal.after)}: it was pleased more often than the control happened."
        )
        for belief in asked
        if belief.after.right - goal.after > _CONVINCED
    ]


def _broken_holds(plan: Plan, found: Evaluation) -> list[Note]:
    wanted = {question.name: question.hold for question in plan.questions if question.hold > 0}
    broken = [
        belief
        for belief in found.beliefs
        if belief.question in wanted and not belief.judge and _broke(belief, wanted[belief.question])
    ]
    if len(broken) > _MANY:
        ends = ", ".join(f"{one.question} {one.after.p:.2f} of {wanted[one.question]:g}" for one in broken)
        return [Note(f"{len(broken)} holds broke, and end at a p of: {ends}.")]
    return [
        Note(
            f"The hold “{belief.question}” broke: it asks for p ≥ {wanted[belief.question]:g}, "
            f"{belief.critic} ends at {belief.after.p:.2f} (from {belief.before.p:.2f})."
        )
        for belief in broken
    ]


def _broke(belief: Belief, wanted: float) -> bool:
    """Below what is asked for, and lower than it was: a hold that was never there did not break."""
    return round(belief.after.p, 2) < wanted and belief.after.p < belief.before.p


def _opposed(cosines: Mapping[tuple[str, str], Points]) -> list[Note]:
    means = {pair: fmean(value for _, value in points) for pair, points in cosines.items() if points}
    return [
        Note(
            f"“{one}” and “{other}” pull against each other: their gradients on the pictures have a mean cosine of "
            f"{mean:.2f}. `train.weights: balanced` keeps one from outweighing the other; to have both in full may be "
            "impossible."
        )
        for (one, other), mean in sorted(means.items(), key=lambda found: found[1])
        if mean <= OPPOSED
    ]


def _lost(plan: Plan, found: Evaluation) -> list[Note]:
    lost = [
        measure
        for measure in found.measures
        if measure.name != plan.goal_measure
        and measure.before - measure.after > (_FELL_BELOW_ALL if measure.kind in _AGAINST_BARE else _FELL)
    ]
    if len(lost) > _MANY:
        all_of_them = ", ".join(f"{one.name} {percent(one.before)} → {percent(one.after)}" for one in lost)
        return [Note(f"{len(lost)} measures fell, of the pictures: {all_of_them}.")]
    return [
        Note(f"{one.name} fell from {percent(one.before)} to {percent(one.after)} of the pictures.") for one in lost
    ]
