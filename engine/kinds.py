"""Visual prompts and measures: the words of each kind, their ranges and defaults."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from .values import (
    FACTORS,
    MOST_NAMED,
    Base,
    Color,
    Edge,
    Factor,
    Fraction,
    Keys,
    Label,
    NotNegative,
    Size,
    Text,
    TextOrNothing,
    given,
    kind_of,
)  # fmt: skip

# --- visual prompts -------------------------------------------------------------------------------------------------


class Line(Keys):
    """A straight line across the picture: `y` for a level one, `x` for an upright one."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [given("y"), given("x")]})

    y: Fraction | None = Field(
        default=None, description="where a level line lies: fraction of the height, from the top"
    )
    x: Fraction | None = Field(
        default=None, description="where an upright line stands: fraction of the width, from the left"
    )
    thickness: Size = Field(
        default=0.02, description="how thick: fraction of the height (of the width for an upright line)"
    )
    color: Color = Field(default="#ff0000ff", description="its colour: a CSS name or #rrggbb[aa]")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.y is None) == (self.x is None):
            raise ValueError("needs one of `y` (a level line) and `x` (an upright one)")
        return self


Pair = Annotated[list[Fraction], Field(min_length=2, max_length=2)]


class Region(Keys):
    x: Pair = Field(description="[left, right] edges: fractions of the width, from the left")
    y: Pair = Field(description="[upper, lower] edges: fractions of the height, from the top")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for axis, (start, end) in (("x", self.x), ("y", self.y)):
            if not isinstance(start, str) and not isinstance(end, str) and start >= end:
                raise ValueError(f"`{axis}` must go from a smaller to a larger number")
        return self


class LineVisual(Keys):
    line: Line = Field(description="a straight line across the picture: level at `y`, or upright at `x`")


class PointsVisual(Keys):
    points: dict[Label, Pair] = Field(
        min_length=1,
        max_length=MOST_NAMED,
        description="{label: [x, y]}: dots with a label each; fractions of the picture, from the top left",
    )
    radius: Size = Field(default=0.03, description="of every dot: fraction of the picture's shorter side")
    color: Color = Field(default="#ff0000ff", description="its colour: a CSS name or #rrggbb[aa]")


class RegionVisual(Keys):
    region: Region = Field(description="the outline of a rectangle, from `x` to `x` and from `y` to `y`")
    color: Color = Field(default="#ff0000ff", description="its colour: a CSS name or #rrggbb[aa]")


class PaletteVisual(Keys):
    palette: list[Color] = Field(
        min_length=1,
        max_length=MOST_NAMED,
        description="swatches of these colours, from left to right, along an edge of the picture",
    )
    at: Edge = Field(default="bottom", description="the edge of the picture that it lies along")
    height: Size = Field(default=0.15, description="how high it is: fraction of the picture's height")


class ImageVisual(Keys):
    image: Text = Field(description="a picture file that is laid over the picture; relative to the recipe")
    at: Edge = Field(default="bottom", description="the edge of the picture that it lies along")
    height: Size = Field(default=1.0, description="how high it is: fraction of the picture's height")
    opacity: Size = Field(default=1.0, description="1 hides what is below it, less lets it through")


class TextVisual(Keys):
    text: Text = Field(description="a few words or a label, written over the picture")
    at: Pair = Field(description="[x, y] of its middle: fractions of the picture, from the top left")
    height: Size = Field(default=0.12, description="how high it is: fraction of the picture's height")
    color: Color = Field(default="#ff0000ff", description="its colour: a CSS name or #rrggbb[aa]")


class ReferenceVisual(Keys):
    reference: Text = Field(
        description="a picture file that is shown beside the generated picture; relative to the recipe"
    )


VISUALS: dict[str, type[Keys]] = {
    "line": LineVisual, "points": PointsVisual, "region": RegionVisual, "palette": PaletteVisual, "image": ImageVisual,
    "text": TextVisual, "reference": ReferenceVisual,
}  # fmt: skip


Visual = Annotated[
    Annotated[LineVisual, Tag("<line>")]
    | Annotated[PointsVisual, Tag("<points>")]
    | Annotated[RegionVisual, Tag("<region>")]
    | Annotated[PaletteVisual, Tag("<palette>")]
    | Annotated[ImageVisual, Tag("<image>")]
    | Annotated[TextVisual, Tag("<text>")]
    | Annotated[ReferenceVisual, Tag("<reference>")],
    Discriminator(lambda value: kind_of(value, VISUALS)),
]


# --- measures -------------------------------------------------------------------------------------------------------


class HorizonRow(Keys):
    near: Fraction = Field(description="where it should lie: fraction of the height, from the top")
    within: Size = Field(description="how far away it may lie: fraction of the height, to either side")


class Factors(Keys):
    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["keep"]}, {"required": ["is"]}]})

    keep: Annotated[list[Factor], Field(min_length=1)] = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=[], description="factors that must read as the prompt names them"
    )
    words: Annotated[dict[Literal[FACTORS], TextOrNothing], Field(min_length=1)] = Field(  # pyright: ignore[reportInvalidTypeForm]
        default={},
        alias="is",
        description="{factor: word}: what it must read as, whatever the prompt names; what renders to nothing is open",
    )
    together: TextOrNothing | None = Field(
        default=None,
        description="a name: pictures of a seed whose prompts share it count as one, which is right if all are",
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.keep and not self.words:
            raise ValueError("needs `keep` or `is`")
        return self


class PaletteDistance(Keys):
    swatches: Annotated[list[Color], Field(min_length=1, max_length=MOST_NAMED)] = Field(
        description="colours of a palette, as a visual prompt shows them"
    )
    within: NotNegative = Field(
        description="largest mean CIEDE2000 difference from what the picture's own light makes of grays as light"
    )


class Sharpness(Keys):
    at_least: NotNegative = Field(
        description="smallest ratio of its sharpness to that of the picture it is compared with"
    )
    relative_to: Base = Field(
        default="base", description="what it is compared with: `base`, the bare generator's picture from the same noise"
    )


class Drift(Keys):
    at_most: Fraction = Field(
        description="largest mean difference from the bare generator's picture; pixels go from 0 to 1"
    )


class HorizonRowMeasure(Keys):
    horizon_row: HorizonRow = Field(
        description="whether the horizon lies where it should (holds in the embedded world)"
    )


class FactorsMeasure(Keys):
    factors: Factors = Field(
        description="whether thing, place, colour and so on read as they should (holds in the embedded world)"
    )


class PaletteDistanceMeasure(Keys):
    palette_distance: PaletteDistance = Field(
        description="whether a palette has the tint of the picture's light (holds in the embedded world)"
    )


class SharpnessMeasure(Keys):
    sharpness: Sharpness = Field(
        description="whether pictures stay as sharp as the bare generator's: variance of the Laplacian over the luma's "
        "(holds anywhere)"
    )


class DriftMeasure(Keys):
    drift: Drift = Field(
        description="whether pictures stay near the bare generator's own, pixel by pixel (holds anywhere)"
    )


MEASURES: dict[str, type[Keys]] = {
    "horizon_row": HorizonRowMeasure, "factors": FactorsMeasure, "palette_distance": PaletteDistanceMeasure,
    "sharpness": SharpnessMeasure, "drift": DriftMeasure,
}  # fmt: skip
OF_THE_WORLD = frozenset({"horizon_row", "factors", "palette_distance"})  # they read scenes of the embedded world
WORLD_SIZE = 64  # pixels, both ways, of the pictures that they read

Measure = Annotated[
    Annotated[HorizonRowMeasure, Tag("<horizon_row>")]
    | Annotated[FactorsMeasure, Tag("<factors>")]
    | Annotated[PaletteDistanceMeasure, Tag("<palette_distance>")]
    | Annotated[SharpnessMeasure, Tag("<sharpness>")]
    | Annotated[DriftMeasure, Tag("<drift>")],
    Discriminator(lambda value: kind_of(value, MEASURES)),
]
