"""What comes from elsewhere is data: no pickle is read, no code of a model's folder runs, nothing is evaluated."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hollow
import hostile_headers
import pytest
from commandline import CODE, recipe
from control_recipes.engine import headers, models
from control_recipes.engine.errors import InputError
from test_imports import ROOT, SOURCES

EVALUATES = {"eval", "exec", "compile", "__import__"}
UNSAFE = {"pickle", "cPickle", "marshal", "shelve", "dill", "joblib", "runpy", "code", "imp"}
# where a word in a table, or of the program itself, names the module
IMPORTS = {"__init__.py", "critics/__init__.py", "engine/generators/__init__.py", "engine/calibrate.py"}


def unsafe(name: str, text: str) -> Iterator[str]:
    """What a source does that could run what somebody else wrote."""
    if "trust_remote_code" in text:
        yield "trust_remote_code"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = [alias.name for alias in node.names]
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            yield from (word for word in named if word.partition(".")[0] in UNSAFE)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called in EVALUATES:
                yield called
            if called in ("torch.load", "np.load", "numpy.load", "yaml.load", "yaml.unsafe_load"):
                yield called
            if called.endswith("import_module") and name not in IMPORTS:
                yield called
            if called.endswith("from_pretrained") and not name.startswith("engine/world/"):
                yield from (f"{called} without {word}" for word in ("use_safetensors", "local_files_only")
                            if keywords.get(word) != "True")  # fmt: skip
            if called.startswith("subprocess.") and keywords.get("shell"):
                yield f"{called} by a shell"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_source_runs_what_others_wrote(path: Path):
    allowed = {"yaml.load"} if path.name == "formatting.py" else set()  # ruamel's round trip, which makes plain data
    assert set(unsafe(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))) <= allowed


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from torch import pickle",
        "torch.load(path)",
        "eval(text)",
        "Model.from_pretrained(folder, local_files_only=True)",
        "Model.from_pretrained(folder, use_safetensors=True, local_files_only=False)",
        "load(trust_remote_code=True)",
        "importlib.import_module(name)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_the_guard_sees_a_source_that_does(text: str):
    assert list(unsafe("engine/training.py", text))


CANARY = "import pathlib; pathlib.Path({path!r}).touch()\nclass Model: pass\nModelConfig = Tokenizer = Model\n"
NAMED = {
    "AutoConfig": "code.ModelConfig", "AutoModel": "code.Model", "AutoTokenizer": ["code.Tokenizer", "code.Tokenizer"],
    "AutoModelForCausalLM": "code.Model", "AutoProcessor": "code.Model", "AutoImageProcessor": "code.Model",
}  # fmt: skip


def booby_trapped(folder: Path, canary: Path) -> None:
    """Give every part of a model code of its own, named wherever such is named."""
    files = [path for path in folder.rglob("*.json") if isinstance(json.loads(path.read_text("utf-8")), dict)]
    for path in files:
        data = json.loads(path.read_text("utf-8"))
        if path.name in ("config.json", "tokenizer_config.json", "preprocessor_config.json", "scheduler_config.json"):
            data |= {"auto_map": NAMED, "custom_pipelines": {"code": {"impl": "code.Model"}}}
            path.write_text(json.dumps(data), "utf-8")
    code = CANARY.format(path=str(canary))
    for part in {path.parent for path in files} | {folder}:
        for name in ("code", "pipeline", "FluxPipeline", "FluxTransformer2DModel", "modeling", "__init__"):
            (part / f"{name}.py").write_text(code, "utf-8")
        (part / "custom_generate").mkdir()
        (part / "custom_generate" / "generate.py").write_text(code, "utf-8")


def test_code_in_a_models_folder_is_never_run(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    canary = tmp_path / "canary"
    for name in ("flux", "critic", "second"):
        booby_trapped(Path(name), canary)
    assert recipe("run", "tiny.yaml", "--set", "train.steps=1", "--quiet") == 0, capsys.readouterr().err
    assert recipe("generate", "runs/tiny/tiny.safetensors", "a red ball") == 0
    assert not canary.exists()
    # the trap does spring where it is stepped on
    subprocess.run([sys.executable, "flux/code.py"], check=True)
    assert canary.exists()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (
            ["code", "Model"],
            r"vae is of \['code', 'Model'\]\n  hint: only classes of diffusers and transformers are used",
        ),
        (["os", "system"], "only classes of diffusers and transformers are used"),
        (["flux", "FluxPipeline"], "only classes of diffusers and transformers are used"),
        ([["code"], "Model"], "only classes of diffusers and transformers are used"),
    ],
)
def test_a_pipeline_made_of_others_classes_is_refused(tmp_path: Path, part: list[Any], said: str):
    folder = hollow.generator(tmp_path / "g")
    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    (folder / "model_index.json").write_text(json.dumps(index | {"vae": part, "safety": [None, None]}), "utf-8")
    with pytest.raises(InputError, match=said):
        models.locate("./g", tmp_path)


@pytest.mark.parametrize("file", ["None.py", "vae/diffusers.py", "transformer/transformers.py"])
def test_code_that_would_take_a_librarys_place_is_refused(tmp_path: Path, file: str):
    folder = hollow.generator(tmp_path / "g")
    (folder / file).touch()
    with pytest.raises(InputError, match=f"{file} is code in the place of a library's"):
        models.locate("./g", tmp_path)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "_attn_implementation_internal"])
def test_a_configuration_that_asks_for_code_from_the_hub_is_refused(tmp_path: Path, key: str):
    folder = hollow.critic(tmp_path / "c")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["text_config"][key] = {"": "somebody/kernel@main"} if key == "attn_implementation" else "somebody/kernel"
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(InputError, match=r"config\.json names .*somebody/kernel.*, code from the hub"):
        models.locate("./c", tmp_path)


class Trap:
    """What a pickle can do to who reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


WHY = "reading a pickle runs whatever code it holds; only .safetensors files are read"


def pickled(path: Path) -> Path:
    path.write_bytes(pickle.dumps(Trap(path.with_suffix(".sprung"))))
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert recipe(*words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    return told.err


@pytest.mark.parametrize("ending", [".bin", ".pt", ".pth", ".ckpt", ".safetensors"])
def test_a_pickle_is_refused_with_the_reason_wherever_an_adapter_is_named(
    tiny: Path, capsys: pytest.CaptureFixture[str], ending: str
):
    path = pickled(Path(f"a{ending}"))
    for words in (["eval", "tiny.yaml", "--adapter", str(path)], ["generate", str(path), "a ball"]):
        told = refused(capsys, *words)
        assert "is a pickle" in told
        assert WHY in told
    if ending != ".safetensors":
        for line in ("adapter: {rank: 2, alpha: 4, start: NAME}", "generator: {model: ./flux, with: [NAME]}"):
            text = tiny.read_text("utf-8")
            key = line.partition(":")[0]
            lines = [line.replace("NAME", str(path)) if row.startswith(f"{key}:") else row for row in text.split("\n")]
            Path("named.yaml").write_text("\n".join(lines), "utf-8")
            told = refused(capsys, "check", "named.yaml")
            assert f"is a pickle, found '{path}'" in told
            assert WHY in told
    assert not Path("a.sprung").exists()


@pytest.mark.parametrize(("model", "file"), [("flux", "vae/diffusion_pytorch_model"), ("critic", "model")])
def test_a_pickle_is_refused_with_the_reason_wherever_a_model_is_named(
    tiny: Path, capsys: pytest.CaptureFixture[str], model: str, file: str
):
    Path(model, f"{file}.safetensors").unlink()
    (Path(model) / file).parent.joinpath("pytorch_model.bin").write_bytes(b"PK\x03\x04")
    told = refused(capsys, "check", "tiny.yaml")
    assert f"./{model} holds pickled weights: " in told
    assert WHY in told
    Path("weights.ckpt").touch()
    text = tiny.read_text("utf-8").replace(f"model: ./{model}", "model: ./weights.ckpt")
    tiny.write_text(text, "utf-8")
    assert "./weights.ckpt is a pickle" in refused(capsys, "check", "tiny.yaml")


def test_a_pickle_beside_safetensors_is_left_alone(tiny: Path):
    for folder in ("critic", "flux/vae", "flux/transformer", "flux/text_encoder"):
        pickled(Path(folder, "pytorch_model.bin"))
        pickled(Path(folder, "diffusion_pytorch_model.bin"))
    assert recipe("run", "tiny.yaml", "--set", "train.steps=1", "--quiet") == 0
    assert not list(Path().rglob("*.sprung"))


def test_weights_that_are_cut_short_are_refused(tiny: Path, capsys: pytest.CaptureFixture[str]):
    file = Path("critic/model.safetensors")
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    assert "model.safetensors: is no safetensors file: it is cut short" in refused(
        capsys, "run", "tiny.yaml", "--quiet"
    )


# the process's own figures, told when it ends: those that its parent is given count what it was forked from
TOLD = """
import atexit, time
def tell():
    lines = open("/proc/self/status").read().splitlines()
    print(time.process_time(), next(line.split()[1] for line in lines if line.startswith("VmHWM")))
atexit.register(tell)
"""


@pytest.mark.parametrize("command", ["eval", "generate", "diff"])
def test_a_real_process_refuses_a_hostile_adapter_soon_and_in_little_memory(tiny: Path, tmp_path: Path, command: str):
    path = hostile_headers.made(tmp_path, dict(hostile_headers.cases())["a hundred megabytes of objects"])
    words = {
        "eval": ["eval", "tiny.yaml", "--adapter", str(path)],
        "generate": ["generate", str(path), "a ball"],
        "diff": ["diff", str(path), str(path)],
    }
    done = subprocess.run([sys.executable, "-c", TOLD + CODE, *words[command]], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    why = "is no safetensors file: its header is longer than 16777216 bytes"
    assert done.stderr == f"{path}: {why}\n"
    seconds, kibibytes = done.stdout.split()
    assert float(seconds) < 2
    assert int(kibibytes) < 200 * 1024


def test_an_adapter_that_asks_for_what_no_recipe_could_is_refused(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("run", "tiny.yaml", "--set", "train.steps=1", "--quiet") == 0
    file = Path("runs/tiny/tiny.safetensors")
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    plan = head["__metadata__"]["control_recipes.inputs"]
    for old, new in (
        ('"steps":1,', '"steps":1000000000,'),
        ('"width":64', '"width":100000000'),
        ('"dtype":"float32"', '"dtype":"os.system"'),
        ('"device":"auto"', '"device":"cpu; rm"'),
        ('"address":"./flux"', '"address":"builtin:../../../flux"'),
        ('"family":"flux"', '"family":"..world.train"'),
    ):
        start, _, generator = plan.partition('"generator":')
        changed = (
            f'{start}"generator":{generator.replace(old, new, 1)}' if old in generator else plan.replace(old, new, 1)
        )
        assert changed != plan, old
        head["__metadata__"]["control_recipes.inputs"] = changed
        text = json.dumps(head).encode()
        Path("bad.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
        assert refused(capsys, "generate", "bad.safetensors", "a ball"), old
        capsys.readouterr()


def test_hidden_folders_and_others_do_not_count(tmp_path: Path):
    folder = hollow.critic(tmp_path / "c")
    shutil.copytree(folder, folder / ".cache")
    assert models.locate("./c", tmp_path).family == "qwen2_5_vl"
    assert {".bin", ".pt", ".pth", ".ckpt"} <= headers.PICKLES
