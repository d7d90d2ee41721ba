// Hostile JSON, read once and strictly (RFC 8259): the whole text is validated before anything in it is believed, and
// every value remembers which bytes it came from. So policy and forwarding see the same bytes (promise P6), and ids,
// numbers and arguments travel as they came in: nothing is converted, rounded or written again.
//
// Refused: duplicate keys (compared after unescaping), invalid UTF-8, lone surrogates, control characters in strings,
// numbers out of grammar, NaN, comments, trailing bytes, depth and size over the limits. A document borrows its text; a
// value borrows its document.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clawql::json {

enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

struct ParseLimits {
  std::size_t bytes = 4U << 20;
  std::size_t depth = 64;          // `[[1]]` has depth 2
  std::size_t values = 2'000'000;  // keys count too; each takes 16 bytes of memory
};

struct ParseError {
  std::size_t offset;    // in bytes, where the text stopped being acceptable
  std::string_view why;  // a fixed text, e.g. "duplicate key"
};

class Document;

// A value inside a document. Cheap to copy. A default-made Value is "absent": converts to false, and may only be
// tested.
class Value {
 public:
  Value() = default;
  explicit operator bool() const { return document_ != nullptr; }

  Kind kind() const;
  bool is(Kind kind_wanted) const { return document_ != nullptr && kind() == kind_wanted; }
  // The exact bytes of this value in the text: for a string with its quotes, for an object from `{` to `}`.
  std::string_view raw() const;

  // The member with this key, absent when there is none or this is no object (or absent itself), so look-ups chain.
  Value find(std::string_view key) const;
  // A string, unescaped. nullopt when absent or no string.
  std::optional<std::string> string() const;
  // The same without a copy, when the string holds no escape; nullopt otherwise.
  std::optional<std::string_view> plain_string() const;
  // The same for every string: what holds an escape is unescaped into `room`.
  std::optional<std::string_view> string(std::string& room) const;
  // True when this is a string that equals `text` after unescaping.
  bool equals(std::string_view text) const;
  // A number written as an integer in the range of the type ("1e2" and "1.0" are not).
  std::optional<std::int64_t> int64() const;
  std::optional<std::uint64_t> uint64() const;
  std::optional<bool> boolean() const;

  // Elements of an array or members of an object; 0 for everything else.
  std::size_t size() const;

  struct Member;
  class MemberRange;
  class ElementRange;
  MemberRange members() const;    // empty for anything but an object
  ElementRange elements() const;  // empty for anything but an array

 private:
  friend class Document;
  friend class MemberRange;
  friend class ElementRange;
  Value(const Document* document, std::uint32_t index) : document_(document), index_(index) {}
  const Document* document_ = nullptr;
  std::uint32_t index_ = 0;
};

class Document {
 public:
  // `text` is borrowed and must outlive the document. Never throws, never reads outside `text`.
  static std::expected<Document, ParseError> parse(std::string_view text, const ParseLimits& limits);

  Value root() const { return Value(this, 0); }
  std::string_view text() const { return text_; }

 private:
  friend class Value;
  friend class OwnedDocument;
  friend struct Scanner;
  // One token a value, in the order of the text; a container's children follow it. A member is its key's token, then
  // its value's. 16 bytes, because a hostile text can hold one value in every two bytes.
  struct Token {
    std::uint32_t offset;
    std::uint32_t length;  // of raw(), in bytes
    std::uint32_t next;    // index of the token after this value and all that is in it
    std::uint32_t packed;  // count << 4 | kind << 1 | escaped; no bit-fields, whose partial stores stall the scan

    static constexpr std::uint32_t kOneChild = 1U << 4;
    static constexpr std::uint32_t pack(Kind kind, bool escaped) {
      return static_cast<std::uint32_t>(kind) << 1 | static_cast<std::uint32_t>(escaped);
    }
    Kind kind() const { return static_cast<Kind>(packed >> 1 & 7U); }
    bool escaped() const { return (packed & 1U) != 0; }  // a string that holds a backslash
    std::uint32_t count() const { return packed >> 4; }  // children of a container
    // Of a string: false for nearly all that are another text.
    bool may_equal(std::string_view text) const { return escaped() || length == text.size() + 2; }
  };
  Document() = default;
  std::string_view text_;
  std::vector<Token> tokens_;
};

// A document that owns its text, to outlive what it was read from or to go to another thread: a copy of both, without
// a second parse. Moving it leaves the text where it is.
class OwnedDocument {
 public:
  explicit OwnedDocument(const Document& document)
      : text_(std::make_unique<const std::string>(document.text_)), document_(document) {
    document_.text_ = *text_;
  }
  // Values of it end when this is moved or gone.
  const Document& document() const { return document_; }

 private:
  std::unique_ptr<const std::string> text_;
  Document document_;
};

struct Value::Member {
  Value key;
  Value value;
};

class Value::MemberRange {
 public:
  class Iterator {
   public:
    using value_type = Member;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Iterator(const Document* document, std::uint32_t index) : document_(document), index_(index) {}
    Member operator*() const;
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const Document* document_ = nullptr;
    std::uint32_t index_ = 0;
  };
  MemberRange(Iterator first, Iterator last) : first_(first), last_(last) {}
  Iterator begin() const { return first_; }
  Iterator end() const { return last_; }

 private:
  Iterator first_, last_;
};

class Value::ElementRange {
 public:
  class Iterator {
   public:
    using value_type = Value;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Iterator(const Document* document, std::uint32_t index) : document_(document), index_(index) {}
    Value operator*() const { return Value(document_, index_); }
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const Document* document_ = nullptr;
    std::uint32_t index_ = 0;
  };
  ElementRange(Iterator first, Iterator last) : first_(first), last_(last) {}
  Iterator begin() const { return first_; }
  Iterator end() const { return last_; }

 private:
  Iterator first_, last_;
};

}  // namespace clawql::json
