"""A stage: a generator with all prompts of a plan encoded, loaded once for work that follows on other work.

Every kind of work has its prompts encoded in the batches that it encodes them in alone: the bits hang on that.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import generators, models, painting, platforms
from .generators import Conditioning, Generator
from .plan import Plan


@dataclass(frozen=True, slots=True)
class Stage:
    """A generator whose encoders are gone."""

    generator: Generator
    tests: Conditioning  # of the plan's test rows, in their order
    met: Conditioning | None  # of the test rows of another plan
    training: Conditioning | None  # of `trained_on`, where the plan trains


def trained_on(plan: Plan) -> list[str]:
    """The prompts that a training of a plan paints, each once."""
    return list(dict.fromkeys(row.prompt for row in (*plan.train_rows, *plan.validate_rows)))


def loaded(plan: Plan) -> Generator:
    """The plan's generator, once the weights of all models are here: work does not wait for them in its middle."""
    models.fetch(plan)
    return generators.load(plan.generator)


def set_up(plan: Plan, met: Plan) -> Stage:
    """Load the generator, and encode what evaluating, meeting and training take; the encoders are let go."""
    generator = loaded(plan)
    tests = painting.encoded(generator, plan)
    others = painting.encoded(generator, met) if met.test_rows else None
    with platforms.deterministic(plan):
        training = generators.encoded(generator, plan.generator, trained_on(plan)) if plan.train.steps else None
    generator.release_encoders()
    return Stage(generator, tests, others, training)
