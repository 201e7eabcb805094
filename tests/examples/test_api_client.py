from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from stream_server.settings.schema import ServerSettings, Settings
from tests.stream_server.app_of import served_app
from tests.videos import moving_face, write_video

CLIENT = Path(__file__).parents[2] / "examples" / "api_client.py"


@pytest.fixture(scope="module")
def client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("api_client", CLIENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served_app(Settings(server=ServerSettings(max_upload_mb=1))) as url:
        yield url


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / 'a "face".mp4', moving_face(40), fps=15)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, CLIENT, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_it_needs_python_alone() -> None:
    tree = ast.parse(CLIENT.read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    assert {str(module).split(".")[0] for module in modules} <= sys.stdlib_module_names


def test_it_sends_a_video_and_prints_what_was_found(url: str, video: Path) -> None:
    done = run(str(video), "--url", url)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].startswith("a %22face%22.mp4: ")
    assert "face 1: fake probability" in done.stdout
    assert done.returncode == (1 if "DEEPFAKE" in done.stdout else 0)


def test_it_prints_the_answer_as_it_came(url: str, video: Path) -> None:
    answer = json.loads(run(str(video), "--url", url, "--json").stdout)
    assert answer["status"] == "success"


def test_it_asks_for_the_health(url: str) -> None:
    done = run("--health", "--url", url)
    assert done.returncode == 0
    assert json.loads(done.stdout)["num_frames"] == 16


def test_a_refusal_is_one_line(
    client: ModuleType, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "a.txt"
    text.write_text("no video")
    assert client.main([str(text), "--url", url]) == 3
    error = capsys.readouterr().err
    assert error.startswith("refused: a.txt is not a video")
    assert "not_a_video" in error


def test_a_file_beyond_the_limit_is_refused(
    client: ModuleType, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(50_000_000)
    assert client.main([str(large), "--url", url]) in (3, 4), "the server may close before all is sent"
    assert capsys.readouterr().out == ""


def test_a_file_is_read_piece_by_piece(client: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(3 * client.CHUNK + 1))
    pieces: list[int] = []

    def request(_url: str, _method: str, _path: str, body: Iterator[bytes], headers: dict[str, str]) -> None:
        pieces.extend(len(piece) for piece in body)
        assert sum(pieces) == int(headers["Content-Length"])

    monkeypatch.setattr(client, "request", request)
    client.predict_video("http://127.0.0.1", large)
    assert max(pieces) <= client.CHUNK
    assert len(pieces) == 6


def test_without_a_server_it_says_so(client: ModuleType, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert client.main(["--health", "--url", "http://127.0.0.1:1"]) == 4
    assert client.main([str(video), "--url", "http://127.0.0.1:1"]) == 4
    assert "no answer from a deepfake-monitor" in capsys.readouterr().err


def test_a_missing_file_is_a_wrong_usage(client: ModuleType, url: str) -> None:
    assert client.main(["/nowhere/a.mp4", "--url", url]) == 2


def test_without_anything_to_do_it_explains_itself() -> None:
    done = run()
    assert done.returncode == 2
    assert "usage:" in done.stderr
