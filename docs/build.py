"""Builds the docs: Markdown to plain HTML pages under build/docs, refusing links that lead nowhere and stale pages.

With `--write` it first writes anew what reference.md says of the language's keys, performance.md and composing.md of
the benches' figures, models.md of models' sizes, export.md of what reads which file, and world.md of the embedded
world; without, it refuses what is stale.
"""

from __future__ import annotations

import html
import itertools
import os
import re
import sys
from pathlib import Path

import composing_page
import exports
import gallery_page
import performance
import reference
import sizes
import world_pages
from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
FIRST = ("tutorial.md", "recipes.md", "reference.md", "commands.md")  # the others follow by name
OTHERS = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name not in FIRST)
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / name for name in FIRST),
    *OTHERS,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
]
REFERENCE = ROOT / "docs" / "reference.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
MODELS = ROOT / "docs" / "models.md"
EXPORT = ROOT / "docs" / "export.md"
COMPOSING = ROOT / "docs" / "composing.md"
STYLE = """body { font: 17px/1.6 system-ui, sans-serif; max-width: 46rem;
margin: 3rem auto; padding: 0 1.2rem; color: #20262e; }
pre { background: #f5f3ee; padding: 1rem; overflow-x: auto; border-radius: 8px; } code { font-size: .88em; }
nav a { margin-right: 1rem; } img { max-width: 100%; }
table { border-collapse: collapse; } td, th { padding: .35rem .9rem .35rem 0;
text-align: left;
vertical-align: top; border-bottom: 1px solid #e4e1d9; } a { color: #14746f; } h1, h2, h3 { line-height: 1.2; }"""


def anchor(title: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def headings(text: str) -> set[str]:
    """Anchors of all headings of a page."""
    tokens = MarkdownIt().parse(text)
    return {anchor(tokens[i + 1].content) for i, token in enumerate(tokens) if token.type == "heading_open"}


def links(text: str) -> list[str]:
    """Targets of all links and pictures of a page."""
    children = [child for token in MarkdownIt().enable("table").parse(text) for child in token.children or []]
    return [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for child in children
        if child.type in ("link_open", "image")
    ]


def broken(page: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere in this checkout; addresses on the web are not asked."""
    wrong: list[str] = []
    for link in links(text):
        if re.match(r"https?://", link):
            continue
        name, _, part = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (part and target.suffix == ".md" and part not in headings(target.read_text("utf-8"))):
            wrong.append(f"{page.relative_to(ROOT)}: {link} leads nowhere")
    return wrong


def build(folder: Path) -> list[str]:
    """Write every page as HTML; returns what is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {page: "index.html" if page.name == "README.md" else f"{page.stem.lower()}.html" for page in PAGES}
    nav = " ".join(f'<a href="{name}">{html.escape(page.stem.lower())}</a>' for page, name in names.items())
    wrong = reference.wrong(REFERENCE.read_text(encoding="utf-8")) + gallery_page.stale()
    wrong += performance.wrong(PERFORMANCE.read_text(encoding="utf-8"))
    wrong += sizes.wrong(MODELS.read_text(encoding="utf-8"))
    wrong += exports.wrong(EXPORT.read_text(encoding="utf-8"))
    wrong += composing_page.wrong(COMPOSING.read_text(encoding="utf-8"))
    wrong += world_pages.wrong(world_pages.PAGE.read_text(encoding="utf-8"))
    for page, name in names.items():
        text = page.read_text(encoding="utf-8")
        wrong += broken(page, text)
        body = _linked(_render(text), page.parent, folder, names)
        title = html.escape(next(iter(re.findall(r"^# (.+)$", text, re.MULTILINE)), page.stem))
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
        page_text = f"<!doctype html><html lang=en>{head}<style>{STYLE}</style><nav>{nav}</nav>{body}</html>"
        (folder / name).write_text(page_text, encoding="utf-8")
    return wrong


def _linked(text: str, base: Path, folder: Path, names: dict[Path, str]) -> str:
    """A page whose links, from `base`, lead from the pages' folder: to other pages, or to files of the checkout."""

    def address(link: re.Match[str]) -> str:
        target = (base / link[2]).resolve()
        return f'{link[1]}="{names.get(target) or os.path.relpath(target, folder)}'

    return re.sub(r'(href|src)="(?!https?:)([^"#]+)', address, text)


def _render(text: str) -> str:
    """HTML whose headings, and whose rows of keys, can be linked to."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(re.sub(r"^<!-- .*? -->\n", "", text, flags=re.MULTILINE))
    for token, inner in itertools.pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(inner.content))
    made = markdown.renderer.render(tokens, markdown.options, {})
    return re.sub(r"<tr>\n<td><code>([a-z]\w*\.[\w.]+)</code>", r'<tr id="\1">\n<td><code>\1</code>', made)


if __name__ == "__main__":
    if "--write" in sys.argv:
        REFERENCE.write_text(reference.renewed(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
        performance.write(PERFORMANCE)
        MODELS.write_text(sizes.renewed(MODELS.read_text(encoding="utf-8")), encoding="utf-8")
        EXPORT.write_text(exports.renewed(EXPORT.read_text(encoding="utf-8")), encoding="utf-8")
        composing_page.write(COMPOSING)
        world_pages.write()
    problems = build(ROOT / "build" / "docs")
    sys.exit("\n".join(problems) or None)
