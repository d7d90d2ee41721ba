#include "os/sock_diag.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>

#include "base/decimal.hpp"
#include "os/process.hpp"

namespace clawql::os {
namespace {

constexpr std::uint32_t kListening = 1U << 10;  // TCP_LISTEN, also used by Unix sockets
constexpr std::uint32_t kEveryState = ~0U;

struct Dump {
  KernelSocket::Kind kind;
  std::vector<KernelSocket>* out;
};

Result<SocketAddress> address_of(const inet_diag_msg& message) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = message.idiag_family;
  if (::inet_ntop(family, message.id.idiag_src, text.data(), text.size()) == nullptr) return fail_system("inet_ntop");
  return SocketAddress::ip(text.data(), ntohs(message.id.idiag_sport));
}

int on_inet(const nlmsghdr* header, void* context) {
  const auto& dump = *static_cast<Dump*>(context);
  if (mnl_nlmsg_get_payload_len(header) < sizeof(inet_diag_msg)) return MNL_CB_ERROR;
  inet_diag_msg message{};
  std::memcpy(&message, mnl_nlmsg_get_payload(header), sizeof message);
  auto address = address_of(message);
  if (!address) return MNL_CB_OK;
  dump.out->push_back(KernelSocket{dump.kind, *address, {}, message.idiag_inode, message.idiag_uid});
  return MNL_CB_OK;
}

int on_unix_attribute(const nlattr* attribute, void* context) {
  auto& path = *static_cast<std::string*>(context);
  if (mnl_attr_get_type(attribute) != UNIX_DIAG_NAME) return MNL_CB_OK;
  path.assign(static_cast<const char*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute));
  if (!path.empty() && path.front() == '\0') {
    path.front() = '@';
  } else {
    path.resize(std::strlen(path.c_str()));
  }
  return MNL_CB_OK;
}

int on_unix(const nlmsghdr* header, void* context) {
  const auto& dump = *static_cast<Dump*>(context);
  if (mnl_nlmsg_get_payload_len(header) < sizeof(unix_diag_msg)) return MNL_CB_ERROR;
  unix_diag_msg message{};
  std::memcpy(&message, mnl_nlmsg_get_payload(header), sizeof message);
  KernelSocket socket{dump.kind, {}, {}, message.udiag_ino, 0};
  if (mnl_attr_parse(header, sizeof message, on_unix_attribute, &socket.path) < MNL_CB_STOP) return MNL_CB_ERROR;
  dump.out->push_back(std::move(socket));
  return MNL_CB_OK;
}

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};

// One dump request and all of its answer.
template <class Request>
Status run_dump(const Request& request, mnl_cb_t callback, Dump dump) {
  const std::unique_ptr<mnl_socket, CloseSocket> socket(mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC));
  if (!socket) return fail_system("open NETLINK_SOCK_DIAG");
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return fail_system("bind NETLINK_SOCK_DIAG");
  alignas(nlmsghdr) std::array<char, 256> out{};
  nlmsghdr* header = mnl_nlmsg_put_header(out.data());
  header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header->nlmsg_seq = 1;
  std::memcpy(mnl_nlmsg_put_extra_header(header, sizeof request), &request, sizeof request);
  if (mnl_socket_sendto(socket.get(), header, header->nlmsg_len) < 0) return fail_system("ask NETLINK_SOCK_DIAG");

  alignas(nlmsghdr) std::array<char, 32 << 10> in{};
  const unsigned port = mnl_socket_get_portid(socket.get());
  while (true) {
    const ssize_t got = mnl_socket_recvfrom(socket.get(), in.data(), in.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_system("read NETLINK_SOCK_DIAG");
    }
    const int more = mnl_cb_run(in.data(), static_cast<std::size_t>(got), 1, port, callback, &dump);
    if (more < 0) return fail_system("NETLINK_SOCK_DIAG");
    if (more == MNL_CB_STOP) return {};
  }
}

Status dump_inet(int family, int protocol, std::vector<KernelSocket>& out) {
  inet_diag_req_v2 request{};
  request.sdiag_family = static_cast<std::uint8_t>(family);
  request.sdiag_protocol = static_cast<std::uint8_t>(protocol);
  request.idiag_states = protocol == IPPROTO_TCP ? kListening : kEveryState;
  const auto kind = protocol == IPPROTO_TCP ? KernelSocket::Kind::tcp : KernelSocket::Kind::udp;
  return run_dump(request, on_inet, Dump{kind, &out});
}

Status dump_unix(std::vector<KernelSocket>& out) {
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = kListening;
  request.udiag_show = UDIAG_SHOW_NAME;
  return run_dump(request, on_unix, Dump{KernelSocket::Kind::unix_stream, &out});
}

// Calls `found` with the inode of every socket among a process's descriptors, until it returns false.
template <class Found>
bool each_socket(const std::string& folder, Found found) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), ::closedir);
  if (!open) return false;
  while (const dirent* entry = ::readdir(open.get())) {
    std::array<char, 64> target{};
    const ssize_t length = ::readlinkat(::dirfd(open.get()), entry->d_name, target.data(), target.size());
    std::string_view text(target.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    if (!text.starts_with("socket:[") || !text.ends_with("]")) continue;
    text = text.substr(8, text.size() - 9);
    if (const auto inode = base::parse_decimal<std::uint64_t>(text); inode && !found(*inode)) break;
  }
  return true;
}

}  // namespace

Result<std::vector<KernelSocket>> kernel_sockets() {
  std::vector<KernelSocket> result;
  for (const int protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
    for (const int family : {AF_INET, AF_INET6}) CLAWQL_CHECKED(dump_inet(family, protocol, result));
  }
  CLAWQL_CHECKED(dump_unix(result));
  return result;
}

Result<std::set<std::uint64_t>> own_socket_inodes() {
  std::set<std::uint64_t> inodes;
  const bool read = each_socket("/proc/self/fd", [&](std::uint64_t inode) {
    inodes.insert(inode);
    return true;
  });
  if (!read) return fail_system("open /proc/self/fd");
  return inodes;
}

std::optional<SocketOwner> owner_of(std::uint64_t inode) {
  const std::unique_ptr<DIR, int (*)(DIR*)> processes(::opendir("/proc"), ::closedir);
  if (!processes || inode == 0) return std::nullopt;
  while (const dirent* entry = ::readdir(processes.get())) {
    const auto pid = base::parse_decimal<std::uint32_t>(entry->d_name);
    if (!pid) continue;
    bool holds = false;
    each_socket(fmt::format("/proc/{}/fd", *pid), [&](std::uint64_t candidate) {
      holds = candidate == inode;
      return !holds;
    });
    if (holds) return SocketOwner{static_cast<pid_t>(*pid), process_name(static_cast<pid_t>(*pid))};
  }
  return std::nullopt;
}

std::optional<SocketOwner> tcp_owner(const SocketAddress& address) {
  const auto sockets = kernel_sockets();
  if (!sockets) return std::nullopt;
  for (const KernelSocket& socket : *sockets) {
    if (socket.kind != KernelSocket::Kind::tcp || socket.address.port() != address.port()) continue;
    if (!(socket.address == address) && !socket.address.is_any()) continue;
    if (auto owner = owner_of(socket.inode)) return owner;
  }
  return std::nullopt;
}

}  // namespace clawql::os
