"""A small catalog with its model, and a server of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.site import HERE as OF_EXPLORER
from pipeline.catalog.templates import ASSETS
from pipeline.live.as_python import Source
from pipeline.live.server import Live
from pipeline.recipes.applied import Applier
from tests.pipeline.catalog.planted_catalogs import planted_catalog, planted_model
from tests.pipeline.live.serving import Running, running


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Source:
    """A catalog, and the model that it is of, whose images are 8 x 8."""
    folder = tmp_path_factory.mktemp("live")
    model = planted_model(folder / "model")
    return Source(str(planted_catalog(folder / "catalog", model)), str(model))


@pytest.fixture(scope="session")
def catalog(source) -> DirectionCatalog:
    return DirectionCatalog.from_pretrained(source.catalog)


@pytest.fixture(scope="session")
def applier(source, catalog) -> Applier:
    return Applier.of(catalog, source.model)


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> Path:
    """A folder of pages, beside something that is none of them."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "secret.txt").write_text("secret")
    (folder / "pages" / "directions").mkdir(parents=True)
    (folder / "pages" / "index.html").write_text("<!doctype html><title>The catalog</title>")
    (folder / "pages" / "directions" / "smile.html").write_text("<!doctype html><title>Smile</title>")
    for assets in (ASSETS, OF_EXPLORER):
        shutil.copytree(assets, folder / "pages" / "assets", dirs_exist_ok=True)
    (folder / "pages" / "link.txt").symlink_to(folder / "secret.txt")
    return folder / "pages"


@pytest.fixture
def server(catalog, applier, pages, source) -> Iterator[Running]:
    with running(Live(catalog, pages, source, applier)) as found:
        yield found
