"""The accuracy command: its dataset, its peers, and a whole run on three drawn products."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.accuracy import __main__ as command
from benchmarks.accuracy import peers as peers_module
from benchmarks.accuracy import steps as steps_module
from benchmarks.accuracy.dataset import Dataset, DatasetError, PairLabel, read_dataset
from benchmarks.accuracy.engines import NAME, ProjectDetector
from benchmarks.accuracy.hard_negatives import (
    Amounts,
    Category,
    make_hard_pair,
    plan_hard_pairs,
)
from benchmarks.accuracy.judging import CrossTask, HardTask, Judge, ProductTask, judge_tasks
from benchmarks.accuracy.modifications import MODIFICATIONS, Coding
from benchmarks.accuracy.outcomes import PairRow, PositiveRow
from benchmarks.accuracy.peers import (
    DIFPY_RULES,
    Peers,
    _wavelet_scale,
    check_difpy,
    compare_like_difpy,
)
from benchmarks.accuracy.planning import FULL_EXTENT, SAMPLE_EXTENT, Extent, plan_tasks
from benchmarks.accuracy.steps import Steps, timed_inside
from demo.drawing import draw
from demo.goods import CATEGORIES, make_product
from image_duplication.detection import difpy_engine, matching
from image_duplication.records import Kind

TINY = Extent(
    views=3,
    modifications_in=8,
    cross_blocks=1,
    hard=Amounts(per_frame=1, per_drawn=0, photographed_prints=1),
    timed_variants=1,
    timed_pairs=4,
    difpy_checks=1,
)
SIDE_PX = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawn products; one has a copy, which is labelled, and one a near pair."""
    folder = tmp_path_factory.mktemp("photos") / "dev"
    for category in CATEGORIES[:3]:
        product = make_product(category, 0, 7)
        place = folder / f"drawn__{category.slug}"
        place.mkdir(parents=True)
        for shot in product.shots[:2]:
            parts = product.laid if shot.is_laid else product.parts
            image = draw(parts, shot.view, product.studio, SIDE_PX)
            image.save(place / f"{shot.view.name}.jpg", quality=90)
    front = folder / "drawn__chair" / "three_quarter.jpg"
    (front.parent / "copy.jpg").write_bytes(front.read_bytes())
    (folder.parent / "labels.csv").write_text(
        "product,view_a,view_b,label,why\n"
        "drawn__chair,copy,three_quarter,dup,the same file\n"
        "drawn__lamp,front,side,near,for the test\n"
        "drawn__elsewhere,1,2,dup,not in this folder\n"
    )
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return read_dataset(folder)


def coded(colour: int, size: tuple[int, int] = (60, 40), suffix: str = "PNG") -> bytes:
    """A flat picture."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (colour, colour, colour)).save(buffer, suffix)
    return buffer.getvalue()


def burn(cpu_s: float) -> None:
    """Keep this process busy."""
    end_s = time.process_time() + cpu_s
    while time.process_time() < end_s:
        pass


# --- dataset -----------------------------------------------------------------------------------


def test_dataset_has_products_views_and_labels(dataset: Dataset) -> None:
    chair = dataset.products["drawn__chair"]

    assert [view.name for view in chair.views] == ["back", "copy", "three_quarter"]
    assert chair.source == "drawn"
    assert dataset.label("drawn__chair", "three_quarter", "copy") is PairLabel.DUP
    assert dataset.label("drawn__chair", "back", "copy") is PairLabel.HONEST
    assert dataset.count_pairs() == {PairLabel.HONEST: 3, PairLabel.DUP: 1, PairLabel.NEAR: 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("product,a,b\n", "has no column", id="columns"),
        pytest.param(
            "product,view_a,view_b,label\np,1,9,dup\n", "'1' and '9' are not two", id="view"
        ),
        pytest.param("product,view_a,view_b,label\np,1,1,dup\n", "not two", id="one view twice"),
        pytest.param("product,view_a,view_b,label\np,1,2,same\n", "label 'same'", id="label"),
    ],
)
def test_dataset_is_refused_when_labels_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    place = tmp_path / "photos" / "p"
    place.mkdir(parents=True)
    for name in ("1.png", "2.png"):
        (place / name).write_bytes(coded(40))
    (tmp_path / "labels.csv").write_text(text)

    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path / "photos")


def test_dataset_is_refused_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No picture in"):
        read_dataset(tmp_path)
    with pytest.raises(DatasetError, match="No folder"):
        read_dataset(tmp_path / "missing")


def test_view_gives_its_file_as_it_is_unless_it_is_too_large(tmp_path: Path) -> None:
    place = tmp_path / "photos" / "p"
    place.mkdir(parents=True)
    (place / "large.png").write_bytes(coded(40, (900, 300)))
    (place / "small.png").write_bytes(coded(40))
    large, small = read_dataset(tmp_path / "photos").products["p"].views

    assert small.read_file() == coded(40)
    with Image.open(io.BytesIO(large.read_file())) as opened:
        assert opened.size == (640, 213)
    assert large.read().size == (640, 213)


# --- hard honest pairs -------------------------------------------------------------------------


def test_hard_pairs_are_of_every_category_and_never_of_a_labelled_pair(dataset: Dataset) -> None:
    pairs = plan_hard_pairs(dataset, Amounts(3, 1, 2), seed=7)

    assert {pair.category for pair in pairs} == set(Category)
    assert pairs == plan_hard_pairs(dataset, Amounts(3, 1, 2), seed=7)
    for pair in pairs:
        if pair.category is Category.FRAMED_VIEWS:
            first, second = pair.views
            assert dataset.label(first.product, first.name, second.name) is PairLabel.HONEST
        elif pair.category is Category.FRAMED_GOODS:
            assert pair.views[0].product != pair.views[1].product


def test_hard_pair_is_made_the_same_again(dataset: Dataset) -> None:
    pair = plan_hard_pairs(dataset, Amounts(1, 0, 0), seed=7)[0]

    first, second = make_hard_pair(pair, seed=7)

    assert first != second
    assert (first, second) == make_hard_pair(pair, seed=7)


# --- peers -------------------------------------------------------------------------------------


def test_peers_find_the_same_file_and_not_another(dataset: Dataset) -> None:
    peers = Peers()
    chair, lamp = (dataset.products[f"drawn__{name}"].views[0] for name in ("chair", "lamp"))
    known = peers.describe(chair.read_file())

    assert peers.compare(known, known) == dict.fromkeys(peers.names, True)
    assert not peers.compare(known, peers.describe(lamp.read_file()))["pHash 10"]


@pytest.mark.parametrize(
    ("size", "scale"),
    [((640, 640), 256), ((640, 300), 256), ((200, 640), 128), ((64, 64), 64), ((3, 5), 8)],
)
def test_peers_wavelet_scale_is_a_power_of_two_within_limits(
    size: tuple[int, int], scale: int
) -> None:
    assert _wavelet_scale(Image.new("L", size)) == scale


def test_peers_difpy_keeps_its_faults() -> None:
    peers = Peers()
    black, grey = peers.describe(coded(0)), peers.describe(coded(128))
    other_size = peers.describe(coded(0, (60, 41)))

    assert compare_like_difpy(black, grey, DIFPY_RULES["difPy 0"])
    assert not compare_like_difpy(black, other_size, DIFPY_RULES["difPy 0"])
    assert compare_like_difpy(black, other_size, DIFPY_RULES["difPy 5"])


def test_peers_difpy_in_process_agrees_with_difpy_itself() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    picture = Coding("PNG").encode(Image.fromarray(noise))
    pairs = [("flat", coded(0), coded(128, suffix="JPEG")), ("noise", coded(90), picture)]

    check = check_difpy(pairs)

    assert (check.pairs, check.disagreements) == (2, ())


def test_peers_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_module, "_import_optional", lambda name: None)

    peers = Peers()

    assert peers.names == ("difPy 0", "difPy 5")
    assert [sentence.split(" ")[0] for sentence in peers.missing] == ["aHash,", "PDQ"]
    assert all("pip install" in sentence for sentence in peers.missing)
    known = peers.describe(coded(9))
    assert peers.compare(known, known) == {"difPy 0": True, "difPy 5": True}


def test_peers_survive_a_file_that_difpy_cannot_read() -> None:
    peers = Peers()
    broken = replace(peers.describe(coded(9)), tensor=None, shape=())

    assert not compare_like_difpy(broken, broken, DIFPY_RULES["difPy 5"])


# --- judging -----------------------------------------------------------------------------------


def test_project_detector_finds_the_same_bytes_and_nothing_in_what_it_cannot_read() -> None:
    detector = ProjectDetector()
    noise = np.random.default_rng(5).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    picture = detector.describe(Coding("PNG").encode(Image.fromarray(noise)))

    assert picture
    (evidence,) = detector.compare([picture, picture])
    assert detector.judge(evidence).kinds == {Kind.IDENTICAL}
    assert detector.describe(b"no picture") is None
    assert detector.compare([picture]) == []


def test_judge_compares_views_with_each_other_and_with_modifications(dataset: Dataset) -> None:
    names = ("png", "background_blue", "mirror")
    task = ProductTask("drawn__chair", (("back", names),))

    rows = Judge(dataset, 7, with_peers=True).do(task)

    pairs = {(row.first, row.second): row for row in rows if isinstance(row, PairRow)}
    assert {key: row.category for key, row in pairs.items()} == {
        ("back", "copy"): "honest",
        ("back", "three_quarter"): "honest",
        ("copy", "three_quarter"): "dup",
    }
    assert pairs["copy", "three_quarter"].finding.kinds == {Kind.IDENTICAL}
    assert "difPy 0" in pairs["copy", "three_quarter"].peers
    positives = {row.modification: row for row in rows if isinstance(row, PositiveRow)}
    assert tuple(positives) == names
    assert positives["png"].finding.is_duplicate
    assert "difPy 0" in positives["png"].peers
    assert "difPy 5" not in positives["mirror"].peers


def test_judge_compares_different_products(dataset: Dataset) -> None:
    views = tuple(product.views[0] for product in dataset.products.values())

    rows = Judge(dataset, 7, with_peers=False).do(CrossTask(views))

    assert [row.category for row in rows if isinstance(row, PairRow)] == ["one source"] * 3
    assert not any(row.peers for row in rows)
    assert not any(row.evidence for row in rows)


def test_judging_in_processes_gives_the_same_rows(dataset: Dataset) -> None:
    hard = tuple(plan_hard_pairs(dataset, Amounts(1, 0, 0), seed=7)[:2])
    tasks = [ProductTask("drawn__lamp", (("front", ("jpeg_50", "crop_10")),)), HardTask(hard)]

    def rows(workers: int) -> set[PairRow | PositiveRow]:
        judged = judge_tasks(
            dataset, tasks, 7, with_peers=False, workers=workers, with_evidence=True
        )
        return {row for found in judged for row in found}

    assert rows(2) == rows(1)
    assert len(rows(1)) == 5
    assert all(row.evidence is not None for row in rows(2))


# --- steps -------------------------------------------------------------------------------------


def test_steps_count_each_second_once() -> None:
    steps = Steps()

    with steps.step("outer"):
        with steps.step("inner"):
            burn(0.03)
        burn(0.01)

    assert 0.03 <= steps.seconds["inner"] < 0.08
    assert 0.01 <= steps.seconds["outer"] < 0.03


def test_steps_inside_the_detector_are_timed_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"tensors": ["matching.reduce_picture"], "pairs": ["difpy_engine._blocks", "gone.away"]}
    monkeypatch.setattr(steps_module, "INNER_STEPS", names)
    before = matching.reduce_picture
    steps = Steps()

    with timed_inside(steps) as missing:
        matching.reduce_picture(Image.new("RGB", (9, 9)), 50)
        assert list(difpy_engine._blocks(3, 2)) != []

    assert missing == ["gone.away"]
    assert set(steps.seconds) == {"tensors", "pairs"}
    assert matching.reduce_picture is before


# --- planning ----------------------------------------------------------------------------------


def test_full_run_modifies_every_view_in_every_way(dataset: Dataset) -> None:
    tasks = [task for task in plan_tasks(dataset, FULL_EXTENT, 7) if isinstance(task, ProductTask)]

    planned = {(task.product, view): names for task in tasks for view, names in task.modified}
    assert set(planned) == {(view.product, view.name) for view in dataset.views}
    assert set(planned.values()) == {tuple(MODIFICATIONS)}


def test_sample_spreads_the_modifications_evenly_over_the_views(dataset: Dataset) -> None:
    extent = replace(SAMPLE_EXTENT, views=6)
    tasks = [task for task in plan_tasks(dataset, extent, 7) if isinstance(task, ProductTask)]

    names = [name for task in tasks for _view, part in task.modified for name in part]
    assert {names.count(name) for name in MODIFICATIONS} == {2}


# --- the command -------------------------------------------------------------------------------


def test_command_measures_prints_and_writes_everything(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "SAMPLE_EXTENT", TINY)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    out = tmp_path / "out"
    arguments = ["--dataset", str(folder), "--sample", "--workers", "1", "--out", str(out)]
    arguments.append("--cross-validate")

    status = command.main(arguments)

    said = capsys.readouterr().out
    assert status == 0
    assert "3 products of 1 sources (drawn), 7 views" in said
    assert "3 of 7 views, drawn evenly" in said
    assert "agree on all of them" in said
    for title in ("Recall by family", "Detectors side by side", "Kinds, exactly right", "Goals"):
        assert title in said
    assert "not measured" in said
    assert "Not cross-validated: all pictures come from one source" in said
    assert not (out / "cross_validation.csv").exists()
    families = pd.read_csv(out / "families.csv")
    assert {"family", NAME, "difPy 0", "difPy 5"} <= set(families.columns)
    measured = pd.read_csv(out / "modifications.csv")
    for count in ("pairs", "skipped"):
        assert measured[count].sum() == families[count].sum()
    peers = pd.read_csv(out / "peers.csv").set_index("detector")
    assert peers.loc[NAME, "copies: of"] == 1
    assert peers.loc[NAME, "copies: flagged"] == 1
    assert peers.loc["difPy 0", "honest_pairs: of"] == 3
    errors = pd.read_csv(out / "pairs.csv")
    assert set(errors["what"]) <= {"accused", "near pair", "copy missed", "missed"}
    with Image.open(out / "recall.png") as plot:
        assert plot.width > 800


def test_command_says_what_is_wrong_with_its_dataset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--dataset", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert "No folder" in capsys.readouterr().err
