"""The command line: each command parses, calls one function of the engine, and prints.

stdout carries data, stderr talk. Exit status: 0 done; 1 done, but an expectation failed; 2 the input is wrong, nothing
was written; 3 the work failed part-way and can be resumed; 130 stopped by Ctrl-C after a checkpoint.
"""

import atexit
import dataclasses
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .engine.errors import ControlError, InputError, Problem, of_system

if TYPE_CHECKING:
    from .engine.gallery import Source
    from .engine.recipe import Recipe

# looking for pydantic's plugins means reading the metadata of every installed package
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

app = typer.Typer(
    name="recipe",
    help="Recipes of questions that teach image generators controls.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
world = typer.Typer(help="The embedded world.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(world, name="world")

File = Annotated[str, typer.Argument(metavar="FILE", help="A recipe, or the name of one in the gallery.")]
Files = Annotated[list[str], typer.Argument(metavar="FILE…", help="Recipes, or names of ones in the gallery.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a value; may be repeated.")
]
Outside = Annotated[bool, typer.Option("--allow-outside", help="Let paths leave the recipe's folder.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing on stderr but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error was raised.")]


_READING = {"check", "diff", "lock", "plan", "show"}


def main() -> None:
    """Run the command line, and turn every error a person can make into words and an exit status."""
    if not _READING.isdisjoint(sys.argv[1:2]):
        _expect_no_garbage()
    try:
        app()
    except (ControlError, OSError) as raised:
        if "--debug" in sys.argv:
            raise
        from .engine import console

        error = of_system(raised) if isinstance(raised, OSError) else raised
        if "--json" in sys.argv:
            print(console.failed(error))
        console.show(error)
        sys.exit(error.exit_status)


def _expect_no_garbage() -> None:
    """Look for garbage seldom, and not at the end: what reading makes, modules above all, stays until then."""
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)


@app.command()
def run(
    files: Files,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder; default: runs/NAME.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Train anew, even if this run is finished.")] = False,
    locked: Annotated[bool, typer.Option("--locked", help="Refuse to run unless the lock is up to date.")] = False,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train, evaluate, lock and report."""
    from .engine import console, session, unbuilt
    from .engine.resolve import resolve

    if out is not None and len(files) > 1:
        raise typer.BadParameter("one folder holds one run: give one FILE with --out")
    with console.Talk(quiet) as talk:
        sources = [_find(file, talk.say) for file in files]
        recipes = [_read(source, sets or session.replayed(source, out, locked), allow_outside) for source in sources]
        plans = [resolve(recipe) for recipe in recipes]
        for recipe, plan in zip(recipes, plans, strict=True):
            unbuilt.refuse(plan, recipe.document)
        folders = [out or Path("runs", plan.name) for plan in plans]
        if locked:
            session.refuse_stale(sources, plans, folders)
        locks = [session.own_lock(*one, talk.say) for one in zip(sources, folders, recipes, strict=True)]
        met = True
        for recipe, plan, folder, lock in zip(recipes, plans, folders, locks, strict=True):
            try:
                result = session.run(recipe, plan, folder, lock, talk, again)
            except KeyboardInterrupt:
                talk.say(f"{plan.name}: stopped; the same command goes on from {folder}")
                raise
            met = met and result.met
            if as_json:
                print(result.json())
            talk.say(console.figures(result))
    if not met:
        raise typer.Exit(1)


@app.command()
def check(
    files: Files,
    sets: Sets = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Name every mistake, loading no model."""
    from .engine.counting import counted
    from .engine.problems import untold
    from .engine.resolve import resolve

    problems: list[Problem] = []
    for file in files:
        try:
            plan = resolve(_read(_find(file, _talk(quiet)), sets, allow_outside))
            if not (quiet or as_json):
                rows, questions = len(plan.train_rows), len(plan.questions)
                print(f"{file}: ok ({counted(rows, 'prompt')}, {counted(questions, 'question')})")
        except InputError as error:
            if debug:
                raise
            problems += untold(problems, error.problems)
    if as_json:
        from .engine import console

        print(console.as_json(problems))
    if problems:
        from .engine import console

        console.show(InputError(problems))
        raise typer.Exit(2)


@app.command()
def show(
    file: File,
    origins: Annotated[bool, typer.Option("--origins", help="Say where each value came from.")] = False,
    sets: Sets = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print the recipe, defaults filled in."""
    from .engine import showing

    recipe = _read(_find(file, _talk(quiet)), sets, allow_outside)
    if as_json and origins:
        told = {"recipe": showing.data(recipe), "origins": showing.origins(recipe)}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(json.dumps(showing.data(recipe), ensure_ascii=False) if as_json else showing.text(recipe, origins))


@app.command()
def plan(
    file: File,
    measure: Annotated[
        bool, typer.Option("--measure", help="Load the models, take six steps, a look and two batches, and calibrate.")
    ] = False,
    sets: Sets = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what would run, and what it needs."""
    from .engine import planning
    from .engine.resolve import resolve

    resolved = resolve(_read(_find(file, _talk(quiet)), sets, allow_outside))
    seen = planning.outlook(resolved)
    measured = None
    if measure:
        from .engine import calibrate

        measured = calibrate.calibrate(resolved, seen)
    if as_json:
        sys.stdout.writelines(planning.as_json(resolved, seen, dataclasses.asdict(measured) if measured else None))
        print()
    else:
        print(planning.text(resolved, seen))
        if measured:
            print(measured.text())


@app.command()
def lock(
    files: Files,
    check: Annotated[bool, typer.Option("--check", help="Only say what is stale; exit 1 if anything is.")] = False,
    sets: Sets = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write or check the lock's inputs."""
    from .engine import lock as locks
    from .engine import session
    from .engine.resolve import resolve

    report: dict[str, list[str]] = {}
    jobs: list[tuple[Path, locks.Inputs]] = []
    for file in files:
        source = _find(file, _talk(quiet))
        path = session.lock_path(source, Path("runs", source.path.stem))
        old = locks.read(path) if path.exists() else None
        given = sets if sets or not check or old is None else list(old.inputs.sets)
        if given and not sets:
            _talk(quiet)(f"{path}: with {session.shown_sets(given)}, as it was locked")
        recipe = _read(source, given, allow_outside)
        resolved = resolve(recipe)
        report[file] = locks.stale(old, resolved) if old is not None else ["there is no lock"]
        jobs.append((path, locks.inputs(resolved, recipe.sha256, recipe.sets, recipe.digests)))
    if not check:
        for path, inputs in jobs:
            path.parent.mkdir(parents=True, exist_ok=True)
            locks.write(locks.renewed(locks.read(path) if path.exists() else None, inputs), path)
    if as_json:
        print(json.dumps({"stale": report} if check else {"locks": [str(path.absolute()) for path, _ in jobs]}))
    elif check:
        print("\n".join(f"{file}: {line}" for file, lines in report.items() for line in lines or ["up to date"]))
    else:
        _talk(quiet)("\n".join(f"wrote {path}" for path, _ in jobs))
    if check and any(report.values()):
        raise typer.Exit(1)


@app.command("eval")
def evaluate(
    file: File,
    adapter: Annotated[Path | None, typer.Option(metavar="A", help="Default: the one the lock names.")] = None,
    scale: Annotated[float, typer.Option(metavar="S", help="At which the adapter is applied; 1 as trained.")] = 1.0,
    sets: Sets = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Put the recipe's tests to an adapter."""
    from .engine import console, session

    with console.Talk(quiet) as talk:
        source = _find(file, talk.say)
        result = session.evaluate(lambda given: _read(source, given, allow_outside), source, sets, adapter, scale, talk)
        if as_json:
            print(result.json())
        talk.say(console.figures(result))
    if not result.met:
        raise typer.Exit(1)


@app.command()
def generate(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="A .safetensors file that `recipe run` wrote.")],
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT…")],
    seed: Annotated[int, typer.Option(metavar="N", min=0)] = 0,
    scale: Annotated[float, typer.Option(metavar="S", help="0 is the bare generator, 1 as trained.")] = 1.0,
    out: Annotated[Path, typer.Option(metavar="DIR")] = Path("pictures"),
    debug: Debug = False,
) -> None:
    """Paint pictures with an adapter."""
    from .engine import pictures

    for path in pictures.generate(adapter, prompts, seed, scale, out):
        print(path)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="A recipe, a lock or an adapter.")],
    new: Annotated[str, typer.Argument(metavar="B", help="What came of it.")],
    sets: Sets = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say in words what changed in meaning."""
    from .engine import differences, sides

    def side(file: str) -> sides.Side:
        return sides.of(file, lambda: _read(_find(file, _talk(quiet)), sets, allow_outside))

    before, after = side(old), side(new)
    found = differences.between(before.plan, after.plan)
    if as_json:
        told = {"same": found.same, "same_text": before.texts == after.texts, **dataclasses.asdict(found)}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(differences.text(found, sides.prose(before, after)))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, runs/NAME.")],
    debug: Debug = False,
) -> None:
    """Write report.html of a run folder anew."""
    from .engine import session

    print(session.report_again(folder))


@app.command("gallery")
def list_gallery(as_json: Json = False) -> None:
    """List the recipes of the gallery."""
    from .engine import gallery

    entries = [(path.stem, gallery.intent(path.read_text(encoding="utf-8"))) for path in gallery.recipes()]
    if as_json:
        print(json.dumps([{"name": name, "intent": text} for name, text in entries], ensure_ascii=False))
    else:
        print("\n".join(f"{name:<16} {text}" for name, text in entries))


@app.command()
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the new recipe; NAME.yaml is written here.")],
    origin: Annotated[str, typer.Option("--from", metavar="GALLERY", help="Start from this recipe.")] = "horizon_low",
    debug: Debug = False,
) -> None:
    """Start a recipe from one of the gallery."""
    from .engine import gallery

    for path in gallery.init(name, origin, Path()):
        print(path)


@app.command()
def fmt(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Recipes.")],
    check: Annotated[bool, typer.Option("--check", help="Only list what is not tidy; exit 1 if anything is.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Tidy recipes, keeping comments."""
    from .engine import files as whole
    from .engine import formatting

    found = formatting.tidied(files)
    for path, text in {} if check else found.items():
        whole.write(path, text.encode())
    if as_json:
        print(json.dumps({"untidy" if check else "tidied": [str(path) for path in found]}, ensure_ascii=False))
    elif check:
        print("".join(f"{path}: would be tidied\n" for path in found), end="")
    else:
        _talk(quiet)("\n".join(f"tidied {path}" for path in found) or "all tidy")
    if check and found:
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the language's JSON Schema."""
    from .engine.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@world.command("paint")
def world_paint(
    scenes: Annotated[list[str] | None, typer.Argument(metavar="SCENES", help="A file, or FACTOR=VALUE….")] = None,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="How many to draw.")] = 1,
    seed: Annotated[int, typer.Option(metavar="N", min=0)] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Its pictures of before are replaced.")] = Path("scenes"),
    debug: Debug = False,
) -> None:
    """Paint scenes: thing=ball horizon=0.8."""
    from .engine.world import files

    for path in files.paint(scenes or [], count, seed, out):
        print(path)


@world.command("read")
def world_read(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Pictures of 64 × 64.")],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Read the factors of scenes from pictures."""
    from .engine.world import files

    found = dict(zip(map(str, images), files.read(images), strict=True))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        for path, entry in found.items():
            print(f"{path}: {', '.join(f'{factor} {value}' for factor, value in entry.items())}")


@world.command("train")
def world_train(
    name: Annotated[str, typer.Argument(metavar="NAME", help="vae, generator, critic or judge.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where models and work files go.")] = Path("world"),
    debug: Debug = False,
) -> None:
    """Train one of the world's models again from nothing."""
    from .engine.world import train

    if name not in train.NAMES:
        raise typer.BadParameter(f"one of {', '.join(train.NAMES)}", param_hint="NAME")
    print(train.train(name, out, _talk(False)))


def _talk(quiet: bool) -> Callable[[str], None]:
    return (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr))


def _find(file: str, say: Callable[[str], None]) -> "Source":
    from .engine import gallery

    source = gallery.find(file)
    if source.gallery:
        say(f"{file}: there is no such file here, so this is {source.path.name} of the gallery")
    return source


def _read(source: "Source", sets: list[str] | None, allow_outside: bool) -> "Recipe":
    from .engine.recipe import read

    return read(source.path, sets or (), allow_outside)
