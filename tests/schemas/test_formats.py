"""docs/formats.md says what the schemas say, of every table that there is."""

import pkgutil

import schemas
from schemas.columns import meaning_of
from schemas.formats import FILE, INTERMEDIATE, PUBLISHED, document


def test_the_page_is_not_stale():
    assert FILE.read_text(encoding="utf-8") == document(), "remake it with python -m schemas.formats"


def test_every_table_and_column_is_there():
    modules = {module.__name__.removeprefix("schemas.") for _, module, _ in (*PUBLISHED, *INTERMEDIATE)}
    assert modules | {"catalog", "columns", "formats", "imported", "published", "run", "run_summary", "events"} == {
        each.name for each in pkgutil.iter_modules(schemas.__path__)
    }
    lines = document().splitlines()
    for _, _, schema in (*PUBLISHED, *INTERMEDIATE):
        for field in schema:
            assert any(
                line.startswith(f"| `{field.name}` ") and meaning_of(field).replace("|", "\\|") in line
                for line in lines
            )
