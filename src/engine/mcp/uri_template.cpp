#include "engine/mcp/uri_template.hpp"

#include <cstddef>
#include <vector>

namespace clawql::engine::mcp {
namespace {

// The places in the URI that the template can have reached so far.
using Reached = std::vector<bool>;

bool take_literal(Reached& reached, std::string_view uri, std::string_view literal) {
  Reached next(uri.size() + 1, false);
  bool any = false;
  for (std::size_t at = 0; at + literal.size() <= uri.size(); ++at)
    if (reached[at] && uri.substr(at, literal.size()) == literal) next[at + literal.size()] = any = true;
  reached = std::move(next);
  return any;
}

void take_expression(Reached& reached, std::string_view uri, bool is_simple) {
  Reached next(uri.size() + 1, false);
  bool open = false;  // an expression that began before this place may still run
  for (std::size_t at = 0; at <= uri.size(); ++at) {
    next[at] = open || (!is_simple && reached[at]);
    open = open || reached[at];
    if (is_simple && at < uri.size() && uri[at] == '/') open = false;
  }
  reached = std::move(next);
}

}  // namespace

bool matches_template(std::string_view uri_template, std::string_view uri) {
  Reached reached(uri.size() + 1, false);
  reached[0] = true;
  while (!uri_template.empty()) {
    const std::size_t brace = uri_template.find('{');
    const std::string_view literal = uri_template.substr(0, brace);
    if (!literal.empty() && !take_literal(reached, uri, literal)) return false;
    if (brace == std::string_view::npos) break;
    const std::size_t end = uri_template.find('}', brace);
    if (end == std::string_view::npos || end == brace + 1) return false;
    constexpr std::string_view kOperators = "+#./;?&";
    take_expression(reached, uri, kOperators.find(uri_template[brace + 1]) == std::string_view::npos);
    uri_template.remove_prefix(end + 1);
  }
  return reached[uri.size()];
}

}  // namespace clawql::engine::mcp
