"""Uploads as sellers send them: different pictures of goods, and copies among them."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.accuracy.changes import NotApplicableError, Random
from benchmarks.accuracy.dataset import Dataset
from benchmarks.accuracy.modifications import MODIFICATIONS, Coding, modify, reduce
from image_duplication.upload_check.check import UploadedFile

PICTURES = 5
_COPIES = (0, 1, 2)  # of the pictures of an upload, in turn
_GRAIN = 3.0  # grey levels
_PHONE_PX = (4032, 3024)
_PHONE_CODING = Coding(quality=90)
_SMALL_CODING = Coding(quality=88)


def write_uploads(
    dataset: Dataset, folder: Path, *, count: int, side_px: int | None, seed: int
) -> list[list[UploadedFile]]:
    """So many uploads of five pictures, of which none, one or two are copies of others.

    The longer side is `side_px`; None: pictures of 12 megapixels, enlarged and with the grain of a
    phone's sensor. The modifications of the copies are those of the accuracy benchmark, in turn.
    """
    random = np.random.default_rng([seed, 5])
    uploads = []
    turns = itertools.cycle(MODIFICATIONS.values())
    for number in range(count):
        copies = _COPIES[number % len(_COPIES)]
        originals = _draw_pictures(dataset, PICTURES - copies, random)
        contents = [_SMALL_CODING.encode(picture) for picture in originals]
        while len(contents) < PICTURES:
            try:
                contents.append(modify(originals[len(contents) % 2], next(turns), seed))
            except NotApplicableError:
                continue
        place = folder / str(number)
        place.mkdir(parents=True)
        upload = []
        for turn, content in enumerate(contents):
            path = place / f"{turn}.jpg"
            path.write_bytes(_fit(content, side_px, random))
            upload.append(UploadedFile(path.name, path))
        uploads.append(upload)
    return uploads


def _draw_pictures(dataset: Dataset, count: int, random: Random) -> list[Image.Image]:
    views = dataset.views
    return [views[int(place)].read() for place in random.permutation(len(views))[:count]]


def _fit(content: bytes, side_px: int | None, random: Random) -> bytes:
    with Image.open(io.BytesIO(content)) as opened:
        if side_px is not None:
            if max(opened.size) <= side_px:
                return content
            return _SMALL_CODING.encode(reduce(opened.convert("RGB"), side_px))
        return _PHONE_CODING.encode(as_phone_picture(opened.convert("RGB"), random))


def as_phone_picture(picture: Image.Image, random: Random) -> Image.Image:
    """The picture at 12 megapixels, with grain."""
    across, down = _PHONE_PX if picture.width >= picture.height else _PHONE_PX[::-1]
    large = np.asarray(picture.resize((across, down), Image.Resampling.LANCZOS), np.float32)
    grain = random.standard_normal((down, across, 1), np.float32) * _GRAIN
    return Image.fromarray((large + grain).clip(0, 255).astype(np.uint8))
