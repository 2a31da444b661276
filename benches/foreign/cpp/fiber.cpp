// Boost.Fiber beside Segno: one question a run, `fiber QUESTION`, answered with a line of JSON.

#include "common.hpp"
#include <boost/fiber/all.hpp>

namespace fibers = boost::fibers;

static const std::size_t STACK = 64 * 1024;
static fibers::pooled_fixedsize_stack pool(STACK);
static const char *POOLED = "stackful; pooled stacks without guards";

template <typename F>
static fibers::fiber spawned(F run) {
    return fibers::fiber(fibers::launch::post, std::allocator_arg, pool, run);
}

static void yields(std::uint64_t tasks) {
    static std::uint64_t count = 0;
    for (std::uint64_t i = 1; i < tasks; i++) {
        spawned([] {
            for (;;) {
                count++;
                boost::this_fiber::yield();
            }
        }).detach();
    }
    timed(tasks, POOLED, [](std::uint64_t times) {
        for (auto goal = count + times; count < goal;) {
            count++;
            boost::this_fiber::yield();
        }
    });
    std::fflush(stdout);
    std::_Exit(0);
}

// A task whose value its future gives.
static fibers::future<std::uint64_t> task(std::uint64_t i) {
    fibers::packaged_task<std::uint64_t()> packaged([i] { return opaque(i); });
    auto value = packaged.get_future();
    fibers::fiber(fibers::launch::post, std::allocator_arg, pool, std::move(packaged)).detach();
    return value;
}

static void spawn(std::uint64_t alive) {
    std::vector<fibers::future<std::uint64_t>> values;
    timed(alive, POOLED, [&](std::uint64_t times) {
        for (; times; times -= alive) {
            values.clear();
            for (std::uint64_t i = 0; i < alive; i++) values.push_back(task(i));
            for (std::uint64_t i = 0; i < alive; i++) check(values[i].get() == i);
        }
    });
}

static void ping_pong() {
    // The smallest that it has: with room for one.
    timed(1, POOLED, [](std::uint64_t times) {
        fibers::buffered_channel<std::uint64_t> there(2), back(2);
        auto other = spawned([&] {
            std::uint64_t value;
            while (there.pop(value) == fibers::channel_op_status::success) back.push(value + 1);
        });
        for (std::uint64_t i = 0; i < times; i++) {
            there.push(opaque(i));
            check(back.value_pop() == i + 1);
        }
        there.close();
        other.join();
    });
}

static void stream() {
    timed(1, POOLED, [](std::uint64_t times) {
        fibers::buffered_channel<std::uint64_t> values(128);
        auto sender = spawned([&] {
            for (std::uint64_t i = 0; i < times; i++) values.push(opaque(i));
            values.close();
        });
        std::uint64_t sum = 0, value;
        while (values.pop(value) == fibers::channel_op_status::success) sum += value;
        check(sum == times * (times - 1) / 2);
        sender.join();
    });
}

static void memory() {
    auto before = resident();
    static std::size_t paused = 0;
    fibers::mutex lock;
    lock.lock();
    fibers::fixedsize_stack allocated(STACK);
    for (std::size_t i = 0; i < COUNT; i++) {
        fibers::fiber(fibers::launch::post, std::allocator_arg, allocated, [&] {
            paused++;
            lock.lock();
        }).detach();
        // In groups, so that those which wait are not gone through for each.
        if (i % 1000 == 999) boost::this_fiber::yield();
    }
    while (paused < COUNT) boost::this_fiber::yield();
    answer_memory(resident() - before, "stackful; stacks from malloc, without guards");
}

int main(int, char **arguments) {
    std::string question = arguments[1];
    if (question == "yield-2") yields(2);
    else if (question == "yield-100") yields(100);
    else if (question == "yield-10000") yields(10000);
    else if (question == "spawn-1") spawn(1);
    else if (question == "spawn-1000") spawn(1000);
    else if (question == "ping-pong") ping_pong();
    else if (question == "stream") stream();
    else if (question == "memory") memory();
    else return cannot("it has tasks; its bare switch is Boost.Context's");
}
