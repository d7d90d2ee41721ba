#include "engine/upstream/item_collector.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace clawql::engine::upstream {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string tool(std::string_view name) {
  return R"({"name":")" + std::string(name) + R"(","inputSchema":{"type":"object"}})";
}

Result<std::optional<std::string>> add(ItemCollector& collector, std::string_view page) {
  const auto document = json::Document::parse(page, {.bytes = 64U << 20});
  if (!document) return fail("test page is no JSON");
  return collector.add_page(document->root());
}

std::vector<std::string> names(const ItemList& tools) {
  std::vector<std::string> result;
  for (const auto& each : tools) result.push_back(each.key);
  return result;
}

TEST(ItemCollector, joins_pages_in_order_and_keeps_every_tool_byte_for_byte) {
  ItemCollector collector(ListKind::tools, std::nullopt, 10);
  const std::string odd = R"({ "inputSchema" : {"type":"object","x":1e400},  "name":"\u0062" , "unknown":[]})";
  auto next = add(collector, R"({"tools":[)" + tool("a") + "," + odd + R"(],"nextCursor":"c\u0031"})");
  ASSERT_TRUE(next);
  EXPECT_EQ(*next, R"("c\u0031")");
  next = add(collector, R"({"tools":[)" + tool("c") + R"(],"nextCursor":null})");
  ASSERT_TRUE(next);
  EXPECT_EQ(*next, std::nullopt);
  const ItemList tools = collector.take();
  EXPECT_THAT(names(tools), ElementsAre("a", "b", "c"));
  EXPECT_EQ(tools[1].json, odd);
  EXPECT_EQ(tools[1].json.substr(tools[1].key_offset, tools[1].key_length), R"("\u0062")");
  EXPECT_EQ(collector.invalid(), 0U);
}

TEST(ItemCollector, leaves_out_tools_that_no_client_could_use) {
  const std::string_view bad[] = {
      R"(7)",
      R"({"inputSchema":{"type":"object"}})",
      R"({"name":7,"inputSchema":{"type":"object"}})",
      R"({"name":"","inputSchema":{"type":"object"}})",
      R"({"name":"a\nb","inputSchema":{"type":"object"}})",
      R"({"name":"a\u007fb","inputSchema":{"type":"object"}})",
      R"({"name":"x"})",
      R"({"name":"x","inputSchema":[]})",
      R"({"name":"x","inputSchema":{"type":"string"}})",
      R"({"name":"x","inputSchema":{"type":"object"},"description":1})",
      R"({"name":"x","inputSchema":{"type":"object"},"outputSchema":[]})",
      R"({"name":"x","inputSchema":{"type":"object"},"_meta":1})",
  };
  for (const auto text : bad) {
    ItemCollector collector(ListKind::tools, std::nullopt, 10);
    ASSERT_TRUE(add(collector, R"({"tools":[)" + std::string(text) + "," + tool("good") + "]}")) << text;
    EXPECT_EQ(collector.invalid(), 1U) << text;
    EXPECT_FALSE(collector.example().empty()) << text;
    EXPECT_THAT(names(collector.take()), ElementsAre("good")) << text;
  }
  ItemCollector collector(ListKind::tools, std::nullopt, 10);
  ASSERT_TRUE(add(collector, R"({"tools":[)" + tool(std::string(128, 'x')) + "," + tool(std::string(129, 'y')) + "]}"));
  EXPECT_THAT(names(collector.take()), ElementsAre(std::string(128, 'x')));
}

TEST(ItemCollector, leaves_out_what_is_no_resource_template_or_prompt) {
  const auto kept = [](ListKind kind, std::string_view member, const std::string& items) {
    ItemCollector collector(kind, std::nullopt, 20);
    const auto page = add(collector, R"({")" + std::string(member) + R"(":[)" + items + "]}");
    EXPECT_TRUE(page) << items;
    return names(collector.take());
  };
  EXPECT_THAT(
      kept(ListKind::resources, "resources",
           R"({"uri":"a:1","name":"n","size":1e3,"mimeType":"x"},{"uri":"a:2"},{"name":"n"},{"uri":"","name":"n"},)"
           R"({"uri":"a:3","name":"n","size":"3"},{"uri":"a:4","name":7},{"uri":"a\n","name":"n"},)"
           R"({"uri":"a:5","name":"n","annotations":[]},{"uri":"a:1","name":"twice"},7)"),
      ElementsAre("a:1"));
  EXPECT_THAT(kept(ListKind::templates, "resourceTemplates",
                   R"({"uriTemplate":"a:{x}","name":"n"},{"uri":"a:1","name":"n"},{"uriTemplate":"b:{x}"},)"
                   R"({"uriTemplate":"c:{x}","name":"n","icons":{}})"),
              ElementsAre("a:{x}"));
  EXPECT_THAT(kept(ListKind::prompts, "prompts",
                   R"({"name":"a","arguments":[{"name":"x","required":true}]},{"name":"b","arguments":{}},)"
                   R"({"name":"c","arguments":[{}]},{"name":"d","arguments":[7]},)"
                   R"({"name":"e","arguments":[{"name":"x","required":"yes"}]},{"title":"f"})"),
              ElementsAre("a"));
}

TEST(ItemCollector, is_as_fresh_as_its_least_fresh_page) {
  ItemCollector collector(ListKind::tools, std::nullopt, 20);
  EXPECT_EQ(collector.freshness(), Freshness{});
  ASSERT_TRUE(add(collector, R"({"tools":[],"ttlMs":5000,"cacheScope":"public","nextCursor":"2"})"));
  EXPECT_EQ(collector.freshness(), (Freshness{.ttl_ms = 5000, .is_public = true}));
  ASSERT_TRUE(add(collector, R"({"tools":[],"ttlMs":300,"cacheScope":"private"})"));
  EXPECT_EQ(collector.freshness(), (Freshness{.ttl_ms = 300, .is_public = false}));
  for (const auto* wrong : {"-1", "1.5", "\"9\"", "1e3"}) {
    ItemCollector other(ListKind::tools, std::nullopt, 20);
    ASSERT_TRUE(add(other, R"({"tools":[],"ttlMs":)" + std::string(wrong) + "}"));
    EXPECT_EQ(other.freshness(), Freshness{}) << wrong;
  }
}

TEST(ItemCollector, keeps_the_first_of_two_equal_names_and_obeys_the_allow_list) {
  ItemCollector collector(ListKind::tools, std::vector<std::string>{"read_*", "list"}, 10);
  const std::string first = R"({"name":"list","title":"first","inputSchema":{"type":"object"}})";
  ASSERT_TRUE(add(collector, R"({"tools":[)" + first + "," + tool("list") + "," + tool("read_file") + "," +
                                 tool("write_file") + "]}"));
  const ItemList tools = collector.take();
  EXPECT_THAT(names(tools), ElementsAre("list", "read_file"));
  EXPECT_EQ(tools[0].json, first);
  EXPECT_EQ(collector.invalid(), 1U) << "the second `list`; what is not allowed is not invalid";
}

TEST(ItemCollector, cuts_a_list_that_is_too_long_or_never_ends) {
  ItemCollector many(ListKind::tools, std::nullopt, 2);
  auto next = add(many, R"({"tools":[)" + tool("a") + "," + tool("b") + "," + tool("c") + R"(],"nextCursor":"x"})");
  ASSERT_TRUE(next);
  EXPECT_EQ(*next, std::nullopt);
  EXPECT_THAT(many.fault(), HasSubstr("more than 2 items"));
  EXPECT_THAT(many.take(), SizeIs(2));

  ItemCollector circle(ListKind::tools, std::nullopt, 10);
  EXPECT_EQ(add(circle, R"({"tools":[],"nextCursor":"x"})").value(), R"("x")");
  EXPECT_EQ(add(circle, R"({"tools":[],"nextCursor":"x"})").value(), std::nullopt);
  EXPECT_THAT(circle.fault(), HasSubstr("circle"));

  ItemCollector endless(ListKind::tools, std::nullopt, 10);
  std::size_t pages = 0;
  while (add(endless, R"({"tools":[],"nextCursor":")" + std::to_string(pages) + R"("})").value()) ++pages;
  EXPECT_EQ(pages, ItemCollector::kPages - 1);
  EXPECT_THAT(endless.fault(), HasSubstr("pages"));

  ItemCollector number(ListKind::tools, std::nullopt, 10);
  EXPECT_EQ(add(number, R"({"tools":[],"nextCursor":1})").value(), std::nullopt);
  EXPECT_THAT(number.fault(), HasSubstr("cursor"));
}

TEST(ItemCollector, an_empty_cursor_is_a_cursor) {
  ItemCollector collector(ListKind::tools, std::nullopt, 10);
  EXPECT_EQ(add(collector, R"({"tools":[],"nextCursor":""})").value(), R"("")");
}

TEST(ItemCollector, refuses_what_is_no_page) {
  ItemCollector collector(ListKind::tools, std::nullopt, 10);
  EXPECT_FALSE(add(collector, R"({})"));
  EXPECT_FALSE(add(collector, R"({"tools":{}})"));
}

}  // namespace
}  // namespace clawql::engine::upstream
