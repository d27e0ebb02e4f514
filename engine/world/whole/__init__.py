"""The whole world: every control of the paper in one set of small scenes that are known completely.

    scenes         the factors of a scene and their words, as data; `kinds`, `scales` and `furniture` hold parts of it
    distributions  how often each value of a factor comes up where nobody asks for one
    painter        scenes -> pictures; `geometry` says where things stand and how large they are
    backdrops      what is behind the things: skies and grounds, `trees`, `rooms`; `paintings` have nothing before them
    strips         pictures that hang on the horizon, cut at any row
    things         what stands in a scene
    grading        the colour grade of a finished picture
"""
