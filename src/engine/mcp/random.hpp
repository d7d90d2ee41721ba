// 256 bits from the kernel, and comparing what they protect.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace clawql::engine::mcp {

Result<std::array<std::uint8_t, 32>> random_bytes();
bool equal_in_constant_time(std::string_view left, std::string_view right);

}  // namespace clawql::engine::mcp
