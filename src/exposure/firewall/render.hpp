// Rules for exactly the declared listeners, in each backend's own form. What is rendered can be applied again and again
// (it replaces what it made before), touches nothing else, and can be removed. All of it is text: nothing is run here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "exposure/firewall/listener.hpp"

namespace clawql::exposure::firewall {

enum class Backend : std::uint8_t { nftables, iptables, ufw, firewalld, docker };
std::optional<Backend> backend_of(std::string_view name);
std::string_view name_of(Backend backend);

struct RenderOptions {
  std::vector<std::string> bridges{"docker0", "br-+"};  // of containers, for the docker backend
};

// For nftables a file for `nft -f`, for the others a script for /bin/sh. An error names a listener that the backend
// cannot express.
Result<std::string> render(Backend backend, const std::vector<Listener>& listeners, const RenderOptions& options);
// What takes away all that render() ever made, and nothing else.
std::string render_removal(Backend backend);

}  // namespace clawql::exposure::firewall
