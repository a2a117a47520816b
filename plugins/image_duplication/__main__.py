"""The command line: `python -m image_duplication check FILE…`."""

from __future__ import annotations

import sys

from image_duplication.upload_check.command import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
