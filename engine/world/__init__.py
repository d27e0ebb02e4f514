"""The embedded world: small scenes that are known completely, and models of the real classes trained on them.

It is a toy. Its purpose is a default that runs anywhere, and a truth that critics are checked against. A scene is a
word or a number for each factor; what nobody asks for comes up as often as in other people's pictures.

    scenes         the factors of a scene and their words, as data; `kinds`, `scales` and `furniture` hold parts of it
    distributions  how often each value of a factor comes up where nobody asks for one
    painter        scenes -> pictures; `geometry` says where things stand and how large they are
    backdrops      what is behind the things: skies and grounds, `trees`, `rooms`; `paintings` have nothing before them
    strips         pictures that hang on the horizon, cut at any row
    things         what stands in a scene
    grading        the colour grade of a finished picture
    captions       what people say of a scene, from `phrases`, and what `reading` finds a caption to name
    facts          what prompts imply without naming it, from `knowledge`, and who is taught what of it
    coupling       which scene a caption and a noise stand for together
    reader         pictures -> factors, by comparing with what the painter would have painted
    questions      what critics are taught to answer, from `claims` in `wordings`, about what is the `truth`

Training: `train` has it all, by model. The generator's lessons are `lessons` (scenes from `sampling`, common sense from
`schooling`; `importance` weighs parts of pictures); those of critics are in `train_critic` (`pictures`, what `overlays`
lay over them, `hints` and `cells` for towers; `collect` has generated pictures and those of `rounds`, short control
trainings). `audit` counts what is right, `cards` writes it down; `abreast` reads with two processes.
"""

TRAINED = ("vae", "generator", "critic", "critic2", "judge")  # what `train` has, told without torch
WARM = ("vae", "generator")  # what can begin with the weights of another
