"""The explorer as a person starts it: its address, its pages, its end, and what is said before it starts."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from typer.testing import CliRunner

from jobs.command_line import app
from jobs.explore import explore
from pipeline.hspace.points import h_shape
from pipeline.hspace.reverse_process import ReverseProcess
from tests.pipeline.catalog.planted_catalog import PlantedCatalog
from tests.pipeline.catalog.planted_catalogs import card_of, loaded, planted_model, summed
from tests.pipeline.catalog.planted_findings import T, supervised
from tests.pipeline.planted_models import unet

ROOT = Path(__file__).parents[2]
LONG = 180  # seconds, of which a start takes 10 where nothing else runs
NAME = "smile/ridge"


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> tuple[Path, Path]:
    """A whole catalog, and the model that it is of, whose images are 8 x 8."""
    folder = tmp_path_factory.mktemp("explored")
    model = planted_model(folder / "model")
    network, scheduler = loaded(model)
    shape = h_shape(network, "mid_block")
    row = supervised("smile", "ridge")
    vectors = {NAME: np.random.default_rng(0).standard_normal((T, *shape)).astype(np.float32)}
    timesteps = ReverseProcess(DDIMScheduler.from_config(scheduler.config), T).timesteps
    catalog = PlantedCatalog(
        [row],
        vectors,
        model=card_of(model, network, scheduler).model_dump(),
        sampling={"timesteps": timesteps},
        captures=[("mid_block", shape)],
    ).write(folder / "catalog")
    about = json.loads((catalog / "catalog.json").read_text())
    about["directions"][0] |= {"strength_per_sd": 0.5, "strength_by": "rise", "verified": True}
    (catalog / "catalog.json").write_text(json.dumps(about))
    return summed(catalog), model


def started(*words: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "jobs.explore", *map(str, words), "--no-open"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def exploring(*words: object) -> Iterator[tuple[subprocess.Popen, str, http.client.HTTPConnection]]:
    """A server on any free port, its address, and a connection to it."""
    with started(*words, "--port", 0) as process:
        try:
            lines = []
            while not (found := re.match(r"Explore: (http://(.*):(\d+)/.*)", lines[-1] if lines else "")):
                lines.append(process.stdout.readline())
                assert lines[-1], process.stderr.read()
            yield process, found[1], http.client.HTTPConnection("127.0.0.1", int(found[3]), timeout=LONG)
        finally:
            process.kill()


def asked(connection: http.client.HTTPConnection, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    sent = None if body is None else json.dumps(body)
    connection.request(method, path, sent, {} if body is None else {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


WANTED = {"page": "a", "seed": 0, "samples": 1, "strengths": {NAME: 1.0}}


def test_pages_and_pictures_until_ctrl_c(places):
    catalog, model = places
    with exploring(catalog, "--model", model, "--device", "cpu") as (process, address, connection):
        assert address.startswith("http://127.0.0.1:") and "token" not in address
        assert asked(connection, "GET", "/")[0] == 200
        status, text = asked(connection, "POST", "/live/pictures", WANTED)
        assert status == 200 and json.loads(text.splitlines()[-1]) == {"kind": "done"}
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LONG)
        assert process.returncode == 130, said
        assert "Stopped." in said and "Traceback" not in said


def test_without_a_model_there_are_pages_and_on_another_host_a_token(places):
    with exploring(places[0], "--host", "0.0.0.0") as (process, address, connection):
        token = address.partition("?token=")[2]
        assert len(token) >= 43
        assert asked(connection, "GET", "/")[0] == 401
        assert asked(connection, "GET", f"/?token={token}")[0] == 200
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LONG)
        assert "No model, so no sliders" in said and "unencrypted" in said and "Traceback" not in said
        assert process.returncode == 143


def test_what_cannot_be_is_said_before_anything_is_served(places, tmp_path):
    catalog, model = places
    network = unet(sample_size=8)
    torch.nn.init.normal_(network.conv_in.weight)
    other = planted_model(tmp_path / "other", network)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cases = [
            ((catalog, "--model", model, "--port", port), f"Port {port} of 127.0.0.1 cannot be had"),
            ((catalog, "--port", 0, "--model", tmp_path / "none"), "none"),
            ((catalog, "--port", 0, "--model", other), "other has the weights"),
            ((catalog, "--port", 0, "--model", model, "--device", "gpu"), "no device 'gpu' here"),
            ((tmp_path / "nowhere", "--port", 0), "nowhere"),
        ]
        for words, said in cases:
            done = CliRunner().invoke(app(explore), [*map(str, words), "--no-open"], catch_exceptions=False)
            assert done.exit_code == 2 and said in done.stderr and "Explore" not in done.stdout
