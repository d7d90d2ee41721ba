#include "exposure/firewall/zone_tags.hpp"

#include <array>
#include <utility>

namespace clawql::exposure::firewall {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string unescaped(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 5> kEntities{
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  std::string out;
  while (!text.empty()) {
    bool found = false;
    for (const auto& [entity, c] : kEntities)
      if (text.starts_with(entity)) {
        out += c;
        text.remove_prefix(entity.size());
        found = true;
        break;
      }
    if (found) continue;
    out += text.front();
    text.remove_prefix(1);
  }
  return out;
}

Status read_attributes(std::string_view inside, Tag& tag) {
  for (;;) {
    const auto start = inside.find_first_not_of(kBlanks);
    if (start == std::string_view::npos) return {};
    inside.remove_prefix(start);
    const auto equals = inside.find('=');
    if (equals == std::string_view::npos || equals + 1 >= inside.size())
      return fail("an attribute without a value in <" + tag.name + ">");
    const std::string name(inside.substr(0, inside.find_first_of(" \t\r\n=")));
    const auto open = inside.find_first_not_of(kBlanks, equals + 1);
    if (open == std::string_view::npos || (inside[open] != '"' && inside[open] != '\''))
      return fail("an attribute without quotes in <" + tag.name + ">");
    const auto close = inside.find(inside[open], open + 1);
    if (close == std::string_view::npos) return fail("a quote that is not closed in <" + tag.name + ">");
    tag.attributes[name] = unescaped(inside.substr(open + 1, close - open - 1));
    inside.remove_prefix(close + 1);
  }
}

}  // namespace

Result<std::vector<Tag>> tags_of(std::string_view text) {
  if (text.size() > (1U << 20)) return fail("more than 1 MiB");
  std::vector<Tag> out;
  std::vector<std::string> open;
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string_view::npos;) {
    const bool comment = text.substr(at).starts_with("<!--");
    const std::string_view end_mark = comment ? "-->" : ">";
    const auto end = text.find(end_mark, at);
    if (end == std::string_view::npos) return fail("a tag does not end: the file is cut");
    std::string_view inside = text.substr(at + 1, end - at - 1);
    at = end + end_mark.size();
    if (comment || inside.starts_with('?') || inside.starts_with('!')) continue;
    Tag tag;
    tag.closes = inside.starts_with('/');
    if (tag.closes) inside.remove_prefix(1);
    tag.opens = !tag.closes;
    if (inside.ends_with('/')) {
      tag.closes = true;
      inside.remove_suffix(1);
    }
    const auto name_end = inside.find_first_of(kBlanks);
    tag.name = std::string(inside.substr(0, name_end));
    if (tag.name.empty()) return fail("a tag without a name");
    if (name_end != std::string_view::npos) CLAWQL_CHECKED(read_attributes(inside.substr(name_end), tag));
    if (tag.opens && !tag.closes) open.push_back(tag.name);
    if (tag.closes && !tag.opens) {
      if (open.empty() || open.back() != tag.name) return fail("</" + tag.name + "> closes what is not open");
      open.pop_back();
    }
    out.push_back(std::move(tag));
  }
  if (!open.empty()) return fail("<" + open.back() + "> is not closed: the file is cut");
  if (out.empty()) return fail("there is no tag in it");
  return out;
}

}  // namespace clawql::exposure::firewall
