"""What a run is to do, of which the lock has a say: revisions that stay, and what resolves them afresh."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import pytest
import ran
from commandline import recipe
from control_recipes.engine import jobs, lock, lock_places
from control_recipes.engine.errors import CheckFailed, InputError
from control_recipes.engine.gallery import FOLDER, Source
from control_recipes.engine.recipe import Recipe, read
from control_recipes.engine.verify import verify

OLD, NEW = "a" * 40, "b" * 40
FILE, LOCK = Path("tiny.yaml"), Path("tiny.lock")
MODEL = "org/eyes@main"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workplace whose critic is a model of the hub, of two commits, in the cache of this machine."""
    folder = ran.workplace(tmp_path_factory.mktemp("place"))
    snapshots = folder / "hub" / "models--org--eyes" / "snapshots"
    shutil.copytree(folder / "critic", snapshots / OLD)
    shutil.copytree(folder / "critic", snapshots / NEW)
    (snapshots / NEW / "generation_config.json").write_text("{}", "utf-8")
    text = (folder / "tiny.yaml").read_text("utf-8")
    (folder / "tiny.yaml").write_text(text.replace("./critic", MODEL), "utf-8")
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    ran.copied(place, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    branch(OLD)
    return tmp_path


def branch(commit: str) -> None:
    """Let the hub's branch be at a commit."""
    path = Path("hub/models--org--eyes/refs/main")
    path.parent.mkdir(exist_ok=True)
    path.write_text(commit, "utf-8")


def job(mode: jobs.Mode = "keep", sets: tuple[str, ...] = (), out: Path | None = None) -> jobs.Job:
    said: list[str] = []
    source = Source(FILE, False)
    return jobs.job(source, out, sets, mode, lambda source, given: read(source.path, given), False, said.append)


def write_lock() -> None:
    one = jobs.to_lock(Source(FILE, False), (), False, False, lambda source, given: read(source.path, given), print)
    jobs.write(one)


def revision(one: jobs.Job) -> str:
    return one.plan.critics[0].model.revision


def change(old: str, new: str) -> None:
    text = FILE.read_text("utf-8")
    assert old in text
    FILE.write_text(text.replace(old, new), "utf-8")


def test_a_run_keeps_the_locks_revision_whatever_the_branch_has_come_to(here: Path):
    write_lock()
    assert lock.revisions(lock.read(LOCK)) == {MODEL: OLD}
    branch(NEW)
    assert revision(job()) == OLD
    change("lr: 1e-3", "lr: 2e-3")
    assert revision(job()) == OLD  # only what the recipe changed is resolved afresh
    LOCK.unlink()
    assert revision(job()) == NEW  # the twin: without a lock, the branch as it is


def test_check_and_diff_look_at_the_commits_of_the_lock(here: Path, capsys: pytest.CaptureFixture[str]):
    write_lock()
    branch(NEW)
    assert recipe("diff", str(LOCK), str(FILE)) == 0
    assert "nothing differs" in capsys.readouterr().out
    Path("hub/models--org--eyes/refs/main").unlink()  # without the lock, nobody could say which commit is meant
    assert recipe("check", str(FILE)) == 0
    LOCK.unlink()
    assert recipe("check", str(FILE)) == 2
    assert f"{MODEL} is not on this machine" in capsys.readouterr().err


def test_another_address_is_resolved_afresh(here: Path):
    write_lock()
    branch(NEW)
    change(MODEL, "org/eyes")
    assert revision(job()) == NEW


def test_what_is_composed_by_several_is_read_once(here: Path):
    below = ["tiny"]
    for level in range(8):  # each composes both of the level below: 2⁸ ways lead to tiny.yaml
        names = [f"{side}{level}" for side in "xy"]
        for name in names:
            files = ", ".join(f"{one}.yaml" for one in below)
            Path(f"{name}.yaml").write_text(f"recipe: 1\nname: {name}\ncompose: [{files}]\n", "utf-8")
        below = names
    asked: list[str] = []

    def heard(source: Source, given: object) -> Recipe:
        asked.append(source.path.name)
        return read(source.path)

    one = jobs.job(Source(Path("x7.yaml"), False), None, (), "keep", heard, False, print)
    assert len(asked) == len(set(asked)) == 16
    order = [each.plan.name for each in jobs.everything([one])]
    assert (order[0], order[-1], len(order)) == ("tiny", "x7", 16)


def test_upgrade_resolves_every_revision_afresh(here: Path):
    write_lock()
    branch(NEW)
    one = job("upgrade")
    assert revision(one) == NEW
    assert jobs.stale(one.old, one.recipe, one.plan) == [
        f"models: critic eyes: revision of {MODEL} was {OLD}, is now {NEW}"
    ]


def test_a_lock_holds_the_files_of_a_hubs_model(here: Path):
    write_lock()
    eyes = next(one for one in lock.read(LOCK).inputs.models if one.address == MODEL)
    assert (eyes.revision, eyes.family) == (OLD, "qwen2_5_vl")
    assert "model.safetensors" in dict(eyes.files)
    assert job().plan.critics[0].model.files == ()  # its commit is what the plan goes by


def test_files_that_are_not_here_stay_as_the_lock_knew_them(here: Path):
    write_lock()
    before = lock.read(LOCK).inputs
    Path("hub/models--org--eyes/snapshots", OLD, "model.safetensors").unlink()
    write_lock()
    assert lock.read(LOCK).inputs == before


def test_a_damaged_copy_of_a_hubs_model_is_refused_and_named(here: Path):
    write_lock()
    weights = Path("hub/models--org--eyes/snapshots", OLD, "model.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(InputError, match=f"model.safetensors.*is not what the lock has of {MODEL}"):
        write_lock()
    found = verify(FILE)
    assert any(one.text.startswith(f"{MODEL}: model.safetensors changed") for one in found.findings)


def test_verifying_says_which_files_a_lock_did_not_know(here: Path):
    weights = Path("hub/models--org--eyes/snapshots", OLD, "model.safetensors")
    data = weights.read_bytes()
    weights.unlink()
    write_lock()
    weights.write_bytes(data)
    found = verify(FILE)
    assert found.verified
    told = next(one.text for one in found.findings if one.part == "models" and one.ok is None)
    assert told == f"{MODEL} {OLD[:12]}: 1 file of it the lock does not know: model.safetensors"


def test_locked_asks_for_a_lock_that_is_up_to_date(here: Path):
    with pytest.raises(CheckFailed, match=r"tiny\.lock: there is no lock"):
        jobs.refuse_stale([job("locked")])
    write_lock()
    branch(NEW)
    jobs.refuse_stale([job("locked")])
    change("lr: 1e-3", "lr: 2e-3")
    with pytest.raises(CheckFailed, match=r"tiny\.lock: training: lr was 0.001, is now 0.002"):
        jobs.refuse_stale([job("locked")])


def test_what_made_a_lock_stale_is_said(here: Path):
    write_lock()
    Path("base.yaml").write_text("stay: {weight: 0.1}\n", "utf-8")
    with Path("assets/test.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"prompt": "a green house", "color": "green", "thing": "house"}\n')
    one = job(sets=("train.steps=1",))
    told = jobs.stale(one.old, one.recipe, one.plan)
    assert told[-3:] == [
        "because base.yaml, which it includes, changed",
        "because assets/test.jsonl changed",
        "because it was locked without --set, and is now read with --set train.steps=1",
    ]
    assert "training: steps was 2, is now 1" in told


def test_frozen_is_the_locks_plan_whatever_the_recipe_says(here: Path):
    with pytest.raises(InputError, match=r"there is no lock to run from"):
        job("frozen")
    write_lock()
    locked = lock.read(LOCK)
    branch(NEW)
    whole = job("frozen")  # nothing changed: the recipe itself
    assert (whole.recipe.text, revision(whole)) == (FILE.read_text("utf-8"), OLD)
    for text in (FILE.read_text("utf-8").replace("lr: 1e-3", "lr: 2e-3"), "no recipe: at all\n"):
        FILE.write_text(text, "utf-8")
        one = job("frozen")
        assert (one.plan.train.lr, revision(one)) == (0.001, OLD)
        assert one.plan.order == ("there", "what", "zed", "horizon", "named", "sharp")
        assert (one.recipe.text, one.recipe.sha256) == ("", locked.inputs.recipe_sha256)
        assert one.recipe.document is None
        assert Path(one.plan.drawings[0].source).name == "card.png"


def test_frozen_takes_the_recipes_text_from_the_run_folder_where_it_is_kept(here: Path):
    write_lock()
    text = FILE.read_text("utf-8")
    Path("runs/tiny").mkdir(parents=True)
    Path("runs/tiny/recipe.yaml").write_text(text, "utf-8")
    FILE.write_text("no recipe: at all\n", "utf-8")
    one = job("frozen")
    assert one.recipe.text == text
    assert [included.name for included in one.recipe.included] == ["base.yaml"]
    Path("base.yaml").write_text("stay: {weight: 0.9}\n", "utf-8")
    assert job("frozen").recipe.text == ""  # half of it would not be what ran


def test_frozen_refuses_what_is_not_as_the_lock_has_it(here: Path):
    write_lock()
    Path("assets/card.png").write_bytes(Path("assets/card.png").read_bytes() + b"\0")
    Path("flux/vae/config.json").write_text(Path("flux/vae/config.json").read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(InputError) as caught:
        job("frozen")
    assert [problem.message for problem in caught.value.problems] == [
        "./flux holds other files: vae/config.json",
        "assets/card.png holds something else now",
    ]
    assert all(problem.place.file == "tiny.lock" for problem in caught.value.problems)


def test_a_lock_names_its_recipe(here: Path):
    assert lock_places.named(Source(FILE, False), Path("runs/tiny/tiny.lock")) == "../../tiny.yaml"
    gallery = Source(FOLDER / "horizon_low.yaml", True)
    assert lock_places.named(gallery, Path("runs/a/a.lock")) == "gallery:horizon_low.yaml"
    inputs = lock.Inputs("", "{}", "", ())
    assert lock_places.of_lock(lock.Lock(inputs, recipe="gallery:horizon_low.yaml"), Path("x.lock")) == gallery
    assert lock_places.of_lock(lock.Lock(inputs, recipe="gallery:nothing.yaml"), Path("x.lock")) is None
    assert lock_places.of_lock(lock.Lock(inputs), LOCK) == Source(FILE, False)  # of version 1: what lies beside it
    assert lock_places.of_lock(lock.Lock(inputs), Path("other.lock")) is None


def test_frozen_takes_included_texts_from_the_run_folder_too(tmp_path: Path):
    from control_recipes.engine import frozen

    text = "stay: {weight: 0.05}\n"
    recipe, run = tmp_path / "tiny.yaml", tmp_path / "run"
    (run / "included").mkdir(parents=True)
    (run / "recipe.yaml").write_text("include: [base.yaml]\n", "utf-8")
    (run / "included" / "base.yaml").write_text(text, "utf-8")
    digests = sha256(b"include: [base.yaml]\n").hexdigest(), sha256(text.encode()).hexdigest()
    locked = lock.Lock(lock.Inputs("p", "", digests[0], (), (("base.yaml", digests[1]),)))
    found = frozen.thawed(locked, recipe, run)
    assert (found.text, [one.text for one in found.included]) == ("include: [base.yaml]\n", [text])
    (run / "included" / "base.yaml").write_text("stay: {weight: 1}\n", "utf-8")
    assert frozen.thawed(locked, recipe, run).text == ""


def test_a_lock_that_cannot_be_read_holds_no_revisions(here: Path):
    assert lock_places.revisions(Source(FILE, False)) == {}
    write_lock()
    assert lock_places.revisions(Source(FILE, False)) == {MODEL: OLD}
    LOCK.unlink()
    LOCK.mkdir()  # which the operating system refuses to read, as it does a file that belongs to another
    assert lock_places.revisions(Source(FILE, False)) == {}
