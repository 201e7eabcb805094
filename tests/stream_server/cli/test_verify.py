from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stream_server.cli import __main__ as cli
from stream_server.cli.exit_codes import Exit
from tests.evidence_of import EVENT_ID, a_key, a_zip
from tests.stream_server.events.evidence_zip.zips import files_of, packed_again


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    return a_zip(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["deepfake-monitor", "verify", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    code = caught.value.code
    return code if isinstance(code, int) else 0


def changed(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[data.index(b"\xff\xd8") + 100] ^= 1
    path.write_bytes(data)
    return path


def test_intact_evidence_is_exit_code_0_and_shows_the_fingerprint_to_compare(
    evidence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(evidence)) == Exit.OK
    said = capsys.readouterr().out
    assert said.startswith("INTACT  evidence.zip\n")
    assert f"event {EVENT_ID}, put together 2026-11-23T12:01:00.000Z" in said
    assert f"signed with the key {a_key(tmp_path).public.fingerprint}" in said
    assert "Compare this with the fingerprint that your monitor shows" in said
    assert "anybody can sign" in said


def test_with_the_right_key_nothing_is_left_to_compare(
    evidence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = a_key(tmp_path).public
    (tmp_path / "public.pem").write_text(key.pem)
    for spelled in (key.fingerprint, key.base64, str(tmp_path / "public.pem")):
        assert run(monkeypatch, str(evidence), "--key", spelled) == Exit.OK
        assert "Compare" not in capsys.readouterr().out


def test_a_changed_file_is_exit_code_1_and_named(
    evidence: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(changed(evidence))) == Exit.FOUND
    said = capsys.readouterr().out
    assert said.startswith("NOT AS IT WAS SIGNED  evidence.zip\n")
    assert "  - strip.jpg was changed: " in said


def test_another_key_is_exit_code_1(
    evidence: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(evidence), "--key", "0" * 32) == Exit.FOUND
    assert "signed with another key: " in capsys.readouterr().out


def test_a_zip_that_was_packed_again_says_that_the_files_are_as_they_were(
    evidence: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence.write_bytes(packed_again(files_of(evidence).items()))
    assert run(monkeypatch, str(evidence)) == Exit.FOUND
    assert "Every file is as it was signed; only the zip around the files is not." in capsys.readouterr().out


def test_without_a_signature_nothing_is_vouched_for(
    evidence: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = files_of(evidence)
    del files["signature.json"]
    evidence.write_bytes(packed_again(files.items()))
    assert run(monkeypatch, str(evidence)) == Exit.FOUND
    said = capsys.readouterr().out
    assert f"says of itself, without a signature that holds: event {EVENT_ID}" in said
    assert "No signature holds for it." in said


def test_json_has_every_finding(
    evidence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(evidence), "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == {
        "file": "evidence.zip", "ok": True, "contents_intact": True, "key_given": False, "event_id": EVENT_ID,
        "made_at": 1795435260.0, "fingerprint": a_key(tmp_path).public.fingerprint, "findings": [],
    }  # fmt: skip
    assert run(monkeypatch, str(changed(evidence)), "--json") == Exit.FOUND
    row = json.loads(capsys.readouterr().out)
    assert (row["ok"], row["contents_intact"]) == (False, False)
    assert ("changed", "strip.jpg") in {(one["kind"], one["file"]) for one in row["findings"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/nowhere/a.zip"], "error: /nowhere/a.zip: No such file or directory"),
        ([__file__], "error: test_verify.py is no evidence zip: it is no zip file: "),
        ([__file__, "--key", "nonsense"], "error: 'nonsense' is no key: expected a fingerprint"),
    ],
    ids=["no file", "no zip", "no key"],
)
def test_a_bad_input_is_exit_code_3_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(monkeypatch, *arguments) == Exit.BAD_INPUT
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("name", ["gone\nINTACT  a.zip\x1b[2J", "there\nINTACT  a.zip\x1b[2J"], ids=["gone", "no zip"])
def test_a_files_name_cannot_add_a_line_or_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    if name.startswith("there"):
        (tmp_path / name).write_bytes(b"no zip")
    assert run(monkeypatch, str(tmp_path / name)) == Exit.BAD_INPUT
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "\\nINTACT  a.zip\\x1b[2J" in said


def test_nothing_heavy_is_loaded_to_verify(evidence: Path) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['deepfake-monitor', 'verify', {str(evidence)!r}]\n"
        "from stream_server.cli.__main__ import main\n"
        "try: main()\n"
        "finally: print(*sorted({'torch', 'cv2', 'fastapi', 'starlette', 'aiortc', 'sqlite3'} & set(sys.modules)))\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (Exit.OK, ""), done.stderr
