#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     -progress reports every -stats_period from the start of an encode. out_time is how far the output is that is furthest.
# Behaviour: Nothing is reported before each output file has begun. A picture from the middle of the video begins with that
#            picture, so the first report comes when half of the encode is done. The video beside it has grown all the time.
# Output:    the video alone: first report before the middle
#            with a picture of the middle: first report after the middle
# Matters:   A server that shows progress shows none for half of the encode, and one that ends an ffmpeg without progress
#            ends a slow encode that is well. It has to look at what ffmpeg reads too, or to begin such an output
#            with a picture more, of the first frame.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

ffmpeg -nostdin -v warning -f lavfi -i testsrc2=s=160x90:r=25:d=12 -c:v libx264 -preset ultrafast "$dir/in.mp4"

# first FILE ARGS: whether the first report says less than the middle, six seconds. The input is read at four times its speed.
first() {
  ffmpeg -nostdin -v error -y -nostats -progress pipe:1 -stats_period 0.2 -readrate 4 -i "$dir/in.mp4" "$@" |
    sed -n 's/^out_time_us=//p' | head -1 | { read -r us; [ "$us" -lt 6000000 ] && echo before || echo after; }
}
video="-c:v libx264 -preset ultrafast $dir/out.mp4"
alone=$(first -map 0:v $video)
both=$(first -filter_complex "[0:v]split[a][b];[b]select='gte(t,6)*(isnan(prev_selected_t)+lt(prev_selected_t,6))'[p]" \
  -map '[a]' $video -map '[p]' -fps_mode passthrough -f image2 "$dir/%d.jpg")
seen="the video alone: first report $alone the middle
with a picture of the middle: first report $both the middle"
echo "$seen"
[ "$seen" = "the video alone: first report before the middle
with a picture of the middle: first report after the middle" ] || { echo "the behaviour has changed" >&2; exit 1; }
