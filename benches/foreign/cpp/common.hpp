// What the two programs in C++ have in common: timing, the tree, memory.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

inline const std::uint64_t NODES = 1 << 20;
inline const std::size_t COUNT = 100000;

inline void check(bool right) {
    if (!right) {
        std::fputs("a wrong value\n", stderr);
        std::exit(1);
    }
}

// Nanoseconds that the processor has spent on this process: what it does for others does not count.
inline double spent() {
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

// Nanoseconds for one operation, five times. `run` does multiples of `step` operations.
template <typename F>
void timed(std::uint64_t step, const char *note, F run) {
    auto nanoseconds = [&](std::uint64_t times) {
        auto start = spent();
        run(times);
        return spent() - start;
    };
    std::uint64_t times = step;
    run(times);
    while (nanoseconds(times) < 5e7) times *= 2;
    std::printf("{\"note\": \"%s\", \"runs\": [", note);
    for (int i = 0; i < 5; i++) std::printf("%s%.3f", i ? ", " : "", nanoseconds(times) / times);
    std::puts("]}");
}

// Keeps the compiler from knowing a value.
template <typename T>
inline T opaque(T value) {
    asm volatile("" : "+r"(value) : : "memory");
    return value;
}

struct Node {
    std::uint64_t key;
    std::unique_ptr<Node> left, right;
};

inline std::unique_ptr<Node> balanced(std::uint64_t from, std::uint64_t to) {
    if (from == to) return nullptr;
    auto key = from + (to - from) / 2;
    return std::unique_ptr<Node>(new Node{key, balanced(from, key), balanced(key + 1, to)});
}

// Resident memory and page tables, in bytes.
inline double resident() {
    std::ifstream status("/proc/self/status");
    std::string line;
    double bytes = 0;
    while (std::getline(status, line))
        if (line.rfind("VmRSS:", 0) == 0 || line.rfind("VmPTE:", 0) == 0)
            bytes += std::atof(line.c_str() + 6) * 1024;
    return bytes;
}

inline void answer_memory(double grown, const char *note) {
    std::printf("{\"note\": \"%s\", \"runs\": [%.1f]}\n", note, grown / COUNT);
    std::fflush(stdout);
    // Ending thousands of paused ones one by one would only take time.
    std::_Exit(0);
}

inline int cannot(const char *reason) {
    std::printf("{\"cannot\": \"%s\"}\n", reason);
    return 0;
}
