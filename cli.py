"""The command line: each command parses, calls one function of the engine, and prints.

stdout carries data, stderr talk. Exit status: 0 done; 1 done, but an expectation failed; 2 the input is wrong, nothing
was written; 3 the work failed part-way and can be resumed; 130 stopped by Ctrl-C after a checkpoint; 143 by SIGTERM.
"""

import atexit
import dataclasses
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from .engine import interrupt
from .engine.errors import ControlError, InputError, Place, Problem, of_system

if TYPE_CHECKING:
    from .engine.gallery import Source
    from .engine.jobs import Mode, Read
    from .engine.recipe import Recipe

# looking for pydantic's plugins means reading the metadata of every installed package
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


class _Commands(TyperGroup):
    """The commands; one that is stopped from outside says so, and what it leaves behind."""

    def invoke(self, ctx: Any) -> Any:  # a context of typer, which has moved from version to version
        try:
            with interrupt.terminable():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            command = ctx.invoked_subcommand or ""
            left = "; nothing was written" if command in _WRITING_NOTHING else ""
            _talk("--quiet" in sys.argv)(f"recipe {command}: stopped{left}")
            raise typer.Exit(interrupt.status(stop)) from stop


app = typer.Typer(
    name="recipe",
    cls=_Commands,
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
Trained = Annotated[Path, typer.Argument(metavar="ADAPTER", help="What `recipe run` wrote, or `recipe export`.")]
Instead = Annotated[
    Path | None, typer.Option("--adapter", metavar="A", help="A file, or peft's folder; default: the lock's.")
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a value; may be repeated.")
]
Outside = Annotated[bool, typer.Option("--allow-outside", help="Let paths leave the recipe's folder.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing on stderr but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error was raised.")]


def _in_range(value: float, least: float, most: float) -> float:
    if not least <= value <= most:  # which no comparison with nan is
        raise typer.BadParameter(f"must be a number from {least} to {most}, found {value}")
    return value


def _seed(value: int) -> int:
    from .engine.values import LARGEST_SEED

    _in_range(value, 0, LARGEST_SEED)
    return value


def _count(value: int) -> int:
    if value < 1:
        raise typer.BadParameter(f"must be a whole number from 1, found {value}")
    return value


def _scale(value: float) -> float:
    from .engine.values import LARGEST_SCALE

    return _in_range(value, -LARGEST_SCALE, LARGEST_SCALE)


Seed = Annotated[int, typer.Option(metavar="N", callback=_seed, help="From 0; the same one paints the same picture.")]
Scale = Annotated[
    float,
    typer.Option(
        metavar="S", callback=_scale, help="At which the adapter is applied: 0 is the bare generator, 1 as trained."
    ),
]


_READING = {"check", "diff", "lock", "plan", "show"}
_WRITING_NOTHING = {"check", "diff", "eval", "plan", "score", "show", "verify"}
_TRAINING = {"compose", "run", "verify"}


def main() -> None:
    """Run the command line, and turn every error a person can make into words and an exit status."""
    if not _READING.isdisjoint(sys.argv[1:2]):
        _expect_no_garbage()
    try:
        _refuse_no_utf8(sys.argv[1:])
        if "WORLD_SIZE" in os.environ:
            _share(sys.argv[1:2])
        else:
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


def _share(command: list[str]) -> None:
    """Of several processes the first runs the command; the others help it, where there may be something to train."""
    from .engine import processes

    trains = not _TRAINING.isdisjoint(command)
    if processes.rank() and trains:
        from .engine import helping

        processes.follow(helping.serve)
    elif trains:
        with processes.connected():
            app()
    elif not processes.rank():
        app()


def _refuse_no_utf8(words: list[str]) -> None:
    """Raises `InputError` for a path, or a prompt, that nothing here could write or tell."""
    from .engine.paths import utf8

    if wrong := [Problem(Place(word), "", "is no UTF-8 text", "rename it") for word in words if not utf8(word)]:
        raise InputError(wrong)


def _expect_no_garbage() -> None:
    """Look for garbage seldom, and not at the end: what reading makes, modules above all, stays until then."""
    gc.set_threshold(200_000)
    atexit.register(gc.freeze)


def _version(asked: bool) -> None:
    if asked:
        from . import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def recipe(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version, and no more.")
    ] = False,
) -> None:
    """Every command is one of these."""


@app.command()
def run(
    files: Files,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder; default: runs/NAME.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Train anew, even if this run is finished.")] = False,
    locked: Annotated[bool, typer.Option("--locked", help="Refuse to run unless the lock is up to date.")] = False,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Run the lock's plan, whatever the recipe says by now.")
    ] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Take the newest revision of every model, not the lock's.")
    ] = False,
    fast: Annotated[bool, typer.Option("--fast", help="On CUDA: do without the same bits every time.")] = False,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train, evaluate, lock and report."""
    from .engine import building, capacity, console, jobs, paths, processes, running

    if out is not None and len(files) > 1:
        raise typer.BadParameter("one folder holds one run: give one FILE with --out")
    mode = _mode(locked, frozen, upgrade)
    if frozen and sets:
        raise typer.BadParameter("--frozen runs the lock's plan as it is: --set would change it")
    with console.Talk(quiet) as talk:
        sources = [_find(file, talk.say) for file in files]
        reader = _reader(allow_outside)

        def planned(source: "Source") -> jobs.Job:
            return jobs.job(source, out, sets or (), mode, reader, allow_outside, talk.say)

        todo = [planned(source) for source in sources]
        for job in jobs.everything(todo):
            capacity.refuse_missing(job.plan, job.recipe.document)
            processes.refuse_idle(job.plan, job.recipe.document)
            paths.refuse_unwritable(job.folder / f"{job.plan.name}.safetensors")
        if locked:
            jobs.refuse_stale(jobs.everything(todo))
        met = True
        for source, job in zip(sources, todo, strict=True):
            try:
                if upgrade and job.parents:  # whose locks say from now on what is composed
                    for one in jobs.everything(job.parents):
                        building.build(one, talk, fast=fast)
                    job = planned(source)
                result = building.build(job, talk, again, fast)
            except KeyboardInterrupt as stop:
                talk.say(f"{job.plan.name}: stopped; {running.same_command(again)} goes on from {job.folder}")
                raise typer.Exit(interrupt.status(stop)) from stop
            met = met and result.met
            if as_json:
                print(result.json())
            talk.came(result)
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
    from .engine import lock_places
    from .engine.counting import counted
    from .engine.problems import untold
    from .engine.resolve import resolve

    problems: list[Problem] = []
    for file in files:
        try:
            source = _find(file, _talk(quiet))
            plan = resolve(_read(source, sets, allow_outside), lock_places.revisions(source))
            if not (quiet or as_json):
                rows, questions = len(plan.train_rows), len(plan.questions)
                what = f"{counted(rows, 'prompt')} to train on"
                if plan.composed.parents:
                    what = f"composes {counted(len(plan.composed.parents), 'adapter')}"
                print(f"{file}: ok ({what}, {counted(questions, 'question')})")
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
    from .engine import capacity, lock_places, planning
    from .engine.resolve import resolve

    source = _find(file, _talk(quiet))
    recipe = _read(source, sets, allow_outside)
    resolved = resolve(recipe, lock_places.revisions(source))
    capacity.refuse_missing(resolved, recipe.document)
    if measure and not resolved.train.steps:
        raise typer.BadParameter("--measure takes steps of training, and this recipe only composes adapters")
    seen = planning.outlook(resolved)
    measured = None
    if measure:
        from .engine import calibrate, console

        with console.Talk(quiet) as talk:
            measured = calibrate.calibrate(resolved, seen, talk.fetched)
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
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Take the newest revision of every model, not the lock's.")
    ] = False,
    sets: Sets = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write or check the lock's inputs."""
    from .engine import jobs

    if check and upgrade:
        raise typer.BadParameter("--check writes nothing: give one of --check and --upgrade")
    reader, say = _reader(allow_outside), _talk(quiet)
    todo = [jobs.to_lock(_find(file, say), sets or (), check, upgrade, reader, say) for file in files]
    if not check:
        for one in todo:
            changed = jobs.write(one)
            say("\n".join([*one.told, f"wrote {one.path}" if changed else f"{one.path}: up to date"]))
    report = {file: one.stale for file, one in zip(files, todo, strict=True)}
    if as_json:
        print(json.dumps({"stale": report} if check else {"locks": [str(one.path.absolute()) for one in todo]}))
    elif check:
        print("\n".join(f"{file}: {line}" for file, lines in report.items() for line in lines or ["up to date"]))
    if check and any(report.values()):
        raise typer.Exit(1)


@app.command()
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A recipe, the name of one in the gallery, or a lock.")],
    adapter: Instead = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train again, and compare the tensors.")] = False,
    sets: Sets = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say whether inputs, adapter and pictures are as locked."""
    from .engine import console
    from .engine.verify import verify

    with console.Talk(quiet) as talk:
        found = verify(Path(file), adapter, retrain, sets or (), allow_outside, talk.say, talk.fetched)
    print(found.json() if as_json else found.text())
    if not found.verified:
        raise typer.Exit(1)


@app.command()
def extract(
    adapter: Trained,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write it into this folder.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Give back the recipe and inputs an adapter carries."""
    from .engine import extract

    carried = extract.extract(adapter)
    if out is not None:
        paths = extract.write(carried, out)
        told = {"files": [str(path.absolute()) for path in paths], "missing": carried.missing}
        print(json.dumps(told) if as_json else "\n".join(map(str, paths)))
        if carried.missing:
            _talk(quiet)(f"an adapter carries no other files; put into {out} as well: {', '.join(carried.missing)}")
    else:
        print(carried.json() if as_json else carried.text())


@app.command()
def export(
    adapter: Trained,
    to: Annotated[str, typer.Option("--to", metavar="TOOL", help="kohya, comfyui, diffusers or peft.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Default: beside the adapter, NAME.TOOL.safetensors; NAME.peft/."),
    ] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="D", help="float32, bfloat16 or float16; default: as trained.")
    ] = "",
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write an adapter as another tool's file."""
    from .engine.export import export as written

    made = written(adapter, to, out, dtype)
    print(made.json() if as_json else made.adapter)
    _talk(quiet)(made.text())


@app.command("eval")
def evaluate(
    file: File,
    adapter: Instead = None,
    scale: Scale = 1.0,
    sets: Sets = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Put the recipe's tests to an adapter."""
    from .engine import console, running

    with console.Talk(quiet) as talk:
        source = _find(file, talk.say)
        result = running.evaluate(lambda given: _read(source, given, allow_outside), source, sets, adapter, scale, talk)
        if as_json:
            print(result.json())
        talk.came(result, trained=False)
    if not result.met:
        raise typer.Exit(1)


@app.command()
def score(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Pictures of any size.")],
    ask: Annotated[list[str], typer.Option(metavar="Q", help="A question about each; may be repeated.")],
    answer: Annotated[str, typer.Option(metavar="A", help="The answer whose probability is told.")] = "Yes",
    against: Annotated[
        str | None, typer.Option(metavar="B", help="Its opposite; default: No of Yes, Yes of No, else none.")
    ] = None,
    suffix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Put behind questions; default: what asks for Yes or No.")
    ] = None,
    critic: Annotated[str, typer.Option(metavar="M", help="A model as recipes name it.")] = "builtin:critic",
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what a critic believes of pictures."""
    from .engine import console, score

    asked = [score.question(each, answer, against, suffix) for each in ask]
    with console.Talk(quiet) as talk:
        found = score.score(images, asked, critic, talk.fetched)
    if as_json:
        print(
            json.dumps({"critic": critic, "scores": [dataclasses.asdict(each) for each in found]}, ensure_ascii=False)
        )
    else:
        print("\n".join(map(console.score, found)))


@app.command()
def generate(
    adapter: Trained,
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT…")],
    seed: Seed = 0,
    scale: Scale = 1.0,
    out: Annotated[Path, typer.Option(metavar="DIR")] = Path("pictures"),
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Paint pictures with an adapter."""
    from .engine import console, pictures

    with console.Talk(quiet) as talk:
        painted = pictures.generate(adapter, prompts, seed, scale, out, talk.fetched)
    _print_paths("pictures", painted, as_json)


@app.command()
def compose(
    adapters: Annotated[
        list[Path], typer.Argument(metavar="ADAPTER…", help="Files, or peft's folders, of one generator.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="N", help="What the new adapter is called.")],
    weights: Annotated[
        str, typer.Option("--weights", metavar="W,W…", help="One for each adapter; default: 1 each.")
    ] = "",
    rank: Annotated[
        int, typer.Option("--rank", metavar="R", min=0, help="Reduce to this rank; default: ranks add up, exactly.")
    ] = 0,
    tune: Annotated[
        list[str] | None,
        typer.Option("--tune", metavar="FILE", help="Find weights by this recipe; may be repeated."),
    ] = None,
    polish: Annotated[
        list[str] | None,
        typer.Option("--polish", metavar="FILE", help="Train on this recipe's questions from there; may be repeated."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", metavar="N", min=1, help="Of --polish; default: 50.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Its folder; default: runs/N.")] = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Put several adapters into one."""
    from .engine import console, lock_places, values
    from .engine.compose import compose as put_together
    from .engine.resolve import resolve

    numbers = _weights(weights)
    if steps is not None and not polish:
        raise typer.BadParameter("--steps is of --polish: give the recipes to polish by")
    with console.Talk(quiet) as talk:
        plans = [
            [
                resolve(_read(source, None, allow_outside), lock_places.revisions(source))
                for source in [_find(file, talk.say) for file in files or ()]
            ]
            for files in (tune, polish)
        ]
        try:
            made = put_together(
                adapters,
                name,
                out,
                weights=numbers,
                rank=rank,
                tune=plans[0],
                polish=plans[1],
                steps=steps or values.POLISH_STEPS,
                listener=talk,
                allow_outside=allow_outside,
            )
        except KeyboardInterrupt as stop:
            if not polish:
                raise
            talk.say(f"{name}: stopped; the same command goes on where polishing was left")
            raise typer.Exit(interrupt.status(stop)) from stop
        if as_json:
            print(made.json())
        talk.say(made.text())


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
    from .engine import differences, lock_places, sides

    def recipe(file: str) -> sides.Side:
        source = _find(file, _talk(quiet))
        return sides.of_recipe(_read(source, sets, allow_outside), lock_places.revisions(source))

    def side(file: str) -> sides.Side:
        return sides.of(file, lambda: recipe(file))

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
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write report.html of a run folder anew."""
    from .engine import running

    path = running.report_again(folder)
    print(json.dumps({"report": str(path.absolute())}, ensure_ascii=False) if as_json else path)


@app.command("gallery")
def list_gallery(as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
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
    origin: Annotated[
        str | None, typer.Option("--from", metavar="GALLERY", help="Start from this recipe; default: horizon_low.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Start a recipe from one of the gallery."""
    from .engine import gallery

    paths = gallery.init(name, origin or gallery.FIRST, Path())
    if origin is None:
        _talk(quiet)(f"a copy of {gallery.FIRST}; --from takes another, which `recipe gallery` lists")
    _print_paths("files", paths, as_json)


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
def schema(quiet: Quiet = False, debug: Debug = False) -> None:
    """Print the language's JSON Schema."""
    from .engine.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@world.command("paint")
def world_paint(
    scenes: Annotated[
        list[str] | None, typer.Argument(metavar="SCENES", help="A file, FACTOR=VALUE…, or a caption.")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", callback=_count, help="How many to draw.")] = 1,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="What is there stays.")] = Path("scenes"),
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Paint scenes: thing=ball horizon=0.8, or "a red ball in the kitchen"."""
    from .engine.world import files

    paths = files.paint(scenes or [], count, seed, out)
    _print_paths("pictures", paths, as_json, {"scenes": str((out / files.SCENES).absolute())})


@world.command("read")
def world_read(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Pictures of 64 × 64.")],
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read the factors of scenes from pictures, and how sure each is."""
    from .engine.world import files

    found = dict(zip(map(str, images), files.read(images), strict=True))
    if as_json:
        print(json.dumps({path: seen.entry() for path, seen in found.items()}, ensure_ascii=False))
    else:
        for path, seen in found.items():
            told = (f"{factor} {value} ({seen.confidence[factor]:.0%})" for factor, value in seen.scene.items())
            print(f"{path}: {', '.join(told)}")


@world.command("train")
def world_train(
    name: Annotated[str, typer.Argument(metavar="NAME", help="vae, generator, critic, critic2 or judge.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where models and work files go.")] = Path("world"),
    start: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Of a vae or generator: the weights to begin with.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train one of the world's models again, from nothing or from the weights of another."""
    from .engine.world import TRAINED, WARM

    if name not in TRAINED:
        raise typer.BadParameter(f"`{name}` is none of {', '.join(TRAINED)}", param_hint="NAME")
    if start is not None and name not in WARM:
        raise typer.BadParameter(f"is for {' and '.join(WARM)}, not for {name}", param_hint="--from")
    if start is not None and not start.is_dir():
        raise typer.BadParameter(f"{start} is no folder", param_hint="--from")
    from .engine.world import train

    folder = train.train(name, out, _talk(quiet), start)
    print(json.dumps({"model": str(folder.absolute())}, ensure_ascii=False) if as_json else folder)


def _print_paths(kind: str, paths: list[Path], as_json: bool, more: dict[str, str] | None = None) -> None:
    """What a command wrote: a path a line, or one JSON object with absolute ones and `more`."""
    told = {kind: [str(path.absolute()) for path in paths], **(more or {})}
    print(json.dumps(told, ensure_ascii=False) if as_json else "\n".join(map(str, paths)))


def _weights(text: str) -> list[float]:
    try:
        return [float(one) for one in text.split(",")] if text else []
    except ValueError:
        raise typer.BadParameter(f"numbers with commas between, as in 1,0.8, found {text!r}") from None


def _talk(quiet: bool) -> Callable[[str], None]:
    return (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr))


def _find(file: str, say: Callable[[str], None]) -> "Source":
    from .engine import gallery

    source = gallery.find(file)
    if source.gallery:
        say(f"{file}: there is no such file here, so this is {source.path.name} of the gallery")
    return source


def _reader(allow_outside: bool) -> "Read":
    return lambda source, sets: _read(source, list(sets), allow_outside)


def _mode(locked: bool, frozen: bool, upgrade: bool) -> "Mode":
    if locked + frozen + upgrade > 1:
        raise typer.BadParameter("give one of --locked, --frozen and --upgrade: each excludes the others")
    return "locked" if locked else "frozen" if frozen else "upgrade" if upgrade else "keep"


def _read(source: "Source", sets: list[str] | None, allow_outside: bool) -> "Recipe":
    from .engine.recipe import read

    return read(source.path, sets or (), allow_outside)


if __name__ == "__main__":  # as launchers of several processes start it
    main()
