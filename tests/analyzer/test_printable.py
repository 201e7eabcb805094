from __future__ import annotations

from analyzer.printable import printable


def test_names_from_outside_cannot_steer_a_terminal_or_turn_the_text() -> None:
    assert printable("Zoë 日本.mp4") == "Zoë 日本.mp4"
    assert printable("a\x1b[2Jb\u202ec\n") == r"a\x1b[2Jb\u202ec\n"
