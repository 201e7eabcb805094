from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_server.web.routes.pages import static_folder
from tests.stream_server.app_of import Running, running_app


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with running_app() as running:
        yield running


def test_the_dashboard_is_at_the_root_and_its_files_beside_it(running: Running) -> None:
    page = running.client.get("/")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    links = [link for link in re.findall(r'(?:src|href)="([^"#]+)"', page.text) if not link.startswith("data:")]
    assert links
    for link in links:
        assert "//" not in link, "nothing comes from elsewhere"
        assert running.client.get(f"/{link.lstrip('./')}").status_code == 200, link


def test_the_dashboard_is_asked_for_again_each_time_and_answered_briefly(running: Running) -> None:
    first = running.client.get("/")
    assert first.headers["Cache-Control"] == "no-cache"
    again = running.client.get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documentation_loads_nothing_from_elsewhere(running: Running, path: str) -> None:
    page = running.client.get(path)
    assert page.status_code == 200
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?:https?:)?//", page.text)
    for link in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
        assert running.client.get(link).status_code == 200, link
    assert "'self'" in page.headers["Content-Security-Policy"]


def test_redoc_fetches_no_logo_from_its_maker_and_swagger_asks_no_validator(running: Running) -> None:
    assert "cdn." not in running.client.get("/docs-assets/redoc.standalone.js").text
    assert '"validatorUrl": null' in running.client.get("/docs").text


def test_every_route_stands_in_the_docs(running: Running) -> None:
    text = (Path(__file__).parents[4] / "docs" / "api.md").read_text()
    document = running.client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}" in text, (method, path)


def test_the_openapi_document_describes_every_route(running: Running) -> None:
    document = running.client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/health", "/info", "/metrics", "/predict_video", "/api/ice-servers", "/api/streams",
        "/api/streams/{stream_id}", "/api/streams/{stream_id}/scores", "/api/streams/{stream_id}/series.jsonl",
        "/api/streams/{stream_id}/snapshot.jpg", "/api/streams/{stream_id}/history",
        "/api/streams/{stream_id}/data.zip", "/api/streams/{stream_id}/data", "/api/stored", "/api/marks.zip",
        "/api/events", "/api/events/{event_id}", "/api/events/{event_id}/evidence.zip",
        "/api/events/{event_id}/parts/{name}", "/api/evidence-key",
        "/api/notifications", "/api/notifications/dead", "/api/notifications/dead/{letter_id}",
        "/api/notifications/dead/{letter_id}/retry", "/api/notifications/{rule}/test",
    }  # fmt: skip
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (path, method)
            assert operation["description"], (path, method)


def test_the_openapi_document_describes_the_upload_and_its_errors(running: Running) -> None:
    document = running.client.get("/openapi.json").json()
    upload = document["paths"]["/predict_video"]["post"]
    schema = upload["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["properties"]["file"]["format"] == "binary"
    assert set(upload["responses"]) >= {"200", "400", "413", "415", "422", "503"}
    for status in ("400", "413", "415", "422", "503"):
        reference = upload["responses"][status]["content"]["application/json"]["schema"]["$ref"]
        assert reference.endswith("/ErrorBody")
    assert document["components"]["schemas"]["VideoAnswer"]["example"]["status"] == "success"


def test_no_route_documents_an_error_of_another_shape(running: Running) -> None:
    document = running.client.get("/openapi.json").json()
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize(
    "path",
    ["/nope", "/js/nope.js", "/../pyproject.toml", "/%2e%2e/pyproject.toml", "/js", "/..%2f..%2fetc/passwd", "/%00"],
)
def test_what_is_not_there_is_404_in_the_one_shape(running: Running, path: str) -> None:
    answer = running.client.get(path, follow_redirects=False)
    assert answer.status_code in (404, 307)
    if answer.status_code == 404:
        assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/", 404), ("DELETE", "/js/main.js", 404), ("POST", "/health", 405), ("GET", "/predict_video", 405),
     ("PUT", "/api/streams", 405), ("HEAD", "/", 200)],
)  # fmt: skip
def test_a_wrong_method_is_told_from_a_wrong_path(running: Running, method: str, path: str, status: int) -> None:
    assert running.client.request(method, path).status_code == status


def test_the_dashboards_folder_is_found_in_a_checkout() -> None:
    assert (static_folder() / "index.html").is_file()
