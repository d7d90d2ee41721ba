#include "json/document.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <random>

#include "json/writer.hpp"

namespace clawql::json {
namespace {

// The text at the end of an allocation of its own size, so that the address sanitizer sees a read beyond it.
struct Copy {
  explicit Copy(std::string_view from) : bytes(new char[from.size()]), text(bytes.get(), from.size()) {
    std::memcpy(bytes.get(), from.data(), from.size());
  }
  std::unique_ptr<char[]> bytes;
  std::string_view text;
};

std::string verdict(std::string_view text, const ParseLimits& limits = {}) {
  const Copy copy(text);
  const auto document = Document::parse(copy.text, limits);
  return document ? "ok" : std::to_string(document.error().offset) + " " + std::string(document.error().why);
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

TEST(Document, takes_what_rfc_8259_takes) {
  for (const std::string& text :
       {std::string("null"), std::string("true"), std::string("false"), std::string("0"), std::string("-0"),
        std::string("-0.0e-0"), std::string("123456789012345678901234567890"), std::string("1e999"),
        std::string("1E+5"), std::string("0.1"), std::string(R"("")"),
        std::string(R"("\"\\\/\b\f\n\r\t\u0000\uD83D\uDE00\uFFFF")"),
        std::string(
            "\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
        std::string("[]"), std::string("{}"), std::string(" \t\r\n[ 1 , [ ] , { } ] \n"),
        std::string(R"({"a":1,"A":2,"":3})"), std::string(R"({"a":{"a":{"a":[{"a":1},{"a":1}]}}})")})
    EXPECT_EQ(verdict(text), "ok") << text;
}

TEST(Document, refuses_everything_else_and_says_where_and_why) {
  struct Row {
    std::string text;
    std::string verdict;
  };
  for (const Row& row : {Row{"", "0 unexpected end"},
                         Row{" ", "1 unexpected end"},
                         Row{"[1,", "3 unexpected end"},
                         Row{"[1", "2 unexpected end"},
                         Row{"{\"a\"", "4 unexpected end"},
                         Row{"{\"a\":", "5 unexpected end"},
                         Row{"{\"a\":1,", "7 unexpected end"},
                         Row{"-", "1 unexpected end"},
                         Row{"1.", "2 unexpected end"},
                         Row{"1e+", "3 unexpected end"},
                         Row{"\"a", "2 unterminated string"},
                         Row{"\"a\\", "3 unterminated string"},
                         Row{"1 1", "2 trailing bytes"},
                         Row{"{}{}", "2 trailing bytes"},
                         Row{"[]]", "2 trailing bytes"},
                         Row{std::string("1\0", 2), "1 trailing bytes"},
                         Row{"\xef\xbb\xbf{}", "0 expected a value"},
                         Row{"nul", "0 expected a value"},
                         Row{"True", "0 expected a value"},
                         Row{"NaN", "0 expected a value"},
                         Row{"Infinity", "0 expected a value"},
                         Row{"-Infinity", "1 bad number"},
                         Row{"+1", "0 expected a value"},
                         Row{".5", "0 expected a value"},
                         Row{"01", "1 bad number"},
                         Row{"-01", "2 bad number"},
                         Row{"1.e5", "2 bad number"},
                         Row{"1ex", "2 bad number"},
                         Row{"0x10", "1 trailing bytes"},
                         Row{"1_0", "1 trailing bytes"},
                         Row{"'a'", "0 expected a value"},
                         Row{"[1,]", "3 expected a value"},
                         Row{"[,1]", "1 expected a value"},
                         Row{"[1 2]", "3 expected a comma or the end of the container"},
                         Row{"[1}", "2 expected a comma or the end of the container"},
                         Row{"{\"a\":1]", "6 expected a comma or the end of the container"},
                         Row{"{\"a\":1,}", "7 expected a key"},
                         Row{"{,}", "1 expected a key"},
                         Row{"{a:1}", "1 expected a key"},
                         Row{"{1:1}", "1 expected a key"},
                         Row{"{\"a\" 1}", "5 expected a colon"},
                         Row{"{\"a\":}", "5 expected a value"},
                         Row{"[1]//x", "3 trailing bytes"},
                         Row{"/**/1", "0 expected a value"},
                         Row{"[\f1]", "1 expected a value"},
                         Row{"\"\t\"", "1 control character in a string"},
                         Row{std::string("\"\0\"", 3), "1 control character in a string"},
                         Row{"\"0123456789abcdef\n\"", "17 control character in a string"},
                         Row{R"("\x41")", "1 unknown escape"},
                         Row{R"("\U0041")", "1 unknown escape"},
                         Row{R"("\u004")", "1 bad \\u escape"},
                         Row{R"("\u004g")", "1 bad \\u escape"},
                         Row{R"("\ud800")", "1 lone surrogate"},
                         Row{R"("\ud800\u0041")", "1 lone surrogate"},
                         Row{R"("\ud800\ud800")", "1 lone surrogate"},
                         Row{R"("\udc00")", "1 lone surrogate"},
                         Row{R"("\ud800x")", "1 lone surrogate"},
                         Row{"\"\x80\"", "1 invalid UTF-8"},
                         Row{"\"\xc0\x80\"", "1 invalid UTF-8"},
                         Row{"\"\xc1\xbf\"", "1 invalid UTF-8"},
                         Row{"\"\xc3\"", "1 invalid UTF-8"},
                         Row{"\"\xc3(\"", "1 invalid UTF-8"},
                         Row{"\"\xe0\x9f\xbf\"", "1 invalid UTF-8"},
                         Row{"\"\xed\xa0\x80\"", "1 invalid UTF-8"},
                         Row{"\"\xe2\x82\"", "1 invalid UTF-8"},
                         Row{"\"\xf0\x8f\xbf\xbf\"", "1 invalid UTF-8"},
                         Row{"\"\xf4\x90\x80\x80\"", "1 invalid UTF-8"},
                         Row{"\"\xf5\x80\x80\x80\"", "1 invalid UTF-8"},
                         Row{"\"\xff\"", "1 invalid UTF-8"},
                         Row{"\"\xf0\x9f\x98", "1 invalid UTF-8"},
                         Row{"\"\xc3\xa4\xc3\"", "3 invalid UTF-8"}})
    EXPECT_EQ(verdict(row.text), row.verdict) << row.text;
}

TEST(Document, refuses_keys_that_are_equal_after_unescaping) {
  EXPECT_EQ(verdict(R"({"a":1,"a":2})"), "7 duplicate key");
  EXPECT_EQ(verdict(R"({"method":1,"b":2,"m\u0065thod":3})"), "18 duplicate key");
  EXPECT_EQ(verdict(R"({"\ud83d\ude00":1,"😀":2})"), "18 duplicate key");
  EXPECT_EQ(verdict(R"({"\/":1,"/":2})"), "8 duplicate key");
  EXPECT_EQ(verdict(R"({"":1,"":2})"), "6 duplicate key");
  EXPECT_EQ(verdict(R"([{"x":{"a":1,"b":2,"a":3}}])"), "19 duplicate key");
  EXPECT_EQ(verdict(R"({"a":1,"b":{"a":1},"c":[{"a":1}]})"), "ok");
  EXPECT_EQ(verdict(R"({"ab":1,"ba":2,"aa":3,"bb":4})"), "ok");
}

TEST(Document, finds_a_duplicate_among_any_number_of_keys_wherever_it_stands) {
  for (const std::size_t count : {2U, 23U, 24U, 25U, 26U, 64U, 1000U}) {
    std::string unique;
    for (std::size_t i = 0; i < count; ++i) unique += "\"key" + std::to_string(i) + "\":" + std::to_string(i) + ",";
    unique.pop_back();
    EXPECT_EQ(verdict("{" + unique + "}"), "ok") << count;
    for (const std::size_t which : {std::size_t{0}, count / 2, count - 1}) {
      const std::string number = std::to_string(which);
      EXPECT_TRUE(verdict("{" + unique + ",\"key" + number + "\":0}").ends_with("duplicate key")) << count;
      EXPECT_TRUE(verdict("{" + unique + ",\"k\\u0065y" + number + "\":0}").ends_with("duplicate key")) << count;
    }
  }
}

TEST(Document, keeps_to_its_limits) {
  EXPECT_EQ(verdict("[[1]]", {.depth = 2}), "ok");
  EXPECT_EQ(verdict("[[[1]]]", {.depth = 2}), "2 too deep");
  EXPECT_EQ(verdict(R"([{"a":[1]}])", {.depth = 2}), "6 too deep");
  EXPECT_EQ(verdict("1", {.depth = 0}), "ok");
  EXPECT_EQ(verdict(repeat("[", 64) + repeat("]", 64)), "ok");
  EXPECT_EQ(verdict(repeat("[", 65) + repeat("]", 65)), "64 too deep");
  EXPECT_EQ(verdict(repeat("[", 100'000)), "64 too deep");
  EXPECT_EQ(verdict("[1,2]", {.bytes = 5}), "ok");
  EXPECT_EQ(verdict("[1,2] ", {.bytes = 5}), "0 too large");
  EXPECT_EQ(verdict(R"({"a":1})", {.values = 3}), "ok");
  EXPECT_EQ(verdict(R"({"a":1})", {.values = 2}), "5 too many values");
}

TEST(Document, a_text_cut_anywhere_is_refused) {
  const std::string_view text = R"({"id":-1.5e+3,"s":"aä😀\u00e4\ud83d\ude00\n","l":[true,false,null,{}],"o":{"":[]}})";
  ASSERT_EQ(verdict(text), "ok");
  for (std::size_t size = 0; size < text.size(); ++size) EXPECT_NE(verdict(text.substr(0, size)), "ok") << size;
}

TEST(Document, special_bytes_are_seen_at_every_place_of_a_long_string) {
  for (std::size_t size = 0; size < 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (const char special : {'\x1f', '\0', '\xff', '\x80'}) {
        std::string text = "\"" + std::string(size, 'a') + "\"";
        text[at + 1] = special;
        EXPECT_NE(verdict(text), "ok") << size << " " << at;
      }
      std::string text = "\"" + std::string(size, 'a') + "\"";
      text[at + 1] = '"';
      EXPECT_EQ(verdict(text), std::to_string(at + 2) + " trailing bytes");
    }
  }
}

TEST(Value, look_ups_chain_and_absent_values_are_false) {
  const std::string text = R"({"method":"tools/call","params":{"name":"a","arguments":{"x":[1,2,3]}},"id":7})";
  const auto document = Document::parse(text, {});
  ASSERT_TRUE(document);
  const Value root = document->root();
  EXPECT_TRUE(root.find("method").equals("tools/call"));
  EXPECT_EQ(root.find("params").find("arguments").raw(), R"({"x":[1,2,3]})");
  EXPECT_EQ(root.find("params").find("arguments").raw().data(), text.data() + text.find(R"({"x")"));
  EXPECT_EQ(root.find("params").find("arguments").find("x").size(), 3U);
  EXPECT_EQ(root.find("id").int64(), 7);
  const Value absent = root.find("Method").find("a").find("b");
  EXPECT_FALSE(absent);
  EXPECT_FALSE(absent.is(Kind::null));
  EXPECT_EQ(absent.size(), 0U);
  EXPECT_EQ(absent.string(), std::nullopt);
  EXPECT_EQ(absent.int64(), std::nullopt);
  EXPECT_FALSE(absent.equals(""));
  EXPECT_EQ(absent.members().begin(), absent.members().end());
  EXPECT_EQ(absent.elements().begin(), absent.elements().end());
}

TEST(Value, strings_are_unescaped_and_compared_unescaped) {
  const auto document = Document::parse(R"(["a\n\u00e4\u20ac\ud83d\ude00\"\\\/b", "plain", "\u0000", ""])", {});
  ASSERT_TRUE(document);
  std::vector<Value> values;
  for (const Value value : document->root().elements()) values.push_back(value);
  ASSERT_EQ(values.size(), 4U);
  EXPECT_EQ(values[0].string(), "a\nä€😀\"\\/b");
  EXPECT_EQ(values[0].plain_string(), std::nullopt);
  EXPECT_TRUE(values[0].equals("a\nä€😀\"\\/b"));
  EXPECT_FALSE(values[0].equals("a\nä€😀\"\\/"));
  EXPECT_FALSE(values[0].equals("a\nä€😀\"\\/bc"));
  EXPECT_EQ(values[1].plain_string(), "plain");
  EXPECT_FALSE(values[1].equals("plai"));
  EXPECT_EQ(values[2].string(), std::string(1, '\0'));
  EXPECT_TRUE(values[3].equals(""));
}

TEST(Value, integers_are_exact_or_nothing) {
  struct Row {
    std::string text;
    std::optional<std::int64_t> as_signed;
    std::optional<std::uint64_t> as_unsigned;
  };
  for (const Row& row :
       {Row{"0", 0, 0U}, Row{"-0", 0, {}}, Row{"-1", -1, {}}, Row{"1.0", {}, {}}, Row{"1e2", {}, {}},
        Row{"9223372036854775807", INT64_MAX, 9223372036854775807U},
        Row{"9223372036854775808", {}, 9223372036854775808U}, Row{"-9223372036854775808", INT64_MIN, {}},
        Row{"-9223372036854775809", {}, {}}, Row{"18446744073709551615", {}, UINT64_MAX},
        Row{"18446744073709551616", {}, {}}, Row{"\"1\"", {}, {}}}) {
    const auto document = Document::parse(row.text, {});
    ASSERT_TRUE(document);
    EXPECT_EQ(document->root().int64(), row.as_signed) << row.text;
    EXPECT_EQ(document->root().uint64(), row.as_unsigned) << row.text;
  }
}

// A random value, written twice: with random blanks and escapes, and plainly.
struct Written {
  std::string loose;
  std::string plain;
};

class Writer {
 public:
  explicit Writer(std::uint64_t seed) : random_(seed) {}

  Written value(int depth) {
    switch (below(depth > 0 ? 7 : 5)) {
      case 0: return {"null", "null"};
      case 1: return {"true", "true"};
      case 2: return {"-12.5e3", "-12.5e3"};
      case 3: {
        const std::string number = std::to_string(static_cast<std::int64_t>(random_()));
        return {number, number};
      }
      case 4: return string();
      case 5: return container('[', ']', depth);
      default: return container('{', '}', depth);
    }
  }

  std::size_t below(std::size_t limit) { return random_() % limit; }

 private:
  std::string blank() { return std::string(below(2), " \t\r\n"[below(4)]); }

  Written string() {
    static constexpr std::array<std::array<const char*, 2>, 8> kPieces{{{"a", "\\u0061"},
                                                                        {"\\n", "\\u000A"},
                                                                        {"\\\"", "\\u0022"},
                                                                        {"\\\\", "\\u005c"},
                                                                        {"ä", "\\u00e4"},
                                                                        {"€", "\\u20AC"},
                                                                        {"😀", "\\ud83d\\uDe00"},
                                                                        {"\\u0001", "\\u0001"}}};
    Written result{"\"", "\""};
    for (std::size_t i = below(12); i > 0; --i) {
      const auto& piece = kPieces[below(kPieces.size())];
      result.plain += piece[0];
      result.loose += piece[below(2)];
    }
    result.plain += '"';
    result.loose += '"';
    return result;
  }

  Written container(char open, char close, int depth) {
    Written result{std::string(1, open) + blank(), std::string(1, open)};
    const std::size_t count = below(6);
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) result.loose += "," + blank(), result.plain += ",";
      if (open == '{') {
        Written key = string();
        const std::string number = std::to_string(i) + "\"";  // so that keys differ
        key.loose.replace(key.loose.size() - 1, 1, number);
        key.plain.replace(key.plain.size() - 1, 1, number);
        result.loose += key.loose + blank() + ":" + blank();
        result.plain += key.plain + ":";
      }
      const Written child = value(depth - 1);
      result.loose += child.loose + blank();
      result.plain += child.plain;
    }
    result.loose += close;
    result.plain += close;
    return result;
  }

  std::mt19937_64 random_;
};

// The plain text again, from nothing but the values.
std::string rewritten(Value value) {
  std::string out;
  switch (value.kind()) {
    case Kind::string: return json::quoted(*value.string());
    case Kind::array:
      for (const Value element : value.elements()) out += (out.empty() ? "" : ",") + rewritten(element);
      return "[" + out + "]";
    case Kind::object:
      for (const auto [key, member] : value.members())
        out += (out.empty() ? "" : ",") + json::quoted(*key.string()) + ":" + rewritten(member);
      return "{" + out + "}";
    case Kind::null:
    case Kind::boolean:
    case Kind::number: break;
  }
  return std::string(value.raw());
}

void expect_every_slice_is_the_same_document(Value value) {
  const auto again = Document::parse(value.raw(), {});
  ASSERT_TRUE(again);
  ASSERT_EQ(rewritten(again->root()), rewritten(value));
  for (const Value element : value.elements()) expect_every_slice_is_the_same_document(element);
  std::size_t members = 0;
  for (const auto [key, member] : value.members()) {
    ASSERT_EQ(value.find(*key.string()).raw().data(), member.raw().data());
    expect_every_slice_is_the_same_document(member);
    ++members;
  }
  if (value.is(Kind::object)) ASSERT_EQ(members, value.size());
}

TEST(Value, any_document_can_be_written_again_from_its_values_and_every_slice_is_a_document) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const Written written = Writer(seed).value(4);
    const Copy copy(written.loose);
    const auto document = Document::parse(copy.text, {});
    ASSERT_TRUE(document) << written.loose << document.error().why;
    ASSERT_EQ(rewritten(document->root()), written.plain) << written.loose;
    expect_every_slice_is_the_same_document(document->root());
  }
}

}  // namespace
}  // namespace clawql::json
