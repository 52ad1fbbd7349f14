"""What an import costs: who reads a catalog or fits directions needs no cluster, no face detector and no diffusion library."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

HEAVY = ("ray", "facenet_pytorch", "diffusers", "torchvision")
LIGHT = {  # and what else is not loaded
    "pipeline.catalog": ("torch", "pandas", "scipy"),
    "pipeline.catalog.card": ("torch",),
    "pipeline.catalog.compare.page": ("torch",),
    "pipeline.catalog.direction_catalog": ("torch", "sklearn", "scipy", "jinja2", "obstore", "huggingface_hub"),
    "pipeline.catalog.direction_edit": ("torch",),
    "pipeline.catalog.editing": ("sklearn", "scipy", "jinja2"),
    "pipeline.catalog.merge.merged": ("torch",),
    "pipeline.catalog.explorer.site": ("torch",),
    "pipeline.engine.runner": ("torch", "pandas", "scipy"),
    "pipeline.engine.pool": ("torch", "pandas", "scipy"),
    "pipeline.estimators.pca": ("pandas",),
    "pipeline.estimators.linear": (),
    "pipeline.metrics.effects": ("torch",),
    "pipeline.annotators.registry": ("torch", "pandas"),
    "schemas.run": ("torch", "pandas", "pyarrow"),
    "jobs.compare": ("torch",),
    "jobs.directions": ("transformers", "torchmetrics"),  # --help and wrong arguments need none of them
    "jobs.export": ("torch", "huggingface_hub"),
    "jobs.merge": ("torch",),
}


@pytest.mark.parametrize("module", LIGHT)
def test_an_import_loads_nothing_that_it_has_no_use_for(module):
    unwanted = (*HEAVY, *LIGHT[module])
    code = f"import sys, {module}; print([name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_an_annotator_is_imported_when_it_is_asked_for():
    code = (
        "import sys\n"
        "from pipeline.annotators.registry import annotator\n"
        "before = 'facenet_pytorch' in sys.modules\n"
        "annotator('mtcnn')\n"
        "print(before, 'facenet_pytorch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
