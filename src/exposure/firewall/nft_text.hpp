// A piece of nft's JSON as a short text for reports.
#pragma once

#include <string>

#include "json/document.hpp"

namespace clawql::exposure::firewall::nft {

std::string text_of(json::Value value);

}  // namespace clawql::exposure::firewall::nft
