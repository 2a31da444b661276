// Boost.Context beside Segno: one question a run, `context QUESTION`, answered with a line of JSON.

#include "common.hpp"
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>

namespace ctx = boost::context;

static const std::size_t STACK = 64 * 1024;

static void walk(const Node *node, ctx::fiber &main, std::uint64_t &key) {
    if (node->left) walk(node->left.get(), main, key);
    key = node->key;
    main = std::move(main).resume();
    if (node->right) walk(node->right.get(), main, key);
}

int main(int, char **arguments) {
    std::string question = arguments[1];
    ctx::pooled_fixedsize_stack pool(STACK);
    const char *pooled = "stackful; pooled stacks without guards";
    if (question == "switch") {
        ctx::fiber co([](ctx::fiber &&main) -> ctx::fiber {
            for (;;) main = std::move(main).resume();
        });
        timed(1, "stackful", [&](std::uint64_t times) {
            for (; times; times--) co = std::move(co).resume();
        });
        std::fflush(stdout);
        std::_Exit(0);
    }
    if (question == "create") {
        timed(1, pooled, [&](std::uint64_t times) {
            for (std::uint64_t i = 0; i < times; i++) {
                std::uint64_t value = 0;
                ctx::fiber co(std::allocator_arg, pool, [&](ctx::fiber &&main) {
                    value = opaque(i);
                    return std::move(main);
                });
                co = std::move(co).resume();
                check(value == i);
            }
        });
    } else if (question == "walk") {
        auto tree = balanced(0, NODES);
        timed(NODES, pooled, [&](std::uint64_t times) {
            for (; times; times -= NODES) {
                std::uint64_t key = 0, sum = 0;
                ctx::fiber co(std::allocator_arg, pool, [&](ctx::fiber &&main) {
                    walk(tree.get(), main, key);
                    return std::move(main);
                });
                for (co = std::move(co).resume(); co; co = std::move(co).resume()) sum += key;
                check(sum == NODES * (NODES - 1) / 2);
            }
        });
    } else if (question == "memory") {
        auto before = resident();
        std::vector<ctx::fiber> paused;
        paused.reserve(COUNT);
        ctx::fixedsize_stack allocated(STACK);
        for (std::size_t i = 0; i < COUNT; i++) {
            paused.emplace_back(std::allocator_arg, allocated, [](ctx::fiber &&main) {
                return std::move(main).resume();
            });
            paused.back() = std::move(paused.back()).resume();
        }
        answer_memory(resident() - before, "stackful; stacks from malloc, without guards");
    } else {
        return cannot("it switches, and has no tasks or channels: Boost.Fiber has");
    }
}
