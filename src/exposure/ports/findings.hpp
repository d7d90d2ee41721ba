// What an audit of ports can find: one table of stable ids, each with its severity and remedy. The table drives the
// text, the JSON, the SARIF rules and the page in docs/.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clawql::exposure::ports {

enum class FindingId : unsigned char {
  unexpected,
  missing,
  widened,
  owner_changed,
  owner_unknown,
  socket_mode,
  socket_group,
  socket_replaced,
  abstract_socket,
  namespace_hidden,
  namespace_missing,
  view_incomplete,
  dnat,
  redirect,
  transparent_proxy,
  docker_published,
  route_localnet,
  weak_host,
  ssh_forward,
  tailscale_serve,
  tailscale_funnel,
  cloudflared_no_config,
  acceptance_unused,
};

enum class Severity : unsigned char { info, low, medium, high, critical };
std::string_view name_of(Severity severity);

struct FindingKind {
  FindingId id;
  std::string_view name;  // stable: "ports.unexpected"
  Severity severity;
  bool could_not_tell;       // the view was incomplete: exit 2, which outranks every drift
  std::string_view meaning;  // one sentence
  std::string_view remedy;
};
std::span<const FindingKind> finding_kinds();
const FindingKind& kind_of(FindingId id);
const FindingKind* kind_named(std::string_view name);  // nullptr: there is none

struct Finding {
  FindingId id = FindingId::unexpected;
  std::string subject;   // what it is about, stable from run to run: "tcp 127.0.0.1:8080". Names an acceptance
  std::string text;      // what was seen
  std::size_t line = 1;  // of the expected-state file, 1 where no entry belongs to it
};

// 0: as declared, 1: drift, 2: could not tell. "info" alone is no drift.
int exit_status(std::span<const Finding> findings);

}  // namespace clawql::exposure::ports
