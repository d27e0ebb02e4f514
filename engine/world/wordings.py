"""How critics are asked and what they say: templates as data, a kind of question after the other. No torch.

kind -> word claimed -> templates; those under "" fit every word. In them `{word}` is a phrase for the word claimed (as
captions say it, or as `SAYINGS` does), `{plain}` the word itself, `{noun}` what a thing is called, `{only}` the same
where there is no second thing, `{other}` what the other thing is called. A template whose gaps cannot all be filled is
not used. The critics are taught `WORDINGS`, the judge `OTHER_WORDINGS` besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Wordings = Mapping[str, Mapping[str, Sequence[str]]]

SUFFIX = "Answer with Yes or No."

WORDINGS: Wordings = {
    "thing": {"": (
        "Is there {word} in the image?", "Is the {only} in the image {word}?", "Does the image show {word}?",
        "Is there {word} in the picture?",
    )},
    "color": {"": (
        "Is the {noun} {word}?", "Is the {noun} in the image {word}?", "Is the color of the {noun} {word}?",
        "Is the {noun} {plain}?",
    )},
    "color thing": {"": (
        "Is there {word} in the image?", "Is the {only} in the image {word}?", "Does the image show {word}?",
    )},
    "count": {
        "one": ("Is there only one thing in the image?", "Is there a single thing in the image?"),
        "two": ("Are there two things in the image?", "Is there a second thing in the image?"),
        "": ("Does the image show {word}?",),
    },
    "depth": {
        "nearer": (
            "Is the {noun} nearer to the camera than the {other}?", "Is the {noun} in front of the {other}?",
            "Is the {noun} closer to the camera than the {other}?",
        ),
        "farther": (
            "Is the {noun} behind the {other}?", "Is the {noun} farther from the camera than the {other}?",
            "Is the {noun} farther away than the {other}?",
        ),
    },
    "position": {"": ("Is the {noun} {word}?", "Is the {noun} {word} of the image?")},
    "size": {"": ("Is the {noun} {word}?", "Is the {noun} in the image {word}?", "Is the {noun} {plain}?")},
    "place": {"": (
        "Is the {noun} {word}?", "Is the scene {word}?", "Does the image show a scene {word}?",
        "Does the image show the {room}?", "Is this a view of the {room}?",
    )},
    "setting": {
        "indoors": ("Is the scene indoors?", "Does the image show a room?", "Is this the inside of a building?"),
        "outdoors": ("Is the scene outdoors?", "Does the image show the open air?", "Is there a sky above the ground?"),
    },
    "painting": {"yes": (
        "Is the image an abstract painting?", "Does the image show an abstract painting?",
        "Is this a composition of colored areas?",
    )},
    "time": {"": (
        "Is the scene {word}?", "Does the image show a scene {word}?", "Is the picture set {word}?", "Is it {plain}?",
    )},
    "season": {"": (
        "Is the scene {word}?", "Does the image show a scene {word}?", "Is it {plain} in the image?", "Is it {plain}?",
    )},
    "lamp": {
        "": ("Is the lamp {plain}?", "Is the lamp switched {plain}?", "Does the image show a room {word}?"),
        "on": ("Is the lamp lit?", "Does the lamp shine?"),
        "off": ("Is the lamp unlit?", "Is the lamp dark?"),
    },
    "camera": {
        "": ("Is the image seen {word}?",),
        "low": (
            "Is the camera near the floor?", "Is the image seen from the floor?", "Is this the view of a robot vacuum?",
            "Is the image from the perspective of a robot vacuum?",
        ),
        "high": (
            "Is the camera at eye level?", "Is the image seen from eye level?",
            "Is this the view of a standing person?", "Is the image from the perspective of a standing person?",
        ),
    },
    "horizon": {
        "low": ("Is the horizon low in the image?", "Is the horizon in the lower part of the image?"),
        "high": ("Is the horizon high in the image?", "Is the horizon in the upper part of the image?"),
        "middle": ("Is the horizon in the middle of the image?", "Is the horizon halfway up the image?"),
    },
    "grade": {"": (
        "Is the image {word}?", "Are the colors of the image {plain}?", "Is the color palette of the image {plain}?",
    )},
    "ink": {"": (
        "Are the outlines {plain}?", "Are the lines in the image {plain}?", "Is the image drawn with {plain} lines?",
        "Is the color of the outlines {plain}?", "Is the {noun} drawn with {plain} lines?",
    )},
    "outline": {"": (
        "Is the {noun} {word}?", "Is the image {word}?", "Are the outlines {plain}?",
        "Are the lines in the image {plain}?",
    )},
    "arrangement": {"": (
        "Is this a painting {word}?", "Does the image show a painting {word}?", "Is the image a composition {word}?",
    )},
    "split x": {"": ("Is this a painting {word}?", "Is the upright line of the painting {plain}?")},
    "split y": {"": ("Is this a painting {word}?", "Is the level line of the painting {plain}?")},
    "caption": {"": ("Does the image show {word}?", "Does the picture fit the words: {word}?")},
    "fact": {"": (
        "Is it {said} {in_season}?", "Is it {said} {in_time}?", "Does '{in_season}' mean that it is {said}?",
        "Does '{in_time}' mean that it is {said}?", "Is it {said}, a lamp {that}?", "Is a lamp {that} switched {said}?",
        "Is a room {seen} seen from {said}?", "Is the camera at {said} for a room {seen}?",
        "Is a scene {toned} in {said} colors?", "Are the colors {said} {toned}?", "Is it true that {statement}?",
    )},
    "fit": {"": (
        "Does this picture fit '{word}'?", "Does the image show '{word}'?", "Could this be a picture of '{word}'?",
    )},
    "line": {
        "aligned": (
            "Is the overlaid red line aligned with the horizon of the scene?", "Does the red line lie on the horizon?",
            "Is the red line on the horizon?", "Is the red line aligned with the horizon?",
        ),
        "above": ("Is the red line above the horizon?", "Is the overlaid red line above the horizon of the scene?"),
        "below": ("Is the red line below the horizon?", "Is the overlaid red line below the horizon of the scene?"),
    },
    "swatches": {"match": (
        "Does the color palette overlaid at the bottom match the image?",
        "Does the palette at the bottom match the colors of the image?",
        "Do the colors of the swatches match the image?", "Does the image have the colors of the overlaid palette?",
    )},
    "weight": {"match": (
        "Ignoring the line color, does the line weight of the image match the {ink} line overlaid at the bottom?",
        "Ignoring the color, are the outlines as thick as the {ink} line at the bottom?",
        "Does the line weight of the image match the line overlaid at the bottom?",
        "Are the outlines as thick as the overlaid line?",
    )},
    "dots": {
        "nearer": (
            "Is Point {noun} much closer to the camera than Point {other}?",
            "Is Point {noun} nearer to the camera than Point {other}?",
            "Is the thing at Point {noun} in front of the thing at Point {other}?",
        ),
        "farther": ("Is Point {noun} farther from the camera than Point {other}?",),
    },
    "reference": {"match": (
        "Does the composition of the image match the reference image?",
        "Does the image have the same composition as the reference image?",
        "Are the colored areas of both images arranged alike?",
        "Does the layout of the image match the second image?",
    )},
}  # fmt: skip

OTHER_WORDINGS: Wordings = {
    "thing": {"": ("Do you see {word} here?", "Is {word} shown?")},
    "color": {"": ("Does the {noun} have the color {word}?", "Is the {noun} painted {word}?")},
    "color thing": {"": ("Do you see {word} here?",)},
    "count": {"one": ("Is one thing all there is?",), "two": ("Do you see two things here?",)},
    "depth": {
        "nearer": ("Does the {noun} stand in front of the {other}?",),
        "farther": ("Does the {noun} stand behind the {other}?",),
    },
    "place": {"": ("Does the {noun} stand {word}?", "Do you see the {room} here?")},
    "painting": {"yes": ("Is what you see an abstract painting?",)},
    "time": {"": ("Is what you see {word}?",)},
    "season": {"": ("Is what you see {word}?", "Is the season {plain}?")},
    "lamp": {"on": ("Does the lamp give light?",), "off": ("Does the lamp give no light?",)},
    "camera": {
        "low": ("Was this seen from close to the floor?",),
        "high": ("Was this seen from the height of a person?",),
    },
    "grade": {"": ("Are the tones {plain}?",)},
    "ink": {"": ("Do the outlines have the color {plain}?",)},
    "outline": {"": ("Are the outlines you see {plain}?",)},
    "fit": {"": ("Is what you see '{word}'?",)},
    "line": {
        "aligned": ("Do the red line and the horizon coincide?", "Does the horizon run along the red line?"),
        "above": ("Does the red line run higher than the horizon?",),
        "below": ("Does the red line run lower than the horizon?",),
    },
    "swatches": {"match": ("Do the swatches and the image have the same tones?",)},
    "weight": {"match": ("Are the outlines of the same thickness as the line at the bottom?",)},
    "dots": {
        "nearer": ("Is the camera closer to Point {noun} than to Point {other}?",),
        "farther": ("Does Point {noun} lie farther away than Point {other}?",),
    },
    "reference": {"match": ("Are both images composed alike?",)},
}

OPEN: Mapping[str, Sequence[str]] = {
    "color thing": ("What is in the image?", "What does the image show?"),
    "thing": ("What kind of thing is in the image?", "What is the thing in the image?"),
    "color": ("What color is the {noun}?", "What is the color of the {noun}?"),
    "both": ("What is in the image?", "Which things are in the image?"),
    "count": ("How many things are in the image?",),
    "depth": ("What is nearer to the camera?", "Which thing is closer to the camera?"),
    "place": ("Where is the {noun}?", "What place does the image show?"),
    "setting": ("Is the scene indoors or outdoors?",),
    "time": ("What time of day is it?", "When is the scene?"),
    "season": ("What season is it?", "Which season does the image show?"),
    "lamp": ("Is the lamp on or off?",),
    "camera": ("How high is the camera?",),
    "position": ("On which side is the {noun}?",),
    "size": ("How large is the {noun}?",),
    "outline": ("How thick are the outlines?",),
    "ink": ("What color are the outlines?", "What is the color of the lines?"),
    "grade": ("Are the colors warm, neutral or cool?", "What is the color palette of the image like?"),
    "arrangement": ("Which colors does the painting have?",),
    "horizon": ("Where is the horizon?",),
    "dots": ("Which point is closer to the camera?",),
    "fact": (
        "What season is it {in_season}?",
        "What time of day is it {in_time}?",
        "Is a lamp {that} on or off?",
        "How high is the camera for a room {seen}?",
        "Are the colors warm, neutral or cool {toned}?",
    ),
    "row": ("How far down is the horizon?",),  # in hundredths of the height
    "line row": ("How far down is the red line?",),
}

# numbers that only sharpen the eye in a first course: nobody is held to them
AIDS = ("row", "line row")

# how often each kind of question is asked; things and their colours are learnt last
KIND_SHARES: Mapping[str, float] = {
    "thing": 5.0, "color": 5.0, "color thing": 5.0, "count": 0.6, "depth": 5.0, "position": 4.0, "size": 1.8,
    "place": 2.0, "setting": 0.5, "painting": 0.5, "time": 1.0, "season": 1.5, "lamp": 1.5, "camera": 1.5,
    "horizon": 1.5, "grade": 1.2, "ink": 1.2, "outline": 1.5, "arrangement": 1.0, "split x": 2.0, "split y": 1.2,
    "caption": 1.5, "fact": 1.0, "fit": 2.0, "open": 12.0,
}  # fmt: skip
OPEN_SHARES: Mapping[str, float] = {
    "color thing": 3.0, "thing": 3.0, "color": 3.0, "both": 3.0, "position": 4.0, "fact": 0.5,
    **dict.fromkeys(AIDS, 2.0),
}  # fmt: skip
# kinds that need something laid over the picture or set beside it, and how many of its questions are about that
OVERLAID: Mapping[str, float] = {"line": 0.34, "swatches": 0.34, "weight": 0.34, "dots": 0.34, "reference": 0.5}

# how often each word is claimed wrongly, where not all are alike
FALSE_SHARES: Mapping[str, Mapping[str, float]] = {"line": {"aligned": 5.0, "above": 1.0, "below": 1.0}}

# how words are said that captions never say, or say otherwise
SAYINGS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "count": {"one": ("one thing", "a single thing"), "two": ("two things", "a pair of things")},
    "setting": {"indoors": ("indoors",), "outdoors": ("outdoors",)},
    "outline": {
        "thin": ("drawn with thin lines", "with thin outlines", "drawn with fine lines"),
        "thick": ("drawn with thick lines", "with thick outlines", "drawn with bold lines"),
    },
    "split x": {
        "left": ("divided at the left", "with a wide right side"),
        "middle": ("divided at the center",),
        "right": ("divided at the right", "with a wide left side"),
    },
    "split y": {
        "high": ("divided near the top", "with a tall lower part"),
        "middle": ("divided halfway down",),
        "low": ("divided near the bottom", "with a tall upper part"),
    },
    "horizon": {"low": ("low",), "high": ("high",), "middle": ("in the middle",)},
    "line": {"aligned": ("aligned",), "above": ("above",), "below": ("below",)},
}
