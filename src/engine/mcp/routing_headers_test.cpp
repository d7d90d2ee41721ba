#include "engine/mcp/routing_headers.hpp"

#include <gtest/gtest.h>

namespace clawql::engine::mcp {
namespace {

std::string said_of(const RoutingHeaders& headers, const std::string& text) {
  const auto document = json::Document::parse(text, {});
  return disagreement(headers, *Message::read(document->root()));
}
std::string said_of_params(std::vector<std::string> params, const std::string& tool, const std::string& arguments) {
  const auto document = json::Document::parse(arguments, {});
  return disagreement({.method = {}, .name = {}, .params = std::move(params)}, tool, document->root());
}

TEST(DecodeHeader, reads_the_vectors_of_the_specification) {
  EXPECT_EQ(decode_header("=?base64?IHBhZGRlZCA=?="), " padded ");
  EXPECT_EQ(decode_header("=?base64?bGluZTEKbGluZTI=?="), "line1\nline2");
  EXPECT_EQ(decode_header("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="), "=?base64?literal?=");
  EXPECT_EQ(decode_header("=?base64?"
                          "?="),
            "");
  EXPECT_EQ(decode_header("plain"), "plain");
}

TEST(DecodeHeader, takes_half_a_sentinel_as_text) {
  EXPECT_EQ(decode_header("=?base64?SGVsbG8="), "=?base64?SGVsbG8=");
  EXPECT_EQ(decode_header("SGVsbG8=?="), "SGVsbG8=?=");
  EXPECT_EQ(decode_header("=?BASE64?SGVsbG8=?="), "=?BASE64?SGVsbG8=?=");
  EXPECT_EQ(decode_header("=?base64?="), "=?base64?=");
}

TEST(DecodeHeader, refuses_what_is_no_base64_of_utf8) {
  for (const char* bad : {"=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "=?base64?SGVsbG9=?=", "=?base64?/w==?=",
                          "=?base64?A===?=", "=?base64?S===?="})
    EXPECT_FALSE(decode_header(bad)) << bad;
}

TEST(RoutingHeaders, must_name_the_method_of_the_body_in_its_case) {
  const std::string list = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";
  EXPECT_EQ(said_of({.method = "tools/list"}, list), "");
  EXPECT_EQ(said_of({.method = "TOOLS/LIST"}, list), "header Mcp-Method differs from the body");
  EXPECT_EQ(said_of({}, list), "header Mcp-Method is missing");
}

TEST(RoutingHeaders, must_name_what_is_called) {
  const std::string call = R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"gr\u00fcn"}})";
  EXPECT_EQ(said_of({.method = "tools/call", .name = "=?base64?Z3LDvG4=?="}, call), "");
  EXPECT_EQ(said_of({.method = "tools/call", .name = "gr"}, call), "header Mcp-Name differs from the body");
  EXPECT_EQ(said_of({.method = "tools/call"}, call), "header Mcp-Name is missing");
  const std::string read = R"({"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a:b"}})";
  EXPECT_EQ(said_of({.method = "resources/read", .name = "a:b"}, read), "");
  EXPECT_EQ(said_of({.method = "resources/read", .name = "a:c"}, read), "header Mcp-Name differs from the body");
}

TEST(ParamHeaders, repeat_the_annotated_arguments) {
  const std::string tool = R"({"name":"t","inputSchema":{"type":"object","properties":{
    "region":{"type":"string","x-mcp-header":"Region"},
    "deep":{"type":"object","properties":{"size":{"type":"integer","x-mcp-header":"Size"}}}}}})";
  const std::string body = R"({"region":"eu","deep":{"size":42}})";
  EXPECT_EQ(said_of_params({"region: eu", "Size: 42.0", "Other: x"}, tool, body), "");
  EXPECT_EQ(said_of_params({"Region: us", "Size: 42"}, tool, body), "header Mcp-Param-Region differs from the body");
  EXPECT_EQ(said_of_params({"Region: eu"}, tool, body), "header Mcp-Param-Size is missing");
  EXPECT_EQ(said_of_params({"Region: eu", "REGION: eu", "Size: 42"}, tool, body), "header Mcp-Param-Region came twice");
  EXPECT_EQ(said_of_params({"Region: eu"}, tool, "{}"), "header Mcp-Param-Region has no argument in the body");
  EXPECT_EQ(said_of_params({}, tool, R"({"region":null})"), "");
  EXPECT_EQ(said_of_params({"Region: =?base64?ZXU?=", "Size: 42"}, tool, body),
            "header Mcp-Param-Region is not lawfully encoded");
}

TEST(ParamHeaders, mean_nothing_without_an_annotation) {
  const std::string tool = R"({"name":"t","inputSchema":{"type":"object","properties":{"a":{"type":"string"}}}})";
  EXPECT_EQ(said_of_params({"A: x"}, tool, R"({"a":"y"})"), "");
}

}  // namespace
}  // namespace clawql::engine::mcp
