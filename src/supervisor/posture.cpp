#include "supervisor/posture.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>

#include "os/files.hpp"
#include "os/sock_diag.hpp"

namespace clawql::supervisor {
namespace {

constexpr std::array<std::string_view, 12> kEverywhere{"",      "*",   "0",   "0.0.0.0", "::",  "[::]",
                                                       "[::0]", "any", "all", "0.0",     "0x0", "::0"};

Declared tcp_declaration(const os::SocketAddress& address) {
  Declared declared;
  declared.kind = Declared::Kind::tcp;
  declared.label = address.text();
  declared.address = address;
  return declared;
}

Result<Declared> unix_declaration(Declared::Kind kind, const std::string& path) {
  Declared declared;
  declared.kind = kind;
  CLAWQL_TRY(declared.address, os::SocketAddress::unix_path(path));
  declared.path = path;
  declared.label = "unix:" + path;
  return declared;
}

std::string admin_path(const config::Config& config, const std::string& runtime_folder) {
  if (!config.admin.path.empty()) return config.admin.path;
  const bool beside = config.unix_listener.enabled && !config.unix_listener.path.empty();
  return (beside ? os::parent_of(config.unix_listener.path) : runtime_folder) + "/admin/admin.sock";
}

Status add_tcp(const config::HttpListener& http, bool ipv6, std::vector<Declared>& out) {
  CLAWQL_CHECKED(check_bind_word(http.bind));
  if (http.port == 0) return fail("listen.http.port: 0 would listen on a port that nobody declared; name one");
  CLAWQL_TRY(os::SocketAddress four, os::SocketAddress::ip("127.0.0.1", http.port));
  CLAWQL_CHECKED(check_tcp_address(four));
  out.push_back(tcp_declaration(four));
  if (!ipv6) return {};
  CLAWQL_TRY(os::SocketAddress six, os::SocketAddress::ip("::1", http.port));
  CLAWQL_CHECKED(check_tcp_address(six));
  out.push_back(tcp_declaration(six));
  return {};
}

Status refuse_twice_declared(const std::vector<Declared>& all) {
  for (auto one = all.begin(); one != all.end(); ++one) {
    const bool twice = std::any_of(all.begin(), one, [&](const Declared& other) { return other.label == one->label; });
    if (twice) return fail(fmt::format("listen: {} is declared twice", one->label));
  }
  return {};
}

}  // namespace

std::string_view name(Declared::Kind kind) {
  switch (kind) {
    case Declared::Kind::unix_socket: return "unix";
    case Declared::Kind::tcp: return "tcp";
    case Declared::Kind::admin: return "admin";
  }
  return "";
}

Status check_bind_word(std::string_view bind) {
  if (bind == "loopback") return {};
  std::string_view address = bind;
  if (address.starts_with("address:")) address.remove_prefix(8);
  const auto parsed = os::SocketAddress::ip(address, 1);
  if (std::ranges::find(kEverywhere, address) != kEverywhere.end() || (parsed && parsed->is_any())) {
    return fail(
        fmt::format("listen.http.bind: \"{}\" would listen on every interface; this gateway never does. "
                    "Write `bind: loopback`",
                    bind));
  }
  return fail(
      fmt::format("listen.http.bind: \"{}\" is not yet possible in this version; write `bind: loopback`", bind));
}

Status check_tcp_address(const os::SocketAddress& address) {
  if (address.is_any())
    return fail(fmt::format("{} is an any-address: refused (gateway.bind.wildcard)", address.text()));
  if (!address.is_loopback()) return fail(fmt::format("{} is no loopback address: not yet possible", address.text()));
  return {};
}

Result<std::vector<Declared>> declare(const config::Config& config, const std::string& runtime_folder, bool ipv6,
                                      std::vector<std::string>& warnings) {
  std::vector<Declared> all;
  if (config.unix_listener.enabled) {
    CLAWQL_TRY(Declared declared, unix_declaration(Declared::Kind::unix_socket, config.unix_listener.path));
    declared.mode = static_cast<mode_t>(config.unix_listener.mode);
    declared.group = config.unix_listener.group;
    all.push_back(std::move(declared));
  }
  if (config.admin.enabled) {
    CLAWQL_TRY(Declared declared, unix_declaration(Declared::Kind::admin, admin_path(config, runtime_folder)));
    declared.mode = 0600;
    declared.folder = 0700;
    all.push_back(std::move(declared));
  }
  for (const config::HttpListener& http : config.http) CLAWQL_CHECKED(add_tcp(http, ipv6, all));
  if (!ipv6 && !config.http.empty()) {
    warnings.emplace_back(
        "this host has no ::1: only 127.0.0.1 is served; a client that resolves `localhost` to ::1 "
        "would reach whoever takes that address later");
  }
  if (all.empty()) return fail("nothing to listen on: listen.unix and listen.http are both false");
  CLAWQL_CHECKED(refuse_twice_declared(all));
  return all;
}

namespace {

Status verify_name(const Listening& one) {
  CLAWQL_TRY(const os::SocketAddress bound, os::SocketAddress::of(one.fd));
  if (bound == one.declared->address) return {};
  return fail(fmt::format("declared {} but the kernel says {}", one.declared->label, bound.text()));
}

std::string describe(const os::KernelSocket& socket) {
  switch (socket.kind) {
    case os::KernelSocket::Kind::tcp: return "tcp " + socket.address.text();
    case os::KernelSocket::Kind::udp: return "udp " + socket.address.text();
    case os::KernelSocket::Kind::unix_stream: return "unix:" + socket.path;
  }
  return "";
}

// One socket of ours that the kernel lists: it must be one of the declared ones, which is then ticked off.
Status tick_off(const os::KernelSocket& socket, std::map<std::uint64_t, const Listening*>& expected) {
  const std::string found = describe(socket);
  const bool networked = socket.kind != os::KernelSocket::Kind::unix_stream;
  if (networked && socket.address.is_any()) {
    return fail(fmt::format("the kernel says that this process listens on {} (gateway.bind.wildcard)", found));
  }
  const auto declared = expected.find(socket.inode);
  if (declared == expected.end()) {
    return fail(fmt::format("the kernel says that this process listens on {}, which nobody declared", found));
  }
  const std::string label = declared->second->declared->label;
  const bool is_tcp = declared->second->declared->kind == Declared::Kind::tcp;
  if (found != (is_tcp ? "tcp " + label : label)) {
    return fail(fmt::format("declared {} but the kernel lists {}", label, found));
  }
  expected.erase(declared);
  return {};
}

}  // namespace

Status verify_with_kernel(std::span<const Listening> listening, std::vector<std::string>& warnings) {
  std::map<std::uint64_t, const Listening*> expected;
  for (const Listening& one : listening) {
    CLAWQL_CHECKED(verify_name(one));
    expected.emplace(os::socket_inode(one.fd), &one);
  }
  const auto sockets = os::kernel_sockets();
  const auto own = os::own_socket_inodes();
  if (!sockets || !own) {
    warnings.push_back("the kernel could not be asked what listens: " +
                       (sockets ? own.error().message : sockets.error().message));
    return {};
  }
  for (const os::KernelSocket& socket : *sockets) {
    if (own->contains(socket.inode)) CLAWQL_CHECKED(tick_off(socket, expected));
  }
  if (expected.empty()) return {};
  return fail(fmt::format("the kernel does not list {} as listening", expected.begin()->second->declared->label));
}

}  // namespace clawql::supervisor
