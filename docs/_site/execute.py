"""A notebook, run from its first cell to its last in a folder of its own: `make notebook` stores with it what it shows.

Stored are tables, pictures and what is printed; not what libraries say on the way, nor when it was run. So a reader sees what comes
out, on the site and on a code host, and the file changes when that does. A test runs it in the same way.
"""

import base64
import io
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parents[2]
PATIENCE = 600  # seconds for a cell


def executed(notebook: Path, folder: Path) -> nbformat.NotebookNode:
    """Return a notebook with its outputs, run in a folder by this Python. Raises CellExecutionError where a cell fails."""
    node = nbformat.read(notebook, as_version=4)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
    client = NotebookClient(node, timeout=PATIENCE, resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment)
    return node


def presentable(node: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return it without what differs from run to run and says nothing."""
    for cell in node.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
            for each in cell.outputs:
                if "data" in each:
                    each["data"] = _small(each["data"])
    node.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    return node


def _small(data: dict[str, str]) -> dict[str, str]:
    """What a cell shows in the one form that is read: a picture as JPEG, a fifth as large, or a table without its style sheet."""
    if "image/png" in data:
        jpeg = io.BytesIO()
        Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB").save(jpeg, "JPEG", quality=88)
        return {"image/jpeg": base64.b64encode(jpeg.getvalue()).decode()}
    if "text/html" in data:
        before, _, rest = data["text/html"].partition("<style")
        return {"text/html": before + rest.partition("</style>")[2].lstrip("\n") if rest else data["text/html"]}
    return data


if __name__ == "__main__":
    file = Path(sys.argv[1])
    with TemporaryDirectory() as elsewhere:
        done = presentable(executed(file, Path(elsewhere)))
    nbformat.write(done, file)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")
