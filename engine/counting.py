"""Numbers of things, in words."""


def counted(number: int, thing: str, things: str = "") -> str:
    """A number and what it counts: 1 prompt, 2 prompts; `things` where that is more than an s."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def size(count: float) -> str:
    """Bytes in words."""
    return f"{count / 2**30:.1f} GiB" if count >= 0.995 * 2**30 else f"{count / 2**20:.0f} MiB"


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
