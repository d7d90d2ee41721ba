// The tags of firewalld's zone files: the little of XML that they use. Internal to the firewalld reader.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace clawql::exposure::firewall {

struct Tag {
  std::string name;
  std::map<std::string, std::string> attributes;
  bool opens = false, closes = false;  // `<a/>` does both
};
// An error: the text is no XML of this kind (a tag that does not end, tags that do not match).
Result<std::vector<Tag>> tags_of(std::string_view text);

}  // namespace clawql::exposure::firewall
