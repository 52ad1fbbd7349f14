"""What a root says is what it means, and what nobody knows is refused."""

from pathlib import Path

import pytest

from pipeline.engine.roots import is_local, normal, opened, without_secrets
from pipeline.engine.store import Store
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("runs/mine", "runs/mine"),
        ("/data/runs", "/data/runs"),
        ("file:///data/my%20runs", "/data/my runs"),
        ("FILE:///data", "/data"),
        ("file://localhost/data", "/data"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        (Path("s3://bucket/a"), "s3://bucket/a"),
        ("s3://bucket", "s3://bucket"),
        ("gs://bucket/a", "gs://bucket/a"),
        ("az://container/a", "az://container/a"),
        ("abfss://container@account.dfs.core.windows.net/a", "abfss://container@account.dfs.core.windows.net/a"),
        ("memory://here", "memory://here"),
        ("C:runs", "C:runs"),
    ],
)
def test_a_root_is_a_folder_or_a_bucket(given, meant):
    assert normal(given) == meant and normal(normal(given)) == meant
    assert is_local(given) == ("://" not in meant)
    assert str(Store(given).root) == meant


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert normal("~/runs") == "/home/me/runs"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ftp://host/a", "begins with ftp://, which is no place that is known.\nGive `root` as a folder, or as s3://"),
        ("https://bucket.s3.amazonaws.com/a", "begins with https://"),
        ("S4://bucket/a", "begins with s4://"),
        ("s3:///a", "names no bucket: expected s3://BUCKET/FOLDER"),
        ("s3://key:secret@bucket/a", "more than a bucket and a folder"),
        ("s3://bucket/a?region=eu", "more than a bucket and a folder"),
        ("file://server/share", "names the machine server: expected file:///FOLDER"),
    ],
)
def test_what_is_no_root_is_refused_and_secrets_are_not_repeated(given, said):
    with pytest.raises(UserError, match=said.replace("?", r"\?")) as told:
        Store(given)
    assert "secret" not in str(told.value)


def test_a_root_is_opened_once_and_nothing_is_created(tmp_path):
    assert opened(tmp_path / "new") is opened(str(tmp_path / "new"))
    assert Store(tmp_path / "new").left("nothing") is None and not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "root", ["https://user:SECRET@h/x", "file://user:SECRET@h/x", "s3://key:SECRET@b/x", "az://c/x?sig=SECRET"]
)
def test_a_secret_in_a_root_is_not_said_again(root):
    with pytest.raises(UserError) as refused:
        normal(root)
    assert "SECRET" not in str(refused.value)
    assert "SECRET" not in without_secrets(f"--root={root}") and "SECRET" not in without_secrets(
        root.replace("//", "/")
    )


@pytest.mark.parametrize(
    "text", ["s3://b/x", "abfss://container@account.dfs.core.windows.net/x", "runs/a b?", "age=1+onnx:a.onnx", "C: a@b"]
)
def test_what_is_no_secret_stays(text):
    assert without_secrets(text) == text
