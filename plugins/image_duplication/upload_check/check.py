"""Judges the pictures of an upload, with those that the variant shows already, as one variant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from image_duplication.detection import (
    Examination,
    FileReport,
    Group,
    Match,
    examine_contents,
    hash_file,
)
from image_duplication.detection.hindi_sentences import describe_in_hindi
from image_duplication.detection.sentences import describe_match
from image_duplication.errors import UploadRefusedError
from image_duplication.records import (
    CheckMode,
    Engine,
    Kind,
    PhotoProblem,
    PictureSource,
    QualityNote,
    Role,
    Suggestion,
    Verdict,
)
from image_duplication.settings import Settings
from image_duplication.upload_check.shown import ShownPicture
from image_duplication.upload_check.told_apart import ToldApart
from image_duplication.upload_check.wording import (
    CHECK_ENGLISH,
    CHECK_HINDI,
    Outcome,
    Repeat,
    write_message,
)
from image_duplication.verdicts import Judgement, judge_variant


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that was sent: where the server has put it, and the sender's name for it, to show."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class PictureReport:
    """One picture of the check; `number` counts from 1, those that the variant shows first.

    `problem` says why it cannot be compared; then its size is 0 and it is in no group. `base` and
    `keeper` are the numbers of its group's base image and of the one to keep. Of a shown picture
    there is an `image_id`, of an uploaded one a `name`.
    """

    number: int
    source: PictureSource
    name: str | None
    image_id: str | None
    problem: str | None
    width_px: int
    height_px: int
    is_usable: bool
    quality_notes: tuple[QualityNote, ...]
    role: Role
    base: int | None
    keeper: int | None
    suggestion: Suggestion


@dataclass(frozen=True, slots=True)
class PairReport:
    """Two pictures, by number, that belong together; `distance` is on the engine's own scale."""

    first: int
    second: int
    kinds: tuple[Kind, ...]
    sentence: str
    sentence_hindi: str
    distance: float
    engine: Engine


@dataclass(frozen=True, slots=True)
class DuplicateReport(PairReport):
    """A picture that matches the base image of its group, which is `first`.

    `keep` is the image of the group to keep, which may be a third; `replace` is the one of the two
    to replace. Over a group, each redundant image is named once.
    """

    keep: int
    keep_reason: str
    replace: int


@dataclass(frozen=True, slots=True)
class UploadCheck:
    """What is to be said of an upload.

    `verdict` is that of the variant with these pictures: `compliant`, `short_by_<n>` or
    `undecided`; `distinct` are its different usable pictures. `related` are close-ups and the
    like, of which nothing is to be replaced. The messages are for the seller.
    """

    mode: CheckMode
    verdict: str
    reason: str
    distinct: int
    required: int
    pictures: tuple[PictureReport, ...]
    duplicates: tuple[DuplicateReport, ...]
    related: tuple[PairReport, ...]

    @property
    def missing(self) -> int:
        """How many more different usable pictures the rule asks for."""
        return max(0, self.required - self.distinct)

    @property
    def is_short(self) -> bool:
        """Whether the variant shows too few, whatever the pictures are that cannot be judged."""
        return Verdict.of(self.verdict) is Verdict.SHORT

    @property
    def needs_change(self) -> bool:
        """Whether the upload will not do as it is.

        It will not while the variant with it is short, nor while one of its files repeats another
        picture, whichever of the two is better, or cannot be used. What is amiss with pictures that
        were shown before it is said, and is not held against it.
        """
        return (
            self.is_short
            or self.has_repeats
            or any(not picture.is_usable for picture in self.uploaded)
        )

    @property
    def uploaded(self) -> list[PictureReport]:
        """The pictures that were sent."""
        return [one for one in self.pictures if one.source is PictureSource.UPLOADED]

    @property
    def has_repeats(self) -> bool:
        """Whether an uploaded picture and another one are the same."""
        uploaded = {picture.number for picture in self.uploaded}
        return any(not uploaded.isdisjoint((pair.first, pair.second)) for pair in self.duplicates)

    @property
    def is_blocked(self) -> bool:
        """Whether the upload is to be refused: in mode `block`, whenever it needs a change."""
        return self.mode is CheckMode.BLOCK and self.needs_change

    @property
    def message(self) -> str:
        """In English: what is wrong, and what to upload instead."""
        return write_message(CHECK_ENGLISH, self._outcome())

    @property
    def message_hindi(self) -> str:
        """The same in Hindi."""
        return write_message(CHECK_HINDI, self._outcome())

    def _outcome(self) -> Outcome:
        problems = [
            (picture.number, problem)
            for picture in self.pictures
            if (problem := _name_problem(picture)) is not None
        ]
        unfit = {number for number, _ in problems}
        return Outcome(
            shown=sum(picture.source is PictureSource.SHOWN for picture in self.pictures),
            distinct=self.distinct,
            required=self.required,
            is_short=self.is_short,
            needs_change=self.needs_change,
            is_blocked=self.is_blocked,
            repeats=[_name_repeat(pair) for pair in self.duplicates if pair.replace not in unfit],
            problems=problems,
        )


def _name_problem(picture: PictureReport) -> PhotoProblem | None:
    if picture.role is Role.UNJUDGED:
        return PhotoProblem.UNREADABLE
    return PhotoProblem.of_notes(picture.quality_notes)


def _name_repeat(pair: DuplicateReport) -> Repeat:
    other = pair.second if pair.replace == pair.first else pair.first
    return Repeat(pair.replace, other, pair.keep, pair.kinds, pair.sentence)


def check_pictures(
    files: Sequence[UploadedFile],
    settings: Settings,
    *,
    shown: Sequence[ShownPicture] = (),
    told_apart: ToldApart = frozenset(),
    mode: CheckMode = CheckMode.ALERT,
) -> UploadCheck:
    """Judge files in their order, after the pictures that the variant shows, as one variant.

    Matches, roles and keepers are those that the weekly run gives for the same pictures, but that
    contents which people have told apart do not match. What is in a file raises nothing. Raises
    UploadRefusedError (`no_files`, `too_many_files`), and what reading a shown picture raises.
    """
    _check_count(len(files), settings.upload.max_files)
    entries = [*map(_enter_shown, shown), *map(_enter_file, files)]
    examination, places = _examine(entries, settings, told_apart)
    groups, related = examination.group()
    standings = _find_standings(groups, places)
    duplicates = [
        _report_duplicate(group, match, places) for group in groups for match in group.matches
    ]
    replaced = {duplicate.replace for duplicate in duplicates}
    reports = dict(zip(places, examination.files, strict=True))
    pictures = [
        _report_picture(
            number,
            entry,
            reports.get(number, _NOT_FETCHED),
            standings.get(number),
            is_replaced=number in replaced,
        )
        for number, entry in enumerate(entries, start=1)
    ]
    judgement = _judge(pictures, required=settings.policy.required_pictures)
    return UploadCheck(
        mode=mode,
        verdict=judgement.verdict,
        reason=judgement.reason,
        distinct=judgement.distinct_usable,
        required=settings.policy.required_pictures,
        pictures=tuple(pictures),
        duplicates=tuple(sorted(duplicates, key=lambda pair: pair.second)),
        related=tuple(_report_pair(match, places) for match in related),
    )


def _check_count(count: int, most: int) -> None:
    if not count:
        raise UploadRefusedError("no_files", f"no picture was sent; expected 1 to {most} files")
    if count > most:
        raise UploadRefusedError(
            "too_many_files", f"{count} files were sent; at most {most} are allowed"
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    """A picture to be judged; without a hash there is nothing to read."""

    source: PictureSource
    name: str | None
    image_id: str | None
    content_sha256: str | None
    read: Callable[[], bytes]


def _enter_shown(picture: ShownPicture) -> _Entry:
    return _Entry(PictureSource.SHOWN, None, picture.image_id, picture.content_sha256, picture.read)


def _enter_file(file: UploadedFile) -> _Entry:
    return _Entry(
        PictureSource.UPLOADED, file.name, None, hash_file(file.path), file.path.read_bytes
    )


_NOT_FETCHED = FileReport("could not be fetched when the variant was judged")


def _examine(
    entries: Sequence[_Entry], settings: Settings, told_apart: ToldApart
) -> tuple[Examination, list[int]]:
    """What the pictures show, and the number of each of them that there is to read."""
    reads: dict[str, Callable[[], bytes]] = {}
    contents, places = [], []
    for number, entry in enumerate(entries, start=1):
        if entry.content_sha256 is not None:
            reads.setdefault(entry.content_sha256, entry.read)
            contents.append(entry.content_sha256)
            places.append(number)
    examination = examine_contents(contents, lambda content: reads[content](), settings)
    matches = tuple(
        match
        for match in examination.matches
        if frozenset({contents[match.first], contents[match.second]}) not in told_apart
    )
    return replace(examination, matches=matches), places


@dataclass(frozen=True, slots=True)
class _Standing:
    """A readable picture within its group, by numbers."""

    role: Role
    base: int
    keeper: int


def _find_standings(groups: Iterable[Group], places: Sequence[int]) -> Mapping[int, _Standing]:
    standings = {}
    for group in groups:
        base, keeper = places[group.base], places[group.keeper]
        standings[base] = _Standing(Role.BASE, base, keeper)
        for match in group.matches:
            standings[places[match.second]] = _Standing(Role.DUPLICATE, base, keeper)
    return standings


def _report_picture(
    number: int,
    entry: _Entry,
    report: FileReport,
    standing: _Standing | None,
    *,
    is_replaced: bool,
) -> PictureReport:
    return PictureReport(
        number=number,
        source=entry.source,
        name=entry.name,
        image_id=entry.image_id,
        problem=report.problem,
        width_px=report.width_px,
        height_px=report.height_px,
        is_usable=report.is_usable,
        quality_notes=report.quality_notes,
        role=standing.role if standing else Role.UNJUDGED,
        base=standing.base if standing else None,
        keeper=standing.keeper if standing else None,
        suggestion=Suggestion.REPLACE if is_replaced or not report.is_usable else Suggestion.KEEP,
    )


def _report_pair(match: Match, places: Sequence[int]) -> PairReport:
    sentence = describe_match(match)
    return PairReport(
        first=places[match.first],
        second=places[match.second],
        kinds=tuple(kind for kind in Kind if kind in match.kinds),
        sentence=sentence,
        sentence_hindi=describe_in_hindi(match.kinds, sentence),
        distance=match.distance,
        engine=match.engine,
    )


def _report_duplicate(group: Group, match: Match, places: Sequence[int]) -> DuplicateReport:
    pair = _report_pair(match, places)
    return DuplicateReport(
        **{field.name: getattr(pair, field.name) for field in fields(pair)},
        keep=places[group.keeper],
        keep_reason=group.keeper_reason,
        replace=pair.first if group.keeper == match.second else pair.second,
    )


def _judge(pictures: Sequence[PictureReport], *, required: int) -> Judgement:
    """The verdict of the weekly run on a variant with these pictures."""
    return judge_variant(
        [
            {
                "image_id": picture.number,
                "image_url": None,
                "reason_code": None,
                "role": picture.role,
                "is_usable": picture.is_usable,
                "base_image_id": picture.base,
            }
            for picture in pictures
        ],
        required=required,
    )
