"""Reads the settings, once: defaults < YAML file < environment < command line, and says which one was wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from analyzer.errors import ConfigError
from stream_server.settings.schema import ENV_PREFIX, Settings
from stream_server.settings.section import STREAM_ID_PATTERN

_SHOWN_CHARACTERS: Final = 80  # of a wrong value in an error message
_CREDENTIALS: Final = re.compile(r"://[^/\s@]*@")
_QUOTED: Final = re.compile(r"""['"].*['"]""", re.DOTALL)
_A_KEY: Final = re.compile(r"[A-Za-z0-9_]+")


def load_settings(config: Path | None = None, command_line: Mapping[str, Any] | None = None) -> Settings:
    """Read the YAML file `config` (if any), the environment and `command_line` (nested like the file); the later wins.

    Raises `ConfigError` that names where a wrong value came from, its key, what was expected and what came, but never a
    password.
    """
    layers = [
        (f"settings file {config}", _read_yaml(config) if config else {}),
        ("environment", _read_environment()),
        ("command line", dict(command_line or {})),
    ]
    merged: dict[str, Any] = {}
    for _, layer in layers:
        merged = _merge(merged, layer)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(e, layers) for e in error.errors())) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"settings file {path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"settings file {path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        # The text of the error quotes the file, and the file may hold passwords: say only where.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = _QUOTED.sub("...", getattr(error, "problem", None) or "the text cannot be parsed")
        raise ConfigError(f"settings file {path}: {where}expected YAML, got: {problem}") from None
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(f"settings file {path}: expected a mapping of setting names, got {type(data).__name__}")
    return {key: value for key, value in data.items() if value is not None}  # `server:` alone sets nothing


def _read_environment() -> dict[str, Any]:
    known = set(Settings.model_fields)
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX) and name[len(ENV_PREFIX) :].lower().split("__")[0] not in known:
            raise ConfigError(f"environment: {name}: expected {ENV_PREFIX} and one of {', '.join(sorted(known))}")
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        # pydantic-settings names the field but not the variable; the value may hold a password
        field = re.search(r'field "(\w+)"', str(error))
        name = f"{ENV_PREFIX}{field[1].upper()}" if field else ENV_PREFIX
        raise ConfigError(f'environment: {name}: expected JSON such as ["a", "b"] for a list or mapping') from None


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _explain(error: Any, layers: list[tuple[str, dict[str, Any]]]) -> str:
    """One line for one pydantic error: where it came from, the key, what was expected, what came."""
    location = [str(part) for part in error["loc"]]
    origin = next((name for name, layer in reversed(layers) if _holds(layer, location)), "settings")
    shown = [part for part in location if part != "[key]"]
    if location[0] == "notifications":  # an address with a token may have come to stand where a key should
        shown = [part if _A_KEY.fullmatch(part) else "***" for part in shown]
    key = ".".join(shown)
    if origin == "environment":
        key = ENV_PREFIX + "__".join(shown).upper()
    rule = _rule_name(location, layers)
    if rule is not None:
        key = f"{key} (rule {rule!r})"
    if error["type"] == "extra_forbidden":
        return f"{origin}: {key}: unknown setting; docs/settings.md lists all of them"
    # what stands below `notifications` may be an address with a token, in whatever place it came to stand
    secret = "credential" in key or location[0] == "notifications" or error["type"] == "missing"
    secret = secret or isinstance(error["input"], Mapping | BaseModel)
    got = "" if secret else f", got {_CREDENTIALS.sub('://***@', repr(error['input']))[:_SHOWN_CHARACTERS]}"
    return f"{origin}: {key}: expected: {error['msg'].removeprefix('Value error, ').removeprefix('expected ')}{got}"


def _rule_name(location: list[str], layers: list[tuple[str, dict[str, Any]]]) -> str | None:
    """The name of the notification rule that an error is about: a number says little to people."""
    if location[:2] != ["notifications", "rules"] or len(location) < 3:
        return None
    for _, layer in reversed(layers):
        rules = (
            (layer.get("notifications") or {}).get("rules") if isinstance(layer.get("notifications"), dict) else None
        )
        if isinstance(rules, list) and location[2].isdigit() and int(location[2]) < len(rules):
            rule = rules[int(location[2])]
            name = rule.get("name") if isinstance(rule, dict) else None
            # only what may be a name: an address pasted into the wrong place is not repeated
            return name if isinstance(name, str) and re.fullmatch(STREAM_ID_PATTERN, name) else None
    return None


def _holds(layer: Any, location: list[str]) -> bool:
    for part in location:
        if isinstance(layer, Mapping) and part in layer:
            layer = layer[part]
        elif isinstance(layer, Mapping):
            return False
    return True
