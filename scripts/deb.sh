#!/usr/bin/env bash
# Builds the Debian packages in dist/: nm, and nm-headnode for head nodes. Called by `make deb`.
#
#   VERSION  the package's version (nm's own)
#   TOOLS    a Python that has pip and nm's own dependencies (.venv's)
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022 # what is in the package is for everybody

command -v dh dpkg-buildpackage >/dev/null || {
    echo "debhelper and dpkg-dev build the package, and are not installed" >&2
    exit 1
}
tools=$(realpath --no-symlinks "${TOOLS:-.venv/bin/python}")
version=${VERSION:-$("$tools" -c 'import nm; print(nm.__version__)')}
tree=build/deb/nm
maintainer=$(sed -n 's/^Maintainer: //p' packaging/debian/control)

rm -rf build/deb
mkdir -p "$tree" dist
cp -a nm forward_api_calls headnode packaging scripts docs setup.py pyproject.toml LICENSE README.md CHANGELOG.md "$tree"
rm -rf "$tree/forward_api_calls/build"
mv "$tree/packaging/debian" "$tree/debian"
find "$tree" -name __pycache__ -prune -exec rm -rf {} +
printf 'nm (%s) unstable; urgency=medium\n\n  * CHANGELOG.md tells what has changed.\n\n -- %s  %s\n' \
    "$version" "$maintainer" "$(date -R)" >"$tree/debian/changelog"

if ! (cd "$tree" && TOOLS=$tools dpkg-buildpackage --build=binary --no-sign) >build/deb/log 2>&1; then
    cat build/deb/log >&2
    exit 1
fi
mv build/deb/*.deb dist/
echo "dist/nm_${version}_$(dpkg --print-architecture).deb"
echo "dist/nm-headnode_${version}_all.deb"
