#include "exposure/ports/findings.hpp"

#include <algorithm>
#include <array>

#include "base/check.hpp"

namespace clawql::exposure::ports {
namespace {

using enum FindingId;
using enum Severity;

constexpr std::array<FindingKind, 23> kKinds{{
    {unexpected, "ports.unexpected", high, false, "Something listens that was not declared.",
     "Stop its owner, or declare it (`clawql ports declare`) after you know why it is there."},
    {missing, "ports.missing", medium, false, "Something that was declared does not listen.",
     "Start its owner, or take the entry out of the expected state."},
    {widened, "ports.widened", critical, false, "A declared listener can be reached from more places than declared.",
     "Bind it to the declared address and device again."},
    {owner_changed, "ports.owner-changed", critical, false, "Another user or program holds a declared listener.",
     "Find out who started it; declare the new owner only if you did."},
    {owner_unknown, "ports.owner-unknown", high, true, "Nobody can be seen who holds this socket.",
     "Run the audit as root in the host's PID namespace; declare `executable: kernel` for sockets of the kernel "
     "itself."},
    {socket_mode, "ports.socket-mode", high, false, "The file of a Unix socket has another mode than declared.",
     "chmod it back, and see who changed it."},
    {socket_group, "ports.socket-group", high, false,
     "The file of a Unix socket has another owner or group than declared.", "chown it back, and see who changed it."},
    {socket_replaced, "ports.socket-replaced", high, false,
     "The file at the path of a Unix socket is not, or no longer, this socket's.",
     "Whoever connects to the path does not reach this listener: restart its owner, and see who replaced the file."},
    {abstract_socket, "ports.abstract-socket", medium, false,
     "An abstract Unix socket, which no file permission protects, was not declared.",
     "Have its owner use a path, or declare it with `path: \"@name\"`."},
    {namespace_hidden, "ports.namespace-hidden", high, true, "A network namespace could not be looked into.",
     "Run the audit as root (CAP_SYS_ADMIN, CAP_SYS_PTRACE) in the host's PID namespace."},
    {namespace_missing, "ports.namespace-missing", medium, false, "A declared network namespace does not exist.",
     "Start what makes it, or take its entries out of the expected state."},
    {view_incomplete, "ports.view-incomplete", high, true, "A part of the machine could not be examined.",
     "Run the audit as root; the text names what was refused."},
    {dnat, "ports.dnat", high, false, "A rule sends packets for one address to another (DNAT).",
     "Remove the rule, or accept it by its subject under `accepted`."},
    {redirect, "ports.redirect", high, false, "A rule sends packets for one port to another (REDIRECT).",
     "Remove the rule, or accept it by its subject under `accepted`."},
    {transparent_proxy, "ports.transparent-proxy", high, false,
     "A rule hands packets for others to a local socket (TPROXY).",
     "Remove the rule, or accept it by its subject under `accepted`."},
    {docker_published, "ports.docker-published", high, false,
     "Docker publishes a port of a container, past ufw and every INPUT rule.",
     "Publish on one address (`-p 127.0.0.1:8080:8080`) or not at all, or accept it by its subject under `accepted`."},
    {route_localnet, "ports.route-localnet", critical, false,
     "With route_localnet a neighbour on the link reaches what listens on 127.0.0.1.",
     "Set the sysctl to 0, or drop 127.0.0.0/8 from other links (`clawql firewall render`)."},
    {weak_host, "ports.weak-host", medium, false,
     "The address of one link answers on the others as well (weak host model).",
     "Bind it to its device (SO_BINDTODEVICE) or let the firewall drop the address on other links "
     "(`clawql firewall render`)."},
    {ssh_forward, "ports.ssh-forward", high, false, "An SSH session forwards a port here.",
     "End the session; set `AllowTcpForwarding no` or `PermitListen none` in sshd_config."},
    {tailscale_serve, "ports.tailscale-serve", high, false, "Tailscale serves something to the tailnet.",
     "`tailscale serve reset`, or accept it by its subject under `accepted`."},
    {tailscale_funnel, "ports.tailscale-funnel", critical, false,
     "Tailscale Funnel serves something to the whole internet.",
     "`tailscale funnel reset`, or accept it by its subject under `accepted`."},
    {cloudflared_no_config, "ports.cloudflared-no-config", critical, false,
     "cloudflared runs without an ingress file on this host: what it publishes cannot be read here.",
     "Give it --config with ingress rules that end in http_status:404, or stop it."},
    {acceptance_unused, "ports.acceptance-unused", info, false, "An accepted way is not there.",
     "Take it out of `accepted`, so that it is noticed when it comes back."},
}};

}  // namespace

std::string_view name_of(Severity severity) {
  switch (severity) {
    case info: return "info";
    case low: return "low";
    case medium: return "medium";
    case high: return "high";
    case critical: return "critical";
  }
  return "info";
}

std::span<const FindingKind> finding_kinds() {
  return kKinds;
}

const FindingKind& kind_of(FindingId id) {
  const auto found = std::ranges::find(kKinds, id, &FindingKind::id);
  CLAWQL_CHECK(found != kKinds.end());
  return *found;
}

const FindingKind* kind_named(std::string_view name) {
  const auto found = std::ranges::find(kKinds, name, &FindingKind::name);
  return found == kKinds.end() ? nullptr : &*found;
}

int exit_status(std::span<const Finding> findings) {
  int status = 0;
  for (const Finding& finding : findings) {
    const FindingKind& kind = kind_of(finding.id);
    if (kind.could_not_tell) return 2;
    if (kind.severity != info) status = 1;
  }
  return status;
}

}  // namespace clawql::exposure::ports
