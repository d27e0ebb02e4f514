"""Imports go one way, cost nothing, and `recipe check` never loads torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "control_recipes"
SOURCES = [
    path
    for folder in ("engine", "critics", "recipes")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "checkpoints" not in path.parts
] + [ROOT / "cli.py", ROOT / "__init__.py"]

WITHOUT_TORCH = [
    "",
    ".cli",
    ".critics",
    ".critics.chat",
    ".critics.sandbox",
    ".critics.qwen2_5_vl",
    ".critics.llava",
    ".engine.errors",
    ".engine.document",
    ".engine.template",
    ".engine.recipe",
    ".engine.resolve",
    ".engine.plan",
    ".engine.lock",
    ".engine.lockfile",
    ".engine.locking",
    ".engine.platforms",
    ".engine.inputs",
    ".engine.outcomes",
    ".engine.frozen",
    ".engine.jobs",
    ".engine.lock_places",
    ".engine.verify",
    ".engine.extract",
    ".engine.export",
    ".engine.generators.layouts",
    ".engine.generators.naming",
    ".engine.made_for",
    ".engine.digests",
    ".engine.visuals",
    ".engine.models",
    ".engine.lengths",
    ".engine.figures",
    ".engine.report",
    ".engine.run_folder",
    ".engine.running",
    ".engine.headers",
    ".engine.pictures",
    ".engine.showing",
    ".engine.gallery",
    ".engine.console",
    ".engine.planning",
    ".engine.estimate",
    ".engine.workload",
    ".engine.capacity",
    ".engine.differences",
    ".engine.combining",
    ".engine.reuse",
    ".engine.excerpts",
    ".engine.compose",
    ".engine.assembling",
    ".engine.building",
    ".engine.parents",
    ".engine.schema_composing",
    ".engine.compositions",
    ".engine.carrying",
    ".engine.interference",
    ".engine.united",
    ".engine.generators.flux_names",
    ".engine.generators.flux_sizes",
    ".engine.generators.sd_names",
    ".engine.generators.sd_sizes",
    ".engine.generators.sdxl_names",
    ".engine.generators.sdxl_sizes",
    ".engine.generators.sd3_names",
    ".engine.generators.sd3_sizes",
    ".engine.generators.pixart_names",
    ".engine.generators.pixart_sizes",
    ".engine.generators.sana_names",
    ".engine.generators.sana_sizes",
    ".engine.generators.sana_sprint_names",
    ".engine.generators.sana_sprint_sizes",
    ".engine.generators.lumina2_names",
    ".engine.generators.lumina2_sizes",
    ".engine.world.captions",
]


def imported(path: Path, text: str) -> Iterator[str]:
    """Full names of the package's own modules that a file imports, wherever in it."""
    inside = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts[:-1]]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join([*inside[: len(inside) - node.level + 1], *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(PACKAGE))


def forbidden(path: Path, text: str) -> list[str]:
    """Imports that go the wrong way: cli → engine → critics → engine.errors and nothing else of engine."""
    part = path.relative_to(ROOT).parts[0]
    wrong: list[str] = []
    for name in imported(path, text):
        inner = f"{name.removeprefix(PACKAGE)}."
        from_critics = part == "critics" and inner.startswith(".engine.") and not inner.startswith(".engine.errors.")
        if from_critics or (inner.startswith(".cli.") and part != "cli.py"):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path):
    assert forbidden(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("critics/pixels.py", "from ..engine.plan import Plan"),
        ("critics/pixels.py", "from ..engine import plan"),
        ("critics/pixels.py", "def f():\n    import control_recipes.engine.training"),
        ("engine/training.py", "from ..cli import app"),
        ("engine/world/painter.py", "from ... import cli"),
    ],
)
def test_the_guard_sees_a_wrong_way(file: str, text: str):
    assert forbidden(ROOT / file, text)


def test_the_guard_lets_the_right_way_through():
    assert forbidden(ROOT / "critics/chat.py", "from ..engine.errors import InputError") == []


def loaded(code: str, *names: str) -> list[str]:
    """Which of `names` a fresh interpreter has loaded after running `code`."""
    script = f"{code}\nimport sys\nprint(*sorted(set(sys.modules) & {set(names)!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return done.stdout.split()


def test_torch_free_modules_load_no_torch():
    code = "\n".join(f"import {PACKAGE}{module}" for module in WITHOUT_TORCH)
    assert loaded(code, "torch", "transformers", "diffusers", "peft") == []


def test_the_guard_sees_torch():
    assert loaded(f"import {PACKAGE}.engine.flow", "torch") == ["torch"]


def test_importing_the_package_imports_nothing_else():
    assert loaded(f"import {PACKAGE}", f"{PACKAGE}.engine", "pydantic", "typer") == []


def test_public_names_are_there():
    import control_recipes

    assert set(control_recipes.__all__) <= set(dir(control_recipes))
    for name in control_recipes.__all__:
        assert getattr(control_recipes, name)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = control_recipes.nothing_of_the_kind
