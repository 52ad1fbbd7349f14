"""An upload as the hub's client does it, to a server that speaks its protocol; what comes back is the catalog."""

import pytest
from huggingface_hub import snapshot_download

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.export.folder import MARK
from pipeline.catalog.export.formats import export
from pipeline.catalog.export.push import push
from pipeline.errors import UserError
from tests.pipeline.catalog.export.hub_server import COMMIT, TOKEN, Hub, hub
from tests.pipeline.catalog.export.planted_catalog import opened, planted


@pytest.fixture
def server(monkeypatch):
    """A hub, and the token for it. Xet storage, which it does not speak, is off."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with hub() as server:
        yield server


@pytest.fixture
def exported(tmp_path):
    export(opened(planted(tmp_path / "catalog")), "hub", tmp_path / "out", repository="me/directions")
    return tmp_path / "out"


def uploaded(server: Hub) -> dict[str, bytes]:
    return server.repositories["me/directions"]


def test_every_file_is_there_in_one_commit_and_is_a_catalog_again(server, exported, tmp_path):
    url = push(exported, "me/directions", endpoint=server.endpoint)
    files = {path.relative_to(exported).as_posix(): path.read_bytes() for path in exported.rglob("*") if path.is_file()}
    assert uploaded(server) == {name: content for name, content in files.items() if name != MARK}
    assert url == f"{server.endpoint}/me/directions/commit/{COMMIT}" and len(server.messages) == 1
    assert not server.private["me/directions"] and set(server.validated) == {(exported / "README.md").read_text()}
    folder = snapshot_download("me/directions", endpoint=server.endpoint, local_dir=tmp_path / "directions")
    catalog = DirectionCatalog.open(folder)
    assert {each.name for each in catalog.about.directions} == {"smile/ridge", "age/ridge"}
    assert [catalog.read(name) for name in sorted(catalog.files)] == [files[name] for name in sorted(catalog.files)]


def test_what_is_large_goes_as_an_object_and_is_verified(server, exported):
    push(exported, "me/directions", private=True, endpoint=server.endpoint)
    assert (exported / "directions.safetensors").read_bytes() in server.objects.values()
    assert "POST /verify" in server.asked and server.private["me/directions"]


def test_a_repository_that_is_there_gets_another_commit(server, exported):
    for _ in range(2):
        push(exported, "me/directions", endpoint=server.endpoint)
    assert len(server.messages) in (1, 2) and "README.md" in uploaded(server)


@pytest.mark.parametrize("token", [None, "hf_another"])
def test_without_a_token_that_may_write_it_says_so(server, exported, monkeypatch, tmp_path, token):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match="HF_TOKEN") as raised:
        push(exported, "me/directions", endpoint=server.endpoint)
    assert "hf_another" not in str(raised.value) and not server.repositories


def test_what_the_hub_refuses_is_said_and_nothing_is_there(server, exported):
    server.fails_at = "/commit/"
    with pytest.raises(UserError, match=r"could not be uploaded to .*HTTP 400.*not today"):
        push(exported, "me/directions", endpoint=server.endpoint)
    assert not uploaded(server)


def test_a_hub_that_does_not_answer_is_said(exported, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(UserError, match="could not be uploaded"):
        push(exported, "me/directions", endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize("name", ["directions", "a/b/c", "me/directions@main", "../x", "me/\n"])
def test_what_is_no_repository_is_refused(name, tmp_path):
    with pytest.raises(UserError, match="is no repository of the hub"):
        push(tmp_path, name)
