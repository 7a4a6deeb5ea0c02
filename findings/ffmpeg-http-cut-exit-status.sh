#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     ffmpeg fails when an HTTP server hangs up before the end of the input that Content-Length announced: it says so itself.
# Behaviour: It says "Stream ends prematurely" and "Input/output error", takes that for the end of the input, finishes the output, and
#            the exit status is 0.
# Output:    whole: exit 0, 4 s
#            cut: exit 0, shorter, Input/output error
# Matters:   A server that gives ffmpeg an address, or reads on its behalf, must find out itself whether all of the input was read. The exit
#            status of a job whose download broke off says that all is well.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
command -v python3 >/dev/null || { echo "python3 is missing" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:d=4 -c:v libx264 -preset ultrafast -movflags +faststart "$dir/in.mp4"
cat >"$dir/serve.py" <<'PY'
import socket, sys
film = open(sys.argv[1], "rb").read()
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
with open(sys.argv[2], "w") as f:
    f.write("%d\n" % s.getsockname()[1])
for part in (film, film[: len(film) // 2]):
    c, _ = s.accept()
    c.recv(4096)
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(film) + part)
    c.close()
PY
timeout 60 python3 "$dir/serve.py" "$dir/in.mp4" "$dir/port" & # it ends after two requests
until [ -s "$dir/port" ]; do sleep 0.1; done
address="http:/""/127.0.0.1:$(cat "$dir/port")/in.mp4"

copy() { # copy LABEL
	status=0
	ffmpeg -nostdin -y -v error -i "$address" -c copy "$dir/$1.mp4" 2>"$dir/$1.log" || status=$?
	seconds=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$dir/$1.mp4")
	case $seconds in 4.0*) length="4 s" ;; *) length=shorter ;; esac
	echo "$1: exit $status, $length$(grep -o 'Input/output error' "$dir/$1.log" | sed '1!d;s/^/, /')"
}
seen=$(copy whole; copy cut)
echo "$seen"
[ "$seen" = "whole: exit 0, 4 s
cut: exit 0, shorter, Input/output error" ] || { echo "the behaviour has changed" >&2; exit 1; }
