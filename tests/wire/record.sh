#!/bin/sh
# Freezes what is new: writes tests/golden/wire/v1 anew with all that was frozen
# before and what the API and the scenario have beyond it. Refuses where something
# frozen changed. Usage: tests/wire/record.sh [BUILD_DIR]
set -eu
wire="$(cd "$(dirname "$0")/../.." && pwd)/${1:-build/dev}/bin/wire"
FEDERITY_WIRE_RECORD=1 "$wire" "The API keeps what it once said"
FEDERITY_WIRE_RECORD=1 "$wire" "Every recorded request is answered as it was"
exec "$wire"  # what was recorded is good for another run
