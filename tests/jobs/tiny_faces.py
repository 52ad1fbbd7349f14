"""The main job with a tiny model in the place of the bundled one: `python -m tests.jobs.tiny_faces FOLDER [OPTIONS]`."""

import sys
from pathlib import Path

from jobs.command_line import main
from jobs.portraits import portraits as job
from pipeline.domains import portraits

if __name__ == "__main__":
    portraits.MODEL = Path(sys.argv.pop(1))
    main(job)
