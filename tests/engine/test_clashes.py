"""What one value asks of another: told at its place, together with everything else."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest


def problems(folder: Path, train: str, *changes: tuple[str, str]) -> list[str]:
    file = folder / "r.yaml" if (folder / "r.yaml").exists() else hollow.workplace(folder)
    return hollow.problems(file, *changes, text=f"{hollow.RECIPE}train: {train}\n")


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ("{estimate: noisy}", "35:19: train.estimate: `noisy` needs `backprop` to be a replay\n  hint: add"),
        ("{estimate: noisy, backprop: random_step}", "35:19: train.estimate: `noisy` needs"),
        ("{estimate: noisey}", "35:19: train.estimate: must be 'clean' or 'noisy', found 'noisey'\n  hint: did you"),
        (
            "{backprop: replays}",
            "35:19: train.backprop: must be 'random_step' or 'replay', found 'replays'\n  hint: did",
        ),
        ("{backprop: {}}", "35:19: train.backprop: needs `replay`"),
        ("{backprop: 5}", "35:19: train.backprop: must be 'random_step', 'replay' or a mapping, found 5"),
        (
            "{backprop: {replay: {bufer: 9}}}",
            "35:29: train.backprop.replay.bufer: unknown key `bufer`\n  hint: did you",
        ),
        ("{backprop: {replay: {buffer: 3}}}", "`buffer` must be at least `batch`, found 3 and 4"),
        ("{batch: 8.0, backprop: {replay: {buffer: 4}}}", "`buffer` must be at least `batch`, found 4 and 8"),
        ("{batch: 8, backprop: {replay: {buffer: 4.0}}}", "`buffer` must be at least `batch`, found 4 and 8"),
        ("{batch: 64, backprop: replay}", "35:30: train.backprop: a replay's `buffer` must be at least `batch`"),
        ("{backprop: {replay: {sigma: [0.9, 0.2]}}}", "`sigma` must go from a smaller to a larger number"),
        ("{backprop: {replay: {sigma: [0, 0.2]}}}", "sigma.0: must be greater than 0, found 0"),
        ("{backprop: {replay: {sigma: [0.5, 1.2]}}}", "sigma.1: must be less than or equal to 1, found 1.2"),
        ("{backprop: {replay: {sigma: [0.5]}}}", "sigma: must have 2 entries, found 1"),
        ("{estimate: noisy, backprop: {replay: {sigma: [0.01, 0.2]}}}", "must not be below 0.05"),
        ("{conflict: {every: 0}}", "train.conflict.every: must be greater than or equal to 1"),
        ("{weights: balancd}", "hint: did you mean `balanced`?"),
        ("{optimize: latent}", "hint: did you mean `latents`?"),
    ],
)
def test_refused(tmp_path: Path, train: str, said: str) -> None:
    found = problems(tmp_path, train)
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize("train", ["{estimate: noisy, backprop: replay}", "{batch: 32, backprop: {replay: {}}}"])
def test_taken(tmp_path: Path, train: str) -> None:
    assert not problems(tmp_path, train)


THIRD = ("  second:", "  third: {model: ./judge}\n  second:")


def test_who_stops_does_not_judge_under_another_name_either(tmp_path: Path) -> None:
    stop = "{stop: {judge: {third: {aligned: 0.9}}}}"
    (told,) = problems(tmp_path, stop, THIRD)
    assert "expect.still_there.judge: `second` is the same model as `third`, which decides" in told
    hollow.critic(tmp_path / "third", seed=5)
    assert not problems(tmp_path, stop, ("  second:", "  third: {model: ./third}\n  second:"))


def test_a_critic_is_no_judge_even_if_nothing_is_expected_of_it(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "{}", THIRD, ("third: {model: ./judge}", "third: {model: ./critic}"))
    assert "judges.third.model: `third` is the same model as the critic `eyes`" in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("{model: ./generator}", "{model: ./generator, with: [none.safetensors]}"), "with.0: there is no file none"),
        (("{model: ./generator}", "{model: ./generator, with: ../o.safetensors}"), "with: lies outside"),
        (("{model: ./generator}", "{model: ./generator, with: r.yaml}"), "is no adapter, found 'r.yaml'"),
        (
            ("{model: ./generator}", "{model: ./generator, checkpointing: 1}"),
            "checkpointing: must be true, false or a mapping",
        ),
        (("{model: ./critic}", "{model: ./critic, quantize: 8}"), "quantize: must be '8bit' or '4bit', found 8"),
        (("{model: ./judge}", "{model: ./judge, checkpointing: true}"), "unknown key `checkpointing`"),
        (("goal:", "adapter: {start: none.safetensors}\ngoal:"), "adapter.start: there is no file none.safetensors"),
        (("    hold: 0.75", "    flips: Yes"), "flips: must be true or false, found 'Yes'"),
    ],
)
def test_values_of_the_newer_keys(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    found = problems(tmp_path, "{}", change)
    assert len(found) == 1, found
    assert said in found[0]


def test_a_replay_that_is_none_is_no_replay(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "{estimate: noisy, backprop: {replay: ~}}")
    assert "`noisy` needs `backprop` to be a replay" in found
