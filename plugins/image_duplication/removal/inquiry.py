"""Asks the hosts whether pictures still are those that were judged, a batch at a time."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from image_duplication import pictures
from image_duplication.errors import DownloadShareError
from image_duplication.fetching.addresses import Resolver, look_up
from image_duplication.fetching.crew import Crew, make_order
from image_duplication.fetching.fetch_loop import Fetched, Wanted
from image_duplication.records import ReasonCode
from image_duplication.removal.contents import ListedPicture, read_last_judged
from image_duplication.settings import Settings
from image_duplication.storage import Storage

logger = logging.getLogger(__name__)

_COLLECT_S = 0.5
_ORDER = "inquiry"  # names a folder that is gone afterwards


class HostInquiry:
    """Finds which pictures their hosts no longer give with the content that was judged.

    Each is asked for with the condition that it changed, within all the bounds of a download, and
    its bytes are not kept. One that its host does not give at all counts as changed. But hosts that
    fail say nothing: then DownloadShareError is raised, so that the same is asked again; in the
    last attempt only when they are more than a download tolerates.
    """

    def __init__(
        self,
        storage: Storage,
        settings: Settings,
        *,
        is_last_attempt: bool,
        resolver: Resolver = look_up,
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._is_last_attempt = is_last_attempt
        self._resolver = resolver

    def find_changed(self, listed: AbstractSet[ListedPicture]) -> AbstractSet[ListedPicture]:
        """Those of the pictures that changed."""
        known = read_last_judged(self._storage, listed)
        # In a stable order, so that a repetition asks in the same one.
        ordered = sorted(listed, key=lambda p: (p.category_id, p.variant_id, p.image_id))
        wanted: list[Wanted] = []
        for number, picture in enumerate(ordered):
            row = known.get(picture)
            if row is not None:
                wanted.append(
                    Wanted(
                        number,
                        picture.category_id,
                        picture.variant_id,
                        picture.image_id,
                        row["corrected_url"],
                        etag=row["etag"],
                        last_modified=row["last_modified"],
                    )
                )
        same = set()
        outages = []
        for fetched in self._fetch(wanted):
            picture = ordered[fetched.number]
            if fetched.is_unchanged or fetched.content_sha256 == picture.content_sha256:
                same.add(picture)
            elif fetched.reason_code and ReasonCode(fetched.reason_code).is_retryable:
                outages.append(fetched)
        self._check_outages(outages, asked=len(wanted))
        return listed - same

    def _fetch(self, wanted: Sequence[Wanted]) -> Iterable[Fetched]:
        if not wanted:
            return []
        outcomes: list[Fetched] = []
        with tempfile.TemporaryDirectory(prefix="inquiry-") as folder:
            kept = Storage(folder)
            # A batch is small: processes would take longer to start than they save.
            order = make_order(kept, _ORDER, self._settings, self._resolver, processes=1)
            rows = {one.number: one for one in wanted}
            with Crew(order, images=len(wanted)) as crew:
                crew.give(wanted)
                while len(outcomes) < len(wanted):
                    for fetched in crew.collect(_COLLECT_S):
                        outcomes.append(fetched)
                        if fetched.content_sha256 is not None:
                            row = {**rows[fetched.number]._asdict(), **fetched._asdict()}
                            kept.delete(pictures.staged_key(_ORDER, row))
        return outcomes

    def _check_outages(self, outages: Sequence[Fetched], *, asked: int) -> None:
        if not outages:
            return
        download = self._settings.download
        is_too_much = (
            len(outages) > download.tolerated_failures
            and len(outages) / asked > download.max_failed_share
        )
        message = (
            f"of {asked} pictures {len(outages)} could not be asked for "
            f"({outages[0].reason_code} and the like), so nobody knows whether they changed"
        )
        if is_too_much or not self._is_last_attempt:
            raise DownloadShareError(message)
        logger.warning("%s; they count as changed", message)
