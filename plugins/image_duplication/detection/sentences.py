"""A match in plain words: what was done to the picture, as far as the evidence says."""

from __future__ import annotations

from image_duplication.detection.evidence import Alignment
from image_duplication.detection.judgement import Match
from image_duplication.records import Kind

_QUARTER_TURN_TOLERANCE_DEG = 1.0
_SIZE_DIFFERS = 0.1
_FINE_PERCENT = 20  # below it every percent is named, above it every fifth
_GREY_CHROMA = 3.0  # mean distance from grey, of 255, of a picture without colour
_COLOURED_CHROMA = 7.0
_SAME_CHROMA = 5.0
_OTHER_BACKDROP = 28.0  # of 255
_TONE_AGREES = 0.9
_COMPOSED = "inside a collage or larger picture"


def describe_match(match: Match) -> str:
    """One sentence without a full stop, e.g. "same photo, mirrored and cropped by about 9%"."""
    if Kind.IDENTICAL in match.kinds:
        return "same file"
    changes = _describe_turn(match)
    additions = _describe_additions(match)
    if not match.is_duplicate and Kind.CROPPED in match.kinds:
        parts = ["close-up", *_join_if_any(changes), *_describe_colours(match)]
        return f"{', '.join(parts)}: {_describe_part(match)}{additions and f', {additions}'}"
    if Kind.CROPPED in match.kinds:
        changes.append(_describe_crop(match))
    parts = [*_join_if_any(changes), *_describe_colours(match)]
    around = [_COMPOSED] if Kind.COMPOSED in match.kinds else []
    around += [additions] if additions else []
    if parts:
        return ", ".join(["same photo", *parts, *around])
    if around:
        return f"same photo {', '.join(around)}"
    return f"same photo, saved again{_describe_size(match)}"


def _join_if_any(words: list[str]) -> list[str]:
    return [_join(words)] if words else []


def _join(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _describe_turn(match: Match) -> list[str]:
    if Kind.TRANSFORMED not in match.kinds:
        return []
    transform = match.transform
    is_mirrored = transform is not None and transform.is_mirrored
    # Either direction is the same turn of a picture that may have been first or second.
    turn_deg = abs(transform.rotation_deg if transform else _signed(match.evidence.rotation_deg))
    quarter_deg = 90 * round(turn_deg / 90)
    is_quarter = abs(turn_deg - quarter_deg) <= _QUARTER_TURN_TOLERANCE_DEG
    words = []
    if is_mirrored and is_quarter and quarter_deg == 180:  # noqa: PLR2004 - degrees
        words.append("mirrored top to bottom")
    else:
        words += ["mirrored"] * is_mirrored
        if not is_quarter:
            words.append(f"turned by about {round(turn_deg)}°")
        elif quarter_deg:
            words.append(f"turned by {quarter_deg}°")
    if transform and transform.is_perspective:
        words.append("distorted in perspective")
    return words or ["turned or distorted slightly"]


def _signed(rotation_deg: int) -> int:
    return (rotation_deg + 180) % 360 - 180


def _describe_crop(match: Match) -> str:
    # Where something stands around the photo, the share says nothing about the photo itself.
    if match.transform is None or match.kinds & {Kind.BORDERED, Kind.COMPOSED}:
        return "cropped"
    return f"cropped by about {_percent(1 - match.transform.shown_share)}"


def _describe_part(match: Match) -> str:
    if match.transform is None:
        return "shows a part of the other picture"
    return f"shows about {_percent(match.transform.shown_share)} of the other picture"


def _percent(share: float) -> str:
    percent = 100 * share
    whole = round(percent) if percent < _FINE_PERCENT else 5 * round(percent / 5)
    return f"{max(1, whole)}%"


def _describe_colours(match: Match) -> list[str]:
    if Kind.RECOLOURED not in match.kinds:
        return []
    alignment = match.evidence.alignment
    return [_name_recolouring(match.kinds, alignment) if alignment else "recoloured"]


def _name_recolouring(kinds: frozenset[Kind], alignment: Alignment) -> str:
    if alignment.is_inverted:
        return "colours inverted"
    low, high = sorted((alignment.chroma_first, alignment.chroma_second))
    # What was added may bring the only colour, or take it away.
    is_clean = not kinds & {Kind.BORDERED, Kind.OVERLAID, Kind.COMPOSED}
    if low < _GREY_CHROMA and high > _COLOURED_CHROMA and is_clean:
        return "one of them in grey"
    if alignment.tone_agreement >= _TONE_AGREES and alignment.chroma_difference <= _SAME_CHROMA:
        return "lighter or darker"
    if alignment.backdrop_difference >= _OTHER_BACKDROP:
        return "recoloured or on another background"
    return "recoloured"


def _describe_additions(match: Match) -> str:
    names = {Kind.BORDERED: "a border", Kind.OVERLAID: "an overlay (text, logo or watermark)"}
    added = [name for kind, name in names.items() if kind in match.kinds]
    return f"with {_join(added)} added" if added else ""


def _describe_size(match: Match) -> str:
    if match.transform is None or abs(match.transform.scale - 1) < _SIZE_DIFFERS:
        return ""
    return f" at about {_percent(match.transform.scale)} of the size"
