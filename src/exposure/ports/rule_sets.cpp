#include "exposure/ports/rule_sets.hpp"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <memory>

#include "exposure/ports/diversions.hpp"
#include "exposure/ports/text.hpp"
#include "exposure/ports/tool.hpp"

namespace clawql::exposure::ports {
namespace {

constexpr std::chrono::seconds kToolLimit{30};

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};

int on_table(const nlmsghdr*, void* context) {
  ++*static_cast<std::size_t*>(context);
  return MNL_CB_OK;
}

// How many nf_tables tables there are; a kernel without nf_tables has none.
Result<std::size_t> count_tables() {
  const std::unique_ptr<mnl_socket, CloseSocket> socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (!socket) return errno == EPROTONOSUPPORT ? Result<std::size_t>(0) : fail_system("open NETLINK_NETFILTER");
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return fail_system("bind NETLINK_NETFILTER");
  alignas(nlmsghdr) std::array<char, 256> out{};
  nlmsghdr* header = mnl_nlmsg_put_header(out.data());
  header->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header->nlmsg_seq = 1;
  nfgenmsg request{};
  request.nfgen_family = AF_UNSPEC;
  request.version = NFNETLINK_V0;
  std::memcpy(mnl_nlmsg_put_extra_header(header, sizeof request), &request, sizeof request);
  if (mnl_socket_sendto(socket.get(), header, header->nlmsg_len) < 0) return fail_system("ask nf_tables");
  alignas(nlmsghdr) std::array<char, 32 << 10> in{};
  std::size_t count = 0;
  while (true) {
    const ssize_t got = mnl_socket_recvfrom(socket.get(), in.data(), in.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_system("read nf_tables");
    const int more =
        mnl_cb_run(in.data(), static_cast<std::size_t>(got), 1, mnl_socket_get_portid(socket.get()), on_table, &count);
    if (more < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) return std::size_t{0};
    if (more < 0) return fail_system("nf_tables");
    if (more == MNL_CB_STOP) return count;
  }
}

class Reader {
 public:
  Reader(const std::string& space, std::vector<Finding>& ways, std::vector<Finding>& gaps)
      : prefix_(space.empty() ? "" : "[" + space + "] "), ways_(ways), gaps_(gaps) {}

  void nf_tables() {
    const auto tables = count_tables();
    if (!tables) return gap("nf_tables rules", tables.error().message);
    if (*tables == 0) return;
    const auto text = run("nft", {"-j", "list", "ruleset"}, "nf_tables rules");
    if (!text) return;
    const auto found = diversions_of_nft(*text);
    if (!found) return gap("nf_tables rules", found.error().message);
    take(*found);
    if (!found->foreign) return;
    for (const std::string tool : {"iptables", "ip6tables"}) saved(tool + "-nft-save", tool, tool + " rules");
  }

  // The older kernel interface, which nf_tables does not show. Its tables exist only once somebody used them.
  void legacy(const std::string& tool, const std::string& names_file) {
    const auto names = read_small_file("/proc/thread-self/net/" + names_file);
    if (!names && names.error().system_errno == ENOENT) return;
    if (!names) return gap("legacy " + tool + " rules", names.error().message);
    if (!names->empty()) saved(tool + "-legacy-save", tool + "-legacy", "legacy " + tool + " rules");
  }

 private:
  void gap(const std::string& what, const std::string& why) {
    gaps_.push_back({FindingId::view_incomplete, prefix_ + what, prefix_ + what + " could not be read: " + why, 1});
  }

  Result<std::string> run(const std::string& name, std::vector<std::string> options, const std::string& what) {
    const std::string tool = find_tool(name);
    Result<std::string> text = fail("no `" + name + "` on this machine");
    if (!tool.empty()) {
      options.insert(options.begin(), tool);
      text = run_tool(options, kToolLimit);
    }
    if (!text) gap(what, text.error().message);
    return text;
  }

  void saved(const std::string& program, const std::string& tool, const std::string& what) {
    const auto text = run(program, {}, what);
    if (!text) return;
    const auto found = diversions_of_iptables(*text, tool);
    if (found)
      take(*found);
    else
      gap(what, found.error().message);
  }

  void take(const Diversions& found) {
    for (Finding finding : found.findings) {
      finding.subject = prefix_ + finding.subject;
      finding.text = prefix_ + finding.text;
      ways_.push_back(std::move(finding));
    }
  }

  std::string prefix_;
  std::vector<Finding>& ways_;
  std::vector<Finding>& gaps_;
};

}  // namespace

void read_rule_sets(const std::string& space, std::vector<Finding>& ways, std::vector<Finding>& gaps) {
  Reader reader(space, ways, gaps);
  reader.nf_tables();
  reader.legacy("iptables", "ip_tables_names");
  reader.legacy("ip6tables", "ip6_tables_names");
}

}  // namespace clawql::exposure::ports
