from __future__ import annotations

import subprocess
import sys

from analyzer.openvino_runtime import load_openvino, openvino_core


def test_nothing_is_reported_to_the_makers_of_openvino() -> None:
    load_openvino()
    assert sys.modules["openvino_telemetry"] is None


def test_whoever_finds_faces_first_keeps_the_telemetry_out() -> None:
    find = "from analyzer.faces.detector import YuNetDetector; YuNetDetector()"
    code = f"import sys; {find}; print(sys.modules['openvino_telemetry'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"


def test_there_is_one_core() -> None:
    assert openvino_core() is openvino_core()
