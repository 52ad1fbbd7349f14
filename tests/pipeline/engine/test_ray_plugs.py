"""Plugs that live outside the package, and what they import, are found by Ray's workers as by the process that started them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.annotators import outside

ROOT = Path(__file__).parents[3]

CODE = """
import json, os, sys, types
from dataclasses import dataclass
from pathlib import Path

from pipeline.annotators.registry import annotator, mask
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.runner import run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.locality import Locality
from pipeline.stages.sources.sample import Sample
from tests.pipeline.engine.test_ray_pool import Borrowed, Silent
from tests.pipeline.planted_generator import PlantedFinder, PlantedModel

root, elsewhere = map(Path, sys.argv[1:])
sys.path.append(str(elsewhere))  # as a notebook does
sample = Sample(PlantedModel(), 20, steps=1, eta=0.0, batch=10)
plugs = tuple(map(annotator, ("outside_plugs:shades", "outside_plugs:bold", "added_later:light")))
edit = Edit(sample, (PlantedFinder(((1.0, 0, 0, 0, 0),), ("alpha",)),), (1.0,), n=4)
regions = tuple(map(mask, ("outside_plugs:middle", "outside_plugs:Border")))
goals = Annotate(sample, plugs), Embed(sample, plugs[1]), Locality(edit, regions)

pool = RayPool(2)
stores = Store(root / "ray"), Store(root / "process")
for store, opened in zip(stores, (lambda: Borrowed(pool), InProcess)):
    run(plan(goals, store), store, opened, Silent())
sums = [[store.record(goal, part)["files"] for goal in goals for part in range(goal.n_parts)] for store in stores]
own = os.getpid() in {stores[0].record(goals[0], part)["made"]["pid"] for part in range(2)}

gone = types.ModuleType("only_here")
sys.modules["only_here"] = gone
exec((elsewhere / "added_later.py").read_text(), vars(gone))
try:
    store = stores[0]
    run(plan((Annotate(sample, (gone.light,)),), store), store, lambda: Borrowed(pool), Silent())
    told = ""
except UserError as error:
    told = str(error)
pool.close()
print(json.dumps({"same": sums[0] == sums[1], "parts": len(sums[0]), "own": own, "told": told}))
"""

LATER = """
from pipeline.annotators import attributes

@attributes("light", version=1)
def light(images):
    return images.mean(axis=(1, 2, 3))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    """What a process found that stands in the folder of its plugs, and has that folder on no path."""
    folder, elsewhere, root = (tmp_path_factory.mktemp(name) for name in ("plugs", "elsewhere", "root"))
    outside.write(folder)
    (elsewhere / "added_later.py").write_text(LATER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", CODE, str(root), str(elsewhere)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_workers_make_the_same_bytes_with_plugs_of_ones_own(found):
    assert found["same"] and found["parts"] == 5 and not found["own"]


def test_a_module_that_workers_do_not_find_is_named(found):
    assert found["told"].startswith("The workers find no module 'only_here', which this process has.\nEvery machine")
