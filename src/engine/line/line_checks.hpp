// What several tests of the line look at.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <string_view>

#include "engine/line/line_rig.hpp"

namespace clawql::engine::line::testing_support {

inline constexpr std::string_view kPing = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";
inline constexpr std::string_view kList = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";

// Everything that a refusal must leave: status, code, body, metric, audit.
inline void expect_refused(Rig& rig, const DoorStream& stream, int status, int code, base::Reason reason) {
  EXPECT_EQ(stream.status, status) << stream.body;
  EXPECT_TRUE(stream.ended);
  EXPECT_EQ(stream.type, ipc::ContentType::json);
  EXPECT_EQ(stream.length, stream.body.size());
  EXPECT_THAT(stream.body, testing::HasSubstr("\"code\":" + std::to_string(code) + ",")) << stream.body;
  EXPECT_GE(rig.refusals(reason), 1U);
  EXPECT_TRUE(rig.audited({"refused", base::facts(reason).label}));
}

}  // namespace clawql::engine::line::testing_support
