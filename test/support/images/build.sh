#!/bin/sh
# Makes a stand-in for an official base image from Debian packages, where no container registry can be reached.
#   build.sh node|postgres     prints the name of the image
# Needs root, mmdebstrap and a docker engine. The names follow from the recipe, so that a changed recipe gives a new image.
set -eu
here=$(CDPATH='' cd "$(dirname "$0")" && pwd -P)
. /etc/os-release

recipe() { cat "$@" | sha256sum | cut -c 1-8; }
present() { docker image inspect "$1" >/dev/null 2>&1; }

base=airy-test/debian:$VERSION_CODENAME-$(recipe "$here/build.sh")
if ! present "$base"; then
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' | awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }')
  # When its pipe breaks mmdebstrap sends HUP to its whole process group: it gets one of its own.
  # Without documentation and translations, as the official slim images are.
  setsid mmdebstrap --quiet --variant=minbase --include=ca-certificates,libstdc++6 \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' "$VERSION_CODENAME" - "$mirror" </dev/null |
    docker import - "$base" >&2
fi

case $1 in
  node)
    node=$(node -p process.execPath)
    image=airy-test/node:$(node -p process.versions.node)-$(recipe "$here/build.sh" "$here/node.Dockerfile")
    present "$image" || {
      context=$(mktemp -d)
      trap 'rm -rf "$context"' EXIT
      cp "$node" "$context/node"
      docker build -q --build-arg "BASE=$base" -t "$image" -f "$here/node.Dockerfile" "$context" >&2
    } ;;
  postgres)
    image=airy-test/postgres:$(recipe "$here/build.sh" "$here/postgres.Dockerfile" "$here/postgres-entrypoint.sh")
    present "$image" || docker build -q --build-arg "BASE=$base" -t "$image" -f "$here/postgres.Dockerfile" "$here" >&2 ;;
  *) echo "there is no stand-in for $1" >&2; exit 2 ;;
esac
echo "$image"
