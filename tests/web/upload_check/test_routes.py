"""What is asked of a running service, and what it answers."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
import requests

from image_duplication import layout
from image_duplication.pictures import archived_key
from image_duplication.records import DecisionOrigin, DecisionVerdict, Kind, Role
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.decisions import Decision, Pair, record
from image_duplication.tables import JUDGED, write_rows
from image_duplication.upload_check.answer import CheckAnswer
from image_duplication.upload_check.databases import SOURCE_VARIABLE
from image_duplication_web.upload_check.refusals import Refusal, RefusalCode
from tests.catalogues import SourceDatabase
from tests.judged_rows import NOON, downloaded_row, judged_row, sha256
from tests.web.upload_check.hostile import HOSTILE
from tests.web.upload_check.service import Service, running_service

MOMENT = NOON.replace(tzinfo=None)


def refusal_of(answer: requests.Response) -> Refusal:
    """The refusal that an answer is, in the closed form, with the status of its code."""
    refusal = Refusal.model_validate_json(answer.content)
    assert answer.status_code == refusal.code.status
    assert (refusal.retry_after_s is not None) == ("Retry-After" in answer.headers)
    return refusal


def test_check_accepts_different_pictures(service: Service, views: list[bytes]) -> None:
    answer = service.post([(f"{number}.jpg", view) for number, view in enumerate(views)])

    check = CheckAnswer.model_validate_json(answer.content)
    assert (check.verdict, check.distinct, check.needs_change) == ("compliant", 4, False)
    assert [picture.name for picture in check.pictures] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


@pytest.mark.parametrize(("mode", "is_blocked"), [("alert", False), ("block", True)])
def test_check_names_the_repeated_picture_and_blocks_when_asked_to(
    service: Service, views: list[bytes], cropped_view: bytes, mode: str, is_blocked: bool
) -> None:
    answer = service.post([("one.jpg", views[0]), ("two.jpg", cropped_view)], mode=mode)

    check = CheckAnswer.model_validate_json(answer.content)
    assert check.verdict == "short_by_2"
    assert check.is_blocked is is_blocked
    assert "cropped" in answer.text
    assert check.message
    assert check.message_hindi


def test_check_takes_a_bearer_key(service: Service, views: list[bytes]) -> None:
    answer = requests.post(
        f"{service.url}/v1/check",
        headers={"Authorization": f"Bearer {service.key}"},
        files={"files": ("x.jpg", views[0])},
        timeout=30,
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-API-Key": "wrong"}, {"X-API-Key": ""}, {"Authorization": "Basic eDp5"}],
    ids=["anonymous", "wrong key", "empty key", "another scheme"],
)
@pytest.mark.parametrize("address", ["/v1/check", "/metrics"])
def test_service_gives_nothing_without_a_key(
    service: Service, headers: dict[str, str], address: str
) -> None:
    method = "POST" if address == "/v1/check" else "GET"
    answer = requests.request(method, service.url + address, headers=headers, timeout=10)

    assert refusal_of(answer).code is RefusalCode.NOT_AUTHENTICATED
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("files", "fields", "code", "said"),
    [
        ([], {"mode": "alert"}, RefusalCode.NO_PICTURES, "expected 1 to 20"),
        ([("a", b"x")] * 21, {}, RefusalCode.TOO_MANY_PICTURES, "expected 1 to 20"),
        ([("a", b"x")], {"colour": "red"}, RefusalCode.FIELD_NOT_VALID, "'colour', which is not"),
        ([("a", b"x")], {"mode": "loud"}, RefusalCode.FIELD_NOT_VALID, "'alert' or 'block'"),
        ([("a", b"x")], {"mode": "l" * 2_000}, RefusalCode.FIELD_NOT_VALID, "1024 bytes"),
        ([("a", b"x")], {"variant_id": "7"}, RefusalCode.FIELD_NOT_VALID, "category_id too"),
        ([("a", b"x")], {"category_id": "7"}, RefusalCode.FIELD_NOT_VALID, "without variant_id"),
        (
            [("a", b"x")],
            {"variant_id": "v", "category_id": "seven"},
            RefusalCode.FIELD_NOT_VALID,
            "category_id = 'seven'",
        ),
        (
            [("a", b"x")],
            {"variant_id": "v", "category_id": "7"},
            RefusalCode.VARIANT_UNKNOWN,
            "'v' of category 7",
        ),
    ],
)
def test_form_is_refused_with_what_it_said_and_what_is_allowed(
    service: Service,
    files: list[tuple[str, bytes]],
    fields: dict[str, str],
    code: RefusalCode,
    said: str,
) -> None:
    sent = [("files", file) for file in files] or [("mode", (None, fields["mode"]))]
    answer = requests.post(
        f"{service.url}/v1/check",
        headers=service.headers,
        files=sent,
        data=fields if files else None,
        timeout=30,
    )

    refusal = refusal_of(answer)
    assert refusal.code is code
    assert said in refusal.message


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("", b"", RefusalCode.MEDIA_TYPE_NOT_SUPPORTED),
        ("text/plain", b"x", RefusalCode.MEDIA_TYPE_NOT_SUPPORTED),
        ("multipart/form-data", b"x", RefusalCode.MEDIA_TYPE_NOT_SUPPORTED),
        ("multipart/form-data; boundary=b", b"", RefusalCode.BODY_UNREADABLE),
        ("multipart/form-data; boundary=b", b"nonsense", RefusalCode.BODY_UNREADABLE),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\nhalf a file',
            RefusalCode.BODY_UNREADABLE,
        ),
        ("multipart/form-data; boundary=" + "b" * 500, b"x", RefusalCode.BODY_UNREADABLE),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="mode"\r\n\r\n\xff\xfe\r\n--b--\r\n',
            RefusalCode.FIELD_NOT_VALID,
        ),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--\r\n",
            RefusalCode.FIELD_NOT_VALID,
        ),
        ("application/json", b"", RefusalCode.BODY_UNREADABLE),
        ("application/json", b"{", RefusalCode.BODY_UNREADABLE),
        ("application/json", b"[]", RefusalCode.FIELD_NOT_VALID),
        ("application/json", b'{"urls": []}', RefusalCode.NO_PICTURES),
        ("application/json", b'{"urls": [3]}', RefusalCode.FIELD_NOT_VALID),
        ("application/json", b'{"urls": ["a"], "files": 1}', RefusalCode.FIELD_NOT_VALID),
        (
            "application/json",
            json.dumps({"urls": ["http://x/"] * 21}).encode(),
            RefusalCode.TOO_MANY_PICTURES,
        ),
        ("application/json", b" " * 400_000, RefusalCode.REQUEST_TOO_LARGE),
    ],
)
def test_body_that_is_none_of_the_two_forms_is_refused(
    service: Service, content_type: str, body: bytes, code: RefusalCode
) -> None:
    answer = requests.post(
        f"{service.url}/v1/check",
        headers={**service.headers, "Content-Type": content_type},
        data=body,
        timeout=30,
    )
    assert refusal_of(answer).code is code


@pytest.mark.parametrize(
    ("method", "address", "code"),
    [
        ("GET", "/", RefusalCode.ADDRESS_UNKNOWN),
        ("POST", "/v2/check", RefusalCode.ADDRESS_UNKNOWN),
        ("GET", "/v1/check", RefusalCode.METHOD_NOT_ALLOWED),
        ("DELETE", "/v1/check", RefusalCode.METHOD_NOT_ALLOWED),
        ("POST", "/livez", RefusalCode.METHOD_NOT_ALLOWED),
    ],
)
def test_service_refuses_other_addresses_and_methods(
    service: Service, method: str, address: str, code: RefusalCode
) -> None:
    answer = requests.request(method, service.url + address, headers=service.headers, timeout=10)

    assert refusal_of(answer).code is code
    assert f"{method} {address}" in answer.json()["message"]


def test_probes_answer_without_a_key(service: Service) -> None:
    assert requests.get(f"{service.url}/livez", timeout=10).json() == {"status": "alive"}
    assert requests.get(f"{service.url}/readyz", timeout=10).json() == {"status": "ready"}


def test_page_of_the_interface_needs_no_network(service: Service) -> None:
    page = requests.get(f"{service.url}/docs", timeout=10)

    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "POST" in page.text.upper()
    assert "/v1/check" in page.text
    assert "<script" not in page.text
    assert "http" not in page.text.replace("http(s) addresses", "")


def test_description_states_bounds_and_closed_schemas(service: Service) -> None:
    api = requests.get(f"{service.url}/openapi.json", timeout=10).json()

    bodies = api["paths"]["/v1/check"]["post"]["requestBody"]["content"]
    for body, pictures in (("multipart/form-data", "files"), ("application/json", "urls")):
        schema = bodies[body]["schema"]
        assert schema["additionalProperties"] is False
        assert schema["properties"][pictures]["maxItems"] == 20
    for name in ("CheckAnswer", "Refusal"):
        assert api["components"]["schemas"][name]["additionalProperties"] is False
    statuses = set(api["paths"]["/v1/check"]["post"]["responses"])
    assert statuses == {"200", *(str(code.status.value) for code in RefusalCode)}


def test_metrics_count_what_became_of_requests(service: Service, views: list[bytes]) -> None:
    names = (
        'upload_check_requests_total{outcome="short"}',
        'upload_check_rejected_total{reason="address_unknown"}',
        "upload_check_pictures_total",
        "upload_check_seconds_count",
    )
    before = [service.measure(name) for name in names]
    cpu_before = service.measure("upload_check_judging_cpu_seconds_total")

    service.post([("x.jpg", views[0])])
    requests.get(f"{service.url}/nowhere", headers=service.headers, timeout=10)

    grown = [service.measure(name) - value for name, value in zip(names, before, strict=True)]
    assert grown == [1, 1, 1, 1]
    assert 0 < service.measure("upload_check_judging_cpu_seconds_total") - cpu_before < 5
    assert service.measure("upload_check_waiting") == 0
    assert service.measure("upload_check_judging") == 0


def test_check_compares_with_what_the_variant_shows(
    service: Service, views: list[bytes], cropped_view: bytes
) -> None:
    storage = Storage(str(service.folder / "data"))
    rows = [downloaded_row("v", str(number), number, views[number]) for number in range(2)]
    for row, view in zip(rows, views, strict=False):
        storage.write_bytes(archived_key(row), view)
    judged = [judged_row(row, role=Role.BASE) for row in rows]
    write_rows(storage, layout.current("images", 7), JUDGED, judged)

    answer = service.post(
        [("new.jpg", views[2]), ("again.jpg", cropped_view)],
        variant_id="v",
        category_id="7",
        mode="block",
    )

    check = CheckAnswer.model_validate_json(answer.content)
    assert [picture.image_id for picture in check.pictures] == ["0", "1", None, None]
    assert [(pair.first, pair.second) for pair in check.duplicates] == [(1, 4)]
    assert (check.verdict, check.is_blocked) == ("compliant", True)


def test_variant_alone_is_found_in_the_catalogue_and_compared_as_people_have_decided(
    tmp_path: Path,
    sqlite_database: SourceDatabase,
    monkeypatch: pytest.MonkeyPatch,
    views: list[bytes],
    cropped_view: bytes,
) -> None:
    sqlite_database.add_variant(12, "7")
    sqlite_database.fill()
    monkeypatch.setenv(SOURCE_VARIABLE, sqlite_database.url)
    with running_service(tmp_path, UPLOAD__PROCESSES=1) as service:
        storage = Storage(str(service.folder / "data"))
        row = downloaded_row("12", "1", 1, views[0])
        storage.write_bytes(archived_key(row), views[0])
        write_rows(storage, layout.current("images", 7), JUDGED, [judged_row(row, role=Role.BASE)])
        sent = [("cropped.jpg", cropped_view)]

        before = CheckAnswer.model_validate_json(service.post(sent, variant_id="12").content)
        unknown = refusal_of(service.post(sent, variant_id="13"))
        with Store("image_duplication_store", f"sqlite:///{storage.root}/store/store.db") as store:
            pair = Pair.of(7, "12", (sha256(views[0]), sha256(cropped_view)), [Kind.CROPPED])
            told = Decision(pair, DecisionVerdict.REJECTED, DecisionOrigin.REVIEW, "olga", MOMENT)
            record(store, [told])
        after = CheckAnswer.model_validate_json(service.post(sent, variant_id="12").content)

    assert [(found.first, found.second) for found in before.duplicates] == [(1, 2)]
    assert unknown.code is RefusalCode.VARIANT_UNKNOWN
    assert (after.distinct, after.duplicates) == (2, [])


def test_picture_of_a_variant_that_is_gone_is_a_fault_that_may_pass(
    service: Service, views: list[bytes]
) -> None:
    storage = Storage(str(service.folder / "data"))
    gone = judged_row(downloaded_row("v", "1", 1, b"gone"), role=Role.BASE)
    write_rows(storage, layout.current("images", 8), JUDGED, [gone])

    refusal = refusal_of(service.post([("x", views[0])], variant_id="v", category_id="8"))

    assert refusal.code is RefusalCode.NOT_READY
    assert "archive/category=" in refusal.message


def test_serving_process_decodes_nothing(service: Service) -> None:
    server = psutil.Process(service.process.pid)
    before = server.cpu_times()
    judging = service.measure("upload_check_judging_cpu_seconds_total")

    service.post([("x.png", HOSTILE["png of 6,000 x 6,000"]())] * 10)

    after = server.cpu_times()
    own_s = after.user + after.system - before.user - before.system
    assert own_s < 0.3 * (service.measure("upload_check_judging_cpu_seconds_total") - judging)
