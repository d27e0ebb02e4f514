"""Headless Chromium, for tests that look at a page as a browser does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",
    "--virtual-time-budget=500",
    "--window-size=1400,1000",
)
# a picture that is part of the page has been decoded, or given up, before the page counts as loaded
_PROBE = """<script>addEventListener("load", () => {
  const pictures = [...document.images];
  parent.postMessage(JSON.stringify({pictures: pictures.length,
    decoded: pictures.filter(p => p.complete && p.naturalWidth > 0).length,
    width: document.documentElement.scrollWidth}), "*");
});</script>"""
# a window cannot be as narrow as a phone; a frame in it can
_FRAME = """<!doctype html><script>
addEventListener("message", event => document.documentElement.dataset.seen = event.data);
</script><iframe src="page.html" style="border: 0; width: {width}px; height: 900px"></iframe>"""


@dataclass(frozen=True)
class Seen:
    """What the browser made of a page."""

    pictures: int
    decoded: int
    width: int  # pixels that the page takes; more than it was given: it scrolls sideways
    complaints: list[str]  # of the console


def find() -> str:
    """The browser's program; the test fails, saying what to install, where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    assert found, "Chromium is needed for this test: apt-get install chromium"
    return found


def look(page: Path, folder: Path, width: int = 1280) -> Seen:
    """Open a copy of a page, with a probe in it, `width` pixels wide and say what was seen."""
    folder.mkdir(parents=True, exist_ok=True)
    text = page.read_text(encoding="utf-8").replace("</body>", f"{_PROBE}</body>")
    (folder / "page.html").write_text(text, encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(_FRAME.replace("{width}", str(width)), encoding="utf-8")
    command = [find(), *_FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", frame.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    seen = re.search(r'data-seen="([^"]+)"', done.stdout)
    assert seen, f"the page did not load: {done.stderr[-2000:]}"
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Seen(**json.loads(seen[1].replace("&quot;", '"')), complaints=complaints)
