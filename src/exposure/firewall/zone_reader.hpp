// One zone or policy file of firewalld, as rules in the words of iptables. Internal to the firewalld reader.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "exposure/firewall/packet.hpp"
#include "exposure/firewall/zone_tags.hpp"

namespace clawql::exposure::firewall {

struct ZoneFile {
  struct Entry {
    int priority = 0;
    bool denies = false;
    bool rich = false;   // of a <rule>
    std::string match;   // " -s 1.2.3.4 -p tcp --dport 80"
    std::string target;  // of a forward-port: "DNAT --to-destination 10.0.0.1:80"
  };
  bool is_policy = false;
  bool concerns_host = false;   // a policy for packets to this host itself
  bool target_accepts = false;  // else what no rule accepts is denied, or (of a policy) left to the zones
  std::vector<std::string> interfaces, sources;
  std::vector<Entry> entries, forwards;
};

// What stands in a match instead of what the file says by a name alone: no rule language has it, so the reader of
// iptables-save counts it as not understood.
inline constexpr std::string_view kNotInZoneFile = " --clawql-not-in-the-zone-file ";

// The rules of that family.
Result<ZoneFile> read_zone(const std::vector<Tag>& tags, Family family);

}  // namespace clawql::exposure::firewall
