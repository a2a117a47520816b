"""Decisions by request: who may, what is recorded, what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from image_duplication.records import DecisionOrigin, DecisionVerdict, Kind
from image_duplication.store.decisions import (
    Decision,
    Pair,
    read_current,
    read_history,
    record,
)
from image_duplication_web.review.requests import SIGN_HEADER
from tests.judged_rows import NOON, judged_variant
from tests.web.review.worlds import ReviewWorld

EARLIER = NOON.replace(tzinfo=None)


def findings_of(world: ReviewWorld) -> dict[str, str]:
    """Finding ids by variant and duplicate image."""
    content = world.app.state.sources.files.read(7, is_latest=True)
    return {
        f"{finding.row['variant_id']}{finding.row['duplicate_image_id']}": finding.finding_id
        for finding in content.duplicates
    }


def verdicts(world: ReviewWorld) -> dict[str, str]:
    """Which decisions hold, by variant."""
    found = read_current(world.store, 7).values()
    return {decision.pair.variant_id: decision.verdict.value for _, decision in found}


@pytest.mark.parametrize("verdict", ["confirmed", "rejected"])
def test_decision_is_kept_with_who_and_when(chairs: ReviewWorld, verdict: str) -> None:
    finding_id = findings_of(chairs)["2b"]

    answer = chairs.decide(chairs.client(), verdict=verdict, finding_ids=[finding_id])

    assert answer.status_code == 200
    (told,) = answer.json()["findings"]
    assert (told["status"], told["decided_by"]) == (verdict, "olga")
    assert datetime.fromisoformat(told["decided_at"]).utcoffset() == timedelta(0)
    ((_, decision),) = read_current(chairs.store, 7).values()
    assert (decision.verdict, decision.origin) == (verdict, DecisionOrigin.REVIEW)
    assert decision.decided_by == "olga"
    assert decision.pair.kinds == {Kind.SAME_PICTURE}
    page = chairs.client().get("/categories/7?status=all").text
    assert f"by olga, {decision.decided_at:%d %b %Y}" in page


def test_undo_opens_a_finding_again_and_keeps_the_history(chairs: ReviewWorld) -> None:
    client, finding_id = chairs.client(), findings_of(chairs)["2b"]
    for verdict in ("rejected", "withdrawn"):
        answer = chairs.decide(client, verdict=verdict, finding_ids=[finding_id])

    assert answer.json()["findings"][0]["status"] == "open"
    assert read_current(chairs.store, 7) == {}
    history = read_history(chairs.store, 7, "2")
    assert [decision.verdict for decision in history] == ["rejected", "withdrawn"]
    page = client.get("/categories/7/variant?id=2").text
    assert "<td>withdrawn</td>" in page
    assert "<td>rejected</td>" in page


def test_decision_that_holds_already_is_not_recorded_again(chairs: ReviewWorld) -> None:
    finding_id = findings_of(chairs)["2b"]
    for _ in range(2):
        chairs.decide(chairs.client(), verdict="confirmed", finding_ids=[finding_id])

    assert len(read_history(chairs.store, 7, "2")) == 1


def test_undo_of_what_nobody_decided_records_nothing(chairs: ReviewWorld) -> None:
    answer = chairs.decide(
        chairs.client(), verdict="withdrawn", finding_ids=[findings_of(chairs)["2b"]]
    )

    assert answer.json()["findings"][0]["status"] == "open"
    assert read_history(chairs.store, 7, "2") == []


def test_pair_rejected_with_other_kinds_is_open_after_undo(chairs: ReviewWorld) -> None:
    row = next(
        finding.row
        for finding in chairs.app.state.sources.files.read(7).duplicates
        if finding.row["variant_id"] == "2"
    )
    pair = Pair.of(7, "2", (row["base_sha256"], row["duplicate_sha256"]), [Kind.CROPPED])
    rejection = Decision(pair, DecisionVerdict.REJECTED, DecisionOrigin.APPEAL, "vera", EARLIER)
    record(chairs.store, [rejection])
    client, finding_id = chairs.client(), findings_of(chairs)["2b"]
    assert 'data-tally="rejected">1<' in client.get("/categories/7").text

    answer = chairs.decide(client, verdict="confirmed", finding_ids=[finding_id])

    assert answer.json()["findings"][0]["status"] == "confirmed"
    answer = chairs.decide(client, verdict="withdrawn", finding_ids=[finding_id])
    assert answer.json()["findings"][0]["status"] == "open"


def test_several_findings_are_decided_at_once(chairs: ReviewWorld) -> None:
    ids = list(findings_of(chairs).values())

    answer = chairs.decide(chairs.client(), verdict="confirmed", finding_ids=ids)

    assert answer.json()["count"] == 3
    assert len(read_current(chairs.store, 7)) == 3


def matching(world: ReviewWorld, count: int, **chosen: str) -> dict[str, Any]:
    content = world.app.state.sources.files.read(7, is_latest=True)
    return {"filter": chosen, "version": content.version, "count": count}


def test_all_that_match_are_decided(chairs: ReviewWorld) -> None:
    answer = chairs.decide(
        chairs.client(), verdict="rejected", matching=matching(chairs, 2, seller="shop-1")
    )

    assert answer.json() == {"count": 2, "findings": []}
    assert verdicts(chairs) == {"1": "rejected"}


def test_all_that_match_are_refused_when_others_match_by_now(chairs: ReviewWorld) -> None:
    chosen = matching(chairs, 3, status="open")
    chairs.decide(chairs.client(), verdict="confirmed", finding_ids=[findings_of(chairs)["2b"]])

    answer = chairs.decide(chairs.client(), verdict="rejected", matching=chosen)

    assert answer.status_code == 409
    assert "2 match now, the page showed 3" in answer.json()["detail"]
    assert verdicts(chairs) == {"2": "confirmed"}


def test_all_that_match_are_refused_when_a_run_has_written_the_category(
    chairs: ReviewWorld,
) -> None:
    chosen = matching(chairs, 1, seller="shop-2")
    again = judged_variant("9", [["a", "b"]])
    chairs.publish(
        [[row | {"seller_id": "shop-2"} for row in again]], planned_at=NOON + timedelta(days=7)
    )

    answer = chairs.decide(chairs.client(), verdict="rejected", matching=chosen)

    assert answer.status_code == 409
    assert verdicts(chairs) == {}


def test_decision_is_refused_when_a_picture_changed_meanwhile(chairs: ReviewWorld) -> None:
    known = findings_of(chairs)
    changed = judged_variant("2", [["a", "b"]])
    changed[1]["content_sha256"] = "f" * 64
    chairs.publish(
        [judged_variant("1", [["a", "b"], ["c", "d"]]), changed],
        planned_at=NOON + timedelta(days=7),
    )

    answer = chairs.decide(
        chairs.client(), verdict="confirmed", finding_ids=[known["1b"], known["2b"]]
    )

    assert answer.status_code == 409
    assert "1 of the findings are no longer" in answer.json()["detail"]
    assert verdicts(chairs) == {}, "all or none"


def test_decision_is_refused_while_a_run_writes_the_category(chairs: ReviewWorld) -> None:
    from image_duplication import layout

    known = findings_of(chairs)
    key = layout.category_state(7)
    chairs.storage.write_json(key, chairs.storage.read_json(key) | {"is_whole": False})

    answer = chairs.decide(chairs.client(), verdict="confirmed", finding_ids=[known["2b"]])

    assert answer.status_code == 409
    assert verdicts(chairs) == {}


@pytest.mark.parametrize(
    "body",
    [
        {"verdict": "confirmed"},
        {"verdict": "confirmed", "finding_ids": []},
        {"verdict": "perhaps", "finding_ids": ["a"]},
        {"verdict": "confirmed", "finding_ids": ["a"], "colour": "red"},
        {"verdict": "confirmed", "finding_ids": ["a"] * 501},
        {
            "verdict": "confirmed",
            "finding_ids": ["a"],
            "matching": {"filter": {}, "version": "", "count": 1},
        },
        {"verdict": "confirmed", "finding_ids": ["a"], "note": "n" * 4_001},
    ],
    ids=["none", "empty", "verdict", "unknown", "many", "both", "note"],
)
def test_request_of_another_form_is_refused(chairs: ReviewWorld, body: dict[str, Any]) -> None:
    assert chairs.decide(chairs.client(), **body).status_code == 422


# Who may, and from where ------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "status"), [(None, 401), ("vera", 403), ("stranger", 403)])
def test_only_an_operator_decides(chairs: ReviewWorld, user: str | None, status: int) -> None:
    finding_id = findings_of(chairs)["2b"]

    answer = chairs.decide(chairs.client(user), verdict="confirmed", finding_ids=[finding_id])

    assert answer.status_code == status
    assert verdicts(chairs) == {}


OWN = {SIGN_HEADER: "review"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OWN, 200),
        (OWN | {"Sec-Fetch-Site": "same-origin"}, 200),
        (OWN | {"Origin": "http://testserver"}, 200),
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 403),
        (OWN | {"Sec-Fetch-Site": "cross-site"}, 403),
        (OWN | {"Sec-Fetch-Site": "same-site"}, 403),
        (OWN | {"Sec-Fetch-Site": "none"}, 403),
        (OWN | {"Origin": "http://evil.example"}, 403),
        (OWN | {"Origin": "null"}, 403),
        (OWN | {"Origin": "http://testserver.evil.example"}, 403),
    ],
)
def test_request_of_another_site_is_refused(
    chairs: ReviewWorld, headers: dict[str, str], status: int
) -> None:
    finding_id = findings_of(chairs)["2b"]

    answer = chairs.client().post(
        "/categories/7/decisions",
        json={"verdict": "confirmed", "finding_ids": [finding_id]},
        headers=headers,
    )

    assert answer.status_code == status
    assert bool(verdicts(chairs)) == (status == 200)


@pytest.mark.parametrize(
    "media_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"],
)
def test_form_of_another_site_is_refused(chairs: ReviewWorld, media_type: str) -> None:
    # What a form of another site can send: its cookie, one of three types, and any text.
    body = f'{{"verdict": "confirmed", "finding_ids": ["{findings_of(chairs)["2b"]}"]}}'

    answer = chairs.client().post(
        "/categories/7/decisions",
        content=body,
        headers={"Content-Type": media_type, "Origin": "http://evil.example"},
    )

    assert answer.status_code == 403
    assert verdicts(chairs) == {}


def test_get_decides_nothing(chairs: ReviewWorld) -> None:
    assert chairs.client().get("/categories/7/decisions", headers=OWN).status_code == 405
