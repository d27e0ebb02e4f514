"""Hostile reuse: what a recipe that includes or combines others may find behind their names."""
# ruff: noqa: E501  # a case a line, however long it is

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import hollow
from hostile_cases import Case, Maker, fifo, link, sparse

RIGHT = hollow.RECIPE
PROMPTS = re.compile(r"prompts:\n(  .*\n)+")
ONE = "vars: {more: 1}\n"  # a file that anyone may include


def cases() -> Iterator[Case]:
    yield from _files()
    yield from _paths()
    yield from _circles()
    yield from _many()
    yield from _texts()
    yield from _lists()
    yield from _merged()
    yield from _combined()
    yield from _crossed()
    yield from _sets()


def including(*names: str, text: str = RIGHT) -> bytes:
    """A recipe that includes files, each name as YAML writes it."""
    return f"include: [{', '.join(names)}]\n{text}".encode()


def combining(recipes: str, more: str = "") -> bytes:
    """A recipe of nothing but others."""
    return f"recipe: 1\nname: both\ncombine: {recipes}\n{more}".encode()


def part(name: str, *changes: tuple[str, str], prompts: str = "") -> bytes:
    """A right recipe under another name, changed, perhaps on other prompts."""
    text = hollow.changed(("name: horizon_low", f"name: {name}"), *changes)
    return (PROMPTS.sub(f"prompts: {prompts}\n", text) if prompts else text).encode()


def _files() -> Iterator[Case]:
    files: dict[str, bytes | Maker] = {
        "a folder": Path.mkdir, "a FIFO": fifo, "zero": link("/dev/zero"), "random": link("/dev/urandom"), "null": link("/dev/null"), "full": link("/dev/full"),
        "tty": link("/dev/tty"), "memory": link("/proc/self/mem"), "itself": link("i.yaml"), "nothing": link("nowhere"), "outside": link("/etc/hostname"),
        "a hundred megabytes": sparse(100 * 2**20), "a terabyte": sparse(2**40), "a mebibyte and one": b"#" * (2**20 + 1), "missing": lambda path: None,
    }  # fmt: skip
    for name, content in files.items():
        yield Case(f"reuse include is {name}", including("i.yaml"), beside={"i.yaml": content})
        yield Case(
            f"reuse combine is {name}",
            combining("[r1.yaml, i.yaml]"),
            "refused",
            {"r1.yaml": part("one"), "i.yaml": content},
        )


def _paths() -> Iterator[Case]:
    for name in (
        "..", ".", "/", "../..", "/etc/passwd", "../../../../../../etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/environ", "~/.ssh/id_rsa", "$HOME/x",
        "//etc/hosts", "assets/../../i.yaml", "file:///etc/passwd", "http://127.0.0.1/i.yaml", "C:\\\\i.yaml", "a" * 300, "a/" * 3000, "x" * 900_000, "\\0",
        "i.yaml\\0", "\\e[31m", "\\u202e", "*", "-rf", "|id", "i.yaml/", "i.yaml/i.yaml", "{{ name }}", "horizon_low.yaml", " i.yaml", "😀" * 100,
    ):  # fmt: skip
        yield Case(
            f"reuse path {name[:30]}",
            including(f'"{name}"'),
            "fine" if name == "i.yaml/" else "refused",
            {"i.yaml": ONE.encode()},
        )
        yield Case(
            f"reuse path combined {name[:30]}", combining(f'["{name}", r1.yaml]'), "refused", {"r1.yaml": part("one")}
        )
    for target in ("/", "..", "/proc/self/root", "up"):
        yield Case(f"reuse link through {target}", including("up/etc/hostname"), beside={"up": link(target)})
    yield Case("reuse link inside", including("l.yaml"), "fine", {"i.yaml": ONE.encode(), "l.yaml": link("i.yaml")})


def _circles() -> Iterator[Case]:
    yield Case("reuse circle of one", including("r.yaml"))
    yield Case("reuse circle of one by a link", including("l.yaml"), beside={"l.yaml": link("r.yaml")})
    for count in (2, 3, 50):
        ring = {f"c{at}.yaml": including(f"c{(at + 1) % count}.yaml", text=ONE) for at in range(count)}
        yield Case(f"reuse circle of {count}", including("c0.yaml"), beside=ring)
        back = {**ring, f"c{count - 1}.yaml": including("r.yaml", text=ONE)}
        yield Case(f"reuse circle of {count} through the recipe", including("c0.yaml"), beside=back)
    yield Case("reuse circle of combining itself", combining("[r.yaml]"))
    both = {"r1.yaml": combining("[r.yaml]"), "r2.yaml": including("r.yaml", text=ONE)}
    yield Case("reuse circle through combining", combining("[r1.yaml]"), beside=both)
    yield Case("reuse circle through combining and including", combining("[r2.yaml]"), beside=both)
    yield Case(
        "reuse circle by links in circles",
        including("a.yaml"),
        beside={"a.yaml": link("b.yaml"), "b.yaml": link("a.yaml")},
    )


def _chain(length: int, last: bytes) -> dict[str, bytes]:
    """Files of which each includes the next."""
    made = {f"c{at}.yaml": including(f"c{at + 1}.yaml", text=f"vars: {{v{at}: 1}}\n") for at in range(1, length)}
    return {**made, f"c{length}.yaml": last}


def _many() -> Iterator[Case]:
    for count in (64, 65, 200, 201):
        files = {f"i{at}.yaml": f"vars: {{v{at}: 1}}\n".encode() for at in range(count)}
        yield Case(f"reuse includes {count}", including(*files), "fine" if count <= 200 else "refused", files)
        yield Case(
            f"reuse chain of {count}",
            including("c1.yaml"),
            "fine" if count <= 64 else "refused",
            _chain(count, ONE.encode()),
        )
        parts = {f"c{at}.yaml": combining(f"[c{at + 1}.yaml]") for at in range(1, count)}
        yield Case(
            f"reuse chain of combining {count}",
            combining("[c1.yaml]"),
            "refused",
            {**parts, f"c{count}.yaml": part("last")},
        )
        same = {f"p{at}.yaml": part(f"p{at}") for at in range(count)} if count < 100 else {}
        yield Case(f"reuse combines {count}", combining(f"[{', '.join(same)}]"), "either", same)
    yield Case("reuse the same file 200 times", including(*["i.yaml"] * 200), "fine", {"i.yaml": ONE.encode()})
    yield Case("reuse the same file 5000 times", including(*["i.yaml"] * 5000), "refused", {"i.yaml": ONE.encode()})
    doubled = {f"d{at}.yaml": including(*[f"d{at + 1}.yaml"] * 2, text=ONE) for at in range(39)}
    yield Case("reuse diamonds", including("d0.yaml"), "either", {**doubled, "d39.yaml": ONE.encode()})
    large = ("vars: {" + ", ".join(f"v{at}: 1" for at in range(51_000)) + "}\n").encode()
    yield Case("reuse a large file through a chain", including("c1.yaml"), "refused", _chain(199, large))
    yield Case("reuse a large file 200 times", including(*["i.yaml"] * 200), "refused", {"i.yaml": large})
    files = {f"i{at}.yaml": large for at in range(100)}
    yield Case("reuse large files", including(*files), "refused", files)
    wide = ("vars: {" + ", ".join(f"v{at}: {{a: 1}}" for at in range(25_000)) + "}\n").encode()
    yield Case("reuse a wide file 200 times", including(*["i.yaml"] * 200), "refused", {"i.yaml": wide})
    listed = ("vars: {l: [" + ", ".join("1" for _ in range(101_000)) + "]}\n").encode()
    commented = {f"i{at}.yaml": ONE.encode() + b"#" * (2**20 - 100) for at in range(200)}
    yield Case("reuse large comments", including(*commented), "refused", commented)
    files = {f"i{at}.yaml": listed for at in range(50)}
    yield Case("reuse large lists", including(*files), "refused", files)


def _texts() -> Iterator[Case]:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    texts = {
        "anchor bomb": bomb.encode(), "anchors just allowed": ("vars: {a: &a [" + "1, " * 900 + "1], " + ", ".join(f"b{i}: *a" for i in range(10)) + "}").encode(), "NUL": b"vars: {a: \0}", "BOM alone": b"\xef\xbb\xbf",
        "invalid UTF-8": b"vars: {a: \xff}", "half a surrogate": b"vars: {a: \xed\xa0\x80}", "utf-16": ONE.encode("utf-16"), "tabs": b"vars:\n\ta: 1", "empty": b"", "comment": b"# nothing", "list": b"[vars]", "scalar": b"vars", "number": b"5", "null": b"~",
        "duplicates": b"vars: {a: 1}\nvars: {b: 1}", "duplicate includes": b"include: [x]\ninclude: [y]", "deep": b"vars: " + b"[" * 100_000, "deep mapping": b"vars: " + b"{a: " * 39 + b"1" + b"}" * 39, "deeper mapping": b"vars: " + b"{a: " * 41 + b"1" + b"}" * 41, "documents": b"vars: {}\n---\nvars: {}",
        "tag": b"vars: !!python/object:os.system {}", "merge key": b"vars: {<<: {a: 1}}", "unknown": b"colour: red", "another language": b"recipe: 2", "no language": b"recipe: one", "a language's null": b"recipe: ~\ngoal: 5", "a mapping for a key": b"{a: 1}: 2", "alias of nothing": b"vars: *a", "alias of itself": b"vars: &a [*a]",
        "a long line": b"vars: {a: " + b"x" * 900_000 + b"}", "a long key": b"vars: {" + b"k" * 900_000 + b": 1}", "a long number": b"vars: {a: " + b"9" * 5000 + b"}", "directive": b"%YAML 9.9\n---\nvars: {}", "wrong everything": b"".join(b"k%d: 1\n" % at for at in range(50_000)),
    }  # fmt: skip
    for name, text in texts.items():
        wanted = "either" if name in ("anchors just allowed", "a language's null") else "refused"
        yield Case(f"reuse text {name}", including("i.yaml"), wanted, {"i.yaml": text})
        yield Case(
            f"reuse text combined {name}",
            combining("[r1.yaml, i.yaml]"),
            "refused",
            {"r1.yaml": part("one"), "i.yaml": text},
        )
    for name, text in {
        "BOM": b"\xef\xbb\xbf" + ONE.encode(),
        "CRLF": b"vars:\r\n  more: 1\r\n",
        "CR": b"vars:\r  more: 1\r",
    }.items():
        yield Case(f"reuse text {name}", including("i.yaml"), "fine", {"i.yaml": text})


def _lists() -> Iterator[Case]:
    for value in (
        "5", "5.5", "~", "true", "[~]", "[5]", "[[i.yaml]]", "[i.yaml, [i.yaml]]", "{i.yaml: 1}", "[{i.yaml: 1}]", "''", "[' ']", "[]", "{}", "'{{ name }}'", "['{{ name }}']", ".nan", "!!binary aQ==", "&a [*a]",
    ):  # fmt: skip
        wanted = "either" if value == "~" else "refused"
        yield Case(f"reuse include: {value}", f"include: {value}\n{RIGHT}".encode(), wanted, {"i.yaml": ONE.encode()})
        yield Case(f"reuse combine: {value}", combining(value), "refused", {"i.yaml": part("one")})
        yield Case(
            f"reuse combined recipes: {value}",
            combining(f"{{recipes: {value}}}"),
            "fine" if value == "{i.yaml: 1}" else "refused",
            {"i.yaml": part("one")},
        )


def _merged() -> Iterator[Case]:
    base = {"i.yaml": RIGHT.encode()}
    for name, text, wanted in (
        ("question", "questions: {aligned: ~}", "refused"), ("ask", "questions: {aligned: {ask: ~}}", "refused"), ("answer", "questions: {aligned: {answer: ~}}", "refused"), ("visual", "visuals: {ruler: ~}", "refused"),
        ("variable", "vars: {height: ~}", "refused"), ("vars", "vars: ~", "refused"), ("critics", "critics: ~", "refused"), ("critic", "critics: {eyes: ~}", "refused"), ("model", "critics: {eyes: {model: ~}}", "refused"), ("judge", "judges: ~", "refused"), ("generator", "generator: ~", "refused"), ("prompts", "prompts: ~", "refused"), ("train", "prompts: {train: ~}", "refused"), ("questions", "questions: ~", "refused"), ("measures", "measures: ~", "refused"), ("recipe", "recipe: ~", "refused"), ("name", "name: ~", "refused"), ("list", "prompts: {train: {for: {color: ~}}}", "refused"),
        ("nothing", "vars: {other: ~}", "either"), ("nothing of nothing", "stay: {weight: ~}", "either"), ("goal", "goal: ~", "fine"), ("expect", "expect: ~", "fine"), ("no such question", "questions: {other: ~}", "either"), ("no such question's part", "questions: {other: {see: ~}}", "refused"),
    ):  # fmt: skip
        yield Case(f"reuse removed {name}", including("i.yaml", text=text), wanted, base)
    for name, text in {
        "mapping over a list": "prompts: {test: {file: x.txt}}", "mapping over a text": "questions: {aligned: {answer: {a: 1}}}", "list over a mapping": "questions: [aligned]", "text over a mapping": "questions: aligned", "number over a mapping": "vars: 5", "list over a text": "name: [a]", "mapping over a wording": "questions: {aligned: {ask: {0: x}}}",
        "two kinds": "visuals: {ruler: {image: x.png, palette: [red]}}", "another kind": "visuals: {ruler: {image: nothing.png}}", "half a kind": "visuals: {ruler: {opacity: 2}}", "together": "prompts: {union: {a: {train: [x]}}}",
    }.items():  # fmt: skip
        yield Case(
            f"reuse merged {name}", including("i.yaml", text=text), "fine" if name == "together" else "refused", base
        )
        yield Case(
            f"reuse merged back {name}",
            f"include: [i.yaml, j.yaml, i.yaml]\n{text}\n".encode(),
            "fine" if name == "together" else "refused",
            {**base, "j.yaml": text.encode()},
        )


def _combined() -> Iterator[Case]:
    two = {"r1.yaml": part("one"), "r2.yaml": part("two")}
    yield Case("reuse combined right", combining("[r1.yaml, r2.yaml]"), "fine", two)
    yield Case("reuse combined one", combining("[r1.yaml]"), "fine", two)
    yield Case("reuse combined twice", combining("[r1.yaml, r1.yaml]"), "refused", two)
    for weight in (
        ".nan",
        ".inf",
        "-.inf",
        "-1",
        "0",
        "-0.0",
        "1e309",
        "1e308",
        "x",
        "true",
        "~",
        "[1]",
        "{a: 1}",
        "9" * 400,
        "'{{ x }}'",
        "''",
    ):
        wanted = "either" if weight == "1e308" else "refused"
        yield Case(f"reuse weight {weight[:12]}", combining(f"{{r1.yaml: {weight}, r2.yaml: 1}}"), wanted, two)
        yield Case(
            f"reuse weight of recipes {weight[:12]}",
            combining(f"{{recipes: {{r1.yaml: {weight}}}, prompts: union}}"),
            wanted,
            two,
        )
    heavy = {**two, "r1.yaml": part("one", ("hold: 0.75", "hold: 0.75\n    weight: 1e308"))}
    yield Case("reuse weight past all numbers", combining("{r1.yaml: 1e308, r2.yaml: 1}"), "refused", heavy)
    large = {**two, "r1.yaml": part("one", ("hold: 0.75", "hold: 0.75\n    weight: " + "9" * 399))}
    yield Case(
        "reuse weight of a whole number past all numbers", combining("{r1.yaml: 0.5, r2.yaml: 1}"), "refused", large
    )
    for word in (
        "intersection",
        "Union",
        "UNION",
        "~",
        "5",
        "[union]",
        "{union: 1}",
        "''",
        "'{{ x }}'",
        "true",
        "x" * 100_000,
    ):
        yield Case(
            f"reuse prompts: {word[:20]}",
            combining(f"{{recipes: {{r1.yaml: 1, r2.yaml: 1}}, prompts: {word}}}"),
            "refused",
            two,
        )
    yield Case("reuse combined unknown key", combining("{recipes: {r1.yaml: 1}, weights: 1}"), "refused", two)
    yield Case(
        "reuse combined same name",
        combining("[r1.yaml, r2.yaml]"),
        "refused",
        {"r1.yaml": part("one"), "r2.yaml": part("one")},
    )
    yield Case(
        "reuse combined same scope",
        combining("[r1.yaml, r2.yaml]"),
        "refused",
        {"r1.yaml": part("a-b"), "r2.yaml": part("a_b")},
    )
    yield Case(
        "reuse combined another language",
        combining("[r1.yaml, r2.yaml]"),
        "refused",
        {**two, "r2.yaml": part("two", ("recipe: 1", "recipe: 2"))},
    )
    yield Case(
        "reuse combined combination",
        combining("[r.1.yaml, r1.yaml]"),
        "refused",
        {**two, "r.1.yaml": combining("[r1.yaml, r2.yaml]").replace(b"both", b"other")},
    )
    for name in (
        '""',
        '" "',
        "5",
        "~",
        "[a]",
        "{a: 1}",
        '"a.b"',
        '"a b"',
        '"one\\n"',
        '"\\e[31m"',
        '"\\0"',
        '"{{ x }}"',
        '"é"',
        '"../x"',
        '"__class__"',
        '"prompt"',
        '"height"',
        '"-a"',
        '"1a"',
        "a" * 65,
        "a" * 100_000,
    ):
        wanted = "fine" if name in ('"__class__"', '"prompt"', '"height"') else "refused"
        yield Case(
            f"reuse part called {name[:12]} {len(name)}",
            combining("[r1.yaml, i.yaml]"),
            "either" if wanted == "fine" else wanted,
            {"r1.yaml": part("one"), "i.yaml": part(name)},
        )
    yield Case(
        "reuse part without a name",
        combining("[r1.yaml, i.yaml]"),
        "refused",
        {"r1.yaml": part("one"), "i.yaml": RIGHT.replace("name: horizon_low\n", "").encode()},
    )
    hiding = "vars: {one: 5, two: [1]}\n"
    yield Case("reuse combined hidden variables", combining("[r1.yaml, r2.yaml]", hiding), "refused", two)
    yield Case(
        "reuse combined variables of nobody", combining("[r1.yaml, r2.yaml]", "vars: {three: {a: 1}}\n"), "refused", two
    )
    yield Case(
        "reuse combined variables named as parts",
        combining("[r1.yaml, r2.yaml]"),
        "either",
        {**two, "r1.yaml": part("one", ("height: 0.80", "height: 0.80, two: 1"))},
    )
    yield Case(
        "reuse combined parts without questions",
        combining("[r1.yaml, r2.yaml]"),
        "refused",
        {"r1.yaml": b"name: one\n", "r2.yaml": b"name: two\n"},
    )
    for name, old, new in (
        ("generators", "./generator}", './generator, negative: "\\e[31m"}'), ("long negatives", "./generator}", f"./generator, negative: {'x' * 500_000}}}"), ("critics", "./critic}", './critic, device: "\\e[31m"}'), ("sections", "generator: {model: ./generator}", "generator: [1]"), ("sections of text", "generator: {model: ./generator}", "generator: x"),
        ("critics listed", "critics:\n  eyes: {model: ./critic}", "critics: [eyes]"), ("questions listed", "questions:\n", "questions: []\nquestion:\n"), ("visuals of text", "visuals:\n", "visuals: x\nvisual:\n"), ("prompts of text", "prompts:\n", "prompts: x\nprompt:\n"), ("stop of text", "goal:", "train: {stop: x}\ngoal:"), ("stop of lists", "goal:", "train: {stop: {p: [1], judge: [2], patience: [3]}}\ngoal:"), ("goal of text", "goal: {measure: horizon, question: aligned}", "goal: x"),
        ("stop of judges", "goal:", "train: {stop: {judge: {second: {aligned: 0.9}, nobody: 5}}}\ngoal:"), ("expect of text", "horizon: {at_least: 0.9}", "horizon: x"), ("vars listed", "vars: {height: 0.80}", "vars: [height]"), ("steps", "goal:", "train: {steps: .nan}\ngoal:"), ("a deep train", "goal:", "train: " + "{a: " * 38 + "1" + "}" * 38 + "\ngoal:"), ("names with dots", "  ruler:", "  a.b:"), ("names with many dots", "  aligned:", "  a.b.c.d:"), ("critics of a question", "see: ruler", "see: [ruler, 5, ~]\n    critics: [5, ~]"),
    ):  # fmt: skip
        yield Case(
            f"reuse combined odd {name}",
            combining("[r1.yaml, r2.yaml]"),
            "either" if name.startswith(("stop", "goal")) else "refused",
            {**two, "r2.yaml": part("two", (old, new))},
        )
        yield Case(
            f"reuse combined all odd {name}",
            combining("[r1.yaml, r2.yaml]"),
            "either",
            {"r1.yaml": part("one", (old, new)), "r2.yaml": part("two", (old, new))},
        )


def _crossed() -> Iterator[Case]:
    cross = "{recipes: {r1.yaml: 1, r2.yaml: 1}, prompts: cross}"
    plain = (("Is there a {{ color }} {{ thing }}?", "Is it there?"),)

    def of(one: str, two: str) -> dict[str, bytes]:
        return {"r1.yaml": part("one", *plain, prompts=one), "r2.yaml": part("two", *plain, prompts=two)}

    def product(first: str, second: str, count: int) -> str:
        lists = f"{first}: [{', '.join(map(str, range(count)))}], {second}: [{', '.join(map(str, range(count)))}]"
        return f'{{train: {{template: "p{{{{ {first} }}}} {{{{ {second} }}}}", for: {{{lists}}}}}, test: [x]}}'

    yield Case("reuse crossed", combining(cross), "fine", of("{train: [a, b, c]}", "{train: [d, e, f]}"))
    disagreeing = "{{train: [{{prompt: a, color: {0}}}, {{prompt: b, color: {0}}}]}}"
    yield Case(
        "reuse crossed and disagreeing",
        combining(cross),
        "refused",
        of(disagreeing.format("red"), disagreeing.format("blue")),
    )
    yield Case(
        "reuse crossed and disagreeing in kind",
        combining(cross),
        "either",
        of(disagreeing.format("1"), disagreeing.format("true")),
    )
    yield Case(
        "reuse crossed lists",
        combining(cross),
        "either",
        of(disagreeing.format("[1, 2]"), disagreeing.format("[1, 2]")),
    )
    yield Case(
        "reuse crossed 10^4 with 10^4", combining(cross), "refused", of(product("a", "b", 100), product("c", "d", 100))
    )
    yield Case(
        "reuse crossed 10^4 with as many that agree nowhere",
        combining(cross),
        "either",
        of(product("a", "b", 100), product("a", "c", 100)),
    )
    yield Case(
        "reuse united 10^4 with 10^4",
        combining("[r1.yaml, r2.yaml]"),
        "either",
        of(product("a", "b", 100), product("c", "d", 100)),
    )
    many = {f"p{at}.yaml": part(f"p{at}", *plain, prompts="{train: [a, b, c, d], test: [x]}") for at in range(20)}
    yield Case(
        "reuse crossed twenty of four",
        combining(f"{{recipes: {{{', '.join(f'{name}: 1' for name in many)}}}, prompts: cross}}"),
        "either",
        many,
    )
    apart = {
        f"p{at}.yaml": part(f"p{at}", *plain, prompts=f"{{train: [a{at}, b{at}, c{at}, d{at}], test: [x]}}")
        for at in range(20)
    }
    yield Case(
        "reuse crossed twenty that differ",
        combining(f"{{recipes: {{{', '.join(f'{name}: 1' for name in apart)}}}, prompts: cross}}"),
        "refused",
        apart,
    )
    long = "{train: [" + ", ".join("x" * 8000 + str(at) for at in range(100)) + "], test: [x]}"
    yield Case(
        "reuse crossed long prompts",
        combining(cross),
        "either",
        of(long, long.replace("x", "y").replace("test: [y]", "test: [x]")),
    )
    yield Case("reuse crossed nothing", combining(cross), "refused", of("{train: []}", "{train: [a]}"))
    yield Case("reuse crossed without prompts", combining(cross), "refused", of("~", "~"))


def _sets() -> Iterator[Case]:
    base = {"i.yaml": RIGHT.encode(), "r1.yaml": part("one"), "r2.yaml": part("two")}
    removing = including("i.yaml", text="vars: ~\nmeasures: ~\ngoal: ~\nexpect: ~\n")
    for at, sets in enumerate((
        ("vars.height=0.8",), ("measures.horizon.within=0.06",), ("include=[i.yaml]",), ("include=~",), ("include.0=x",), ("combine=[r1.yaml]",), ("combine.prompts=cross",), ("vars=~",), ("vars.height=~",), ("goal.measure=horizon",),
    )):  # fmt: skip
        yield Case(f"reuse set {at} on what is removed", removing, "either", base, sets)
    for at, sets in enumerate((
        ("questions.one.aligned.ask=~",), ("questions.one.aligned=~",), ("questions.one=~",), ("questions.one.aligned.weight=-1",), ("vars.one.height={{ x }}",), ("vars.one=5",), ("vars.one=~",), ("prompts.union=~",), ("prompts.union.one=~",), ("prompts.cross={}",), ("combine=~",), ("combine.recipes={}",), ("name=one",), ("vars.one.height.a=1",), ("prompts.union.one.train=[]",),
    )):  # fmt: skip
        yield Case(f"reuse set {at} on what is combined", combining("[r1.yaml, r2.yaml]"), "either", base, sets)
