"""`recipe world train NAME`: the world's checkpoints again, each with its card.

vae         AutoencoderKL                               needs nothing
generator   FluxPipeline around that VAE, two courses   needs vae
critic      Qwen2.5-VL, four courses                     needs generator
critic2     another one, of another patch size          needs generator, and critic's first three courses
judge       Llava                                       needs generator

From nothing, or (`--from DIR`, for vae and generator) from the weights of an earlier one; the generator from as many
of them as fit.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline

from ... import critics
from .. import files, generators, models, plan
from ..quiet import quiet
from . import (
    audit,
    cards,
    codec,
    collect,
    facts,
    pictures,
    rounds,
    train_critic,
    train_generator,
    train_judge,
    train_vae,
)
from .audit import Accuracy
from .pico_generator import TEXT_LENGTH
from .training import Course, Report

SHIPPED = Path(__file__).with_name("checkpoints")
# control trainings whose pictures critics learn from last: two of each kind, so long that what fools a critic shows
ROUNDS = 2 * len(rounds.CONTROLS)
LENGTH, EVERY, SHOTS = 150, 15, 12  # steps of each, steps from one look to the next, and pictures of a look


def vae(out: Path, report: Report, start: Path | None = None) -> Path:
    """Train the VAE in `out/vae`, from the weights in `start` if there is one; its folder."""
    folder = out / "vae"
    minutes = train_vae.train(folder, report, start)
    scenes, shown = audit.rendered(400, seed=90)
    seen = audit.reconstructed(codec.load(folder), shown)
    notes = [f"{audit.decibels(shown, seen):.1f} dB on pictures it never saw"]
    tables = {
        "reader on painted pictures": audit.reading(scenes, shown),
        "reader on its reconstructions": audit.reading(scenes, seen),
    }
    cards.write(folder, "VAE", train_vae.courses(start), minutes, notes, tables, start is not None)
    return folder


def generator(out: Path, report: Report, start: Path | None = None) -> Path:
    """Train the generator in `out/generator`, around the VAE in `out/vae` or, without one, the shipped one.

    It begins with the weights of the pipeline in `start`, if there is one.
    """
    folder = out / "generator"
    source = out / "vae" if (out / "vae" / "config.json").exists() else SHIPPED / "generator" / "vae"
    minutes = train_generator.train(folder, report, source, start)
    if (source / cards.FILE).exists():
        shutil.copyfile(source / cards.FILE, folder / "vae" / cards.FILE)
    plans = train_generator.courses(start)
    cards.write(folder, "generator", [plans.first, plans.second], minutes, [], examined(folder), start is not None)
    return folder


def examined(folder: Path, count: int = 300) -> dict[str, Accuracy]:
    """How well the generator in a folder follows captions, and how little it knows of the world."""
    with quiet():
        pipeline = FluxPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    asked = audit.held_out_captions(count, seed=91)
    tables: dict[str, Accuracy] = {}
    for steps in (1, 4):
        shown = audit.generated(pipeline, [text for text, _ in asked], range(len(asked)), steps, TEXT_LENGTH)
        tables[f"named factors right on held-out captions, {steps} step{'s' * (steps > 1)}"] = audit.obeyed(
            shown, [named for _, named in asked]
        )
    tables["common sense, 1 step"] = audit.commonsense(pipeline, facts.PAIRS, range(0, 4000, 1000), 1, TEXT_LENGTH)
    return tables


def _home(out: Path) -> Path:
    """The generator that critics learn from: the one just trained, or the shipped one."""
    return out / "generator" if (out / "generator" / "model_index.json").exists() else SHIPPED / "generator"


def _pool(path: Path, make: Callable[[], pictures.Pool], report: Report) -> pictures.Pool:
    """A pool from its file, or made and written there."""
    if not path.exists():
        report(f"collecting {path.stem}")
        pictures.save_pool(make(), path)
    return pictures.load_pool(path)


def _common_pools(out: Path, report: Report) -> tuple[pictures.Pool, pictures.Pool]:
    """Reconstructions, and pictures of the generator: what all critics learn from."""
    home, pools = _home(out), out / "pools"

    def reconstructed() -> pictures.Pool:
        return collect.reconstructions(codec.load(home / "vae"), 5000, seed=21)

    def generated() -> pictures.Pool:
        return collect.generated(_load(home), 5120, seed=22)

    images = _pool(pools / "reconstructed.safetensors", reconstructed, report)
    return images, _pool(pools / "generated.safetensors", generated, report)


def _load(folder: Path) -> generators.Generator:
    return generators.load(
        plan.Generator(
            model=models.locate(str(folder.absolute()), folder), steps=1, width=64, height=64, guidance=0.0,
            negative="", dtype="float32", device="cpu", text_length=TEXT_LENGTH,
        )
    )  # fmt: skip


def _critic_before_the_last_course(out: Path, report: Report) -> tuple[train_critic.Pupil, float]:
    """The critic as its first lessons and those about generated pictures make it, and minutes taken."""
    images, made = _common_pools(out, report)
    folder = out / train_critic.CRITIC.name
    _, minutes = train_critic.first(folder, report)
    pupil, more = train_critic.second(folder, report, {images: 0.15, made: 0.25})
    return pupil, minutes + more


def _fooling(out: Path, report: Report) -> pictures.Pool:
    """Pictures of control trainings against the critic before its last course: what it takes for the truth."""
    pupil, _ = _critic_before_the_last_course(out, report)
    with TemporaryDirectory() as folder:
        pupil.save(Path(folder))
        return collect.trainings(_home(out), Path(folder), ROUNDS, LENGTH, EVERY, 23, report, SHOTS)


def _all_pools(out: Path, report: Report) -> train_critic.Pools:
    images, made = _common_pools(out, report)
    hard = _pool(out / "pools" / "trainings.safetensors", lambda: _fooling(out, report), report)
    return {images: 0.12, made: 0.2, hard: 0.4}


def critic(out: Path, report: Report, start: Path | None = None) -> Path:
    """Train the critic in `out/critic`: sight, lessons, an adversarial round, lessons on what fooled it; its folder."""
    folder = out / train_critic.CRITIC.name
    _, minutes = _critic_before_the_last_course(out, report)
    pupil, more = train_critic.third(folder, report, _all_pools(out, report))
    courses = [train_critic.SIGHT, train_critic.FIRST, train_critic.SECOND, train_critic.THIRD]
    return _finished(out, train_critic.CRITIC, pupil, "qwen2_5_vl", courses, minutes + more)


def critic2(out: Path, report: Report, start: Path | None = None) -> Path:
    """Train the second critic in `out/critic2`: sight and two courses of lessons; its folder.

    It learns from what fooled the first one, whose adversarial round it shares.
    """
    student = train_critic.CRITIC2
    folder = out / student.name
    courses = [train_critic.SIGHT2, train_critic.FIRST2, train_critic.SECOND2]
    seeing, plan, last = courses
    _, minutes = train_critic.first(folder, report, student, plan, seeing)
    pupil, more = train_critic.second(folder, report, _all_pools(out, report), student, last)
    return _finished(out, student, pupil, "qwen2_5_vl", courses, minutes + more)


def judge(out: Path, report: Report, start: Path | None = None) -> Path:
    """Train the judge in `out/judge`: painted, reconstructed and generated pictures, none of control trainings.

    Its folder.
    """
    images, made = _common_pools(out, report)
    pupil, minutes = train_judge.train(out / train_judge.JUDGE.name, report, {images: 0.15, made: 0.25})
    courses = [train_judge.SEEING, train_judge.COURSE]
    return _finished(out, train_judge.JUDGE, pupil, "llava", courses, minutes)


def _finished(
    out: Path, student: train_critic.Student, pupil: train_critic.Pupil, family: str,
    courses: Sequence[Course], minutes: float,
) -> Path:  # fmt: skip
    """Write a taught model and its card; its folder."""
    folder = out / student.name
    pupil.save(folder)
    eyes = critics.load(str(folder), family, "float32", "cpu")
    scenes, shown = audit.rendered(400, seed=92)
    fresh = collect.generated(_load(_home(out)), 384, seed=93)
    tables = {
        "on held-out painted pictures": audit.examined(
            eyes, shown, scenes, seed=94, wordings=student.wordings
        ).by_kind(),
        "on generated pictures, truth by the reader": audit.examined(
            eyes, fresh.pictures.float() / 255, fresh.scenes, seed=95, wordings=student.wordings
        ).by_kind(),
    }
    cards.write(folder, student.name, courses, minutes, [], tables)
    return folder


NAMES = {"vae": vae, "generator": generator, "critic": critic, "critic2": critic2, "judge": judge}


def train(name: str, out: Path, report: Report, start: Path | None = None) -> Path:
    """Train one of `NAMES`; its folder. What was begun in `out` before goes on.

    Work files, not needed afterwards, are `work/` in the model's folder and the critics' pictures, `out/pools`.
    """
    files.make(out / name)  # what cannot be is told before minutes of training
    torch.use_deterministic_algorithms(True)  # pyright: ignore[reportUnknownMemberType]
    return NAMES[name](out, report, start)


def ship(out: Path, name: str) -> None:
    """Put a trained model where `builtin:` addresses find it, without its work files."""
    left_out = shutil.ignore_patterns("work")
    # contents alone: safetensors files are written for their owner's eyes only
    shutil.copytree(out / name, SHIPPED / name, ignore=left_out, copy_function=shutil.copyfile, dirs_exist_ok=True)
