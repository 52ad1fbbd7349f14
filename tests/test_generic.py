"""What is not a plug knows no domain: code that runs on any model says nothing of faces."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLUGS = ("pipeline/domains", "pipeline/annotators/mtcnn.py", "pipeline/annotators/facenet.py")
PLUGS += ("pipeline/annotators/landmarks.py", "pipeline/annotators/registry.py")  # the tables of plugs
PLUGS += ("pipeline/models/bundled.py",)
PLUGS += tuple(f"pipeline/{layer}/heads.py" for layer in ("annotators", "estimators", "recipes"))  # of networks
OF_A_DOMAIN = (
    r"faces?|heads?|eyes?|eyes_open|mouths?|noses?|portraits?|smil(e|es|ing)|glasses|beards?|mtcnn|hair|gender|yaw"
)
MEANT_OTHERWISE = r"Hugging Face|rev-parse\W+HEAD|</?t?head|head node|obstore\.head|torch\.eye|np\.eye"


def test_no_sentence_of_the_pipeline_names_a_command_line_option():
    """A setting has the name that Python and a file have for it, in backticks; a job makes an option of it."""
    files = [path for package in ("pipeline", "schemas") for path in sorted((ROOT / package).rglob("*.py"))]
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in files
        for line in path.read_text().splitlines()
        if re.search(r"(?<![\w-])--[a-z]", line) and "python -m" not in line
    ]
    assert not found


def test_no_generic_code_knows_a_face():
    files = [path for package in ("pipeline", "schemas") for path in sorted((ROOT / package).rglob("*"))]
    generic = [
        path
        for path in files
        if path.suffix in (".py", ".j2", ".css", ".json") and not str(path.relative_to(ROOT)).startswith(PLUGS)
    ]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in generic
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(rf"\b({OF_A_DOMAIN})\b", re.sub(MEANT_OTHERWISE, "", line), re.IGNORECASE)
    ]
    assert len(generic) > 100 and not found
