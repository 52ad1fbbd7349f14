"""What workers count on Ray is what the dashboard asks for, and arrives where Prometheus would find it."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pipeline.engine import metrics
from pipeline.engine.metrics import COUNTERS, GAUGES, NAMES, PREFIX
from pipeline.phases import PHASES
from tests.pipeline.planted import Numbers, wait_for

ROOT = Path(__file__).parents[3]
DASHBOARD = ROOT / "cluster" / "grafana.json"


@pytest.fixture
def queries() -> list[str]:
    board = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_the_dashboard_shows_each_metric_and_no_other(queries):
    asked = {name for query in queries for name in re.findall(rf"\b{PREFIX}\w+", query)}
    assert asked == {PREFIX + name for name in NAMES}


def test_the_dashboard_groups_by_tags_that_the_metrics_have(queries):
    tags = {PREFIX + name: set(about[1]) for name, about in {**COUNTERS, **GAUGES}.items()}
    assert len(queries) >= len(NAMES)
    for query in queries:
        [name, *_] = re.findall(rf"\b{PREFIX}\w+", query)
        assert set(re.findall(r"by \((\w+)\)", query)) <= tags[name], query


def test_the_panels_of_the_dashboard_do_not_lie_on_one_another():
    board = json.loads(DASHBOARD.read_text())
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(places)


def test_counting_without_ray_does_nothing_and_loads_nothing():
    code = (
        "import sys; from pipeline.engine import metrics; from tests.pipeline.planted import Numbers\n"
        "metrics.count(Numbers(1), {'compute': 1.0}, 10, 20)\n"
        "print('ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_part_is_counted_by_stage_and_phase(monkeypatch):
    class Sampled(Numbers):
        name = "sampled"

        def part_samples(self) -> int:
            return 32

    counted = []
    monkeypatch.setattr(metrics, "add", lambda name, value, **tags: counted.append((name, value, tags)))
    metrics.count(Sampled(1), dict.fromkeys(PHASES, 2.0), 1_000, 5)
    assert counted[:3] == [
        ("hspace_parts_total", 1, {"stage": "sampled"}),
        ("hspace_samples_total", 32, {"stage": "sampled"}),
        ("hspace_bytes_total", 1_000, {"stage": "sampled"}),
    ]
    assert counted[3:] == [("hspace_seconds_total", 2.0, {"stage": "sampled", "phase": phase}) for phase in PHASES]


ON_RAY = """
import sys, ray
from pathlib import Path
from pipeline.engine.store import Store
from pipeline.engine.worker import Worker
from pipeline.engine import metrics
from tests.pipeline.planted import Numbers
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
worker = ray.remote(Worker).remote()
for part in range(3):
    ray.get(worker.make.remote(Numbers(3), part, Store(Path(sys.argv[1]))))
metrics.add("hspace_retries_total", 2, stage="numbers")
node = ray.nodes()[0]
print(f"http://127.0.0.1:{node['MetricsExportPort']}/metrics", flush=True)
sys.stdin.readline()
"""


@pytest.mark.slow
def test_the_metrics_arrive_under_the_names_that_the_dashboard_asks_for(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", ON_RAY, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = process.stdout.readline().strip()

        def figures() -> dict[str, float]:
            with urllib.request.urlopen(address, timeout=10) as answer:
                lines = answer.read().decode().splitlines()
            found = [line.rpartition(" ") for line in lines if line.startswith(f"{PREFIX}hspace_")]
            return {name: float(value) for name, _, value in found}

        def arrived() -> dict[str, float] | None:
            found = figures()
            return found if all(any(name.startswith(PREFIX + each) for name in found) for each in expected) else None

        expected = set(NAMES) - {"hspace_samples_total", "hspace_failures_total"}  # of which there were none
        found = wait_for(arrived, "the metrics")
        total = {
            each: sum(value for name, value in found.items() if name.startswith(f"{PREFIX}{each}{{"))
            for each in expected
        }
        assert total["hspace_parts_total"] == 3 and total["hspace_retries_total"] == 2
        assert total["hspace_bytes_total"] > 0 and total["hspace_peak_memory_bytes"] > 10_000_000
        assert {phase for phase in PHASES for name in found if f'phase="{phase}"' in name} >= {"compute", "commit"}
    finally:
        process.communicate("\n", timeout=60)
