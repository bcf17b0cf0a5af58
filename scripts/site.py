"""Hooks of mkdocs: add the pages that are made from the code, and resolve links that leave the documentation.

Every generated page exists only while the site is built, so that none of them can be stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kit.evals.figures import read_figures  # noqa: E402
from scripts.reference import commands, decisions, http, python, recipe  # noqa: E402

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

GENERATED: dict[str, Callable[[], str]] = {
    "reference/recipe.md": recipe.page,
    "reference/commands.md": commands.page,
    "reference/http.md": http.page,
    "reference/python.md": python.page,
    "decisions/index.md": decisions.page,
}
# Pages of the repository that are part of the site, by their place in it.
PUBLISHED = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "kit/base/nano/README.md": "nano.md",
    **{f"templates/{name}/README.md": f"guides/template-{name}.md" for name in http.template_names()},
    **{
        f"templates/{name}/FIGURES.md": f"figures/{name}.md"
        for name in http.template_names()
        if (ROOT / "templates" / name / "FIGURES.md").is_file()
    },
}
_FIGURES = re.compile(r"^<!-- figures of (?P<page>\S+): (?P<name>[\w-]+) -->$", re.MULTILINE)
_LINK = re.compile(r"(?P<bang>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")
_ITEM = re.compile(r"^\d+\. ")
_CODE = re.compile(r"^ *```.*?^ *```|`[^`\n]+`", re.DOTALL | re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the decisions and the repository's own pages into the navigation."""
    for section in config.nav or []:
        if "Decisions" in section:
            section["Decisions"] = ["decisions/index.md", *(f"decisions/{path.name}" for path in decisions.paths())]
        if "Guides" in section:
            section["Guides"] += [place for place in PUBLISHED.values() if place.startswith("guides/")]
        if "Measured" in section:
            section["Measured"] += ["nano.md", *(place for place in PUBLISHED.values() if place.startswith("figures/"))]
        if "How it works" in section:
            section["How it works"] += ["contributing.md", "changelog.md"]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and those of the repository."""
    texts = {place: make() for place, make in GENERATED.items()}
    texts |= {place: (ROOT / source).read_text(encoding="utf-8") for source, place in PUBLISHED.items()}
    for place, text in texts.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Insert figures of other pages, and resolve links that leave the documentation."""
    place = page.file.src_uri
    origin = {published: source for source, published in PUBLISHED.items()}.get(place, f"docs/{place}")
    with_figures = _FIGURES.sub(lambda found: read_figures(ROOT / found["page"], found["name"]), markdown)
    return _outside_code(
        _indented(with_figures), lambda text: _LINK.sub(lambda found: _resolved(found, origin, place), text)
    )


def _indented(markdown: str) -> str:
    """Write numbered lists as mkdocs needs them: four columns of indent, an empty line after an item with blocks."""
    lines: list[str] = []
    inside = blocks = False
    for line in markdown.splitlines():
        belongs = inside and line.startswith("   ")
        blocks = inside and (blocks or (belongs and not lines[-1]))
        if _ITEM.match(line):
            lines += [""] if blocks and lines[-1] else []
            blocks = False
        inside = bool(_ITEM.match(line)) or belongs or (inside and not line)
        lines.append(f" {line}" if belongs else line)
    return "\n".join(lines) + "\n"


def _outside_code(markdown: str, change: Callable[[str], str]) -> str:
    kept, end = [], 0
    for code in _CODE.finditer(markdown):
        kept += [change(markdown[end : code.start()]), code.group()]
        end = code.end()
    return "".join([*kept, change(markdown[end:])])


def _resolved(found: re.Match[str], origin: str, place: str) -> str:
    """Return a link to a page of the site, or the path as text where the file is not part of it."""
    source = normpath(str(PurePosixPath(origin).parent / found["target"]))
    published = PUBLISHED.get(source)
    if published is None and source.startswith("docs/"):
        published = source.removeprefix("docs/")
    if published is None:
        return f"{found['text']} (`{source}`)" if (ROOT / source).exists() else found.group()
    if published.startswith("decisions") and (ROOT / source).is_dir():
        published = "decisions/index.md"
    target = relpath(published, str(PurePosixPath(place).parent))
    return f"{found['bang']}[{found['text']}]({target}{found['anchor'] or ''})"
