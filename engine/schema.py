"""The words of the recipe language: what may stand in a recipe, its ranges and its defaults.

Models are strict: a text is no number, an unknown key is an error. Where a template may stand for a number or a colour,
the text of the template is let through, and the same model checks what it renders to (`resolve`).
"""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import DictSchema

from .kinds import Measure, Visual
from .schema_composing import Compose, ComposingSchema
from .schema_models import Critic, Generator, Judge
from .schema_prompts import AnyPrompts, Combine
from .schema_training import Adapter, Evaluate, Expected, Train
from .template import LONGEST_TEXT
from .values import (
    MOST_NAMED,
    MOST_VARIABLES,
    Includes,
    Keys,
    Name,
    PartName,
    PartNames,
    Probability,
    Scope,
    SomeNames,
    Texts,
    Variable,
    Weight,
    given,
)


class Question(Keys):
    """What the critics are asked of a picture, and what they should answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "required": ["hold", "watch"],
                "properties": {"hold": {"type": "number"}, "watch": {"const": True}},
            }
        }
    )

    ask: Texts = Field(
        description="the question; of several wordings one is drawn each step, the first is asked in tests"
    )
    suffix: str = Field(
        default="",
        max_length=LONGEST_TEXT,
        description="what is appended to every wording, such as `Answer with Yes or No.`",
    )
    see: PartNames = Field(default=[], description="the visuals that critics are shown with the picture, in this order")
    answer: Texts = Field(description="the answer that is wanted, or several that are accepted")
    against: Texts | None = Field(
        default=None,
        description="the opposite: answer and opposite compete; without it, the answer itself is made likely",
    )
    weight: Weight = Field(
        default=1.0, description="how much it counts beside the other questions; for a `hold`, as it stands"
    )
    hold: Probability | None = Field(
        default=None, description="pushes only while p (with `against`: p against the opposite) is below this"
    )
    watch: bool = Field(default=False, description="asked and reported, never in the loss")
    critics: SomeNames | None = Field(default=None, description="the critics that are asked; left out, all of them")
    flips: bool = Field(
        default=False, description="its answer stays right when the picture is mirrored, see `train.augment.flip`"
    )

    @model_validator(mode="after")
    def _hold_or_watch(self) -> Self:
        if self.watch and self.hold is not None:
            raise ValueError("`hold` and `watch: true` exclude each other: what is watched is never in the loss")
        return self


class Goal(Keys):
    """What the recipe is for: truth and belief, set side by side in the report."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [given("measure"), given("question")]})

    measure: PartName | None = Field(default=None, description="the measure that says whether it happened: the truth")
    question: PartName | None = Field(
        default=None, description="the question about the same thing: what critics believe"
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.measure is None and self.question is None:
            raise ValueError("needs `measure`, `question` or both")
        return self


class Stay(Keys):
    weight: Weight = Field(
        description="how strongly: multiplies the mean squared difference of latents from the bare generator's"
    )


class Schema(Keys):
    """A recipe: how pictures should change, as questions about them."""

    recipe: Literal[1] = Field(description="version of the recipe language that the file is written in")
    name: Name = Field(
        description="what the recipe and its adapter are called: a run writes runs/NAME/NAME.safetensors"
    )
    include: Includes | None = Field(
        default=None, description="recipe files that this one is laid over, key by key: what it says itself wins"
    )
    combine: Combine | None = Field(default=None, description="recipes whose questions one adapter is trained on")
    compose: Compose | None = Field(
        default=None,
        description="recipes whose adapters, trained before, become one; beside it stand no questions of its own",
    )
    vars: dict[Variable, Scope] = Field(
        default={},
        max_length=MOST_VARIABLES,
        description="variables for every template; a mapping holds those of a combined recipe",
    )
    generator: Generator = Field(description="the image generator that is taught: a model, and how it makes pictures")
    critics: dict[Name, Critic] = Field(
        min_length=1,
        max_length=MOST_NAMED,
        description="vision-language models that teach the adapter by their answers; frozen",
    )
    judges: dict[Name, Judge] = Field(
        default={},
        max_length=MOST_NAMED,
        description="vision-language models that are asked too, never in the loss: a second opinion",
    )
    visuals: dict[PartName, Visual] = Field(
        default={},
        max_length=MOST_NAMED,
        description="pictures that critics are shown over, or beside, the generated one",
    )
    prompts: AnyPrompts = Field(
        description="what is asked of the generator: to train on, to look at on the way, to test on"
    )
    questions: dict[PartName, Question] = Field(
        min_length=1, max_length=MOST_NAMED, description="what is asked of every picture, and what should be answered"
    )
    measures: dict[PartName, Measure] = Field(
        default={}, max_length=MOST_NAMED, description="what pixels say, without any model: the truth"
    )
    goal: Goal | None = Field(
        default=None,
        description="what the recipe is for: a measure and a question of the same thing, side by side in the report",
    )
    stay: Stay | None = Field(
        default=None, description="keep pictures close to those of the bare generator, so that little else changes"
    )
    adapter: Adapter = Field(
        default_factory=Adapter,
        description="the LoRA that is trained: its size, and which layers of the generator it changes",
    )
    train: Train = Field(
        default_factory=Train, description="how the adapter is trained: how long, how fast, and when to stop"
    )
    evaluate: Evaluate = Field(
        default_factory=Evaluate,
        description="how many pictures are made to see what was learned, on the way and at the end",
    )
    expect: dict[PartName, Expected] = Field(
        default={}, description="the recipe's own tests: `recipe run` and `recipe eval` exit 1 where one is not met"
    )


class _Closed(GenerateJsonSchema):
    """A mapping whose names have to be of some form takes no others."""

    def dict_schema(self, schema: DictSchema) -> dict[str, Any]:
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made


def json_schema(hovers: bool = True) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the language, for completion and checking in editors.

    With `hovers`, descriptions also tell the range and the default of a value, which editors do not show by themselves.
    """
    from .hovers import with_values
    from .partial import with_reuse

    models = (model.model_json_schema(schema_generator=_Closed) for model in (Schema, ComposingSchema))
    schema, composing = (with_values(one) if hovers else one for one in models)
    schema = with_reuse(schema, composing)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Control recipe", **schema}
