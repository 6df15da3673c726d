-- The figures of a run as one line of JSON. Only `done`, which runs once at the end: functions that
-- wrk would call for each request would slow it down.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"bytes":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,' ..
      '"errors_status":%d,"errors_socket":%d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
