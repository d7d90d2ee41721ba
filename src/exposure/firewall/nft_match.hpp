// One `match` of nftables as a condition. Internal to the nft reader.
#pragma once

#include <string_view>

#include "exposure/firewall/nft_keys.hpp"

namespace clawql::exposure::firewall::nft {

// `right`: a value, a range, a set, "@name". `operation`: "==", "!=", "in", "<", …
Condition condition_of(const Keys& keys, std::string_view operation, json::Value right, const Surroundings& around);
Condition condition_of_match(json::Value match, const Surroundings& around);

}  // namespace clawql::exposure::firewall::nft
