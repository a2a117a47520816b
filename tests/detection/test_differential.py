"""The engine `difpy` alone against difPy itself, on folders of files."""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from image_duplication.detection import find_matches
from image_duplication.records import Engine
from image_duplication.settings import Settings, load_settings
from tests.difpy_as_is import AsIs, correct_figures

FOLDERS = 1_300
LEAST_RIGHT = 1_000
LIMITS = (0.0, 5.0, 60.0)


def draw_base(random: np.random.Generator) -> Image.Image:
    """A small picture: shapes or noise, in full or in slight contrast."""
    width, height = (int(side) for side in random.integers(20, 64, 2))
    low, high = (96, 111) if random.random() < 0.6 else (0, 256)
    if random.random() < 0.5:
        samples = random.integers(low, high, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(samples)
    colours = random.integers(low, high, (7, 3)).tolist()
    picture = Image.new("RGB", (width, height), tuple(colours[0]))
    brush = ImageDraw.Draw(picture)
    for colour in colours[1:]:
        x, y = random.integers(0, (width, height))
        across, down = random.integers(3, 20, 2)
        shape = brush.ellipse if random.random() < 0.5 else brush.rectangle
        shape((x - across, y - down, x + across, y + down), fill=tuple(colour))
    return picture


Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def add_to(picture: Image.Image, more: np.ndarray | int) -> Image.Image:
    samples = np.asarray(picture).astype(np.int16) + more
    return Image.fromarray(samples.clip(0, 255).astype(np.uint8))


CHANGES: tuple[Change, ...] = (
    lambda picture, random: add_to(picture, random.integers(-2, 3, (*picture.size[::-1], 3))),
    lambda picture, random: add_to(picture, int(random.integers(-7, 8))),
    lambda picture, random: picture.resize((picture.width * 2, picture.height * 2)),
    lambda picture, random: picture.transpose(Image.Transpose.ROTATE_90),
    lambda picture, random: picture.transpose(Image.Transpose.ROTATE_180),
    lambda picture, random: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    lambda picture, random: picture.filter(ImageFilter.BoxBlur(1)),
    lambda picture, random: picture,
)


def change(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    return CHANGES[random.integers(len(CHANGES))](picture, random)


def draw_folder(seed: int, folder: Path) -> list[Path]:
    """Two to five files, some of them changed copies, named in no order of theirs."""
    random = np.random.default_rng([seed, 42])
    bases = [draw_base(random) for _ in range(2)]
    count = int(random.integers(2, 6))
    folder.mkdir()
    paths = []
    for number in random.permutation(count):
        base = bases[int(random.random() < 0.35)]
        path = folder / f"{number}.{random.choice(['png', 'tif'])}"
        (base if random.random() < 0.3 else change(base, random)).save(path)
        paths.append(path)
    return paths


@dataclass(frozen=True, slots=True)
class Setting:
    similarity_mse: float
    same_dimensions: bool

    @classmethod
    def of(cls, seed: int) -> Setting:
        return cls(LIMITS[seed % len(LIMITS)], seed % 2 == 0)


@functools.cache
def settings_of(setting: Setting) -> Settings:
    return load_settings(
        {
            "detection": {
                "engines": [Engine.DIFPY],
                "difpy": {
                    "similarity_mse": setting.similarity_mse,
                    "same_dimensions": setting.same_dimensions,
                },
            }
        }
    )


def find_figures(paths: list[Path], setting: Setting) -> dict[frozenset[str], float]:
    return {
        frozenset((paths[match.first].name, paths[match.second].name)): match.distance
        for match in find_matches(paths, settings_of(setting))
    }


def sizes_of(paths: list[Path]) -> dict[str, list[int]]:
    sizes = {}
    for path in paths:
        with Image.open(path) as picture:
            sizes[path.name] = sorted(picture.size)
    return sizes


def correct_answer(paths: list[Path], as_is: AsIs, setting: Setting) -> dict[frozenset[str], float]:
    figures = correct_figures(as_is.tensors, setting.similarity_mse)
    sizes = sizes_of(paths)
    return {
        pair: mse
        for pair, mse in figures.items()
        if not setting.same_dimensions or len({tuple(sizes[name]) for name in pair}) == 1
    }


def test_engine_difpy_equals_difpy_on_a_thousand_folders_where_difpy_is_right(
    tmp_path: Path,
) -> None:
    """Right is what exact arithmetic over all four rotations says: its pairs, and its figures.

    Where difPy is wrong, this project must still be right.
    """
    seen: Counter[str] = Counter()
    for seed in range(FOLDERS):
        setting = Setting.of(seed)
        paths = draw_folder(seed, tmp_path / str(seed))
        as_is = AsIs(*paths, similarity=setting.similarity_mse, same_dim=setting.same_dimensions)
        correct = correct_answer(paths, as_is, setting)
        found = find_figures(paths, setting)
        assert found == pytest.approx(correct, abs=1e-9), f"seed {seed}: {setting}"
        if as_is.figures == pytest.approx(correct, abs=1e-9):
            assert found == pytest.approx(as_is.figures, abs=1e-9), f"seed {seed}: {setting}"
            seen["right"] += 1
            seen["with matches"] += bool(found)
            seen["with some but not all pairs"] += 0 < len(found) < math.comb(len(paths), 2)
            seen["with figures above 0"] += any(found.values())
        else:
            seen["wrong"] += 1
    assert seen["right"] >= LEAST_RIGHT, seen
    assert seen["with matches"] >= 400, seen
    assert seen["with some but not all pairs"] >= 200, seen
    assert seen["with figures above 0"] >= 100, seen
    assert seen["wrong"] >= 20, seen


REAL_CALL = """
import json, sys, warnings
from pathlib import Path

warnings.simplefilter("ignore")
import difPy

if __name__ == "__main__":
    answers = []
    for folder, similarity, same_dim in json.load(sys.stdin):
        paths = sorted(str(path) for path in Path(folder).iterdir())
        built = difPy.build(*paths, show_progress=False)
        found = difPy.search(
            built, similarity=similarity, same_dim=same_dim, show_progress=False
        )
        answers.append(found.result)
    print("ANSWERS", json.dumps(answers))
"""


def test_difpy_without_its_process_pool_answers_as_with_it(tmp_path: Path) -> None:
    """So the comparison above is one with difPy itself, its processes aside."""
    asked = []
    for seed in (5, 19, 27, 32, 40, 61):
        folder = tmp_path / str(seed)
        setting = Setting.of(seed)
        draw_folder(seed, folder)
        asked.append((str(folder), setting.similarity_mse, setting.same_dimensions))
    script = tmp_path / "real_call.py"
    script.write_text(REAL_CALL)
    ended = subprocess.run(
        [sys.executable, str(script)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    answers = json.loads(ended.stdout.rpartition("ANSWERS")[2])
    in_process = [
        AsIs(*sorted(Path(folder).iterdir()), similarity=similarity, same_dim=same_dim).result
        for folder, similarity, same_dim in asked
    ]
    assert answers == json.loads(json.dumps(in_process))
    assert any(answers)
