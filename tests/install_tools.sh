#!/usr/bin/env bash
# Installs what the tests drive besides Python packages: Chromium, PostgreSQL, GStreamer's RTSP server and WHIP parts, TypeScript.
# As root on Debian it installs them; elsewhere it says what is missing, and tests that need it skip. With CI=true, missing is an error.
set -u
cd "$(dirname "$0")/.."
missing=()
debian_packages=(chromium gir1.2-gst-plugins-bad-1.0 gir1.2-gst-rtsp-server-1.0 gstreamer1.0-nice gstreamer1.0-plugins-bad gstreamer1.0-plugins-base gstreamer1.0-plugins-good postgresql python3-gi)
installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }
if command -v dpkg-query >/dev/null; then
  for name in "${debian_packages[@]}"; do installed "$name" || missing+=("$name"); done
  if ((${#missing[@]})) && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
    missing=()
    for name in "${debian_packages[@]}"; do installed "$name" || missing+=("$name"); done
  fi
else
  command -v chromium >/dev/null || missing+=(chromium)
  missing+=("GStreamer's RTSP server with its Python binding")
fi
if command -v npm >/dev/null; then
  [ -x node_modules/.bin/tsc ] || npm install --no-package-lock --no-audit --no-fund --silent || missing+=("typescript (npm)")
else
  missing+=("node and npm")
fi
if ((${#missing[@]})); then
  echo "Missing for some tests: ${missing[*]}" >&2
  [ "${CI:-}" = true ] && exit 1
fi
exit 0
