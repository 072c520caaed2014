-- wrk script: POST the file named by $BODY, whose first $JSON_BYTES bytes are JSON and the rest tensors; print one JSON line at the end
local f = io.open(os.getenv("BODY"), "rb")
wrk.method = "POST"
wrk.body = f:read("*a")
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.headers["Inference-Header-Content-Length"] = os.getenv("JSON_BYTES")
f:close()
function done(s, l, r)
  print(string.format('{"n":%d,"secs":%.4f,"bad":%d,"sock":%d}', s.requests, s.duration / 1e6, s.errors.status,
    s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout))
end
