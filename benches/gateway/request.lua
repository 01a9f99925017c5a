-- A POST with a body of BODY_BYTES, and the result as JSON on the last line.
local message = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"%s"}}}'
local padding = math.max(0, tonumber(os.getenv("BODY_BYTES") or "0") - #message + 2)

wrk.method = "POST"
wrk.body = string.format(message, string.rep("x", padding))
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.headers["MCP-Protocol-Version"] = "2025-11-25"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")

function done(summary, latency)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   print(string.format('{"requests":%d,"failed":%d,"microseconds":%d,"p50":%d,"p99":%d}',
      summary.requests, failed, summary.duration, latency:percentile(50), latency:percentile(99)))
end
