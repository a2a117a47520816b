"""difPy runs for real behind its adapter: its own search, in process, its faults made good."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from difPy import dif
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from image_duplication.detection import (
    Candidate,
    Match,
    describe_picture,
    difpy_engine,
    find_matches,
    group_images,
)
from image_duplication.detection.difpy_engine import (
    LOOSEST_MSE,
    correct_errors,
    find_near_pairs,
    reduce_picture,
    search_pairs,
)
from image_duplication.detection.evidence import Picture, Tensor
from image_duplication.errors import ConfigurationError
from image_duplication.records import Engine, Kind
from image_duplication.settings import DetectionSettings, Settings, load_settings
from tests.difpy_as_is import AsIs, SameProcessPool
from tests.drawn_photos import draw_photo
from tests.judged_rows import draw_picture, encode

# difPy as it is --------------------------------------------------------------------------------


def with_difpy(**difpy: object) -> Settings:
    return load_settings({"detection": {"engines": [Engine.DIFPY], "difpy": difpy}})


def found_by_this_project(
    *paths: Path, similarity_mse: float = 0, same_dimensions: bool = False
) -> set[frozenset[str]]:
    chosen = with_difpy(similarity_mse=similarity_mse, same_dimensions=same_dimensions)
    return {
        frozenset((paths[match.first].name, paths[match.second].name))
        for match in find_matches(paths, chosen)
    }


def flat(value: int) -> Image.Image:
    return Image.new("RGB", (60, 60), (value, value, value))


def save(folder: Path, **contents: Image.Image | bytes) -> list[Path]:
    paths = []
    for name, content in contents.items():
        path = folder / f"{name}.png"
        path.write_bytes(content if isinstance(content, bytes) else encode(content))
        paths.append(path)
    return paths


def describe_file(path: Path) -> Picture:
    with Image.open(path) as opened:
        return describe_picture(
            opened.convert("RGB"), path.name, DetectionSettings(), min_side_px=33
        )


BOTH = {frozenset(("a.png", "b.png"))}


@pytest.mark.parametrize("values", [(0, 128), (0, 64), (255, 239), (40, 200)], ids=str)
def test_difpy_takes_wrapped_squares_for_equal_and_the_adapter_does_not(
    tmp_path: Path, values: tuple[int, int]
) -> None:
    paths = save(tmp_path, a=flat(values[0]), b=flat(values[1]))
    assert AsIs(*paths).pairs == BOTH
    assert found_by_this_project(*paths) == set()


@pytest.mark.parametrize("is_turned_first", [False, True], ids=["A B", "B A"])
def test_adapter_finds_a_quarter_turn_in_either_order_of_files(
    tmp_path: Path, is_turned_first: bool
) -> None:
    upright = draw_picture(1, 50, 50)  # resizing another size turns only nearly alike
    pictures = [upright, upright.transpose(Image.Transpose.ROTATE_90)]
    first, second = reversed(pictures) if is_turned_first else pictures
    paths = save(tmp_path, a=first, b=second)
    assert AsIs(*paths).pairs == (BOTH if is_turned_first else set())
    (match,) = find_matches(paths, with_difpy(similarity_mse=0))
    assert match.kinds == {Kind.TRANSFORMED}
    assert match.distance == 0
    # The evidence says how to turn the second picture back onto the first.
    assert match.evidence.rotation_deg == (90 if is_turned_first else 270)


def test_difpy_drops_pairs_when_it_groups_and_the_adapter_does_not(tmp_path: Path) -> None:
    paths = save(tmp_path, a=flat(100), b=flat(104), c=flat(102))
    as_is = AsIs(*paths, similarity="similar")
    both = {frozenset(("a.png", "c.png")), frozenset(("b.png", "c.png"))}
    assert as_is.raw_pairs == both
    assert as_is.pairs == {frozenset(("a.png", "c.png"))}
    assert found_by_this_project(*paths, similarity_mse=5) == both


def with_orientation(picture: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(picture, exif=exif.tobytes())


def test_difpy_ignores_exif_orientation_and_the_adapter_does_not(tmp_path: Path) -> None:
    upright = draw_picture(1)
    mirrored = upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    # Shown upright, though stored mirrored.
    paths = save(tmp_path, a=upright, b=with_orientation(mirrored, 2))
    assert AsIs(*paths, similarity="similar").pairs == set()
    assert found_by_this_project(*paths) == BOTH


def test_difpy_takes_equal_samples_shown_mirrored_for_equal_and_the_adapter_does_not(
    tmp_path: Path,
) -> None:
    paths = save(tmp_path, a=draw_picture(1), b=with_orientation(draw_picture(1), 2))
    assert AsIs(*paths).pairs == BOTH
    assert found_by_this_project(*paths, similarity_mse=200) == set()


def cut_out(left: int, right: int) -> Image.Image:
    """One and the same hidden picture, seen through a window."""
    picture = draw_picture(1).convert("RGBA")
    alpha = Image.new("L", picture.size, 0)
    alpha.paste(255, (left, 0, right, picture.height))
    picture.putalpha(alpha)
    return picture


def test_difpy_drops_alpha_and_the_adapter_does_not(tmp_path: Path) -> None:
    paths = save(tmp_path, a=cut_out(0, 25), b=cut_out(30, 60))
    assert AsIs(*paths).pairs == BOTH
    assert found_by_this_project(*paths, similarity_mse=200) == set()


def test_difpy_loses_a_picture_that_warns_and_the_adapter_does_not(tmp_path: Path) -> None:
    palette = draw_picture(1).quantize(16)
    warned = encode(palette, transparency=b"\xff" * 16)
    paths = save(tmp_path, a=palette.convert("RGB"), b=warned)
    as_is = AsIs(*paths)
    assert as_is.invalid == {"b.png"}
    assert as_is.pairs == set()
    assert found_by_this_project(*paths) == BOTH


def test_difpy_finds_no_mirror_image_and_this_project_does(tmp_path: Path) -> None:
    picture = draw_photo(1, 120, 100)
    paths = save(tmp_path, a=picture, b=picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert AsIs(*paths, similarity=5).pairs == set()
    (match,) = find_matches(paths)
    assert match.kinds == {Kind.TRANSFORMED}


def test_difpy_accepts_everything_at_200_and_the_settings_allow_nothing_above(
    tmp_path: Path,
) -> None:
    """Noise of every level against noise: exact squares differ by 10,000 on average."""
    random = np.random.default_rng(1)
    noise = [random.integers(0, 256, (50, 50, 3), dtype=np.uint8) for _ in range(3)]
    paths = save(
        tmp_path, **{name: Image.fromarray(one) for name, one in zip("abc", noise, strict=True)}
    )
    assert len(AsIs(*paths, similarity=200).raw_pairs) == 3
    assert found_by_this_project(*paths, similarity_mse=200) == set()
    with pytest.raises(ConfigurationError, match="similarity_mse"):
        with_difpy(similarity_mse=200.5)


def test_difpy_prefers_an_enlarged_copy_and_the_keeper_rule_does_not(tmp_path: Path) -> None:
    photo = draw_photo(1)
    enlarged = photo.resize((840, 720), Image.Resampling.BICUBIC)
    paths = save(tmp_path, a=enlarged, b=photo)
    assert AsIs(*paths, similarity=60).lower_quality == {"b.png"}
    pictures = [describe_file(path) for path in paths]
    groups, _ = group_images(
        [
            Candidate(place, picture.width_px, picture.height_px, picture.quality)
            for place, picture in enumerate(pictures)
        ],
        find_matches(paths),
    )
    assert [group.keeper for group in groups] == [1]


def test_difpy_skips_bitmap_files_and_the_adapter_does_not(tmp_path: Path) -> None:
    paths = [tmp_path / "a.bmp", tmp_path / "b.bmp"]
    for path in paths:
        draw_picture(1).save(path)
    assert AsIs(*paths).pairs == set()
    assert found_by_this_project(*paths) == {frozenset(("a.bmp", "b.bmp"))}


# difPy above 5,000 pictures --------------------------------------------------------------------


class _Repository:
    """What the search of many pictures reads of a build."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self._tensor_dictionary = dict(enumerate(tensors))


def search_of_many(tensors: list[Tensor], similarity: float) -> Any:
    """difPy's search of more than 5,000 pictures, its steps to be called one by one."""
    search = dif.search.__new__(dif.search)
    search._search__difpy_obj = _Repository(tensors)
    search._search__similarity = similarity
    search._search__same_dim = False
    search._search__rotate = True
    return search


def test_difpy_takes_equal_sums_for_equal_pictures_and_the_adapter_does_not() -> None:
    picture, reordered = make_tensors(1)[0], make_tensors(1)[0][::-1, ::-1, ::-1]
    search = search_of_many([picture, reordered], 0)
    assert search._find_matches_batch([(0, 1)]) == [(0, 1, 0)]
    assert find_near_pairs([picture, reordered]) == {}


def test_difpy_never_compares_the_last_of_many_and_the_adapter_does() -> None:
    tensors = make_tensors(7)
    tensors[6] = tensors[0]
    compared = {
        pair for group in search_of_many(tensors, 0)._yield_comparison_group() for pair in group
    }
    assert compared == set(itertools.combinations(range(6), 2))
    assert find_near_pairs(tensors) == {(0, 6): (0.0, 0)}


def test_difpy_reports_another_pairs_figure_among_many_and_the_adapter_does_not() -> None:
    first = np.full((10, 10, 3), 100, np.uint8)
    tensors = [first, first + np.uint8(10), first + np.uint8(2)]
    search = search_of_many(tensors, 5)
    assert search._find_matches_batch([(0, 1), (0, 2)]) == [(0, 2, 100.0)]
    assert find_near_pairs(tensors)[0, 2] == (4.0, 0)


@pytest.mark.parametrize("block_images", [2, 5, 6, 512])
def test_near_pairs_of_many_are_exact_however_they_are_cut_up(
    monkeypatch: pytest.MonkeyPatch, block_images: int
) -> None:
    """The last picture included, turned either way; equal sums are not equal pictures."""
    tensors = make_tensors(23)
    tensors[22] = np.rot90(tensors[3])
    tensors[21] = np.rot90(tensors[0], -1)
    tensors[20] = tensors[7][::-1, ::-1, ::-1]
    monkeypatch.setattr(difpy_engine, "_ERROR_BLOCK_IMAGES", block_images)
    near = find_near_pairs(tensors)
    assert near == {(3, 22): (0.0, 270), (0, 21): (0.0, 90)}
    # The turn by three quarters is one that difPy's own search knows in the other order alone.
    assert search_pairs(tensors, [*near, (22, 3)]) == dict.fromkeys(near, 0.0)
    assert search_pairs(tensors, near)[3, 22] > 0


# difPy where it is right -----------------------------------------------------------------------


def draw_gentle_folder(seed: int, folder: Path) -> list[Path]:
    """Pictures whose samples differ by less than 16, so that no square wraps; some alike."""
    random = np.random.default_rng(seed)
    originals = [random.integers(100, 112, (30, 40, 3), dtype=np.uint8) for _ in range(2)]
    paths = []
    for number in range(int(random.integers(2, 6))):
        samples = originals[random.integers(len(originals))].copy()
        match int(random.integers(4)):
            case 0:
                noisy = samples + random.integers(-1, 2, samples.shape)
                samples = np.clip(noisy, 100, 112).astype(np.uint8)
            case 1:
                samples = np.clip(samples.astype(int) + 2, 100, 112).astype(np.uint8)
            case 2:
                samples = samples.repeat(2, axis=0).repeat(2, axis=1)
            case _:
                pass
        path = folder / f"{number}.png"
        Image.fromarray(samples).save(path)
        paths.append(path)
    return paths


@pytest.mark.parametrize("same_dim", [False, True], ids=["any size", "same size"])
@pytest.mark.parametrize("similarity", [0, 5], ids=["duplicates", "similar"])
def test_adapter_finds_what_difpy_finds_where_difpy_is_right(
    tmp_path: Path, similarity: int, same_dim: bool
) -> None:
    folders_with_pairs = 0
    for seed in range(60):
        folder = tmp_path / str(seed)
        folder.mkdir()
        paths = draw_gentle_folder(seed, folder)
        as_is = AsIs(*paths, similarity=similarity, same_dim=same_dim)
        found = found_by_this_project(*paths, similarity_mse=similarity, same_dimensions=same_dim)
        assert found == as_is.raw_pairs, f"seed {seed}"
        folders_with_pairs += bool(found)
    assert 10 <= folders_with_pairs <= 59


def test_reduced_picture_is_difpys_own(tmp_path: Path) -> None:
    (path,) = save(tmp_path, a=draw_picture(1, 120, 80))
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(dif, "Pool", SameProcessPool)
        built = dif.build(str(path), px_size=50, show_progress=False)
    with Image.open(path) as picture:
        reduced = reduce_picture(picture.convert("RGB"), 50)
    assert np.array_equal(reduced, built._tensor_dictionary[0])


# Its own search, in process ----------------------------------------------------------------------


class Calls:
    """How often difPy's own functions ran, and with what."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.searches: list[int] = []
        self.pairs: list[tuple[int, int]] = []
        self.errors = 0
        search, find, compute = (
            dif.search.__init__,
            dif.search._find_matches,
            dif._compare_imgs._compute_mse,
        )

        def counting_search(this: Any, build: Any, *args: Any, **options: Any) -> None:
            self.searches.append(len(build._tensor_dictionary))
            search(this, build, *args, **options)

        def counting_find(this: Any, ids: tuple[int, int]) -> Any:
            self.pairs.append(ids)
            return find(this, ids)

        def counting_compute(*tensors: Any, **options: Any) -> Any:
            self.errors += 1
            return compute(*tensors, **options)

        patch.setattr(dif.search, "__init__", counting_search)
        patch.setattr(dif.search, "_find_matches", counting_find)
        patch.setattr(dif._compare_imgs, "_compute_mse", counting_compute)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def make_tensors(count: int, seed: int = 0) -> list[Tensor]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, 10, 10, 3), dtype=np.uint8))


def every_pair(count: int) -> list[tuple[int, int]]:
    return list(itertools.combinations(range(count), 2))


def test_adapter_runs_difpys_own_search_on_every_pair_and_turned_ones_both_ways(
    calls: Calls,
) -> None:
    search_pairs(make_tensors(6), [*every_pair(6), (4, 1)])
    assert calls.searches == [6]
    assert calls.pairs == [*itertools.combinations(range(6), 2), (4, 1)]
    assert calls.errors == 16


def test_judging_files_runs_difpys_own_search(tmp_path: Path, calls: Calls) -> None:
    paths = save(tmp_path, a=draw_picture(1), b=draw_picture(2), c=draw_picture(3))
    find_matches(paths)
    assert calls.searches == [3]
    assert len(calls.pairs) == calls.errors == 3


def test_a_match_needs_difpys_own_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = save(tmp_path, a=draw_picture(1), b=draw_picture(1, 90, 90))
    assert found_by_this_project(*paths, similarity_mse=50) == BOTH
    monkeypatch.setattr(dif.search, "_find_matches", lambda this, ids: None)
    assert found_by_this_project(*paths, similarity_mse=50) == set()


def test_difpys_own_figure_is_what_its_search_says() -> None:
    tensors = make_tensors(5)
    turned = [(0, 1), (2, 4)]
    found = search_pairs(tensors, [*every_pair(5), *((b, a) for a, b in turned)])
    assert found.keys() == set(itertools.combinations(range(5), 2))
    for (first, second), figure in found.items():
        one, other = tensors[first], tensors[second]
        figures = [dif._compare_imgs._compute_mse(one, other)]
        if (first, second) in turned:
            figures.append(dif._compare_imgs._compute_mse(other, one))
        assert figure == min(figures)


def test_difpys_own_figure_is_missing_above_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [np.full((10, 10, 3), value, np.uint8) for value in (0, 15, 128)]
    # 15² = 225 is over the range; 128² and 113² wrap to 0 and 225.
    assert search_pairs(steps, every_pair(3)) == {(0, 2): 0.0}
    assert LOOSEST_MSE == 200


def test_adapter_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("difPy started a pool of processes")

    monkeypatch.setattr(dif, "Pool", refuse)
    paths = save(tmp_path, a=draw_picture(1), b=draw_picture(1))
    assert found_by_this_project(*paths) == BOTH


def test_adapter_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    search_pairs(make_tensors(3), every_pair(3))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("count", [0, 1], ids=["none", "one"])
def test_search_of_less_than_two_pictures_finds_nothing(count: int) -> None:
    assert search_pairs(make_tensors(count), every_pair(count)) == {}


def test_search_never_holds_more_pictures_than_difpy_searches_exactly(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert difpy_engine.MAX_SEARCH_IMAGES == 5_000
    tensors = make_tensors(23)
    whole = search_pairs(tensors, every_pair(len(tensors)))
    calls.searches.clear()
    calls.pairs.clear()
    monkeypatch.setattr(difpy_engine, "MAX_SEARCH_IMAGES", 7)
    assert search_pairs(tensors, every_pair(len(tensors))) == whole
    assert len(calls.searches) > 1
    assert max(calls.searches) <= 7
    assert {frozenset(pair) for pair in calls.pairs} == {
        frozenset(pair) for pair in itertools.combinations(range(23), 2)
    }


@pytest.mark.parametrize("count", [3, 4, 5, 8, 9])
@pytest.mark.parametrize("bound", [2, 3, 4])
def test_blocks_hold_every_pair_within_the_bound(count: int, bound: int) -> None:
    blocks = list(difpy_engine._blocks(count, bound))
    assert all(len(block) <= bound for block in blocks)
    assert {pair for block in blocks for pair in itertools.combinations(sorted(block), 2)} == set(
        itertools.combinations(range(count), 2)
    )


# The correct error -----------------------------------------------------------------------------

TENSORS = st.integers(2, 4).flatmap(
    lambda side: st.lists(arrays(np.uint8, (side, side, 3)), min_size=1, max_size=4)
)


def naive_errors(first: Tensor, second: Tensor) -> list[float]:
    return [
        float(np.mean((first.astype(float) - np.rot90(second, turns).astype(float)) ** 2))
        for turns in range(4)
    ]


@settings(deadline=None, database=None)
@given(TENSORS)
def test_correct_errors_are_the_plain_mean_of_squares(tensors: list[Tensor]) -> None:
    errors, rotations = correct_errors(tensors)
    for first, second in itertools.product(range(len(tensors)), repeat=2):
        naive = naive_errors(tensors[first], tensors[second])
        assert errors[first, second] == pytest.approx(min(naive), abs=1e-9)
        assert naive[rotations[first, second] // 90] == pytest.approx(min(naive), abs=1e-9)


@settings(deadline=None, database=None)
@given(TENSORS)
def test_correct_errors_are_symmetric(tensors: list[Tensor]) -> None:
    errors, _ = correct_errors(tensors)
    assert np.array_equal(errors, errors.T)


@settings(deadline=None, database=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_correct_errors_name_the_turn_that_undoes_the_turn(seed: int, turns: int) -> None:
    tensor = make_tensors(1, seed)[0]
    errors, rotations = correct_errors([tensor, np.rot90(tensor, -turns)])
    assert errors[0, 1] == 0
    assert rotations[0, 1] == turns * 90


def test_correct_errors_prefer_no_turn_when_a_turn_is_no_better() -> None:
    alike = [np.full((10, 10, 3), value, np.uint8) for value in (10, 12)]
    errors, rotations = correct_errors(alike)
    assert errors[0, 1] == 4
    assert not rotations.any()


@settings(deadline=None, database=None)
@given(arrays(np.uint8, (2, 6, 6, 3)))
def test_wrapped_figure_is_never_greater_than_the_correct_one(pair: np.ndarray) -> None:
    errors, _ = correct_errors(list(pair))
    found = search_pairs(list(pair), every_pair(2))
    if errors[0, 1] <= LOOSEST_MSE:
        assert found[0, 1] <= errors[0, 1] + 1e-9


# Files -----------------------------------------------------------------------------------------


def kinds_of(matches: Iterable[Match]) -> Iterator[tuple[int, int, set[Kind], Engine]]:
    return ((match.first, match.second, set(match.kinds), match.engine) for match in matches)


def test_find_matches_skips_what_it_cannot_read_and_keeps_the_places(tmp_path: Path) -> None:
    picture = draw_picture(1)
    paths = save(
        tmp_path, a=b"no picture", b=picture, c=draw_picture(2), d=b"", e=picture, f=picture
    )
    paths[5].write_bytes(encode(picture, "BMP"))
    assert list(kinds_of(find_matches(paths))) == [
        (1, 4, {Kind.IDENTICAL}, Engine.IDENTICAL),
        (1, 5, {Kind.SAME_PICTURE}, Engine.DIFPY),
        (4, 5, {Kind.SAME_PICTURE}, Engine.DIFPY),
    ]


def test_find_matches_of_no_file_is_empty() -> None:
    assert find_matches([]) == []


def test_find_matches_obeys_the_pixel_bound(tmp_path: Path) -> None:
    paths = save(tmp_path, a=draw_picture(1), b=draw_picture(1))
    bounded = load_settings({"download": {"max_pixels": 1_024}})
    assert find_matches(paths, bounded) == []
