#!/bin/bash
# Runs COMMAND where this build is installed, without installing it: in a mount namespace of its
# own, whose /usr/local, /sbin and nbdkit's plugins show the build's files on top, and whose
# /run/scoutfs is empty.
# What is mounted there is seen nowhere else and ends with the last process that is in it.
#
#   tools/with_install.sh COMMAND [ARGUMENT...]      as root
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if [ -z "${SCOUTFS_STAGE:-}" ]; then
  [ "$(id -u)" = 0 ] || { echo "with_install: mounting needs root" >&2; exit 1; }
  [ -c /dev/fuse ] || { echo "with_install: no /dev/fuse; load the fuse module" >&2; exit 1; }
  SCOUTFS_STAGE=$(mktemp -d -t scoutfs-stage.XXXXXX)
  export SCOUTFS_STAGE
  code=0
  unshare --mount --propagation private "$0" "$@" || code=$?
  rmdir "$SCOUTFS_STAGE"
  exit $code
fi

# In the namespace. The staged files go with it.
mount -t tmpfs -o mode=755 scoutfs-stage "$SCOUTFS_STAGE"
DESTDIR=$SCOUTFS_STAGE "$root/tools/install.sh" install >/dev/null
for directory in /usr/local /usr/sbin "$(pkg-config --variable=plugindir nbdkit)"; do
  staged=$SCOUTFS_STAGE$directory
  [ $directory != /usr/sbin ] || staged=$SCOUTFS_STAGE/sbin
  mount -t overlay -o "lowerdir=$staged:$directory,ro" scoutfs-installed $directory
done
# Where daemons answer, and where mount(8) and umount(8) keep what the kernel does not.
for directory in /run/scoutfs /run/mount; do
  mkdir -p $directory
  mount -t tmpfs -o mode=755 scoutfs-run $directory
done
hash -r
exec "$@"
