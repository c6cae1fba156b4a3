-- The same lines for Lua: a table that only grows, one that keeps the last entries, or garbage.
local socket = require("socket")
local port, size, entries = table.unpack(arg)
local kept = {}
local function made(key) return {key = key, text = string.rep(key .. " ", size // (#key + 1))} end
local uses = {
  keep = function(key) kept[key] = made(key) end,
  put = function(key) kept[key] = made(key); kept[tostring(math.tointeger(key) - entries)] = nil end,
  work = function() local rows = {}; for i = 1, 200 do rows[i] = made(tostring(i)) end end,
}
local server = socket.bind("127.0.0.1", port)
while true do
  local client = server:accept()
  for line in function() return client:receive() end do
    local use, key = line:match("(%a+) (%d+)")
    uses[use](key)
    client:send("ok\n")
  end
end
