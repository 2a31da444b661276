#!/bin/sh
# Counts the instructions of the hot operations and compares them with instructions.txt.
#
#   benches/instructions.sh            fails, with a table, when an operation differs
#   benches/instructions.sh --update   writes the file anew: do it on purpose, and say so in the commit
#
# A count is (instructions at 3,000 times - instructions at 1,000 times) / 2,000, by callgrind. It
# repeats exactly where a time does not, but sees neither caches, nor mispredictions, nor the
# kernel's work. It belongs to one compiler and one kind of machine: the file names them, and with
# others nothing is compared.
# Allowed are 2 instructions or 2 %, whichever is more; unwinding is the compiler's own code and
# gets 10 %.
set -eu
cd "$(dirname "$0")/.."
file=benches/instructions.txt
operations="corosensei-resume resume create next cancel yield spawn scope wake timeout \
    try-send-recv send-recv ping-pong lock semaphore select"

if ! command -v valgrind >/dev/null; then
    echo "SKIPPED instructions: valgrind not found"
    exit 0
fi
made_with="$(rustc --version) on $(uname -m)"
known=$(sed -n 's/^made with: //p' "$file" 2>/dev/null || true)
if [ "${1:-}" != --update ] && [ "$known" != "$made_with" ]; then
    echo "SKIPPED instructions: $file is of '$known', this is '$made_with'"
    exit 0
fi

cargo build --quiet --release -p segno-benches --bin instructions
program="${CARGO_TARGET_DIR:-target}/release/instructions"

# All instructions of the program doing OPERATION so many TIMES.
collected() {
    log=$(RUST_BACKTRACE=0 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "$program" "$1" "$2" 2>&1) || { echo "$log" >&2; return 1; }
    echo "$log" | sed -n 's/.*Collected : *\([0-9]*\).*/\1/p'
}

counts=""
for operation in $operations; do
    few=$(collected "$operation" 1000)
    many=$(collected "$operation" 3000)
    count=$(awk "BEGIN { printf \"%.1f\", ($many - $few) / 2000 }")
    counts="$counts$operation $count
"
done

if [ "${1:-}" = --update ]; then
    {
        echo "Instructions for each operation; benches/instructions.sh compares, --update rewrites."
        echo "made with: $made_with"
        printf %s "$counts"
    } >"$file"
    cat "$file"
    exit 0
fi

printf %s "$counts" | awk -v file="$file" '
    BEGIN {
        while ((getline line < file) > 0) {
            if (split(line, word, " ") == 2) expected[word[1]] = word[2]
        }
        printf "%-18s %10s %10s %8s\n", "instructions", "expected", "counted", "allowed"
    }
    {
        wanted = expected[$1]
        allowed = wanted * ($1 == "cancel" ? 0.10 : 0.02)
        if (allowed < 2) allowed = 2
        off = $2 - wanted
        wrong = wanted == "" || off > allowed || off < -allowed
        printf "%-18s %10s %10.1f %8.1f%s\n", $1, wanted == "" ? "none" : wanted, $2, allowed, \
            wrong ? "   <-- differs" : ""
        if (wrong) bad++
    }
    END {
        if (bad) {
            print "FAILED instructions: if that is meant, run benches/instructions.sh --update"
            exit 1
        }
    }'
