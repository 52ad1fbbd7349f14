"""Export for the Hugging Face hub: the catalog as it is, with a page that the hub can show and search.

FOLDER/README.md     front matter (base model, tags), pictures, the lines that load it, the catalog's own card
FOLDER/pictures/     what the recommended directions do, a JPEG an attribute
FOLDER/...           every other file of the catalog, unchanged
FOLDER/SHA256SUMS    of all of it, so that the folder is a catalog like any other
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from huggingface_hub import ModelCardData

from pipeline.catalog.card import card
from pipeline.catalog.direction_catalog import SUMS, DirectionCatalog
from pipeline.catalog.export.pictures import Picture, write_pictures
from pipeline.catalog.export.push import check_repository, is_repository
from pipeline.catalog.file_names import in_one_line
from pipeline.errors import UserError
from pipeline.formats.hashes import sha256
from schemas.catalog import Catalog, ModelCard
from schemas.published import CATALOG_FILES

CARD, PICTURES = "README.md", "pictures"
LIBRARY = "hspace-directions"
TAGS = (LIBRARY, "h-space", "semantic-directions", "image-editing", "diffusion")
OWN = {CARD, SUMS}  # what is written anew


def write(
    catalog: DirectionCatalog,
    out: Path,
    repository: str = "OWNER/NAME",
    base_model: str | None = None,
    license: str | None = None,
) -> None:
    """Write a catalog as a repository of the hub into an empty folder.

    repository: where it will lie, for the lines that load it. base_model: the hub id of the model; without one it is that of the
    run, where it came from the hub. license: of the directions, by the hub's name for it; none is said where it is not given.

    Raises UserError for a repository or base model that is no hub id.
    """
    check_repository(repository)
    for each in CATALOG_FILES:
        if each.name in catalog.files - OWN:
            (out / each.name).write_bytes(catalog.read(each.name))
    pictures = write_pictures(catalog, out / PICTURES)
    front = front_matter(catalog.about, base_model, license)
    own = card(replace(catalog, files=catalog.files & {each.name for each in CATALOG_FILES}))
    page = "\n".join([_page(catalog.about, pictures, repository), _without_markup(own)])
    (out / CARD).write_text(f"---\n{front}\n---\n\n{page}", encoding="utf-8")
    files = sorted(path for path in out.rglob("*") if path.is_file())
    (out / SUMS).write_text("".join(f"{sha256(path)}  {path.relative_to(out).as_posix()}\n" for path in files))


def front_matter(about: Catalog, base_model: str | None = None, license: str | None = None) -> str:
    """Return the YAML by which the hub finds a catalog. Raises UserError for a base model that is no hub id."""
    base = base_model or _hub_id(about.model)
    if base and not is_repository(base):
        raise UserError(f"{base} is no model of the hub; expected OWNER/NAME, such as google/ddpm-ema-celebahq-256.")
    text_to_image = "cross_attention_dim" in about.model.unet
    data = ModelCardData(
        base_model=base,
        base_model_relation="adapter" if base else None,
        library_name=LIBRARY,
        license=license,
        pipeline_tag="text-to-image" if text_to_image else "unconditional-image-generation",
        tags=[*TAGS, *sorted({_tag(each.attribute) for each in about.directions if each.attribute})],
    )
    return data.to_yaml(line_break="\n")


def _hub_id(model: ModelCard) -> str | None:
    """The hub id of a model that came from the hub, at a commit."""
    return model.name if model.revision and is_repository(model.name) else None


def _tag(attribute: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", attribute.lower()).strip("-")[:40] or "attribute"


def _page(about: Catalog, pictures: Sequence[Picture], repository: str) -> str:
    """What stands above the catalog's own card."""
    name = text(about.model.name)
    shown = [
        f"**{text(each.of.attribute)}**, {_change(each)}, along {text(each.of.direction)}; strengths "
        f"{', '.join(map(_signed, each.strengths))}:\n\n![{text(each.of.attribute)}]({PICTURES}/{each.file})\n"
        for each in pictures
    ]
    lines = [
        f"Measured directions in the h-space of {name}: vectors that are added to the U-Net's activations while it denoises.",
        "",
        *shown,
        "## Load it",
        "",
        "```python",
        "from pipeline.catalog.direction_catalog import DirectionCatalog  # of hspace-directions",
        "",
        f'catalog = DirectionCatalog.from_pretrained("{repository}")',
        "print(catalog.recommended)  # the direction to use of each attribute",
        "with catalog.edit(pipe, {next(iter(catalog.recommended)): 1.0}):  # pipe: a pipeline of diffusers with this model",
        "    images = pipe().images",
        "```",
        "",
        "Every file is checked against `SHA256SUMS` as it is read. The lines further below need nothing but plain diffusers.",
        "",
    ]
    return "\n".join(lines)


def _change(picture: Picture) -> str:
    return f"moved by {abs(picture.of.on_target):.2f} standard deviations at strength {_signed(picture.of.strength)}"


def _signed(strength: float) -> str:
    return f"{strength:+.3g}" if strength else "0"


def text(name: str) -> str:
    """A name as text of Markdown that is neither markup, nor HTML, nor leaves its line."""
    escaped = re.sub(r"([\\`*_\[\]()|~$])", r"\\\1", in_one_line(name))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _without_markup(page: str) -> str:
    """A card in which no HTML can be: a tag in a name is shown and does nothing. The lines of a card hold no `<` of their own."""
    return page.replace("<", "&lt;")
