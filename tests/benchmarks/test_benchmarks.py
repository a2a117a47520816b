"""The benchmark commands on the smallest of catalogues; what they measure is not judged here."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from benchmarks import catalogue as catalogues
from benchmarks.catalogue import BenchmarkCatalogue, Size, build_catalogue
from benchmarks.measuring import ChildFailedError, Cost, measure
from benchmarks.memory import print_table
from benchmarks.pipeline import Outcome, compare, download_figures, find_difference, run_flow
from demo.image_server import running_image_server

SIZE = Size(variants=6, images_per_variant=5, side_px=64, categories=2)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkCatalogue:
    """Made of plain pictures: drawing the demo's views takes longer than this test may."""
    random = np.random.default_rng(1)
    views = []
    for _ in range(3):
        encoded = io.BytesIO()
        pixels = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((80, 80)).save(encoded, "JPEG")
        views.append(encoded.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogues, "base_views", lambda wanted, seed: dict(enumerate(views)))
        return build_catalogue(SIZE, tmp_path_factory.mktemp("cache"))


def outcome(flow: str, wall_s: float, cpu_s: float, **found: str) -> Outcome:
    sets = frozenset((variant_id, frozenset(ids.split())) for variant_id, ids in found.items())
    stages = {"download_images": {"wall_s": 2.0, "cpu_s": 1.5}}
    return Outcome(flow, Cost(wall_s, cpu_s, 200, 100), 1_000, 1_000, stages, sets, 0.5)


def test_catalogue_plants_a_tenth_and_is_taken_from_the_cache(
    catalogue: BenchmarkCatalogue,
) -> None:
    assert len(catalogue.planted()) == SIZE.images // 10
    made_at = catalogue.database.stat().st_mtime_ns
    again = build_catalogue(SIZE, catalogue.folder.parent)
    assert again == catalogue
    assert again.database.stat().st_mtime_ns == made_at


def test_catalogue_pictures_all_differ_but_for_the_planted(catalogue: BenchmarkCatalogue) -> None:
    files = [path for path in catalogue.served_folder.rglob("*") if path.is_file()]
    pixels = set()
    for path in files:
        with Image.open(path) as picture:
            assert picture.size == (SIZE.side_px, SIZE.side_px)
            pixels.add(picture.convert("RGB").tobytes())
    assert len(files) == SIZE.images
    assert len(pixels) == SIZE.images - len(catalogue.planted())


def test_both_flows_find_what_is_planted(catalogue: BenchmarkCatalogue, tmp_path: Path) -> None:
    options = argparse.Namespace(
        variants=SIZE.variants,
        images=SIZE.images_per_variant,
        categories=SIZE.categories,
        slots=2,
        in_flight=4,
        processes=1,
        engine=["difpy"],
    )
    with running_image_server(catalogue.served_folder) as server:
        ours, reference = (
            run_flow(flow, catalogue, server, options, tmp_path)
            for flow in ("pipeline", "reference")
        )
    planted = {
        (variant_id, frozenset(ids))
        for variant_id, sets in catalogue.planted().items()
        for ids in sets
    }
    assert ours.found == reference.found == planted
    assert find_difference(ours, reference) == []
    assert ours.fetched == reference.fetched == SIZE.images
    assert ours.stages.keys() >= {"plan_work", "download_images", "publish_run"}
    for one in (ours, reference):
        assert one.cost.cpu_s > 0
        assert one.cost.peak_tree_mib >= one.cost.peak_process_mib > 20


def test_difference_names_the_flow_the_variant_and_the_images() -> None:
    ours = outcome("pipeline", 1, 1, v1="a b", v2="c d")
    reference = outcome("reference", 1, 1, v1="a b", v2="c e")
    assert find_difference(ours, reference) == [
        "only pipeline: variant v2: c, d",
        "only reference: variant v2: c, e",
    ]


def test_ratios_are_ours_against_the_reference() -> None:
    ratios = compare(outcome("pipeline", 10, 12), outcome("reference", 40, 48))
    assert ratios == {"speed": 4.0, "cpu": 0.25, "peak_memory": 1.0}


def test_download_is_held_against_the_lower_bound() -> None:
    figures = download_figures(outcome("pipeline", 10, 12), in_flight=32, delay_ms=50)
    assert figures["rate"] == 500
    assert figures["in_flight_by_delay"] == 640
    assert figures["share"] == pytest.approx(500 / min(640, figures["cpu_bound"]))


def test_memory_table_gives_the_greatest_ratio() -> None:
    small = {"plan_work": Cost(1, 1, 100, 100), "publish_run": Cost(1, 1, 100, 100)}
    large = {"plan_work": Cost(1, 1, 110, 110), "publish_run": Cost(1, 1, 150, 150)}
    assert print_table(small, large, Console(file=io.StringIO())) == 1.5


def test_measure_says_why_a_child_failed(tmp_path: Path) -> None:
    with pytest.raises(ChildFailedError, match="No module named benchmarks.nothing"):
        measure("benchmarks.nothing", [], log=tmp_path / "log", timeout_s=20)


def test_measure_ends_a_child_that_takes_too_long(tmp_path: Path) -> None:
    with pytest.raises(ChildFailedError, match="exit code -9"):
        measure(
            "timeit", ["-s", "import time", "time.sleep(30)"], log=tmp_path / "log", timeout_s=1
        )
