#!/bin/sh
# Shows where the time of a hot operation goes: the functions, and the instructions that the processor is
# found at most often.
#
#   benches/profile.sh OPERATION [TIMES]     one of those that `instructions.sh` counts; 5,000,000 times
#
# By `perf` and the system's clock, which every machine has. Most of the library is inlined into the loop
# (`rounds`), the caller (`{{closure}}`) and the first frame of a coroutine (`coroutine_func`), so that the
# functions are these three; what the hot instructions belong to is said beside them. An instruction that
# has waited for the one before it shows the time of that one.
set -eu
cd "$(dirname "$0")/.."
operation=${1:?OPERATION [TIMES]}
times=${2:-5000000}
command -v perf >/dev/null || { echo "perf not found (Debian: linux-perf)" >&2; exit 1; }

cargo build --quiet --release -p segno-benches --bin instructions
target=${CARGO_TARGET_DIR:-target}
data=$target/perf.data
perf record --quiet -e cpu-clock -F 20000 -o "$data" "$target/release/instructions" "$operation" "$times"
echo "functions:"
perf report -i "$data" --stdio --no-children 2>/dev/null |
    awk '!/^#/ && $1 + 0 >= 1 { printf "%7s  ", $1; for (i = 4; i <= NF; i++) if ($i !~ /^\[[.k]\]$/) printf "%s ", $i; print "" }'
echo "instructions, in percent of all:"
perf annotate -i "$data" --stdio --no-source 2>/dev/null | awk '
    / Percent.*samples/ { match($0, /\([0-9]+ samples/); samples = substr($0, RSTART + 1) + 0; next }
    / : *[0-9]+ +[^ ]/ && $2 ~ /^[0-9]+$/ { $1 = $2 = ""; of = $0; next }
    $1 ~ /^[0-9.]+$/ && $2 == ":" {
        share = $1 * samples / 100; all += share; $1 = $2 = $3 = ""
        n++; shares[n] = share; what[n] = $0; whose[n] = of
    }
    END { for (i = 1; i <= n; i++) if (shares[i] >= all / 100)
        printf "%6.1f %-50.50s %s\n", 100 * shares[i] / all, what[i], whose[i] }' | sort -rn | head -25
