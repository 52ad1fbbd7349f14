"""An older name of `python -m jobs.portraits`."""

from jobs.command_line import main
from jobs.portraits import portraits as faces

if __name__ == "__main__":
    main(faces)
