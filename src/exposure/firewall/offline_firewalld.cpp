#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "exposure/firewall/offline.hpp"
#include "exposure/firewall/zone_reader.hpp"

namespace clawql::exposure::firewall {
namespace {

// The order in which firewalld lays rules: by priority; among those of 0 what denies comes first, and what belongs to
// no <rule> before what does.
void sort_entries(std::vector<ZoneFile::Entry>& entries) {
  std::multimap<std::tuple<int, bool, bool>, ZoneFile::Entry> sorted;  // equal ones stay as they stood
  for (ZoneFile::Entry& entry : entries) {
    const std::tuple key(entry.priority, !entry.denies, entry.rich);
    sorted.emplace(key, std::move(entry));
  }
  entries.clear();
  for (auto& [key, entry] : sorted) entries.push_back(std::move(entry));
}

// A table with a chain for each file, and how packets come to them.
struct Table {
  std::string chains, rules;

  std::string text(std::string_view name, const std::string& base, const std::string& dispatch) const {
    return "*" + std::string(name) + "\n" + base + chains + rules + dispatch + "COMMIT\n";
  }
};

struct Layout {
  Table filter, nat;
  std::vector<std::string> by_source, by_interface, policies;  // after "-A INPUT" or "-A PREROUTING"
  std::string first_zone;
  std::size_t number = 0;

  void add(ZoneFile file) {
    sort_entries(file.entries);
    sort_entries(file.forwards);
    const std::string chain = (file.is_policy ? "policy_" : "zone_") + std::to_string(number++);
    filter.chains += ":" + chain + " - [0:0]\n";
    nat.chains += ":" + chain + " - [0:0]\n";
    // Which packets a policy is for depends on both zones: it may be all of them.
    const std::string maybe = file.is_policy ? std::string(kNotInZoneFile) + "policy" : "";
    for (const ZoneFile::Entry& entry : file.forwards)
      nat.rules += "-A " + chain + entry.match + maybe + " -j " + entry.target + "\n";
    const auto accept = [&](const ZoneFile::Entry& entry) {
      filter.rules += "-A " + chain + entry.match + maybe + " -j " + (entry.denies ? "DROP" : "ACCEPT") + "\n";
    };
    if (file.is_policy) {
      policies.push_back(" -j " + chain);
      if (!file.concerns_host) return;
      for (const ZoneFile::Entry& entry : file.entries)
        if (!entry.denies) accept(entry);
      if (file.target_accepts) filter.rules += "-A " + chain + maybe + " -j ACCEPT\n";
      return;
    }
    if (first_zone.empty()) first_zone = chain;
    std::ranges::for_each(file.entries, accept);
    filter.rules += "-A " + chain + " -j " + (file.target_accepts ? "ACCEPT" : "DROP") + "\n";
    for (const std::string& source : file.sources) by_source.push_back(source + " -g " + chain);
    for (const std::string& interface : file.interfaces) by_interface.push_back(" -i " + interface + " -g " + chain);
  }

  std::string dispatch(std::string_view base) const {
    const std::string start = "-A " + std::string(base);
    std::string out;
    for (const auto* rules : {&policies, &by_source, &by_interface})
      for (const std::string& rule : *rules) out += start + rule + "\n";
    out += start + " -g " + first_zone + "\n";
    return out;
  }
};

}  // namespace

Result<std::string> firewalld_as_save(const std::vector<std::pair<std::string, std::string>>& files, Family family) {
  Layout layout;
  for (const auto& [file, text] : files) {
    auto tags = tags_of(text);
    if (!tags) return std::unexpected(std::move(tags).error().in(file));
    auto zone = read_zone(*tags, family);
    if (!zone) return std::unexpected(std::move(zone).error().in(file));
    layout.add(std::move(*zone));
  }
  if (layout.first_zone.empty()) return fail("of firewalld's files policies alone were given: name the zones, too");
  // firewalld accepts what it has translated, whatever the zones say.
  const std::string first = "-A INPUT -m conntrack --ctstate DNAT -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n";
  return layout.filter.text("filter", ":INPUT DROP [0:0]\n", first + layout.dispatch("INPUT")) +
         layout.nat.text("nat", ":PREROUTING ACCEPT [0:0]\n", layout.dispatch("PREROUTING"));
}

}  // namespace clawql::exposure::firewall
