#include "json/document.hpp"

#include "base/check.hpp"
#include "base/decimal.hpp"
#include "json/scanner.hpp"
#include "json/text_scan.hpp"

namespace clawql::json {
namespace {

std::string_view inner(std::string_view quoted) {
  return quoted.substr(1, quoted.size() - 2);
}

bool equals_unescaped(std::string_view escaped, std::string_view text) {
  Unescaper pieces(escaped);
  for (std::string_view piece = pieces.next(); !piece.empty(); piece = pieces.next()) {
    if (!text.starts_with(piece)) return false;
    text.remove_prefix(piece.size());
  }
  return text.empty();
}

}  // namespace

std::expected<Document, ParseError> Document::parse(std::string_view text, const ParseLimits& limits) {
  Document document;
  document.text_ = text;
  Scanner scanner(document, limits);
  if (!scanner.run()) return std::unexpected(scanner.error);
  return document;
}

Kind Value::kind() const {
  CLAWQL_CHECK(document_ != nullptr);
  return document_->tokens_[index_].kind();
}

std::string_view Value::raw() const {
  CLAWQL_CHECK(document_ != nullptr);
  const Document::Token& token = document_->tokens_[index_];
  return document_->text_.substr(token.offset, token.length);
}

Value Value::find(std::string_view key) const {
  if (!is(Kind::object)) return {};
  const auto& tokens = document_->tokens_;
  const std::uint32_t stop = tokens[index_].next;
  for (std::uint32_t at = index_ + 1; at != stop; at = tokens[at + 1].next)
    if (tokens[at].may_equal(key) && Value(document_, at).equals(key)) return {document_, at + 1};
  return {};
}

std::optional<std::string> Value::string() const {
  if (!is(Kind::string)) return std::nullopt;
  const std::string_view text = inner(raw());
  if (!document_->tokens_[index_].escaped()) return std::string(text);
  std::string result;
  result.reserve(text.size());
  Unescaper pieces(text);
  for (std::string_view piece = pieces.next(); !piece.empty(); piece = pieces.next()) result.append(piece);
  return result;
}

std::optional<std::string_view> Value::plain_string() const {
  if (!is(Kind::string) || document_->tokens_[index_].escaped()) return std::nullopt;
  return inner(raw());
}

std::optional<std::string_view> Value::string(std::string& room) const {
  if (const auto plain = plain_string()) return plain;
  auto unescaped = string();
  if (!unescaped) return std::nullopt;
  room = std::move(*unescaped);
  return room;
}

bool Value::equals(std::string_view text) const {
  if (!is(Kind::string)) return false;
  if (!document_->tokens_[index_].may_equal(text)) return false;
  const std::string_view own = inner(raw());
  return document_->tokens_[index_].escaped() ? equals_unescaped(own, text) : own == text;
}

std::optional<std::int64_t> Value::int64() const {
  if (!is(Kind::number)) return std::nullopt;
  std::string_view text = raw();
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto magnitude = base::parse_decimal<std::uint64_t>(text);
  const std::uint64_t most = static_cast<std::uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (!magnitude || *magnitude > most) return std::nullopt;
  return static_cast<std::int64_t>(negative ? 0 - *magnitude : *magnitude);
}

std::optional<std::uint64_t> Value::uint64() const {
  if (!is(Kind::number)) return std::nullopt;
  return base::parse_decimal<std::uint64_t>(raw());
}

std::optional<bool> Value::boolean() const {
  if (!is(Kind::boolean)) return std::nullopt;
  return raw() == "true";
}

std::size_t Value::size() const {
  return document_ == nullptr ? 0 : document_->tokens_[index_].count();
}

Value::MemberRange Value::members() const {
  if (!is(Kind::object)) return {{}, {}};
  return {{document_, index_ + 1}, {document_, document_->tokens_[index_].next}};
}

Value::ElementRange Value::elements() const {
  if (!is(Kind::array)) return {{}, {}};
  return {{document_, index_ + 1}, {document_, document_->tokens_[index_].next}};
}

Value::Member Value::MemberRange::Iterator::operator*() const {
  return {.key = Value(document_, index_), .value = Value(document_, index_ + 1)};
}

Value::MemberRange::Iterator& Value::MemberRange::Iterator::operator++() {
  index_ = document_->tokens_[index_ + 1].next;
  return *this;
}

Value::ElementRange::Iterator& Value::ElementRange::Iterator::operator++() {
  index_ = document_->tokens_[index_].next;
  return *this;
}

}  // namespace clawql::json
