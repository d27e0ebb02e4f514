"""Stock libraries' own progress bars and advice, held back while models load: what a person sees is ours to say."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet() -> Generator[None]:
    """Inside, diffusers and transformers report errors only and draw no progress bars; afterwards they do as before."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    libraries: list[Any] = [of_diffusers, of_transformers]
    before = [(library, library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity, bars in before:
            library.set_verbosity(verbosity)
            if bars:
                library.enable_progress_bar()
