#!/usr/bin/env bash
# Install the browser that the viewer's tests drive, where that is allowed and quick; else they are skipped with a reason.
# Never fails: only these tests need the browser.
set -uo pipefail

if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then
    exit 0
fi
if [[ "$(id -u)" != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "No chromium and chromedriver: the browser tests are skipped. On Debian: apt-get install chromium-driver" >&2
    exit 0
fi
echo "Installing chromium for the browser tests (once) ..."
export DEBIAN_FRONTEND=noninteractive
if ! { timeout 120 apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends chromium chromium-driver; } >/dev/null 2>&1; then
    echo "chromium could not be installed: the browser tests are skipped." >&2
fi
exit 0
