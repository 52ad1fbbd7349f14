"""A model of the hub is found in the local cache at a commit; what is neither folder nor repository is refused with a reason."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import constants

from pipeline.errors import UserError
from pipeline.models import hub, pretrained

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OLDER = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # the variable is read at import
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def repository(cache, tiny_model) -> Path:
    """planted/model in the cache, two commits: `main`, and an older one that is tagged v1."""
    repository = cache / "models--planted--model"
    for commit, ref in ((COMMIT, "main"), (OLDER, "v1")):
        shutil.copytree(tiny_model, repository / "snapshots" / commit)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / ref).write_text(commit)
    return repository


def refused(name: str, match: str, revision: str | None = None) -> None:
    with pytest.raises(UserError, match=match) as error:
        pretrained.find(name, revision)
    assert len(str(error.value).splitlines()) <= 4


def test_a_repository_in_the_cache_is_found_with_its_commit(repository, tiny_model):
    found = pretrained.find("planted/model")
    assert (found.name, found.revision) == ("planted/model", COMMIT)
    assert found.folder == str(repository / "snapshots" / COMMIT)
    assert found.weights == pretrained.find(str(tiny_model)).weights
    assert found.load().denoiser.unet.config.sample_size == 16


@pytest.mark.parametrize("pinned", ["v1", OLDER])
def test_a_revision_is_pinned_in_the_name_or_beside_it(repository, pinned):
    in_name, beside = pretrained.find(f"planted/model@{pinned}"), pretrained.find("planted/model", pinned)
    assert in_name == beside == pretrained.find(f"planted/model@{pinned}", pinned)
    assert (in_name.name, in_name.revision) == ("planted/model", OLDER)


def test_two_revisions(repository):
    refused("planted/model@v1", "planted/model@v1 and revision main do not agree", "main")


def test_a_revision_that_is_not_in_the_cache(repository):
    refused("planted/model@v2", "planted/model at revision v2 is no folder here, and the hub did not give it")


def test_a_folder_has_no_revisions(tiny_model):
    refused(str(tiny_model), "is a folder, which has no revisions. Leave out the revision main", "main")


def test_an_empty_cache_without_a_network(cache):
    started = time.perf_counter()
    refused(
        "planted/no-such-model",
        "is no folder here, and the hub did not give it: .*\nCheck the name and the network, and HF_HUB_OFFLINE",
    )
    assert time.perf_counter() - started < 2


@pytest.mark.slow
def test_the_hub_s_own_variables_are_respected(tmp_path, repository):
    """Offline from the environment, in a process of its own."""

    def revision(home: Path) -> str:
        code = "from pipeline.models import hub; print(hub.locate('planted/model').revision)"
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(home)}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        return run.stdout.strip() or run.stderr.splitlines()[-2]

    assert revision(repository.parent) == COMMIT
    assert "the hub did not give it: LocalEntryNotFoundError" in revision(tmp_path / "empty")


def test_only_networks_and_schedulers_are_fetched(monkeypatch, tiny_model):
    """Not the text encoder and the safety checker of a pipeline, and no checkpoint of another library."""
    from huggingface_hub.utils import filter_repo_objects

    def fetch(name, revision, allow_patterns):
        files = [
            "model_index.json",
            "condition.safetensors",
            "scheduler/scheduler_config.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "unet/diffusion_pytorch_model.safetensors.index.json",
            "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
            "vae/config.json",
            "vqvae/diffusion_pytorch_model.safetensors",
        ]
        others = [
            "v1-5-pruned.safetensors",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "controlnet/diffusion_pytorch_model.safetensors",
            "unet/diffusion_pytorch_model.bin",
            "README.md",
        ]
        assert list(filter_repo_objects(files + others, allow_patterns=allow_patterns)) == files
        return str(tiny_model)

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    pretrained.find("planted/model")


def test_a_folder_that_is_not_there(tmp_path):
    refused(
        str(tmp_path / "nowhere"), "There is no model folder .*nowhere.\nExpected a folder with unet/ and scheduler/"
    )


@pytest.mark.parametrize("name", ["portraits", "a/b/c", "./a/b", "../model", "owner/name@", "@v1"])
def test_what_is_neither_a_folder_nor_a_hub_id(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(name, f"There is no model folder {name}.\n.*or a hub id such as google/ddpm-celebahq-256")


def test_a_file_is_not_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "model.safetensors").write_bytes(b"weights")
    refused("runs/model.safetensors", "runs/model.safetensors is a file.\nExpected a folder with unet/ and scheduler/")
