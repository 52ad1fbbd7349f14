"""Formulas as MathML, which every browser draws by itself: no script, no font and no other machine.

In the sources they are LaTeX between `$`, as code hosts show them.
"""

import logging
import re
from html import unescape

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
BEFORE_A_STOP = re.compile(r'(<math [^>]*display="inline">(?:(?!</math>).)*</math>)([.,:;)]+)')
TAG = re.compile(r"\\tag\{([^}]*)\}")

log = logging.getLogger("mkdocs.hooks.mathematics")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Convert the formulas of a page. What the converter does not know is a warning, which ends a strict build."""

    def drawn(match: re.Match[str]) -> str:
        display, latex = match[1] == "div", unescape(match[2])
        number = TAG.search(latex)
        mathml = convert(TAG.sub("", latex), display="block" if display else "inline")
        if unknown := re.search(r">(\\[a-zA-Z]+)<", mathml):
            log.warning(f"{page.file.src_uri}: {unknown[1]} is not known, in {latex.strip()}")
        if not display:
            return mathml
        said = f'<span class="number">({number[1]})</span>' if number else ""
        return f'<div class="formula" tabindex="0">{mathml}{said}</div>'

    return BEFORE_A_STOP.sub(r'<span class="together">\1\2</span>', FORMULA.sub(drawn, html))
