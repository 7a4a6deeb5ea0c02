#!/bin/bash
# Runs every fuzz target of the repository for FUZZTIME each, one after the
# other: scripts/fuzz.sh [FUZZTIME [PACKAGES]]. What a target finds is kept by go
# in its package's testdata/fuzz, and the script goes on with the next.
set -uo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-60s}
packages=${2:-./...}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=() ran=0
while read -r package; do
	targets=$(go test -list '^Fuzz' "$package" | grep '^Fuzz') || continue
	for target in $targets; do
		echo "== $package $target, $fuzztime"
		ran=$((ran + 1))
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 10s "$package" 2>&1 | tee "$log"
		[ "${PIPESTATUS[0]}" = 0 ] && continue
		# When the time is up within a run go may call that run a failure; what was
		# found has an input.
		if ! grep -q 'Failing input written' "$log" && grep -q '^ *context deadline exceeded$' "$log"; then continue; fi
		failed+=("$package $target")
	done
done < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' "$packages" | grep .)

echo
if [ "$ran" = 0 ]; then
	echo "fuzz: no targets in $packages" >&2
	exit 1
fi
if [ ${#failed[@]} -gt 0 ]; then
	echo "fuzz: ${#failed[@]} of $ran targets found something:" >&2
	printf '  %s\n' "${failed[@]}" >&2
	exit 1
fi
echo "fuzz: $ran targets, nothing found"
