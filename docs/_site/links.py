"""Links that lead out of docs/, to source files and the documents at the top, lead to pages of the site, which needs no code host.

What is linked to becomes a page below source/: a document as it is, a file with its lines, a folder with what is in it. Links there
are followed in the same way. A link to what does not exist is a warning, which ends a strict build.
"""

import logging
import re
from os.path import normpath, relpath
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
SOURCE = "source"
LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".json": "json", ".sh": "bash"}
PICTURES = (".png", ".jpg", ".svg")

CODE = re.compile(r"(^ *(?:```|~~~).*?^ *(?:```|~~~) *$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")

log = logging.getLogger("mkdocs.hooks.links")
origins: dict[str, str] = {}  # of a page below source/: the path of what it shows


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for all that pages link to outside docs/, and for what those link to."""
    origins.clear()
    pages = [(f"docs/{file.src_uri}", file.content_string) for file in files.documentation_pages()]
    while pages:
        path, text = pages.pop()
        for link in links(text):
            target = normpath(f"{Path(path).parent}/{link}")
            if target.startswith("docs/") or page_of(target) in origins:
                continue
            if target.startswith("..") or not (ROOT / target).exists():
                log.warning(f"{path} links to {link}, which does not exist.")
                continue
            origins[page_of(target)] = target
            if target.endswith(PICTURES):
                files.append(File.generated(config, page_of(target), abs_src_path=str(ROOT / target)))
                continue
            files.append(File.generated(config, page_of(target), content=(shown := content(target))))
            if target.endswith(".md") or (ROOT / target).is_dir():
                pages.append((origin(page_of(target)), shown))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links of a page to pages of the site."""
    here = origin(page.file.src_uri)

    def pointed(match: re.Match[str]) -> str:
        before, link, anchor, after = match.groups()
        if "://" in link or link.startswith("mailto:"):
            return match.group()
        target = page_of(normpath(f"{Path(here).parent}/{link}"))
        return f"{before}{relpath(target, Path(page.file.src_uri).parent)}{anchor or ''}{after}"

    return "".join(part if i % 2 else LINK.sub(pointed, part) for i, part in enumerate(CODE.split(markdown)))


def links(markdown: str) -> list[str]:
    """The relative links of a page, without their anchors."""
    plain = "".join(CODE.split(markdown)[::2])
    return [match[2] for match in LINK.finditer(plain) if "://" not in match[2] and not match[2].startswith("mailto:")]


def origin(page: str) -> str:
    """The path, from the root, of what a page of the site is made from; of a folder a path in it."""
    path = origins.get(page, f"docs/{page}")
    return f"{path}/index.md" if (ROOT / path).is_dir() else path


def page_of(path: str) -> str:
    """The page of the site that shows a path of the repository."""
    if path.startswith("docs/"):
        return re.sub(r"\.ipynb$", ".md", path.removeprefix("docs/"))
    if (ROOT / path).is_dir():
        inside = "README.md" if (ROOT / path / "README.md").exists() else "index.md"
        return f"{SOURCE}/{path}/{inside}"
    return f"{SOURCE}/{path}" if path.endswith((".md", *PICTURES)) else f"{SOURCE}/{path}.md"


def content(path: str) -> str:
    """What a page below source/ shows, as Markdown."""
    place = ROOT / path
    if place.is_dir():
        inside = sorted(each.name for each in place.iterdir() if each.name not in ("__pycache__", "__init__.py"))
        return "\n".join([f"# {path}", "", *(f"- [`{name}`]({name})" for name in inside if (place / name).is_file())])
    text = place.read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall(r"`{3,}", text)), 3)
    language = LANGUAGES.get(place.suffix, "text")
    front = f"---\ntitle: {place.name}\nhide: [toc]\nsearch:\n  exclude: true\n---\n\n# {path}\n\n"
    return f'{front}{fence}{{.{language} linenums="1"}}\n{text}\n{fence}\n'
