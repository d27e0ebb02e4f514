"""The whole world: every control of the paper in one set of small scenes that are known completely.

scenes         the factors of a scene and their words, as data
distributions  how often each value of a factor comes up when nobody asks for one
painter        scenes -> pictures
backdrops      what is behind the things: skies and grounds, rooms, paintings
things         what stands in a scene
grading        the colour grade of a finished picture
"""
