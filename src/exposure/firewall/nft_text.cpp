#include "exposure/firewall/nft_text.hpp"

namespace clawql::exposure::firewall::nft {

using json::Kind;
using json::Value;

std::string text_of(Value value) {
  if (!value) return "?";
  if (const auto text = value.string()) return *text;
  if (value.is(Kind::array)) {
    std::string out;
    for (const Value element : value.elements()) {
      if (out.size() > 120) return out + ", ...";
      out += (out.empty() ? "" : ", ") + text_of(element);
    }
    return out;
  }
  if (!value.is(Kind::object)) return std::string(value.raw());
  if (const Value set = value.find("set")) return "{ " + text_of(set) + " }";
  if (const Value range = value.find("range"); range.size() == 2) {
    auto at = range.elements().begin();
    const std::string first = text_of(*at);
    return first + "-" + text_of(*++at);
  }
  if (const Value prefix = value.find("prefix"))
    return text_of(prefix.find("addr")) + "/" + text_of(prefix.find("len"));
  if (const Value meta = value.find("meta")) return text_of(meta.find("key"));
  if (const Value payload = value.find("payload")) {
    if (!payload.find("protocol")) return "raw bytes";
    return text_of(payload.find("protocol")) + " " + text_of(payload.find("field"));
  }
  if (const Value ct = value.find("ct"))
    return "ct " + (ct.find("dir") ? text_of(ct.find("dir")) + " " : "") + text_of(ct.find("key"));
  for (const auto& [key, member] : value.members()) {
    std::string name = key.string().value_or("");
    if (member.is(Kind::null)) return name;
    if (name == "&" && member.size() == 2) {
      auto at = member.elements().begin();
      const std::string first = text_of(*at);
      return first + " & " + text_of(*++at);
    }
    if (name == "elem" && member.find("val")) return text_of(member.find("val"));
    return name + " " + (member.is(Kind::object) ? "..." : text_of(member));
  }
  return "{}";
}

}  // namespace clawql::exposure::firewall::nft
