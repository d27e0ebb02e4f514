"""The embedded world: small scenes that are known completely, and models of the real classes trained on them.

It is a toy. Its purpose is a default that runs anywhere, and a truth that critics are checked against.

    scenes      the factors of a scene and their words, as data
    captions    what people say of a scene, and what a caption names (no torch)
    painter     scenes -> pictures
    reader      pictures -> factors, by comparing with what the painter would have painted
    coupling    which scene a caption and a noise stand for together
    questions   what critics are taught to answer
"""

TRAINED = ("vae", "generator", "critic", "judge")  # what `train` has, told without torch
