#!/bin/bash
# Installs or removes the command, the helpers of mount(8) and umount(8), the plugin for nbdkit,
# manual and completion.
#
#   tools/install.sh install|uninstall      DESTDIR: where the tree is staged (default: /)
#                                           PREFIX:  default /usr/local
#
# mount(8) finds its helpers in /sbin alone, and nbdkit its plugins in a folder of its own, so they
# are there whatever PREFIX is.
set -euo pipefail
cd "$(dirname "$0")/.."

program=build/release/scoutfs
destdir=${DESTDIR:-}
prefix=${PREFIX:-/usr/local}
bin=$prefix/bin
man=$prefix/share/man/man8
completions=$prefix/share/bash-completion/completions
plugins=$(pkg-config --variable=plugindir nbdkit)
plugin=nbdkit-scoutfs-plugin.so
helpers=(/sbin/mount.scoutfs /sbin/umount.fuse.scoutfs /sbin/umount.fuseblk.scoutfs)

install_all() {
  [ -x $program ] || { echo "install: $program is missing; run: just build" >&2; exit 1; }
  install -d "$destdir$bin" "$destdir$man" "$destdir$completions" "$destdir/sbin"
  install -m 755 $program "$destdir$bin/scoutfs"
  local helper
  for helper in "${helpers[@]}"; do ln -sfn "$bin/scoutfs" "$destdir$helper"; done
  install -d "$destdir$plugins"
  install -m 644 build/release/$plugin "$destdir$plugins/$plugin"
  $program man-pages "$destdir$man"
  $program completion bash >"$destdir$completions/scoutfs"
  echo "installed $destdir$bin/scoutfs, ${helpers[*]/#/$destdir}, $destdir$plugins/$plugin," \
       "manual pages and completion"
}

uninstall_all() {
  local helper
  for helper in "${helpers[@]}"; do
    # Only what install made.
    [ "$(readlink "$destdir$helper" || true)" != "$bin/scoutfs" ] || rm -f "$destdir$helper"
  done
  rm -f "$destdir$bin/scoutfs" "$destdir$plugins/$plugin" "$destdir$completions/scoutfs"
  rm -f "$destdir$man"/{scoutfs.8,scoutfs-*.8,mount.scoutfs.8}
  echo "removed scoutfs from $destdir$prefix"
}

case "${1:-}" in
  install) install_all ;;
  uninstall) uninstall_all ;;
  *) echo "usage: tools/install.sh install|uninstall" >&2; exit 2 ;;
esac
