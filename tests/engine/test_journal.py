"""The journal of a training where the disk is full."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from control_recipes.engine import journal


def test_a_journal_names_itself_where_the_disk_is_full(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        with journal.opened(path, 0) as lines:
            lines.write({"step": 1})
            size, sha256 = lines.size, lines.sha256
            with pytest.raises(OSError, match="File too large") as caught:
                lines.write({"step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b'{"step": 1}\n{"step":'  # as torn as a kill leaves it
    assert journal.holds(path, size, sha256)
    with journal.opened(path, size) as lines:
        lines.write({"step": 2})
    assert path.read_text("utf-8") == '{"step": 1}\n{"step": 2}\n'
