// What the left side of an nftables match looks at. Internal to the nft reader.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "exposure/firewall/rules.hpp"
#include "exposure/firewall/topology.hpp"
#include "json/document.hpp"

namespace clawql::exposure::firewall::nft {

struct NamedSet {
  json::Value elements;
  bool changes = false;  // rules or time-outs change it while packets pass
};
using NamedSets = std::map<std::string, NamedSet>;  // of one table

struct Surroundings {
  Space space;
  const Topology& topology;
  const NamedSets& sets;
};

// What a match looks at, one part of a concatenation.
struct Key {
  enum class Kind : std::uint8_t {
    interface,
    address,
    port,
    protocol,
    family,
    ether_type,
    state,
    status,
    direction,
    flags,
    address_type,
    packet_type,
    mark
  };
  Kind kind = Kind::port;
  std::optional<Field> field;      // absent: the same for all packets of the space
  std::optional<Number> constant;  // then: that value
  bool wants_tracking = false;
  bool hidden = false;                     // a sender can make it differ (IPv6 extension headers)
  std::uint32_t mask = ~std::uint32_t{0};  // of a mark
};

struct Keys {
  std::vector<Key> parts;
  bool never = false;       // about another family or protocol
  std::string unknown;      // not empty: not understood
  bool either_way = false;  // then: because the sender decides (see Condition)
};

Keys keys_of(json::Value left, const Surroundings& around);

}  // namespace clawql::exposure::firewall::nft
