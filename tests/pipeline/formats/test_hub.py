"""What a folder or a repository of the hub holds is found by one function; each kind of network says what it wants of it."""

import re
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import filter_repo_objects

from pipeline.annotators import classifier, transformers_files
from pipeline.errors import UserError
from pipeline.formats import hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TEXTS = hub.Sought("book", "texts", "owner/book", lambda listed: [path for path in listed if path.endswith(".txt")])


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """A hub that lists these files and notes which it is asked for."""
    asked = {}

    def of(*files: str):
        def fetch(name, revision, allow_patterns):
            asked[name, revision] = list(filter_repo_objects(files, allow_patterns=allow_patterns))
            (tmp_path / COMMIT).mkdir(exist_ok=True)
            return str(tmp_path / COMMIT)

        monkeypatch.setattr(hub, "list_repo_files", lambda name, revision: list(files))
        monkeypatch.setattr(hub, "snapshot_download", fetch)
        return asked

    return of


def test_a_folder_is_itself(tmp_path, monkeypatch):
    assert hub.locate(str(tmp_path), TEXTS) == hub.Place(str(tmp_path), tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "books").mkdir()
    assert hub.locate("~/books", TEXTS).folder == tmp_path / "books"


def test_of_a_repository_only_what_is_wanted_is_fetched_at_a_commit(serve, tmp_path):
    asked = serve("a.txt", "b.bin", "c/d.txt")
    assert hub.locate("owner/book@v1", TEXTS) == hub.Place("owner/book", tmp_path / COMMIT, COMMIT)
    assert asked == {("owner/book", "v1"): ["a.txt", "c/d.txt"]}


def test_what_is_neither_is_told_in_the_words_of_what_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UserError,
        match="There is no book folder nowhere.\nExpected a folder with texts, or a hub id such as owner/book",
    ):
        hub.locate("nowhere", TEXTS)
    with pytest.raises(UserError, match="owner/none is no folder here, .*\n.*give the path of a folder with texts"):
        hub.locate("owner/none", TEXTS)


IN_TIMM = ["config.json", "model.safetensors", "pytorch_model.bin", "README.md", "flax/model.safetensors"]


def test_a_classifier_wants_its_json_and_one_file_of_weights():
    assert classifier._wanted(IN_TIMM) == ["config.json", "model.safetensors"]
    assert classifier._wanted(["config.json", "pytorch_model.bin"]) == ["config.json", "pytorch_model.bin"]


def test_a_network_of_transformers_wants_one_set_of_weights_and_what_feeds_it():
    others = re.compile(r"preprocessor_config\.json")
    small = ["config.json", "preprocessor_config.json"]
    wanted = transformers_files._wanted
    assert wanted([*small, *IN_TIMM[1:], "tf_model.h5"], others) == [*small, "model.safetensors"]
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = "model.safetensors.index.json"
    assert wanted([*small, *shards, index, "pytorch_model.bin"], others) == [*small, index, *shards]
    assert wanted([*small, "pytorch_model.bin"], others) == [*small, "pytorch_model.bin"]


def test_shards_are_all_there_or_one_is_named(tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(
        '{"weight_map": {"a": "model-2.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors"}}'
    )
    Path(tmp_path / "model-1.safetensors").touch()
    with pytest.raises(UserError, match="model-2.safetensors is missing, one of 2 shards"):
        transformers_files.weights_in(tmp_path)
    Path(tmp_path / "model-2.safetensors").touch()
    assert [each.name for each in transformers_files.weights_in(tmp_path)] == [
        index.name,
        "model-1.safetensors",
        "model-2.safetensors",
    ]
