#!/bin/bash
# The demonstration: three mounts of one disk on this host, the change index at work, a file that
# two nodes see alike, the volume verified, and a simulated cluster that suffers.
#
#   tools/demo.sh [--keep]      as root; --keep leaves the cluster mounted and says where
#
# It runs in a mount namespace of its own, where this build is installed, and prints each command
# with its output. Nothing is left behind, on failure too.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

keep=no
case "${1:-}" in
  "") ;;
  --keep) keep=yes ;;
  *) echo "usage: demo.sh [--keep]" >&2; exit 2 ;;
esac
if [ -z "${SCOUTFS_STAGE:-}" ]; then exec "$root/tools/with_install.sh" "$0" "$@"; fi

for tool in nbdkit fusermount3 timeout; do
  command -v $tool >/dev/null || { echo "demo: $tool is missing; ./setup installs it" >&2; exit 1; }
done

work=$(mktemp -d -t scoutfs-demo.XXXXXX)
cd "$work"
nodes=(a b c)
seconds=60  # of patience with each command

daemons() { # the processes that serve the mounts
  local node
  for node in "${nodes[@]}"; do
    timeout 10 scoutfs status --json "$work/$node" 2>/dev/null |
      python3 -c 'import json, sys; print(json.load(sys.stdin)["process"])' 2>/dev/null || true
  done
}

clean_up() {
  local code=$? node pid
  trap - EXIT
  if [ $code != 0 ]; then
    echo "demo: failed; the daemons' logs:" >&2
    for node in "${nodes[@]}"; do
      [ ! -s "$work/$node.log" ] || sed "s/^/  $node: /" "$work/$node.log" | tail -20 >&2
    done
  fi
  # Daemons first: with them gone no unmount can hang.
  for pid in $(daemons); do kill -9 "$pid" 2>/dev/null || true; done
  for node in "${nodes[@]}"; do umount -l "$work/$node" 2>/dev/null || true; done
  [ ! -s "$work/nbdkit.pid" ] || kill "$(cat "$work/nbdkit.pid")" 2>/dev/null || true
  cd /
  rm -rf "$work"
  exit $code
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
run() { # prints a command as it would be typed, then runs it
  printf '\033[1m$ %s\033[0m\n' "$*"
  timeout $seconds bash -c "$*"
}

say "a disk: a file, served by nbdkit to everybody who can open the socket, able to shut a node out"
run "truncate -s 2G disk.img"
run "nbdkit --unix \$PWD/disk.sock --pidfile nbdkit.pid scoutfs file=disk.img"
disk="nbd+unix:///?socket=$work/disk.sock"

say "a volume on it"
run "scoutfs mkfs '$disk'"

say "proof that its server shuts a lost node out: a client of the test's own loses the disk"
run "scoutfs fence test '$disk'"

say "three nodes mount it (on this host; on three it is the same with listen=THEIR_IP)"
for node in "${nodes[@]}"; do
  run "mkdir $node"
  run "mount -t scoutfs -o cluster=scoutfs,listen=127.0.0.1,log=$work/$node.log '$disk' $work/$node"
done
run "findmnt -t fuse.scoutfs,fuseblk.scoutfs -o TARGET,SOURCE,SIZE,AVAIL"
run "scoutfs status $work/c"

say "the index of what changed: touches on nodes a and b, walks on node c"
run "scoutfs walk-inodes meta_seq 0 -1 $work/c"
run "touch a/one; sync"
run "scoutfs walk-inodes meta_seq 0 -1 $work/c"
run "touch b/two; sync"
run "scoutfs walk-inodes meta_seq 0 -1 $work/c"
run "touch a/one; sync"
run "scoutfs walk-inodes meta_seq 0 -1 $work/c"
run "ls -li c"

say "a file written on node a, read on node b"
run "head -c 50M /dev/urandom > a/random"
run "sha256sum a/random b/random"
[ "$(sha256sum <a/random)" = "$(sha256sum <b/random)" ] ||
  { echo "demo: the two nodes see different contents" >&2; exit 1; }

if [ $keep = yes ]; then
  trap - EXIT
  process=$(daemons | head -1)
  cat >stop <<STOP
#!/bin/sh
# Unmounts the demonstration's cluster and removes it.
nsenter --mount=/proc/$process/ns/mnt umount $work/a $work/b $work/c
kill $(cat nbdkit.pid)
rm -rf $work
STOP
  chmod +x stop
  say "kept: the cluster is mounted on $work/{a,b,c}, in a mount namespace of its own"
  echo "a shell in it:      nsenter --mount=/proc/$process/ns/mnt --wd=$work bash"
  echo "stop and remove it: $work/stop"
  exit 0
fi

say "unmount, and verify every block and reference of the volume"
for node in "${nodes[@]}"; do run "umount $work/$node"; done
run "scoutfs check '$disk'"

say "the same engine in a simulated world: 200 clusters, each with the faults of its seed"
seconds=300
run "scoutfs sim run --seeds 1..200 --jobs $(nproc) --quiet"

say "done; nothing is left behind"
