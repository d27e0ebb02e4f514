"""Numbers of things, in words."""


def counted(number: int, thing: str) -> str:
    """A number and what it counts: 1 prompt, 2 prompts."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
