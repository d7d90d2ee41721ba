// What rules do to packets beside letting them through: other destinations, other marks.
#pragma once

#include <cstdint>
#include <optional>

#include "exposure/firewall/rules.hpp"

namespace clawql::exposure::firewall {

Flows translated(const Flows& flows, const Translation& translation, Family family);
IntervalSet marked(const IntervalSet& before, const SetMark& change);
// The marks whose bits under `mask` are `value`; nullopt: too many pieces.
std::optional<IntervalSet> marks_like(std::uint32_t value, std::uint32_t mask);

}  // namespace clawql::exposure::firewall
