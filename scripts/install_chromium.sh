#!/usr/bin/env bash
# Prints the path of a Chromium, Chrome or Edge that starts, for the tests of the pages. Where there is none it installs
# one: Debian's package for root, else Playwright's own for this user (with `python`, into its cache). Exit 1: neither.
# The headless shell comes first: the same engine without the windows that nobody sees, at half the processor time.
set -uo pipefail

starts() { timeout 120 "$1" --headless --no-sandbox --disable-gpu --dump-dom about:blank 2> /dev/null | grep -q '<html'; }

here() {
  local name path
  for name in ${HWCOMPAT_TEST_CHROMIUM:-} chromium-headless-shell chromium chromium-browser google-chrome \
    google-chrome-stable microsoft-edge; do
    if path=$(command -v "$name") && starts "$path"; then echo "$path"; return 0; fi  # Ubuntu's is a stub without snap
  done
  return 1
}

playwrights() {
  local path
  path=$(python -c 'from playwright.sync_api import sync_playwright as s
with s() as p: print(p.chromium.executable_path)' 2> /dev/null) && [ -x "$path" ] && starts "$path" && echo "$path"
}

here && exit 0
playwrights && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >&2
  for package in chromium-headless-shell chromium; do
    if apt-get install -y -q --no-install-recommends "$package" >&2 && here; then exit 0; fi
  done
fi
if [ "$(id -u)" = 0 ]; then deps=--with-deps; else deps=; fi
{ python -m pip install -q playwright && timeout 600 python -m playwright install $deps chromium; } >&2
playwrights
