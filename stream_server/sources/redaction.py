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

# From `://` to the last `@` of the word: a password may hold an unescaped `@` or `/` where somebody made a mistake.
_USERINFO = re.compile(r"(?i)([a-z][a-z0-9+.-]{0,15}(?::|%3a)(?:/|%2f){2})(\S*)(?:@|%40)")


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
    return _PARAMETER.sub(rf"\1{MASK}", _USERINFO.sub(_mask_userinfo, text))


def _mask_userinfo(match: re.Match[str]) -> str:
    user, colon, _ = match[2].partition(":")
    # without a colon it is a user name alone, unless the text was cut or encoded: then nothing of it is sure
    shown = user if colon and "/" not in user else ""
    return f"{match[1]}{shown}:{MASK}@" if colon or "%3a" in match[2].lower() else match[0]
