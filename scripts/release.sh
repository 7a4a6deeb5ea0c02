#!/usr/bin/env bash
# Builds the files of a release, the same bytes wherever and whenever it runs with
# the same Go: scripts/release.sh VERSION [FOLDER]; the folder is dist/VERSION.
#
#   copra_VERSION_linux_ARCH.tar.gz   the static program, README, CHANGELOG, LICENSE,
#                                     and the licenses of the modules in it
#   copra_VERSION_linux_ARCH.cdx.json what it is made of, as a CycloneDX SBOM
#   copra_VERSION-1_ARCH.deb          the Debian package
#   copra-VERSION.tgz                 the Helm chart
#   SHA256SUMS                        of all of them
#
# ARCHS="amd64 arm64" chooses the machines. docs/releasing.md has the whole way.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?version, such as 0.1.0}
version=${version#v}
[[ $version =~ ^[0-9]+[.][0-9]+[.][0-9]+(-[0-9A-Za-z.]+)?$ ]] || { echo "release: a version is like 0.1.0 or 0.1.0-rc1, not $version" >&2; exit 2; }
out=${2:-dist/$version}
rm -rf "$out"; mkdir -p "$out"; out=$(cd "$out" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
sbom=${CYCLONEDX:-$PWD/.cache/tools/bin/cyclonedx-gomod}
[ -x "$sbom" ] || { echo "release: no $sbom; scripts/setup.sh release builds it" >&2; exit 1; }

# The time of every file is that of the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
# Whatever the environment says, the build is this one.
export CGO_ENABLED=0 GOOS=linux GOAMD64=v1 GOARM64=v8.0 GOEXPERIMENT= GOWORK=off GOTOOLCHAIN=local
export GOFLAGS="-trimpath -buildvcs=false -mod=readonly"

# pack FILE FOLDER: all of the folder as a compressed archive.
pack() {
  tar --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    -C "$(dirname "$2")" -cf - "$(basename "$2")" | gzip -9n >"$1"
}

# program ARCH FILE: the program of this version.
program() {
  GOARCH=$1 go build -ldflags "-s -w -buildid= -X github.com/copra-video/copra/internal/buildinfo.version=$version" -o "$2" ./cmd/copra
}

# What is made from the program, by one that runs here. Each says the same.
pages=$stage/pages
mkdir "$pages"
here=$(go env GOHOSTARCH)
program "$here" "$stage/copra-here"
"$stage/copra-here" man "$pages/man"
for shell in bash zsh fish; do "$stage/copra-here" completion $shell >"$pages/$shell"; done

# The licenses ask to be handed on with what is linked.
{
  echo "The program copra is linked with the library of Go and the modules below."
  printf '\n==== Go %s\n\n' "$(go env GOVERSION)"
  cat "$(go env GOROOT)/LICENSE"
  go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/copra | sort -u |
    while read -r module number dir; do
      printf '\n==== %s %s\n\n' "$module" "$number"
      files=$(find "$dir" -maxdepth 1 -type f \( -iname '*licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) ! -name '*.go' | sort)
      [ -n "$files" ] || { echo "release: no license in $module" >&2; exit 1; }
      while read -r file; do cat "$file"; echo; done <<<"$files"
    done
} >"$pages/THIRD-PARTY-LICENSES"

for arch in ${ARCHS:-amd64 arm64}; do
  name=copra_${version}_linux_$arch
  mkdir "$stage/$name"
  if [ "$arch" = "$here" ]; then cp "$stage/copra-here" "$stage/$name/copra"; else program "$arch" "$stage/$name/copra"; fi
  cp README.md CHANGELOG.md LICENSE "$pages/THIRD-PARTY-LICENSES" "$stage/$name/"
  pack "$out/$name.tar.gz" "$stage/$name"
  "$sbom" bin -json -noserial -notimestamp -version "v$version" -output "$out/$name.cdx.json" "$stage/$name/copra"
  bash scripts/deb.sh "$stage/$name/copra" "$arch" "$version" "$pages" "$out"
done

# The chart says the version of the program that it installs.
cp -r deploy/helm/copra "$stage/copra"
sed -i "s/^version: .*/version: $version/; s/^appVersion: .*/appVersion: $version/" "$stage/copra/Chart.yaml"
pack "$out/copra-$version.tgz" "$stage/copra"

cd "$out"
sha256sum -- * >"$stage/SHA256SUMS"
mv "$stage/SHA256SUMS" .
cat SHA256SUMS
