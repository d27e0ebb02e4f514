"""Models of the hub that cannot be had: one clear sentence and a hint, from a hub of our own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
# what the hub says of a name: the status and its own word for it
ANSWERS = {
    "none": (401, "RepoNotFound"),
    "gated": (403, "GatedRepo"),
    "old": (404, "RevisionNotFound"),
    "down": (503, ""),
}
RECIPE = """\
recipe: 1
name: asks_the_hub
generator: {model: builtin:generator}
critics:
  a: {model: org/none}
  b: {model: org/none@main}
  c: {model: org/gated}
  d: {model: org/old@v9}
  e: {model: org/old@%s}
  f: {model: org/odd--name}
prompts: {train: [a ball]}
questions: {there: {ask: "Is it there?", answer: "Yes"}}
"""


class Hub(BaseHTTPRequestHandler):
    """Knows no model, and says why in the hub's own header."""

    def do_GET(self) -> None:
        status, word = next(answer for name, answer in ANSWERS.items() if f"org/{name}" in self.path)
        self.send_response(status)
        self.send_header("X-Error-Code", word)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Nothing: stderr is the test's."""


@pytest.fixture
def hub() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def said(folder: Path, endpoint: str, recipe: str, **more: str) -> list[str]:
    """What `recipe check` says in a process of its own, whose hub is at `endpoint`."""
    (folder / "r.yaml").write_text(recipe, encoding="utf-8")
    known = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "0", **more}
    command = "import sys; from control_recipes.cli import main; sys.argv = ['recipe', 'check', 'r.yaml']; main()"
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={key: value for key, value in os.environ.items() if not key.startswith("HF_")} | known,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    return [line.strip() for line in done.stderr.splitlines() if "│" not in line]


def test_every_reason_has_a_sentence_and_a_hint(tmp_path: Path, hub: str) -> None:
    nobody = ["the hub has no model org/none, or hides it", "check its name, or log in with `hf auth login`"]
    revision = "hint: a revision is a branch, a tag, or all 40 digits of a commit"
    assert said(tmp_path, hub, RECIPE % COMMIT) == [
        f"r.yaml:5:14: critics.a.model: {nobody[0]}",
        f"hint: {nobody[1]}",
        f"r.yaml:6:14: critics.b.model: {nobody[0]}",
        f"hint: {nobody[1]}",
        "r.yaml:7:14: critics.c.model: org/gated is given only to who agreed to its terms",
        "hint: agree on its page, then log in with `hf auth login`",
        "r.yaml:8:14: critics.d.model: org/old has no revision `v9`",
        revision,
        f"r.yaml:9:14: critics.e.model: org/old has no revision `{COMMIT}`",
        revision,
        "r.yaml:10:14: critics.f.model: org/odd--name is no name that the hub can have",
        "hint: write org/name@revision",
    ]


@pytest.mark.parametrize(("revision", "offline"), [("", "0"), (f"@{COMMIT}", "0"), (f"@{COMMIT}", "1")])
def test_a_hub_that_cannot_be_reached_is_said_at_once(tmp_path: Path, revision: str, offline: str) -> None:
    recipe = f"{RECIPE.partition('critics:')[0]}critics: {{a: {{model: org/none{revision}}}}}\n"
    recipe += RECIPE[RECIPE.index("prompts:") :]
    why = "HF_HUB_OFFLINE is set" if offline == "1" else "the hub cannot be reached"
    # nothing listens on port 9; a library that talks of its attempts would add lines
    assert said(tmp_path, "http://127.0.0.1:9", recipe, HF_HUB_OFFLINE=offline) == [
        f"r.yaml:4:22: critics.a.model: org/none{revision} is not on this machine, and {why}",
        "hint: once fetched it is kept, or name a folder: ./folder",
    ]
