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
    "--allow-file-access-from-files",  # so that the frame's page may look into it
)
# a window cannot be as narrow as a phone; a frame in it can. The page itself is left as it is: its own policy holds.
# a picture that is part of it has been decoded, or given up, before it counts as loaded
_FRAME = """<!doctype html><iframe src="page.html" style="border: 0; width: {width}px; height: 900px"></iframe><script>
document.querySelector("iframe").addEventListener("load", event => {
  const page = event.target.contentDocument, pictures = [...page.images];
  document.documentElement.dataset.seen = JSON.stringify({pictures: pictures.length,
    decoded: pictures.filter(p => p.complete && p.naturalWidth > 0).length,
    width: page.documentElement.scrollWidth, ran: event.target.contentWindow.ran ?? ""});
});</script>"""


@dataclass(frozen=True)
class Seen:
    """What the browser made of a page."""

    pictures: int
    decoded: int
    width: int  # pixels that the page takes; more than it was given: it scrolls sideways
    ran: str  # what a script of the page left in `window.ran`
    complaints: list[str]  # of the console


def find() -> str:
    """The browser's program; the test fails, saying what to install, where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    assert found, "Chromium is needed for this test: apt-get install chromium"
    return found


def look(page: Path, folder: Path, width: int = 1280) -> Seen:
    """Open a copy of a page `width` pixels wide and say what was seen."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page.html").write_bytes(page.read_bytes())
    frame = folder / "frame.html"
    frame.write_text(_FRAME.replace("{width}", str(width)), encoding="utf-8")
    command = [find(), *_FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", frame.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    seen = re.search(r'data-seen="([^"]+)"', done.stdout)
    assert seen, f"the page did not load: {done.stderr[-2000:]}"
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Seen(**json.loads(seen[1].replace("&quot;", '"')), complaints=complaints)
