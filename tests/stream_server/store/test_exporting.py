"""What operators marked becomes what weights are trained on."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from sqlalchemy import Connection

from analyzer.errors import ConfigError, NotFoundError
from analyzer.model.weights import load_weights
from analyzer.training.fit.options import TrainOptions
from analyzer.training.fit.splits import gather
from analyzer.training.fit.train import run_training
from analyzer.training.sampling.mixture import Mixture
from stream_server.event import EventKind, Part, ReviewMark
from stream_server.events.recording.clip import clip_mp4
from stream_server.store.database import Database
from stream_server.store.exporting import marks_bytes, stream_bytes, write_marks
from stream_server.store.rows import save_event
from tests.events_of import START, an_event
from tests.recorded import a_past_picture
from tests.videos import face_on_canvas, moving_face, write_video

CLIP = Part("clip.mp4", "video/mp4", b"a clip")


def save_marked(
    connection: Connection, stream_id: str, mark: ReviewMark | None, clip: Part = CLIP, **changes: object
) -> str:
    event = an_event(START, stream_id=stream_id, mark=mark, **changes)
    save_event(connection, event, [clip])
    return event.id


def marks(connection: Connection) -> list[list[str]]:
    """The manifest's rows, with its header."""
    file = io.BytesIO()
    write_marks(connection, file)
    with zipfile.ZipFile(file) as opened:
        return [line.split("\t") for line in opened.read("manifest.tsv").decode().splitlines()]


def test_only_marks_of_faces_teach_anything(database: Database) -> None:
    with database.engine.begin() as connection:
        fake = save_marked(connection, "door", ReviewMark.CONFIRMED)
        real = save_marked(connection, "hall", ReviewMark.FALSE_ALARM, mark_note="a\tposter\n")
        for mark in (ReviewMark.UNSURE, None):
            save_marked(connection, "door", mark)
        for kind in set(EventKind) - {EventKind.MANIPULATION}:
            for mark in (ReviewMark.CONFIRMED, ReviewMark.FALSE_ALARM):
                save_marked(connection, "door", mark, kind=kind, face_id=None)
    with database.read() as connection:
        header, *rows = marks(connection)
        assert marks_bytes(connection) == 2 * len(CLIP.data)
    found = {row[header.index("event")]: dict(zip(header, row, strict=True)) for row in rows}
    assert {event: row["kind"] for event, row in found.items()} == {fake: "fake", real: "real"}
    assert {row["label_of"] for row in found.values()} == {"one face"}
    assert (found[real]["group"], found[real]["note"]) == ("hall", "a poster")


def test_without_any_it_is_said_what_to_mark(database: Database) -> None:
    with database.engine.begin() as connection:
        save_marked(connection, "door", ReviewMark.CONFIRMED, kind=EventKind.FROZEN, face_id=None)
    with database.read() as connection, pytest.raises(NotFoundError, match="no suspected manipulation with a clip"):
        marks(connection)


def test_what_is_stored_of_a_stream_is_known_beforehand(database: Database) -> None:
    with database.engine.begin() as connection:
        save_marked(connection, "door", None)
    with database.read() as connection:
        assert stream_bytes(connection, "door") == len(CLIP.data)
        assert stream_bytes(connection, "hall") is None


def clip_of(place: int, faces: int = 1) -> Part:
    """Three seconds of a face that sways; `place` makes each clip another."""
    pictures = []
    for i in range(24):
        canvas = face_on_canvas(150 + place + 4 * (i % 5), 150, (320, 300), 140)
        whole = cv2.hconcat([canvas] * faces)
        jpeg = cv2.imencode(".jpg", cv2.cvtColor(whole, cv2.COLOR_RGB2BGR))[1].tobytes()
        pictures.append(a_past_picture(i / 8, jpeg))
    data = clip_mp4(pictures)
    assert data is not None
    return Part("clip.mp4", "video/mp4", data)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """The manifest of a real marks.zip: a false alarm of each of two cameras, a fake, and a clip of two people."""
    database = Database(tmp_path / "data", None)
    database.prepare()
    with database.engine.begin() as connection:
        save_marked(connection, "door", ReviewMark.FALSE_ALARM, clip_of(0))
        save_marked(connection, "hall", ReviewMark.FALSE_ALARM, clip_of(3))
        save_marked(connection, "desk", ReviewMark.CONFIRMED, clip_of(6))
        save_marked(connection, "desk", ReviewMark.CONFIRMED, clip_of(9, faces=2))
    with (tmp_path / "marks.zip").open("wb") as file, database.read() as connection:
        write_marks(connection, file)
    database.close()
    with zipfile.ZipFile(tmp_path / "marks.zip") as opened:
        opened.extractall(tmp_path / "marks")
    return tmp_path / "marks" / "manifest.tsv"


@pytest.fixture
def options(tmp_path: Path, unpacked: Path) -> TrainOptions:
    """As docs/training.md says: one's own list, the marks beside it, their cameras placed by hand; one step."""
    own = tmp_path / "own"
    own.mkdir()
    lines = ["file\tkind\tmethod\tgroup"]
    for group in ("anna", "ben"):
        write_video(own / f"{group}.mp4", moving_face(20, (320, 300), 130 if group == "anna" else 150))
        lines.append(f"{group}.mp4\treal\twebcam\t{group}")
    (own / "list.tsv").write_text("\n".join(lines) + "\n")
    return TrainOptions(
        manifest=own / "list.tsv",
        output=tmp_path / "run",
        add=(unpacked,),
        placed={"anna": "calibration", "ben": "calibration", "door": "train", "hall": "train", "desk": "train"},
        join=False,  # all of them show one picture
        mixture=Mixture(real_fakes=0.5),
        device="cpu",
        workers=0,
        batch=1,
        steps=1,
        painter_share=0.0,
        stages="A",
        quiet=True,
    )


def test_what_operators_marked_is_learned_from_beside_ones_own_list(options: TrainOptions, unpacked: Path) -> None:
    _, card = load_weights(run_training(options))
    lines = [json.loads(line) for line in (options.output / "metrics.jsonl").read_text().splitlines()]
    (train,) = [line for line in lines if line.get("part") == "train"]
    assert (train["real"], train["fake"]) == (2, 1)
    (left_out,) = [line["left out"] for line in lines if "left out" in line]
    assert "shows 2 faces, and its label is of one of them" in left_out
    assert "Trained on 2 real and 1 fake files" in card.description
    assert card.trained_on == ("seen live",)
    assert f"--add {unpacked.name}" in (card.command or "")


def test_marks_alone_suffice_where_two_cameras_have_false_alarms(options: TrainOptions, unpacked: Path) -> None:
    places = {"door": "train", "hall": "calibration", "desk": "train"}
    alone = replace(options, manifest=unpacked, add=(), placed=places)
    parts = gather(alone, lambda _: None)
    assert [row.group for row, _ in parts["calibration"]] == ["hall"]
    with pytest.raises(ConfigError, match="no real face is left to train on"):
        gather(replace(alone, placed=dict.fromkeys(places, "calibration")), lambda _: None)
