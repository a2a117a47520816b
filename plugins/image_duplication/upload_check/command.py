"""The upload check for a person or a script: a table, or JSON, and an exit status by verdict."""

from __future__ import annotations

import argparse
import stat
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import NoReturn

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from image_duplication.errors import PermanentError, TransientError, UploadRefusedError
from image_duplication.records import CheckMode, PictureSource, Suggestion, Verdict
from image_duplication.settings import Settings, load_settings
from image_duplication.storage import Storage
from image_duplication.upload_check.answer import CheckAnswer
from image_duplication.upload_check.check import (
    PairReport,
    PictureReport,
    UploadCheck,
    UploadedFile,
    check_pictures,
)
from image_duplication.upload_check.databases import SOURCE_VARIABLE, open_source, open_store
from image_duplication.upload_check.shown import ShownPicture, find_category, read_shown_pictures
from image_duplication.upload_check.told_apart import ToldApart, read_told_apart

_DESCRIPTION = """\
Judges pictures of one product variant as the weekly run would: which of them are copies of one
picture, which to keep, and whether there are enough different ones. Nothing is kept.
"""

_EPILOG = f"""\
exit status:
  0   enough different pictures, and nothing to change
  1   too few different pictures, a picture that repeats another, or one that is not usable
  2   not decided: a picture cannot be read
  64  the call is wrong, or a file, variant or setting is not as expected
  75  storage or database are out of reach; try again

With --variant, the pictures that the variant shows already come first. They are found below the
storage root of the settings (IMAGE_DUPLICATION__STORAGE__ROOT), as the last run has archived them.
Without --category, the database in {SOURCE_VARIABLE} is asked for the variant's category.
"""


class ExitStatus(IntEnum):
    """What a check says to a script."""

    IN_ORDER = 0
    NEEDS_CHANGE = 1
    UNDECIDED = 2
    WRONG_CALL = 64  # EX_USAGE of sysexits.h
    TRY_AGAIN = 75  # EX_TEMPFAIL


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ExitStatus.WRONG_CALL, f"{self.prog}: {message}\n")


def run(arguments: Sequence[str]) -> ExitStatus:
    """Check the files named, and say what was found on standard output."""
    asked = _make_parser().parse_args(arguments)
    try:
        check = _check(asked)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}", ExitStatus.WRONG_CALL)
    except PermanentError as error:
        return _complain(str(error), ExitStatus.WRONG_CALL)
    except TransientError as error:
        return _complain(str(error), ExitStatus.TRY_AGAIN)
    if asked.json:
        sys.stdout.write(f"{CheckAnswer.of(check).model_dump_json(indent=2)}\n")
    else:
        _print(check, Console())
    return find_status(check)


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m image_duplication")
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=_Parser)
    check = commands.add_parser(
        "check",
        help="judge pictures of one variant",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="in order of position")
    check.add_argument(
        "--mode",
        type=CheckMode,
        choices=list(CheckMode),
        default=CheckMode.ALERT,
        help="block: say that what needs a change is refused (default: alert)",
    )
    check.add_argument("--required", type=int, metavar="N", help="different pictures that it takes")
    check.add_argument("--variant", metavar="ID", help="compare with what this variant shows, too")
    check.add_argument("--category", type=int, metavar="ID", help="the variant's category")
    check.add_argument("--json", action="store_true", help="print the answer that HTTP gives")
    return parser


def _complain(message: str, status: ExitStatus) -> ExitStatus:
    sys.stderr.write(f"{_printable(message)}\n")
    return status


def _printable(text: str) -> str:
    """A text that may name a file: its name may hold anything, what moves a cursor included."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _check(asked: argparse.Namespace) -> UploadCheck:
    required = {} if asked.required is None else {"required_pictures": asked.required}
    settings = load_settings({"policy": required} if required else None)
    shown, told_apart = _find_shown(settings, asked.variant, asked.category)
    files = [_find_file(path, settings.download.max_bytes) for path in asked.files]
    return check_pictures(files, settings, shown=shown, told_apart=told_apart, mode=asked.mode)


def _find_file(path: Path, max_bytes: int) -> UploadedFile:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise UploadRefusedError("no_file", f"{path} is no file; expected a picture")
    if found.st_size > max_bytes:
        raise UploadRefusedError(
            "file_too_large",
            f"{path} has {found.st_size} bytes; at most {max_bytes} are allowed "
            "(download.max_bytes)",
        )
    return UploadedFile(_printable(path.name), path)


def _find_shown(
    settings: Settings, variant_id: str | None, category_id: int | None
) -> tuple[list[ShownPicture], ToldApart]:
    """What a variant shows, and which of it people have told apart; nothing without a variant."""
    if variant_id is None:
        return [], frozenset()
    if category_id is None:
        with open_source(settings) as source:
            category_id = find_category(source, variant_id)
    storage = Storage(settings.storage_root)
    shown = read_shown_pictures(storage, settings, category_id=category_id, variant_id=variant_id)
    with open_store(settings) as store:
        return shown, read_told_apart(store, category_id, variant_id)


def find_status(check: UploadCheck) -> ExitStatus:
    """The exit status: what is certainly wrong comes before what cannot be judged."""
    is_any_unfit = any(not one.is_usable and not one.problem for one in check.uploaded)
    if check.is_short or check.has_repeats or is_any_unfit:
        return ExitStatus.NEEDS_CHANGE
    if check.needs_change or check.verdict == Verdict.UNDECIDED:
        return ExitStatus.UNDECIDED
    return ExitStatus.IN_ORDER


# The table ----------------------------------------------------------------------------------------


def _print(check: UploadCheck, console: Console) -> None:
    table = Table("photo", box=box.SIMPLE)
    table.add_column("picture", overflow="fold")  # a name that is cut says nothing
    for name in ("size", "state", "finding", "suggestion"):
        table.add_column(name)
    colours = {Suggestion.KEEP: "green", Suggestion.REPLACE: "red"}
    for picture in check.pictures:
        table.add_row(
            str(picture.number),
            escape(_name(picture)),
            f"{picture.width_px}x{picture.height_px}" if picture.width_px else "",
            escape(_describe_state(picture)),
            escape("\n".join(_describe_findings(check, picture.number))),
            f"[{colours[picture.suggestion]}]{picture.suggestion}[/]",
        )
    console.print(table)
    console.print(
        f"Verdict: {check.verdict} ({check.distinct} different of {check.required} needed)"
        f"{', refused' if check.is_blocked else ''}"
    )
    for message in (check.message, check.message_hindi):
        console.print(f"\n{message}", markup=False, highlight=False)


def _name(picture: PictureReport) -> str:
    is_shown = picture.source is PictureSource.SHOWN
    return _printable(f"shown: {picture.image_id}") if is_shown else str(picture.name)


def _describe_state(picture: PictureReport) -> str:
    if picture.problem:
        return f"not readable: {picture.problem}"
    return ", ".join(picture.quality_notes) or "good"


def _describe_findings(check: UploadCheck, number: int) -> list[str]:
    findings = [
        f"{_describe_pair(pair)}; keep {pair.keep}: {pair.keep_reason}"
        for pair in check.duplicates
        if pair.second == number
    ]
    return findings + [
        f"related, {_describe_pair(pair)}" for pair in check.related if pair.second == number
    ]


def _describe_pair(pair: PairReport) -> str:
    kinds = " + ".join(pair.kinds)
    return f"{kinds} of {pair.first}: {pair.sentence} ({pair.engine} {pair.distance:.3g})"
