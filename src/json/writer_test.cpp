#include "json/writer.hpp"

#include <gtest/gtest.h>

#include "json/document.hpp"

namespace clawql::json {
namespace {

TEST(Writer, escapes_what_must_be_escaped_and_nothing_else) {
  EXPECT_EQ(json::quoted(""), R"("")");
  EXPECT_EQ(json::quoted("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(json::quoted(std::string_view("\0\b\t\n\f\r\x1f\x7f", 8)), "\"\\u0000\\u0008\\t\\n\\u000c\\r\\u001f\x7f\"");
  EXPECT_EQ(json::quoted("ä€😀"), "\"ä€😀\"");
}

TEST(Writer, escapes_at_every_place_of_texts_of_every_length) {
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t place = 0; place < size; ++place) {
      std::string text(size, 'x');
      text[place] = '\n';
      EXPECT_EQ(json::quoted(text), '"' + std::string(place, 'x') + "\\n" + std::string(size - place - 1, 'x') + '"');
    }
  }
}

TEST(Writer, replaces_bytes_that_are_no_utf8) {
  EXPECT_EQ(json::quoted("a\xff\xc3"), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(json::quoted("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(Writer, what_is_written_reads_as_the_same_text) {
  for (int byte = 0; byte < 0x80; ++byte) {
    const std::string text = "0123456789abcdef" + std::string(1, static_cast<char>(byte)) + "x";
    const std::string written = json::quoted(text);
    const auto document = Document::parse(written, {});
    ASSERT_TRUE(document) << byte;
    EXPECT_EQ(document->root().string(), text);
  }
}

TEST(Splice, changes_slices_and_leaves_every_other_byte) {
  const std::string text = R"({ "id" : 7, "params": {"name": "a__b"} })";
  const auto document = Document::parse(text, {});
  ASSERT_TRUE(document);
  const Value root = document->root();
  Splice splice(text);
  splice.replace(root.find("params").find("name").raw(), R"("b")");
  splice.replace(root.find("id").raw(), R"("x-7")");
  splice.insert(root.find("params").raw().data() + 1, R"("_meta":{},)");
  EXPECT_EQ(splice.str(), R"({ "id" : "x-7", "params": {"_meta":{},"name": "b"} })");
}

TEST(Splice, inserts_stand_before_a_replacement_in_the_order_in_which_they_came) {
  const std::string text = "abc";
  Splice splice(text);
  splice.replace(std::string_view(text).substr(1, 1), "B");
  splice.insert(text.data() + 1, "1");
  splice.insert(text.data() + 1, "2");
  splice.insert(text.data(), "<");
  splice.insert(text.data() + 3, ">");
  EXPECT_EQ(splice.str(), "<a12Bc>");
  EXPECT_EQ(Splice(text).str(), "abc");
}

TEST(SpliceDeath, slices_must_lie_in_the_text_and_not_overlap) {
  const std::string text = "abcdef";
  const std::string other = "abcdef";
  Splice splice(text);
  splice.replace(std::string_view(text).substr(1, 3), "x");
  EXPECT_DEATH(splice.replace(std::string_view(text).substr(3, 1), "y"), "");
  EXPECT_DEATH(splice.replace(std::string_view(text).substr(0, 2), "y"), "");
  EXPECT_DEATH(splice.insert(text.data() + 2, "y"), "");
  EXPECT_DEATH(splice.replace(other, "y"), "");
}

}  // namespace
}  // namespace clawql::json
