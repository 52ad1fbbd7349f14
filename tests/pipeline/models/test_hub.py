"""A model of the hub is found in the local cache at a commit; what is neither folder nor repository is refused with a reason."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils import filter_repo_objects

from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.formats import hub as repositories
from pipeline.formats.hashes import sha256
from pipeline.models import hub, pretrained
from tests.pipeline.models.making_weights import pickled

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


def test_a_model_that_another_machine_has_found_is_fetched_where_it_is_loaded(repository, tmp_path):
    """The folder of its cache there is no folder here; the commit is the same."""
    found = pretrained.find("planted/model@v1")
    elsewhere = replace(found, folder=f"/somebody/else/snapshots/{OLDER}")
    assert settings(elsewhere) == settings(found), "where it lies changes nothing of what is made"
    ours, theirs = found.load().denoiser.unet.state_dict(), elsewhere.load().denoiser.unet.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)

    shutil.rmtree(repository)
    with pytest.raises(
        UserError, match=f"planted/model at revision {OLDER} is no folder here, and the hub did not give"
    ):
        elsewhere.load()


def test_a_folder_of_another_machine_is_not_looked_for_on_the_hub(tiny_model):
    elsewhere = replace(pretrained.find(str(tiny_model)), folder="/somebody/else/model")
    with pytest.raises(UserError, match="/somebody/else/model"):
        elsewhere.load()


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


@pytest.fixture
def hub_of(monkeypatch, tmp_path):
    """A hub that lists these files, and a function that gives those that were asked for; nothing is fetched."""
    fetched: list[str] = []

    def serve(*files: str) -> list[str]:
        def fetch(name, revision, allow_patterns):
            fetched[:] = filter_repo_objects(files, allow_patterns=allow_patterns)
            return str(tmp_path)

        monkeypatch.setattr(repositories, "list_repo_files", lambda name, revision: list(files))
        monkeypatch.setattr(repositories, "snapshot_download", fetch)
        return fetched

    return serve


CONFIGURED = ["unet/config.json", "scheduler/scheduler_config.json", "model_index.json"]
SAFE, PICKLE = "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"


def test_only_networks_and_schedulers_are_fetched(hub_of):
    """Not the text encoder and the safety checker of a pipeline, and no checkpoint of another library."""
    wanted = [
        *CONFIGURED,
        "condition.safetensors",
        f"unet/{SAFE}.index.json",
        "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
        "vae/config.json",
        f"vae/{SAFE}",
    ]
    others = [
        "v1-5-pruned.safetensors",
        "config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        f"controlnet/{SAFE}",
        f"unet/{PICKLE}",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
        "unet/diffusion_pytorch_model.non_ema.bin",
        "unet/diffusion_flax_model.msgpack",
        f"vae/{PICKLE}",
        "README.md",
    ]
    fetched = hub_of(*wanted, *others)
    hub.locate("planted/model")
    assert sorted(fetched) == sorted(wanted)


@pytest.mark.parametrize("folder", ["", "unet/"])
def test_a_pickle_is_fetched_where_there_is_nothing_better(hub_of, folder):
    """google/ddpm-ema-celebahq-256 has it at the top, and no safetensors."""
    small = [f"{folder}config.json", "scheduler_config.json", "model_index.json"]
    fetched = hub_of(*small, f"{folder}{PICKLE}", "README.md", ".gitattributes")
    hub.locate("planted/model")
    assert sorted(fetched) == sorted([*small, f"{folder}{PICKLE}"])

    fetched = hub_of(*small, f"{folder}{PICKLE}", f"{folder}{SAFE}")
    hub.locate("planted/model")
    assert sorted(fetched) == sorted([*small, f"{folder}{SAFE}"])


def test_pickled_shards_are_fetched_with_their_index(hub_of):
    shards = [f"unet/diffusion_pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
    fetched = hub_of(*CONFIGURED, *shards, f"unet/{PICKLE}.index.json")
    hub.locate("planted/model")
    assert sorted(fetched) == sorted([*CONFIGURED, *shards, f"unet/{PICKLE}.index.json"])


def test_the_variant_that_was_asked_for_is_fetched(hub_of):
    half = "diffusion_pytorch_model.fp16.safetensors"
    decoder = ["vae/config.json", f"vae/{SAFE}"]
    files = [*CONFIGURED, *decoder, f"unet/{SAFE}", f"unet/{half}"]
    fetched = hub_of(*files)
    hub.locate("planted/model", variant="fp16")
    assert sorted(fetched) == sorted({*files} - {f"unet/{SAFE}"}), "the decoder's full one: it has no other"
    with pytest.raises(UserError, match="has no weights of variant bf16; it has the full ones, fp16"):
        hub.locate("planted/model", variant="bf16")


def test_an_average_is_fetched_only_when_asked_for(hub_of):
    average = ["unet_ema/config.json", f"unet_ema/{SAFE}"]
    files = [*CONFIGURED, f"unet/{SAFE}", *average]
    fetched = hub_of(*files)
    with pytest.raises(UserError, match="planted/model holds 2 U-Nets: unet, unet_ema.\nChoose one of them by `unet`"):
        hub.locate("planted/model")
    assert fetched == [], "refused before anything is fetched"

    hub.locate("planted/model", unet="unet")
    assert sorted(fetched) == sorted({*files} - {*average})
    hub.locate("planted/model", unet="unet_ema")
    assert sorted(fetched) == sorted({*files} - {"unet/config.json", f"unet/{SAFE}"})
    with pytest.raises(UserError, match="has no U-Net in a folder ema; it has unet, unet_ema"):
        hub.locate("planted/model", unet="ema")


def test_a_pickle_in_the_cache_is_read_without_a_network(repository, tiny_model):
    unet = repository / "snapshots" / COMMIT / "unet"
    path = pickled(unet)
    found = pretrained.find("planted/model")
    assert (found.weights, found.revision) == (sha256(path), COMMIT)
    ours, theirs = (each.load().denoiser.unet.conv_in.weight for each in (found, pretrained.find(str(tiny_model))))
    assert torch.equal(ours, theirs)


def test_the_cache_serves_where_the_hub_cannot_be_asked(repository, monkeypatch):
    def no_network(name, revision):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(repositories, "list_repo_files", no_network)
    assert pretrained.find("planted/model").revision == COMMIT


def test_a_repository_that_the_hub_does_not_know(monkeypatch, repository):
    """Not answered from the cache: it may have been withdrawn, or the name is another's."""

    def unknown(name, revision):
        raise RepositoryNotFoundError.__new__(
            RepositoryNotFoundError, "404"
        )  # whose constructor wants the hub's response

    monkeypatch.setattr(repositories, "list_repo_files", unknown)
    refused("planted/model", "is no folder here, and the hub did not give it: RepositoryNotFoundError")


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
