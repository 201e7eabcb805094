"""Keeps passwords out of everything that people or log files see."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

MASK: Final = "***"

_NAMES = r"pass(?:word|wd|phrase)?|pwd|psw|secret|token|api_?key|key|auth|credentials?|sig(?:nature)?|hmac|session"

# `?password=x`, and cameras that take credentials in the path: `/user=admin_password=x_channel=1.sdp`. The value runs
# to the next `&`: rather too much is masked than too little. Bounded, so that hostile text costs no time.
_PARAMETER = re.compile(rf"(?i)((?:{_NAMES})[\w-]{{0,20}}(?:=|%3d))[^&#\s]+")

_WORD = re.compile(r"\S+")
_AFTER_SCHEME = re.compile(r"(?i)(?::|%3a)(?:/|%2f){2}")


def mask_url(url: str) -> str:
    """The URL with its password, and every parameter whose name sounds like one, shown as `***`.

    For a URL that `urlsplit` reads; anything else goes through `redact`.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return redact(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    netloc = f"{user}{colon}{MASK if colon else ''}{at}{host}"
    query = _PARAMETER.sub(rf"\1{MASK}", f"?{parts.query}")[1:]
    path = _PARAMETER.sub(rf"\1{MASK}", parts.path)
    return parts._replace(netloc=netloc, path=path, query=query).geturl()


def redact(text: str) -> str:
    """Any text (an exception, a log line) with the passwords of the URLs in it shown as `***`."""
    return _PARAMETER.sub(rf"\1{MASK}", _WORD.sub(_mask_userinfo, text))


def _mask_userinfo(word: re.Match[str]) -> str:
    """From `://` to the *last* `@` of a word: a password may hold an `@` or `/` that somebody forgot to escape."""
    text = word[0]
    scheme = _AFTER_SCHEME.search(text)
    end = max(text.rfind("@"), text.lower().rfind("%40"))
    if scheme is None or end < scheme.end():
        return text
    userinfo = text[scheme.end() : end]
    user, colon, _ = userinfo.partition(":")
    if not colon and "%3a" not in userinfo.lower():
        return text  # a user name alone
    # encoded once more, or cut by a "/": then nothing of it is sure
    shown = user if colon and "/" not in user else ""
    return f"{text[: scheme.end()]}{shown}:{MASK}{text[end:]}"
