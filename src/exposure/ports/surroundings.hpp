// Ways around a listener that are no rules: sysctls and addresses of one namespace, and the tunnels that run here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "exposure/ports/processes.hpp"
#include "exposure/ports/survey.hpp"

namespace clawql::exposure::ports {

// Of the calling thread's namespace: which interface has which address, and which ones are up (without loopback).
struct Links {
  std::map<std::string, std::string> interface_of;  // by address
  std::vector<std::string> up;
};
Result<Links> read_links();

// route_localnet of every interface of the calling thread's namespace.
void read_route_localnet(const std::string& space, std::vector<Finding>& ways, std::vector<Finding>& gaps);
// A listener on the address of one link, not bound to its device, while other links are up.
void judge_weak_host(const std::vector<Listener>& listeners, const std::string& space, const Links& links,
                     std::vector<Finding>& ways);
// cloudflared without an ingress file; what tailscaled serves.
void read_tunnels(const std::string& proc, const ProcessTable& table, Survey& survey);

}  // namespace clawql::exposure::ports
