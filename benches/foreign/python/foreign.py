"""Python beside Segno: one question a run, `foreign.py asyncio|greenlet QUESTION`, answered with a line of JSON."""

import asyncio
import gc
import json
import sys
import time
import types

NODES = 1 << 20
COUNT = 100_000


def timed(step, run):
    """Nanoseconds for one operation, five times. `run` does multiples of `step` operations."""

    def seconds(times):
        # What the processor has spent on this process: what it does for others does not count.
        start = time.process_time()
        run(times)
        return time.process_time() - start

    times = step
    run(times)
    while seconds(times) < 0.05:
        times *= 2
    return {"runs": [seconds(times) / times * 1e9 for _ in range(5)]}


class Node:
    __slots__ = ("key", "left", "right")

    def __init__(self, key, left, right):
        self.key, self.left, self.right = key, left, right


def balanced(start, end):
    if start == end:
        return None
    key = start + (end - start) // 2
    return Node(key, balanced(start, key), balanced(key + 1, end))


def timed_walk(keys):
    """`keys` makes an iterator over a tree."""
    tree = balanced(0, NODES)

    def run(times):
        for _ in range(times // NODES):
            assert sum(keys(tree)) == NODES * (NODES - 1) // 2

    return timed(NODES, run)


def resident():
    """Resident memory and page tables, in bytes."""
    with open("/proc/self/status") as status:
        lines = [line.split() for line in status]
    return sum(int(line[1]) * 1024 for line in lines if line[0] in ("VmRSS:", "VmPTE:"))


class Asyncio:
    NOTE = "stackless"

    @staticmethod
    def switch():
        @types.coroutine
        def pause():
            yield

        async def body():
            while True:
                await pause()

        co = body()

        def run(times):
            send = co.send
            for _ in range(times):
                send(None)

        return timed(1, run)

    @staticmethod
    def create():
        async def body(x):
            return x + 1

        def run(times):
            for i in range(times):
                try:
                    body(i).send(None)
                except StopIteration as end:
                    assert end.value == i + 1

        return timed(1, run)

    @staticmethod
    def walk():
        def keys(node):
            if node is not None:
                yield from keys(node.left)
                yield node.key
                yield from keys(node.right)

        return timed_walk(keys)

    @staticmethod
    def on_a_loop(step, main):
        """`main` is a coroutine function that does so many operations, as a task."""
        loop = asyncio.new_event_loop()
        return timed(step, lambda times: loop.run_until_complete(main(times)))

    @staticmethod
    def yields(tasks):
        loop = asyncio.new_event_loop()
        count = 0

        async def other():
            nonlocal count
            while True:
                count += 1
                await asyncio.sleep(0)

        others = [loop.create_task(other()) for _ in range(tasks - 1)]

        async def main(times):
            nonlocal count
            goal = count + times
            while count < goal:
                count += 1
                await asyncio.sleep(0)

        answer = timed(tasks, lambda times: loop.run_until_complete(main(times)))
        assert len(others) == tasks - 1
        return answer

    @staticmethod
    def spawn(alive):
        async def task(i):
            return i

        async def main(times):
            for _ in range(times // alive):
                tasks = [asyncio.create_task(task(i)) for i in range(alive)]
                for i, each in enumerate(tasks):
                    assert await each == i

        return Asyncio.on_a_loop(alive, main)

    @staticmethod
    def ping_pong():
        async def main(times):
            there, back = asyncio.Queue(1), asyncio.Queue(1)

            async def other():
                for _ in range(times):
                    await back.put(await there.get() + 1)

            task = asyncio.create_task(other())
            for i in range(times):
                await there.put(i)
                assert await back.get() == i + 1
            await task

        return Asyncio.on_a_loop(1, main)

    @staticmethod
    def stream():
        async def main(times):
            values = asyncio.Queue(128)

            async def sender():
                for i in range(times):
                    await values.put(i)

            task, total = asyncio.create_task(sender()), 0
            for _ in range(times):
                total += await values.get()
            assert total == times * (times - 1) // 2
            await task

        return Asyncio.on_a_loop(1, main)

    @staticmethod
    def memory():
        async def main():
            before, gate = resident(), asyncio.Event()
            tasks = [asyncio.create_task(gate.wait()) for _ in range(COUNT)]
            await asyncio.sleep(0)
            grown = resident() - before
            gate.set()
            await asyncio.gather(*tasks)
            return {"runs": [grown / COUNT]}

        return asyncio.run(main())


class Greenlet:
    NOTE = "stackful: it copies the part of the stack in use"

    @staticmethod
    def switch():
        from greenlet import getcurrent, greenlet

        main = getcurrent()

        def body():
            while True:
                main.switch()

        co = greenlet(body)

        def run(times):
            switch = co.switch
            for _ in range(times):
                switch()

        return timed(1, run)

    @staticmethod
    def create():
        from greenlet import greenlet

        def run(times):
            for i in range(times):
                assert greenlet(lambda x: x + 1).switch(i) == i + 1

        return timed(1, run)

    @staticmethod
    def walk():
        from greenlet import getcurrent, greenlet

        def visit(node, out):
            if node is not None:
                visit(node.left, out)
                out(node.key)
                visit(node.right, out)

        def keys(tree):
            co = greenlet(visit)
            key = co.switch(tree, getcurrent().switch)
            while not co.dead:
                yield key
                key = co.switch()

        return timed_walk(keys)

    @staticmethod
    def memory():
        from greenlet import getcurrent, greenlet

        main, before = getcurrent(), resident()
        paused = [greenlet(main.switch) for _ in range(COUNT)]
        for co in paused:
            co.switch()
        return {"runs": [(resident() - before) / COUNT]}


def answer(who, question):
    if who == "asyncio":
        questions = {
            "yield-2": lambda: Asyncio.yields(2),
            "yield-100": lambda: Asyncio.yields(100),
            "yield-10000": lambda: Asyncio.yields(10_000),
            "spawn-1": lambda: Asyncio.spawn(1),
            "spawn-1000": lambda: Asyncio.spawn(1000),
            "ping-pong": Asyncio.ping_pong,
            "stream": Asyncio.stream,
        }
        rival = Asyncio
    else:
        questions, rival = {}, Greenlet
    ask = questions.get(question) or getattr(rival, question, None)
    if ask is None:
        return {"cannot": "it switches, and has no tasks or channels: packages on top of it have"}
    gc.disable()
    return {"note": rival.NOTE, **ask()}


if __name__ == "__main__":
    print(json.dumps(answer(*sys.argv[1:])), flush=True)
    # Ending thousands of paused ones one by one would only take time.
    import os

    os._exit(0)
