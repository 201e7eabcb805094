from __future__ import annotations

import json
import logging
import math
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer import errors
from analyzer.alerting.series import Series
from analyzer.alerting.verdict import Sensitivity
from analyzer.datatypes import Observation
from analyzer.model.card import WeightsCard
from analyzer.model.weights import save_weights
from stream_server.cli import __main__ as cli
from stream_server.cli import commands
from stream_server.cli.exit_codes import Exit, exit_code_of
from stream_server.cli.server import listen
from stream_server.settings.schema import ServerSettings, Settings
from tests.nets import lively_net
from tests.videos import moving_face, write_video

ROOT = Path(__file__).parents[3]
HANGS_S = 170
"""Only so that a server that hangs does not outlive the test, which has 180; on a busy machine all else takes long."""


@pytest.fixture(autouse=True)
def clean_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in os.environ:
        if name.startswith("DEEPFAKE_MONITOR_"):
            monkeypatch.delenv(name)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was never trained, in a file that looks as if it was."""
    path = tmp_path_factory.mktemp("weights") / "test.safetensors"
    card = WeightsCard("test", "0.1", "2026-01-01", "random", ("nothing",), "Apache-2.0")
    save_weights(lively_net(), card, path)
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "face.mp4", moving_face(40), fps=15)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the program in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["deepfake-monitor", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    code = caught.value.code
    return code if isinstance(code, int) else 0


def words(text: str) -> str:
    """Without the frames and line breaks that rich puts in."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def test_version_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert re.fullmatch(r"deepfake-monitor \S+\n", capsys.readouterr().out)


@pytest.mark.parametrize("command", ["serve", "score", "doctor", "train", "evaluate", "replay", "verify"])
def test_every_command_explains_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(monkeypatch, command, "--help") == 0
    assert f"Usage: deepfake-monitor {command}" in capsys.readouterr().out


def test_every_command_and_exit_code_stands_in_the_docs() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    names = {
        info.name or (info.callback.__name__ if info.callback else "") for info in commands.app.registered_commands
    }
    assert names == {"serve", "score", "doctor", "train", "evaluate", "bench", "replay", "verify"}
    for name in names:
        assert f"## `deepfake-monitor {name}" in text
    for code in Exit:
        assert f"| {code.value} |" in text


def test_bench_hands_its_options_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "bench", "--help") == 0
    assert "--quick" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["serve", "--nonsense"], ["serve", "--port", "x"], ["serve", "--source", "x"],
     ["serve", "--source", "=rtsp://h"], ["serve", "--source", "a="], ["score"], ["train", "m.tsv"],
     ["train", "m.tsv", "-o", "x", "--name", "../x"], ["evaluate"], ["replay"],
     ["replay", "x", "--sensitivity", "loud"], ["verify"]],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_is_exit_code_2(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    assert run(monkeypatch, *arguments) == Exit.USAGE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score", "/nowhere/a.mp4"], "error: /nowhere/a.mp4: there is no such file"),
        (["score", __file__], "error: test_cli.py is not a video"),
        (["serve", "--port", "99999"], "command line: server.port: expected"),
        (["serve", "--config", "/nowhere/x.yaml"], "error: settings file /nowhere/x.yaml: there is no such file"),
        (["serve", "--device", "tpu"], "command line: device: expected"),
        (["doctor", "--config", "/nowhere/x.yaml"], "there is no such file"),
        (["evaluate", "/nowhere/list.tsv"], "/nowhere/list.tsv"),
        (["replay", "/nowhere/a.jsonl"], "error: /nowhere/a.jsonl: No such file or directory"),
        (["replay", __file__], "error: test_cli.py is no series of scores, or a damaged one: line 1: not JSON"),
    ],
)
def test_a_bad_input_is_exit_code_3_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(monkeypatch, *arguments) == Exit.BAD_INPUT
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_port_in_use_is_exit_code_4(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with listen(Settings(server=ServerSettings(port=0))) as taken:
        assert run(monkeypatch, "serve", "--port", str(taken.getsockname()[1])) == Exit.CANNOT_WORK
    assert "another program listens there" in words(capsys.readouterr().err)


def test_a_server_for_other_machines_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for host, warned in [("0.0.0.0", True), ("127.0.0.1", False)]:
        with listen(Settings(server=ServerSettings(host=host, port=0))) as taken:
            run(monkeypatch, "serve", "--host", host, "--port", str(taken.getsockname()[1]))
        assert ("no password" in words(capsys.readouterr().err)) is warned


def test_weights_that_are_cut_short_are_exit_code_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path, video: Path
) -> None:
    broken = tmp_path / weights.name
    broken.write_bytes(weights.read_bytes()[:1000])
    broken.with_suffix(".json").write_bytes(weights.with_suffix(".json").read_bytes())
    for command in (["score", str(video)], ["serve", "--port", "0"]):
        assert run(monkeypatch, *command, "--weights", str(broken)) == Exit.CANNOT_WORK
        assert "sha256" in words(capsys.readouterr().err)


def test_score_prints_json_like_the_api(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: Path, video: Path
) -> None:
    code = run(monkeypatch, "score", str(video), "--json", "--weights", str(weights), "--device", "cpu")
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "success"
    assert answer["filename"] == "face.mp4"
    assert answer["model"]["name"] == "test"
    assert code == (Exit.FOUND if answer["prediction"]["is_deepfake"] else Exit.OK)
    assert len(answer["timeline"]) == answer["faces"][0]["windows"] > 0
    peak = answer["faces"][0]["peak"]
    assert [len(row) for row in peak["evidence"]["where"]] == [7] * 7
    assert [len(peak["evidence"][name]) for name in ("when", "counted", "frame_logits")] == [16] * 3
    mean = sum(peak["evidence"]["counted"]) / 16
    assert 1 / (1 + math.exp(-mean)) == pytest.approx(peak["fake_probability"], abs=0.01)
    assert peak["picture"] is None


def test_score_prints_the_verdict_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: Path, video: Path
) -> None:
    run(monkeypatch, "score", str(video), "--weights", str(weights))
    out = capsys.readouterr().out
    assert out.startswith(("REAL", "DEEPFAKE"))
    assert ("not that there is none" in words(out)) == out.startswith("REAL")


def test_replay_prints_the_alerts_of_a_series_and_its_code_says_whether_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "door.jsonl"
    observations = tuple(Observation(100 + i / 6, 3, 16, 1.0) for i in range(120))
    path.write_text("".join(Series("door", Sensitivity.BALANCED, observations, 130.0).lines()))
    assert run(monkeypatch, "replay", str(path)) == Exit.FOUND
    said = capsys.readouterr().out
    assert "door: 120 observations, balanced" in said
    assert "6.3 s" in said
    assert run(monkeypatch, "replay", str(path), "--json") == Exit.FOUND
    (alert,) = json.loads(capsys.readouterr().out)["alerts"]
    assert (alert["stream_id"], alert["face_id"], alert["raised"]) == ("door", 3, True)
    assert run(monkeypatch, "replay", str(path), "--sensitivity", "quiet") == Exit.OK
    assert "no alert" in capsys.readouterr().out


def test_evaluate_counts_what_it_cannot_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path, video: Path
) -> None:
    (tmp_path / "real.mp4").write_bytes(video.read_bytes())
    rows = ["file\tkind\tmethod", "real.mp4\treal\tnone", "gone.mp4\tfake\tx"]
    (tmp_path / "list.tsv").write_text("\n".join(rows))
    arguments = [
        "evaluate",
        str(tmp_path / "list.tsv"),
        "--weights",
        str(weights),
        "--json",
        str(tmp_path / "out.json"),
    ]
    assert run(monkeypatch, *arguments) == 0
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["video"]["n_real"] == 1
    assert [failure["file"] for failure in report["failures"]] == ["gone.mp4"]


def test_doctor_prints_json_and_its_code_says_whether_all_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: Path
) -> None:
    code = run(monkeypatch, "doctor", "--json", "--weights", str(weights), "--device", "cpu")
    checks = json.loads(capsys.readouterr().out)["checks"]
    problems = [check for check in checks if check["found"] == "problem"]
    assert code == (Exit.FOUND if problems else Exit.OK)
    assert next(check for check in checks if check["name"] == "weights")["found"] == "ok"


def test_ctrl_c_in_the_middle_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "load_settings", interrupted)
    assert run(monkeypatch, "doctor") == Exit.INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_it_is_and_stops_cleanly(video: Path, weights: Path, number: signal.Signals) -> None:
    command = [
        sys.executable,
        "-W",
        "error::ResourceWarning",
        "-m",
        "stream_server.cli",
        "serve",
        "--port",
        "0",
    ]
    command += ["--source", f"clip={video}", "--weights", str(weights), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert url is not None, process.stderr.read() if process.stderr else line
            with urllib.request.urlopen(f"{url[0]}/health") as answer:
                health = json.load(answer)
            assert health["model"] == "test"
            assert sum(health["streams"].values()) == 1
            process.send_signal(number)
            _, said = process.communicate(timeout=HANGS_S)
        finally:
            process.kill()
    assert process.returncode == Exit.OK, said
    assert "Traceback" not in said
    assert "stopped" in said


@pytest.mark.parametrize(
    ("number", "event", "part"),
    [(signal.SIGINT, "open", ".safetensors"), (signal.SIGTERM, "tempfile.mkstemp", "demo-real")],
    ids=["weights", "demo"],
)
def test_a_signal_while_it_starts_ends_it_without_a_traceback(
    weights: Path, tmp_path: Path, number: signal.Signals, event: str, part: str
) -> None:
    """It comes from inside, as the weights are opened or the first clip is begun: at no other moment on any machine."""
    code = (
        "import os, sys\n"
        "sent = []\n"
        "def hook(event, args):\n"
        f"    if event == {event!r} and {part!r} in str(args[0]) and not sent:\n"
        "        sent.append(event)\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "sys.addaudithook(hook)\n"
        "from stream_server.cli.__main__ import main\n"
        "main()\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", code, "serve", "--port", "0", "--demo", "--weights", str(weights)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment, timeout=HANGS_S
    )
    assert done.returncode == Exit.INTERRUPTED, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".")] == [], "no half-made clip stays"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_commands_are_loaded_is_no_traceback(number: signal.Signals) -> None:
    """Loading them takes half a second, in which somebody may think again."""
    code = (
        "import os, sys, importlib.abc\n"
        "class Interrupts(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == 'typer': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from stream_server.cli.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (Exit.INTERRUPTED, "interrupted\n")


def test_every_error_of_ours_has_a_code_that_is_not_success() -> None:
    kinds = [
        errors.ConfigError,
        errors.EvidenceError,
        errors.NoFacesError,
        errors.WeightsError,
        errors.DetectorError,
        errors.OverloadedError,
    ]
    assert [exit_code_of(kind("x")) for kind in kinds] == [3, 3, 3, 4, 4, 4]
