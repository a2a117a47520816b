"""The base views of the demo catalogue, drawn once and kept in a cache folder.

The cache is keyed by everything that decides a picture's bytes: the drawing code, the libraries,
the fonts at hand and the seed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import PIL

from demo import drawing, goods
from demo.modifications import encode_jpeg

logger = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[1]
DEFAULT_CACHE_FOLDER = _ROOT / "build" / "demo-cache"
_DRAWING_LIMIT_S = 600


@dataclass(frozen=True, slots=True, order=True)
class BaseView:
    """One picture to draw: a product of a category, one of its shots, the picture's side."""

    category_id: int
    product: int
    shot: int
    size_px: int

    @property
    def file_name(self) -> str:
        """Its name in the cache."""
        return f"{self.category_id}-{self.product}-{self.shot}-{self.size_px}.jpg"


def generator_version() -> str:
    """A name for all that decides the bytes of a picture besides the seed."""
    digest = hashlib.sha256()
    for module in (drawing, goods):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(f"{np.__version__} {PIL.__version__} {goods.devanagari_font()}".encode())
    return digest.hexdigest()[:12]


def base_views(
    wanted: Sequence[BaseView], seed: int, cache_folder: Path = DEFAULT_CACHE_FOLDER
) -> dict[BaseView, bytes]:
    """JPEG bytes of the wanted views; what the cache lacks is drawn by up to two processes."""
    folder = cache_folder / f"{generator_version()}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    missing = sorted({view for view in wanted if not (folder / view.file_name).is_file()})
    if missing:
        started_s = time.monotonic()
        _draw_in_processes(missing, seed, folder)
        logger.info("Drew %d views in %.1f s", len(missing), time.monotonic() - started_s)
    return {view: (folder / view.file_name).read_bytes() for view in wanted}


def _draw_in_processes(missing: Sequence[BaseView], seed: int, folder: Path) -> None:
    count = min(2, os.cpu_count() or 1, len(missing))
    # One thread of linear algebra to a process: the matrices are three by three.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(_ROOT), str(_ROOT / "plugins")])
    command = [sys.executable, "-m", "demo.gallery", str(folder), str(seed)]
    processes = []
    try:
        for number in range(count):
            share = json.dumps([astuple(view) for view in missing[number::count]])
            process = subprocess.Popen(
                command, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, text=True
            )
            processes.append(process)
            if process.stdin is not None:
                process.stdin.write(share)
                process.stdin.close()
        codes = [process.wait(timeout=_DRAWING_LIMIT_S) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    if any(codes):
        raise RuntimeError(f"Drawing the demo pictures failed: exit codes {codes}, expected zeros")


def draw_views(wanted: Sequence[BaseView], seed: int, folder: Path) -> None:
    """Draw views into a folder, each file whole or not at all."""
    categories = {category.category_id: category for category in goods.CATEGORIES}
    for view in wanted:
        product = goods.make_product(categories[view.category_id], view.product, seed)
        shot = product.shots[view.shot]
        parts = product.laid if shot.is_laid else product.parts
        image = drawing.draw(parts, shot.view, product.studio, view.size_px)
        temporary = folder / f".{view.file_name}.{os.getpid()}"
        temporary.write_bytes(encode_jpeg(image, quality=90))
        temporary.replace(folder / view.file_name)


def main() -> None:
    """Draw the views that standard input lists, as a helper process of `base_views`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()
    wanted = [BaseView(*values) for values in json.load(sys.stdin)]
    draw_views(wanted, arguments.seed, arguments.folder)


if __name__ == "__main__":
    main()
