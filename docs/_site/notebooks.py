"""A notebook of docs/ as a page like any other: its text, its code, and the outputs that it is stored with.

So its links are checked as all others are, and it looks as all others do. The notebook itself lies beside the page.
"""

from html import escape
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook."""
    for file in [each for each in files if each.src_uri.endswith(".ipynb")]:
        name = Path(file.src_uri).name
        notebook = nbformat.reads(file.content_string, as_version=4)
        cells = "\n\n".join(_cell(cell) for cell in notebook.cells)
        download = f'<p class="download"><a href="{name}" download>The notebook itself: {name}</a></p>'
        page = str(Path(file.src_uri).with_suffix(".md"))
        files.append(File.generated(config, page, content=f"{cells}\n\n{download}\n"))
    return files


def _cell(cell: Any) -> str:
    if cell.cell_type == "markdown":
        return str(cell.source)
    return "\n\n".join([f"```python\n{cell.source}\n```", *map(_output, cell.outputs)])


def _output(output: Any) -> str:
    """An output, as raw HTML: a picture, a table, or text."""
    data = output.get("data", {})
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            return f'<p class="output"><img alt="Output of the cell above" src="data:{kind};base64,{data[kind].strip()}"></p>'
    if "text/html" in data:
        return f'<div class="output">\n{data["text/html"]}\n</div>'
    return f'<pre class="output">{escape(output.get("text") or data.get("text/plain", ""))}</pre>'
