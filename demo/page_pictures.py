"""Pictures of pages for the documentation: how a command takes and keeps them."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable

from PIL import Image
from rich.console import Console

from demo.airflow_home import PROJECT
from demo.run import DemoFailedError

TARGET = PROJECT / "docs" / "images"
_MOST_BYTES = 300_000


def find_chromium() -> str:
    """The browser's program. Raises DemoFailedError without one."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise DemoFailedError("no program chromium on PATH; setup/system-packages.sh browser")
    return chromium


def save_picture(shot: bytes, name: str, console: Console) -> None:
    """Keep a screenshot below `docs/images/`, in few colours where it would be large."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    path = TARGET / name
    picture.save(path, optimize=True)
    if path.stat().st_size > _MOST_BYTES:
        picture.quantize(dither=Image.Dither.NONE).save(path, optimize=True)
    console.print(f"{path.relative_to(PROJECT)} ({path.stat().st_size // 1000} kB)")


def run_command(take: Callable[[Console], None]) -> int:
    """Take the pictures; the exit status."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        take(console)
    except DemoFailedError as error:
        console.print(str(error), markup=False, style="red")
        return 1
    return 0
