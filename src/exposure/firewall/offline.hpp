// Rule files of ufw and firewalld as what the kernel would get of them, in the words of iptables-save.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "exposure/firewall/packet.hpp"

namespace clawql::exposure::firewall {

// ufw's user.rules or user6.rules, with the chains that ufw itself puts around them. `denies`: its default for incoming
// packets; ufw keeps that elsewhere (/etc/default/ufw).
Result<std::string> ufw_as_save(std::string_view user_rules, Family family, bool denies);

// firewalld's zone and policy files (file name, text). Packets by an interface that no zone names get the first zone.
// What a zone says by name (services, ipsets) and is not in the file counts as open, and so does what a policy accepts
// or forwards; what a policy denies counts as nothing.
Result<std::string> firewalld_as_save(const std::vector<std::pair<std::string, std::string>>& files, Family family);

}  // namespace clawql::exposure::firewall
