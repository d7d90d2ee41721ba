#include "exposure/ports/expected.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/decimal.hpp"
#include "config/yaml.hpp"

namespace clawql::exposure::ports {
namespace {

using config::Mark;
using config::Problems;
using config::quote;
using config::yaml::Node;

std::optional<std::string> canonical_address(const std::string& text) {
  std::array<char, INET6_ADDRSTRLEN> room{};
  in_addr four{};
  in6_addr six{};
  if (::inet_pton(AF_INET, text.c_str(), &four) == 1) return ::inet_ntop(AF_INET, &four, room.data(), room.size());
  if (::inet_pton(AF_INET6, text.c_str(), &six) != 1) return std::nullopt;
  if (IN6_IS_ADDR_V4MAPPED(&six)) return ::inet_ntop(AF_INET, &six.s6_addr[12], room.data(), room.size());
  return ::inet_ntop(AF_INET6, &six, room.data(), room.size());
}

// A network ("100.64.0.0/10"), an address, or the name of an interface.
bool is_source(const std::string& text) {
  const auto slash = text.find('/');
  const bool is_address = canonical_address(text.substr(0, slash)).has_value();
  if (slash == std::string::npos)
    return is_address || (!text.empty() && text.size() < 16 && text.find_first_of(" \t:") == std::string::npos);
  const auto bits = base::parse_decimal<unsigned>(std::string_view(text).substr(slash + 1));
  return is_address && bits && *bits <= (text.find(':') == std::string::npos ? 32U : 128U);
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& file) : text_(text), problems_(file) { state_.file = file; }

  Result<ExpectedState> read() {
    const auto root = config::yaml::parse(text_, problems_);
    if (!problems_.any() && (!root || root->kind != Node::Kind::mapping)) {
      problems_.add(root ? root->mark : Mark{}, "an expected state is a mapping with `version: 1` and `listeners`");
    }
    if (!problems_.any()) document(*root);
    if (problems_.any()) return fail(problems_.text());
    return std::move(state_);
  }

 private:
  using Keys = std::map<std::string_view, std::function<void(const Node&)>>;

  void problem(const Node& at, std::string text) { problems_.add(at.mark, std::move(text)); }

  // Each member goes to the reader of its key; an unknown key is a problem.
  void members(const Node& mapping, const Keys& keys) {
    for (const auto& member : mapping.members) {
      const auto known = keys.find(member.key.text);
      if (known != keys.end()) {
        known->second(member.value);
        continue;
      }
      std::string names;
      for (const auto& [name, ignored] : keys) names += (names.empty() ? "" : ", ") + std::string(name);
      problem(member.key, "unknown key " + quote(member.key.text) + "; known here: " + names);
    }
  }

  std::function<void(const Node&)> text_into(std::string& place) {
    return [this, &place](const Node& node) {
      if (!node.is_scalar() || node.text.empty() || node.is_null()) return problem(node, "a text is needed here");
      if (node.text.find_first_of("\n\r\t") != std::string::npos)
        return problem(node, "line ends and tabs are refused here");
      place = node.text;
    };
  }

  std::function<void(const Node&)> texts_into(std::vector<std::string>& place) {
    return [this, &place](const Node& node) {
      if (node.is_scalar()) {
        std::string one;
        text_into(one)(node);
        if (!one.empty()) place.push_back(std::move(one));
        return;
      }
      if (node.kind != Node::Kind::sequence) return problem(node, "a text or a list of texts is needed here");
      for (const Node& item : node.items) {
        std::string one;
        text_into(one)(item);
        if (!one.empty()) place.push_back(std::move(one));
      }
    };
  }

  void document(const Node& root) {
    members(root,
            {{"version", [this](const Node& node) { version(node); }},
             {"protocols", [this](const Node& node) { protocols(node); }},
             {"namespaces", [this](const Node& node) { namespaces(node); }},
             {"listeners", [this](const Node& node) { each(node, [this](const Node& item) { listener(item); }); }},
             {"accepted", [this](const Node& node) { each(node, [this](const Node& item) { accepted(item); }); }}});
    for (const std::string_view needed : {"version", "listeners"})
      if (root.find(needed) == nullptr) problem(root, "`" + std::string(needed) + "` is missing");
  }

  void version(const Node& node) {
    if (!node.is_scalar() || node.text != "1") problem(node, "`version` is 1");
  }

  void namespaces(const Node& node) {
    if (!node.is_scalar() || (node.text != "own" && node.text != "all"))
      return problem(node, "`namespaces` is `all` or `own`");
    state_.other_spaces = node.text == "all";
  }

  void protocols(const Node& node) {
    std::vector<std::string> names;
    texts_into(names)(node);
    const auto has = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
    for (const std::string& name : names)
      if (name != "tcp" && name != "udp" && name != "unix") problem(node, "`protocols` lists tcp, udp, unix");
    state_.tcp = has("tcp");
    state_.udp = has("udp");
    state_.unix_sockets = has("unix");
  }

  void each(const Node& list, const std::function<void(const Node&)>& item) {
    if (list.is_null()) return;
    if (list.kind != Node::Kind::sequence) return problem(list, "a list is needed here");
    for (const Node& one : list.items) {
      if (one.kind == Node::Kind::mapping)
        item(one);
      else if (one.kind != Node::Kind::refused)
        problem(one, "a mapping is needed here");
    }
  }

  void listener(const Node& node) {
    ExpectedListener entry;
    entry.line = node.mark.line;
    std::string protocol;
    members(node, {{"protocol", text_into(protocol)},
                   {"namespace", text_into(entry.place.space)},
                   {"address", [&](const Node& value) { address(value, entry); }},
                   {"port", [&](const Node& value) { port(value, entry); }},
                   {"device", text_into(entry.place.device)},
                   {"v6only", [&](const Node& value) { v6only(value, entry); }},
                   {"path", text_into(entry.place.path)},
                   {"user", text_into(entry.user)},
                   {"executable", texts_into(entry.executables)},
                   {"mode", [&](const Node& value) { mode(value, entry); }},
                   {"owner", text_into(entry.owner)},
                   {"group", text_into(entry.group)},
                   {"sources", [&](const Node& value) { sources(value, entry); }},
                   {"comment", text_into(entry.comment)}});
    const auto known = protocol_named(protocol);
    if (!known)
      return problem(node, "`protocol` is tcp, mptcp, sctp, udp, udplite, unix, unix-datagram or unix-seqpacket");
    entry.place.protocol = *known;
    shape(node, entry);
    if (state_.listeners.size() == kMaxListeners) problem(node, fmt::format("more than {} listeners", kMaxListeners));
    const std::string place = entry.place.text();
    if (const auto [first, is_new] = seen_.try_emplace(place, entry.line); !is_new)
      problem(node, fmt::format("{} stands in line {} already", quote(place), first->second));
    if (state_.listeners.size() < kMaxListeners) state_.listeners.push_back(std::move(entry));
  }

  // Which keys belong together.
  void shape(const Node& node, ExpectedListener& entry) {
    const auto refuse = [&](std::initializer_list<std::string_view> keys, std::string_view why) {
      for (const std::string_view key : keys)
        if (const Node* value = node.find(key)) problem(*value, fmt::format("`{}` {}", key, why));
    };
    if (is_unix(entry.place.protocol)) {
      refuse({"address", "port", "device", "v6only", "sources"}, "does not belong to a Unix socket");
      if (node.find("path") == nullptr) problem(node, "`path` is missing");
      if (entry.place.is_abstract())
        refuse({"mode", "owner", "group"}, "does not belong to an abstract socket: it has no file");
      return;
    }
    refuse({"path", "mode", "owner", "group"}, "belongs to Unix sockets alone");
    for (const std::string_view key : {"address", "port"})
      if (node.find(key) == nullptr) problem(node, fmt::format("`{}` is missing", key));
    // Without a word about it "::" is meant as IPv6 alone: the narrower of the two.
    if (node.find("v6only") == nullptr)
      entry.place.v6only = entry.place.address == "::";
    else if (entry.place.address != "::" && !entry.place.address.empty())
      refuse({"v6only"}, "belongs to the address `::` alone");
    if (entry.any_port && entry.executables.empty())
      problem(node, "`port: any` needs an `executable`: else everything would be declared");
  }

  void address(const Node& node, ExpectedListener& entry) {
    const auto text = node.is_scalar() ? canonical_address(node.text) : std::nullopt;
    if (text)
      entry.place.address = *text;
    else
      problem(node, "`address` is an IPv4 or IPv6 address in digits, not " + quote(node.text));
  }

  void port(const Node& node, ExpectedListener& entry) {
    entry.any_port = node.is_scalar() && node.text == "any";
    const auto number = node.is_scalar() ? base::parse_decimal<std::uint16_t>(node.text) : std::nullopt;
    if (entry.any_port) return;
    if (number && *number != 0)
      entry.place.port = *number;
    else
      problem(node, "`port` is a number from 1 to 65535, or `any`");
  }

  void v6only(const Node& node, ExpectedListener& entry) {
    if (!node.is_scalar() || (node.text != "true" && node.text != "false"))
      return problem(node, "`v6only` is true or false");
    entry.place.v6only = node.text == "true";
  }

  void mode(const Node& node, ExpectedListener& entry) {
    const bool octal =
        node.is_scalar() && node.text.size() == 4 && node.text.find_first_not_of("01234567") == std::string::npos;
    if (octal)
      entry.mode = node.text;
    else
      problem(node, "`mode` is four octal digits, for example \"0660\"");
  }

  void sources(const Node& node, ExpectedListener& entry) {
    texts_into(entry.sources)(node);
    for (const std::string& source : entry.sources)
      if (!is_source(source)) problem(node, quote(source) + " is no network, address or interface");
  }

  void accepted(const Node& node) {
    Accepted entry;
    entry.line = node.mark.line;
    std::string finding;
    members(
        node,
        {{"finding", text_into(finding)}, {"subject", text_into(entry.subject)}, {"reason", text_into(entry.reason)}});
    for (const std::string_view needed : {"finding", "subject", "reason"})
      if (node.find(needed) == nullptr) problem(node, fmt::format("`{}` is missing", needed));
    const FindingKind* kind = kind_named(finding);
    if (kind == nullptr) return problem(node, quote(finding) + " is no finding of `clawql ports audit`");
    if (kind->could_not_tell) return problem(node, finding + " cannot be accepted: what was not seen cannot be judged");
    if (entry.subject == "*") return problem(node, "the subject `*` would accept every " + finding);
    entry.finding = kind->id;
    state_.accepted.push_back(std::move(entry));
  }

  std::string_view text_;
  Problems problems_;
  ExpectedState state_;
  std::map<std::string, std::size_t> seen_;
};

}  // namespace

Result<ExpectedState> parse_expected(std::string_view text, const std::string& file) {
  return Reader(text, file).read();
}

bool matches(std::string_view pattern, std::string_view text) {
  if (!pattern.ends_with('*')) return pattern == text;
  pattern.remove_suffix(1);
  return text.starts_with(pattern);
}

}  // namespace clawql::exposure::ports
