"""A finding in Hindi: from its kinds, with the figures of the stored English sentence.

The English sentence is made from a match's evidence and stored with the finding. Here each kind has
its phrases: the first ones hold when the sentence names what they translate, the last one whenever
the kind is claimed. So no phrase can be missing, whichever release wrote the sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from image_duplication.records import Kind


@dataclass(frozen=True, slots=True)
class Phrase:
    """What the sentence says (a pattern with at most one figure), and the same in Hindi.

    Phrases of one `choice` exclude each other, so that only the first of them that fits is said.
    """

    says: str
    hindi: str
    choice: str


# `फ़ोटो` is feminine, and so is what is said of it.
HINDI_PHRASES: Mapping[Kind, tuple[Phrase, ...]] = {
    Kind.IDENTICAL: (),
    Kind.SAME_PICTURE: (
        Phrase(r"at about (\d+)% of the size", "दोबारा सहेजी हुई, लगभग {}% आकार में", "saved"),
    ),
    Kind.TRANSFORMED: (
        Phrase(r"mirrored top to bottom", "ऊपर से नीचे पलटी हुई", "mirror"),
        Phrase(r"mirrored", "दर्पण की तरह पलटी हुई", "mirror"),
        Phrase(r"turned by about (\d+)°", "लगभग {}° घुमाई हुई", "turn"),
        Phrase(r"turned by (\d+)°", "{}° घुमाई हुई", "turn"),
        Phrase(r"distorted in perspective", "तिरछी की हुई", "perspective"),
    ),
    Kind.CROPPED: (
        Phrase(r"cropped by about (\d+)%", "लगभग {}% काटी हुई", "crop"),
        Phrase(
            r"shows about (\d+)% of the other picture", "दूसरी फ़ोटो का लगभग {}% दिखाती है", "crop"
        ),
    ),
    Kind.RECOLOURED: (
        Phrase(r"colours inverted", "उलटे रंगों में", "colour"),
        Phrase(r"one of them in grey", "दोनों में से एक श्वेत-श्याम", "colour"),
        Phrase(r"lighter or darker", "हल्की या गहरी की हुई", "colour"),
        Phrase(r"on another background", "बदले हुए रंगों या पृष्ठभूमि के साथ", "colour"),
    ),
    Kind.COMPOSED: (),
    Kind.BORDERED: (),
    Kind.OVERLAID: (),
}
"""In the order in which they are said."""

HINDI_KINDS: Mapping[Kind, str] = {
    Kind.IDENTICAL: "बिल्कुल वही फ़ाइल",
    Kind.SAME_PICTURE: "दोबारा सहेजी हुई",
    Kind.TRANSFORMED: "थोड़ी घुमाई या तिरछी की हुई",
    Kind.CROPPED: "काटी हुई",
    Kind.RECOLOURED: "बदले हुए रंगों में",
    Kind.COMPOSED: "किसी कोलाज या बड़ी फ़ोटो के भीतर",
    Kind.BORDERED: "जोड़े हुए बॉर्डर के साथ",
    Kind.OVERLAID: "ऊपर जोड़े गए टेक्स्ट, लोगो या वॉटरमार्क के साथ",
}
"""What is said of a kind of which the sentence tells nothing more."""

_SAME_PHOTO = "वही फ़ोटो"
_CLOSE_UP = "नज़दीक से ली गई फ़ोटो"


def describe_in_hindi(kinds: Iterable[str], sentence: str | None) -> str:
    """One sentence without its full stop, e.g. "वही फ़ोटो, 90° घुमाई हुई"."""
    claimed = {Kind(kind) for kind in kinds}
    if Kind.IDENTICAL in claimed:
        return HINDI_KINDS[Kind.IDENTICAL]
    said = [
        words
        for kind in HINDI_PHRASES
        if kind in claimed
        for words in list(_translate(HINDI_PHRASES[kind], sentence or "")) or [HINDI_KINDS[kind]]
    ]
    subject = _CLOSE_UP if (sentence or "").startswith("close-up") else _SAME_PHOTO
    return ", ".join([subject, *said])


def _translate(phrases: Iterable[Phrase], sentence: str) -> Iterator[str]:
    chosen: set[str] = set()
    for phrase in phrases:
        found = re.search(phrase.says, sentence)
        if found and phrase.choice not in chosen:
            chosen.add(phrase.choice)
            yield phrase.hindi.format(*found.groups())
