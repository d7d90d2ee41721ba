// What the supervisor tells door and engine: plain structs, described once (Boost.Describe), sent as JSON over the
// control line. Neither holds a secret: servers' commands and environments stay with the supervisor.
#pragma once

#include <boost/describe/class.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"

namespace clawql::ipc {

struct ListenerSettings {
  std::uint16_t id = 0;
  std::string kind;   // "unix" | "tcp" | "admin"
  std::string label;  // "unix:/run/clawql/gateway.sock", "127.0.0.1:8080": for logs and metrics
  bool local = true;  // serves /readyz and /metrics (Unix and loopback listeners)
};
BOOST_DESCRIBE_STRUCT(ListenerSettings, (), (id, kind, label, local))

struct DoorSettings {
  std::uint64_t generation = 0;            // of the configuration; rises with each reload
  std::vector<std::string> allowed_hosts;  // besides the built-in loopback names
  std::optional<std::vector<std::string>>
      allowed_origins;      // see DECISIONS: absent, empty and listed mean different things
  std::string config_path;  // named in the operator's log as the place to change
  std::uint32_t threads = 1;
  std::uint32_t engine_shards = 1;
  std::vector<ListenerSettings> listeners;
  base::Limits limits;
};
BOOST_DESCRIBE_STRUCT(DoorSettings, (),
                      (generation, allowed_hosts, allowed_origins, config_path, threads, engine_shards, listeners,
                       limits))

struct ServerSettings {
  std::string name;
  std::string prefix;                             // "files__", or "" for names as they are
  std::optional<std::vector<std::string>> tools;  // allow-list of names or globs as the server writes them; absent: all
  bool eager = true;
  std::uint64_t call_seconds = 0;             // 0: limits.call_seconds
  std::string fingerprint;                    // changes when the entry changed: then a reload restarts it
  std::string isolation = "shared";           // "shared" | "session" | "principal": whose an instance of it is
  std::uint32_t max_instances = 16;           // besides the shared one; those that are being ended do not count
  std::uint64_t instance_idle_seconds = 300;  // without a call: then the engine stops an instance
};
BOOST_DESCRIBE_STRUCT(ServerSettings, (),
                      (name, prefix, tools, eager, call_seconds, fingerprint, isolation, max_instances,
                       instance_idle_seconds))

struct AuditSettings {
  std::string path;     // printed in status; the engine opens nothing
  bool strict = false;  // fdatasync before the action is sent
  std::uint64_t file_bytes = 64ULL << 20;
};
BOOST_DESCRIBE_STRUCT(AuditSettings, (), (path, strict, file_bytes))

struct EngineSettings {
  std::uint64_t generation = 0;
  std::uint32_t shards = 1;
  std::uint32_t door_loops = 1;
  std::vector<ServerSettings> servers;      // in configuration order
  std::vector<ListenerSettings> listeners;  // the door's: their labels stand in the audit
  AuditSettings audit;
  base::Limits limits;
};
BOOST_DESCRIBE_STRUCT(EngineSettings, (), (generation, shards, door_loops, servers, listeners, audit, limits))

// ---- payloads of the control messages
// -----------------------------------------------------------------------------------------

struct LayerMessage {
  std::string name;
  bool in_force = false;
  std::string detail;
};
struct ReadyMessage {  // ready: the program is locked down and serves what it was given
  std::vector<LayerMessage> layers;
};
BOOST_DESCRIBE_STRUCT(LayerMessage, (), (name, in_force, detail))
BOOST_DESCRIBE_STRUCT(ReadyMessage, (), (layers))
struct ListenerMessage {
  std::uint16_t id = 0;
};  // listener, close_listener
struct ChannelMessage {
  std::uint32_t door_loop = 0, shard = 0;
};  // channel

// Instances of a server. Number 0 is the shared one; every other is chosen by the engine and never used again by it,
// for an entry whose isolation is not "shared". The rules that hold between the two programs:
// - The supervisor restarts an instance that ended by itself, with a back-off of its own, until server_stop: then it is
//   forgotten, and its end is told once more with retry_ms 0. To stop one that is not there does nothing.
// - A start that would be one too many is answered by server_exited: `how` names the limit, retry_ms is 0.
// - A reload that changed an entry's fingerprint, or took the entry away, ends all its instances but the shared one.
//   The settings go out first, then the ends (retry_ms 0). The engine lets go of the instances that it knows with
//   server_stop and starts new ones under new numbers.
// - Pipes of an instance that the engine does not know (any more) are closed and answered with server_stop.
// - With the engine all instances end; the next engine hears nothing of them, and may count from 1 again.
struct ServerMessage {
  std::string name;
  std::uint64_t instance = 0;
  std::uint64_t incarnation = 0;  // rises with each start of this instance; 0 in what the engine asks
};  // server_start, server_stop, server_restart, server_started
struct ServerExited {
  std::string name;
  std::uint64_t instance = 0;
  std::uint64_t incarnation = 0;
  std::string how;  // "exited with status 1", "killed by SIGKILL", "could not be started: …"
  std::uint64_t retry_ms =
      0;  // the supervisor starts it again after so long (the engine need not ask); 0: it will not by itself
};
struct AdminRequest {
  std::uint64_t token = 0;
  std::string operation;
  std::string argument;
};  // reload | status | start NAME | restart NAME
struct AdminAnswer {
  std::uint64_t token = 0;
  bool ok = false;
  std::string text;
};  // text: JSON made by the supervisor
struct DriftCount {
  std::string id;  // of a finding
  std::uint32_t count = 0;
};
struct DriftEvent {
  bool appeared = true;  // false: it is gone
  std::string id, severity, subject, text;
};
struct ExposureMessage {            // exposure: after each look of the gateway at itself
  std::uint64_t checked = 0;        // seconds since 1970
  bool unready = false;             // /readyz says so
  std::vector<DriftCount> present;  // what is there now
  std::vector<DriftEvent> events;   // what changed: for the audit log
};
BOOST_DESCRIBE_STRUCT(DriftCount, (), (id, count))
BOOST_DESCRIBE_STRUCT(DriftEvent, (), (appeared, id, severity, subject, text))
BOOST_DESCRIBE_STRUCT(ExposureMessage, (), (checked, unready, present, events))
BOOST_DESCRIBE_STRUCT(ListenerMessage, (), (id))
BOOST_DESCRIBE_STRUCT(ChannelMessage, (), (door_loop, shard))
BOOST_DESCRIBE_STRUCT(ServerMessage, (), (name, instance, incarnation))
BOOST_DESCRIBE_STRUCT(ServerExited, (), (name, instance, incarnation, how, retry_ms))
BOOST_DESCRIBE_STRUCT(AdminRequest, (), (token, operation, argument))
BOOST_DESCRIBE_STRUCT(AdminAnswer, (), (token, ok, text))

// JSON text of a described struct and back. Defined for the types above (settings.cpp); unknown and missing members are
// errors.
template <class T>
std::string to_json(const T& value);
template <class T>
Result<T> from_json(std::string_view text);

}  // namespace clawql::ipc
