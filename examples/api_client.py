"""Send a video to a running deepfake-monitor and print what it found. Needs Python alone.

    python examples/api_client.py interview.mp4
    python examples/api_client.py --health

Exit code 0: no sign of manipulation found, 1: deepfake, 2: wrong usage, 3: the server refused, 4: no server.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CHUNK = 1 << 20


class ServerError(Exception):
    """The server answered with an error: `{"error": {"code", "message"}}`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} ({status} {code})")
        self.status = status
        self.code = code


def request(url: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """Call the API; the JSON of the answer. Raises `ServerError`, and `OSError` when there is no server."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=600)
    try:
        # a refusal may come before the body is sent; the answer says why
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, parts.path.rstrip("/") + path, body, headers or {})
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    if "error" in answer:
        raise ServerError(response.status, answer["error"]["code"], answer["error"]["message"])
    return answer


def health(url: str) -> Any:
    """How the server is: status, device, model."""
    return request(url, "GET", "/health")


def predict_video(url: str, video: Path) -> Any:
    """Upload a video, whatever its size: it is read piece by piece."""
    boundary = uuid.uuid4().hex
    name = video.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")  # RFC 7578 and HTML say so
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield head
        with video.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
        yield tail

    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(head) + video.stat().st_size + len(tail)),
    }
    return request(url, "POST", "/predict_video", body(), headers)


def show(answer: Any) -> None:
    """Print the answer for people."""
    prediction = answer["prediction"]
    print(f"{answer['filename']}: {prediction['label']}, confidence {prediction['confidence']:.3f}")
    for face in answer["faces"]:
        p = face["fake_probability"]
        print(f"  face {face['face_id']}: " + ("not scored" if p is None else f"fake probability {p:.3f}"))
    for point in answer["timeline"]:
        bar = "#" * round(40 * point["fake_probability"])
        print(f"  {point['start_s']:7.2f} s  face {point['face_id']}  {point['fake_probability']:.3f} {bar}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(description="Send a video to a running deepfake-monitor.")
    parser.add_argument("video", type=Path, nargs="?", help="MP4, MOV, AVI, FLV, MKV or WebM")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the server is (default: %(default)s)")
    parser.add_argument("--health", action="store_true", help="only ask how the server is")
    parser.add_argument("--json", action="store_true", help="print the answer as it came")
    options = parser.parse_args(arguments)
    if not options.health and options.video is None:
        parser.error("a video is needed, or --health")
    try:
        if options.health:
            print(json.dumps(health(options.url), indent=2))
            return 0
        answer = predict_video(options.url, options.video)
    except ServerError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 3
    except FileNotFoundError:
        print(f"there is no file {options.video}", file=sys.stderr)
        return 2
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(f"no answer from a deepfake-monitor at {options.url}: {error}", file=sys.stderr)
        return 4
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        show(answer)
    return 1 if answer["prediction"]["is_deepfake"] else 0


if __name__ == "__main__":
    sys.exit(main())
