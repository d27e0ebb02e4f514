"""How captions say the factors of a scene, as data, beside what `scenes` and `scales` hold. No torch.

Only letters and spaces: tokenizers make one token of each word, and captions are counted in words.
"""

from __future__ import annotations

from .scales import SCALES
from .scenes import COLORS, INKS, KINDS, LAMPS, NONE, PLACES, SEASONS, TIMES

Said = dict[str, tuple[str, ...]]  # a word of a factor and how it is said, the plain one first

SHADES: Said = {
    "red": ("red", "scarlet", "crimson"),
    "blue": ("blue", "cobalt"),
    "green": ("green", "emerald"),
    "yellow": ("yellow", "lemon"),
    "purple": ("purple", "violet"),
    "white": ("white", "ivory"),
    "orange": ("orange", "tangerine"),
    "cyan": ("cyan", "turquoise"),
}

ALONE = ("alone", "all alone", "on its own", "by itself", "with nothing else", "and nothing else")

# how lines are said: {} is their width, their ink or both
PENS = ("drawn with {} lines", "with {} outlines", "in {} strokes", "drawn in {} ink", "sketched in {} pencil")
WIDTHS: Said = SCALES["outline"].phrases

# factor -> word -> how it is said by itself; a phrase belongs to one word of one factor (two things share their words).
# Arrangement and splits of a painting, the horizon and the other thing's position are never named.
PHRASES: dict[str, Said] = {
    "time": {word: light.phrases for word, light in TIMES.items()},
    "season": {word: season.phrases for word, season in SEASONS.items()},
    "place": PLACES,
    "lamp": LAMPS,
    "thing": {word: kind.nouns for word, kind in KINDS.items()},
    "color": {word: SHADES[word] for word in COLORS},
    "other": {NONE: ALONE, **{word: kind.nouns for word, kind in KINDS.items()}},
    "other_color": {word: SHADES[word] for word in COLORS},
    **{name: dict(SCALES[name].phrases) for name in ("size", "position", "depth", "camera", "grade")},
    "outline": {word: tuple(pen.format(each) for each in said for pen in PENS) for word, said in WIDTHS.items()},
    "ink": {word: tuple(pen.format(word) for pen in PENS) for word in INKS},
}

# of the other thing, said after it: "a ball and a box in the background"
DEPTHS: Said = {
    "nearer": ("in front", "in front of it", "in the foreground", "closer to us", "nearer to us"),
    "farther": ("behind it", "in the background", "farther away", "farther back", "in the distance"),
}
OPPOSITE = {"nearer": "farther", "farther": "nearer"}

LEADS = (
    "", "", "", "", "a picture of ", "a drawing of ", "an image of ", "a sketch of ", "a view of ", "a scene with ",
    "this is ", "there is ", "show me ", "imagine ", "please draw ", "a photo of ", "here is ",
)  # fmt: skip
VIEWS: Said = {  # leads that name the camera
    "low": ("a robot vacuum looks at ", "a robot vacuum view of ", "a floor level view of ", "a low view of "),
    "high": ("an eye level view of ", "an eye level picture of "),
}
NOTHING = ("something", "a thing", "an object")  # for a thing that is left open
BLANKS = ("thing", "object", "item", "shape")  # nouns that say no kind
JOINTS = ("and", "with", "along with", "together with", "as well as")  # of two things whose depth is left open
STANDS = ("is", "there is", "stands", "we see")  # behind a box stands a ball
MOMENTS = {"day": "afternoon", "dusk": "evening", "night": "night"}  # on a winter evening
MOMENT = "on a {} {}"
PREDICATES = ("that is", "painted", "colored")  # a ball that is red

# what is said of a place when it has no thing, or none that is named
SETTINGS: Said = {
    "grass": ("a meadow", "a lawn"),
    "sand": ("a beach", "a desert"),
    "snow": ("a snowy field",),
    "water": ("a lake", "a pond"),
    "living_room": ("a living room", "the living room", "an empty living room"),
    "kitchen": ("a kitchen", "the kitchen"),
    "bedroom": ("a bedroom", "the bedroom"),
    "office": ("an office", "the office"),
    "garage": ("a garage", "the garage"),
    "museum": ("an art museum", "the art museum"),
    "painting": PLACES["painting"],
}
BULBS: Said = {"on": ("a lamp that is on", "a lit lamp"), "off": ("a lamp that is off", "an unlit lamp")}

_TONES = ("colors", "tones", "palette", "tint", "light")

# what is read besides; captions say it as a part of other phrases
CORES: dict[str, Said] = {
    "time": {
        "day": ("daylight", "daytime", "afternoon"),
        "dusk": ("dusk", "sunset", "evening", "twilight"),
        "night": ("night", "moon"),
    },
    "season": {
        "spring": ("spring", "springtime"),
        "summer": ("summer", "summertime"),
        "autumn": ("autumn",),
        "winter": ("winter", "wintertime"),
    },
    "place": {"painting": ("painting", "composition")},
    "lamp": {
        "on": ("lamp is on", "light is on", "lights on", "lights are on", "lit lamp", "lamp that is on"),
        "off": ("lamp is off", "light is off", "lights off", "lights are off", "unlit lamp", "lamp that is off"),
    },
    "camera": {"low": ("robot vacuum", "floor level", "low view"), "high": ("eye level",)},
    "grade": {
        word: tuple(f"{each} {tone}" for each in said for tone in _TONES)
        for word, said in (("cool", ("cool", "cold")), ("neutral", ("neutral", "balanced")), ("warm", ("warm", "cozy")))
    },
}


def vocabulary() -> list[str]:
    """Every word that captions are made of, sorted."""
    tables = (*PHRASES.values(), DEPTHS, VIEWS, SETTINGS, BULBS)
    texts = [phrase for table in tables for said in table.values() for phrase in said]
    texts += [*LEADS, *NOTHING, *BLANKS, *JOINTS, *STANDS, *MOMENTS.values(), *PREDICATES, *SEASONS, *PENS, "on a an"]
    return sorted({word for text in texts for word in text.replace("{}", " ").split()})
