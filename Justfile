# The recipes of the project; ./setup installs what they need and runs them.

jobs := num_cpus()

_list:
    @just --list

# Builds everything in release; the command is then build/release/scoutfs
build:
    cmake --preset release
    cmake --build --preset release -j {{jobs}}

# Builds and runs all tests: with sanitizers where the engine is, then everything in release
test: build
    cmake --preset debug
    cmake --build --preset debug -j {{jobs}} --target sanitized
    cmake --preset twin
    cmake --build --preset twin -j {{jobs}} --target sim_hash
    ctest --test-dir build/debug --output-on-failure -j {{jobs}} -L sanitized
    ctest --test-dir build/release --output-on-failure -j {{jobs}}

# Three mounts of one disk, the change index, and simulated clusters; --keep leaves it mounted
demo *arguments: build
    tools/demo.sh {{arguments}}

# Runs seeds of the simulated cluster, as: just sim 1..1000
sim seeds="1..200": build
    build/release/scoutfs sim run --seeds {{seeds}} --jobs {{jobs}}

# Checks the source: formatting, house rules, every check of clang-tidy over engine/
tidy:
    cmake --preset release
    tools/check_format.sh
    python3 tools/tidy.py
    python3 tools/test_tidy.py
    python3 tools/clang_tidy.py --all engine

# Runs each fuzz target for so many seconds
fuzz seconds="10":
    cmake --preset fuzz
    cmake --build --preset fuzz -j {{jobs}} --target fuzz
    fuzz/run.sh {{seconds}}

# Measures the engine, the LSM beside RocksDB, and the simulator; prints JSON
bench *arguments: build
    cmake --build --preset release -j {{jobs}} --target lsm_bench engine_bench
    python3 tools/bench.py {{arguments}}

# Measures mounts beside a FUSE filesystem that does nothing and ext4; as root; prints JSON
bench-mount *arguments: build
    cmake --build --preset release -j {{jobs}} --target mount_bench ceiling
    tools/with_install.sh python3 tools/bench_mount.py {{arguments}}

# A long campaign of simulated clusters, recorded; goes on where it was when started again
soak seeds="100000" db="build/runs.sqlite": build
    build/release/scoutfs sim run --seeds 1..{{seeds}} --jobs {{jobs}} --db {{db}}
    for scenario in $(build/release/scoutfs sim scenarios --names); do \
        build/release/scoutfs sim run --scenario $scenario --seeds 1..$(({{seeds}} / 20)) --jobs {{jobs}} --db {{db}} || exit 1; done

# Every workload of two operations, at every crash point, as: just soak-exhaust 1 (each case; 10: each tenth)
soak-exhaust every="1": build
    build/release/scoutfs sim exhaust --operations 2 --every {{every}} --jobs {{jobs}}

# A long run of mounts against each other, in every cache mode, each so many seconds
soak-mounts seconds="300" seed="1": build
    cmake --build --preset release -j {{jobs}} --target coherence_stress
    SCOUTFS_STRESS_SECONDS={{seconds}} SCOUTFS_STRESS_SEED={{seed}} tools/with_install.sh python3 tests/e2e/test_coherence.py

# Kills the leader under load so many times, in each of three settings
soak-failover rounds="50": build
    cmake --build --preset release -j {{jobs}} --target nbdkit-scoutfs-plugin
    SCOUTFS_FAILOVER_ROUNDS={{rounds}} tools/with_install.sh python3 tests/e2e/test_failover.py

# Cuts the power of the simulated disk under real mounts so many times
soak-power rounds="200" seed="1": build
    cmake --build --preset release -j {{jobs}} --target nbdkit-scoutfs-sim-plugin
    SCOUTFS_BUILD=build/release SCOUTFS_POWER_ROUNDS={{rounds}} SCOUTFS_POWER_SEED={{seed}} tools/with_install.sh python3 tests/e2e/test_power.py

# The end-to-end tests at an iSCSI target, so many times
soak-iscsi rounds="1": build
    for round in $(seq {{rounds}}); do tools/with_install.sh python3 tests/e2e/test_iscsi.py || exit 1; done

# Proves that seeds do the same in the release, debug and twin builds, as: just hashes 1 200
hashes first="1" last="100":
    tools/compare_hashes.sh {{first}} {{last}}

# Measures the simulator by planted bugs and automatic mutants; goes on where it was; --json
mutants *arguments:
    tools/mutants.py --jobs {{jobs}} {{arguments}}

# Installs the command, mount helpers, manual and completion (DESTDIR, PREFIX)
install: build
    tools/install.sh install

# Removes what install put in place (DESTDIR, PREFIX)
uninstall:
    tools/install.sh uninstall
