#include "exposure/ports/compare.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>

#include "exposure/ports/diversions.hpp"
#include "exposure/ports/text.hpp"

namespace clawql::exposure::ports {
namespace {

std::string user_name(uid_t uid) {
  const passwd* user = ::getpwuid(uid);
  return user != nullptr ? user->pw_name : std::to_string(uid);
}

std::string group_name(gid_t gid) {
  const group* entry = ::getgrgid(gid);
  return entry != nullptr ? entry->gr_name : std::to_string(gid);
}

bool is_user(const std::string& declared, uid_t uid) {
  return declared == std::to_string(uid) || declared == user_name(uid);
}

bool is_group(const std::string& declared, gid_t gid) {
  return declared == std::to_string(gid) || declared == group_name(gid);
}

std::string owners_text(const Listener& listener) {
  std::string out = "user " + user_name(listener.uid);
  for (std::size_t i = 0; i < listener.owners.size() && i < 4; ++i) {
    const Owner& owner = listener.owners[i];
    out += fmt::format(", pid {} {}", owner.pid,
                       printable_bytes(owner.executable.empty() ? owner.name : owner.executable));
    if (!owner.container.empty()) out += " in container " + owner.container;
  }
  if (listener.owners.size() > 4) out += fmt::format(" and {} more", listener.owners.size() - 4);
  return out;
}

// How well a seen place fits a declared one.
enum class Fit : std::uint8_t { none, narrower, wider, exact };

bool same_address(const ExpectedListener& declared, const Place& seen) {
  return declared.place.address == seen.address && (seen.address != "::" || declared.place.v6only == seen.v6only);
}

bool covers(const Place& wide, const Place& narrow) {
  if (wide.address == narrow.address) return wide.address != "::" || !wide.v6only || narrow.v6only;
  if (!wide.is_any()) return false;
  const bool narrow_is_six = narrow.address.find(':') != std::string::npos;
  if (wide.address == "0.0.0.0") return !narrow_is_six;
  return narrow_is_six || !wide.v6only;
}

Fit fit(const ExpectedListener& declared, const Place& seen) {
  const Place& place = declared.place;
  if (!matches(place.space, seen.space)) return Fit::none;
  if (is_unix(place.protocol) || is_unix(seen.protocol))
    return place.protocol == seen.protocol && matches(place.path, seen.path) ? Fit::exact : Fit::none;
  const bool multipath = place.protocol == Protocol::tcp && seen.protocol == Protocol::mptcp;
  const bool singlepath = place.protocol == Protocol::mptcp && seen.protocol == Protocol::tcp;
  if (place.protocol != seen.protocol && !multipath && !singlepath) return Fit::none;
  if (!declared.any_port && place.port != seen.port) return Fit::none;
  const bool device_same = place.device == seen.device;
  if (same_address(declared, seen) && device_same && !multipath && !singlepath) return Fit::exact;
  const bool seen_wider = covers(seen, place) || (seen.is_any() && !place.is_any());
  if (seen_wider && (device_same || seen.device.empty()) && !singlepath) return Fit::wider;
  if (covers(place, seen) && (device_same || place.device.empty()) && !multipath) return Fit::narrower;
  return Fit::none;
}

class Comparison {
 public:
  Comparison(const ExpectedState& expected, const Survey& survey) : expected_(expected), survey_(survey) {}

  std::vector<Finding> run() {
    index();
    met_.resize(expected_.listeners.size());
    std::vector<const Listener*> left;
    for (const Listener& listener : survey_.listeners)
      if (is_compared(listener.place) && !exact(listener)) left.push_back(&listener);
    for (const Listener* listener : left) strange(*listener);
    for (std::size_t i = 0; i < met_.size(); ++i)
      if (!met_[i]) missing(expected_.listeners[i]);
    for (const Finding& way : survey_.ways)
      if (in_scope(way.subject)) add(way);
    for (const Finding& gap : survey_.gaps)
      if (in_scope(gap.subject)) add(gap);
    return settle();
  }

 private:
  bool is_compared(const Place& place) const {
    if (!expected_.other_spaces && !place.space.empty()) return false;
    if (is_unix(place.protocol)) return expected_.unix_sockets;
    const bool datagrams = place.protocol == Protocol::udp || place.protocol == Protocol::udplite;
    return datagrams ? expected_.udp : expected_.tcp;
  }
  bool in_scope(const std::string& subject) const { return expected_.other_spaces || !subject.starts_with('['); }

  void index() {
    for (std::size_t i = 0; i < expected_.listeners.size(); ++i) {
      const ExpectedListener& declared = expected_.listeners[i];
      const bool pattern = declared.any_port || declared.place.path.ends_with('*');
      if (pattern)
        patterns_.push_back(i);
      else
        by_key_[key_of(declared.place)].push_back(i);
    }
  }
  static std::string key_of(const Place& place) {
    return is_unix(place.protocol) ? place.path : std::to_string(place.port);
  }

  // Declared listeners that may fit, exact names before patterns.
  std::vector<std::size_t> candidates(const Place& seen) const {
    std::vector<std::size_t> result;
    if (const auto found = by_key_.find(key_of(seen)); found != by_key_.end()) result = found->second;
    result.insert(result.end(), patterns_.begin(), patterns_.end());
    return result;
  }

  void add(Finding finding) { findings_.push_back(std::move(finding)); }
  void add(FindingId id, const Place& place, std::string text, std::size_t line) {
    findings_.push_back({id, place.text(), std::move(text), line});
  }

  bool exact(const Listener& listener) {
    for (const std::size_t i : candidates(listener.place)) {
      const ExpectedListener& declared = expected_.listeners[i];
      if (fit(declared, listener.place) != Fit::exact) continue;
      // Any port was declared for one program; others have no part in it.
      if (declared.any_port && (listener.owners.empty() || !other_owner(declared, listener).empty())) continue;
      met_[i] = true;
      judge(declared, listener);
      return true;
    }
    return false;
  }

  // A listener where one was declared: is it the declared one's?
  void judge(const ExpectedListener& declared, const Listener& listener) {
    const std::string where = listener.place.text();
    const bool of_kernel = declared.executables == std::vector<std::string>{"kernel"};
    if (listener.owners.empty()) {
      if (!of_kernel) unknown_owner(listener, declared.line);
    } else {
      judge_owner(declared, listener);
    }
    if (!listener.owners.empty() && listener.owner_unreadable && !declared.executables.empty())
      add(FindingId::owner_unknown, listener.place, where + ": the program of an owner could not be read",
          declared.line);
    if (is_unix(listener.place.protocol) && !listener.place.is_abstract()) judge_file(declared, listener);
  }

  // Why this is not the declared owner; "" when it is.
  static std::string other_owner(const ExpectedListener& declared, const Listener& listener) {
    std::string why;
    if (!declared.user.empty() && !is_user(declared.user, listener.uid))
      why = "user " + declared.user + " was declared";
    for (const Owner& owner : listener.owners) {
      if (!why.empty() || declared.executables.empty() || owner.executable.empty()) continue;
      const std::string program = printable_bytes(owner.executable);
      if (std::ranges::none_of(declared.executables, [&](const std::string& known) { return matches(known, program); }))
        why = "declared was " + declared.executables.front();
    }
    return why;
  }

  void judge_owner(const ExpectedListener& declared, const Listener& listener) {
    const std::string why = other_owner(declared, listener);
    if (!why.empty())
      add(FindingId::owner_changed, listener.place, listener.place.text() + ": " + owners_text(listener) + "; " + why,
          declared.line);
  }

  void judge_file(const ExpectedListener& declared, const Listener& listener) {
    const std::string where = listener.place.text();
    if (!listener.file) {
      if (!declared.mode.empty() || !declared.owner.empty() || !declared.group.empty())
        add(FindingId::view_incomplete, listener.place, where + ": its file could not be looked at", declared.line);
      return;
    }
    const SocketFile& file = *listener.file;
    if (!file.same)
      return add(FindingId::socket_replaced, listener.place, where + ": " + owners_text(listener), declared.line);
    const std::string mode = fmt::format("{:04o}", file.mode);
    if (!declared.mode.empty() && declared.mode != mode)
      add(FindingId::socket_mode, listener.place,
          fmt::format("{}: mode {}, declared was {}", where, mode, declared.mode), declared.line);
    std::string why;
    if (!declared.owner.empty() && !is_user(declared.owner, file.owner))
      why = fmt::format("owner {}, declared was {}", user_name(file.owner), declared.owner);
    else if (!declared.group.empty() && !is_group(declared.group, file.group))
      why = fmt::format("group {}, declared was {}", group_name(file.group), declared.group);
    if (!why.empty()) add(FindingId::socket_group, listener.place, where + ": " + why, declared.line);
  }

  void unknown_owner(const Listener& listener, std::size_t line) {
    add(FindingId::owner_unknown, listener.place, listener.place.text() + ": user " + user_name(listener.uid), line);
  }

  // A listener in a place that was not declared: one that moved, or a new one.
  void strange(const Listener& listener) {
    for (const Fit wanted : {Fit::wider, Fit::narrower}) {
      for (const std::size_t i : candidates(listener.place)) {
        const ExpectedListener& declared = expected_.listeners[i];
        if (declared.any_port) continue;
        if ((met_[i] && !moved_.contains(i)) || fit(declared, listener.place) != wanted) continue;
        if (wanted == Fit::narrower && !other_owner(declared, listener).empty()) continue;
        met_[i] = true;
        moved_.insert(i);
        const bool wider = wanted == Fit::wider;
        add(wider ? FindingId::widened : FindingId::missing, declared.place,
            fmt::format("{}: {} {} instead ({})", declared.place.text(),
                        wider ? "open wider, as" : "not open; there is", listener.place.text(), owners_text(listener)),
            declared.line);
        return;
      }
    }
    unexpected(listener);
  }

  void unexpected(const Listener& listener) {
    const std::string where = listener.place.text();
    if (listener.owners.empty()) {
      unknown_owner(listener, 1);
      const FindingId id = listener.place.is_abstract() ? FindingId::abstract_socket : FindingId::unexpected;
      return add(id, listener.place, where + ": " + owners_text(listener), 1);
    }
    const Owner& owner = listener.owners.front();
    const std::string_view program = base_name(owner.executable);
    if (program == "ssh" || (program.starts_with("sshd") && is_ssh_session(owner)))
      return add(FindingId::ssh_forward, listener.place, where + ": " + owners_text(listener), 1);
    if (program == "docker-proxy") {
      const std::string protocol(name_of(listener.place.protocol));
      const std::string space = listener.place.space.empty() ? "" : "[" + listener.place.space + "] ";
      const std::string subject =
          space + docker_subject(protocol, listener.place.address, std::to_string(listener.place.port));
      return add({FindingId::docker_published, subject, subject + ": " + owners_text(listener), 1});
    }
    if (owner.name == "tailscaled" && is_served(listener.place.port)) return;
    if (listener.place.is_abstract())
      return add(FindingId::abstract_socket, listener.place, where + ": " + owners_text(listener), 1);
    add(FindingId::unexpected, listener.place, where + ": " + owners_text(listener), 1);
  }

  // "sshd: alice@pts/0", "sshd-session: alice [priv]"; the daemon itself is "sshd: /usr/sbin/sshd -D [listener] …".
  static bool is_ssh_session(const Owner& owner) {
    const auto path = owner.command.find('/');
    return owner.command.starts_with("sshd") && owner.command.find(": ") != std::string::npos &&
           owner.command.find("[listener]") == std::string::npos &&
           (path == std::string::npos || path > owner.command.find('@'));
  }

  bool is_served(std::uint16_t port) const {
    const std::string part = fmt::format(" tcp:{} ", port);
    return std::ranges::any_of(survey_.ways, [&](const Finding& way) {
      return way.subject.starts_with("tailscale ") && way.subject.find(part) != std::string::npos;
    });
  }

  void missing(const ExpectedListener& declared) {
    if (!is_compared(declared.place)) return;
    const std::string& space = declared.place.space;
    const bool there =
        std::ranges::any_of(survey_.spaces, [&](const std::string& seen) { return matches(space, seen); });
    if (there) return add(FindingId::missing, declared.place, declared.place.text() + " is not open", declared.line);
    add({FindingId::namespace_missing, "[" + space + "]", "network namespace " + space + " does not exist",
         declared.line});
  }

  // Accepted ones out, each difference once, gaps first.
  std::vector<Finding> settle() {
    std::vector<bool> used(expected_.accepted.size());
    std::erase_if(findings_, [&](const Finding& finding) {
      bool accepted = false;
      for (std::size_t i = 0; i < expected_.accepted.size(); ++i) {
        const Accepted& one = expected_.accepted[i];
        if (one.finding != finding.id || !matches(one.subject, finding.subject)) continue;
        used[i] = accepted = true;
      }
      return accepted;
    });
    for (std::size_t i = 0; i < used.size(); ++i) {
      const Accepted& one = expected_.accepted[i];
      if (!used[i])
        add({FindingId::acceptance_unused, one.subject, std::string(kind_of(one.finding).name) + ": " + one.subject,
             one.line});
    }
    const auto rank = [](const Finding& finding) {
      const FindingKind& kind = kind_of(finding.id);
      return std::tuple(!kind.could_not_tell, -static_cast<int>(kind.severity), kind.name, finding.subject);
    };
    std::ranges::sort(findings_, std::less{}, rank);
    const auto same = std::ranges::unique(
        findings_, [](const Finding& a, const Finding& b) { return a.id == b.id && a.subject == b.subject; });
    findings_.erase(same.begin(), same.end());
    return std::move(findings_);
  }

  const ExpectedState& expected_;
  const Survey& survey_;
  std::unordered_map<std::string, std::vector<std::size_t>> by_key_;
  std::vector<std::size_t> patterns_;
  std::vector<bool> met_;
  std::set<std::size_t> moved_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> compare(const ExpectedState& expected, const Survey& survey) {
  return Comparison(expected, survey).run();
}

}  // namespace clawql::exposure::ports
