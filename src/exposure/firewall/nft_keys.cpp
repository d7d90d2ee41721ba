#include "exposure/firewall/nft_keys.hpp"

#include <utility>

#include "exposure/firewall/nft_text.hpp"
#include "exposure/firewall/protocol.hpp"

namespace clawql::exposure::firewall::nft {
namespace {

using json::Value;

Keys one(const Key& key) {
  return {{key}, false, {}, false};
}
Keys never() {
  return {{}, true, {}, false};
}
Keys unknown(std::string what) {
  return {{}, false, std::move(what), false};
}
// Whoever sends the packet makes it so or not.
Keys senders_choice(std::string what) {
  return {{}, false, std::move(what), true};
}

Keys meta_key(std::string_view key, Space space) {
  if (key == "iifname" || key == "iif") return one({Key::Kind::interface, Field::in_interface, {}});
  if (key == "oifname" || key == "oif") return one({Key::Kind::interface, Field::out_interface, {}});
  if (key == "l4proto") return one({Key::Kind::protocol, {}, Number{space.protocol}});
  if (key == "nfproto") return one({Key::Kind::family, {}, Number{space.family == Family::ipv4 ? 2U : 10U}});
  if (key == "protocol")
    return one({Key::Kind::ether_type, {}, Number{space.family == Family::ipv4 ? 0x0800U : 0x86ddU}});
  if (key == "pkttype") return one({Key::Kind::packet_type, {}, Number{0}, false, space.protocol != kTcp});
  if (key == "mark") return one({Key::Kind::mark, Field::mark, {}});
  if (key == "length") return senders_choice("meta length");
  return unknown("meta " + std::string(key));
}

Keys address_key(std::string_view field, Family family, Space space) {
  if (family != space.family) return never();
  if (field == "saddr") return one({Key::Kind::address, Field::source, {}});
  if (field == "daddr") return one({Key::Kind::address, Field::destination, {}});
  if (field == "protocol") return one({Key::Kind::protocol, {}, Number{space.protocol}});
  if (field == "nexthdr") return one({Key::Kind::protocol, {}, Number{space.protocol}, false, true});
  if (field == "version") return unknown("ip version");
  return senders_choice((family == Family::ipv4 ? "ip " : "ip6 ") + std::string(field));
}

Keys payload_key(Value payload, Space space) {
  const std::string protocol = payload.find("protocol").string().value_or("");
  const std::string field = payload.find("field").string().value_or("");
  if (protocol.empty()) return unknown("a match on raw bytes");
  if (protocol == "ip") return address_key(field, Family::ipv4, space);
  if (protocol == "ip6") return address_key(field, Family::ipv6, space);
  if (protocol != "th") {
    const auto number = protocol_number(protocol);
    if (!number) return unknown(protocol + " " + field);
    if (*number != space.protocol) return never();
  }
  if (field == "dport") return one({Key::Kind::port, Field::destination_port, {}});
  if (field == "sport") return one({Key::Kind::port, Field::source_port, {}});
  if (field != "flags") return senders_choice(protocol + " " + field);
  if (field == "flags" && space.protocol == kTcp) return one({Key::Kind::flags, {}, Number{kSyn}, false, true});
  return unknown(protocol + " " + field);
}

Keys tracking_key(Value ct, Space space) {
  const std::string key = ct.find("key").string().value_or("");
  const std::string direction = ct.find("dir").string().value_or("");
  if (key == "state") return one({Key::Kind::state, Field::state, {}});
  if (key == "direction") return one({Key::Kind::direction, {}, Number{0}, true});
  if (key == "status") return one({Key::Kind::status, Field::translated, {}, true});
  if (key == "protocol") return one({Key::Kind::protocol, {}, Number{space.protocol}, true});
  if (key == "l3proto") return one({Key::Kind::family, {}, Number{space.family == Family::ipv4 ? 2U : 10U}, true});
  if (direction == "original") {
    const bool four = key.starts_with("ip ") || !key.starts_with("ip6 ");
    const bool named = key.starts_with("ip ") || key.starts_with("ip6 ");
    if (named && four != (space.family == Family::ipv4)) return never();
    if (key.ends_with("saddr")) return one({Key::Kind::address, Field::source, {}, true});
    if (key.ends_with("daddr")) return one({Key::Kind::address, Field::original_destination, {}, true});
    if (key == "proto-src") return one({Key::Kind::port, Field::source_port, {}, true});
    if (key == "proto-dst") return one({Key::Kind::port, Field::original_destination_port, {}, true});
  }
  return unknown("ct " + (direction.empty() ? key : direction + " " + key));
}

Keys fib_key(Value fib) {
  const Value flags = fib.find("flags");
  const bool of_destination =
      flags.equals("daddr") || (flags.size() == 1 && (*flags.elements().begin()).equals("daddr"));
  if (fib.find("result").equals("type") && of_destination)
    return one({Key::Kind::address_type, Field::destination, {}});
  return unknown("fib " + text_of(fib.find("flags")) + " " + text_of(fib.find("result")) +
                 " (the answer depends on the routes)");
}

}  // namespace

Keys keys_of(Value left, const Surroundings& around) {
  if (const Value meta = left.find("meta")) return meta_key(meta.find("key").string().value_or(""), around.space);
  if (const Value payload = left.find("payload")) return payload_key(payload, around.space);
  if (const Value ct = left.find("ct")) return tracking_key(ct, around.space);
  if (const Value fib = left.find("fib")) return fib_key(fib);
  // Headers that a packet may have or not.
  if (left.find("exthdr") || left.find("tcp option") || left.find("ip option")) return senders_choice(text_of(left));
  if (const Value concat = left.find("concat")) {
    Keys out;
    for (const Value part : concat.elements()) {
      Keys inner = keys_of(part, around);
      if (inner.never) return never();
      if (!inner.unknown.empty() && out.unknown.empty()) out.unknown = inner.unknown;
      out.either_way = false;
      out.parts.insert(out.parts.end(), inner.parts.begin(), inner.parts.end());
    }
    return out;
  }
  if (const Value masked = left.find("&"); masked.size() == 2) {
    Keys inner = keys_of(*masked.elements().begin(), around);
    if (inner.never) return inner;
    if (inner.parts.size() == 1 && inner.parts[0].kind == Key::Kind::flags) return inner;
    const auto mask = (*++masked.elements().begin()).uint64();
    if (inner.parts.size() == 1 && inner.parts[0].kind == Key::Kind::mark && mask && *mask <= 0xffffffffU) {
      inner.parts[0].mask = static_cast<std::uint32_t>(*mask);
      return inner;
    }
    return unknown(text_of(left));
  }
  return unknown(text_of(left));
}

}  // namespace clawql::exposure::firewall::nft
