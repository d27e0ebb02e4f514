"""What composes adapters that are trained already: the keys of `compose`, and of the recipe that has it."""

from typing import Annotated, Literal, Self, cast

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from .schema_training import Evaluate, Expected
from .values import DEEP, POLISH_STEPS, Count, Includes, Keys, Name, Share, Text, Whole, given

DeepName = Annotated[str, StringConstraints(pattern=DEEP, max_length=1000)]
_BESIDE = ("rank", "polish")  # keys that stand beside `recipes`


class Polish(Keys):
    """A few steps of joint training, on the questions of all recipes that are composed."""

    steps: Whole = Field(default=POLISH_STEPS, ge=1, description="how many steps of joint training")
    batch: Count | None = Field(default=None, description="pictures of a step; left out, as the first recipe has it")
    lr: float | None = Field(default=None, gt=0, description="learning rate; left out, as the first recipe has it")


class Composing(Keys):
    """Adapters of several recipes as one, each at its weight."""

    recipes: dict[Text, Share] = Field(
        min_length=1, description="recipe file: the weight that its adapter has; trained before, where it is missing"
    )
    rank: Count | None = Field(
        default=None,
        description="columns of each factor that is left; by default ranks add up, and nothing is lost",
    )
    polish: Polish | None = Field(
        default=None, description="a few steps of joint training from there, on the questions of all the recipes"
    )


def _recipes(value: object) -> object:
    if isinstance(value, list):
        names = [str(name) for name in cast(list[object], value)]
        if again := next((name for at, name in enumerate(names) if name in names[:at]), None):
            raise ValueError(f"names `{again}` twice")
        return {"recipes": dict.fromkeys(names, 1.0)}
    if not isinstance(value, dict) or "recipes" in value:
        return cast(object, value)
    mapping = cast(dict[str, object], value)
    if beside := next((key for key in _BESIDE if key in mapping), None):
        raise ValueError(f"has `{beside}`, but no `recipes`; write recipes: {{FILE: WEIGHT}} beside it")
    return {"recipes": mapping}


_WEIGHTS = Annotated[
    dict[Text, Share],
    Field(min_length=1, json_schema_extra={"not": {"anyOf": [{"required": [key]} for key in ("recipes", *_BESIDE)]}}),
]
Compose = Annotated[
    Composing,
    BeforeValidator(_recipes, json_schema_input_type=Composing | _WEIGHTS | Annotated[list[Text], Field(min_length=1)]),
]


class Aim(Keys):
    """What the whole is for."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [given("measure"), given("question")]})

    measure: DeepName | None = Field(default=None, description="the measure that says whether it happened")
    question: DeepName | None = Field(default=None, description="the question about the same thing")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.measure is None and self.question is None:
            raise ValueError("needs `measure`, `question` or both")
        return self


class ComposingSchema(Keys):
    """A recipe that composes: what is asked and measured is what its recipes ask and measure."""

    recipe: Literal[1] = Field(description="version of the recipe language that the file is written in")
    name: Name = Field(description="what the recipe and its adapter are called")
    include: Includes | None = Field(default=None, description="recipe files that this one is laid over, key by key")
    compose: Compose = Field(description="recipes whose adapters become one")
    goal: Aim | None = Field(default=None, description="what it is for: a measure and a question, as RECIPE.NAME")
    evaluate: Evaluate | None = Field(
        default=None, description="how many pictures are made of it; what is left out is as the first recipe has it"
    )
    expect: dict[DeepName, Expected] = Field(
        default={}, description="its own tests, of measures and questions as RECIPE.NAME"
    )
