"""The scripted server speaks as the monitor does: what the dashboard is tested with is what it will meet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import TypeAdapter

from stream_server.live.messages import Message, read_view_payload
from stream_server.web.video_answer import VideoAnswer
from tests.e2e.scripted_messages import CASTS, Json, alert_message, report, stream_message
from tests.e2e.scripted_stage import Script, Stage

MESSAGE = TypeAdapter[Any](Message)


def valid(message: Json) -> None:
    MESSAGE.validate_json(MESSAGE.dump_json(MESSAGE.validate_python({"v": 1, **message}, strict=False)))


@pytest.mark.parametrize("cast", CASTS)
def test_every_live_message_is_one_of_the_monitors(cast: str) -> None:
    async def check() -> None:
        stage = Stage(Script(cast=CASTS[cast]))
        stage.tick = 5  # a tick with verdicts
        valid(stage.hello())
        valid(stage.stats())
        for role in stage.script.cast:
            valid(stream_message(role))
            valid(stream_message(role, state="removed"))
            valid(alert_message(role, 1, raised=True, now=1.0))
            for message in stage.messages(role):
                valid(message)

    asyncio.run(check())


def test_pictures_are_packed_as_the_monitor_packs_them() -> None:
    role = CASTS["states"][1]
    faces, jpeg = read_view_payload(Stage(Script(cast=(role,))).picture(role))
    assert [face.face_id for face in faces.faces] == [1, 2]
    assert jpeg[:2] == b"\xff\xd8"


@pytest.mark.parametrize("looks_manipulated", [True, False])
def test_the_answer_to_an_upload_is_the_monitors(looks_manipulated: bool) -> None:
    answer = VideoAnswer.model_validate(report("a.mp4", looks_manipulated=looks_manipulated))
    assert answer.prediction.is_deepfake is looks_manipulated
