from __future__ import annotations

import pytest

from analyzer.evaluation.results.rows import (
    FIXED,
    LIP_SYNC,
    LIVE,
    POOLED,
    REENACTMENT,
    REPLAY,
    SWAP,
    SYNTHESIS,
    rows_of,
)
from tests.analyzer.evaluation.tables import a_row


@pytest.mark.parametrize(
    ("family", "method", "rows"),
    [
        ("face swap", "face swap: GHOST", (SWAP,)),
        ("face swap", "face swap: roop/inswapper_128", (SWAP, LIVE)),
        ("face swap", "DeepFaceLive", (SWAP, LIVE)),
        ("live swap", "unknown", (SWAP, LIVE)),
        ("live", "DeepFaceLive", (SWAP, LIVE)),
        ("lip-sync", "lip-sync: SadTalker", (LIP_SYNC,)),
        ("lip sync", "Wav2Lip on a StyleGAN face", (LIP_SYNC,)),
        ("reenactment", "FF++ NeuralTextures (c40)", (REENACTMENT,)),
        ("talking head", "talking head: SadTalker", (SYNTHESIS,)),
        ("fully synthetic", "Loopy", (SYNTHESIS,)),
        ("GAN face", "StyleGAN", (SYNTHESIS,)),
        ("replay", "a phone held before the camera", (REPLAY,)),
        ("FACE SWAP", "", (SWAP,)),
        ("thing", "Wav2Lip", (LIP_SYNC,)),
        ("fsgan", "fsgan", (SWAP,)),
        ("thing", "FS-GAN", (SWAP,)),
        ("expression swap", "NeuralTextures", (REENACTMENT,)),
        ("face re-enactment", "", (REENACTMENT,)),
        ("thing", "face-2-face", (REENACTMENT,)),
        ("thing", "first-order motion model", (REENACTMENT,)),
        ("thing", "First_Order", (REENACTMENT,)),
        ("facevid2vid", "", (REENACTMENT,)),
        ("thing", "face-vid2vid", (REENACTMENT,)),
        ("thing", "Live_Portrait", (REENACTMENT,)),
        ("lip_sync", "", (LIP_SYNC,)),
        ("Lip_Synced", "", (LIP_SYNC,)),
        ("talking_head", "StyleTalk", (SYNTHESIS,)),
        ("thing", "stylegan2-ada", (SYNTHESIS,)),
        ("thing", "text_to_video", (SYNTHESIS,)),
        ("roop_unleashed", "", (SWAP, LIVE)),
        ("face swap", "roop_unleashed", (SWAP, LIVE)),
        ("deep live cam", "", (SWAP, LIVE)),
        ("face swap", "Deep-Live-Cam", (SWAP, LIVE)),
        ("face_swap", "deep_face_live", (SWAP, LIVE)),
        ("thing", "Celeb-DF-v2", (SWAP,)),
        ("thing", "FaceFusion", (SWAP,)),
        ("Morgan", "slogan", ("Morgan",)),
        ("Portsmouth", "a troop", ("Portsmouth",)),
        ("puppetry", "strings", ("puppetry",)),
        ("pooled", "x", ("pooled (family)",)),
        ("<script>", "", ("<script>",)),
    ],
)
def test_a_fake_stands_in_its_rows(family: str, method: str, rows: tuple[str, ...]) -> None:
    assert rows_of(a_row("f", fake=True, family=family, method=method)) == rows


def test_the_fixed_rows_are_those_of_the_table() -> None:
    assert FIXED == (SWAP, LIVE, REENACTMENT, LIP_SYNC, SYNTHESIS, REPLAY)
    assert POOLED not in FIXED
