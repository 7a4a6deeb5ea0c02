#!/usr/bin/env bash
# Makes the Debian package of a program that is built: scripts/deb.sh PROGRAM ARCH
# VERSION PAGES FOLDER. PAGES holds what is made from the program (man, completions)
# and THIRD-PARTY-LICENSES. scripts/release.sh calls it.
#
# A package is an ar archive of three files (deb(5)), so it needs tar and gzip and no
# tool of Debian, and is the same bytes wherever it is made. Its files are those of
# deploy/debian.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1 arch=$2 version=$3 pages=$4 out=$5
: "${SOURCE_DATE_EPOCH:?the time of every file}"
export TZ=UTC LC_ALL=C
# 0.1.0-rc1 comes before 0.1.0 only by a tilde.
debian=${version/-/\~}-1
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
data=$stage/data control=$stage/control
mkdir "$data" "$control"

put() { install -D -m "${3:-644}" "$1" "$data/$2"; }
zipped() { mkdir -p "$(dirname "$data/$2")"; gzip -9n <"$1" >"$data/$2.gz"; chmod 644 "$data/$2.gz"; }

put "$program" usr/bin/copra 755
for unit in copra copra-api copra-worker; do put deploy/debian/$unit.service usr/lib/systemd/system/$unit.service; done
put deploy/debian/copra.env etc/copra/copra.env 640
for page in "$pages"/man/*.1; do zipped "$page" "usr/share/man/man1/${page##*/}"; done
put "$pages/bash" usr/share/bash-completion/completions/copra
put "$pages/zsh" usr/share/zsh/vendor-completions/_copra
put "$pages/fish" usr/share/fish/vendor_completions.d/copra.fish
doc=usr/share/doc/copra
put deploy/debian/copyright $doc/copyright
put README.md $doc/README.md
zipped CHANGELOG.md $doc/changelog
zipped "$pages/THIRD-PARTY-LICENSES" $doc/THIRD-PARTY-LICENSES
printf 'copra (%s) stable; urgency=medium\n\n  * Version %s; what changed is in changelog.gz.\n\n -- The Copra authors <copra-video@users.noreply.github.com>  %s\n' \
  "$debian" "$version" "$(date -R -d "@$SOURCE_DATE_EPOCH")" >"$stage/changelog"
zipped "$stage/changelog" $doc/changelog.Debian
put deploy/debian/lintian-overrides usr/share/lintian/overrides/copra

size=$(find "$data" -type f -printf '%s\n' | awk '{kib += int(($1 + 1023) / 1024)} END {print kib}')
sed "s/@VERSION@/$debian/; s/@ARCH@/$arch/; s/@SIZE@/$size/" deploy/debian/control >"$control/control"
echo /etc/copra/copra.env >"$control/conffiles"
(cd "$data" && find . -type f ! -path './etc/*' -printf '%P\n' | sort | xargs -d '\n' md5sum) >"$control/md5sums"
chmod 644 "$control"/*
for script in postinst prerm postrm; do install -m 755 deploy/debian/$script "$control/$script"; done

# member NAME FILE: a file of the archive, after its header (ar(5)).
member() {
  local size
  size=$(stat -c %s "$2")
  printf '%-16s%-12s%-6s%-6s%-8s%-10s`\n' "$1" "$SOURCE_DATE_EPOCH" 0 0 100644 "$size"
  cat "$2"
  [ $((size % 2)) = 0 ] || printf '\n'
}
# packed FOLDER: its content as a compressed archive.
packed() {
  find "$1" -type d -exec chmod 755 {} +
  tar --format=gnu --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=root:0 --group=root:0 -C "$1" -cf - . | gzip -9n
}
echo 2.0 >"$stage/debian-binary"
packed "$control" >"$stage/control.tar.gz"
packed "$data" >"$stage/data.tar.gz"
{
  printf '!<arch>\n'
  for part in debian-binary control.tar.gz data.tar.gz; do member $part "$stage/$part"; done
} >"$out/copra_${debian}_$arch.deb"
