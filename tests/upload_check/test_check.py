"""What the check says of an upload, alone and beside what the variant shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from image_duplication.errors import UploadRefusedError
from image_duplication.records import (
    CheckMode,
    Kind,
    PictureSource,
    QualityNote,
    Role,
    Suggestion,
)
from image_duplication.settings import Settings, load_settings
from image_duplication.upload_check.answer import CheckAnswer
from image_duplication.upload_check.check import UploadCheck, check_pictures
from image_duplication.upload_check.shown import ShownPicture
from tests.upload_check.uploads import (
    BACK,
    BLANK,
    BROKEN,
    FRONT,
    LARGER_FRONT,
    MIRRORED_FRONT,
    SIDE,
    send,
    show,
)


@pytest.fixture
def check(tmp_path: Path, settings: Settings):  # type: ignore[no-untyped-def]
    def run(
        *contents: bytes,
        shown: Sequence[ShownPicture] = (),
        mode: CheckMode = CheckMode.BLOCK,
    ) -> UploadCheck:
        return check_pictures(send(tmp_path, [*contents]), settings, shown=shown, mode=mode)

    return run


def suggestions(found: UploadCheck) -> list[Suggestion]:
    return [picture.suggestion for picture in found.pictures]


def test_upload_of_three_different_pictures_is_in_order(check) -> None:
    found = check(FRONT, SIDE, BACK)

    assert (found.verdict, found.distinct, found.missing) == ("compliant", 3, 0)
    assert not found.needs_change
    assert not found.is_blocked
    assert suggestions(found) == [Suggestion.KEEP] * 3
    assert (found.duplicates, found.related) == ((), ())
    assert found.message == ("These photos can be used. Different photos: 3. Needed: 3.")


def test_copy_is_named_with_what_was_done_and_what_to_keep(check) -> None:
    found = check(FRONT, MIRRORED_FRONT, SIDE)

    (pair,) = found.duplicates
    assert (pair.first, pair.second, pair.keep, pair.replace) == (1, 2, 1, 2)
    assert pair.kinds == (Kind.TRANSFORMED,)
    assert pair.sentence == "same photo, mirrored"
    assert pair.sentence_hindi == "वही फ़ोटो, दर्पण की तरह पलटी हुई"
    assert pair.keep_reason.startswith("kept for its ")
    assert suggestions(found) == [Suggestion.KEEP, Suggestion.REPLACE, Suggestion.KEEP]
    assert (found.verdict, found.reason) == ("short_by_1", "duplicate_images")
    assert "Photo 2 repeats photo 1: same photo, mirrored." in found.message
    assert "Keep photo 1 and replace photo 2." in found.message
    assert "Please upload 1 more photo(s) of other views." in found.message


def test_better_copy_is_kept_instead_of_the_earlier_picture(check) -> None:
    found = check(FRONT, LARGER_FRONT, SIDE, BACK)

    (pair,) = found.duplicates
    assert (pair.keep, pair.replace) == (2, 1)
    assert "Photo 1 repeats photo 2" in found.message
    assert "Keep photo 2 and replace photo 1." in found.message


def test_repeat_needs_a_change_even_where_enough_pictures_differ(check) -> None:
    found = check(FRONT, SIDE, BACK, FRONT)

    assert found.verdict == "compliant"
    assert found.needs_change
    assert found.is_blocked
    assert (found.duplicates[0].kinds, found.duplicates[0].distance) == ((Kind.IDENTICAL,), 0.0)


def test_same_name_twice_is_two_pictures(tmp_path: Path, settings: Settings) -> None:
    files = send(tmp_path, [FRONT, SIDE])
    same = [type(file)("photo.jpg", file.path) for file in files]

    found = check_pictures(same, settings)

    assert [picture.name for picture in found.pictures] == ["photo.jpg", "photo.jpg"]
    assert found.duplicates == ()


@pytest.mark.parametrize("mode", CheckMode)
def test_only_mode_block_refuses(check, mode: CheckMode) -> None:
    found = check(FRONT, FRONT, mode=mode)

    assert found.needs_change
    assert found.is_blocked is (mode is CheckMode.BLOCK)
    assert ("These photos cannot be accepted yet." in found.message) is found.is_blocked


def test_single_file_is_short_of_two(check) -> None:
    found = check(FRONT)

    assert (found.verdict, found.reason, found.missing) == ("short_by_2", "too_few_images", 2)
    assert found.is_blocked


def test_unreadable_file_leaves_the_verdict_open_and_is_to_be_sent_again(check) -> None:
    found = check(FRONT, SIDE, BROKEN)

    assert (found.verdict, found.is_short, found.needs_change) == ("undecided", False, True)
    broken = found.pictures[2]
    assert broken.problem is not None
    assert broken.problem.startswith("no picture of the formats")
    assert (broken.role, broken.base, broken.suggestion) == (
        Role.UNJUDGED,
        None,
        Suggestion.REPLACE,
    )
    assert "Photo 3 could not be opened." in found.message


def test_unreadable_files_of_equal_bytes_are_no_duplicates(check) -> None:
    assert check(BROKEN, BROKEN, FRONT).duplicates == ()


def test_blank_picture_does_not_count(check) -> None:
    found = check(FRONT, SIDE, BLANK)

    assert found.pictures[2].quality_notes == (QualityNote.BLANK,)
    assert (found.distinct, found.verdict, found.reason) == (2, "short_by_1", "unusable_images")
    assert "Photo 3 shows a single colour only." in found.message


def test_repeated_blank_picture_is_said_to_be_blank_and_not_a_repeat(check) -> None:
    found = check(FRONT, BLANK, BLANK)

    assert len(found.duplicates) == 1
    assert "repeats" not in found.message


# Beside what is shown -----------------------------------------------------------------------------


def test_shown_pictures_come_first_and_count(check) -> None:
    found = check(BACK, shown=show(FRONT, SIDE))

    assert [(one.number, one.source, one.image_id, one.name) for one in found.pictures] == [
        (1, PictureSource.SHOWN, "image-1", None),
        (2, PictureSource.SHOWN, "image-2", None),
        (3, PictureSource.UPLOADED, None, "1.jpg"),
    ]
    assert (found.verdict, found.needs_change) == ("compliant", False)


def test_upload_that_repeats_a_shown_picture_is_refused(check) -> None:
    found = check(MIRRORED_FRONT, shown=show(FRONT, SIDE, BACK))

    assert found.verdict == "compliant"
    assert found.is_blocked
    assert suggestions(found)[3] is Suggestion.REPLACE
    assert "Photos 1 to 3 are those that the product shows already." in found.message
    assert "Photo 4 repeats photo 1" in found.message


def test_better_copy_of_a_shown_picture_is_refused_beside_it(check) -> None:
    found = check(LARGER_FRONT, shown=show(FRONT, SIDE, BACK))

    assert suggestions(found) == [
        Suggestion.REPLACE,
        Suggestion.KEEP,
        Suggestion.KEEP,
        Suggestion.KEEP,
    ]
    assert found.is_blocked
    assert "Keep photo 4 and replace photo 1." in found.message


def test_copies_among_shown_pictures_are_told_but_not_held_against_an_upload(check) -> None:
    found = check(LARGER_FRONT, shown=show(SIDE, SIDE, BACK))

    assert len(found.duplicates) == 1
    assert (found.verdict, found.is_blocked) == ("compliant", False)
    assert "Photo 2 repeats photo 1" in found.message


def test_shown_picture_that_could_not_be_fetched_blocks_nothing(check) -> None:
    found = check(FRONT, SIDE, shown=show(None))

    assert found.pictures[0].problem == "could not be fetched when the variant was judged"
    assert (found.verdict, found.needs_change, found.is_blocked) == ("undecided", False, False)
    assert "Different photos: 2. Needed: 3. Missing: 1." in found.message
    assert "Photo 1 could not be opened." in found.message


# Bounds and names ---------------------------------------------------------------------------------


def test_empty_upload_is_refused(settings: Settings) -> None:
    with pytest.raises(UploadRefusedError, match="expected 1 to 20 files") as refused:
        check_pictures([], settings)
    assert refused.value.code == "no_files"


def test_too_many_files_are_refused_with_the_limit(tmp_path: Path) -> None:
    settings = load_settings({"upload": {"max_files": 2}})

    with pytest.raises(UploadRefusedError, match="3 files were sent; at most 2") as refused:
        check_pictures(send(tmp_path, [FRONT, SIDE, BACK]), settings)
    assert refused.value.code == "too_many_files"


def test_default_limit_is_twenty_files(settings: Settings) -> None:
    assert settings.upload.max_files == 20


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "<script>alert(1)</script>.jpg", "\x1b[2J.jpg", "", "x" * 5_000]
)
def test_name_is_handed_back_and_nothing_else(
    tmp_path: Path, settings: Settings, name: str
) -> None:
    found = check_pictures(send(tmp_path, {name: FRONT}), settings)

    assert found.pictures[0].name == name
    assert name not in found.message or not name
    assert CheckAnswer.of(found).pictures[0].name == name


# Words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", CheckMode)
def test_hindi_has_no_latin_letters_and_the_figures_of_the_english_message(
    check, mode: CheckMode
) -> None:
    found = check(MIRRORED_FRONT, LARGER_FRONT, BLANK, BROKEN, shown=show(FRONT, None), mode=mode)
    latin = set(re.findall("[A-Za-z]+", found.message_hindi))

    assert latin <= {"JPEG", "PNG"}
    assert not re.search("[A-Za-z]", "".join(pair.sentence_hindi for pair in found.duplicates))
    assert len(found.message.splitlines()) == len(found.message_hindi.splitlines())
    for english, hindi in zip(
        found.message.splitlines(), found.message_hindi.splitlines(), strict=True
    ):
        assert sorted(re.findall(r"\d+", english)) == sorted(re.findall(r"\d+", hindi))


def test_answer_has_the_closed_form_of_the_check(check) -> None:
    found = check(FRONT, MIRRORED_FRONT, BROKEN)
    answer = CheckAnswer.of(found)

    assert answer.duplicates[0].replace == 2
    assert CheckAnswer.model_validate_json(answer.model_dump_json()) == answer
    schema = CheckAnswer.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    assert all(not part["additionalProperties"] for part in parts if part["type"] == "object")
