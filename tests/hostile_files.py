"""Hostile files: what a recipe's path, its prompts, pictures and models may turn out to be."""
# ruff: noqa: E501  # a case a line, however long it is

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import hollow
from hostile_cases import Case, Maker, changed, fifo, link, png, sparse

RIGHT = hollow.RECIPE
TEST = "test: [{prompt: a white ball, color: white, thing: ball}]"


def cases() -> Iterator[Case]:
    yield from _recipes()
    yield from _pictures()
    yield from _prompts()
    yield from _paths()
    yield from _models()


def _recipes() -> Iterator[Case]:
    beside: dict[str, Maker] = {
        "a folder": Path.mkdir, "a FIFO": fifo, "zero": link("/dev/zero"), "random": link("/dev/urandom"), "null": link("/dev/null"),
        "itself": link("r.yaml"), "nothing": link("nowhere"), "a hundred megabytes": sparse(100 * 2**20), "a terabyte": sparse(2**40),
        "kernel log": link("/proc/kmsg"), "memory": link("/proc/self/mem"), "tty": link("/dev/tty"), "stdin": link("/dev/stdin"),
        "full": link("/dev/full"), "no file": lambda path: None,
    }  # fmt: skip
    for name, made in beside.items():
        yield Case(f"recipe is {name}", None, beside={"r.yaml": made})


def _pictures() -> Iterator[Case]:
    bomb = zlib.compress(b"\0" * (50 * 2**20), 9)
    right = hollow.PNG
    pictures: dict[str, bytes | Maker] = {
        "huge claim": png(50_000, 50_000), "huge claim with data": png(50_000, 50_000, bomb), "claim of 2^31": png(2**31 - 1, 2**31 - 1),
        "zero wide": png(0, 0), "bomb": png(4000, 4000, bomb), "text bomb": right[:33] + _ztxt() + right[33:], "truncated": right[:40], "head alone": right[:8],
        "one byte": b"\x89", "empty": b"", "garbage behind the head": right[:8] + b"x" * 5000, "wrong sums": right[:20] + b"\xff" + right[21:],
        "jpeg head alone": b"\xff\xd8\xff\xe0", "gif claim": b"GIF89a\xff\xff\xff\xff\x00\x00\x00", "bmp claim": b"BM" + b"\xff" * 60, "riff": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>', "html": b"<html>", "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n", "tiff": b"II*\0" + b"\xff" * 60,
        "folder": Path.mkdir, "fifo": fifo, "zero": link("/dev/zero"), "outside": link("/etc/hostname"), "circle": link("p.png"), "nothing": link("nowhere"), "sparse": sparse(2**40), "huge sparse with a head": _headed(2**36),
    }  # fmt: skip
    for name, content in pictures.items():
        for kind in ("image", "reference"):
            text = (
                changed("see: ruler", "see: card")
                .decode()
                .replace("{image: assets/card.png, height: 0.15}", f"{{{kind}: p.png}}")
            )
            wanted = "either" if name == "bomb" else "refused"  # 16 million pixels are allowed, and cost what they cost
            yield Case(f"picture {kind} {name}", text.encode(), wanted, {"p.png": content})
            # a visual that no question looks at is checked all the same
            unseen = RIGHT.replace("{image: assets/card.png, height: 0.15}", f"{{{kind}: p.png}}")
            yield Case(f"picture unseen {kind} {name}", unseen.encode(), wanted, {"p.png": content})
    for format_ in ("png", "jpg", "gif", "bmp", "webp"):
        yield Case(
            f"picture right {format_}",
            changed("assets/card.png", f"p.{format_}"),
            "fine",
            {f"p.{format_}": _saved(format_)},
        )


def _saved(format_: str) -> Maker:
    def make(path: Path) -> None:
        from PIL import Image

        Image.new("RGB", (20, 10), "red").save(path)

    return make


def _headed(size: int) -> Maker:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(hollow.PNG[:33])
            file.truncate(size)

    return make


def _ztxt() -> bytes:
    import struct

    body = b"Comment\0\0" + zlib.compress(b"x" * (64 * 2**20), 9)
    return struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))


def _prompts() -> Iterator[Case]:
    row = '{"prompt": "a ball", "color": "red", "thing": "ball"}\n'
    files: dict[str, bytes | Maker] = {
        "ragged.csv": b"prompt,color,thing\na ball,red\na tree,red,tree,more\n,,\n", "quotes.csv": b'prompt,color,thing\n"a ball,red,ball\n', "nul.csv": b"prompt,color,thing\na\0b,red,ball\n",
        "field.csv": b"prompt,color,thing\n" + b"x" * 200_000 + b",red,ball\n", "columns.csv": b"prompt," + b",".join(b"c%d" % i for i in range(20_000)) + b"\na" + b",x" * 20_000 + b"\n", "twice.csv": b"prompt,prompt,color,thing\na,b,red,ball\n",
        "noname.csv": b"prompt,,color,thing\na,b,red,ball\n", "oddname.csv": b"prompt,a b,color,thing\na,b,red,ball\n", "dunder.csv": b"prompt,__class__,color,thing\na,b,red,ball\n", "semicolon.csv": b"prompt;color;thing\na;red;ball\n", "cr.csv": b"prompt,color,thing\ra,red,ball\r",
        "utf16.csv": "prompt,color,thing\na,red,ball\n".encode("utf-16"), "latin.csv": b"prompt,color,thing\n\xe9,red,ball\n", "empty.csv": b"", "head.csv": b"prompt,color,thing\n", "many.csv": b"prompt,color,thing\n" + b"a,red,ball\n" * 150_000, "blank.csv": b"prompt,color,thing\n" + b"\n" * 500_000,
        "wrong.csv": b"prompt,color,thing\n" + b"a,red\n" * 100_000, "template.csv": b'prompt,color,thing\n{{ color }},"{{ thing }}","{{ self }}"\n', "deep.jsonl": b"[" * 100_000, "deepvalue.jsonl": b'{"prompt": "a", "x": ' + b"[" * 100_000 + b"}", "nan.jsonl": b'{"prompt": "a", "color": NaN}\n',
        "inf.jsonl": b'{"prompt": "a", "color": 1e999, "thing": "ball"}\n', "int.jsonl": b'{"prompt": "a", "color": ' + b"9" * 10_000 + b', "thing": "x"}\n', "int400.jsonl": b'{"prompt": "a", "color": ' + b"9" * 4000 + b', "thing": "x"}\n', "null.jsonl": b'{"prompt": null}\n', "array.jsonl": b"[1, 2]\n",
        "duplicate.jsonl": b'{"prompt": "a", "prompt": "b", "color": "red", "thing": "x"}\n', "surrogate.jsonl": b'{"prompt": "a \\ud800", "color": "red", "thing": "x"}\n', "surrogates.jsonl": b'{"prompt": "a", "color": "\\udfff", "thing": "x"}\n', "nulvalue.jsonl": b'{"prompt": "a\\u0000b", "color": "red", "thing": "x"}\n', "escape.jsonl": b'{"prompt": "a\\u001b[31m", "color": "\\u001b]0;x\\u0007", "thing": "x"}\n',
        "nested.jsonl": b'{"prompt": "a", "color": {"a": 1}, "thing": "x"}\n', "lists.jsonl": b'{"prompt": "a", "color": [[1]], "thing": "x"}\n', "many.jsonl": row.encode() * 150_000, "wrong.jsonl": b"{\n" * 200_000, "longkey.jsonl": ('{"prompt": "a", "' + "k" * 1_000_000 + '": 1, "color": "red", "thing": "x"}\n').encode(),
        "long.jsonl": json.dumps({"prompt": "x" * 10_000_000, "color": "red", "thing": "x"}).encode(), "oddkey.jsonl": b'{"prompt": "a", "a b": 1, "": 2, "self": 3, "color": "red", "thing": "x"}\n', "list.jsonl": json.dumps({"prompt": "a", "color": ["red"] * 200_000, "thing": "x"}).encode(), "objects.jsonl": b'{"prompt": "a", "a": {}, "color": "red", "thing": "x"}\n' * 1000,
        "reserved.jsonl": b'{"prompt": "a", "loop": 1, "true": 2, "for": 3, "color": "red", "thing": "x"}\n', "bool.jsonl": b'{"prompt": true, "color": "red", "thing": "x"}\n', "one.txt": b"x" * 15_000_000, "many.txt": b"a\n" * 150_000, "nul.txt": b"a\0b\n", "control.txt": b"a \x1b[31m ball\n", "empty.txt": b"", "blank.txt": b" \n\t\n" * 10_000,
        "big.txt": sparse(17 * 2**20), "huge.txt": sparse(2**40), "folder.txt": Path.mkdir, "fifo.txt": fifo, "zero.txt": link("/dev/zero"), "outside.txt": link("/etc/hostname"), "circle.txt": link("circle.txt"), "nothing.txt": link("nowhere"), "self.txt": link("r.yaml"), "none": b"a\n", "bad.yaml": b"a\n", "two.txt.gz": b"\x1f\x8b",
    }  # fmt: skip
    for name, content in files.items():
        for part, old in (("test", TEST), ("validate", TEST)):
            source = f"test: {{file: {name}}}" if part == "test" else f"{TEST}\n  validate: {{file: {name}}}"
            text = RIGHT.replace(old, source)
            yield Case(f"prompts {part} {name}", text.encode(), "either", {name: content})
            if name.startswith(("lists", "longkey", "long.", "template")):
                yield Case(
                    f"prompts plain {part} {name}",
                    text.replace("Is there a {{ color }} {{ thing }}?", "Is it?").encode(),
                    "either",
                    {name: content},
                )


def _paths() -> Iterator[Case]:
    for name in (
        "..",
        ".",
        "/",
        "../..",
        "/etc/passwd",
        "../../../../../../etc/passwd",
        "~/.ssh/id_rsa",
        "$HOME/x",
        "//etc/hosts",
        "assets/../../x.png",
        "assets/./card.png/",
        "file:///etc/passwd",
        "http://127.0.0.1/x.png",
        "\\\\host\\x",
        "C:\\x.png",
        "con",
        "a" * 300,
        "a/" * 3000,
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/environ",
        "/dev/tcp/127.0.0.1/80",
        "-rf",
        "*",
        "assets/*",
        "|id",
        " ",
        "assets/card.png ",
    ):
        written = '"' + name.replace("\\", "\\\\") + '"'
        wanted = "either"
        yield Case(f"path picture {name[:30]}", changed("assets/card.png", written), wanted)
        yield Case(f"path prompts {name[:30]}", changed(TEST, f"test: {{file: {written}}}"))
        yield Case(f"path critic {name[:30]}", changed("model: ./critic", f"model: {written}"))
        yield Case(f"path generator {name[:30]}", changed("model: ./generator", f"model: {written}"))
    for name, target in (("hosts", "/etc/hostname"), ("up", ".."), ("root", "/"), ("device", "/dev/zero")):
        yield Case(f"link {name} as a picture", changed("assets/card.png", "p.png"), "refused", {"p.png": link(target)})
        yield Case(f"link {name} through", changed("assets/card.png", "p/hostname"), "refused", {"p": link(target)})
        yield Case(f"link {name} as a model", changed("./critic", "./m"), "refused", {"m": link(target)})


def _models() -> Iterator[Case]:
    for address in (
        "builtin:nothing",
        "builtin:../../x",
        "builtin:",
        "a/b",
        "a/b@main",
        "a/b@" + "0" * 40,
        "a/b@../../x",
        "a/b@refs/pr/1",
        "a" * 200 + "/b",
        "a--b/c..d",
        "a./b",
        "-a/b",
        "a/b@@",
        "a/b/c",
        "hf://a/b",
        "https://example.org/a/b",
        "./",
        "./.",
        "../",
        "...//",
        "/dev",
        "/proc/self/fd",
        "./r.yaml",
        "./assets/card.png",
        "./assets",
    ):
        yield Case(f"address critic {address[:30]}", changed("./critic", f'"{address}"'))
        yield Case(f"address generator {address[:30]}", changed("./generator", f'"{address}"'))
    for name, content in _folders().items():
        wanted = "fine" if name in ("preprocessor empty", "tokenizer config eos") else "refused"  # both have defaults
        yield Case(f"model critic {name}", changed("./critic", "./m"), wanted, {"m": content})
        yield Case(f"model generator {name}", changed("./generator", "./m"), "refused", {"m": content})


def _folders() -> dict[str, Maker]:
    def holding(**files: bytes | Maker) -> Maker:
        def make(path: Path) -> None:
            hollow.critic(path)
            for name, content in files.items():
                file = path / name.replace("__", ".")
                file.unlink(missing_ok=True)
                content(file) if callable(content) else file.write_bytes(content)

        return make

    deep = b"[" * 100_000
    return {
        "empty": Path.mkdir, "index no json": holding(model_index__json=b"{"), "index array": holding(model_index__json=b"[]"), "index deep": holding(model_index__json=deep), "index number": holding(model_index__json=b'{"_class_name": 5}'),
        "config no json": holding(config__json=b"\xff"), "config deep": holding(config__json=deep), "config without": holding(config__json=b"{}"), "config nulls": holding(config__json=b'{"model_type": "qwen2_5_vl", "image_token_id": null}'), "config folder": holding(config__json=Path.mkdir), "config fifo": holding(config__json=fifo),
        "config negative": holding(config__json=b'{"model_type": "qwen2_5_vl", "image_token_id": -1, "text_config": {"max_position_embeddings": -1}}'), "tokenizer no json": holding(tokenizer__json=b"{"), "tokenizer empty": holding(tokenizer__json=b"{}"), "tokenizer bytes": holding(tokenizer__json=b"\xff\xfe"), "tokenizer deep": holding(tokenizer__json=deep), "tokenizer fifo": holding(tokenizer__json=fifo),
        "tokenizer zero": holding(tokenizer__json=link("/dev/zero")), "template bytes": holding(chat_template__jinja=b"\xff"), "template broken": holding(chat_template__jinja=b"{{"), "template loop": holding(chat_template__jinja=b"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"), "template long": holding(chat_template__jinja=b"{{ 'x' * 1000000000 }}"), "template escape": holding(chat_template__jinja=b"{{ ''.__class__.__mro__ }}"), "template missing": holding(chat_template__jinja=b""),
        "template calls": holding(chat_template__jinja=b"{{ messages.nothing() }}"), "template divides": holding(chat_template__jinja=b"{{ 1 / 0 }}"), "template deep": holding(chat_template__jinja=b"{{ " + b"(" * 10_000 + b"1" + b")" * 10_000 + b" }}"), "template folder": holding(chat_template__jinja=Path.mkdir),
        "preprocessor zero patch": holding(preprocessor_config__json=b'{"patch_size": 0, "merge_size": 0, "temporal_patch_size": 0, "min_pixels": 0, "max_pixels": 0}'), "preprocessor empty": holding(preprocessor_config__json=b"{}"), "preprocessor texts": holding(preprocessor_config__json=b'{"patch_size": "x"}'), "preprocessor missing": holding(preprocessor_config__json=b""), "tokenizer config": holding(tokenizer_config__json=b"5"), "tokenizer config eos": holding(tokenizer_config__json=b'{"eos_token": "nothing"}'),
        "weights pickled": holding(model__safetensors=lambda path: path.with_suffix(".bin").write_bytes(b"x")), "weights fifo": holding(model__safetensors=fifo), "weights zero": holding(model__safetensors=link("/dev/zero")), "weights missing": holding(model__safetensors=lambda path: None),
    }  # fmt: skip
