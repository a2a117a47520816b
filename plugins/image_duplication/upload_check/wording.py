"""What a check says to a seller, in English and in Hindi: the words of notices, and some more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from image_duplication.notices.wording import ENGLISH, HINDI, Wording
from image_duplication.records import PhotoProblem


@dataclass(frozen=True, slots=True)
class CheckWording:
    """The texts of a check in one language that a notice does not have, as templates."""

    notice: Wording
    numbers: str
    refused: str
    fine: str
    upload: str


CHECK_ENGLISH = CheckWording(
    notice=ENGLISH,
    numbers=(
        "Photos 1 to {shown} are those that the product shows already. Your photos come after them."
    ),
    refused="These photos cannot be accepted yet.",
    fine="These photos can be used. Different photos: {distinct}. Needed: {required}.",
    upload="Please upload {missing} more photo(s) of other views.",
)

CHECK_HINDI = CheckWording(
    notice=HINDI,
    numbers=("फ़ोटो 1 से {shown} वे हैं जो उत्पाद में पहले से दिखाई जा रही हैं। आपकी फ़ोटो उनके बाद आती हैं।"),
    refused="ये फ़ोटो अभी स्वीकार नहीं की जा सकतीं।",
    fine="ये फ़ोटो इस्तेमाल की जा सकती हैं। अलग-अलग फ़ोटो: {distinct}। ज़रूरी: {required}।",
    upload="कृपया दूसरे दृश्यों की {missing} और फ़ोटो अपलोड करें।",
)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A picture that repeats another one; all by number."""

    photo: int
    other: int
    keep: int
    kinds: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a message says, in figures. `problems` are by number of the picture."""

    shown: int
    distinct: int
    required: int
    is_short: bool
    needs_change: bool
    is_blocked: bool
    repeats: Sequence[Repeat]
    problems: Sequence[tuple[int, PhotoProblem]]


def write_message(wording: CheckWording, outcome: Outcome) -> str:
    """What is wrong and what to upload instead, a line for each."""
    return "\n".join(_say(wording, outcome))


def _say(wording: CheckWording, outcome: Outcome) -> Iterator[str]:
    notice = wording.notice
    missing = max(0, outcome.required - outcome.distinct)
    figures = {"distinct": outcome.distinct, "required": outcome.required, "missing": missing}
    if outcome.is_blocked:
        yield wording.refused
    if not outcome.needs_change and not missing:
        yield wording.fine.format(**figures)
    elif missing:
        yield notice.too_few.format(**figures)
    if outcome.shown and (outcome.repeats or outcome.problems):
        yield wording.numbers.format(shown=outcome.shown)
    for repeat in outcome.repeats:
        sentence = notice.describe(repeat.kinds, repeat.sentence)
        said = notice.finding.format(photo=repeat.photo, other=repeat.other, sentence=sentence)
        yield f"{said} {notice.keep.format(keep=repeat.keep, photo=repeat.photo)}"
    for photo, problem in outcome.problems:
        yield notice.problems[problem].format(photo=photo)
    if outcome.is_short:
        yield wording.upload.format(missing=missing)
    if outcome.repeats:
        yield notice.counts_once
    if outcome.needs_change:
        yield notice.what_to_upload
