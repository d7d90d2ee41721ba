#include "exposure/firewall/expected.hpp"

#include <algorithm>
#include <array>

#include "base/decimal.hpp"
#include "config/yaml.hpp"
#include "exposure/firewall/protocol.hpp"

namespace clawql::exposure::firewall {
namespace {

using config::Problems;
using config::quote;
using config::yaml::Node;

constexpr std::array<std::string_view, 6> kRead{"protocol", "address", "port", "device", "sources", "interfaces"};
constexpr std::array<std::string_view, 9> kOfPorts{"namespace", "v6only", "path",  "user",   "executable",
                                                   "mode",      "owner",  "group", "comment"};
constexpr std::array<std::string_view, 5> kTop{"version", "protocols", "namespaces", "listeners", "accepted"};

template <std::size_t N>
bool is_one_of(std::string_view key, const std::array<std::string_view, N>& keys) {
  return std::ranges::find(keys, key) != keys.end();
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& file) : text_(text), problems_(file) {}

  Result<Expected> run() {
    const auto root = config::yaml::parse(text_, problems_);
    if (!problems_.any() && !root) problems_.add({}, "the file is empty: it wants `listeners`");
    if (!problems_.any()) read_root(*root);
    if (problems_.any()) return fail(problems_.text());
    return std::move(out_);
  }

 private:
  void read_root(const Node& root) {
    const Node* list = &root;  // a bare list is taken too
    if (root.kind == Node::Kind::mapping) {
      for (const auto& member : root.members)
        if (!is_one_of(member.key.text, kTop)) problems_.add(member.key.mark, "unknown key " + quote(member.key.text));
      list = root.find("listeners");
      if (!list) return problems_.add(root.mark, "`listeners` is missing");
    }
    if (list->is_null()) return;
    if (list->kind != Node::Kind::sequence) return problems_.add(list->mark, "a list of listeners is needed here");
    for (const Node& item : list->items) read_listener(item);
  }

  void read_listener(const Node& node) {
    if (node.kind == Node::Kind::refused) return;
    if (node.kind != Node::Kind::mapping) return problems_.add(node.mark, "a listener is a mapping");
    for (const auto& member : node.members)
      if (!is_one_of(member.key.text, kRead) && !is_one_of(member.key.text, kOfPorts))
        problems_.add(member.key.mark, "unknown key " + quote(member.key.text));
    if (const std::string why = reason_to_skip(node); !why.empty()) {
      out_.skipped.push_back("line " + std::to_string(node.mark.line) + ": " + why);
      return;
    }
    Listener listener;
    if (read_protocol(node, listener) && read_place(node, listener)) {
      read_who(node, listener);
      out_.listeners.push_back(std::move(listener));
    }
  }

  static std::string reason_to_skip(const Node& node) {
    const Node* protocol = node.find("protocol");
    if (protocol && protocol->is_scalar() && protocol->text.starts_with("unix"))
      return "a Unix socket is no matter of a firewall";
    const Node* space = node.find("namespace");
    if (space && space->is_scalar() && !space->is_null() && space->text != "own")
      return "it is in the network namespace " + quote(space->text) + ", which has rules of its own";
    const Node* port = node.find("port");
    if (port && port->is_scalar() && port->text == "any") return "`port: any` has no port to make a rule for";
    return {};
  }

  bool read_protocol(const Node& node, Listener& listener) {
    const Node* protocol = node.find("protocol");
    if (!protocol || !protocol->is_scalar()) {
      problems_.add(node.mark, "`protocol` is missing: tcp or udp");
      return false;
    }
    if (protocol->text == "tcp" || protocol->text == "mptcp")
      listener.protocol = kTcp;
    else if (protocol->text == "udp")
      listener.protocol = kUdp;
    else {
      problems_.add(protocol->mark, "`protocol` is tcp or udp here, not " + quote(protocol->text));
      return false;
    }
    return true;
  }

  bool read_place(const Node& node, Listener& listener) {
    const Node* address = node.find("address");
    const Node* port = node.find("port");
    if (!address || !address->is_scalar() || !port || !port->is_scalar()) {
      problems_.add(node.mark, "`address` and `port` are needed");
      return false;
    }
    if (const Status set = set_address(listener, address->text); !set) {
      problems_.add(address->mark, set.error().message);
      return false;
    }
    // `clawql ports` means IPv6 alone by "::" unless `v6only: false` says otherwise.
    const Node* v6only = node.find("v6only");
    if (!listener.address && listener.ipv4 && listener.ipv6 && address->text.find(':') != std::string::npos)
      listener.ipv4 = v6only && v6only->is_scalar() && v6only->text == "false";
    const auto number = base::parse_decimal<std::uint16_t>(port->text);
    if (!number || *number == 0) {
      problems_.add(port->mark, "`port` is a number from 1 to 65535");
      return false;
    }
    listener.port = *number;
    if (const Node* device = node.find("device"); device && !device->is_null()) {
      if (!device->is_scalar() || !interface_number(device->text))
        problems_.add(device->mark, "`device` is an interface's name, at most 15 bytes");
      else
        listener.device = device->text;
    }
    return true;
  }

  std::vector<const Node*> texts(const Node& node, std::string_view key) {
    std::vector<const Node*> out;
    const Node* list = node.find(key);
    if (!list || list->is_null()) return out;
    if (list->is_scalar()) return {list};
    if (list->kind == Node::Kind::sequence)
      for (const Node& item : list->items) {
        if (item.is_scalar() && !item.text.empty())
          out.push_back(&item);
        else
          problems_.add(item.mark, "a text is needed here");
      }
    else
      problems_.add(list->mark, "`" + std::string(key) + "` is a list");
    return out;
  }

  void read_who(const Node& node, Listener& listener) {
    for (const Node* item : texts(node, "sources")) {
      if (const auto network = parse_network(item->text))
        listener.sources.push_back(*network);
      else
        add_interface(*item, listener);
    }
    for (const Node* item : texts(node, "interfaces")) add_interface(*item, listener);
    listener.sources_declared = node.find("sources") || node.find("interfaces") || !listener.device.empty();
    if (const Node* none = node.find("sources"); none && none->is_null())
      problems_.add(none->mark, "`sources` is empty: write [] for nobody");
  }

  void add_interface(const Node& item, Listener& listener) {
    const bool plain =
        !item.text.empty() && item.text.size() <= 15 && item.text.find_first_of(" \t/:*,\"'\\") == std::string::npos;
    if (!plain) return problems_.add(item.mark, quote(item.text) + " is no network, no address and no interface");
    if (item.text == "lo") return;  // this host itself always may
    if (std::ranges::find(listener.interfaces, item.text) == listener.interfaces.end())
      listener.interfaces.push_back(item.text);
  }

  std::string_view text_;
  Problems problems_;
  Expected out_;
};

}  // namespace

Result<Expected> read_expected(std::string_view text, const std::string& file) {
  return Reader(text, file).run();
}

}  // namespace clawql::exposure::firewall
