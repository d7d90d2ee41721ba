// The right side of an nftables match: values, ranges and sets of them, as boxes. Internal to the nft reader.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "exposure/firewall/nft_keys.hpp"

namespace clawql::exposure::firewall::nft {

struct Values {
  std::vector<Box> boxes;
  std::string unknown;  // an element was not understood
  bool changes = false;
};

// One part's value: a scalar, a prefix or a range. nullopt: not understood.
std::optional<IntervalSet> part_value(const Key& key, json::Value value, const Surroundings& around);
// `right`: a value, a list, a set or "@name".
void add_values(Values& out, const Keys& keys, json::Value right, const Surroundings& around);

}  // namespace clawql::exposure::firewall::nft
