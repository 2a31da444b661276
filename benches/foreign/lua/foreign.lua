-- Lua and LuaJIT beside Segno: one question a run, `foreign.lua QUESTION`, answered with a line of JSON.

local NODES = 2 ^ 20
local wrap, create, resume, yield = coroutine.wrap, coroutine.create, coroutine.resume, coroutine.yield

-- Nanoseconds for one operation, five times. `run` does multiples of `step` operations.
local function timed(step, run)
    local function seconds(times)
        -- What the processor has spent on this process: what it does for others does not count.
        local start = os.clock()
        run(times)
        return os.clock() - start
    end
    local times = step
    run(times)
    while seconds(times) < 0.05 do times = times * 2 end
    local runs = {}
    for i = 1, 5 do runs[i] = string.format("%.3f", seconds(times) / times * 1e9) end
    return '"runs": [' .. table.concat(runs, ", ") .. ']'
end

local function balanced(from, to)
    if from == to then return nil end
    local key = from + math.floor((to - from) / 2)
    return { key = key, left = balanced(from, key), right = balanced(key + 1, to) }
end

local function walk(node)
    if node then
        walk(node.left)
        yield(node.key)
        walk(node.right)
    end
end

-- Resident memory and page tables, in bytes.
local function resident()
    local bytes = 0
    for line in io.lines("/proc/self/status") do
        local kilobytes = line:match("^VmRSS:%s+(%d+)") or line:match("^VmPTE:%s+(%d+)")
        if kilobytes then bytes = bytes + tonumber(kilobytes) * 1024 end
    end
    return bytes
end

local NO_LOOP = '"cannot": "it has coroutines, and no event loop, tasks or channels of its own"'
local questions = {
    ["switch"] = function()
        local co = wrap(function() while true do yield() end end)
        return timed(1, function(times) for _ = 1, times do co() end end)
    end,
    ["create"] = function()
        return timed(1, function(times)
            for i = 1, times do
                local _, value = resume(create(function(x) return x + i end), 1)
                assert(value == i + 1)
            end
        end)
    end,
    ["walk"] = function()
        local tree = balanced(0, NODES)
        return timed(NODES, function(times)
            for _ = 1, times / NODES do
                local sum = 0
                for key in wrap(function() walk(tree) end) do sum = sum + key end
                assert(sum == NODES * (NODES - 1) / 2)
            end
        end)
    end,
    ["memory"] = function()
        local count = 100000
        local before, paused = resident(), {}
        for i = 1, count do
            paused[i] = create(function() yield() return i end)
            resume(paused[i])
        end
        return string.format('"runs": [%.1f]', (resident() - before) / count)
    end,
}

print("{" .. (questions[arg[1]] or function() return NO_LOOP end)() .. "}")
