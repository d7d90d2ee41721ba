// Every size, depth, count and time that something outside can drive, with its default. One list for all programs: the
// config file names each of them under `limits:`, docs/config.md prints them, the supervisor sends them to door and
// engine.
#pragma once

#include <boost/describe/class.hpp>
#include <cstdint>

namespace clawql::base {

struct Limits {
  // Sizes, in bytes.
  std::uint64_t request_body = 4ULL << 20;     // a POST body, and a line of newline JSON from a client
  std::uint64_t server_message = 16ULL << 20;  // a line from a stdio server
  std::uint64_t head = 16ULL << 10;            // request line and fields of an HTTP head
  std::uint64_t json_depth = 64;               // nesting of any JSON message
  std::uint64_t buffered_bytes_session = 17ULL << 20;
  std::uint64_t buffered_bytes = 256ULL << 20;  // all sessions together

  // Times.
  std::uint64_t header_seconds = 10;                // from the first byte (TCP: from accept) to the end of the head
  std::uint64_t body_seconds = 30;                  // a body may take this long …
  std::uint64_t body_bytes_per_second = 1024;       // … and longer while it keeps at least this rate
  std::uint64_t idle_connection_seconds = 75;       // a kept-alive connection without a request
  std::uint64_t unread_seconds = 60;                // a client that takes nothing of what waits for it
  std::uint64_t call_seconds = 300;                 // a tool call, until its answer
  std::uint64_t session_idle_seconds = 30ULL * 60;  // a session without request or open stream
  std::uint64_t drain_seconds = 10;                 // requests in flight at SIGTERM

  // Counts.
  std::uint64_t connections_per_peer = 2048;  // a peer is an address, or a uid on the Unix socket
  std::uint64_t connections = 8192;
  std::uint64_t in_flight_session = 64;
  std::uint64_t in_flight_peer = 256;
  std::uint64_t in_flight_server = 1024;  // of one process
  std::uint64_t in_flight = 4096;
  std::uint64_t sessions = 20'000;
  std::uint64_t streams_session = 8;        // GET streams of one session
  std::uint64_t listen_streams = 4'096;     // open subscriptions/listen of 2026-07-28, in all
  std::uint64_t event_stream_seconds = 60;  // a POST event stream without a message: it ends, the client resumes it
  std::uint64_t subscriptions = 1'000;      // resources that a session or a listen stream subscribes to
  std::uint64_t instances = 256;            // of servers that are not shared, all servers together
  std::uint64_t tasks_principal = 1'000;    // tasks of 2025-11-25 that are remembered, of one principal
  std::uint64_t tasks = 10'000;             // the same, of all
  std::uint64_t task_seconds = 86'400;      // a task of which its server says nothing is remembered no longer
  std::uint64_t items_server = 10'000;      // items of each kind that a server may list, over all pages
  std::uint64_t cache_entries = 10'000;     // built-in `cache` tool, a principal
  std::uint64_t cache_bytes = 64ULL << 20;  // the same, keys and values
  std::uint64_t audit_ring = 500;           // built-in `audit` tool, events kept in memory a principal
};

BOOST_DESCRIBE_STRUCT(Limits, (),
                      (request_body, server_message, head, json_depth, buffered_bytes_session, buffered_bytes,
                       header_seconds, body_seconds, body_bytes_per_second, idle_connection_seconds, unread_seconds,
                       call_seconds, session_idle_seconds, drain_seconds, connections_per_peer, connections,
                       in_flight_session, in_flight_peer, in_flight_server, in_flight, sessions, streams_session,
                       listen_streams, event_stream_seconds, subscriptions, instances, tasks_principal, tasks,
                       task_seconds, items_server, cache_entries, cache_bytes, audit_ring))

}  // namespace clawql::base
