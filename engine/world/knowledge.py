"""What everybody knows about the world without being told, as data: prompts that imply opposite looks. No torch.

After CommonsenseT2I (arXiv 2406.07546): one prompt implies one look, its twin another, and neither says which. Letters
and spaces only, and no word that a caption has for the factor: `named` reads nothing in what is here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Side:
    """One half of a fact: the word it implies, and three ways to say what implies it."""

    word: str
    taught: str  # in recipes' training prompts, unless the fact is held out
    reworded: str  # in their held-out prompts
    told: str  # in statements only


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    factor: str
    scene: str  # {} is where a side's words go
    sides: tuple[Side, Side]
    held_out: bool = False  # whether no recipe's training prompt has it


S, F = Side, Fact

SEASONS = (
    F("year", "season", "a tree in the grass {}", (
        S("winter", "in January", "in the first month of the year", "when a new year has just begun"),
        S("summer", "in June", "in the sixth month of the year", "when the year is half over"))),
    F("weeks off", "season", "a hut in a meadow {}", (
        S("winter", "in February", "in the shortest month of all", "when a month has four weeks and no more"),
        S("summer", "in August", "in the hottest month of all", "in the month when most people travel")), True),
    F("showers", "season", "a house in a meadow {}", (
        S("spring", "in April", "in the fourth month of the year", "when showers bring flowers"),
        S("autumn", "in October", "in the tenth month of the year", "when the tenth month comes"))),
    F("maypole", "season", "a cottage in a pasture {}", (
        S("spring", "in May", "in the fifth month of the year", "when people dance around a maypole"),
        S("autumn", "in November", "in the eleventh month of the year", "when the year is nearly over"))),
    F("school", "season", "the office {}", (
        S("spring", "in March", "when the year is two months old", "in the third month of the year"),
        S("autumn", "in September", "when a new school year begins", "in the ninth month of the year"))),
    F("feasts", "season", "the living room {}", (
        S("winter", "at Christmas", "when Santa brings presents", "when carols are sung"),
        S("spring", "at Easter", "when eggs are hidden for children", "when the Easter bunny comes"))),
    F("pumpkins", "season", "a cabin on a lawn {}", (
        S("autumn", "at Halloween", "when children go from door to door in masks", "when pumpkins have faces"),
        S("summer", "during the long school holidays", "while schools are closed for weeks", "when pupils are away"))),
    F("turkey", "season", "the kitchen {}", (
        S("autumn", "at Thanksgiving", "when families roast a turkey together", "when the pilgrims are remembered"),
        S("spring", "when tulips open", "when daffodils bloom", "when the first flowers come up"))),
    F("farming", "season", "a tent in the grass {}", (
        S("autumn", "at harvest time", "when farmers pick apples", "when grapes are picked"),
        S("spring", "at sowing time", "when farmers plant seeds", "when seeds go into the earth")), True),
    F("heat", "season", "a box on a beach {}", (
        S("winter", "when it is freezing", "when puddles turn to ice", "when breath turns to mist"),
        S("summer", "during a heat wave", "when it is too hot to sleep", "when everyone sweats"))),
    F("birds", "season", "a tree in a meadow {}", (
        S("spring", "when birds build nests", "when chicks hatch", "when the swallows come back"),
        S("autumn", "when birds fly south", "when the geese set out", "when swallows leave")), True),
    F("bears", "season", "a hut on a lawn {}", (
        S("winter", "while bears hibernate", "while hedgehogs sleep for months", "while bears stay in their dens"),
        S("spring", "when lambs are born", "when bears wake up", "when tadpoles swim"))),
    F("sports", "season", "a tent on a lawn {}", (
        S("winter", "when people go skiing", "when children ride sleds", "when people skate outside"),
        S("summer", "when people swim outside", "when bathers lie in the sun", "when people sail and surf"))),
    F("clothes", "season", "the bedroom {}", (
        S("winter", "when everyone wears gloves", "when people need woolly hats", "when scarves are worn"),
        S("summer", "when everyone wears shorts", "when people need sunscreen", "when sandals are worn")), True),
    F("leaves", "season", "a car in a pasture {}", (
        S("autumn", "when leaves come down", "when gardens need raking", "when acorns drop"),
        S("spring", "when buds open", "when leaves are new", "when cherry trees bloom"))),
    F("food", "season", "a cottage in the grass {}", (
        S("summer", "when ice cream sells best", "when people grill outside", "when lemonade tastes best"),
        S("winter", "when people drink hot cocoa", "when chestnuts are roasted", "when hot soup tastes best"))),
)  # fmt: skip

TIMES = (
    F("clock", "time", "a house in the grass {}", (
        S("day", "at noon", "when the sun is highest", "when the clock strikes twelve and people have lunch"),
        S("night", "at midnight", "when a new date begins", "when the clock strikes twelve and people are in bed"))),
    F("sky", "time", "a tent in the desert {}", (
        S("night", "under the stars", "when the stars are out", "while the milky way can be seen"),
        S("day", "under the blazing sun", "when shadows are short", "while no star can be seen"))),
    F("hunters", "time", "a tree in a meadow {}", (
        S("night", "while owls hunt", "while bats are out", "when fireflies glow"),
        S("day", "while bees collect nectar", "while butterflies are out", "while lizards bask"))),
    F("children", "time", "a cabin on a lake {}", (
        S("day", "while children are at school", "during the lessons", "while pupils learn to count"),
        S("night", "while children sleep", "while everyone dreams", "while people snore in their beds")), True),
    F("sinking", "time", "a car on a beach {}", (
        S("dusk", "as the sun goes down", "when the sun touches the horizon", "when the sun is about to vanish"),
        S("day", "while the sun is overhead", "when lunch is eaten", "when the sun has hours to go"))),
    F("sunrise", "time", "a hut in a pasture {}", (
        S("day", "hours after sunrise", "when the sun has long been up", "after breakfast"),
        S("night", "hours before sunrise", "long before the rooster crows", "before anyone has breakfast"))),
    F("dark", "time", "a cottage on a lawn {}", (
        S("dusk", "just before dark", "when it is getting dark", "when children are called home to supper"),
        S("night", "when it is pitch dark", "when the sky is darkest", "when nobody can see without a torch"))),
    F("hours", "time", "a house on a dune {}", (
        S("night", "at three in the morning", "when only bakers are awake", "when the streets are empty and dark"),
        S("day", "at eleven in the morning", "when the market is busy", "an hour before lunch"))),
    F("astronomy", "time", "a tent in the snow {}", (
        S("night", "while astronomers look up", "when telescopes are in use", "while comets are watched"),
        S("day", "while sundials tell the time", "when solar panels work", "while hats keep off the sun")), True),
    F("roost", "time", "a tree in the grass {}", (
        S("dusk", "when hens go to roost", "as the cows come home", "when the blackbird sings its last song"),
        S("day", "while the mail is delivered", "while banks are open", "while builders are at work")), True),
)  # fmt: skip

LAMPS = (
    F("power", "lamp", "a lamp {} in the bedroom", (
        S("off", "without electricity", "that gets no power", "with no current in its wire"),
        S("on", "that is switched on", "whose switch was just pressed", "that somebody turned on"))),
    F("power cut", "lamp", "a lamp {} in the kitchen", (
        S("off", "during a power cut", "in a blackout", "while the whole town has no power"),
        S("on", "once the power is back", "when electricity has returned", "after the power came back"))),
    F("bill", "lamp", "a lamp {} in the office", (
        S("off", "whose bill was never paid", "after nobody paid for electricity", "when no money came for the power"),
        S("on", "whose bill has been paid", "after all was paid for", "when the power company got its money")), True),
    F("plug", "lamp", "a lamp {} in the garage", (
        S("off", "that is unplugged", "whose plug is not in the socket", "that nobody plugged in"),
        S("on", "that is plugged in and running", "whose plug and switch are in use", "that hums in its socket"))),
    F("bulb", "lamp", "a lamp {} in the living room", (
        S("off", "with a broken bulb", "whose bulb has burned out", "with no bulb in it"),
        S("on", "with a new bulb at work", "whose bulb was just replaced", "with a bulb that does its job"))),
    F("book", "lamp", "a lamp {} in the bedroom", (
        S("on", "while somebody reads beneath it", "while a book is being read", "while a page is turned"),
        S("off", "while nobody is home", "when everybody has left", "after the last person has gone"))),
    F("asleep", "lamp", "a lamp {} in the living room", (
        S("off", "while a baby sleeps", "while everyone naps", "when the parents are asleep"),
        S("on", "while somebody sews", "while a watch is being repaired", "while a needle is threaded"))),
    F("film", "lamp", "a lamp {} in the museum", (
        S("off", "while a film is shown", "during a movie", "while slides are projected"),
        S("on", "after a film has ended", "between two movies", "when the audience gets up")), True),
    F("fuse", "lamp", "a lamp {} in the garage", (
        S("off", "after the fuse blew", "after a short circuit", "when the fuse has melted"),
        S("on", "after the fuse was replaced", "after the electrician came", "when the fuse is fine again"))),
    F("battery", "lamp", "a lamp {} in the office", (
        S("off", "with an empty battery", "whose battery is flat", "whose battery has run down"),
        S("on", "running on a full battery", "whose battery was just charged", "that drains its battery"))),
    F("moths", "lamp", "a lamp {} in the kitchen", (
        S("on", "with moths around it", "that insects fly to", "that attracts moths"),
        S("off", "that no moth cares for", "that insects ignore", "that moths fly past")), True),
    F("touch", "lamp", "a lamp {} in the bedroom", (
        S("on", "that is too hot to touch", "that burns a finger", "with hot glass"),
        S("off", "that is cold to the touch", "that feels like ice", "with cold glass")), True),
    F("meter", "lamp", "a lamp {} in the office", (
        S("on", "that keeps the meter running", "that uses power", "that costs money by the minute"),
        S("off", "that leaves the meter still", "that uses no power", "that costs no money at all"))),
    F("guests", "lamp", "a lamp {} in the living room", (
        S("off", "while energy is saved", "during earth hour", "when people save power"),
        S("on", "while guests are welcomed", "during a party", "while people dance"))),
)  # fmt: skip

CAMERAS = (
    F("mouse", "camera", "the kitchen {}", (
        S("low", "as a mouse sees it", "through the eyes of a mouse", "as it looks to mice"),
        S("high", "as a standing adult sees it", "through the eyes of a grown woman", "as it looks to grown people"))),
    F("cat", "camera", "the living room {}", (
        S("low", "as a cat sees it", "through the eyes of a cat", "as it looks to a kitten"),
        S("high", "as a basketball player sees it", "through the eyes of a tall man", "as it looks to tall people"))),
    F("beetle", "camera", "the garage {}", (
        S("low", "as a beetle sees it", "through the eyes of an ant", "as it looks to insects"),
        S("high", "as a giraffe sees it", "through the eyes of a horse", "as it looks to long necks")), True),
    F("baby", "camera", "the bedroom {}", (
        S("low", "as a crawling baby sees it", "from where a baby crawls", "as a baby on its belly sees it"),
        S("high", "as a standing teacher sees it", "from where a father stands", "as a mother on her feet sees it"))),
    F("slipper", "camera", "the bedroom {}", (
        S("low", "from inside a slipper", "from where shoes are kept", "out of a shoe"),
        S("high", "from a tall shelf", "from where hats are kept", "off the top of a wardrobe"))),
    F("carpet", "camera", "the office {}", (
        S("low", "to someone lying on the carpet", "with a cheek on the rug", "to someone flat on their belly"),
        S("high", "to someone standing up straight", "with a straight back", "to someone who stands"))),
    F("fridge", "camera", "the kitchen {}", (
        S("low", "from under the cupboard", "through the gap below a door", "from the foot of the table"),
        S("high", "from the top of the fridge", "from where the clock hangs", "from the lintel of a door"))),
    F("snail", "camera", "the art museum {}", (
        S("low", "as a snail sees it", "through the eyes of a worm", "as it looks to a slug"),
        S("high", "as a guard sees it", "through the eyes of a visitor", "as it looks to someone with a ticket"))),
    F("tripod", "camera", "the living room {}", (
        S("low", "filmed by a dropped camera", "filmed by a phone that fell", "when the camera is on the ground"),
        S("high", "filmed by a camera on a tripod", "filmed by a phone held up", "by a held camera")), True),
    F("toys", "camera", "the garage {}", (
        S("low", "from a toy train", "as a tin soldier sees it", "from among the toys of a child"),
        S("high", "as a waiter sees it", "from behind the glasses of a mechanic", "as a tall guest sees it"))),
)  # fmt: skip

GRADES = (
    F("fire", "grade", "a tent on the sand {}", (
        S("warm", "lit by a campfire", "in the glow of embers", "near a crackling fire"),
        S("cool", "inside an ice cave", "within walls of ice", "in the heart of an iceberg"))),
    F("candles", "grade", "the living room {}", (
        S("warm", "lit by candles", "by candlelight", "with candles all around"),
        S("cool", "lit by a phone", "by the glow of a television", "with screens all around"))),
    F("photograph", "grade", "a house in a meadow {}", (
        S("warm", "as in an old sepia photograph", "in a faded photograph of long ago", "in sepia"),
        S("cool", "as on an x ray", "as in a frosty hospital photograph", "under an x ray machine"))),
    F("glass", "grade", "the bedroom {}", (
        S("warm", "seen through amber", "seen through honey", "seen through a cup of tea"),
        S("cool", "seen through sapphire", "seen through a diving mask", "seen through a swimming pool"))),
    F("planets", "grade", "a box on the sand {}", (
        S("warm", "on Mars", "under the rusty sky of Mars", "on the planet next to ours"),
        S("cool", "on Neptune", "under the sky of Neptune", "on the planet farthest from the sun")), True),
    F("movies", "grade", "a car in the desert {}", (
        S("warm", "as in a western", "as in a film about cowboys", "as in a story about the sahara"),
        S("cool", "as in a film about the arctic", "as in a film about penguins", "as in a story about polar bears"))),
)  # fmt: skip

FACTS = (*SEASONS, *TIMES, *LAMPS, *CAMERAS, *GRADES)
