"""A catalog is read from a folder, the hub's cache or a bucket alike, and nothing that lies elsewhere is."""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import obstore
import pytest
from huggingface_hub import constants
from obstore.store import from_url

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.catalog.place import is_inside
from pipeline.errors import UserError
from pipeline.formats import hub
from tests.pipeline.catalog.planted_catalogs import planted_catalog, planted_model, summed

ROOT = Path(__file__).parents[3]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    """A catalog; do not write into it."""
    folder = tmp_path_factory.mktemp("planted")
    return planted_catalog(folder / "catalog", planted_model(folder / "model"))


@pytest.fixture
def repository(planted, tmp_path, monkeypatch) -> Path:
    """owner/catalog in an empty cache of the hub, as it keeps files: links to blobs beside them; there is no network."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    repository = tmp_path / "cache" / "models--owner--catalog"
    snapshot, blobs = repository / "snapshots" / COMMIT, repository / "blobs"
    for folder in (snapshot, blobs, repository / "refs"):
        folder.mkdir(parents=True)
    for number, file in enumerate(planted.iterdir()):
        shutil.copy(file, blobs / str(number))
        (snapshot / file.name).symlink_to(f"../../blobs/{number}")
    for ref in ("main", "v1"):
        (repository / "refs" / ref).write_text(COMMIT)
    return repository


def same(catalog: DirectionCatalog, planted: Path) -> bool:
    expected = DirectionCatalog.open(planted)
    vectors = [each["smile"].vector for each in (catalog, expected)]
    return (catalog.sha256, list(catalog), vectors[0].tobytes()) == (
        expected.sha256,
        list(expected),
        vectors[1].tobytes(),
    )


@pytest.mark.parametrize("name", ["owner/catalog", "owner/catalog@v1", f"owner/catalog@{COMMIT}"])
def test_a_repository_of_the_hub_is_read_from_its_cache(repository, planted, name):
    catalog = DirectionCatalog.from_pretrained(name)
    assert same(catalog, planted) and catalog.address == f"owner/catalog@{COMMIT}"
    edit = DirectionEdit.of(catalog, {"smile": 1.0})
    assert same(DirectionEdit.from_json(edit.to_json()).open(), planted), (
        "an edit names the commit, and no folder of this machine"
    )


def test_a_repository_that_is_not_there_says_so(repository):
    with pytest.raises(UserError, match="owner/other is no folder here, and the hub did not give it"):
        DirectionCatalog.from_pretrained("owner/other")
    with pytest.raises(UserError, match="There is no catalog folder no such thing"):
        DirectionCatalog.from_pretrained("no such thing")


def test_a_link_of_the_hubs_cache_that_leads_out_of_it_is_not_followed(repository, tmp_path):
    (tmp_path / "secret").write_text("secret")
    card = repository / "snapshots" / COMMIT / "effects.parquet"
    card.unlink()
    card.symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match="is a link to .*secret, which lies outside of the catalog"):
        DirectionCatalog.from_pretrained("owner/catalog").read("effects.parquet")


def test_only_files_of_a_catalog_are_fetched_from_the_hub(monkeypatch, planted):
    fetched: list[str] = []

    def fetch(name, revision, allow_patterns):
        fetched.extend(allow_patterns)
        return str(planted)

    listed = ["catalog.json", "SHA256SUMS", "directions.safetensors", "evil.pkl", "../up", "sub/catalog.json"]
    monkeypatch.setattr(hub, "list_repo_files", lambda name, revision: listed)
    monkeypatch.setattr(hub, "snapshot_download", fetch)
    DirectionCatalog.from_pretrained("owner/catalog")
    assert fetched == ["SHA256SUMS", "catalog.json", "directions.safetensors"]


def test_a_bucket_is_read_file_by_file(moto_server, monkeypatch, planted):
    for name, value in moto_server.environment().items():
        monkeypatch.setenv(name, value)
    address = moto_server.url(f"catalog-{uuid.uuid4().hex}")
    with pytest.raises(UserError, match="is no catalog: it has no SHA256SUMS that can be read"):
        DirectionCatalog.from_pretrained(address)
    store = from_url(address, client_options={"allow_http": True})
    for file in planted.iterdir():
        obstore.put(store, file.name, file)
    assert same(DirectionCatalog.from_pretrained(address), planted)

    changed = bytearray((planted / "directions.safetensors").read_bytes())
    changed[-1] ^= 1
    obstore.put(store, "directions.safetensors", bytes(changed))
    with pytest.raises(UserError, match="directions.safetensors has changed since it was published"):
        _ = DirectionCatalog.from_pretrained(address)["smile"].vector
    obstore.put(store, "SHA256SUMS", b"0" * (2**20 + 1))
    with pytest.raises(UserError, match="SHA256SUMS has 1,048,577 bytes; expected at most 1,048,576"):
        DirectionCatalog.from_pretrained(address)


def test_an_address_of_no_store_is_refused(planted):
    with pytest.raises(UserError, match="is no address of a bucket that can be read"):
        DirectionCatalog.from_pretrained("nowhere://bucket/folder")


def test_a_link_out_of_a_folder_is_not_followed_and_one_inside_it_is(planted, tmp_path):
    folder = shutil.copytree(planted, tmp_path / "catalog")
    secret = tmp_path / "catalog-secret"  # beside it, with a name that begins alike
    secret.write_text("secret")
    (folder / "effects.parquet").unlink()
    (folder / "effects.parquet").symlink_to(secret)
    (folder / "README.md").symlink_to("catalog.json")
    catalog = DirectionCatalog.from_pretrained(summed(folder))
    with pytest.raises(UserError, match="is a link to .*secret, which lies outside of the catalog"):
        catalog.read("effects.parquet")
    assert catalog.read("README.md") == catalog.read("catalog.json")
    (tmp_path / "linked").symlink_to(folder)
    assert same(DirectionCatalog.from_pretrained(tmp_path / "linked"), folder)


def test_a_name_that_leads_elsewhere_is_not_read_whoever_asks(planted):
    for name in ("../catalog/README.md", "/etc/passwd", "a\\b", "a\0b"):
        assert not is_inside(name)
        with pytest.raises(UserError, match="it lies elsewhere"):
            DirectionCatalog.open(planted).read(name)


ALONE = """
import sys

sys.modules.update(dict.fromkeys({absent}))  # each import of these raises
from pipeline.catalog.direction_catalog import DirectionCatalog
light = [name for name in ("torch", "scipy", "diffusers", "huggingface_hub", "jinja2") if sys.modules.get(name)]
catalog = DirectionCatalog.from_pretrained({catalog!r})
catalog.to_pandas(), catalog.search("smile"), catalog["smile"].warnings, catalog["smile"].effects
import torch
from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel
unet = UNet2DModel.from_pretrained({model!r} + "/unet")
pipe = DDIMPipeline(unet, DDIMScheduler.from_pretrained({model!r} + "/scheduler"))
images = lambda: pipe(generator=torch.manual_seed(0), num_inference_steps=2, output_type="np").images
before = images()
with catalog.edit(pipe, {{"smile": 1.0}}):
    after = images()
print(light, abs(after - before).max() > 1e-4)
"""


@pytest.mark.slow
def test_it_is_used_alone_without_what_only_the_pipeline_needs(planted):
    """In a process in which the cluster, the estimators' and the face detector's libraries, and the engine cannot be imported."""
    libraries = "ray sklearn facenet_pytorch torchvision scipy jinja2 obstore isal torchmetrics typer rich accelerate"
    absent = (*libraries.split(), "pipeline.engine", "pipeline.stages", "pipeline.models")
    code = ALONE.format(absent=absent, catalog=str(planted), model=str(planted.parent / "model"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["[] True"], done.stderr
