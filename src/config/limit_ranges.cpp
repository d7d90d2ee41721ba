#include "config/limit_ranges.hpp"

#include <array>

namespace clawql::config {
namespace {

constexpr std::uint64_t kKib = 1ULL << 10;
constexpr std::uint64_t kMib = 1ULL << 20;
constexpr std::uint64_t kGib = 1ULL << 30;

constexpr auto kRanges = std::to_array<LimitRange>({
    {"request_body", kKib, 256 * kMib, "Bytes of a request, or of a line of newline JSON."},
    {"server_message", kKib, kGib, "Bytes of one message of a server."},
    {"head", kKib, 256 * kKib, "Bytes of an HTTP request line and its fields."},
    {"json_depth", 8, 1000, "Nesting of a JSON message."},
    {"buffered_bytes_session", 64 * kKib, 4 * kGib, "Bytes of answers that wait for one session's client."},
    {"buffered_bytes", kMib, 64 * kGib, "The same, for all sessions together."},
    {"header_seconds", 1, 300, "Seconds for an HTTP head to arrive."},
    {"body_seconds", 1, 3600, "Seconds for a request body to arrive …"},
    {"body_bytes_per_second", 1, kMib, "… and longer while it keeps this rate."},
    {"idle_connection_seconds", 1, 3600, "Seconds that a connection without a request is kept."},
    {"unread_seconds", 1, 3600, "Seconds for a client to take some of what waits for it, else it is disconnected."},
    {"call_seconds", 1, 86400, "Seconds that a tool call may take."},
    {"session_idle_seconds", 10, 7ULL * 86400, "Seconds after which a session without request and stream ends."},
    {"drain_seconds", 0, 600, "Seconds that requests in flight get at SIGTERM."},
    {"connections_per_peer", 1, 1'000'000, "Connections of one address, or of one user on the Unix socket."},
    {"connections", 1, 1'000'000, "Connections in all."},
    {"in_flight_session", 1, 100'000, "Requests in flight of one session."},
    {"in_flight_peer", 1, 100'000, "Requests in flight of one peer."},
    {"in_flight_server", 1, 100'000, "Calls in flight at one process of a server, those that wait for its start too."},
    {"in_flight", 1, 100'000, "Requests in flight in all."},
    {"sessions", 1, 1'000'000, "Sessions in all; one principal may hold three quarters of them."},
    {"streams_session", 1, 64, "Open GET streams of one session."},
    {"listen_streams", 0, 1'000'000, "Open subscriptions/listen streams (2026-07-28) in all."},
    {"event_stream_seconds", 1, 3600,
     "Seconds that the event stream of a POST stays open without a message; then the client resumes it."},
    {"subscriptions", 1, 100000, "Resources that one session or listen stream subscribes to."},
    {"instances", 1, 1024, "Instances of servers with `isolation: session` or `principal`, all servers together."},
    {"tasks_principal", 0, 1'000'000, "Tasks (2025-11-25) of one principal that the gateway remembers."},
    {"tasks", 0, 1'000'000, "The same, of all principals together."},
    {"task_seconds", 1, 30ULL * 86400,
     "Seconds that a task is remembered after its server last spoke of it; its own `ttl` may be shorter."},
    {"items_server", 1, 100'000, "Tools that one server may list."},
    {"cache_entries", 1, 10'000'000, "Entries of the built-in `cache` tool, for each principal."},
    {"cache_bytes", kKib, 16 * kGib, "Bytes of the same, keys and values."},
    {"audit_ring", 1, 100'000, "Events that the built-in `audit` tool remembers, for each principal."},
});

}  // namespace

const LimitRange* find_limit_range(std::string_view member) {
  for (const LimitRange& range : kRanges)
    if (range.member == member) return &range;
  return nullptr;
}

}  // namespace clawql::config
