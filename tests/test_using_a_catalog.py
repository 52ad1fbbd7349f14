"""Every snippet of the page on using a catalog runs, one after the other, on a planted one."""

import re
from pathlib import Path

from diffusers import DDIMPipeline

from tests.pipeline.catalog.planted_catalogs import loaded, planted_catalog, planted_model

PAGE = (Path(__file__).parents[1] / "docs" / "using_a_catalog.md").read_text()


def test_the_page_can_be_typed_from_top_to_bottom(tmp_path):
    catalog, model = planted_catalog(tmp_path / "catalog", planted_model(tmp_path / "model")), tmp_path / "model"
    DDIMPipeline(*loaded(model)).save_pretrained(model)
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    code = "\n".join(snippets).replace("path/to/catalog", str(catalog)).replace("path/to/model", str(model))
    made: dict = {}
    exec(code, made)
    assert len(snippets) == 6 and len(made["images"]) == 2
    assert [each.name for each in made["strong"]] == ["smile/ridge/disentangled", "smile/ridge"]
    assert not any(module._forward_hooks for module in made["pipe"].unet.modules())


def test_the_page_names_what_can_be_allowed():
    from pipeline.catalog.editing_checks import ALLOWED

    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == ALLOWED
