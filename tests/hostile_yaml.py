"""Hostile YAML: bombs, depth, encodings, characters, numbers, keys, and products that no one can list."""
# ruff: noqa: E501  # a case a line, however long it is

from __future__ import annotations

from collections.abc import Iterator

import hollow
from hostile_cases import Case, changed

RIGHT = hollow.RECIPE


def cases() -> Iterator[Case]:
    yield from _bombs()
    yield from _deep()
    yield from _encodings()
    yield from _keys()
    yield from _numbers()
    yield from _large()
    yield from _texts()
    yield from _sets()


def _bombs() -> Iterator[Case]:
    for wide, levels in ((10, 12), (2, 60), (100, 6), (1000, 3)):
        lines = [f"a0: &a0 [{', '.join(['x'] * wide)}]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * wide)}]" for i in range(1, levels)]
        yield Case(f"bomb list {wide}", (RIGHT + "\n".join(lines)).encode())
        lines = [f"b0: &b0 {{{', '.join(f'k{j}: x' for j in range(wide))}}}"]
        lines += [f"b{i}: &b{i} {{{', '.join(f'k{j}: *b{i - 1}' for j in range(wide))}}}" for i in range(1, levels)]
        yield Case(f"bomb mapping {wide}", ("\n".join(lines) + "\n" + RIGHT).encode())
    yield Case(
        "bomb of texts", (RIGHT + "a: &a " + "x" * 100_000 + "\nb: [" + ", ".join(["*a"] * 5000) + "]\n").encode()
    )
    yield Case(
        "bomb in vars",
        changed(
            "vars: {height: 0.80}",
            "vars: {height: 0.80, l: &l [" + ", ".join("x" * 90) + "], m: [" + ", ".join(["*l"] * 99) + "]}",
        ),
    )
    yield Case("cycle of itself", changed("vars:", "x: &x [*x]\nvars:"))
    yield Case("cycle of a mapping", changed("vars:", "x: &x {a: {b: *x}}\nvars:"))
    yield Case("cycle of the whole", b"&all\n" + RIGHT.encode() + b"more: *all\n")
    yield Case("cycle across", changed("vars:", "x: &x [&y [*x], *y]\nvars:"))
    yield Case("alias of nothing", changed("0.80", "*nothing"))
    yield Case(
        "anchor that moves", changed("vars: {height: 0.80}", "vars: {height: &h 0.80, a: *h, b: &h 5, c: *h}"), "fine"
    )
    yield Case("aliases in their place", changed("vars: {height: 0.80}", "vars: {height: &h 0.80, b: *h}"), "fine")
    yield Case(
        "a thousand anchors",
        (
            RIGHT.replace(
                "vars: {height: 0.80}",
                "vars: {height: 0.80, " + ", ".join(f"v{i}: &v{i} {i}" for i in range(900)) + "}",
            )
        ).encode(),
        "fine",
    )
    yield Case("merge key", changed("vars:", "base: &b {height: 1}\nvars:\n  <<: *b\nx:"))
    yield Case("merge key in vars", changed("vars: {height: 0.80}", "vars: {height: 0.80, <<: {a: 1}}"))


def _deep() -> Iterator[Case]:
    for name, opening, closing in (
        ("list", "[", "]"),
        ("mapping", "{a: ", "}"),
        ("mixed", "[{a: ", "}]"),
        ("key", "? ", ""),
    ):
        for depth in (39, 41, 500, 10_000, 100_000):
            yield Case(f"deep {name} {depth}", changed("0.80", opening * depth + "x" + closing * depth))
            yield Case(f"deep whole {name} {depth}", (opening * depth).encode())
    block = "".join(" " * i + "a:\n" for i in range(1, 2000))
    yield Case("deep block", (RIGHT + "x:\n" + block).encode())
    yield Case("deep block of dashes", (RIGHT + "x:\n" + "- " * 50_000 + "a\n").encode())
    yield Case("deep block of questions", ("? " * 50_000).encode())
    yield Case("ten thousand brackets in quotes", changed("Is there a", "[" * 10_000), "refused")


def _encodings() -> Iterator[Case]:
    for name, data in {
        "utf-16": RIGHT.encode("utf-16"),
        "utf-16-le": RIGHT.encode("utf-16-le"),
        "utf-16-be": RIGHT.encode("utf-16-be"),
        "utf-32": RIGHT.encode("utf-32"),
        "latin-1": changed("a white ball", "a wh\u00eete ball").decode().encode("latin-1"),
        "lone byte": RIGHT.encode().replace(b"white", b"wh\xffte"),
        "overlong": RIGHT.encode().replace(b"white", b"\xc0\xaf"),
        "half a character": RIGHT.encode() + "é".encode()[:1],
        "surrogate": changed("a white ball", "a \ud800 ball"),
        "surrogate escaped": changed("prompt: a white ball", 'prompt: "a \\ud800 ball"'),
        "nul": RIGHT.encode().replace(b"white", b"wh\x00te"),
        "nul at the end": RIGHT.encode() + b"\x00",
        "nul escaped": changed("assets/card.png", "x\\0y").replace(b"image: x\\0y", b'image: "x\\0y"'),
        "only nul": b"\x00" * 1000,
        "gzip": b"\x1f\x8b\x08\x00" + bytes(range(256)),
        "random": bytes((i * 7919) % 251 for i in range(5000)),
        "escape": changed("a white ball", "a \x1b[31mred\x1b[0m ball"),
        "bell": changed("a white ball", "a \x07 ball"),
        "delete": changed("a white ball", "a \x7f ball"),
        "two boms": b"\xef\xbb\xbf\xef\xbb\xbf" + RIGHT.encode(),
        "bom inside": changed("a white ball", "a \ufeff ball"),
        "non-character": changed("a white ball", "a \ufffe ball"),
    }.items():
        yield Case(f"encoding {name}", data, "either" if name in {"bom inside", "two boms"} else "refused")
    yield Case("encoding bom", b"\xef\xbb\xbf" + RIGHT.encode(), "fine")
    yield Case("encoding crlf", RIGHT.replace("\n", "\r\n").encode(), "fine")
    yield Case("encoding cr", RIGHT.replace("\n", "\r").encode(), "fine")
    yield Case("encoding mixed ends", RIGHT.replace("\n", "\r\n", 5).encode(), "fine")
    yield Case("encoding next line", RIGHT.replace("\n", "\x85").encode(), "either")
    yield Case("encoding line separator", RIGHT.replace("\n", "\u2028").encode(), "either")
    yield Case("encoding wide", changed("a white ball", "一个白色的球 😀 é́"), "fine")
    yield Case("encoding right to left", changed("a white ball", "\u202e llab etihw a"), "either")
    for at in (0, 1, 5, 20):
        lines = RIGHT.split("\n")
        lines[at] = "\t" + lines[at]
        yield Case(f"tab before line {at + 1}", "\n".join(lines).encode())
        yield Case(
            f"tab after line {at + 1}",
            "\n".join([*lines[:at], lines[at][1:] + "\t", *lines[at + 1 :]]).encode(),
            "either",
        )
    yield Case("tab between", changed("recipe: 1", "recipe:\t1"), "either")
    yield Case("tabs only", b"\t\t\t\n")
    yield Case("tab in a text", changed("a white ball", '"a white\tball"'), "either")


def _keys() -> Iterator[Case]:
    yield Case("key extremely long", changed("vars:", "x" * 100_000 + ": 1\nvars:"))
    yield Case("key long in vars", changed("{height", "{" + "x" * 5000 + ": 1, height"))
    yield Case("key long quoted", changed("vars:", '"' + "x" * 1020 + '": 1\nvars:'))
    yield Case("key long of questions", changed("  aligned:", "  " + "a" * 900 + ":"))
    yield Case("keys ten thousand unknown", (RIGHT + "".join(f"k{i}: 1\n" for i in range(10_000))).encode())
    yield Case(
        "keys ten thousand unknown questions",
        changed("  aligned:", "".join(f"  q{i}: {{aks: x}}\n" for i in range(3000)) + "  aligned:"),
    )
    yield Case("keys ten thousand duplicate", (RIGHT + "name: x\n" * 10_000).encode())
    for key in (
        "",
        " ",
        ".",
        "..",
        "a.b",
        "1",
        "~",
        "null",
        "true",
        "[key]",
        "<line>",
        "<list>",
        "__class__",
        "__proto__",
        "é",
        "\U0001f600",
        "-",
        "a b",
        "{{ x }}",
        "[a]",
        "{a: 1}",
        "*x",
        "&x",
        "!x y",
        "<<",
        "=",
        "%",
        "constructor",
        "$ref",
        "self",
        "cls",
        "model_config",
        "model_fields",
        "__init__",
    ):
        quoted = '"' + key.replace('"', "") + '"'
        yield Case(f"key {key!r}", (RIGHT + f"{quoted}: 1\n").encode())
        yield Case(f"key bare {key!r}", (RIGHT + f"{key}: 1\n").encode())
        yield Case(f"key of a question {key!r}", changed("  aligned:", f"  {quoted}:"), "refused")
        yield Case(
            f"key of a variable {key!r}",
            changed("{height:", f"{{{quoted}: 1, height:"),
            "fine"
            if key
            in (
                "__class__",
                "__proto__",
                "constructor",
                "cls",
                "model_config",
                "model_fields",
                "__init__",
                "null",
            )
            else "refused",
        )
        yield Case(f"key of a prompt {key!r}", changed("color: white", f"{quoted}: 5, color: white"), "either")
        yield Case(
            f"key of a visual {key!r}",
            changed('y: "{{ height }}", color', f'y: "{{{{ height }}}}", {quoted}: 1, color'),
        )
    yield Case("keys duplicate everywhere", RIGHT.replace("\n", "\n", 1).encode() + RIGHT.encode())
    yield Case("keys complex", changed("vars:", "? [a, b]\n: 1\n? {c: d}\n: 2\nvars:"))
    for part in (
        "vars",
        "generator",
        "critics",
        "judges",
        "visuals",
        "prompts",
        "questions",
        "measures",
        "goal",
        "expect",
        "train",
        "stay",
        "adapter",
        "evaluate",
        "name",
        "recipe",
    ):
        for value in (
            "~",
            "[]",
            "{}",
            "5",
            "text",
            "true",
            "[[]]",
            "{a: ~}",
            "{a: {b: {c: 1}}}",
            "[{}]",
            "!!set {a}",
            ".nan",
        ):
            text = "\n".join(line for line in RIGHT.split("\n") if not line.startswith(f"{part}:"))
            yield Case(
                f"part {part} {value}", (text.replace("\n  ", "\n  ") + f"\n{part}: {value}\n").encode(), "either"
            )


def _numbers() -> Iterator[Case]:
    for number in (
        ".nan",
        ".inf",
        "-.inf",
        "-1",
        "-0",
        "-0.0",
        "1e309",
        "-1e309",
        "1e-400",
        "9" * 399,
        "9" * 401,
        "9" * 10_000,
        "1e" + "9" * 300,
        "0x" + "f" * 390,
        "0x" + "f" * 10_000,
        "0o" + "7" * 390,
        "1." + "0" * 5000,
        "18446744073709551616",
        "9223372036854775808",
        "4.0",
        "1e3",
        "+1",
        "١٢",
        "1_000",
        "1,000",
        "0b1",
    ):
        for name, old, new in (
            ("steps", "goal:", "train: {steps: N}\ngoal:"),
            ("seed", "goal:", "train: {seed: N}\ngoal:"),
            ("lr", "goal:", "train: {lr: N}\ngoal:"),
            ("weight", "hold: 0.75", "weight: N"),
            ("hold", "hold: 0.75", "hold: N"),
            ("variable", "height: 0.80", "height: N"),
            ("within", "within: 0.06", "within: N"),
            ("thickness", "color: red}}", "thickness: N, color: red}}"),
            ("size", "{model: ./generator}", "{model: ./generator, size: {width: N, height: 64}}"),
            ("sample", "    for:", "    sample: N\n    for:"),
            ("seeds", "goal:", "evaluate: {seeds: N}\ngoal:"),
            ("version", "recipe: 1", "recipe: N"),
            ("row", "color: white", "color: N"),
        ):
            yield Case(f"number {name} {number[:24]} {len(number)}", changed(old, new.replace("N", number)), "either")
    yield Case("steps a billion", changed("goal:", "train: {steps: 1000000000}\ngoal:"))
    yield Case("batch a billion", changed("goal:", "train: {batch: 1000000000}\ngoal:"))
    yield Case("accumulate a billion", changed("goal:", "train: {accumulate: 1000000000000}\ngoal:"))
    yield Case("warmup a billion", changed("goal:", "train: {warmup: 1000000000000}\ngoal:"))
    yield Case(
        "patience a billion", changed("goal:", "train: {stop: {p: {aligned: 0.9}, patience: 1000000000000}}\ngoal:")
    )
    yield Case("every a billion", changed("goal:", "evaluate: {every: 1000000000000}\ngoal:"))
    yield Case("save_every a billion", changed("goal:", "train: {save_every: 1000000000000}\ngoal:"))
    yield Case("seeds a billion", changed("goal:", "evaluate: {seeds: 1000000000}\ngoal:"))
    yield Case("seeds at the limit", changed("goal:", "evaluate: {seeds: 100000}\ngoal:"), "fine")
    yield Case(
        "scales a million",
        changed("goal:", "evaluate: {scales: [" + ", ".join(["1"] * 100_000) + "]}\ngoal:"),
        "either",
    )
    yield Case("size thin", changed("{model: ./generator}", "{model: ./generator, size: {width: 8192, height: 16}}"))
    yield Case("rank a billion", changed("goal:", "adapter: {rank: 1000000000}\ngoal:"))
    yield Case("size large", changed("{model: ./generator}", "{model: ./generator, size: {width: 8192, height: 8192}}"))


def _product(lists: int, values: int, sample: str) -> bytes:
    names = [f"v{i}" for i in range(lists)]
    entry = ", ".join(f"{name}: [{', '.join(f'w{j}' for j in range(values))}]" for name in names)
    template = " ".join("{{ " + name + " }}" for name in names)
    start, end = RIGHT.index("  train:"), RIGHT.index("  test:")
    text = f'  train: {{template: "{template}", for: {{{entry}}}{sample}}}\n'
    made = RIGHT[:start] + text + RIGHT[end:]
    return (
        made.replace("Is there a {{ color }} {{ thing }}?", "Is there anything?")
        .replace("keep: [thing, color]", "is: {color: blue}")
        .encode()
    )


def _large() -> Iterator[Case]:
    for lists, values in ((12, 10), (40, 10), (100, 2), (1, 1000), (3, 200)):
        yield Case(
            f"product {lists} x {values}",
            _product(lists, values, ""),
            "fine" if (lists, values) == (1, 1000) else "refused",
        )
        yield Case(f"product sampled {lists} x {values}", _product(lists, values, ", sample: 20"), "fine")
        yield Case(f"product sampled much {lists} x {values}", _product(lists, values, ", sample: 1000000000"))
    yield Case("product sampled past any index", _product(70, 10, ", sample: 5"), "fine")
    yield Case("validate sampled much", changed("  test:", "  validate: {sample: 1000000000000}\n  test:"))
    yield Case(
        "prompts listed many",
        changed(
            "test: [{prompt: a white ball, color: white, thing: ball}]",
            "test: [" + ", ".join(["{prompt: a white ball, color: white, thing: ball}"] * 3000) + "]",
        ),
        "fine",
    )
    yield Case("hundred megabytes of comment", ("#" + "x" * 99 + "\n").encode() * 2**20)
    yield Case("sixteen megabytes of text", changed("a white ball", "x" * (16 * 2**20)))
    yield Case("fifteen megabytes of comment", ("#" + "x" * 99 + "\n").encode() * 150_000 + RIGHT.encode(), "either")
    yield Case("fifteen megabytes of one text", changed("a white ball", "x" * (15 * 2**20)), "either")
    yield Case("fifteen megabytes of list", (RIGHT + "x: [" + "1, " * 5_000_000 + "1]\n").encode(), "either")
    yield Case("fifteen megabytes of dashes", (RIGHT + "x:\n" + "- a\n" * 3_900_000).encode(), "either")
    yield Case(
        "fifteen megabytes of keys", (RIGHT + "".join(f"k{i}: 1\n" for i in range(1_200_000))).encode(), "either"
    )
    yield Case("fifteen megabytes of new lines", b"\n" * (15 * 2**20), "either")
    yield Case("fifteen megabytes of brackets", b"[" * (15 * 2**20))
    yield Case("fifteen megabytes of open quote", changed('"Is there', '"' + "x\n" * (7 * 2**20)), "either")
    yield Case("a million spaces", (RIGHT + " " * 1_000_000 + "x: 1\n").encode())
    yield Case(
        "wordings many",
        changed(
            'ask: "Is there a {{ color }} {{ thing }}?"',
            "ask: [" + ", ".join(f'"Is there {i}?"' for i in range(20_000)) + "]",
        ),
        "either",
    )
    yield Case(
        "answers many",
        changed('answer: "Yes"\n    hold', "answer: [" + ", ".join(f'"{i:05d}"' for i in range(5000)) + "]\n    hold"),
        "either",
    )
    yield Case(
        "answers and opposites many",
        changed(
            'answer: "Yes"\n    against: "No"',
            "answer: ["
            + ", ".join(f'"a{i:04d}"' for i in range(1500))
            + "]\n    against: ["
            + ", ".join(f'"b{i:04d}"' for i in range(1500))
            + "]",
        ),
        "either",
    )
    yield Case(
        "questions many",
        changed(
            "  aligned:",
            "".join(f'  q{i}: {{ask: "{i} {{{{ color }}}}?", answer: "Yes", against: "No"}}\n' for i in range(1000))
            + "  aligned:",
        ),
        "either",
    )
    yield Case(
        "critics many",
        changed(
            "  eyes: {model: ./critic}",
            "".join(f"  c{i}: {{model: ./critic}}\n" for i in range(2000)) + "  eyes: {model: ./critic}",
        ),
        "either",
    )
    yield Case(
        "visuals many",
        changed(
            "  ruler:", "".join(f'  v{i}: {{line: {{y: "{{{{ height }}}}"}}}}\n' for i in range(2000)) + "  ruler:"
        ),
        "either",
    )
    yield Case("see many", changed("see: ruler", "see: [" + ", ".join(["ruler"] * 5000) + "]"))
    yield Case(
        "points many",
        changed(
            '{line: {y: "{{ height }}", color: red}}',
            "{points: {" + ", ".join(f"p{i}: [0.5, 0.5]" for i in range(5000)) + "}}",
        ),
        "either",
    )
    yield Case(
        "palette many",
        changed('{line: {y: "{{ height }}", color: red}}', "{palette: [" + ", ".join(["red"] * 20_000) + "]}"),
        "either",
    )
    yield Case("question long", changed("Is there a", "Is there a " + "very " * 200_000))
    yield Case("answer long", changed('answer: "Yes"\n    hold', 'answer: "' + "very " * 200_000 + '"\n    hold'))
    yield Case("colour long", changed("color: red}}", "color: " + "r" * 1_000_000 + "}}"))
    yield Case("name long", changed("name: horizon_low", "name: " + "a" * 1_000_000))
    yield Case("see long", changed("see: ruler", "see: " + "r" * 900_000))
    yield Case("measure long", changed("measure: horizon", "measure: " + "r" * 900_000))
    yield Case("address long", changed("./critic", "./" + "c" * 900_000))
    yield Case("optimizer long", changed("goal:", "train: {optimizer: " + "a" * 900_000 + "}\ngoal:"))
    yield Case("path long", changed("assets/card.png", "a/" * 300_000 + "x.png"))
    yield Case(
        "wrong values many",
        changed("scales", "scales")
        if "scales" in RIGHT
        else changed("goal:", "evaluate: {scales: [" + ", ".join(["x"] * 20_000) + "]}\ngoal:"),
    )
    yield Case(
        "wrong prompts many",
        changed(
            "test: [{prompt: a white ball, color: white, thing: ball}]", "test: [" + ", ".join(["5"] * 50_000) + "]"
        ),
    )
    yield Case("names unknown many", changed("see: ruler", "see: [" + ", ".join(f"rulr{i}" for i in range(3000)) + "]"))


def _texts() -> Iterator[Case]:
    for text in (
        "(a+)+$",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(?:a{0,65535}){0,65535}",
        ".*" * 5000,
        "\\\\" * 2000,
        "(" * 2000,
        "[a-",
        "(?P<x>",
        "$(rm -rf /)",
        "`id`",
        "%s%n%x",
        "{0.__class__}",
        "{}",
        "' OR 1=1 --",
        "<script>alert(1)</script>",
        "../" * 50,
        "<|im_end|>",
        "<|image_pad|>",
        "<|vision_start|><|image_pad|><|vision_end|>",
        "\u0000",
        "😀" * 500,
        "a\u0301" * 300,
        "\u200b" * 100,
        "ﷺ" * 200,
    ):
        written = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "\\0") + '"'
        yield Case(f"text ask {text[:20]!r}", changed('"Is the line aligned?"', written), "either")
        yield Case(
            f"text answer {text[:20]!r}", changed('answer: "Yes"\n    hold', f"answer: {written}\n    hold"), "either"
        )
        yield Case(f"text prompt {text[:20]!r}", changed("prompt: a white ball", f"prompt: {written}"), "either")
        yield Case(f"text name {text[:20]!r}", changed("name: horizon_low", f"name: {written}"))
        yield Case(f"text see {text[:20]!r}", changed("see: ruler", f"see: {written}"))
        yield Case(f"text model {text[:20]!r}", changed("model: ./critic", f"model: {written}"))
        yield Case(
            f"text model below {text[:20]!r}", changed("model: ./critic", "model: " + written.replace('"', '"./', 1))
        )
        yield Case(f"text colour {text[:20]!r}", changed("color: red", f"color: {written}"))
        yield Case(f"text file {text[:20]!r}", changed("assets/card.png", written))
    for head in (
        "%YAML 1.1\n---\n",
        "%YAML 1.2\n---\n",
        "%TAG ! tag:x,2000:\n---\n",
        "%YAML 9.9\n---\n",
        "%FOO bar\n---\n",
        "---\n",
        "...\n",
        "--- |\n",
        "--- >\n",
        "%YAML 1.1\n",
        "%" * 5000 + "\n",
        "%TAG ! " + "x" * 5000 + "\n---\n",
    ):
        yield Case(f"directive {head[:18]!r}", (head + RIGHT).encode(), "either")
    yield Case("documents two", (RIGHT + "---\n" + RIGHT).encode())
    yield Case("documents many", (RIGHT + "---\n" * 100_000).encode())
    yield Case("document ended", (RIGHT + "...\n").encode(), "fine")
    yield Case("document ended and more", (RIGHT + "...\nmore: 1\n").encode())
    for tag in (
        "!!python/object/apply:os.system [id]",
        "!!python/name:os.system",
        "!!binary aGk=",
        "!!set {a}",
        "!!omap [a: 1]",
        "!!timestamp 2001-01-01",
        "!!int 5",
        "!!str 5",
        "!!float 5",
        "!!null ~",
        "!!bool yes",
        "!local 5",
        "! 5",
        "!<tag:x> 5",
        "!!map {a: 1}",
        "!" + "x" * 5000 + " 5",
        "!!python/object/new:os.system {args: [id]}",
        "!include /etc/passwd",
        "!ENV ${HOME}",
    ):
        yield Case(f"tag {tag[:40]}", changed("0.80", tag))
        yield Case(f"tag of a part {tag[:40]}", (RIGHT + f"more: {tag}\n").encode())
        yield Case(f"tag of the whole {tag[:40]}", f"{tag}\n".encode())
    for whole in (
        "",
        " ",
        "\n" * 100,
        "#",
        "~",
        "null",
        "5",
        "text",
        "[]",
        "{}",
        "'",
        '"',
        "[",
        "{",
        "-",
        "- a",
        "? a",
        "a",
        "a:",
        ":",
        "&a",
        "*a",
        "!!str",
        "|",
        ">",
        "@",
        "`",
        "%",
        "---",
        "...",
        "--- ---",
        "[recipe: 1]",
        "recipe: 1",
        "recipe: [",
        "{recipe: 1, name: x",
        "recipe: 1\nrecipe: 1",
    ):
        yield Case(f"whole {whole[:20]!r}", whole.encode())


def _sets() -> Iterator[Case]:
    for number, assignment in enumerate((
        "", "=", "a", "a=", ".=1", "train=", "train=5", "train.steps=", "train.steps=[", "train.steps={", "train.steps=!!int 5",
        "train.steps=*a", "train.steps=&a [*a]", "train.steps=" + "9" * 5000, "train.steps=" + "[" * 50_000, "a" * 100_000 + "=1",
        ".".join("a" * 5000) + "=1", "name=\x00", "name=\ud800", "prompts.test.99999999999999999999=1", "prompts.test.-1=1",
        "prompts.test.0.prompt={{ x }}", "recipe=\t1", "train.steps=1\n---\n2", "vars.x={{ y }}", "questions.aligned.ask.0=~",
        "questions=~", "critics=[]", "visuals.ruler=5", "name=x=y", "prompts.test.²=a", "prompts.test.٣=a", "train.lr=.nan",
    )):  # fmt: skip
        yield Case(f"set {number} {assignment[:24]!r}", RIGHT.encode(), "either", sets=(assignment,))
